"""One probe, followed through the whole lab: sent, seen everywhere, judged."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import islice

from netlab.kernel import queues
from netlab.kernel.events import Events, Lost, Table
from netlab.kernel.handles import Handles
from netlab.kernel.links import Interface
from netlab.kernel.neighbours import given_up, impatient
from netlab.kernel.nftrace import Hit
from netlab.kernel.patience import Interruption
from netlab.kernel.rows import Connection, FdbEntry, Neighbour
from netlab.probe import drops, filters, judge, kinds
from netlab.probe.cause import Finding
from netlab.probe.decision import Decision, decisions
from netlab.probe.frame import Fields, decode, is_group, question_name
from netlab.probe.history import Change, Entry, History, dated, ended
from netlab.probe.journey import Journey, Map, follow
from netlab.probe.judge import Evidence
from netlab.probe.kinds.base import Ends, Probe
from netlab.probe.knowledge import Knowledge
from netlab.probe.packet import Frame, Packet, Part
from netlab.probe.said import said
from netlab.probe.tap import Sighting, Tap
from netlab.probe.witness import Witness

_INTERRUPTION_SECONDS = 0.1
"""How long Ctrl-C may have to wait."""

_ARP_SECONDS = 4.0
"""After its first question the kernel asks twice more, once a second, and gives up in the fourth."""

_ARP_MILLISECONDS = 300
"""Between two questions while a probe is under way: a machine that answers in another's stead (proxy ARP)
takes its time, up to 0.8 s, and three questions last longer."""

_GIVEN_UP_SECONDS = 0.1
"""After the kernel has given up asking, what it says of that to the packet's sender is under way."""

_SOON_NS = 1_500_000_000
"""Within which a machine asks for what a packet that has come to it needs, if it has not asked already."""

_LONGEST_SECONDS = 10
"""Of waiting, besides the probe's own patience: others may send its packets again and again, or so much
ARP that it is never read to its end."""

_GLANCE = 1000
"""Frames that are looked at before somebody looks for signals, and for the end of that time."""

_MOST_FRAMES = 20_000
"""Of the probe that are kept: more is the end of a long answer, or sent again and again."""

_MOST_ARP = 5_000
"""Frames that are kept; of more, those that are about what the probe's machines have asked for."""

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
        # Several are of one kind, and want the same.
        program = filters.following(probes[0].wanted)
        witness = stack.enter_context(Witness(where, matches, name, six=six, program=program))
        events.changes()
        start = _entries(events, where)
        slowed = _is_slowed(events, where)
        if not slowed:
            machines = [place for place, node in where.nodes.items() if node not in where.switches]
            stack.enter_context(impatient(machines, _ARP_MILLISECONDS, six))
        watches = [
            _Watch(probe, where, one.source, _asked_before(start, one.source), handles)
            for probe, one in zip(probes, questions, strict=True)
        ]
        for watch in watches:
            for place in where.nodes if slowed else ():
                watch.probe.taken_in(place)
            watch.send()
        _until_over(witness.taps, [one for one in watches if one.error is None], interruption)
        hits = witness.hits()
        changes, missed = _changes(events, where)
        read = Knowledge.read(where, events.rows, tuple(Table), handles)
        known = replace(read, ended=ended(changes))
        scene = witness.scene(known)
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
                replace(
                    scene,
                    lost=scene.lost + missed + watch.probe.lost,
                    unfinished=watch.unfinished,
                    no_address_left=complaints[one.ends.mac],
                ),
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


def _is_slowed(events: Events, where: Map) -> bool:
    """Whether some cable keeps frames waiting: then silence, and ARP without an answer, say less."""
    return any(
        isinstance(row, Interface) and row.queue in queues.KINDS
        for place in where.nodes
        for row in events.rows(place, Table.INTERFACES)
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
        while not any(watch.unfinished for watch in watches):
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
            if _read(ready, watches, begun, interruption):
                last = time.monotonic()
            elif ended:
                return


def _read(
    taps: Iterable[Tap], watches: Sequence[_Watch], begun: float, interruption: Interruption
) -> bool:
    """Whether there is news. What is not older than now can wait: others may send faster than is read."""
    now, news = time.time_ns(), False
    seconds = round(max(watch.probe.patience for watch in watches) + _LONGEST_SECONDS)
    for tap in taps:
        sightings = tap.sightings(now)
        while some := list(islice(sightings, _GLANCE)):
            interruption.check()
            news |= _take(some, watches)
            if time.monotonic() > begun + seconds:
                why = said("never quiet" if news else "never read", seconds=seconds)
                for watch in watches:
                    watch.unfinished = why
                return news
    return news


def _take(sightings: Iterable[Sighting], watches: Sequence[_Watch]) -> bool:
    """Whether something new has to do with one of the probes."""
    news = False
    for sighting in sightings:
        fields = decode(sighting.data, sighting.length)
        for watch in watches:
            news |= watch.take(sighting, fields)
    for watch in watches:
        watch.forget()
    return news


class _Watch:
    """What is seen of one probe: its packets, and ARP on their way."""

    def __init__(
        self,
        probe: Probe,
        where: Map,
        source: str,
        asked_before: set[str],
        handles: Handles,
    ) -> None:
        self.probe = probe
        self.sent_at = 0
        """Nanoseconds, by the kernel's clock."""
        self.error: int | None = None
        """errno, if the kernel refused to send it."""
        self._where = where
        self._source = source
        self.frames: list[Frame] = []
        self._arp: list[Frame] = []
        self._had = {source: time.time_ns()}
        """Machines that have had the packet, and when they had it last."""
        self._begun = time.monotonic()
        self._questions = {(source, address) for address in asked_before}
        """(node, address) of every ARP question."""
        self._waited = dict.fromkeys(self._questions, self._begun)
        """Those for whose answer the probe may wait, and when each was heard first."""
        self._pairs: set[tuple[str, str]] = set()
        """Who asks for what in these, by address."""
        self._answered: set[tuple[str, str]] = set()
        self._given_up: dict[tuple[str, str], float] = {}
        """When it is over for questions that the kernel has given up."""
        self._looked = self._begun
        self.unfinished = ""
        """Why it has not ended by itself."""
        self._handles = handles
        self._places = {node: place for place, node in where.nodes.items()}

    @property
    def passed(self) -> set[str]:
        """Machines that have had the packet."""
        return set(self._had)

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
        for frame in self.frames:
            packet = self.probe.packet(frame.fields, frame.sighting.data)
            yield Frame(frame.sighting, packet, frame.fields)
        exchanges = self._exchanges(needed)
        for frame in self._arp:
            fields, packet = frame.fields, None
            if _pair(fields) in exchanges:
                ends = (fields["arp.sender"], fields["arp.target"])
                packet = Packet(Part.ARP, question_name(fields), ends)
            yield Frame(frame.sighting, packet, fields)

    def _exchanges(self, needed: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """(who asks, for what) of these ARP questions, by address."""
        where = self._where
        return {
            _pair(frame.fields)
            for frame in self._arp
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
        waiting = [one for one in self._waited if one not in self._answered]
        if time.monotonic() > self._looked + _INTERRUPTION_SECONDS:
            self._look_at({one[0] for one in waiting if one not in self._given_up})
        return max(
            (self._given_up.get(one, self._waited[one] + _ARP_SECONDS) for one in waiting),
            default=0.0,
        )

    def _look_at(self, nodes: Iterable[str]) -> None:
        """Take in which questions these machines have given up."""
        for node in nodes:
            for address in given_up(self._handles.netlink(self._places[node])):
                end = time.monotonic() + _GIVEN_UP_SECONDS
                self._given_up.setdefault((node, str(address)), end)
        self._looked = time.monotonic()

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
        return {one: one in self._answered for one in self._questions if one[0] in self._had}

    def unanswered(self) -> list[tuple[str, str]]:
        """Who asks for what in vain."""
        return [one for one, answered in self.asked().items() if not answered]

    def take(self, sighting: Sighting, fields: Fields) -> bool:
        """Whether a frame is news of the probe: its packet, or ARP on its way."""
        packet = self.probe.packet(fields, sighting.data)
        node = self._where.nodes[sighting.namespace]
        is_switch = node in self._where.switches
        if packet:
            if len(self.frames) < _MOST_FRAMES:
                self.frames.append(Frame(sighting, packet, fields))
            if not sighting.foreign and not is_switch:
                if node not in self._had:
                    self.probe.taken_in(sighting.namespace)
                self._had[node] = max(sighting.at, self._had.get(node, 0))
            return True
        if "arp.op" not in fields:
            return False
        self._arp.append(Frame(sighting, None, fields))
        return not is_switch and self._hear(node, fields, sighting)

    def forget(self) -> None:
        """Let go of ARP that nobody on the probe's way has asked for, if there is much."""
        if len(self._arp) > _MOST_ARP:
            self._arp = [one for one in self._arp if _pair(one.fields) in self._pairs][:_MOST_ARP]

    def _hear(self, node: str, fields: Fields, seen: Sighting) -> bool:
        """Keep account of a machine's ARP; whether the probe waits for it, and this is new.

        Not a question that is asked once more, nor one by a machine that asks for one address after the
        other, whatever it has had: then it would never be over.
        """
        if seen.outgoing and _asks_everybody(fields):
            question = (node, fields["arp.target"])
            new = question not in self._waited and seen.at < self._had.get(node, 0) + _SOON_NS
            if new or len(self._questions) < _MOST_ARP:
                self._questions.add(question)
            if new:
                self._waited[question] = time.monotonic()
                self._pairs.add(_pair(fields))
            return new
        question = (node, fields["arp.sender"])
        if fields["arp.op"] != "answer" or seen.outgoing or question not in self._questions:
            return False
        new = question in self._waited and question not in self._answered
        self._answered.add(question)
        return new


def _pair(fields: Fields) -> tuple[str, str]:
    """Who asks for which address, of a question or the answer to one."""
    ends = (fields["arp.sender"], fields["arp.target"])
    return ends if fields["arp.op"] == "request" else ends[::-1]


def _asks_everybody(fields: Fields) -> bool:
    """A question for a MAC that is not known; the kernel also asks the owner itself, to refresh an entry."""
    return fields.get("arp.op") == "request" and is_group(fields["eth.dst"])
