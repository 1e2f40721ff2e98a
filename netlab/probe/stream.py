"""Sightings of several taps as one stream, in the order of the kernel's clock."""

from __future__ import annotations

import gc
import math
import selectors
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from operator import itemgetter

from netlab.errors import Interrupted
from netlab.kernel.closing import close_together
from netlab.kernel.patience import Interruption
from netlab.probe.tap import Sighting, Tap

WINDOW_NS = 20_000_000
"""How long after its time was taken a frame may come into its tap.

Both are one piece of the kernel's work, microseconds apart unless the processor is taken away in between.
"""
_IDLE_SECONDS = 0.1
"""How long Ctrl-C and the reader's own clock may have to wait."""
_LOOK_SECONDS = 1.0
"""How often to look whether the lab is still there, and who is in it."""
_PORTION = 2000
"""Sightings at once. While they are looked at, the taps fill."""
_AHEAD = 1_000_000
"""Sightings in memory for a slow reader; what more there is stays in the taps, which count what they lose."""


Renewal = Callable[[Collection[Tap] | None], Collection[Tap] | None]
"""Given the taps that there are, None at first: those that stay, and new ones. None: the lab has ended."""


class Stream:
    """What the taps see from now on."""

    def __init__(self, renew: Renewal, interruption: Interruption) -> None:
        """`renew` is asked now for the first taps, and every second for those of then."""
        self._renew = renew
        self._take(renew(None) or ())
        self._interruption = interruption
        self._lost_before: Counter[str] = Counter()
        """By taps that are closed."""
        self._young: list[Sighting] = []
        self._ordered: deque[Sighting] = deque()
        self.gone = False
        """The lab has ended."""

    def _take(self, taps: Collection[Tap]) -> None:
        self._taps = list(taps)
        self._opened = {tap.namespace: tap.since for tap in sorted(taps, key=lambda tap: tap.since)}

    def settle(self) -> None:
        """Wait until what was under way when the taps were opened can be told from what begins.

        The kernel takes times of frames some moments after the first one has asked for it; until then, a
        frame's time is that of its being read.
        """
        time.sleep(WINDOW_NS / 1e9)
        self._read(self._taps, WINDOW_NS)

    def since(self, namespace: str) -> int:
        """From when on (nanoseconds since 1970) everything in a namespace is seen from its beginning on."""
        return self._opened.get(namespace, 0) + WINDOW_NS

    def lost(self) -> dict[str, int]:
        """Namespaces, and how many frames found the tap's buffer full there."""
        lost = Counter(self._lost_before)
        for tap in self._taps:
            lost[tap.namespace] += tap.lost()
        return dict(lost)

    def close(self) -> None:
        """Let go of all taps."""
        close_together(self._taps)

    def portions(self, seconds: float | None = None) -> Iterator[list[Sighting]]:
        """Sightings in portions; an empty one now and then, if nothing comes.

        Ends after so many seconds, by Ctrl-C or SIGTERM, or with the lab; what was seen until then
        still comes.
        """
        now = time.monotonic()
        end = math.inf if seconds is None else now + seconds
        look = now + _LOOK_SECONDS
        with _uncollected(), selectors.DefaultSelector() as selector:
            for tap in self._taps:
                selector.register(tap.socket, selectors.EVENT_READ, tap)
            while now < end and not self.gone and not self._interrupted():
                if not self._ordered:
                    self._rest(selector, min(end - now, _IDLE_SECONDS))
                if len(self._ordered) < _AHEAD:
                    self._read([key.data for key, _ in selector.select(0)], WINDOW_NS)
                yield self._portion()
                now = time.monotonic()
                if now > look:
                    look = now + _LOOK_SECONDS
                    self._look(selector)
            self._read(self._taps, 0)
            while self._ordered:
                yield self._portion()

    def _look(self, selector: selectors.BaseSelector) -> None:
        """Take up the taps of now, and let go of those of before."""
        wanted = self._renew(self._taps)
        self.gone = wanted is None
        if wanted is None:
            return
        before, stay = set(self._taps), set(wanted)
        dropped = [tap for tap in self._taps if tap not in stay]
        if dropped:
            self._read(self._taps, WINDOW_NS)  # All, or what is old enough would not be in order.
        for tap in dropped:
            selector.unregister(tap.socket)
            self._lost_before[tap.namespace] += tap.lost()
        for tap in wanted:
            if tap not in before:
                selector.register(tap.socket, selectors.EVENT_READ, tap)
        self._take(wanted)
        close_together(dropped)

    def _rest(self, selector: selectors.BaseSelector, seconds: float) -> None:
        """Until something comes; or until what has come is old enough."""
        if self._young:
            time.sleep(WINDOW_NS / 1e9)
        else:
            selector.select(seconds)

    def _read(self, taps: Iterable[Tap], window: int) -> None:
        """Take what has been seen until now; what is older than the window (ns) is in order for good."""
        now = time.time_ns()
        for tap in taps:
            self._young += tap.sightings(now)
        self._young.sort()
        old = bisect_left(self._young, now - window, key=itemgetter(0))
        self._ordered += self._young[:old]
        del self._young[:old]

    def _portion(self) -> list[Sighting]:
        return [self._ordered.popleft() for _ in range(min(_PORTION, len(self._ordered)))]

    def _interrupted(self) -> bool:
        try:
            self._interruption.check()
        except Interrupted:
            return True
        return False


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles, which took a quarter of the time and finds none among sightings."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
