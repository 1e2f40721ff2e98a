"""Output of the machine's programs that look at the present namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from netlab.kernel.process.services import SEARCH

_SECONDS = 10.0


def output(argv: Sequence[str]) -> str | None:
    """Run a program in the present namespace; return its output, None if it is missing or fails."""
    try:
        process = subprocess.run(
            argv,
            env={"PATH": SEARCH, "LC_ALL": "C"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout.decode(errors="replace") if process.returncode == 0 else None
