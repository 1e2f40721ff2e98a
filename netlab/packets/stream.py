"""Sightings of several taps as one stream, in the order of the kernel's clock."""

from __future__ import annotations

import gc
import math
import selectors
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from operator import itemgetter

from netlab.errors import Interrupted
from netlab.kernel.closing import close_together
from netlab.kernel.signals import GRACE_SECONDS, Interruption
from netlab.packets.tap import SIGHTING_BYTES, Sighting, Tap

WINDOW_NS = 20_000_000
"""Time within which a frame comes into its tap, after its timestamp was taken.

Both are one piece of the kernel's work, microseconds apart unless the processor is taken away in between.
"""
_IDLE_SECONDS = 0.1
"""Ctrl-C and the reader's own clock may have to wait so long."""
_LOOK_SECONDS = 1.0
"""Interval of looks whether the lab is still there, and which nodes it has."""
_PORTION = 500
"""Sightings at once. While they are looked at, the taps fill."""
_PASS_BYTES = 1 << 20
"""Memory for what is read at once from all taps: before anybody looks for signals."""
_MOST_BYTES = 64 << 20
"""Memory for a slow reader; more than that stays in the taps, which count what they lose."""


Renewal = Callable[[Collection[Tap] | None], Collection[Tap] | None]
"""Function of the present taps (None at first) to those that stay and new ones; None: the lab has ended."""


class Stream:
    """Everything that taps see from now on, in the order of time."""

    def __init__(self, renew: Renewal, interruption: Interruption) -> None:
        """Begin with the taps of `renew(None)`; `renew` is asked again every second for the taps of then."""
        self._renew = renew
        self._take(renew(None) or ())
        self._interruption = interruption
        self._lost_before: Counter[str] = Counter()
        """Frames lost by taps that are closed."""
        self._young: list[Sighting] = []
        self._ordered: deque[Sighting] = deque()
        self._bytes = 0
        """Memory that the ordered sightings take up."""
        self._interrupted_at = math.inf
        self._until = math.inf
        """Nanoseconds since 1970: later sightings, by taps that end one after another, are not passed on."""
        self._cut_short = False
        self.gone = False
        """True when the lab has ended."""

    def _take(self, taps: Collection[Tap]) -> None:
        self._taps = list(taps)
        self._opened = {tap.namespace: tap.since for tap in sorted(taps, key=lambda tap: tap.since)}

    def settle(self) -> None:
        """Wait until packets that were under way when the taps were opened can be told from new ones.

        The kernel takes times of frames some moments after the first one has asked for it; until then, a
        frame's time is that of its being read.
        """
        time.sleep(WINDOW_NS / 1e9)
        self._read(self._taps, WINDOW_NS)

    def since(self, namespace: str) -> int:
        """Return from when on (ns since 1970) a namespace's packets are seen from their beginning."""
        return self._opened.get(namespace, 0) + WINDOW_NS

    def lost(self) -> dict[str, int]:
        """Return how many frames found the tap's buffer full, by namespace."""
        lost = Counter(self._lost_before)
        for tap in self._taps:
            lost[tap.namespace] += tap.lost()
        return dict(lost)

    def close(self) -> None:
        """Close all taps."""
        close_together(self._taps)

    def portions(self, seconds: float | None = None) -> Iterator[list[Sighting]]:
        """Yield sightings in portions; an empty one now and then, if nothing comes.

        Ends after so many seconds, by Ctrl-C or SIGTERM, or with the lab; what was seen until then
        still comes, and after a signal as much of it as there is time for.
        """
        now = time.monotonic()
        end = math.inf if seconds is None else now + seconds
        look = now + _LOOK_SECONDS
        with selectors.DefaultSelector() as selector:
            for tap in self._taps:
                selector.register(tap.socket, selectors.EVENT_READ, tap)
            while now < end and not self.gone and not self.interrupted:
                if not self._ordered:
                    self._wait(selector, min(end - now, _IDLE_SECONDS))
                self._read([key.data for key, _ in selector.select(0)], WINDOW_NS)
                yield self._portion()
                now = time.monotonic()
                if now > look:
                    look = now + _LOOK_SECONDS
                    self._renew_taps(selector)
            self._stop()
            self._read(self._taps, 0)
            while self._ordered and not self._cut_short:
                yield self._portion()
                self._read(self._taps, 0)
                self._cut_short = bool(self._ordered) and self.late

    def _stop(self) -> None:
        self._until = time.time_ns()
        for tap in self._taps:
            tap.stop()

    def abandon(self) -> None:
        """Take no more portions, though there may be some."""
        if self._until == math.inf:
            self._stop()
            self._cut_short = True

    @property
    def interrupted(self) -> bool:
        """True if a signal has come."""
        try:
            self._interruption.check()
        except Interrupted:
            self._interrupted_at = min(self._interrupted_at, time.monotonic())
        return self._interrupted_at < math.inf

    @property
    def late(self) -> bool:
        """True if a signal has come, and the time for what was seen before is over."""
        return self.interrupted and time.monotonic() > self._interrupted_at + GRACE_SECONDS

    def unread(self) -> int:
        """Return how many frames were seen, and not passed on for lack of time."""
        if not self._cut_short:
            return 0
        return len(self._ordered) + len(self._young) + sum(tap.waiting() for tap in self._taps)

    def _renew_taps(self, selector: selectors.BaseSelector) -> None:
        """Take up the new taps, and close those that have ended."""
        renewed = self._renew(self._taps)
        self.gone = renewed is None
        if renewed is None:
            return
        present, kept = set(self._taps), set(renewed)
        dropped = [tap for tap in self._taps if tap not in kept]
        if dropped:
            self._read(self._taps, WINDOW_NS)  # All, or what is old enough would not be in order.
        for tap in dropped:
            selector.unregister(tap.socket)
            self._lost_before[tap.namespace] += tap.lost() + tap.waiting()
        for tap in renewed:
            if tap not in present:
                selector.register(tap.socket, selectors.EVENT_READ, tap)
        if dropped or len(renewed) > len(kept & present):
            gc.collect()  # Objects of the lab as it was: a capture has switched the collector off.
        self._take(renewed)
        close_together(dropped)

    def _wait(self, selector: selectors.BaseSelector, seconds: float) -> None:
        """Wait until something comes, or until what has come is old enough."""
        if self._young and self._behind() == math.inf:
            time.sleep(WINDOW_NS / 1e9)
        else:
            selector.select(seconds)

    def _read(self, taps: Sequence[Tap], window: int) -> None:
        """Take in what has been seen until now; what is older than the window (ns) is in order for good.

        If that is too much at once, take what is older than the oldest frame that still waits in a tap. A tap
        that is ahead of that is not read meanwhile.
        """
        if self._bytes > _MOST_BYTES:
            return
        now, slowest = min(time.time_ns(), self._until), self._behind()
        share = _PASS_BYTES // max(len(taps), 1)
        for tap in taps:
            if tap.behind <= slowest or tap.behind == math.inf:
                self._young += tap.sightings(now, share)
        self._young.sort()
        old = bisect_left(self._young, min(now - window, self._behind()), key=itemgetter(0))
        self._ordered += self._young[:old]
        self._bytes += _memory_bytes(self._young[:old])
        del self._young[:old]

    def _behind(self) -> float:
        return min((tap.behind for tap in self._taps), default=math.inf)

    def _portion(self) -> list[Sighting]:
        portion = [self._ordered.popleft() for _ in range(min(_PORTION, len(self._ordered)))]
        self._bytes -= _memory_bytes(portion)
        return portion


def _memory_bytes(sightings: Sequence[Sighting]) -> int:
    """Return the bytes of memory that sightings take up."""
    return sum(len(sighting.data) + SIGHTING_BYTES for sighting in sightings)
