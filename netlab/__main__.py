"""The command, before anything is loaded: `netlab`, `vmnetlab`, `python -m netlab`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line and exit with its code."""
    # Until the first instruction of ours, Ctrl-C ends silently and not with Python's traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What a command makes lives mostly to its end: to look through it for garbage every 700 objects
    # is a fifth of its time in a large lab.
    gc.set_threshold(100_000)
    _mend_streams()
    from netlab.cli import ctrl_c, run
    from netlab.cli.called import NAMES
    from netlab.cli.output import unblock

    unblock()
    signal.signal(signal.SIGINT, ctrl_c.interrupt)
    called = sys.argv[0].rpartition("/")[2]
    code = run(sys.argv[1:], called if called in NAMES else NAMES[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The work is done, and so is its exit code.
    gc.freeze()  # Else the interpreter's end looks through everything for garbage, twice.
    sys.exit(code)


def _mend_streams() -> None:
    """A closed stream becomes an empty one; a character that an encoding lacks becomes a `?`."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
