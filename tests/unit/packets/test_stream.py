"""The order of sightings of several taps, with taps that are late."""

from __future__ import annotations

import math
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from netlab.kernel import signals
from netlab.kernel.signals import Interruption
from netlab.packets import stream as stream_module
from netlab.packets.stream import Stream
from netlab.packets.tap import SIGHTING_BYTES, Sighting
from tests import pace


class LateTap:
    """Readable when told; then it has one frame, whose time was taken a moment before."""

    namespace = "lab.none"
    lose = 0
    since = 0
    behind = math.inf

    def __init__(self, age: int, then: Callable[[], None] = lambda: None) -> None:
        self.socket, self._far = socket.socketpair()
        self._age, self._then = age, then

    def ready(self) -> None:
        self._far.send(b"x")

    def sightings(self, until: float, most: float) -> Iterator[Sighting]:
        if self._age and select.select([self.socket], [], [], 0)[0]:
            self.socket.recv(1)
            yield Sighting(time.time_ns() - self._age, self.namespace, "eth0", True, False, b"")
            self._age = 0
            self._then()

    def stop(self) -> None:
        pass

    def waiting(self) -> int:
        return 0

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
    sightings: list[Sighting] = []
    for portion in stream.portions(10):
        sightings += portion
        if len(sightings) == 2:
            break
    assert sightings == sorted(sightings)


def test_what_was_seen_before_the_end_still_comes(taps):
    for tap in taps:
        tap.ready()
    sightings = [
        sighting
        for portion in Stream(lambda _: taps, Interruption()).portions(1e-9)
        for sighting in portion
    ]
    assert sightings == sorted(sightings)
    assert len(sightings) == 2


def test_taps_come_and_go_and_what_they_saw_and_lost_stays(monkeypatch):
    monkeypatch.setattr(stream_module, "_LOOK_SECONDS", 0.0)
    going, staying, coming = (LateTap(age) for age in (3_000_000, 2_000_000, 1_000_000))
    going.lose, staying.lose = 3, 1
    now = [[going, staying], [staying, coming], None]
    stream = Stream(lambda _: now[0], Interruption())
    going.ready()
    portions, sightings = stream.portions(10), []
    next(portions)
    now.pop(0)
    while going.socket.fileno() != -1:
        sightings += next(portions)
    coming.ready()
    staying.ready()
    while len(sightings) < 3:
        sightings += next(portions)
    assert stream.lost() == {LateTap.namespace: 4}
    assert not stream.gone
    now.pop(0)
    assert [sighting for portion in portions for sighting in portion] == []
    assert stream.gone
    stream.close()
    assert (staying.socket.fileno(), coming.socket.fileno()) == (-1, -1)


def test_a_look_leaves_the_order_as_it_is(monkeypatch):
    """What was young before it has become old meanwhile, and an older frame waits in another tap."""
    monkeypatch.setattr(stream_module, "_LOOK_SECONDS", 0.0)
    younger, older = LateTap(2_000_000), LateTap(90_000_000)
    sightings: list[Sighting] = []

    def renew(taps: object) -> list[LateTap]:
        if taps is not None and older.socket.fileno() != -1 and not younger._age:
            time.sleep(0.03)  # The younger frame becomes as old as the older one was.
            older.ready()
        return [younger, older]

    stream = Stream(renew, Interruption())
    younger.ready()
    for portion in stream.portions(10):
        sightings += portion
        if len(sightings) == 2:
            break
    stream.close()
    assert sightings == sorted(sightings)


class FullTap:
    """Has a frame for every microsecond of some time, and gives some at once."""

    since = 0

    def __init__(self, count: int, at_once: int = 10, begin: int = 0) -> None:
        self.namespace = f"lab.tap{begin}"
        self.socket, self._far = socket.socketpair()
        self._far.send(b"x")  # Always readable.
        self.left = deque(
            Sighting(begin + 1000 * n, self.namespace, "eth0", True, False, bytes(100))
            for n in range(count)
        )
        self._at_once = at_once
        self.behind = math.inf
        self.stopped = False

    def sightings(self, until: float, most: float) -> Iterator[Sighting]:
        for _ in range(min(self._at_once, len(self.left))):
            sighting = self.left.popleft()
            yield sighting
        self.behind = sighting.at if self.left else math.inf

    def stop(self) -> None:
        self.stopped = True

    def waiting(self) -> int:
        return len(self.left)

    def lost(self) -> int:
        return 0

    def close(self) -> None:
        self.socket.close()
        self._far.close()


def test_taps_that_are_not_read_whole_stay_in_order_and_in_little_memory():
    """One has a long backlog, and another is far ahead of it."""
    taps = [FullTap(5000, 10), FullTap(5000, 100, begin=7), FullTap(50, 10, begin=2_000_003)]
    stream, sightings = Stream(lambda _: taps, Interruption()), []
    for portion in stream.portions(60):
        sightings += portion
        assert len(stream._young) <= 3 * 100
        if len(sightings) == 10_050:
            break
    stream.close()
    assert sightings == sorted(sightings)


def test_a_slow_reader_leaves_the_rest_in_the_taps(monkeypatch):
    monkeypatch.setattr(stream_module, "_MOST_BYTES", 50_000)
    tap = FullTap(100_000, 100)
    stream = Stream(lambda _: [tap], Interruption())
    portions = stream.portions(60)
    for _ in range(20):
        monkeypatch.setattr(stream_module, "_PORTION", 1)
        next(portions)
    weight = sum(len(sighting.data) + SIGHTING_BYTES for sighting in stream._ordered)
    assert weight == stream._bytes <= 50_000 + 100 * 356
    stream.close()


@pytest.mark.parametrize("reading", [0.0, 0.02])
def test_a_signal_ends_it_at_once_and_what_was_not_told_is_counted(reading, monkeypatch):
    """However much there is, and however slow its reader."""
    taps = [FullTap(100_000, 100), FullTap(100_000, 100, begin=7)]
    interruption = Interruption()
    monkeypatch.setattr(signals, "_hurried", math.inf)
    # A fast machine tells everything in the usual time.
    monkeypatch.setattr(stream_module, "GRACE_SECONDS", 0.02)
    stream, sightings, late = Stream(lambda _: taps, interruption), [], None
    for portion in stream.portions():
        sightings += portion
        time.sleep(reading)  # As a slow reader.
        if late is None and len(sightings) > 1000:
            interruption.remember(signal.SIGINT, None)
            late = time.monotonic() + 0.02
    assert time.monotonic() < late + 0.5 * pace.SLOWNESS
    assert all(tap.stopped for tap in taps)
    assert stream.late
    assert stream.unread() == 200_000 - len(sightings) > 0
    assert sightings == sorted(sightings)
    stream.close()
