"""One probe, followed through the whole lab: sent, seen everywhere, judged."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

from netlab.kernel.events import Events, Lost, Table
from netlab.kernel.nftrace import Hit
from netlab.kernel.patience import Interruption
from netlab.kernel.rows import Connection, FdbEntry, Neighbour
from netlab.probe import cause, kinds
from netlab.probe.cause import Finding
from netlab.probe.decision import Decision, decisions
from netlab.probe.frame import ETHERNET, Fields, decode
from netlab.probe.history import Change, Entry, History, dated
from netlab.probe.journey import Journey, Map, follow
from netlab.probe.kinds.base import Ends, Probe
from netlab.probe.knowledge import Knowledge
from netlab.probe.packet import Frame, Packet, Part
from netlab.probe.tap import Sighting, Tap
from netlab.probe.witness import Witness

_INTERRUPTION_SECONDS = 0.1
"""How long Ctrl-C may have to wait."""

_ARP_SECONDS = 3.5
"""The kernel asks three times, once a second."""

_DATED = (Table.NEIGHBOURS, Table.FDB, Table.CONNECTIONS)
"""Tables that packets themselves change."""


@dataclass(frozen=True)
class Question:
    """What is to be traced."""

    source: str
    """Node."""
    target: str
    """Node, or the address if no node of the lab has it."""
    ends: Ends
    by: str = "icmp"
    """The kind of probe: `tcp:80`."""


_NOTHING = History()


@dataclass(frozen=True)
class Trace:
    """A probe's journey and its end."""

    question: Question
    token: str
    """Hexadecimal: what the probe is known by."""
    sent_at: int
    """Nanoseconds, by the kernel's clock: the first sighting, or when it was sent."""
    cold: bool
    """Some machine on the way had to ask for a MAC address first."""
    journey: Journey
    finding: Finding
    decisions: tuple[tuple[Decision, ...], ...] = ()
    """Of each step of the journey."""
    found: tuple[str, ...] = ()
    """What the probe has learnt, as lines."""
    frames: tuple[Frame, ...] = ()
    """The probe's own, and ARP's, as they were seen."""
    history: History = _NOTHING
    names: Mapping[str, str] = field(default_factory=dict)
    """IP or MAC address to the machine that has it."""


def trace(
    where: Map,
    question: Question,
    interruption: Interruption,
    dhcp_complaints: Callable[[], Mapping[str, str]] = dict,
) -> Trace:
    """Send one probe and follow it.

    `where` tells of every namespace of the lab. `dhcp_complaints` tells, when the
    probe is over, which servers' logs say that they have no address left.
    Raises KernelError, UsageError, Interrupted.
    """
    with ExitStack() as stack:
        probe = stack.enter_context(closing(kinds.probe(question.by, question.ends)))
        events = stack.enter_context(Events(list(where.nodes)))
        name = probe.token.hex()[:16]
        witness = stack.enter_context(Witness(where, probe.matches, name))
        events.changes()
        start = _entries(events, where)
        asked_before = _asked_before(start, question.source)
        watch = _Watch(witness.taps, probe, where, question.source, asked_before)
        sent_at = time.time_ns()
        error = _send(probe)
        if error is None:
            watch.until_over(interruption)
        hits = witness.hits()
        changes, missed = _changes(events, where)
        known = Knowledge(
            where,
            {
                (node, table): events.rows(namespace, table)
                for namespace, node in where.nodes.items()
                for table in Table
            },
        )
        scene = witness.scene(known, dhcp_complaints)
    frames = sorted(watch.frames_at_end(), key=lambda frame: frame.sighting.at)
    journey = follow(frames, where)
    unanswered = watch.unanswered()
    evidence = replace(
        scene,
        source=question.source,
        target=question.target,
        journey=journey.only(probe.decides),
        kind=question.by.partition(":")[0],
        answered=probe.answered,
        send_error=error,
        carriers=known.carriers(question.source),
        addressed=bool(known.of(question.source, Table.ADDRESSES)),
        drops={where.nodes[hit.namespace]: hit.text for hit in hits if hit.drops},
        unanswered=unanswered,
        elsewhere={
            address: owner
            for node, address in unanswered.items()
            if (owner := known.elsewhere(node, address))
        },
        forgotten=frozenset(
            step.node
            for step in journey.of(Part.REQUEST)
            if step.rewrites and not known.translates(step.node, step)
        ),
        lost=scene.lost + missed,
    )
    return Trace(
        question,
        probe.token.hex(),
        min((frame.sighting.at for frame in frames if frame.packet), default=sent_at),
        bool(watch.asked()),
        journey,
        cause.judge(evidence),
        _decisions(journey, probe, hits, known),
        tuple(probe.found([frame for frame in frames if frame.packet], known.names)),
        tuple(frames),
        History(start, dated(changes, frames, where.nodes)),
        known.names,
    )


def _send(probe: Probe) -> int | None:
    """errno, or None."""
    try:
        probe.send()
    except OSError as error:
        return error.errno or -1
    return None


def _entries(events: Events, where: Map) -> tuple[Entry, ...]:
    return tuple(
        Entry(node, row)
        for namespace, node in where.nodes.items()
        for table in _DATED
        for row in events.rows(namespace, table)
        if isinstance(row, Neighbour | FdbEntry | Connection)
    )


def _changes(events: Events, where: Map) -> tuple[list[Change], int]:
    """What the tables have learnt and forgotten, and how often changes were lost."""
    found, lost = [], 0
    for one in events.changes():
        if isinstance(one, Lost):
            lost += 1
        elif isinstance(one.row, Neighbour | FdbEntry | Connection):
            entry = Entry(where.nodes[one.namespace], one.row)
            found.append(Change(one.at, one.what.value, entry))
    return found, lost


def _asked_before(start: Iterable[Entry], source: str) -> set[str]:
    """Addresses for which the source has asked already, and not been answered yet."""
    return {
        str(entry.row.address)
        for entry in start
        if entry.node == source
        and isinstance(entry.row, Neighbour)
        and entry.row.state in ("incomplete", "failed")
    }


def _decisions(
    journey: Journey, probe: Probe, hits: Sequence[Hit], known: Knowledge
) -> tuple[tuple[Decision, ...], ...]:
    """What decided each step."""
    where = known.where
    rules: dict[tuple[str, Packet | None], list[str]] = {}
    for hit in hits:
        packet = probe.packet(decode(ETHERNET + hit.headers), hit.headers)
        rules.setdefault((where.nodes[hit.namespace], packet), []).append(hit.text)
    found = []
    for step in journey.steps:
        # What goes on over the plumbing has a step of its own on the host, and the host's rules there.
        split = any((step.node, out.interface) in where.plumbing for out in step.went_out)
        parts = (step.node,) if split else where.parts(step.node)
        met = [text for n in parts for text in rules.get((n, step.packet), ())]
        tables = known.tables(step.node)
        is_switch = step.node in where.switches
        found.append(tuple(decisions(step, tables, met, is_switch, known.names)))
    return tuple(found)


class _Watch:
    """Reads the taps until there is nothing more to come."""

    def __init__(
        self, taps: Sequence[Tap], probe: Probe, where: Map, source: str, asked_before: set[str]
    ) -> None:
        self._taps = taps
        self._probe = probe
        self._where = where
        self._source = source
        self._asked_before = asked_before
        self.frames: list[Frame] = []

    def frames_at_end(self) -> Iterator[Frame]:
        """All frames, with what is known of them only now: an answer that took its time to be recognised,
        and ARP between machines that the probe has passed."""
        exchanges = self._exchanges()
        for frame in self.frames:
            packet = self._probe.packet(frame.fields, frame.sighting.data)
            if packet is None and "arp.op" in frame.fields:
                fields = frame.fields
                ends = (fields["arp.sender"], fields["arp.target"])
                asks = fields["arp.op"] == "request"
                if (ends if asks else ends[::-1]) in exchanges:
                    name = "ARP request" if asks else "ARP answer"
                    packet = Packet(Part.ARP, name, ends)
            yield Frame(frame.sighting, packet, frame.fields)

    def _exchanges(self) -> set[tuple[str, str]]:
        """(who asks, for what) of the ARP questions of machines that had the packet."""
        where = self._where
        passed = {where.nodes[f.sighting.namespace] for f in self.frames if f.packet}
        return {
            (frame.fields["arp.sender"], frame.fields["arp.target"])
            for frame in self.frames
            if (node := where.nodes[frame.sighting.namespace]) in passed | {self._source}
            and _asks_everybody(frame.fields)
            and frame.sighting.outgoing
            and node not in where.switches
            and (node, frame.sighting.interface) not in where.plumbing
        }

    def until_over(self, interruption: Interruption) -> None:
        """Until the probe has what it wants and all is still, or until nothing is heard for long enough."""
        with selectors.DefaultSelector() as selector:
            for tap in self._taps:
                selector.register(tap.socket, selectors.EVENT_READ, tap)
            for one in self._probe.sockets:
                selector.register(one, selectors.EVENT_READ, None)
            begun = last = time.monotonic()
            while True:
                quiet = max(self._probe.patience, last - begun)
                patience = last + (max(quiet, _ARP_SECONDS) if self.unanswered() else quiet)
                patience -= time.monotonic()
                wait = 0.0 if self._is_over() else min(max(patience, 0), _INTERRUPTION_SECONDS)
                taps = [key.data for key, _ in selector.select(wait) if key.data]
                interruption.check()
                self._probe.poll()
                if not taps and (patience <= 0 or self._is_over()):
                    return
                if sum(self._take(tap.sightings()) for tap in taps):
                    last = time.monotonic()

    def _is_over(self) -> bool:
        """The answer is with the program that asked, and was seen on its way there."""
        return self._probe.over and any(
            frame.packet
            and frame.packet.part is not Part.REQUEST
            and not frame.sighting.outgoing
            and self._where.nodes[frame.sighting.namespace] == self._source
            for frame in self.frames
        )

    def asked(self) -> dict[tuple[str, str], bool]:
        """(node, address) of every ARP question since the probe was sent, and whether it was answered."""
        found = dict.fromkeys(((self._source, address) for address in self._asked_before), False)
        for frame in sorted(self.frames, key=lambda frame: frame.sighting.at):
            node = self._where.nodes[frame.sighting.namespace]
            fields, outgoing = frame.fields, frame.sighting.outgoing
            if node in self._where.switches or "arp.op" not in fields:
                continue
            if _asks_everybody(fields) and outgoing:
                found.setdefault((node, fields["arp.target"]), False)
            elif fields["arp.op"] == "answer" and (node, fields["arp.sender"]) in found:
                found[node, fields["arp.sender"]] = True
        return found

    def unanswered(self) -> dict[str, str]:
        """Node to the address for which it asks in vain."""
        return {node: address for (node, address), answered in self.asked().items() if not answered}

    def _take(self, sightings: Iterable[Sighting]) -> bool:
        """Whether something has to do with the probe: its packets, or a question for a MAC."""
        fresh = []
        for sighting in sightings:
            fields = decode(sighting.data)
            packet = self._probe.packet(fields, sighting.data)
            if packet or "arp.op" in fields:
                fresh.append(Frame(sighting, packet, fields))
        self.frames += fresh
        return bool(fresh)


def _asks_everybody(fields: Fields) -> bool:
    """A question for a MAC that is not known; the kernel also asks the owner itself, to refresh an entry."""
    return fields.get("arp.op") == "request" and int(fields["eth.dst"][:2], 16) & 1 == 1
