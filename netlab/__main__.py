"""The command, before anything is loaded: `netlab`, `vmnetlab`, `python -m netlab`."""

from __future__ import annotations

import signal
import sys

_NAMES = ("netlab", "vmnetlab")


def main() -> None:
    """Run the command line and exit with its code."""
    # Until the first instruction of ours, Ctrl-C ends silently and not with Python's traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from netlab.cli import run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    called = sys.argv[0].rpartition("/")[2]
    code = run(sys.argv[1:], called if called in _NAMES else _NAMES[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The work is done, and so is its exit code.
    sys.exit(code)


if __name__ == "__main__":
    main()
