"""One probe, followed through the whole lab: sent, seen everywhere, judged."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

from netlab.kernel.events import Events, Lost, Table
from netlab.kernel.handles import Handles
from netlab.kernel.nftrace import Hit
from netlab.kernel.patience import Interruption
from netlab.kernel.rows import Connection, FdbEntry, Neighbour
from netlab.probe import drops, judge, kinds
from netlab.probe.cause import Finding
from netlab.probe.decision import Decision, decisions
from netlab.probe.frame import Fields, decode, is_group, question_name
from netlab.probe.history import Change, Entry, History, dated, ended
from netlab.probe.journey import Journey, Map, follow
from netlab.probe.judge import Evidence
from netlab.probe.kinds.base import Ends, Probe
from netlab.probe.knowledge import Knowledge
from netlab.probe.packet import Frame, Packet, Part
from netlab.probe.tap import Sighting, Tap
from netlab.probe.witness import Witness

_INTERRUPTION_SECONDS = 0.1
"""How long Ctrl-C may have to wait."""

_ARP_SECONDS = 4.0
"""After its first question the kernel asks twice more, once a second, and gives up in the fourth."""

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
    named: bool = True
    """The target was called by its name; False: an address was typed, and whoever has it is meant."""


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


def traces(
    where: Map,
    questions: Sequence[Question],
    interruption: Interruption,
    dhcp_complaints: Callable[[str], Mapping[str, str]] = lambda mac: {},
) -> list[Trace]:
    """Send probes, all at the same time, and follow each.

    `where` tells of every namespace of the lab. `dhcp_complaints` tells, when they
    are over, which servers' logs say that they have no address left for a MAC address.
    Raises KernelError, UsageError, Interrupted.
    """
    with ExitStack() as stack:
        handles = stack.enter_context(Handles(len(where.nodes)))
        probes = [stack.enter_context(closing(kinds.probe(one.by, one.ends))) for one in questions]
        events = stack.enter_context(Events(list(where.nodes)))
        matches = tuple(match for probe in probes for match in probe.matches)
        name = probes[0].token.hex()[:16]
        six = any(":" in one.ends.to for one in questions)
        witness = stack.enter_context(Witness(where, matches, name, six=six))
        events.changes()
        start = _entries(events, where)
        watches = [
            _Watch(probe, where, one.source, _asked_before(start, one.source))
            for probe, one in zip(probes, questions, strict=True)
        ]
        for watch in watches:
            watch.send()
        _until_over(witness.taps, [one for one in watches if one.error is None], interruption)
        hits = witness.hits()
        changes, missed = _changes(events, where)
        read = Knowledge.read(where, events.rows, tuple(Table), handles)
        known = replace(read, ended=ended(changes))
        scene = witness.scene(known)
        scene = replace(scene, lost=scene.lost + missed)
        macs = {one.ends.mac for one in questions}
        complaints = {mac: dhcp_complaints(mac) for mac in macs}
        return [
            _judged(
                one,
                watch,
                hits,
                start,
                changes,
                known,
                replace(scene, no_address_left=complaints[one.ends.mac]),
            )
            for one, watch in zip(questions, watches, strict=True)
        ]


def _judged(
    question: Question,
    watch: _Watch,
    hits: Sequence[Hit],
    start: tuple[Entry, ...],
    changes: Sequence[Change],
    known: Knowledge,
    scene: judge.Scene,
) -> Trace:
    """What has become of a probe that is over."""
    where, probe = known.where, watch.probe
    needed = _needed(watch, known, question)
    frames = sorted(watch.frames_at_end(needed), key=lambda frame: frame.sighting.at)
    journey = follow(frames, where)
    past = [(e.node, e.row) for e in (*start, *(change.entry for change in changes))]
    unanswered = dict(one for one in watch.unanswered() if one in needed)
    kind = question.by.partition(":")[0]
    own = {question.source: str(question.ends.to)} if kind == "arp" else {}
    evidence = Evidence(
        source=question.source,
        target=question.target,
        journey=journey.only(probe.decides),
        scene=scene,
        kind=kind,
        answered=probe.answered,
        send_error=watch.error,
        address=str(question.ends.to),
        meant=known.meant(question.ends.to, question.target, question.named),
        no_route_back=known.no_route_back(question.target, journey),
        turned=known.turned(journey),
        misplaced=known.misplaced(journey),
        closed_route=known.closed_routes(question.ends.to, journey, question.source),
        dark=_dark(question, known, journey),
        carriers=known.carriers(question.source),
        addressed=known.addressed(question.source, question.ends.to),
        drops=_drops(hits, probe, known),
        present=known.present(journey),
        silenced=drops.silenced(drops.unheard(hits), _next_hops(watch, known, question), known),
        unanswered=unanswered,
        elsewhere={
            address: owner
            for node, address in (unanswered | own).items()
            if (owner := known.elsewhere(node, address))
        },
        forgotten=frozenset(
            step.node
            for step in journey.of(Part.REQUEST)
            if step.rewrites and known.has_forgotten(step, past)
        ),
    )
    names = known.names_along(journey)
    return Trace(
        question,
        probe.token.hex(),
        min((frame.sighting.at for frame in frames if frame.packet), default=watch.sent_at),
        bool(needed),
        journey,
        judge.judge(evidence),
        _decisions(journey, probe, hits, known, names),
        tuple(probe.found([frame for frame in frames if frame.packet], names)),
        tuple(frames),
        History(start, dated(changes, frames, where.nodes)),
        names,
    )


def _dark(question: Question, known: Knowledge, journey: Journey) -> dict[str, str]:
    """As `Knowledge.dark`; a question to everybody names the interface itself."""
    ends = question.ends
    if question.by.partition(":")[0] not in judge.TO_EVERYBODY:
        return known.dark(str(ends.to), journey, question.source)
    is_dark = ends.interface not in known.carriers(question.source)
    return {question.source: ends.interface} if is_dark else {}


def _next_hops(watch: _Watch, known: Knowledge, question: Question) -> set[tuple[str, str]]:
    """(node, address) of everything that had to be known for the probe's packets to go on."""
    return {
        (node, address)
        for node in watch.passed
        for address in known.next_hops(node, watch.had(node), question.ends.to)
    }


def _drops(
    hits: Iterable[Hit], probe: Probe, known: Knowledge
) -> dict[tuple[str, Part], drops.Drop]:
    """Node, and which of the probe's packets, to the rule that ended it."""
    found = {}
    for hit in hits:
        fields = drops.fields_of(hit)
        packet, part = probe.packet(fields, hit.frame), probe.part(fields, hit.frame)
        counts = hit.drops and (packet is None or probe.decides(packet))
        if counts and part and (drop := drops.drop(hit, known)):
            found[known.where.nodes[hit.namespace], part] = drop
    return found


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


def _needed(watch: _Watch, known: Knowledge, question: Question) -> set[tuple[str, str]]:
    """(node, address) of the ARP questions that the probe's packets had to wait for.

    A machine may ask for somebody else at the same time, on behalf of other traffic.
    """
    if question.by.startswith("dns"):  # A relay asks whomever it likes.
        return set(watch.asked())
    return watch.asked().keys() & _next_hops(watch, known, question)


def _asked_before(start: Iterable[Entry], source: str) -> set[str]:
    """Addresses for which the source has asked already, and not been answered yet."""
    return {
        str(entry.row.address)
        for entry in start
        if entry.node == source
        and isinstance(entry.row, Neighbour)
        and entry.row.state == "incomplete"
    }


def _decisions(
    journey: Journey,
    probe: Probe,
    hits: Sequence[Hit],
    known: Knowledge,
    names: Mapping[str, str],
) -> tuple[tuple[Decision, ...], ...]:
    """What decided each step."""
    where = known.where
    rules: dict[tuple[str, Packet | None], list[str]] = {}
    for hit in hits:
        packet = probe.packet(drops.fields_of(hit), hit.frame)
        rules.setdefault((where.nodes[hit.namespace], packet), []).append(hit.text)
    found = []
    for step in journey.steps:
        # What goes on over the plumbing has a step of its own on the host, and the host's rules there.
        split = any((step.node, out.interface) in where.plumbing for out in step.went_out)
        parts = (step.node,) if split else where.parts(step.node)
        met = [text for n in parts for text in rules.get((n, step.packet), ())]
        tables = known.tables(step.node)
        is_switch = step.node in where.switches
        if bridge := where.bridges.get(step.node):
            is_switch = bool(step.came_in and step.went_out)
            if not is_switch:  # Its routes know the bridge, and not what the bridge made of it.
                out = tuple(replace(one, interface=bridge.interface) for one in step.went_out)
                step = replace(step, went_out=out)
        found.append(tuple(decisions(step, tables, met, is_switch, names)))
    return tuple(found)


def _until_over(taps: Sequence[Tap], watches: Sequence[_Watch], interruption: Interruption) -> None:
    """Until every probe has what it wants and all is still, or until nothing is heard for long enough."""
    if not watches:
        return
    with selectors.DefaultSelector() as selector:
        for tap in taps:
            selector.register(tap.socket, selectors.EVENT_READ, tap)
        for one in (one for watch in watches for one in watch.probe.sockets):
            selector.register(one, selectors.EVENT_READ, None)
        begun = last = time.monotonic()
        while True:
            patience = max(watch.until(begun, last) for watch in watches) - time.monotonic()
            is_over = all(watch.is_over() for watch in watches)
            wait = 0.0 if is_over else min(max(patience, 0), _INTERRUPTION_SECONDS)
            ready = [key.data for key, _ in selector.select(wait) if key.data]
            interruption.check()
            for watch in watches:
                watch.probe.poll()
            ended = patience <= 0 or all(watch.is_over() for watch in watches)
            if ended:  # What came after the selection too.
                ready = list(taps)
            # Other traffic may come faster than it is read: what is not older than now can wait.
            now = time.time_ns()
            if sum(_take(tap.sightings(now), watches) for tap in ready):
                last = time.monotonic()
            elif ended:
                return


def _take(sightings: Iterable[Sighting], watches: Sequence[_Watch]) -> bool:
    """Whether something new has to do with one of the probes."""
    news = False
    for sighting in sightings:
        fields = decode(sighting.data, sighting.length)
        for watch in watches:
            news |= watch.take(sighting, fields)
    return news


class _Watch:
    """What is seen of one probe: its packets, and ARP on their way."""

    def __init__(self, probe: Probe, where: Map, source: str, asked_before: set[str]) -> None:
        self.probe = probe
        self.sent_at = 0
        """Nanoseconds, by the kernel's clock."""
        self.error: int | None = None
        """errno, if the kernel refused to send it."""
        self._where = where
        self._source = source
        self.frames: list[Frame] = []
        self.passed = {source}
        """Machines that have had the packet."""
        self._begun = time.monotonic()
        self._questions = {(source, address): self._begun for address in asked_before}
        """(node, address) of every ARP question, and when it was heard first."""
        self._answered: set[tuple[str, str]] = set()

    def send(self) -> None:
        """Send the probe, or remember why that was refused."""
        self.sent_at = time.time_ns()
        try:
            self.probe.send()
        except OSError as error:
            self.error = error.errno or -1

    def until(self, begun: float, last: float) -> float:
        """When it is over if nothing is heard: of all probes, the `last` thing was heard then."""
        silence = last + max(self.probe.patience, last - begun)
        return max(silence, self._last_question())

    def frames_at_end(self, needed: Collection[tuple[str, str]]) -> Iterator[Frame]:
        """All frames, with what is known of them only now: an answer that took its time to be recognised,
        and the ARP that the probe `needed`, by node and address."""
        exchanges = self._exchanges(needed)
        for frame in self.frames:
            packet = self.probe.packet(frame.fields, frame.sighting.data)
            if packet is None and "arp.op" in frame.fields:
                fields = frame.fields
                ends = (fields["arp.sender"], fields["arp.target"])
                asks = fields["arp.op"] == "request"
                if (ends if asks else ends[::-1]) in exchanges:
                    packet = Packet(Part.ARP, question_name(fields), ends)
            yield Frame(frame.sighting, packet, frame.fields)

    def _exchanges(self, needed: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """(who asks, for what) of these ARP questions, by address."""
        where = self._where
        return {
            (frame.fields["arp.sender"], frame.fields["arp.target"])
            for frame in self.frames
            if _asks_everybody(frame.fields)
            and ((node := where.nodes[frame.sighting.namespace]), frame.fields["arp.target"])
            in needed
            and frame.sighting.outgoing
            and node not in where.switches
            and (node, frame.sighting.interface) not in where.plumbing
        }

    def had(self, node: str) -> list[tuple[str | None, Fields]]:
        """The probe's packets that a machine has had: by which interface they came in, or None."""
        return [
            (None if seen.outgoing else seen.interface, frame.fields)
            for frame in self.frames
            if frame.packet and self._where.nodes[(seen := frame.sighting).namespace] == node
        ]

    def _last_question(self) -> float:
        """Until when the kernel may still ask for a MAC that the packet waits for."""
        return max(
            (
                self._questions[one] + _ARP_SECONDS
                for one, answered in self.asked().items()
                if not answered
            ),
            default=0.0,
        )

    def is_over(self) -> bool:
        """The answer is with the program that asked, and was seen on its way there."""
        return self.probe.over and any(
            frame.packet
            and frame.packet.part is not Part.REQUEST
            and not frame.sighting.outgoing
            and self._where.nodes[frame.sighting.namespace] == self._source
            for frame in self.frames
        )

    def asked(self) -> dict[tuple[str, str], bool]:
        """(node, address) of ARP questions of machines that had the packet; whether it was answered."""
        return {one: one in self._answered for one in self._questions if one[0] in self.passed}

    def unanswered(self) -> list[tuple[str, str]]:
        """Who asks for what in vain."""
        return [one for one, answered in self.asked().items() if not answered]

    def take(self, sighting: Sighting, fields: Fields) -> bool:
        """Whether a frame is news of the probe: its packet, or ARP on its way."""
        packet = self.probe.packet(fields, sighting.data)
        node = self._where.nodes[sighting.namespace]
        if packet or "arp.op" in fields:
            self.frames.append(Frame(sighting, packet, fields))
        if packet:
            if not sighting.foreign and node not in self._where.switches:
                self.passed.add(node)
            return True
        if "arp.op" in fields and node not in self._where.switches:
            return self._hear(node, fields, sighting.outgoing) and node in self.passed
        return False

    def _hear(self, node: str, fields: Fields, outgoing: bool) -> bool:
        """Keep account of a machine's ARP; whether this was new: not a question asked once more."""
        if outgoing and _asks_everybody(fields):
            question = (node, fields["arp.target"])
            new = question not in self._questions
            self._questions.setdefault(question, time.monotonic())
            return new
        question = (node, fields["arp.sender"])
        if fields["arp.op"] != "answer" or outgoing or question not in self._questions:
            return False
        new = question not in self._answered
        self._answered.add(question)
        return new


def _asks_everybody(fields: Fields) -> bool:
    """A question for a MAC that is not known; the kernel also asks the owner itself, to refresh an entry."""
    return fields.get("arp.op") == "request" and is_group(fields["eth.dst"])
