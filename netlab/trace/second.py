"""The second look: what is recorded and read beside a probe when a first one was not explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field, replace
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.findings import unknown
from netlab.diagnosis.journey import Journey, NetworkMap
from netlab.diagnosis.second_look import PlacedDrop, SecondLook
from netlab.diagnosis.tables import LabTables
from netlab.diagnosis.unexplained import with_waiting
from netlab.diagnosis.verdict import Verdict
from netlab.errors import KernelError, Missing
from netlab.frozen import frozen
from netlab.kernel.host.drop_records import Departure, KernelDrop
from netlab.kernel.host.tracepoints import Recording, recording
from netlab.kernel.netlink.channel import Refused
from netlab.kernel.netlink.objects import neighbours
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.obstacles import Obstacle, drop_counters
from netlab.kernel.obstacles.read import grown, obstacles
from netlab.kernel.state import counters
from netlab.kernel.state.counters import Counts
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.tables import KernelTable
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Frame, Packet, Part

if TYPE_CHECKING:
    from netlab.trace.model import Trace, TraceRequest


class Watch:
    """The kernel's own drops, and the obstacles of some nodes, while probes are under way."""

    def __init__(self, nodes: Iterable[str], netmap: NetworkMap, pool: NamespacePool) -> None:
        self._netmap, self._pool = netmap, pool
        self._nodes = frozenset(nodes)
        self._before = self._read()
        self._recorded: Recording | None = None

    @contextmanager
    def recorded(self) -> Iterator[Recording | None]:
        """Record the kernel's drops for the length of a block; None where that cannot be had."""
        with ExitStack() as stack:
            with suppress(Missing):
                self._recorded = stack.enter_context(recording())
            yield self._recorded

    def findings(self) -> Findings:
        """Return what was found until now."""
        after = self._read()
        return Findings(
            self._netmap,
            {node: state.obstacles for node, state in after.items()},
            {node: state.met_since(self._before[node]) for node, state in after.items()},
            {
                node: counters.grown(self._before[node].counts, state.counts)
                for node, state in after.items()
            },
            self._recorded,
        )

    def _read(self) -> dict[str, _State]:
        """Read the nodes; nothing of one that is gone, or whose kernel does not say."""
        states = {}
        for namespace, node in self._netmap.nodes.items():
            if node in self._nodes:
                states[node] = _State()
                with suppress(KernelError, Refused):
                    states[node] = _State(
                        obstacles(namespace, self._pool), drop_counters.read(namespace, self._pool)
                    )
        return states


@frozen
class _State:
    """A node's obstacles and counters at one moment."""

    obstacles: tuple[Obstacle, ...] = ()
    counts: Counts = field(default_factory=dict)

    def met_since(self, before: _State) -> dict[Obstacle, int]:
        """Return the obstacles that packets have met since, and how many."""
        met = grown(before.obstacles, self.obstacles)
        return {obstacle: self._total(obstacle) - before._total(obstacle) for obstacle in met}

    def _total(self, obstacle: Obstacle) -> int:
        """Return the count of all obstacles that are equal to one but for it."""
        return sum(
            equal.count or 0
            for equal in self.obstacles
            if replace(equal, count=None) == replace(obstacle, count=None)
        )


@frozen
class Findings:
    """Evidence that a second look has found, of all probes together."""

    netmap: NetworkMap
    obstacles: Mapping[str, tuple[Obstacle, ...]]
    grown: Mapping[str, Mapping[Obstacle, int]]
    counts: Mapping[str, Mapping[str, int]]
    recorded: Recording | None
    seconds: float = 0.0
    """How long an answer was waited for, if it was longer than usual."""

    def with_counts(self, counts: Mapping[str, Mapping[str, int]]) -> Findings:
        """Return these findings with further counters that have grown, by node."""
        merged = {node: {**grown, **counts.get(node, {})} for node, grown in self.counts.items()}
        return replace(self, counts={**counts, **merged})

    def of(
        self,
        name: str,
        frames: Iterable[Frame],
        journey: Journey,
        tables: LabTables,
        request: TraceRequest,
    ) -> SecondLook:
        """Return the evidence of one probe; `name`: what recordings call it."""
        source, address = request.source, "" if request.ends.to_all else request.ends.to
        route = tables.ask(source, RouteLookup(ip_address(address))) if address else None
        packets = _departures(frames)
        return SecondLook(
            drops=self._drops(name, packets, source),
            followed=self._followed(name, packets),
            obstacles=self.obstacles,
            grown=self.grown,
            leading={
                (step.node, receiver): tables.ports_towards(step.node, receiver)
                for step in journey.steps
                if step.node in self.netmap.switches
                for receiver in (step.after.get("eth.dst"), step.after.get("arp.target"))
                if receiver
            },
            unbridged=frozenset(
                NodeInterface(switch, interface.name)
                for switch in self.netmap.switches & self.obstacles.keys()
                for interface in tables.of(switch, KernelTable.INTERFACES)
                if not interface.master
                and NodeInterface(switch, interface.name) in self.netmap.peers
            ),
            mtus={
                NodeInterface(node, interface.name): interface.mtu
                for node in self.obstacles
                for interface in tables.of(node, KernelTable.INTERFACES)
            },
            cables=self._cables,
            counts=self.counts,
            outlet=route.interface if route else "",
            broadcast=route is not None and route.kind == "broadcast",
            recorded=self.recorded is not None,
            seconds=self.seconds,
        )

    @cached_property
    def _cables(self) -> dict[tuple[str, str], frozenset[str]]:
        """(node, its neighbour) to the node's ends of the cables between them."""
        ends = [
            (end, peer) for end, peer in self.netmap.peers.items() if end.node in self.obstacles
        ]
        return {
            (node, neighbour): frozenset(
                end.interface for end, peer in ends if (end.node, peer) == (node, neighbour)
            )
            for node, neighbour in {(end.node, peer) for end, peer in ends}
        }

    def _drops(
        self, name: str, packets: Mapping[Departure, Packet], source: str
    ) -> tuple[PlacedDrop, ...]:
        """Return the kernel's drops of a probe."""
        if self.recorded is None:
            return ()
        return tuple(
            PlacedDrop(
                self._node(drop, source),
                drop.reason,
                drop.function,
                drop.interfaces[-1] if drop.interfaces else "",
                packets[drop.departure] if drop.departure else None,
                drop.made,
                drop.is_arp,
            )
            for drop in self.recorded.drops(packets, name)
        )

    def _followed(self, name: str, packets: Mapping[Departure, Packet]) -> frozenset[Packet]:
        """Return the packets of a probe each of whose departures was recorded."""
        if self.recorded is None:
            return frozenset()
        recorded = self.recorded.recorded(packets, name)
        missing = {packet for departure, packet in packets.items() if departure not in recorded}
        return frozenset(packets.values()) - missing

    def _node(self, drop: KernelDrop, source: str) -> str:
        """Return where a packet was dropped: behind the cable by which it departed, if it came in there."""
        if drop.departure is None:
            return source
        node = self.netmap.nodes[drop.departure.namespace]
        peer = self.netmap.peers.get(NodeInterface(node, drop.departure.interface), node)
        return peer if drop.arrived else node


def _departures(frames: Iterable[Frame]) -> dict[Departure, Packet]:
    """Return the frames of a probe that left an interface, with the packet of each."""
    return {
        Departure(
            frame.sighting.at,
            frame.sighting.interface,
            frame.sighting.length or len(frame.sighting.data),
            frame.sighting.namespace,
        ): frame.packet
        for frame in frames
        if frame.packet and frame.sighting.outgoing
    }


@frozen
class FirstLook:
    """A probe that a first look has left unexplained."""

    request: TraceRequest
    diagnosis: Diagnosis
    nodes: frozenset[str]
    """Nodes where its packets ended, and those that should have had them next."""


def first_look(
    request: TraceRequest,
    diagnosis: Diagnosis,
    journey: Journey,
    owners: Mapping[str, Collection[str]],
    netmap: NetworkMap,
    asked: str = "",
) -> FirstLook:
    """Return what a second look needs of a probe.

    `owners` are the nodes that have an IP or MAC address, `asked` is an address that was asked for in vain,
    where the journey has no such questions.
    """
    nodes = {request.source, diagnosis.at, *owners.get(asked, ())}
    if not journey.steps:
        nodes.add(request.target)
    if asked:
        nodes |= netmap.neighbourhood(diagnosis.at) & netmap.switches
    for packet, steps in journey.packets.items():
        # A question for a MAC address is with many at once.
        for step in steps if packet.part is Part.ARP else steps[-1:]:
            meant = {request.target}.union(
                *(owners.get(step.after.get(name, ""), ()) for name in ("eth.dst", "arp.target"))
            )
            having = {step.node, *(outlet.peer for outlet in step.went_out)}
            nodes |= having & (meant | netmap.switches)
        nodes.add(steps[-1].node)
    parts = frozenset(part for node in nodes for part in netmap.parts(node))
    return FirstLook(request, diagnosis, parts)


def ask_anew(nodes: Iterable[str], netmap: NetworkMap) -> None:
    """Let nodes forget the questions for MAC addresses that nobody has answered yet: the next packet that
    needs one is not to wait in silence."""
    chosen = frozenset(nodes)
    with NamespacePool(len(chosen)) as pool:
        for namespace, node in netmap.nodes.items():
            if node in chosen - netmap.switches:
                with suppress(KernelError, Refused):
                    neighbours.ask_anew(pool.netlink(namespace))


def credible(traces: Sequence[Trace]) -> list[Trace]:
    """Return traces without diagnoses by a count that grew by less than there are of them: none is proved."""
    uses = Counter((trace.diagnosis.at, trace.diagnosis.counted) for trace in traces)
    return [_credible(trace, uses) for trace in traces]


def _credible(trace: Trace, uses: Mapping[tuple[str, str], int]) -> Trace:
    diagnosis, look = trace.diagnosis, trace.second_look
    if look is None:
        return trace
    met = look.grown.get(diagnosis.at, {})
    grown = {obstacle.text: count for obstacle, count in met.items()}
    most = {**look.counts.get(diagnosis.at, {}), **grown}.get(diagnosis.counted)
    if most is None or uses[diagnosis.at, diagnosis.counted] <= most:
        return trace
    text = Message("{count} tells of fewer packets", count=diagnosis.counted)
    return replace(trace, diagnosis=replace(unknown(diagnosis.at, text), unexplained=True))


def better(first: Diagnosis, second: Trace) -> Diagnosis:
    """Return the diagnosis that says more, where silence is all that the second look found too.

    What relays questions may keep the second one to itself, while it waits for the answer to the first.
    """
    if second.diagnosis.unexplained and first.cause not in (Cause.UNKNOWN, None):
        return with_waiting(first, second.second_look)
    return second.diagnosis


def without_answer(second: Trace) -> tuple[str, ...]:
    """Return what a probe has learnt, with a line about the first one, if only this one was answered."""
    if second.diagnosis.verdict is not Verdict.ANSWERED:
        return second.found
    text = Message("a first probe stayed without an answer, for a reason that was not seen")
    return (*second.found, text)
