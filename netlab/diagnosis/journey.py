"""A packet's journey from sightings of it: the nodes that it has passed, and what they changed. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from ipaddress import ip_address
from typing import Protocol, TypeVar

from netlab.diagnosis.cause import Cause
from netlab.frozen import frozen
from netlab.kernel.nftables.nftrace import Hit
from netlab.kernel.rows import IPNetwork
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Frame, Packet, Part

LOOPBACK = "lo"
"""The interface by which a machine's packets to itself leave it and come in."""
CARRIED = ("eth.src", "eth.dst", "ip.ttl")
"""Fields that every router changes: no rewrite."""

_NOBODY = frozenset[str]()


@frozen
class BridgeInside:
    """The bridge of a machine's adapters, which has the machine's addresses."""

    interface: str
    mac: str
    ports: frozenset[str]
    """Interfaces of the machine between which it carries frames; further ones are none of its ports."""


@frozen
class LostInterface:
    """An interface that went with the machine at its cable's other end."""

    peer: str
    """The machine or switch that is gone."""
    networks: tuple[IPNetwork, ...]
    """Destinations that it led to by the plan; `0.0.0.0/0` of a default route."""


@frozen
class BoundForward:
    """Ports that lead on at one address of their machine only."""

    protocol: str
    ports: range
    address: str


@frozen
class NetworkMap:
    """The lab as a packet meets it: nodes and switches by namespace, and the cables between them."""

    nodes: dict[str, str]
    """Namespace to the node or switch, of those that are there."""
    switches: frozenset[str]
    """Nodes that carry frames on whomever they are addressed to."""
    peers: dict[NodeInterface, str]
    """Every end of a cable, and the node at its other end.

    What is seen on other interfaces, as that of a switch itself, is the kernel's own bookkeeping.
    """
    nat_uplinks: dict[NodeInterface, str]
    """Ends of cables between two nodes that are shown as one, and the name of that one: a NAT device,
    which is a program on its host."""
    bridges: Mapping[str, BridgeInside] = field(default_factory=dict)
    """Machines that carry frames on too, between their adapters."""
    macs: Mapping[str, str] = field(default_factory=dict)
    """Switch to the MAC address from which its own frames come."""
    forwarded_ports: frozenset[NodeInterface] = frozenset()
    """Adapters of the host where a NAT device's port forwards are reached from outside."""
    bound_forwards: tuple[BoundForward, ...] = ()
    """Port forwards of the host that lead on at one of its addresses, as planned."""
    rules: Mapping[str, Cause] = field(default_factory=dict)
    """Pattern (`re`) of how a rule of the lab's own begins, with family, table and chain, to the cause for
    which it drops packets; other rules are firewalls."""
    forwarders: frozenset[NodeInterface] = frozenset()
    """Adapters by which packets come in that their machine passes on, as planned."""
    forwarding_keys: Mapping[str, str] = field(default_factory=dict)
    """Host or guest to the key of the scenario by which it forwards more than it does."""
    provider: str = ""
    """The node that is the Internet: it carries packets to public addresses."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """Namespace that is gone to the node or switch."""
    gone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Node or switch whose namespace is gone, to the IP and MAC addresses that it had."""
    lost: Mapping[NodeInterface, LostInterface] = field(default_factory=dict)
    """Interfaces of nodes that are there, by the plan, with a cable to one that is gone."""

    def node_of(self, namespace: str) -> str:
        """Return the node or switch of a namespace, which may be gone."""
        return self.nodes.get(namespace) or self.removed[namespace]

    def without_cable(
        self, interfaces: Callable[[str], Collection[str]]
    ) -> dict[str, frozenset[str]]:
        """Return those of `gone` whose cables went with them: others go on, and nobody can look inside.

        `interfaces` returns the names that a node's interfaces have now.
        """
        plugged = {
            lost.peer for end, lost in self.lost.items() if end.interface in interfaces(end.node)
        }
        return {node: known_by for node, known_by in self.gone.items() if node not in plugged}

    def cut_off(self, node: str, interfaces: Collection[str], target: str) -> str:
        """Return the machine or switch that is gone, and with it the interface by which a packet to an
        address had to leave a node by the plan; empty if there is none.

        `interfaces` are those that the node has now. What is for everybody (no target) needs any of them.
        """
        for end, lost in self.lost.items():
            if end.node == node and end.interface not in interfaces:
                address = ip_address(target) if target else None
                if address is None or any(address in network for network in lost.networks):
                    return lost.peer
        return ""

    def device(self, node: str, interface: str) -> str:
        """Return the interface that a node's routes know: of a port of a machine's bridge, the bridge."""
        bridge = self.bridges.get(node)
        return bridge.interface if bridge and interface in bridge.ports else interface

    def is_port_inside(self, end: NodeInterface) -> bool:
        """Return whether an interface is a port of its machine's own bridge."""
        bridge = self.bridges.get(end.node)
        return bridge is not None and end.interface in bridge.ports

    def is_bridge_inside(self, end: NodeInterface) -> bool:
        """Return whether an interface is its machine's own bridge."""
        bridge = self.bridges.get(end.node)
        return bridge is not None and end.interface == bridge.interface

    def drop_cause(self, rule: str) -> Cause:
        """Return the cause for which a rule drops a packet; it is given with family, table and chain."""
        causes = (cause for start, cause in self.rules.items() if re.match(start, rule))
        return next(causes, Cause.FIREWALL)

    def after(self, former: NetworkMap) -> NetworkMap:
        """Return this map with the nodes and cables of `former` that have gone since."""
        removed = set(former.nodes.values()) - set(self.nodes.values())
        bridges = {name: bridge for name, bridge in former.bridges.items() if name in removed}
        return replace(
            self,
            nodes=former.nodes | self.nodes,
            switches=self.switches | (former.switches & removed),
            bridges={**self.bridges, **bridges},
            peers=former.peers | self.peers,
            nat_uplinks=former.nat_uplinks | self.nat_uplinks,
            macs={**former.macs, **self.macs},
            forwarded_ports=former.forwarded_ports | self.forwarded_ports,
        )

    def with_loopback(self, node: str) -> NetworkMap:
        """Return this map with the cable by which a machine reaches itself: its `lo`."""
        return replace(self, peers={**self.peers, NodeInterface(node, LOOPBACK): node})

    @cached_property
    def carriers(self) -> frozenset[str]:
        """The switches, and the machines that bridge."""
        return self.switches | self.bridges.keys()

    def parts(self, node: str) -> tuple[str, ...]:
        """Return the nodes that are shown as one: a NAT device and its host; otherwise the node itself."""
        hosts = {self.peers[end] for end, device in self.nat_uplinks.items() if device == node}
        return (node, *sorted(hosts - {node}))

    @cached_property
    def peers_of(self) -> dict[str, dict[str, str]]:
        """Node to its interfaces that have a cable, and the node at the other end of each."""
        by_node: dict[str, dict[str, str]] = {}
        for end, peer in self.peers.items():
            by_node.setdefault(end.node, {})[end.interface] = peer
        return by_node

    @cached_property
    def _neighbours(self) -> dict[str, frozenset[str]]:
        """Node to the nodes at the other ends of its cables."""
        return {node: frozenset(ends.values()) for node, ends in self.peers_of.items()}

    @cached_property
    def _joined(self) -> dict[str, frozenset[str]]:
        """Carrier to all carriers that hear what it hears."""
        by_carrier: dict[str, frozenset[str]] = {}
        for start in self.carriers:
            if start in by_carrier:
                continue
            hearing, ahead = {start}, [start]
            while ahead:
                node = ahead.pop()
                neighbours = self._neighbours.get(node, frozenset()) & self.carriers
                fresh = {peer for peer in neighbours if self._carry(node, peer)} - hearing
                hearing |= fresh
                ahead += fresh
            by_carrier |= dict.fromkeys(hearing, frozenset(hearing))
        return by_carrier

    def _carries(self, node: str, peer: str) -> bool:
        """Return whether a node carries on the frames of its cable to another."""
        bridge = self.bridges.get(node)
        if bridge is None:
            return node in self.switches
        cables = self.peers_of.get(node, {})
        return any(cables.get(port) == peer for port in bridge.ports)

    def _carry(self, first: str, second: str) -> bool:
        """Return whether both ends of a cable carry its frames on."""
        return self._carries(first, second) and self._carries(second, first)

    def neighbourhood(self, node: str) -> frozenset[str]:
        """Return the nodes that hear what a machine broadcasts on all its cables, itself too."""
        peers = self._neighbours.get(node, frozenset())
        carrying = (peer for peer in peers & self.carriers if self._carries(peer, node))
        return peers.union({node}, self.joined(node), *map(self.joined, carrying))

    def segment(self, interface: NodeInterface) -> frozenset[str]:
        """Return the nodes that hear what is broadcast on an interface; on one without a cable of its
        own (a bridge, `lo`), on all cables of its ports, or of the node."""
        node, peer = interface.node, self.peers.get(interface)
        if peer is not None:
            return self._heard(node, peer)
        if not self.is_bridge_inside(interface):
            return self.neighbourhood(node)
        cables, ports = self.peers_of.get(node, {}), self.bridges[node].ports
        heard = (self._heard(node, cables[port]) for port in ports if port in cables)
        return self.joined(node).union(*heard)

    def domain(self, interface: NodeInterface) -> frozenset[str]:
        """Return the carriers that carry what is broadcast on an interface; none of a plain cable."""
        node, peer = interface.node, self.peers.get(interface)
        if peer is None:
            return self.segment(interface) & self.carriers
        return self._joined_over(node, peer)

    def joined(self, carrier: str) -> frozenset[str]:
        """Return the carriers that hear what a carrier hears, itself too; none of another node."""
        return self._joined.get(carrier, _NOBODY)

    def _heard(self, node: str, peer: str) -> frozenset[str]:
        """Return the nodes that hear what is sent on the cable of two."""
        return self._joined_over(node, peer) | {node, peer}

    def _joined_over(self, node: str, peer: str) -> frozenset[str]:
        """Return the carriers that carry what is sent on the cable of two."""
        near = self.joined(node) if self._carries(node, peer) else _NOBODY
        return near | self.joined(peer) if self._carries(peer, node) else near

    def same_segment(self, first: NodeInterface, second: NodeInterface) -> bool:
        """Return whether each of two interfaces hears what is broadcast on the other."""
        common = self.domain(first) & self.domain(second)
        near = all(
            peer is None or (peer == end.node and not self.is_bridge_inside(end)) or peer in common
            for peer, end in ((self.peers.get(first), second), (self.peers.get(second), first))
        )
        return near and (bool(common) or not self.segment(first).isdisjoint(self.segment(second)))

    def behind(self, port: NodeInterface) -> frozenset[str]:
        """Return the machines that are reached over a port of a switch, over further switches too."""
        machines, passed, ahead = set(), {port.node}, [(port.node, self.peers[port])]
        while ahead:
            near, node = ahead.pop()
            if node not in self.switches | {port.node}:
                machines.add(node)
            if node not in passed and self._carries(node, near):
                passed.add(node)
                peers = self._neighbours.get(node, frozenset())
                ahead += [(node, peer) for peer in peers if self._carries(node, peer)]
        return frozenset(machines)

    def meant(self, owners: Collection[NodeInterface], target: str, named: bool) -> frozenset[str]:
        """Return the machines that a probe to a target's address is for; `owners` have the address.

        Where no machine was named, that is each of them, but for one on the target's own network: there
        an address should be one machine's.
        """
        if named:
            return frozenset({target})
        targets = [owner for owner in owners if owner.node == target]
        far = {
            owner.node
            for owner in owners
            if not any(self.same_segment(owner, interface) for interface in targets)
        }
        return frozenset({target}) | far


@frozen
class Outlet:
    """An interface of the node that has a packet, and the node at the other end of its cable."""

    interface: str
    peer: str


@frozen
class Step:
    """A packet's stay on one node."""

    node: str
    packet: Packet
    at: int
    """Nanoseconds: the first sighting."""
    came_in: Outlet | None
    """None at the node that sent it."""
    went_out: tuple[Outlet, ...]
    """Several if a switch floods, none where the packet ends."""
    before: dict[str, str]
    after: dict[str, str]
    """Header fields at the first and at the last sighting."""
    mark: int | None = None
    """The kernel's mark (fwmark) with which it was routed, as far as nftables set it; None: not seen."""
    inner: Step | None = None
    """The stay on its host, of one on a NAT device."""

    @property
    def part(self) -> Part:
        """The part of the probe that the packet is."""
        return self.packet.part

    @property
    def inlet(self) -> str | None:
        """The interface by which it came in; None at the node that sent it."""
        return self.came_in.interface if self.came_in else None

    @property
    def rewrites(self) -> dict[str, tuple[str, str]]:
        """Fields that the node has changed to (old, new) value, but for what every router changes."""
        return {
            name: (old, self.after[name])
            for name, old in self.before.items()
            if name not in CARRIED and self.after.get(name, old) != old
        }


@frozen
class Journey:
    """Everything seen of one probe."""

    steps: tuple[Step, ...]
    overheard: tuple[Frame, ...]
    """Copies that reached machines whose MAC they are not addressed to, which drop them."""

    def of(self, part: Part) -> tuple[Step, ...]:
        """Return the steps of all packets of a part."""
        return tuple(step for step in self.steps if step.part is part)

    @cached_property
    def packets(self) -> dict[Packet, tuple[Step, ...]]:
        """The steps of each packet, in the order in which the packets began."""
        by_packet: dict[Packet, tuple[Step, ...]] = {}
        for step in self.steps:
            by_packet[step.packet] = (*by_packet.get(step.packet, ()), step)
        return by_packet

    def only(self, chosen: Callable[[Packet], bool]) -> Journey:
        """Return this journey without the packets that are not chosen."""
        steps = tuple(step for step in self.steps if chosen(step.packet))
        overheard = tuple(
            frame for frame in self.overheard if frame.packet and chosen(frame.packet)
        )
        return Journey(steps, overheard)

    def first(self, part: Part) -> tuple[Step, ...]:
        """Return the steps of the first packet of a part."""
        return next((steps for packet, steps in self.packets.items() if packet.part is part), ())

    def last(self, part: Part) -> tuple[Step, ...]:
        """Return the steps of the last packet of a part."""
        of_part = [steps for packet, steps in self.packets.items() if packet.part is part]
        return of_part[-1] if of_part else ()


Marks = Mapping[str, Mapping[Packet | None, int]]
"""Nodes whose rules were watched, with the packets that got a mark (fwmark) there before they were routed."""


def marks(
    hits: Iterable[Hit],
    packet: Callable[[Hit], Packet | None],
    netmap: NetworkMap,
    watched: Iterable[str],
) -> Marks:
    """Return the marks that rules gave to packets; `packet` returns the one of a hit, `watched` are the
    namespaces whose rules were traced."""
    by_node: dict[str, dict[Packet | None, int]] = {netmap.nodes[name]: {} for name in watched}
    for hit in hits:
        of_node = by_node[netmap.nodes[hit.namespace]]
        if hit.mark or (hit.mark is not None and of_node):
            of_node[packet(hit)] = hit.mark
    return by_node


def follow(frames: Iterable[Frame], netmap: NetworkMap, marks: Marks | None = None) -> Journey:
    """Put the frames of a probe together, in the order of the kernel's clock."""
    steps: list[Step] = []
    overheard: list[Frame] = []
    passing: dict[int, Frame] = {}
    """Numbers of steps on machines that bridge, with the frame for somebody else that came in."""
    passages: set[tuple[Packet, str, str, bool]] = set()
    for frame in sorted(frames, key=lambda frame: frame.sighting.at):
        sighting, packet = frame.sighting, frame.packet
        node = netmap.nodes[sighting.namespace]
        peer = netmap.peers_of.get(node, {}).get(sighting.interface)
        if packet is None or peer is None:
            continue
        passage = (packet, node, sighting.interface, sighting.outgoing)
        if passage in passages:
            continue  # Sent again: TCP does, when no reply comes.
        passages.add(passage)
        outlet = Outlet(sighting.interface, peer)
        bridge = netmap.bridges.get(node)
        to_bridge = bridge and bridge.mac == frame.fields.get("eth.dst")
        for_others = sighting.foreign and not to_bridge
        if for_others and node not in netmap.carriers:
            overheard.append(frame)
        elif sighting.outgoing and (number := _latest(steps, node, packet)) is not None:
            went_out = (*steps[number].went_out, outlet)
            steps[number] = replace(steps[number], went_out=went_out, after=frame.fields)
        else:
            came, went = (None, (outlet,)) if sighting.outgoing else (outlet, ())
            if for_others and bridge:
                passing[len(steps)] = frame
            fields, set_there = frame.fields, (marks or {}).get(node)
            mark = None if set_there is None else set_there.get(packet, 0)
            steps.append(Step(node, packet, sighting.at, came, went, fields, fields, mark))
    idle = {
        number
        for number in passing
        if not steps[number].went_out and not _is_only_taker(steps, number)
    }
    overheard += [passing[number] for number in sorted(idle)]
    steps = [step for number, step in enumerate(steps) if number not in idle]
    whole = merge_nat_stays(steps, netmap, lambda step: step.packet, _merged)
    return Journey(tuple(whole), tuple(overheard))


def _is_only_taker(steps: Sequence[Step], number: int) -> bool:
    """Return whether a packet that has come to a machine's bridge was given to nobody else."""
    came = steps[number].came_in
    giver = _latest(steps[:number], came.peer, steps[number].packet) if came else None
    return giver is not None and len(steps[giver].went_out) == 1


def _merged(first: Step, second: Step, device: str) -> Step:
    went_out, after = second.went_out, second.after
    return replace(first, node=device, went_out=went_out, after=after, inner=second)


def _latest(steps: Sequence[Step], node: str, packet: Packet) -> int | None:
    """Return the number of the step that a departing packet ends: the last one on its node."""
    for number in range(len(steps) - 1, -1, -1):
        if (steps[number].node, steps[number].packet) == (node, packet):
            return number
    return None


class Stay(Protocol):
    """A packet's stay on one node, measured or worked out."""

    @property
    def node(self) -> str: ...
    @property
    def came_in(self) -> Outlet | None: ...
    @property
    def went_out(self) -> tuple[Outlet, ...]: ...


AnyStay = TypeVar("AnyStay", bound=Stay)


@frozen
class AsymmetricReply:
    """A machine whose reply leaves by another interface than the one by which the request came in."""

    node: str
    came_in: str
    goes_out: str


def asymmetric_reply(
    request: Sequence[Stay], reply: Sequence[Stay], netmap: NetworkMap
) -> AsymmetricReply | None:
    """Return where a reply leaves by another interface than the request came in by; None if it does not.

    All ports of a machine's bridge are one way.
    """
    if not request or not reply:
        return None
    last, first = request[-1], reply[0]
    if last.node != first.node or not last.came_in:
        return None
    came_in = netmap.device(last.node, last.came_in.interface)
    outlets = [netmap.device(last.node, outlet.interface) for outlet in first.went_out]
    if not outlets or came_in in outlets:
        return None
    return AsymmetricReply(last.node, came_in, outlets[0])


def merge_nat_stays(
    stays: Iterable[AnyStay],
    netmap: NetworkMap,
    packet: Callable[[AnyStay], Hashable],
    merge: Callable[[AnyStay, AnyStay, str], AnyStay],
) -> list[AnyStay]:
    """Merge a stay on a NAT device and one on its host, if the packet only passes through both.

    `packet` returns the packet of a stay; `merge` makes one stay of two, on the device of the name
    that it is given.
    """
    merged: list[AnyStay] = []
    latest: dict[Hashable, int] = {}
    for stay in stays:
        before = latest.get(packet(stay))
        device = ""
        if stay.came_in:
            inlet = NodeInterface(stay.node, stay.came_in.interface)
            device = netmap.nat_uplinks.get(inlet, "")
        if before is not None and device and merged[before].came_in and stay.went_out:
            merged[before] = merge(merged[before], stay, device)
        else:
            latest[packet(stay)] = len(merged)
            merged.append(stay)
    return merged
