"""Waiting for facts, and being interrupted at moments when nothing gets lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from netlab.errors import Interrupted, KernelError

_POLL_SECONDS = 0.002
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Set by a signal, raised by `check` where the lab is in a known state."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.signal is not None:
            raise Interrupted(f"interrupted by {signal.Signals(self.signal).name}")


@contextmanager
def postponed_signals() -> Iterator[Interruption]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into a flag for the length of a block."""
    interruption = Interruption()

    def remember(number: int, _: FrameType | None) -> None:
        interruption.signal = number

    if threading.current_thread() is not threading.main_thread():
        yield interruption  # Signals reach only the main thread.
        return
    previous = {number: signal.signal(number, remember) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def await_fact(
    fact: Callable[[], bool], seconds: float, failure: Callable[[], str], interruption: Interruption
) -> None:
    """Poll until `fact` is true. Raises KernelError with `failure` after `seconds`, or Interrupted."""
    deadline = time.monotonic() + seconds
    while not fact():
        interruption.check()
        if time.monotonic() > deadline:
            raise KernelError(failure())
        time.sleep(_POLL_SECONDS)
