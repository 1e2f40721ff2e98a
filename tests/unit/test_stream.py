"""The order of sightings of several taps, with taps that are late."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from netlab.kernel.patience import Interruption
from netlab.probe.stream import Stream
from netlab.probe.tap import Sighting


class LateTap:
    """Readable when told; then it has one frame, whose time was taken a moment before."""

    namespace = "lab.none"

    def __init__(self, age: int, then: Callable[[], None] = lambda: None) -> None:
        self.socket, self._far = socket.socketpair()
        self._age, self._then = age, then

    def ready(self) -> None:
        self._far.send(b"x")

    def sightings(self, until: float) -> Iterator[Sighting]:
        if self._age:
            self.socket.recv(1)
            yield Sighting(time.time_ns() - self._age, self.namespace, "eth0", True, False, b"")
            self._age = 0
            self._then()

    def lost(self) -> int:
        return 0

    def close(self) -> None:
        self.socket.close()
        self._far.close()


@pytest.fixture
def taps() -> Iterator[list[LateTap]]:
    """The first one to be ready has the younger frame."""
    older = LateTap(10_000_000)
    younger = LateTap(2_000_000, then=older.ready)
    yield [younger, older]
    for tap in (younger, older):
        tap.close()


def test_a_frame_that_comes_late_into_its_tap_is_in_its_place(taps):
    stream = Stream(taps, Interruption())
    taps[0].ready()
    found: list[Sighting] = []
    for portion in stream.portions(10):
        found += portion
        if len(found) == 2:
            break
    assert found == sorted(found)


def test_what_was_seen_before_the_end_still_comes(taps):
    for tap in taps:
        tap.ready()
    found = [one for portion in Stream(taps, Interruption()).portions(1e-9) for one in portion]
    assert found == sorted(found)
    assert len(found) == 2
