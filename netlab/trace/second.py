"""The second look: what is recorded and read beside a probe when a first one was not explained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from netlab.diagnosis.journey import Journey, NetworkMap
from netlab.diagnosis.second_look import PlacedDrop, SecondLook
from netlab.diagnosis.tables import LabTables
from netlab.diagnosis.verdict import Verdict
from netlab.errors import KernelError, Missing
from netlab.frozen import frozen
from netlab.kernel.host.drop_records import Departure, KernelDrop
from netlab.kernel.host.tracepoints import Recording, recording
from netlab.kernel.netlink.channel import Refused
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.obstacles import Obstacle, grown, obstacles
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.tables import KernelTable
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Frame, Part

if TYPE_CHECKING:
    from netlab.trace.trace import Trace, TraceRequest


class Watch:
    """The kernel's own drops, and the obstacles of some nodes, while probes are under way."""

    def __init__(self, nodes: Iterable[str], netmap: NetworkMap, pool: NamespacePool) -> None:
        self._netmap, self._pool = netmap, pool
        self._nodes = frozenset(nodes)
        self._before = self._obstacles()
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
        after = self._obstacles()
        met = {node: grown(self._before[node], after[node]) for node in after}
        return Findings(self._netmap, after, met, self._recorded)

    def _obstacles(self) -> dict[str, tuple[Obstacle, ...]]:
        by_node: dict[str, tuple[Obstacle, ...]] = {}
        for namespace, node in self._netmap.nodes.items():
            if node in self._nodes:
                by_node[node] = ()
                with suppress(KernelError, Refused):  # It is gone, or the kernel does not say.
                    by_node[node] = obstacles(namespace, self._pool)
        return by_node


@frozen
class Findings:
    """What a second look has found, of all probes together."""

    netmap: NetworkMap
    obstacles: Mapping[str, tuple[Obstacle, ...]]
    grown: Mapping[str, tuple[Obstacle, ...]]
    recorded: Recording | None
    seconds: float = 0.0
    """How long an answer was waited for, if it was longer than usual."""

    def of(
        self, frames: Iterable[Frame], journey: Journey, tables: LabTables, request: TraceRequest
    ) -> SecondLook:
        """Return the evidence of one probe."""
        source, address = request.source, request.ends.to
        route = tables.ask(source, RouteLookup(ip_address(address))) if address else None
        return SecondLook(
            drops=self._drops(frames, source),
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

    def _drops(self, frames: Iterable[Frame], source: str) -> tuple[PlacedDrop, ...]:
        """Return the kernel's drops of a probe; none if records are missing: packets may be mistaken then."""
        if self.recorded is None or self.recorded.lost():
            return ()
        packets = {
            Departure(
                frame.sighting.at,
                frame.sighting.interface,
                frame.sighting.length or len(frame.sighting.data),
                frame.sighting.namespace,
            ): frame.packet
            for frame in frames
            if frame.packet and frame.sighting.outgoing
        }
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
            for drop in self.recorded.drops(packets)
        )

    def _node(self, drop: KernelDrop, source: str) -> str:
        """Return where a packet was dropped: behind the cable by which it departed, if it came in there."""
        if drop.departure is None:
            return source
        node = self.netmap.nodes[drop.departure.namespace]
        peer = self.netmap.peers.get(NodeInterface(node, drop.departure.interface), node)
        return peer if drop.arrived else node


def concerned(traces: Iterable[Trace], netmap: NetworkMap) -> frozenset[str]:
    """Return the nodes where packets ended, and those that should have had them next."""
    nodes = {node for trace in traces for node in _concerned(trace, netmap)}
    return frozenset(part for node in nodes for part in netmap.parts(node))


def _concerned(trace: Trace, netmap: NetworkMap) -> Iterator[str]:
    yield from (trace.request.source, trace.diagnosis.at)
    for packet, steps in trace.journey.packets.items():
        # A question for a MAC address is with many at once.
        for step in steps if packet.part is Part.ARP else steps[-1:]:
            receivers = {
                trace.request.target,
                *(trace.names.get(step.after.get(name, "")) for name in ("eth.dst", "arp.target")),
            }
            nodes = {step.node, *(outlet.peer for outlet in step.went_out)}
            yield from nodes & (receivers | netmap.switches)
        yield steps[-1].node


def without_answer(second: Trace) -> tuple[str, ...]:
    """Return what a probe has learnt, with a line about the first one, if only this one was answered."""
    if second.diagnosis.verdict is not Verdict.ANSWERED:
        return second.found
    text = Message("a first probe stayed without an answer, for a reason that was not seen")
    return (*second.found, text)
