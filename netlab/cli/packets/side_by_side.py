"""Work done side by side, in a process for each piece: none of them shares namespaces with another."""

from __future__ import annotations

import os
import pickle
import selectors
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO, TypeVar

from netlab.errors import KernelError
from netlab.kernel.signals import Interruption, deferred_signals

Piece = TypeVar("Piece")
Done = TypeVar("Done")

_LOOK_SECONDS = 0.1
"""The longest that Ctrl-C may have to wait."""


def side_by_side(
    work: Callable[[Piece], Done], pieces: Sequence[Piece], workers: int
) -> Iterator[tuple[int, Done]]:
    """Yield what becomes of each piece, with its index, as soon as it is done; so many workers at once.

    What is under way when the caller stops is ended by SIGTERM, and waited for. Raises Interrupted;
    KernelError if a worker ended without a word.
    """
    with deferred_signals() as interruption, selectors.DefaultSelector() as selector:
        under_way: dict[int, BinaryIO] = {}
        left = list(enumerate(pieces))[::-1]
        try:
            while left or under_way:
                while left and len(under_way) < workers:
                    number, piece = left.pop()
                    pid, pipe = _begin(work, piece)
                    under_way[pid] = pipe
                    selector.register(pipe, selectors.EVENT_READ, (number, pid))
                for number, pid in _ended(selector, interruption):
                    pipe = under_way[pid]
                    selector.unregister(pipe)
                    told = pipe.read()
                    _end(pid, under_way.pop(pid))
                    if not told:
                        interruption.check()  # Ctrl-C reaches all processes of a terminal.
                        raise KernelError(
                            "a scenario's process has ended", "run it alone to see why"
                        )
                    yield number, pickle.loads(told)
        finally:
            for pid in under_way:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            for pid, pipe in under_way.items():
                _end(pid, pipe)


def _ended(selector: selectors.BaseSelector, interruption: Interruption) -> list[tuple[int, int]]:
    """Return number and process of each piece that is done."""
    ready = [key.data for key, _ in selector.select(_LOOK_SECONDS)]
    interruption.check()
    return ready


def _begin(work: Callable[[Piece], Done], piece: Piece) -> tuple[int, BinaryIO]:
    """Fork a worker; return its process and the pipe in which it tells what became of its piece."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, os.fdopen(reading, "rb")
    code = 1
    try:
        os.close(reading)
        done = pickle.dumps(work(piece))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(done)
        code = 0
    finally:
        os._exit(code)  # Nothing of the parent's is to be done twice.


def _end(pid: int, pipe: BinaryIO) -> None:
    pipe.close()
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
