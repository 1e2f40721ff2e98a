"""Probes, followed through the whole lab: sent, seen everywhere, judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import field, replace

from netlab.diagnosis import diagnose, drops
from netlab.diagnosis.cause import Diagnosis
from netlab.diagnosis.decision import Decision, decisions
from netlab.diagnosis.diagnose import ProbeEvidence
from netlab.diagnosis.history import Entry, History, TableChange, dated, ended
from netlab.diagnosis.journey import Journey, NetworkMap, follow
from netlab.diagnosis.observer import LabObserver
from netlab.diagnosis.tables import LabTables
from netlab.frozen import frozen
from netlab.kernel.host.neighbours import impatient
from netlab.kernel.netlink.objects import queues
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables.nftrace import Hit
from netlab.kernel.patience import Interruption
from netlab.kernel.rows import Connection, FdbEntry, Neighbour
from netlab.kernel.state.monitor import Lost, TableMonitor
from netlab.kernel.state.tables import KernelTable
from netlab.packets import filters
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes import probe as probe_by
from netlab.probes.base import Ends, Probe
from netlab.trace.pursuit import Pursuit, until_over

_ARP_MILLISECONDS = 300
"""Between two questions while a probe is under way: a machine that answers in another's stead (proxy ARP)
takes its time, up to 0.8 s, and three questions last longer."""

_DATED = (KernelTable.NEIGHBOURS, KernelTable.FDB, KernelTable.CONNECTIONS)
"""Tables that packets themselves change."""


@frozen
class TraceRequest:
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


@frozen
class Trace:
    """A probe's journey and its end."""

    question: TraceRequest
    token: str
    """Hexadecimal: what the probe is known by."""
    sent_at: int
    """Nanoseconds, by the kernel's clock: the first sighting, or when it was sent."""
    cold: bool
    """Some machine on the way had to ask for a MAC address first."""
    journey: Journey
    finding: Diagnosis
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
    netmap: NetworkMap,
    questions: Sequence[TraceRequest],
    interruption: Interruption,
    dhcp_complaints: Callable[[str], Mapping[str, str]] = lambda mac: {},
) -> list[Trace]:
    """Send probes, all at the same time, and follow each.

    `netmap` tells of every namespace of the lab. `dhcp_complaints` tells, when they
    are over, which servers' logs say that they have no address left for a MAC address.
    Raises KernelError, UsageError, Interrupted.
    """
    with ExitStack() as stack:
        pool = stack.enter_context(NamespacePool(len(netmap.nodes)))
        probes = [stack.enter_context(closing(probe_by(one.by, one.ends))) for one in questions]
        events = stack.enter_context(TableMonitor(list(netmap.nodes)))
        matches = tuple(match for probe in probes for match in probe.matches)
        name = probes[0].token.hex()[:16]
        is_ipv6 = any(":" in one.ends.to for one in questions)
        # Several are of one kind, and want the same.
        program = filters.watcher(probes[0].wanted)
        observer = stack.enter_context(
            LabObserver(netmap, matches, name, is_ipv6=is_ipv6, program=program)
        )
        events.changes()
        start = _entries(events, netmap)
        slowed = _is_slowed(events, netmap)
        if not slowed:
            machines = [
                place for place, node in netmap.nodes.items() if node not in netmap.switches
            ]
            stack.enter_context(impatient(machines, _ARP_MILLISECONDS, is_ipv6))
        pursuits = [
            Pursuit(probe, netmap, one.source, _asked_before(start, one.source), pool)
            for probe, one in zip(probes, questions, strict=True)
        ]
        for pursuit in pursuits:
            for place in netmap.nodes if slowed else ():
                pursuit.probe.taken_in(place)
            pursuit.send()
        until_over(observer.taps, [one for one in pursuits if one.error is None], interruption)
        hits = observer.hits()
        changes, missed = _changes(events, netmap)
        read = LabTables.read(netmap, events.rows, tuple(KernelTable), pool)
        known = replace(read, ended=ended(changes))
        scene = observer.scene(known)
        macs = {one.ends.mac for one in questions}
        complaints = {mac: dhcp_complaints(mac) for mac in macs}
        return [
            _judged(
                one,
                pursuit,
                hits,
                start,
                changes,
                known,
                replace(
                    scene,
                    lost=scene.lost + missed + pursuit.probe.lost,
                    unfinished=pursuit.unfinished,
                    no_address_left=complaints[one.ends.mac],
                ),
            )
            for one, pursuit in zip(questions, pursuits, strict=True)
        ]


def _judged(
    question: TraceRequest,
    pursuit: Pursuit,
    hits: Sequence[Hit],
    start: tuple[Entry, ...],
    changes: Sequence[TableChange],
    known: LabTables,
    scene: diagnose.LabEvidence,
) -> Trace:
    """What has become of a probe that is over."""
    netmap, probe = known.netmap, pursuit.probe
    needed = _needed(pursuit, known, question)
    frames = sorted(pursuit.frames_at_end(needed), key=lambda frame: frame.sighting.at)
    journey = follow(frames, netmap)
    past = [(e.node, e.row) for e in (*start, *(change.entry for change in changes))]
    unanswered = dict(one for one in pursuit.unanswered() if one in needed)
    kind = question.by.partition(":")[0]
    own = {question.source: str(question.ends.to)} if kind == "arp" else {}
    evidence = ProbeEvidence(
        source=question.source,
        target=question.target,
        journey=journey.only(probe.decides),
        scene=scene,
        kind=kind,
        answered=probe.answered,
        send_error=pursuit.error,
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
        silenced=drops.silenced(drops.unheard(hits), _next_hops(pursuit, known, question), known),
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
        min((frame.sighting.at for frame in frames if frame.packet), default=pursuit.sent_at),
        bool(needed),
        journey,
        diagnose.diagnose(evidence),
        _decisions(journey, probe, hits, known, names),
        tuple(probe.found([frame for frame in frames if frame.packet], names)),
        tuple(frames),
        History(start, dated(changes, frames, netmap.nodes)),
        names,
    )


def _dark(question: TraceRequest, known: LabTables, journey: Journey) -> dict[str, str]:
    """As `LabTables.dark`; a question to everybody names the interface itself."""
    ends = question.ends
    if question.by.partition(":")[0] not in diagnose.TO_EVERYBODY:
        return known.dark(str(ends.to), journey, question.source)
    is_dark = ends.interface not in known.carriers(question.source)
    return {question.source: ends.interface} if is_dark else {}


def _next_hops(pursuit: Pursuit, known: LabTables, question: TraceRequest) -> set[tuple[str, str]]:
    """(node, address) of everything that had to be known for the probe's packets to go on."""
    return {
        (node, address)
        for node in pursuit.passed
        for address in known.next_hops(node, pursuit.had(node), question.ends.to)
    }


def _drops(
    hits: Iterable[Hit], probe: Probe, known: LabTables
) -> dict[tuple[str, Part], drops.RuleDrop]:
    """Node, and which of the probe's packets, to the rule that ended it."""
    found = {}
    for hit in hits:
        fields = drops.fields_of(hit)
        packet, part = probe.packet(fields, hit.frame), probe.part(fields, hit.frame)
        counts = hit.drops and (packet is None or probe.decides(packet))
        if counts and part and (drop := drops.drop(hit, known)):
            found[known.netmap.nodes[hit.namespace], part] = drop
    return found


def _entries(events: TableMonitor, netmap: NetworkMap) -> tuple[Entry, ...]:
    return tuple(
        Entry(node, row)
        for namespace, node in netmap.nodes.items()
        for table in _DATED
        for row in events.rows(namespace, table)
        if isinstance(row, Neighbour | FdbEntry | Connection)
    )


def _is_slowed(events: TableMonitor, netmap: NetworkMap) -> bool:
    """Whether some cable keeps frames waiting: then silence, and ARP without a reply, say less."""
    return any(
        isinstance(row, Interface) and row.queue in queues.KINDS
        for place in netmap.nodes
        for row in events.rows(place, KernelTable.INTERFACES)
    )


def _changes(events: TableMonitor, netmap: NetworkMap) -> tuple[list[TableChange], int]:
    """What the tables have learnt and forgotten, and how often changes were lost."""
    found, lost = [], 0
    for one in events.changes():
        if isinstance(one, Lost):
            lost += 1
        elif isinstance(one.row, Neighbour | FdbEntry | Connection):
            entry = Entry(netmap.nodes[one.namespace], one.row)
            found.append(TableChange(one.at, one.what.value, entry))
    return found, lost


def _needed(pursuit: Pursuit, known: LabTables, question: TraceRequest) -> set[tuple[str, str]]:
    """(node, address) of the ARP questions that the probe's packets had to wait for.

    A machine may ask for somebody else at the same time, on behalf of other traffic.
    """
    if question.by.startswith("dns"):  # A relay asks whomever it likes.
        return set(pursuit.asked())
    return pursuit.asked().keys() & _next_hops(pursuit, known, question)


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
    known: LabTables,
    names: Mapping[str, str],
) -> tuple[tuple[Decision, ...], ...]:
    """What decided each step."""
    netmap = known.netmap
    rules: dict[tuple[str, Packet | None], list[str]] = {}
    for hit in hits:
        packet = probe.packet(drops.fields_of(hit), hit.frame)
        rules.setdefault((netmap.nodes[hit.namespace], packet), []).append(hit.text)
    found = []
    for step in journey.steps:
        # What goes on over the plumbing has a step of its own on the host, and the host's rules there.
        split = any((step.node, out.interface) in netmap.nat_uplinks for out in step.went_out)
        parts = (step.node,) if split else netmap.parts(step.node)
        met = [text for n in parts for text in rules.get((n, step.packet), ())]
        tables = known.decision_tables(step.node)
        is_switch = step.node in netmap.switches
        if bridge := netmap.bridges.get(step.node):
            is_switch = bool(step.came_in and step.went_out)
            if not is_switch:  # Its routes know the bridge, and not what the bridge made of it.
                out = tuple(replace(one, interface=bridge.interface) for one in step.went_out)
                step = replace(step, went_out=out)
        found.append(tuple(decisions(step, tables, met, is_switch, names)))
    return tuple(found)
