"""Frames through switches: the machines that a broadcast reaches, and the one that a frame does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By, Decision
from netlab.diagnosis.journey import Outlet
from netlab.diagnosis.leads import Leads, Onward, Passage, leads
from netlab.explain.model import (
    Ended,
    LabModel,
    PredictedPacket,
    PredictedStay,
    out_of_sight,
)
from netlab.frozen import frozen
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part


@frozen
class Crossing:
    """A frame's way through a switch, from the port by which it comes in to the one by which it goes out."""

    switch: str
    port: str
    out: str


class Cables:
    """A packet under way: its stays, and the switches between two machines."""

    def __init__(self, model: LabModel) -> None:
        self.model = model
        self.stays: list[PredictedStay] = []
        self.onward: dict[Part, list[Onward]] = {Part.REQUEST: [], Part.REPLY: []}
        """Where the machines on the way of each part send it."""
        self.meant: Mapping[Part, frozenset[str]] = {}
        """The machines that each part is for."""

    def leads(self, part: Part, mac: str = "") -> Leads:
        """Return why a part has come to its present stay; `mac` is the frame's receiver."""
        last, is_reply = self.stays[-1], part is Part.REPLY
        passage = Passage(
            tuple(self.onward[part]),
            last.node,
            last.came_in.interface if last.came_in else "",
            self.meant.get(part, frozenset()),
            frozenset(self._untranslated()) if is_reply else frozenset(),
        )
        return leads(passage, self.model.whereabouts, mac)

    def _untranslated(self) -> Iterator[str]:
        """Yield the machines that have passed on the request with its source as it was."""
        for stay in self.stays:
            is_passed = stay.part is Part.REQUEST and stay.came_in and stay.went_out
            if is_passed and stay.before[0] == stay.after[0]:
                yield stay.node

    def carry(
        self,
        start: NodeInterface,
        mac: str,
        asked: list[Crossing] | None,
        packet: PredictedPacket,
    ) -> NodeInterface:
        """Return the interface of the machine that takes a frame sent on `start` to a MAC address.

        `asked` is the way of the reply to the question for that address, if there was one. Raises Ended
        if nobody takes the frame.
        """
        out = start
        for crossing in asked or ():
            self._cross(crossing, packet, mac)
            out = NodeInterface(crossing.switch, crossing.out)
        while (end := self._far(out)).node in self.model.netmap.switches:
            switch, port = end
            learnt = self._learnt(end, mac)
            if learnt is None:
                return self._flood(start, out, mac, packet)
            if self.apart(switch, port, learnt):
                self.open(switch, port, packet)
                raise _isolated(switch, port, learnt)
            self._cross(Crossing(switch, port, learnt), packet, mac)
            out = NodeInterface(switch, learnt)
        self._not_through(end.node)
        if not self.belongs(end, mac):
            text = Message(
                "{node} gave it to {peer} alone, and nobody there has {mac}",
                node=out.node,
                peer=end.node,
                mac=mac,
            )
            raise self._not_taken(start, out.node, mac, text)
        return end

    def _far(self, out: NodeInterface) -> NodeInterface:
        """Return the other end of a cable. Raises Ended if nobody can look into the machine there."""
        if lost := self.model.netmap.lost.get(out):
            raise out_of_sight(out.node, lost.peer)
        return self.model.cables[out]

    def _learnt(self, inlet: NodeInterface, mac: str) -> str | None:
        """Return another port of a switch, behind which it has learnt the MAC."""
        ports = self._ports(inlet.node)
        entries = self.model.nodes[inlet.node].space.fdb
        learnt = (entry.port for entry in entries if entry.mac == mac)
        return next((port for port in learnt if port != inlet.interface and port in ports), None)

    def apart(self, switch: str, inlet: str, outlet: str) -> bool:
        """Return whether a switch carries nothing from one port to another."""
        ports = [self.model.nodes[switch].interface(name) for name in (inlet, outlet)]
        return inlet == outlet or all(port is not None and port.isolated for port in ports)

    def _flood(
        self, start: NodeInterface, out: NodeInterface, mac: str, packet: PredictedPacket
    ) -> NodeInterface:
        """Give a frame to every other port of the switch at the other end, which does not know its MAC."""
        ways = [(path, end) for path, end in self.reached(out) if self.belongs(end, mac)]
        ahead = self._forward_copies(out, mac, packet)
        if ways:
            path, end = ways[0]
            for crossing in path[1:]:
                self._cross(crossing, packet, mac)
            return end
        flooded = [out]
        for port in ahead:  # Further switches get it too.
            switch = self.model.cables[port].node
            switches = {self.model.cables[outlet].node for outlet in flooded}
            if switch in self.model.netmap.switches and switch not in switches:
                flooded.append(port)
                ahead += self._forward_copies(port, mac, packet)
        for outlet in flooded:
            self._must_not_be_apart(outlet, mac)
        switch = self.stays[-1].node
        text = Message(
            "{switch} gives it to every port, and nobody there has {mac}", switch=switch, mac=mac
        )
        raise self._not_taken(start, switch, mac, text)

    def _must_not_be_apart(self, out: NodeInterface, mac: str) -> None:
        """Raise Ended if the switch at the other end keeps a frame from an owner of its MAC."""
        switch, inlet = self.model.cables[out]
        for owner in self.model.owners.interfaces.get(mac, ()):
            for port in self._ports(switch):
                behind = self.model.netmap.behind(NodeInterface(switch, port))
                if port != inlet and self.apart(switch, inlet, port) and owner.node in behind:
                    raise _isolated(switch, inlet, port)

    def _forward_copies(
        self, out: NodeInterface, mac: str, packet: PredictedPacket
    ) -> list[NodeInterface]:
        """Add a stay on a switch to which a frame was flooded. Return the ports by which it leaves."""
        inlet = self.model.cables[out]
        learnt = self._learnt(inlet, mac)
        ports = [
            NodeInterface(inlet.node, port)
            for port in ([learnt] if learnt else self._ports(inlet.node))
            if not self.apart(inlet.node, inlet.interface, port)
        ]
        self.open(inlet.node, inlet.interface, packet)
        self.change(went_out=tuple(map(self.outlet, ports)))
        if not learnt:
            self.decide(
                Decision(
                    By.FDB,
                    Message(
                        "nobody knows the port of {owner}: to every port",
                        owner=self.owner(mac, inlet),
                    ),
                )
            )
        return ports

    def _not_taken(self, start: NodeInterface, at: str, mac: str, text: str) -> Ended:
        """Return the end of a frame whose MAC nobody has who got it; but somebody whom `start` reaches
        may have it."""
        ends = [end for _, end in self.reached(start)]
        nodes = {end.node for end in ends}
        for owner in self.model.owners.interfaces.get(mac, ()):
            if owner in ends or (owner not in self.model.cables and owner.node in nodes):
                why = Message("{owner} has {mac}, on the same network", mac=mac, owner=owner.node)
                return Ended(at, Cause.UNKNOWN, Message("not certain: {why}", why=why))
        if missing := self.model.missing(at, mac, text):
            return missing
        if where := self.leads(self.stays[-1].part, mac).not_taken:
            text = Message("{what}; {where}", what=text, where=where)
        return Ended(at, Cause.MAC_UNKNOWN, text)

    def reached(self, start: NodeInterface) -> Iterator[tuple[list[Crossing], NodeInterface]]:
        """Yield every machine's interface that a broadcast reaches, and the crossings of switches on the
        way there. Raises Ended at a machine that bridges."""
        first = self.model.cables.get(start)
        waiting: list[tuple[list[Crossing], NodeInterface]] = [([], first)] if first else []
        passed = set()
        while waiting:
            path, end = waiting.pop(0)
            node, interface = end
            self._not_through(node)
            if node not in self.model.netmap.switches:
                yield path, end
            elif node not in passed:
                passed.add(node)
                for port in self._ports(node):
                    if not self.apart(node, interface, port):
                        crossing = Crossing(node, interface, port)
                        far = self.model.cables[NodeInterface(node, port)]
                        waiting.append(([*path, crossing], far))

    def _ports(self, switch: str) -> list[str]:
        """Return the ports of a switch that carry frames."""
        return [
            interface.name
            for interface in self.model.nodes[switch].space.interfaces
            if interface.master
            and interface.running
            and NodeInterface(switch, interface.name) in self.model.cables
        ]

    def belongs(self, end: NodeInterface, mac: str) -> bool:
        """Return whether an interface has a MAC address."""
        interface = self.model.nodes[end.node].interface(end.interface)
        return interface is not None and interface.mac == mac

    def owner(self, mac: str, near: NodeInterface) -> str:
        """Return the name of a MAC address' owner, for nodes that hear what is broadcast on `near`."""
        netmap = self.model.netmap
        switches = netmap.segment(near) & netmap.carriers
        nodes = frozenset().union(*map(netmap.neighbourhood, switches))
        return self.model.owners.name(mac, nodes) or "?"

    def outlet(self, end: NodeInterface) -> Outlet:
        """Return an interface with the node at the other end of its cable, empty if it has none."""
        far = self.model.cables.get(end)
        return Outlet(end.interface, far.node if far else "")

    def open(self, node: str, came_in: str | None, packet: PredictedPacket) -> None:
        """Begin a packet's stay on a node. Raises Ended if it cannot be worked out."""
        inlet = self.outlet(NodeInterface(node, came_in)) if came_in else None
        stay = PredictedStay(node, packet.part, inlet, (), packet.shown, packet.shown, packet.ttl)
        self.stays.append(stay)
        self._not_through(node)
        chain = self.model.nodes[node].rules.beyond()
        if chain:
            why = Message("chain {chain}", chain=chain)
            raise Ended(node, Cause.UNKNOWN, Message("not certain: {why}", why=why))

    def _not_through(self, node: str) -> None:
        """Raise Ended at a machine's own bridge: what it does with frames is not worked out."""
        if node in self.model.netmap.bridges:
            why = Message("{node} bridges its adapters", node=node)
            raise Ended(node, Cause.UNKNOWN, Message("not certain: {why}", why=why))

    def _cross(self, crossing: Crossing, packet: PredictedPacket, mac: str) -> None:
        """Add a stay on a switch."""
        out = NodeInterface(crossing.switch, crossing.out)
        self.open(crossing.switch, crossing.port, packet)
        self.change(went_out=(self.outlet(out),))
        text = Message(
            "{owner} is behind the port {port}", owner=self.owner(mac, out), port=crossing.out
        )
        self.decide(Decision(By.FDB, text))

    def decide(self, decision: Decision) -> None:
        """Add a decision to the present stay."""
        self.change(decisions=(*self.stays[-1].decisions, decision))

    def change(self, **fields: Any) -> None:
        """Replace fields of the present stay."""
        self.stays[-1] = replace(self.stays[-1], **fields)


def _isolated(switch: str, port: str, other_port: str) -> Ended:
    text = Message(
        "the ports {one} and {other} of {switch} are isolated",
        one=port,
        other=other_port,
        switch=switch,
    )
    return Ended(switch, Cause.ISOLATED_PORT, text)
