"""Frames through switches: the copies of a frame, and the machines that they come to. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By, Decision
from netlab.diagnosis.journey import Outlet
from netlab.diagnosis.leads import Leads, Onward, Passage, leads
from netlab.explain.gates import BROADCAST, Gates, PredictedFrame, is_group
from netlab.explain.model import (
    Ended,
    LabModel,
    PredictedPacket,
    PredictedStay,
    may_end,
    uncertain,
)
from netlab.frozen import frozen
from netlab.kernel.netlink.objects.link_details import LinkDetails
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.rows import FdbEntry
from netlab.messages import Message, join_and
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part

_NEW_PORT = LinkDetails("", 0, "", 0, up=True, arp_off=False)


@frozen
class Crossing:
    """A frame's way through a switch."""

    switch: str
    port: str
    """The port by which it comes in."""
    outs: tuple[str, ...]
    """The ports by which it goes out."""
    is_known: bool
    """The switch knows the port of its MAC address."""


@frozen
class Copy:
    """A copy of a frame at an interface, or one that would have come there."""

    way: tuple[Crossing, ...]
    end: NodeInterface
    """A machine's interface; a switch's port, if no machine of the lab is behind it."""
    frame: PredictedFrame
    lost: Ended | None = None
    """What ended it on the way, or may have."""


class Cables:
    """A packet under way: its stays, and the switches between two machines."""

    def __init__(self, model: LabModel) -> None:
        self.model = model
        self.gates = Gates(model)
        self.stays: list[PredictedStay] = []
        self.onward: defaultdict[Part, list[Onward]] = defaultdict(list)
        """Where the machines on the way of each part send it."""
        self.meant: Mapping[Part, frozenset[str]] = {}
        """The machines that each part is for."""
        self._shown: dict[tuple[str, str], str] = {}
        """(switch, MAC address) to the port behind which frames of this walk have shown it."""

    def leads(self, part: Part, mac: str = "") -> Leads:
        """Return why a part has come to its present stay; `mac` is the frame's receiver."""
        last = self.stays[-1]
        inlet = last.came_in.interface if last.came_in else ""
        return leads(self.passage(part, last.node, inlet), self.model.whereabouts, mac)

    def passage(self, part: Part, node: str, inlet: str = "") -> Passage:
        """Return the way of a part to the node where it ends; `inlet`: the interface by which it came in."""
        past = frozenset(self._untranslated()) if part is not Part.REQUEST else frozenset()
        meant = self.meant.get(part, frozenset())
        return Passage(tuple(self.onward[part]), node, inlet, meant, past)

    def _untranslated(self) -> Iterator[str]:
        """Yield the machines that have passed on the request with its source as it was."""
        for stay in self.stays:
            is_passed = stay.part is Part.REQUEST and stay.came_in and stay.went_out
            if is_passed and stay.before[0] == stay.after[0]:
                yield stay.node

    def carry(self, start: NodeInterface, frame: PredictedFrame, packet: PredictedPacket) -> Copy:
        """Return the copy of a packet's frame, sent on `start`, that a machine takes.

        Raises Ended if nobody takes it.
        """
        copies = self.copies(start, frame)
        takers = [copy for copy in copies if self._takes(copy)]
        sure = [copy for copy in takers if copy.lost is None]
        if len({copy.end.node for copy in sure}) > 1:
            nodes = join_and(copy.end.node for copy in sure)
            why = Message("{who} both have {mac}", who=nodes, mac=frame.target)
            raise uncertain(sure[0].way[-1].switch, why)
        if sure or takers:
            taker = (sure or takers)[0]
            self._cross(taker.way, taker.lost, packet, frame.target)
            if taker.lost:
                raise self._missed(taker)
            return taker
        if lost := _end_of_all(copies):
            self._cross(lost.way, lost.lost, packet, frame.target)
            assert lost.lost
            raise lost.lost
        crossings = dict.fromkeys(
            crossing for copy in copies if copy.lost is None for crossing in copy.way
        )
        self._cross(crossings, None, packet, frame.target)
        raise self._not_taken(start, frame.target)

    def _missed(self, taker: Copy) -> Ended:
        """Return the end of a frame that does not come to the machine that would have taken it."""
        lost = taker.lost
        assert lost
        if lost.cause is not Cause.MAC_UNKNOWN:
            return lost
        mac, owner = taker.frame.target, taker.end.node
        present = Message("{owner} has {mac}, on the same network", mac=mac, owner=owner)
        text = Message("{what}; {why}", what=lost.evidence, why=present)
        return Ended(lost.at, Cause.MAC_UNKNOWN, text)

    def _cross(
        self, way: Iterable[Crossing], lost: Ended | None, packet: PredictedPacket, mac: str
    ) -> None:
        """Add the stays of a packet on switches, up to the one where it is lost."""
        for crossing in way:
            self.open(crossing.switch, crossing.port, packet)
            outs = [NodeInterface(crossing.switch, out) for out in crossing.outs]
            self.change(went_out=tuple(map(self.outlet, outs)))
            if lost and lost.at == crossing.switch:
                return
            self._decide_port(crossing, outs, mac)

    def _decide_port(self, crossing: Crossing, outs: list[NodeInterface], mac: str) -> None:
        if crossing.is_known and outs:
            owner, port = self.owner(mac, outs[0]), outs[0].interface
            text = Message("{owner} is behind the port {port}", owner=owner, port=port)
        else:
            owner = self.owner(mac, NodeInterface(crossing.switch, crossing.port))
            text = Message("nobody knows the port of {owner}: to every port", owner=owner)
        self.decide(Decision(By.FDB, text))

    def _not_taken(self, start: NodeInterface, mac: str) -> Ended:
        """Return the end of a frame that comes to others than the owner of its MAC address."""
        last = self.stays[-1]
        if is_group(mac):
            text = Message(
                "{mac} is a group's MAC address: no router takes what is sent to it", mac=mac
            )
            return Ended(last.node, Cause.MAC_UNKNOWN, text)
        switch, peers = last.node, [out.peer for out in last.went_out]
        if len(peers) == 1:
            text = Message(
                "{node} gave it to {peer} alone, and nobody there has {mac}",
                node=switch,
                peer=peers[0],
                mac=mac,
            )
        else:
            text = Message(
                "{switch} gives it to every port, and nobody there has {mac}",
                switch=switch,
                mac=mac,
            )
        nodes = self.model.netmap.segment(start)
        for owner in self.model.owners.interfaces.get(mac, ()):
            if owner not in self.model.cables and owner.node in nodes:
                why = Message("{owner} has {mac}, on the same network", mac=mac, owner=owner.node)
                return uncertain(switch, why)
        if missing := self.model.missing(switch, mac, text):
            return missing
        if where := self.leads(self.stays[-1].part, mac).not_taken:
            text = Message("{what}; {where}", what=text, where=where)
        return Ended(switch, Cause.MAC_UNKNOWN, text)

    def copies(self, start: NodeInterface, frame: PredictedFrame) -> list[Copy]:
        """Return the copies of a frame that leaves by an interface: those that come to a machine, and
        those that would have come to one."""
        arrived = []
        passed = set()
        under_way = deque([Copy((), start, frame)])
        while under_way:
            copy = under_way.popleft()
            far = self.model.cables.get(copy.end)
            if far is None:
                lost = copy.lost or self._bridges(copy.end) or self.model.beyond(copy.end)
                arrived.append(replace(copy, lost=lost))
            elif far.node not in self.model.netmap.switches:
                arrived.append(replace(copy, end=far, lost=copy.lost or self._bridges(far)))
            elif far.node not in passed:
                passed.add(far.node)
                ahead = self._switched(replace(copy, end=far))
                under_way += ahead
                if not ahead:
                    way = (*copy.way, Crossing(*far, (), False))
                    arrived.append(replace(copy, end=far, way=way))
        return arrived

    def _bridges(self, end: NodeInterface) -> Ended | None:
        """Return the end at a machine's own bridge: what it does with frames is not worked out."""
        netmap = self.model.netmap
        if not (netmap.is_port_inside(end) or netmap.is_bridge_inside(end)):
            return None
        return uncertain(end.node, Message("{node} bridges its adapters", node=end.node))

    def _switched(self, copy: Copy) -> list[Copy]:
        """Return the copies of a frame that leave a switch, where it has come in, by every other port."""
        switch, inlet = copy.end
        copy = self._let_in(copy)
        known = None if copy.frame.is_group else self._known_port(switch, copy.frame.target)
        copies = [
            self._let_out(replace(copy, end=NodeInterface(switch, port.name)), inlet, known)
            for port in self.model.nodes[switch].space.interfaces
            if port.name != inlet and port.running and self._is_port(switch, port)
        ]
        outs = tuple(copy.end.interface for copy in copies if copy.lost is None)
        way = (*copy.way, Crossing(switch, inlet, outs, known is not None))
        return [replace(copy, way=way) for copy in copies]

    def _is_port(self, switch: str, interface: Interface) -> bool:
        """Return whether an interface is a port of a switch, or was to be one."""
        return bool(interface.master) or NodeInterface(switch, interface.name) in self.model.cables

    def _let_in(self, copy: Copy) -> Copy:
        """Return a frame as a switch takes it from a port, and learns where its sender is."""
        if copy.lost:
            return copy
        switch, port = copy.end
        try:
            frame = self.gates.enter(copy.end, copy.frame)
            self._must_carry(switch, port)
            frame = self.gates.bridged(switch, "prerouting", port, None, frame)
            self._must_admit(copy.end, frame.source)
        except Ended as end:
            return replace(copy, lost=end)
        learns = "learning" not in self._flags(copy.end) and not self._bridge_of(copy.end).hub
        entries = self._entries(switch, frame.source)
        if learns and not any(entry.sticky or not entry.learnt for entry in entries):
            self._shown[switch, frame.source] = port
        return replace(copy, frame=frame)

    def _let_out(self, copy: Copy, inlet: str, known: str | None) -> Copy:
        """Return a copy of a frame as it leaves a switch by a port; `known`: the port of its receiver."""
        if copy.lost:
            return copy
        switch, port = copy.end
        try:
            self._must_go(copy, inlet, known)
            frame = self.gates.bridged(switch, "forward", inlet, port, copy.frame)
            frame = self.gates.bridged(switch, "postrouting", None, port, frame)
            frame = self.gates.leave(copy.end, frame)
        except Ended as end:
            return replace(copy, lost=end)
        return replace(copy, frame=replace(frame, mark=0))

    def _must_carry(self, switch: str, port: str) -> None:
        """Raise Ended unless a port of a switch lets frames through."""
        end = NodeInterface(switch, port)
        interface = self.model.nodes[switch].interface(port)
        bridge = self._bridge_of(end)
        if interface is None or not interface.master:
            text = Message("{port} is no port of {switch} now", port=port, switch=switch)
            raise Ended(switch, Cause.PORT_BLOCKED, text)
        if not bridge.up:
            text = Message("the bridge {bridge} is down", bridge=bridge.name)
            raise Ended(switch, Cause.PORT_BLOCKED, text)
        if interface.blocked:
            state = self._details(end).state or "disabled"
            text = Message("the port {port} is in the state {state}", port=port, state=state)
            raise Ended(switch, Cause.PORT_BLOCKED, text)
        for oddity in bridge.oddities:
            if oddity == "with VLANs":
                raise uncertain(switch, Message("{bridge} tells VLANs apart", bridge=bridge.name))

    def _must_admit(self, end: NodeInterface, mac: str) -> None:
        """Raise Ended at a port that is locked: it takes frames of those MAC addresses only that the switch
        knows there, and not as its own."""
        if "locked" not in self._flags(end):
            return
        if self._known_port(end.node, mac) == end.interface and not self._is_own(end.node, mac):
            return
        text = Message("the port {port} is locked, and {mac} unknown", port=end.interface, mac=mac)
        raise Ended(end.node, Cause.PORT_BLOCKED, text)

    def _must_go(self, copy: Copy, inlet: str, known: str | None) -> None:
        """Raise Ended unless a switch gives a frame to a port, as far as it goes by addresses and flags."""
        (switch, port), mac = copy.end, copy.frame.target
        if not copy.frame.is_group and self._is_own(switch, mac):
            text = Message("{switch} has {mac} for its own", switch=switch, mac=mac)
            raise Ended(switch, Cause.PORT_BLOCKED, text)
        if known == inlet:
            text = Message(
                "{switch} has {mac} behind the port {port}, by which it came in",
                switch=switch,
                mac=mac,
                port=inlet,
            )
            raise Ended(switch, Cause.MAC_UNKNOWN, text)
        if known not in (None, port):
            peer = self.outlet(NodeInterface(switch, known or "")).peer
            text = Message(
                "{node} gave it to {peer} alone, and nobody there has {mac}",
                node=switch,
                peer=peer,
                mac=mac,
            )
            raise Ended(switch, Cause.MAC_UNKNOWN, text)
        self._must_carry(switch, port)
        inlet_end = NodeInterface(switch, inlet)
        if self._bridge_of(inlet_end) != self._bridge_of(copy.end):
            text = Message("{one} and {other} are ports of two bridges", one=inlet, other=port)
            raise Ended(switch, Cause.PORT_BLOCKED, text)
        ports = [self.model.nodes[switch].interface(name) for name in (inlet, port)]
        if all(interface is not None and interface.isolated for interface in ports):
            text = Message(
                "the ports {one} and {other} of {switch} are isolated",
                one=inlet,
                other=port,
                switch=switch,
            )
            raise Ended(switch, Cause.ISOLATED_PORT, text)
        if known is None:
            self._must_flood(copy)

    def _must_flood(self, copy: Copy) -> None:
        """Raise Ended if a port is set not to get what a switch gives to every port."""
        switch, port = copy.end
        flags = self._flags(copy.end)
        if "neigh_suppress" in flags and "ip saddr" not in copy.frame.content:
            raise may_end(switch, f"neigh_suppress on of port {port}")
        word = "flood"
        if copy.frame.is_group:
            word = "bcast_flood" if copy.frame.target == BROADCAST else "mcast_flood"
        if word in flags:
            text = Message("{flag} is off at the port {port}", flag=word, port=port)
            raise Ended(switch, Cause.PORT_BLOCKED, text)

    def _known_port(self, switch: str, mac: str) -> str | None:
        """Return the port behind which a switch knows a MAC address; None if it has to flood."""
        if port := self._shown.get((switch, mac)):
            return port
        ports = {interface.name for interface in self.model.spaces[switch].interfaces}
        known = (entry.port for entry in self._entries(switch, mac) if entry.port in ports)
        return next(known, None)

    def _is_own(self, switch: str, mac: str) -> bool:
        """Return whether a switch takes frames for a MAC address itself, by its table."""
        return any(not entry.learnt for entry in self._entries(switch, mac))

    def _entries(self, switch: str, mac: str) -> list[FdbEntry]:
        """Return what a switch's table has of a MAC address."""
        return [entry for entry in self.model.spaces[switch].fdb if entry.mac == mac]

    def _bridge_of(self, port: NodeInterface) -> Interface:
        """Return the bridge to which a port belongs; of one that has left, the switch's."""
        interfaces = self.model.nodes[port.node].space.interfaces
        own = self.model.nodes[port.node].interface(port.interface)
        bridges = [interface for interface in interfaces if interface.kind == "bridge"]
        return next(
            (bridge for bridge in bridges if own and bridge.index == own.master), bridges[0]
        )

    def _details(self, end: NodeInterface) -> LinkDetails:
        return self.model.nodes[end.node].links.get(end.interface, _NEW_PORT)

    def _flags(self, end: NodeInterface) -> Iterable[str]:
        """Return the flags of a port that a new port has otherwise."""
        return self._details(end).flags

    def _takes(self, copy: Copy) -> bool:
        """Return whether the machine that a frame comes to is the one to which it is addressed."""
        if copy.end.node in self.model.netmap.switches:
            return False
        return self.mac_of(copy.end) == copy.frame.target

    def mac_of(self, end: NodeInterface) -> str:
        """Return the MAC address of an interface, empty if it is not there."""
        interface = self.model.interface(end)
        return interface.mac if interface else ""

    def owner(self, mac: str, near: NodeInterface) -> str:
        """Return the name of a MAC address' owner, for nodes that hear what is broadcast on `near`."""
        netmap = self.model.netmap
        switches = netmap.domain(near)
        nodes = frozenset().union(*map(netmap.neighbourhood, switches))
        return self.model.owners.name(mac, nodes) or "?"

    def outlet(self, end: NodeInterface) -> Outlet:
        """Return an interface with the node at the other end of its cable, empty if it has none."""
        far = self.model.cables.get(end)
        return Outlet(end.interface, far.node if far else "")

    def open(self, node: str, came_in: str | None, packet: PredictedPacket) -> None:
        """Begin a packet's stay on a node. Raises Ended at a machine that bridges."""
        inlet = self.outlet(NodeInterface(node, came_in)) if came_in else None
        stay = PredictedStay(node, packet.part, inlet, (), packet.shown, packet.shown, packet.ttl)
        self.stays.append(stay)
        if came_in and (end := self._bridges(NodeInterface(node, came_in))):
            raise end

    def decide(self, decision: Decision) -> None:
        """Add a decision to the present stay."""
        self.change(decisions=(*self.stays[-1].decisions, decision))

    def change(self, **fields: Any) -> None:
        """Replace fields of the present stay."""
        self.stays[-1] = replace(self.stays[-1], **fields)


def _end_of_all(copies: Sequence[Copy]) -> Copy | None:
    """Return a copy whose end is that of a frame that nobody takes: of one that may have gone on, or of
    any if none comes anywhere. None if some do."""
    lost = [copy for copy in copies if copy.lost]
    doubtful = (copy for copy in lost if copy.lost and copy.lost.cause is Cause.UNKNOWN)
    return next(doubtful, lost[0] if lost and len(lost) == len(copies) else None)
