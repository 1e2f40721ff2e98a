"""How fast this machine is, measured: no time in a test may be one that only a fast machine keeps."""

from __future__ import annotations

import subprocess
import sys
import time

_STARTS = 3
_USUAL_START_SECONDS = 0.02
"""The interpreter's start on a developer's machine."""


def slowness() -> float:
    """How many times slower than a developer's machine this one is; never below 1."""
    before = time.perf_counter()
    for _ in range(_STARTS):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    return max(1.0, (time.perf_counter() - before) / _STARTS / _USUAL_START_SECONDS)


SLOWNESS = slowness()
HANG_SECONDS = 60 * SLOWNESS
"""Only what hangs takes that long: the time-out of every process that a test starts."""

if __name__ == "__main__":
    print(SLOWNESS)
