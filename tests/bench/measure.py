"""Timing to be trusted: whole processes, one after the other, each on an idle machine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

NETLAB = [sys.executable, "-m", "netlab"]
_IDLE_SECONDS = 30


def timed(*command: str) -> float:
    """Seconds that a command takes; the benchmark ends if it fails."""
    await_idle()
    start = time.perf_counter()
    run(*command)
    return time.perf_counter() - start


def timed_call(action: Callable[[], object]) -> float:
    """Seconds that a function takes."""
    await_idle()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def run(*command: str, text: str | None = None) -> str:
    """What a command prints; the benchmark ends if it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        words = " ".join(command)
        sys.exit(f"{words} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr}")
    return done.stdout


def await_idle() -> None:
    """The kernel takes namespaces apart in the background: who comes next must not pay for it."""
    deadline = time.monotonic() + _IDLE_SECONDS
    while _busy(0.1) > 0.1 and time.monotonic() < deadline:
        pass


def _busy(seconds: float) -> float:
    """How much of the processors' time was used in the next `seconds`, from 0 to 1."""
    before = _ticks()
    time.sleep(seconds)
    used, total = (after - earlier for after, earlier in zip(_ticks(), before, strict=True))
    return used / max(total, 1)


def _ticks() -> tuple[int, int]:
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def memory() -> int:
    """Bytes that the kernel and all processes use; what can be had back at once (caches) is not counted."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    of = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}
    return of["MemTotal"] - of["MemFree"] - of["Buffers"] - of["Cached"] - of["SReclaimable"]
