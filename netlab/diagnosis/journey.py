"""Sightings in, journey out: which nodes a packet has passed, and what they changed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Protocol, TypeVar

from netlab.diagnosis.cause import Cause
from netlab.frozen import frozen
from netlab.packets.packet import Frame, Packet, Part

CARRIED = ("eth.src", "eth.dst", "ip.ttl")
"""Fields that every router changes: no rewrite."""


@frozen
class BridgeInside:
    """A machine's bridge of its adapters, which has the machine's addresses."""

    interface: str
    mac: str


@frozen
class NetworkMap:
    """Where sightings are: the lab, as a packet meets it."""

    nodes: dict[str, str]
    """Namespace to the node or switch."""
    switches: frozenset[str]
    """Nodes that carry frames on whomever they are addressed to."""
    peers: dict[tuple[str, str], str]
    """(node, interface) of every end of a cable, and the node at its other end.

    What is seen on other interfaces, as that of a switch itself, is the kernel's own bookkeeping.
    """
    nat_uplinks: dict[tuple[str, str], str]
    """Outlets of cables between two nodes that stand for one box, and that box: a NAT device, which is a
    program on its host."""
    bridges: Mapping[str, BridgeInside] = field(default_factory=dict)
    """Machines that carry frames on too, between their adapters."""
    macs: Mapping[str, str] = field(default_factory=dict)
    """Switches, and from which MAC address their own frames come."""
    forwarded_ports: frozenset[tuple[str, str]] = frozenset()
    """(host, card) where a NAT device's port forwards are reached from outside."""
    tables: Mapping[str, Cause] = field(default_factory=dict)
    """How family and name of an nftables table of a switch's own begin, to what its rules drop
    packets for; those of other tables are firewalls."""

    def meaning(self, table: str) -> Cause:
        """What it is that a rule of a table drops a packet."""
        found = (cause for start, cause in self.tables.items() if table.startswith(start))
        return next(found, Cause.FIREWALL)

    def after(self, former: NetworkMap) -> NetworkMap:
        """The same with what has gone since it was `former`."""
        gone = set(former.nodes.values()) - set(self.nodes.values())
        bridges = {name: one for name, one in former.bridges.items() if name in gone}
        return replace(
            self,
            nodes=former.nodes | self.nodes,
            switches=self.switches | (former.switches & gone),
            bridges={**self.bridges, **bridges},
            peers=former.peers | self.peers,
            nat_uplinks=former.nat_uplinks | self.nat_uplinks,
            macs={**former.macs, **self.macs},
            forwarded_ports=former.forwarded_ports | self.forwarded_ports,
        )

    @cached_property
    def carriers(self) -> frozenset[str]:
        """Switches, and machines that bridge."""
        return self.switches | self.bridges.keys()

    def parts(self, box: str) -> tuple[str, ...]:
        """The nodes that are shown as one: a NAT device and its host; otherwise the node itself."""
        hosts = {self.peers[outlet] for outlet, name in self.nat_uplinks.items() if name == box}
        return (box, *sorted(hosts - {box}))

    @cached_property
    def _beside(self) -> dict[str, frozenset[str]]:
        """Who is at the other ends of a node's cables."""
        found: dict[str, set[str]] = {}
        for (name, _), peer in self.peers.items():
            found.setdefault(name, set()).add(peer)
        return {name: frozenset(peers) for name, peers in found.items()}

    @cached_property
    def _joined(self) -> dict[str, frozenset[str]]:
        """Carrier to all carriers that hear what it hears."""
        found: dict[str, frozenset[str]] = {}
        for start in self.carriers:
            if start in found:
                continue
            heard, ahead = {start}, [start]
            while ahead:
                fresh = (self._beside.get(ahead.pop(), frozenset()) & self.carriers) - heard
                heard |= fresh
                ahead += fresh
            found |= dict.fromkeys(heard, frozenset(heard))
        return found

    def neighbourhood(self, node: str) -> frozenset[str]:
        """The switches and machines that hear what a machine asks everybody on its cables, itself too."""
        return self._hear(self._beside.get(node, frozenset()) | {node})

    def segment(self, plug: tuple[str, str]) -> frozenset[str]:
        """The same of one (machine, interface); of one without a cable of its own (a bridge, `lo`),
        that of the machine."""
        peer = self.peers.get(plug)
        return self._hear({plug[0], peer}) if peer else self.neighbourhood(plug[0])

    def together(self, one: tuple[str, str], other: tuple[str, str]) -> bool:
        """Whether each of two (machine, interface) hears what the other asks everybody."""
        (its_peer, its), (peer, heard) = (
            (self.peers.get(plug), self.segment(plug)) for plug in (one, other)
        )
        near = all(
            end is None or end == node or end in there & self.carriers
            for end, there, node in ((its_peer, heard, other[0]), (peer, its, one[0]))
        )
        return near and not its.isdisjoint(heard)

    def _hear(self, heard: Collection[str]) -> frozenset[str]:
        return frozenset(heard).union(*(self._joined.get(one, ()) for one in heard))

    def behind(self, switch: str, port: str) -> frozenset[str]:
        """The machines that are reached over a port of a switch, over further switches too."""
        found, passed, ahead = set(), {switch}, [self.peers[switch, port]]
        while ahead:
            here = ahead.pop()
            if here not in self.switches:
                found.add(here)
            if here in self.carriers - passed:
                passed.add(here)
                ahead += [peer for (name, _), peer in self.peers.items() if name == here]
        return frozenset(found)

    def meant(self, plugs: Collection[tuple[str, str]], target: str, named: bool) -> frozenset[str]:
        """The machines that a question to a target's address is for; `plugs` are those that have it.

        Where no machine was named, that is each of them, but for one on the target's own network: there
        an address should be one machine's.
        """
        if named:
            return frozenset({target})
        its = [plug for plug in plugs if plug[0] == target]
        far = {plug[0] for plug in plugs if not any(self.together(plug, own) for own in its)}
        return frozenset({target}) | far


@frozen
class Outlet:
    """An interface, and who is at the other end of its cable."""

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

    @property
    def part(self) -> Part:
        """What the packet is to the probe."""
        return self.packet.part

    @property
    def inlet(self) -> str | None:
        """The interface by which it came in; None at the node that sent it."""
        return self.came_in.interface if self.came_in else None

    @property
    def rewrites(self) -> dict[str, tuple[str, str]]:
        """Fields that the node has changed, but for what every router changes."""
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
        """The steps of all packets of a part."""
        return tuple(step for step in self.steps if step.part is part)

    @cached_property
    def packets(self) -> dict[Packet, tuple[Step, ...]]:
        """The steps of each packet, in the order in which the packets began."""
        found: dict[Packet, tuple[Step, ...]] = {}
        for step in self.steps:
            found[step.packet] = (*found.get(step.packet, ()), step)
        return found

    def only(self, chosen: Callable[[Packet], bool]) -> Journey:
        """The same without the packets that are not chosen."""
        steps = tuple(step for step in self.steps if chosen(step.packet))
        heard = tuple(f for f in self.overheard if f.packet and chosen(f.packet))
        return Journey(steps, heard)

    def first(self, part: Part) -> tuple[Step, ...]:
        """The steps of the first packet of a part."""
        return next((steps for packet, steps in self.packets.items() if packet.part is part), ())


def follow(frames: Iterable[Frame], netmap: NetworkMap) -> Journey:
    """Put the frames of a probe together, in the order of the kernel's clock."""
    steps: list[Step] = []
    overheard: list[Frame] = []
    passing: dict[int, Frame] = {}
    """Stays on machines that bridge, with the frame for somebody else that came in."""
    seen_before: set[tuple[Packet, str, str, bool]] = set()
    for frame in sorted(frames, key=lambda frame: frame.sighting.at):
        seen, packet = frame.sighting, frame.packet
        node = netmap.nodes[seen.namespace]
        peer = netmap.peers.get((node, seen.interface))
        if packet is None or peer is None:
            continue
        place = (packet, node, seen.interface, seen.outgoing)
        if place in seen_before:
            continue  # Sent again: TCP does, when no reply comes.
        seen_before.add(place)
        outlet = Outlet(seen.interface, peer)
        bridge = netmap.bridges.get(node)
        for_others = seen.foreign and not (bridge and bridge.mac == frame.fields.get("eth.dst"))
        if for_others and node not in netmap.carriers:
            overheard.append(frame)
        elif seen.outgoing and (here := _latest(steps, node, packet)) is not None:
            out = (*steps[here].went_out, outlet)
            steps[here] = replace(steps[here], went_out=out, after=frame.fields)
        else:
            came, went = (None, (outlet,)) if seen.outgoing else (outlet, ())
            if for_others and bridge:
                passing[len(steps)] = frame
            steps.append(Step(node, packet, seen.at, came, went, frame.fields, frame.fields))
    idle = {number for number in passing if not steps[number].went_out}
    overheard += [passing[number] for number in sorted(idle)]
    steps = [step for number, step in enumerate(steps) if number not in idle]
    whole = without_plumbing(steps, netmap, lambda step: step.packet, _together)
    return Journey(tuple(whole), tuple(overheard))


def _together(first: Step, second: Step, box: str) -> Step:
    return replace(first, node=box, went_out=second.went_out, after=second.after)


def _latest(steps: Sequence[Step], node: str, packet: Packet) -> int | None:
    """The stay that a departing packet ends: the last one on its node."""
    places = range(len(steps) - 1, -1, -1)
    return next((n for n in places if (steps[n].node, steps[n].packet) == (node, packet)), None)


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
class Turn:
    """A machine answers by another interface than the question came in by."""

    node: str
    came_in: str
    goes_out: str


def turn(asked: Sequence[Stay], answered: Sequence[Stay], netmap: NetworkMap) -> Turn | None:
    """Whether a question and its reply do so. A machine that bridges has one way, over all its adapters."""
    if not asked or not answered:
        return None
    last, first = asked[-1], answered[0]
    if last.node != first.node or last.node in netmap.bridges or not last.came_in:
        return None
    came_in = last.came_in.interface
    ways_out = [outlet.interface for outlet in first.went_out]
    return Turn(last.node, came_in, ways_out[0]) if ways_out and came_in not in ways_out else None


def without_plumbing(
    stays: Iterable[AnyStay],
    netmap: NetworkMap,
    packet: Callable[[AnyStay], Hashable],
    together: Callable[[AnyStay, AnyStay, str], AnyStay],
) -> list[AnyStay]:
    """A stay on a NAT device and one on its host are one, if the packet only passes through both.

    `packet` tells of which packet a stay is, `together` makes one of two, on the device of that
    name.
    """
    merged: list[AnyStay] = []
    latest: dict[Hashable, int] = {}
    for stay in stays:
        before = latest.get(packet(stay))
        box = stay.came_in and netmap.nat_uplinks.get((stay.node, stay.came_in.interface))
        if before is not None and box and merged[before].came_in and stay.went_out:
            merged[before] = together(merged[before], stay, box)
        else:
            latest[packet(stay)] = len(merged)
            merged.append(stay)
    return merged
