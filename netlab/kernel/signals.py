"""Signals as flags, noticed at moments when nothing gets lost, and never kept waiting by a slow reader."""

from __future__ import annotations

import math
import os
import select
import signal
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO, IOBase
from types import FrameType
from typing import TYPE_CHECKING

from netlab.errors import Interrupted

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_LOOK_MILLISECONDS = 50
GRACE_SECONDS = 0.2
"""Time left after a signal: for a reader that takes nothing, for packets that were seen before it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _SignalNow(KeyboardInterrupt):
    """Raised by the handler: no Exception, which libraries catch and swallow (scapy, click)."""


class Interruption:
    """A signal as a flag: raised by `check` where the lab is in a known state."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._at_once = False

    def check(self) -> None:
        """Raise Interrupted if a signal has come since the last check."""
        if self._signal is not None:
            number, self._signal = self._signal, None
            raise Interrupted(f"interrupted by {signal.Signals(number).name}")

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Run a block in which a signal is raised where it comes, as Python does by itself."""
        self._at_once = True
        try:
            self.check()
            yield
        except _SignalNow:
            self.check()
        finally:
            self._at_once = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Run a block, maybe inside one of `at_once`, in which a signal is a flag again."""
        before, self._at_once = self._at_once, False
        try:
            yield
        finally:
            self._at_once = before

    def remember(self, number: int, _: FrameType | None) -> None:
        """Set the flag: this is the signal handler."""
        self._signal = number
        hurry()
        if self._at_once:
            raise _SignalNow


_current: Interruption | None = None
_hurried = math.inf
"""When the first signal came, by the monotonic clock."""


def hurry() -> None:
    """Note that a signal has come: from now on, nobody waits for long for a reader of the output."""
    global _hurried
    _hurried = min(_hurried, time.monotonic())


def _is_late() -> bool:
    return time.monotonic() > _hurried + GRACE_SECONDS


class InterruptibleFile(FileIO):
    """A pipe, terminal or file to write to, whose reader keeps no signal waiting.

    A thread that waits in write(2) for a reader that has stopped (`| less`, Ctrl-S, a full pipe) sees a
    signal's flag when that reader goes on, and maybe never. Here, it waits outside of the system call, and
    GRACE_SECONDS after a signal, what the reader has not taken is thrown away.
    """

    def __init__(self, owner: IOBase) -> None:
        """Write to the owner's descriptor, which the owner closes."""
        descriptor = owner.fileno()
        super().__init__(descriptor, "wb", closefd=False)
        self._owner = owner  # It would close the descriptor if nobody kept it.
        self._always_ready = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)

    def write(self, data: ReadableBuffer) -> int:
        """Write a part of `data`; return its bytes. Raises OSError, and what a signal's handler raises."""
        if self._always_ready:
            return super().write(data)
        view = memoryview(data).cast("B")
        while not self._ready.poll(0 if (late := _is_late()) else _LOOK_MILLISECONDS):
            if late:
                return len(view)
        return super().write(view[: select.PIPE_BUF])  # For so much, there is room.


@contextmanager
def deferred_signals() -> Iterator[Interruption]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into a flag for the length of a block.

    Blocks inside the block share the flag. A signal that nobody has checked for
    is raised at the end of the outermost one.
    """
    global _current
    if _current is not None:
        with _current.deferred():
            yield _current
        return
    if threading.current_thread() is not threading.main_thread():
        yield Interruption()  # Signals reach only the main thread.
        return
    _current = interruption = Interruption()
    # What is ignored stays ignored: `nohup netlab up nat &` must survive the logout.
    previous = {
        number: handler
        for number in SIGNALS
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    for number in previous:
        signal.signal(number, interruption.remember)
    try:
        yield interruption
    finally:
        _current = None
        for number, handler in previous.items():
            signal.signal(number, handler)
    interruption.check()
