"""Traces of probes: each is sent, seen at every interface of the lab, and diagnosed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack, closing
from dataclasses import field, replace

from netlab.diagnosis import diagnose, drops
from netlab.diagnosis.cause import Diagnosis
from netlab.diagnosis.decision import Decision, decisions
from netlab.diagnosis.evidence import LabEvidence
from netlab.diagnosis.gathering import ProbeEnds, gathered
from netlab.diagnosis.history import Entry, History, TableChange, dated, ended
from netlab.diagnosis.journey import Journey, NetworkMap, follow, marks
from netlab.diagnosis.observer import LabObserver
from netlab.diagnosis.tables import LabTables, probe_lookup
from netlab.frozen import frozen
from netlab.kernel.host.neighbours import impatient
from netlab.kernel.netlink.objects import queues
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables.nftrace import Hit
from netlab.kernel.rows import Connection, FdbEntry, Neighbour
from netlab.kernel.signals import Interruption
from netlab.kernel.state.monitor import Lost, TableMonitor
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.tables import KernelTable
from netlab.node_interface import NodeInterface
from netlab.packets import filters, protocols
from netlab.packets.filters import ECHO_MESSAGES
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
    """A probe that is to be traced: from where to where, and of which kind."""

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
    """A probe's journey, its end, and the evidence for it."""

    request: TraceRequest
    token: str
    """Hexadecimal: what the probe is known by."""
    sent_at: int
    """Nanoseconds, by the kernel's clock: the first sighting, or when it was sent."""
    cold: bool
    """Some machine on the way had to ask for a MAC address first."""
    journey: Journey
    diagnosis: Diagnosis
    decisions: tuple[tuple[Decision, ...], ...] = ()
    """Entries and rules that decided each step of the journey."""
    found: tuple[str, ...] = ()
    """Lines that tell what the probe has learnt."""
    frames: tuple[Frame, ...] = ()
    """The probe's own, and ARP's, as they were seen."""
    history: History = _NOTHING
    names: Mapping[str, str] = field(default_factory=dict)
    """IP or MAC address to the machine that has it."""


def traces(
    netmap: NetworkMap,
    requests: Sequence[TraceRequest],
    interruption: Interruption,
    dhcp_complaints: Callable[[str], Mapping[str, str]] = lambda mac: {},
) -> list[Trace]:
    """Send probes, all at the same time, and follow each.

    `netmap` has every namespace of the lab. `dhcp_complaints` returns, when the probes are over, the
    servers whose logs say that they have no address left for a MAC address, with their words.
    Raises KernelError, UsageError, Interrupted.
    """
    with ExitStack() as stack:
        pool = stack.enter_context(NamespacePool(len(netmap.nodes)))
        probes = [
            stack.enter_context(closing(probe_by(request.by, request.ends))) for request in requests
        ]
        events = stack.enter_context(TableMonitor(list(netmap.nodes)))
        matches = tuple(match for probe in probes for match in probe.matches)
        name = probes[0].token.hex()[:16]
        is_ipv6 = any(":" in request.ends.to for request in requests)
        # Several are of one kind, and want the same.
        program = filters.probe_filter(probes[0].pattern)
        observer = stack.enter_context(
            LabObserver(netmap, matches, name, is_ipv6=is_ipv6, program=program)
        )
        events.changes()
        start = _entries(events, netmap)
        slowed = _is_slowed(events, netmap)
        if not slowed:
            machines = [
                namespace for namespace, node in netmap.nodes.items() if node not in netmap.switches
            ]
            stack.enter_context(impatient(machines, _ARP_MILLISECONDS, is_ipv6))
        pursuits = [
            Pursuit(probe, netmap, request.source, _asked_before(start, request.source), pool)
            for probe, request in zip(probes, requests, strict=True)
        ]
        for pursuit in pursuits:
            for namespace in netmap.nodes if slowed else ():
                pursuit.probe.note_reached(namespace)
            pursuit.send()
        sent = [pursuit for pursuit in pursuits if pursuit.error is None]
        until_over(observer.taps, sent, interruption)
        hits, watched = observer.hits(), observer.watched
        changes, missed = _changes(events, netmap)
        tables = LabTables.read(netmap, events.rows, tuple(KernelTable), pool)
        tables = replace(tables, ended=ended(changes))
        lab_evidence = observer.evidence(tables)
        macs = {request.ends.mac for request in requests}
        complaints = {mac: dhcp_complaints(mac) for mac in macs}
        return [
            _trace(
                request,
                pursuit,
                hits,
                watched,
                start,
                changes,
                tables,
                replace(
                    lab_evidence,
                    lost=lab_evidence.lost + missed + pursuit.probe.lost,
                    unfinished=pursuit.unfinished,
                    no_address_left=complaints[request.ends.mac],
                ),
            )
            for request, pursuit in zip(requests, pursuits, strict=True)
        ]


def _trace(
    request: TraceRequest,
    pursuit: Pursuit,
    hits: Sequence[Hit],
    watched: Collection[str],
    start: tuple[Entry, ...],
    changes: Sequence[TableChange],
    tables: LabTables,
    lab_evidence: LabEvidence,
) -> Trace:
    """Return the trace of a probe that is over."""
    netmap, probe = tables.netmap, pursuit.probe
    marked = marks(hits, lambda hit: probe.packet(drops.fields_of(hit), hit.frame), netmap, watched)
    first = _first_lookup(probe)
    hops = {
        (node, address)
        for node in pursuit.passed
        for address in tables.next_hops(
            node,
            pursuit.had(node),
            first if node == request.source else None,
            {0, *marked[node].values()} if node in marked else (None,),
        )
    }
    needed = _needed(pursuit, hops, request)
    frames = sorted(pursuit.frames_at_end(needed), key=lambda frame: frame.sighting.at)
    journey = follow(frames, netmap, marked)
    entries = (*start, *(change.entry for change in changes))
    past = [(entry.node, entry.row) for entry in entries]
    unanswered = dict(question for question in pursuit.unanswered() if question in needed)
    ends = ProbeEnds(
        request.source,
        request.target,
        str(request.ends.to),
        request.by.partition(":")[0],
        request.named,
        request.ends.interface,
        first,
    )
    evidence = replace(
        gathered(ends, tables, journey.only(probe.decides), unanswered),
        lab=lab_evidence,
        answered=probe.answered,
        send_error=pursuit.error,
        drops=_drops(hits, probe, tables),
        silenced=drops.silenced(drops.unheard(hits), hops, tables),
        forgotten=frozenset(
            step.node
            for step in journey.of(Part.REQUEST)
            if step.rewrites and tables.has_forgotten(step, past)
        ),
    )
    names = tables.names_along(journey)
    return Trace(
        request,
        probe.token.hex(),
        min((frame.sighting.at for frame in frames if frame.packet), default=pursuit.sent_at),
        bool(needed),
        journey,
        diagnose.diagnose(evidence),
        _decisions(journey, probe, hits, tables, names),
        tuple(probe.results([frame for frame in frames if frame.packet], names)),
        tuple(frames),
        History(start, dated(changes, frames, netmap.nodes)),
        names,
    )


def _first_lookup(probe: Probe) -> RouteLookup | None:
    """Return a probe's first packet, as its source's routing looks at it; None if it goes to everybody."""
    to = probe.ends.to
    echo = protocols.ICMPV6 if ":" in to else protocols.ICMP
    number = probe.pattern.protocol
    return probe_lookup(to, echo if number == ECHO_MESSAGES else number, probe.port) if to else None


def _drops(
    hits: Iterable[Hit], probe: Probe, tables: LabTables
) -> dict[tuple[str, Part], drops.RuleDrop]:
    """Return, by node and part of the probe, the rules that ended its packets."""
    by_node = {}
    for hit in hits:
        fields = drops.fields_of(hit)
        packet, part = probe.packet(fields, hit.frame), probe.part(fields, hit.frame)
        counts = hit.drops and (packet is None or probe.decides(packet))
        if counts and part and (drop := drops.drop(hit, tables)):
            by_node[tables.netmap.nodes[hit.namespace], part] = drop
    return by_node


def _entries(events: TableMonitor, netmap: NetworkMap) -> tuple[Entry, ...]:
    return tuple(
        Entry(node, entry)
        for namespace, node in netmap.nodes.items()
        for table in _DATED
        for entry in events.rows(namespace, table)
        if isinstance(entry, Neighbour | FdbEntry | Connection)
    )


def _is_slowed(events: TableMonitor, netmap: NetworkMap) -> bool:
    """Return whether some cable keeps frames waiting: then silence, and ARP without a reply, say less."""
    return any(
        isinstance(entry, Interface) and entry.queue in queues.KINDS
        for namespace in netmap.nodes
        for entry in events.rows(namespace, KernelTable.INTERFACES)
    )


def _changes(events: TableMonitor, netmap: NetworkMap) -> tuple[list[TableChange], int]:
    """Return what the tables have learnt and forgotten, and how often changes were lost."""
    changes, lost = [], 0
    for event in events.changes():
        if isinstance(event, Lost):
            lost += 1
        elif isinstance(event.row, Neighbour | FdbEntry | Connection):
            entry = Entry(netmap.nodes[event.namespace], event.row)
            changes.append(TableChange(event.at, event.what.value, entry))
    return changes, lost


def _needed(
    pursuit: Pursuit, hops: Set[tuple[str, str]], request: TraceRequest
) -> set[tuple[str, str]]:
    """Return (node, address) of the ARP questions that the probe's packets had to wait for, to go on to
    these next hops.

    A machine may ask for somebody else at the same time, on behalf of other traffic.
    """
    if request.by.startswith("dns"):  # A relay asks whomever it likes.
        return set(pursuit.asked())
    return pursuit.asked().keys() & hops


def _asked_before(start: Iterable[Entry], source: str) -> set[str]:
    """Return the addresses for which the source has asked already, and not been answered yet."""
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
    tables: LabTables,
    names: Mapping[str, str],
) -> tuple[tuple[Decision, ...], ...]:
    """Return the decisions about each step of a journey."""
    netmap = tables.netmap
    rules: dict[tuple[str, Packet | None], list[str]] = {}
    for hit in hits:
        packet = probe.packet(drops.fields_of(hit), hit.frame)
        rules.setdefault((netmap.nodes[hit.namespace], packet), []).append(hit.text)
    by_step = []
    uplinks = netmap.nat_uplinks.keys()
    for step in journey.steps:
        # What goes on over the plumbing has a step of its own on the host, and the host's rules there.
        split = any(
            NodeInterface(step.node, outlet.interface) in uplinks for outlet in step.went_out
        )
        parts = (step.node,) if split else netmap.parts(step.node)
        rules_met = [text for node in parts for text in rules.get((node, step.packet), ())]
        decision_tables = tables.decision_tables(step, netmap.nodes[probe.ends.source])
        is_switch = step.node in netmap.switches
        if bridge := netmap.bridges.get(step.node):
            is_switch = bool(step.came_in and step.went_out)
            if not is_switch:  # Its routes know the bridge, and not what the bridge made of it.
                step = replace(
                    step,
                    went_out=tuple(
                        replace(outlet, interface=bridge.interface) for outlet in step.went_out
                    ),
                )
        by_step.append(tuple(decisions(step, decision_tables, rules_met, is_switch, names)))
    return tuple(by_step)
