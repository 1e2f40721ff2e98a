"""What a page is shown of a lab's traffic: not more than eyes can follow, and nothing lost from sight."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any

from netlab.messages import languages
from netlab.report import data
from netlab.report.traffic import conversation_lines
from netlab.report.traffic.one_line import summary, what
from netlab.traffic.conversations import ConversationState

if TYPE_CHECKING:
    from netlab.packets.frame import Fields
    from netlab.traffic.conversations import Conversation

DOTS_A_SECOND = 30
KEPT = 500
"""Journeys that can still be frozen."""
_COUNT_SECONDS = 0.25
"""How often the counts of what is not drawn are told."""


class Traffic:
    """Takes journeys, tells of some, counts other packets by wire, and keeps the latest by number."""

    def __init__(
        self, tell: Callable[[str, object], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`tell` sends an event with its data; `clock` is in seconds."""
        self._tell, self._clock = tell, clock
        self._kept: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._lock = Lock()
        self._number = 0
        self._drawn = self._lost = 0
        self._second = self._counted = clock()
        self._rest: Counter[tuple[str, str]] = Counter()

    def add(self, journey: dict[str, Any], packets: int) -> None:
        """What somebody has sent, and perhaps got back: so many packets in all along this way."""
        self._number += 1
        with self._lock:
            self._kept[self._number] = journey
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        way = _way(journey)
        if self._clock() - self._second >= 1:
            self._second, self._drawn = self._clock(), 0
        if self._drawn < DOTS_A_SECOND:
            self._drawn += 1
            packets -= 2 if way[0] == way[-1] else 1  # There and back, or there.
            first = journey["steps"][0]
            dot = {
                "id": self._number,
                "texts": {code: summary(first["before"], code) for code in languages()},
                "part": first["part"],
                "way": way,
            }
            self._tell("packet", dot)
        if packets > 0:
            for wire in {(min(ends), max(ends)) for ends in pairwise(way)}:
                self._rest[wire] += packets

    def lose(self, frames: int) -> None:
        """So many frames in all came faster than they could be read."""
        if frames != self._lost:
            self._lost = frames
            self._tell("lost", frames)

    def count(self) -> None:
        """Tell how many packets are not drawn, now and then."""
        if self._rest and self._clock() - self._counted >= _COUNT_SECONDS:
            self._tell("more", [[*wire, number] for wire, number in sorted(self._rest.items())])
            self._rest.clear()
            self._counted = self._clock()

    def journey(self, number: int) -> dict[str, Any] | None:
        """One that is still kept. Safe in any thread."""
        with self._lock:
            return self._kept.get(number)


def _way(journey: dict[str, Any]) -> list[str]:
    """The nodes in order, without repetition at once."""
    nodes = [step["node"] for step in journey["steps"]]
    return [node for n, node in enumerate(nodes) if n == 0 or nodes[n - 1] != node]


def journey(told: Conversation, owners: Mapping[str, str], lab: str) -> dict[str, Any]:
    """What was seen of somebody's exchange, in the form of `trace --json`: without tables and deciders.

    `owners`: address to node.
    """
    target = conversation_lines.target(told, owners)
    return {
        "version": data.TRACE_VERSION,
        "lab": lab,
        "probe": {
            "from": told.origin,
            "to": target,
            "address": told.fields.get("ip.dst", ""),
            "by": told.kind,
        },
        "steps": sorted(_steps(told, told.at), key=lambda step: step["microseconds"]),
        "verdict": _verdict(told),
        "found": [],
        "tables": {"start": {}, "changes": []},
    }


def _steps(told: Conversation, begun: int) -> Iterator[dict[str, Any]]:
    """There, back, and those of relayed questions."""
    for steps in (told.there, told.back):
        for step in steps:
            part = "arp" if told.kind in ("arp", "ndp") else step.part.value
            # As it was at first: NAT changes what it is called.
            texts = {code: _packet(steps[0].before, code) for code in languages()}
            named = {"part": part, "packet": texts["en"], "packet_texts": texts}
            yield {**data.journey_step(step, begun), **named}
    for one in told.relayed:
        yield from _steps(one, begun)


def _packet(fields: Fields, language: str) -> str:
    return summary(fields, language) if "arp.op" in fields else what(fields, language)


def _verdict(told: Conversation) -> dict[str, Any] | None:
    """Silence may be a death, a datagram that needs no reply or a slow program: it is not judged."""
    if told.result is ConversationState.SILENT:
        return None
    refused = told.result is ConversationState.REFUSED
    at = told.back[0].node if told.back and refused else told.there[-1].node
    verdict = {"verdict": told.result.value, "at": at, "cause": None, "sentence": None}
    texts = {code: what(told.reply, code) if told.reply else "" for code in languages()}
    return {**verdict, "evidence": texts["en"], "evidence_texts": texts, "look_at": ""}
