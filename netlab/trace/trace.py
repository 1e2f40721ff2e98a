"""Traces of probes: each is sent, seen at every interface of the lab, and diagnosed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack, closing, nullcontext
from dataclasses import replace

from netlab.diagnosis import diagnose, drops
from netlab.diagnosis.absence import cannot_send
from netlab.diagnosis.broadcasts import GROUP
from netlab.diagnosis.decision import Decision, decisions
from netlab.diagnosis.evidence import LabEvidence
from netlab.diagnosis.gathering import ProbeEnds, gathered
from netlab.diagnosis.history import Entry, History, TableChange, dated, ended
from netlab.diagnosis.journey import Journey, NetworkMap, follow, marks
from netlab.diagnosis.observer import LabObserver
from netlab.diagnosis.tables import LabTables, probe_lookup
from netlab.kernel.host.neighbours import impatient
from netlab.kernel.host.tracepoints import Recording
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
from netlab.packets.packet import Packet, Part
from netlab.probes import probe as probe_by
from netlab.probes.base import Probe
from netlab.trace.model import Trace, TraceRequest
from netlab.trace.pursuit import Pursuit, until_over
from netlab.trace.second import (
    Findings,
    FirstLook,
    Watch,
    ask_anew,
    better,
    credible,
    first_look,
    without_answer,
)

_ARP_MILLISECONDS = 300
"""Between two questions while a probe is under way: a machine that answers in another's stead (proxy ARP)
takes its time, up to 0.8 s, and three questions last longer."""

_DATED = (KernelTable.NEIGHBOURS, KernelTable.FDB, KernelTable.CONNECTIONS)
"""Tables that packets themselves change."""


def traces(
    netmap: NetworkMap,
    requests: Sequence[TraceRequest],
    interruption: Interruption,
    dhcp_complaints: Callable[[str], Mapping[str, str]] = lambda mac: {},
    told: bool = True,
) -> list[Trace]:
    """Send probes, all at the same time, and follow each; those that stay unexplained are sent once more.

    They are of one IP protocol. If `told`, the traces have decisions and history.
    `netmap` has every namespace of the lab that is there; each probe's source is. `dhcp_complaints`
    returns, when the probes are over, the servers whose logs say that they have no address left for a MAC
    address, with their words.
    Raises KernelError, UsageError, Interrupted.
    """
    for request in requests:
        if request.target == request.source:
            netmap = netmap.with_loopback(request.source)
    with _Look(netmap, requests, interruption, dhcp_complaints, told) as look:
        look.send()
        look.wait()
        traces = look.traces()
    left = [number for number, trace in enumerate(traces) if trace.diagnosis.unexplained]
    first = [_first_look(traces[number], netmap) for number in left]
    again = second_looks(netmap, first, interruption, dhcp_complaints, told=told)
    for number, second in zip(left, again, strict=True):
        traces[number] = _better(traces[number], second)
    return traces


def second_looks(
    netmap: NetworkMap,
    first: Sequence[FirstLook],
    interruption: Interruption,
    dhcp_complaints: Callable[[str], Mapping[str, str]] = lambda mac: {},
    patient: bool = True,
    told: bool = True,
) -> list[Trace]:
    """Send probes that were not explained anew, with everything watched that may explain them.

    If `patient`, wait for an answer as long as their usual clients do; if `told`, the traces have decisions
    and history. Raises as `traces` does.
    """
    if not first:
        return []
    requests = [look.request for look in first]
    nodes = frozenset[str]().union(*(look.nodes for look in first))
    ask_anew(nodes, netmap)
    with _Look(netmap, requests, interruption, dhcp_complaints, told) as look:
        watch = Watch(nodes, netmap, look.pool)
        with watch.recorded() as recording:
            look.send(recording)
            look.wait()
        traces = credible(look.traces(watch.findings()))
        traces = [replace(trace, found=without_answer(trace)) for trace in traces]
        waiting = [n for n, trace in enumerate(traces) if trace.diagnosis.unexplained]
        if waiting and patient and (seconds := look.wait_as_clients_do(waiting)):
            late = credible(look.traces(replace(watch.findings(), seconds=seconds)))
            for number in waiting:
                traces[number] = late[number]
    return traces


def _first_look(trace: Trace, netmap: NetworkMap) -> FirstLook:
    owners = {address: (name,) for address, name in trace.names.items()}
    return first_look(trace.request, trace.diagnosis, trace.journey, owners, netmap)


def _better(first: Trace, second: Trace) -> Trace:
    """Return the trace whose diagnosis says more."""
    diagnosis = better(first.diagnosis, second)
    shown = second if diagnosis is second.diagnosis else first
    return replace(shown, diagnosis=diagnosis, second_look=second.second_look)


class _Look:
    """A context manager: probes that are under way at the same time, in a lab that is watched."""

    def __init__(
        self,
        netmap: NetworkMap,
        requests: Sequence[TraceRequest],
        interruption: Interruption,
        dhcp_complaints: Callable[[str], Mapping[str, str]],
        told: bool = True,
    ) -> None:
        """Nothing is opened before the block begins. `told`: traces have decisions and history."""
        self._told = told
        self._netmap, self._requests = netmap, requests
        self._interruption, self._dhcp_complaints = interruption, dhcp_complaints
        self._hits: list[Hit] = []
        self._changes: list[TableChange] = []

    def __enter__(self) -> _Look:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, stack: ExitStack) -> None:
        netmap, requests = self._netmap, self._requests
        self.pool = stack.enter_context(NamespacePool(len(netmap.nodes)))
        probes = [
            stack.enter_context(closing(probe_by(request.by, request.ends))) for request in requests
        ]
        self._events = stack.enter_context(TableMonitor(list(netmap.nodes)))
        matches = tuple(match for probe in probes for match in probe.matches)
        name = probes[0].token.hex()[:16]
        is_ipv6 = any(":" in request.ends.to for request in requests)
        pattern = filters.common([probe.pattern for probe in probes])
        is_arp = requests[0].by == "arp"
        program = filters.probe_filter(pattern, questions=is_arp)
        self._observer = stack.enter_context(
            LabObserver(
                netmap, matches, name, is_ipv6=is_ipv6, program=program, questions=not is_arp
            )
        )
        self._events.changes()
        self._start = _entries(self._events, netmap)
        self._slowed = _is_slowed(self._events, netmap)
        if not self._slowed:
            machines = [
                namespace for namespace, node in netmap.nodes.items() if node not in netmap.switches
            ]
            stack.enter_context(impatient(machines, _ARP_MILLISECONDS, is_ipv6))
        self._pursuits = [
            Pursuit(probe, netmap, request.source, _asked_before(self._start), self.pool)
            for probe, request in zip(probes, requests, strict=True)
        ]

    def send(self, recording: Recording | None = None) -> None:
        """Send the probes; a recording learns when."""
        for pursuit in self._pursuits:
            for namespace in self._netmap.nodes if self._slowed else ():
                pursuit.probe.note_reached(namespace)
            with recording.sending(pursuit.probe.token.hex()) if recording else nullcontext():
                pursuit.send()

    def wait(self) -> None:
        """Wait until each probe has its reply, or nothing more comes. Raises Interrupted."""
        sent = [pursuit for pursuit in self._pursuits if pursuit.error is None]
        until_over(self._observer.taps, self._observer.questions, sent, self._interruption)

    def wait_as_clients_do(self, numbers: Sequence[int]) -> float:
        """Wait for these probes on as long as their usual clients do; return how many seconds that is, from
        sending on. Raises Interrupted."""
        sent = [self._pursuits[n] for n in numbers if self._pursuits[n].error is None]
        seconds = max((pursuit.probe.client_patience for pursuit in sent), default=0.0)
        for pursuit in sent:
            pursuit.deadline = pursuit.begun + seconds
        until_over(self._observer.taps, self._observer.questions, sent, self._interruption)
        return seconds

    def traces(self, findings: Findings | None = None) -> list[Trace]:
        """Return the traces of the probes, which are over; with what a second look has found."""
        netmap, pool = self._netmap, self.pool
        self._hits += self._observer.hits()
        self._changes += _changes(self._events, netmap)
        tables = LabTables.read(netmap, self._events.rows, tuple(KernelTable), pool)
        tables = replace(tables, ended=ended(self._changes))
        lab_evidence = self._observer.evidence(tables)
        if findings:
            findings = findings.with_counts(lab_evidence.counts)
        macs = {request.ends.mac for request in self._requests}
        complaints = {mac: self._dhcp_complaints(mac) for mac in macs}
        return [
            _trace(
                request,
                pursuit,
                self._hits,
                self._observer.watched,
                self._start,
                self._changes,
                tables,
                replace(
                    lab_evidence,
                    lost=lab_evidence.lost + pursuit.probe.lost,
                    unfinished=pursuit.unfinished,
                    no_address_left=complaints[request.ends.mac],
                ),
                findings,
                self._told,
            )
            for request, pursuit in zip(self._requests, self._pursuits, strict=True)
        ]


def unsent(request: TraceRequest) -> Trace:
    """Return the trace of a probe of a machine that is gone: nobody sends it."""
    diagnosis = cannot_send(request.source)
    return Trace(request, "", time.time_ns(), False, Journey((), ()), diagnosis)


def _trace(
    request: TraceRequest,
    pursuit: Pursuit,
    hits: Sequence[Hit],
    watched: Collection[str],
    start: tuple[Entry, ...],
    changes: Sequence[TableChange],
    tables: LabTables,
    lab_evidence: LabEvidence,
    findings: Findings | None,
    told: bool,
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
    frames = sorted(pursuit.frames_at_end(needed, told), key=lambda frame: frame.sighting.at)
    journey = follow(frames, netmap, marked)
    look = findings.of(probe.token.hex(), frames, journey, tables, request) if findings else None
    entries = (*start, *(change.entry for change in changes))
    past = [(entry.node, entry.row) for entry in entries]
    unanswered = dict(question for question in pursuit.unanswered() if question in needed)
    to_all = request.ends.to_all
    ends = ProbeEnds(
        request.source,
        request.target,
        "" if to_all else str(request.ends.to),
        GROUP if to_all else request.by.partition(":")[0],
        request.named,
        request.ends.interface,
        first,
    )
    evidence = replace(
        gathered(ends, tables, journey.only(probe.decides), unanswered),
        lab=lab_evidence,
        answered=probe.answered,
        connection=probe.connection,
        send_error=pursuit.error,
        drops=_drops(hits, probe, tables),
        silenced=drops.silenced(drops.unheard(hits), hops, tables),
        forgotten=frozenset(
            part
            for step in journey.of(Part.REQUEST)
            if step.rewrites
            for part in tables.forgetters(step, past)
        ),
        second_look=look,
    )
    names = tables.names_along(journey)
    own = [frame for frame in frames if frame.packet]
    return Trace(
        request,
        probe.token.hex(),
        min((frame.sighting.at for frame in own), default=pursuit.sent_at),
        bool(needed),
        journey,
        diagnose.diagnose(evidence),
        _decisions(journey, probe, hits, tables, names) if told else (),
        tuple(probe.results(own, names)),
        tuple(frames),
        History(start, dated(changes, frames, netmap.nodes) if told else ()),
        names,
        probe.answer(own, names),
        look,
    )


def _first_lookup(probe: Probe) -> RouteLookup | None:
    """Return a probe's first packet, as its source's routing looks at it; None if it goes to everybody."""
    to = "" if probe.ends.to_all else probe.ends.to
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


def _changes(events: TableMonitor, netmap: NetworkMap) -> list[TableChange]:
    """Return what the tables have learnt and forgotten. Where much happens, the kernel loses some of it, and
    the tables were read anew: no proof rests on a change that was not seen."""
    return [
        TableChange(event.at, event.what.value, Entry(netmap.nodes[event.namespace], event.row))
        for event in events.changes()
        if not isinstance(event, Lost) and isinstance(event.row, Neighbour | FdbEntry | Connection)
    ]


def _needed(
    pursuit: Pursuit, hops: Set[tuple[str, str]], request: TraceRequest
) -> set[tuple[str, str]]:
    """Return (node, address) of the ARP questions that the probe's packets had to wait for, to go on to
    these next hops.

    A machine may ask for somebody else at the same time, on behalf of other traffic.
    """
    needed = pursuit.asked().keys() & hops
    if request.by.startswith("dns"):  # A relay asks whomever it likes, and then.
        needed |= pursuit.asked().keys() - pursuit.asked_before
    return needed


def _asked_before(start: Iterable[Entry]) -> set[tuple[str, str]]:
    """Return (node, address) of the questions that had been asked already, and not been answered yet."""
    return {
        (entry.node, str(entry.row.address))
        for entry in start
        if isinstance(entry.row, Neighbour) and entry.row.state == "incomplete"
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
        # And what goes to all has each machine for itself.
        is_alone = split or probe.ends.to_all
        parts = (step.node,) if is_alone else netmap.parts(step.node)
        rules_met = [text for node in parts for text in rules.get((node, step.packet), ())]
        decision_tables = tables.decision_tables(step, netmap.nodes[probe.ends.source])
        is_switch = step.node in netmap.switches
        if step.node in netmap.bridges:
            ends = (*filter(None, (step.came_in,)), *step.went_out)
            is_switch = bool(step.came_in and step.went_out) and all(
                netmap.is_port_inside(NodeInterface(step.node, end.interface)) for end in ends
            )
            if not is_switch:  # Its routes know the bridge, and not what the bridge made of it.
                step = replace(
                    step,
                    went_out=tuple(
                        replace(outlet, interface=netmap.device(step.node, outlet.interface))
                        for outlet in step.went_out
                    ),
                )
        by_step.append(tuple(decisions(step, decision_tables, rules_met, is_switch, names)))
    return tuple(by_step)
