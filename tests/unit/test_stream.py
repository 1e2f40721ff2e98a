"""The order of sightings of several taps, with taps that are late."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from netlab.kernel.patience import Interruption
from netlab.probe import stream as stream_module
from netlab.probe.stream import Stream
from netlab.probe.tap import Sighting


class LateTap:
    """Readable when told; then it has one frame, whose time was taken a moment before."""

    namespace = "lab.none"
    lose = 0
    since = 0

    def __init__(self, age: int, then: Callable[[], None] = lambda: None) -> None:
        self.socket, self._far = socket.socketpair()
        self._age, self._then = age, then

    def ready(self) -> None:
        self._far.send(b"x")

    def sightings(self, until: float) -> Iterator[Sighting]:
        if self._age and select.select([self.socket], [], [], 0)[0]:
            self.socket.recv(1)
            yield Sighting(time.time_ns() - self._age, self.namespace, "eth0", True, False, b"")
            self._age = 0
            self._then()

    def lost(self) -> int:
        return self.lose

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
    stream = Stream(lambda _: taps, Interruption())
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
    found = [
        one for portion in Stream(lambda _: taps, Interruption()).portions(1e-9) for one in portion
    ]
    assert found == sorted(found)
    assert len(found) == 2


def test_taps_come_and_go_and_what_they_saw_and_lost_stays(monkeypatch):
    monkeypatch.setattr(stream_module, "_LOOK_SECONDS", 0.0)
    going, staying, coming = (LateTap(age) for age in (3_000_000, 2_000_000, 1_000_000))
    going.lose, staying.lose = 3, 1
    now = [[going, staying], [staying, coming], None]
    stream = Stream(lambda _: now[0], Interruption())
    going.ready()
    portions, found = stream.portions(10), []
    next(portions)
    now.pop(0)
    while going.socket.fileno() != -1:
        found += next(portions)
    coming.ready()
    staying.ready()
    while len(found) < 3:
        found += next(portions)
    assert stream.lost() == {LateTap.namespace: 4}
    assert not stream.gone
    now.pop(0)
    assert [one for portion in portions for one in portion] == []
    assert stream.gone
    stream.close()
    assert (staying.socket.fileno(), coming.socket.fileno()) == (-1, -1)


def test_a_look_leaves_the_order_as_it_is(monkeypatch):
    """What was young before it has become old meanwhile, and an older frame waits in another tap."""
    monkeypatch.setattr(stream_module, "_LOOK_SECONDS", 0.0)
    younger, older = LateTap(2_000_000), LateTap(90_000_000)
    found: list[Sighting] = []

    def renew(taps: object) -> list[LateTap]:
        if taps is not None and older.socket.fileno() != -1 and not younger._age:
            time.sleep(0.03)
            older.ready()
        return [younger, older]

    stream = Stream(renew, Interruption())
    younger.ready()
    for portion in stream.portions(10):
        found += portion
        if len(found) == 2:
            break
    stream.close()
    assert found == sorted(found)
