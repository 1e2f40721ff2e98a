"""A lab's traffic for a page: not more than eyes can follow, and nothing lost from sight."""

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
from netlab.report.traffic.one_line import packet_text, summary
from netlab.traffic.conversations import ConversationState

if TYPE_CHECKING:
    from netlab.packets.frame import Fields
    from netlab.traffic.conversations import Conversation

DOTS_A_SECOND = 30
KEPT = 500
"""Journeys that the page can still open."""
_COUNT_SECONDS = 0.25
"""Interval of sending the counts of undrawn packets."""


class Traffic:
    """Sends some journeys to the page, counts other packets by wire, and keeps the latest journeys."""

    def __init__(
        self, tell: Callable[[str, object], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin without journeys. `tell` sends an event with its data; `clock` is in seconds."""
        self._tell, self._clock = tell, clock
        self._kept: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._lock = Lock()
        self._number = 0
        self._drawn = self._lost = 0
        self._second = self._counted = clock()
        self._undrawn: Counter[tuple[str, str]] = Counter()

    def add(self, journey: dict[str, Any], packets: int) -> None:
        """Add a conversation's journey, and the number of all its packets."""
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
                self._undrawn[wire] += packets

    def lose(self, frames: int) -> None:
        """Send that so many frames in all came faster than they could be read."""
        if frames != self._lost:
            self._lost = frames
            self._tell("lost", frames)

    def count(self) -> None:
        """Send how many packets are not drawn, now and then."""
        if self._undrawn and self._clock() - self._counted >= _COUNT_SECONDS:
            self._tell("more", [[*wire, number] for wire, number in sorted(self._undrawn.items())])
            self._undrawn.clear()
            self._counted = self._clock()

    def journey(self, number: int) -> dict[str, Any] | None:
        """Return a journey that is still kept, by its number. Safe in any thread."""
        with self._lock:
            return self._kept.get(number)


def _way(journey: dict[str, Any]) -> list[str]:
    """The nodes in order, without repetition at once."""
    nodes = [step["node"] for step in journey["steps"]]
    return [node for n, node in enumerate(nodes) if n == 0 or nodes[n - 1] != node]


def journey(conversation: Conversation, owners: Mapping[str, str], lab: str) -> dict[str, Any]:
    """Return a conversation in the form of `trace --json`: without tables and deciders.

    `owners`: address to node.
    """
    target = conversation_lines.target(conversation, owners)
    return {
        "version": data.TRACE_VERSION,
        "lab": lab,
        "probe": {
            "from": conversation.origin,
            "to": target,
            "address": conversation.fields.get("ip.dst", ""),
            "by": conversation.kind,
        },
        "steps": sorted(
            _steps(conversation, conversation.at), key=lambda step: step["microseconds"]
        ),
        "verdict": _verdict(conversation),
        "found": [],
        "tables": {"start": {}, "changes": []},
    }


def _steps(conversation: Conversation, begun_at: int) -> Iterator[dict[str, Any]]:
    """Yield the steps there, back, and of relayed questions."""
    for steps in (conversation.there, conversation.back):
        for step in steps:
            part = "arp" if conversation.kind in ("arp", "ndp") else step.part.value
            # As it was at first: NAT changes its name.
            texts = {code: _packet(steps[0].before, code) for code in languages()}
            named = {"part": part, "packet": texts["en"], "packet_texts": texts}
            yield {**data.journey_step(step, begun_at), **named}
    for relayed in conversation.relayed:
        yield from _steps(relayed, begun_at)


def _packet(fields: Fields, language: str) -> str:
    return summary(fields, language) if "arp.op" in fields else packet_text(fields, language)


def _verdict(conversation: Conversation) -> dict[str, Any] | None:
    """Return the verdict; None for silence: a loss, a datagram without reply, or a slow program."""
    if conversation.result is ConversationState.SILENT:
        return None
    refused = conversation.result is ConversationState.REFUSED
    at = conversation.back[0].node if conversation.back and refused else conversation.there[-1].node
    verdict = {"verdict": conversation.result.value, "at": at, "cause": None, "sentence": None}
    reply = conversation.reply
    texts = {code: packet_text(reply, code) if reply else "" for code in languages()}
    return {**verdict, "evidence": texts["en"], "evidence_texts": texts, "look_at": ""}
