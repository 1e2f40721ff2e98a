"""Frames through switches: who hears a question, and who gets what is sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By, Decision
from netlab.diagnosis.journey import Outlet
from netlab.explain.model import Ended, LabModel, PredictedPacket, PredictedStay
from netlab.frozen import frozen
from netlab.kernel.state.owners import Plug
from netlab.messages import said


@frozen
class Crossing:
    """A frame's way through a switch, from port to port."""

    switch: str
    port: str
    out: str


class Cables:
    """One packet under way: its stays, and the switches between two machines."""

    def __init__(self, world: LabModel) -> None:
        self.world = world
        self.stays: list[PredictedStay] = []

    def carry(
        self, start: Plug, mac: str, asked: list[Crossing] | None, packet: PredictedPacket
    ) -> Plug:
        """Through the switches to whom a frame is addressed. Raises Ended if nobody takes it."""
        come = start
        for crossing in asked or ():
            self._cross(crossing, packet, mac)
            come = (crossing.switch, crossing.out)
        while (here := self.world.cables[come])[0] in self.world.netmap.switches:
            switch, port = here
            out = self._learnt(switch, port, mac)
            if out is None:
                return self._flood(start, come, mac, packet)
            if self.apart(switch, port, out):
                self.open(switch, port, packet)
                text = said("isolated", one=port, other=out, switch=switch)
                raise Ended(switch, Cause.ISOLATED_PORT, text)
            self._cross(Crossing(switch, port, out), packet, mac)
            come = (switch, out)
        self._not_through(here[0])
        if not self.belongs(here, mac):
            text = said("given to one", node=come[0], peer=here[0], mac=mac)
            raise self._not_taken(start, come[0], mac, text)
        return here

    def _learnt(self, switch: str, port: str, mac: str) -> str | None:
        """The port behind which the switch has learnt the MAC."""
        known = [one.port for one in self.world.places[switch].space.fdb if one.mac == mac]
        there = [one for one in known if one != port and one in self._ports(switch)]
        return there[0] if there else None

    def apart(self, switch: str, one: str, other: str) -> bool:
        """Whether a switch carries nothing from one port to the other."""
        place = self.world.places[switch]
        ports = (place.interface(one), place.interface(other))
        return one == other or all(port is not None and port.isolated for port in ports)

    def _flood(self, start: Plug, come: Plug, mac: str, packet: PredictedPacket) -> Plug:
        """A switch that does not know the MAC gives the frame to every other port."""
        ways = [(path, end) for path, end in self.reached(come) if self.belongs(end, mac)]
        onward = self._give_on(come, mac, packet)
        if ways:
            for crossing in ways[0][0][1:]:
                self._cross(crossing, packet, mac)
            return ways[0][1]
        gone = [come]
        for further in onward:  # Further switches get it too.
            switch, _ = self.world.cables[further]
            known = {self.world.cables[one][0] for one in gone}
            if switch in self.world.netmap.switches and switch not in known:
                gone.append(further)
                onward += self._give_on(further, mac, packet)
        for one in gone:
            self._must_not_be_apart(one, mac)
        switch = self.stays[-1].node
        text = said("nobody there", switch=switch, mac=mac)
        raise self._not_taken(start, switch, mac, text)

    def _must_not_be_apart(self, come: Plug, mac: str) -> None:
        """Raises Ended if a switch keeps a frame from who has its MAC."""
        switch, port = self.world.cables[come]
        for plug in self.world.owners.plugs.get(mac, ()):
            for other in self._ports(switch):
                behind = self.world.netmap.behind(switch, other)
                if other != port and self.apart(switch, port, other) and plug[0] in behind:
                    text = said("isolated", one=port, other=other, switch=switch)
                    raise Ended(switch, Cause.ISOLATED_PORT, text)

    def _give_on(self, come: Plug, mac: str, packet: PredictedPacket) -> list[Plug]:
        """A stay on a switch to which a frame was flooded. The ports by which it leaves."""
        switch, port = self.world.cables[come]
        known = self._learnt(switch, port, mac)
        ports = [known] if known else self._ports(switch)
        others = [one for one in ports if not self.apart(switch, port, one)]
        self.open(switch, port, packet)
        self.change(went_out=tuple(self.outlet(switch, one) for one in others))
        if not known:
            self.decide(Decision(By.FDB, said("flooded", owner=self.owner(mac, (switch, port)))))
        return [(switch, one) for one in others]

    def _not_taken(self, start: Plug, at: str, mac: str, text: str) -> Ended:
        """Nobody who got the frame has its MAC; but somebody whom `start` reaches may."""
        ends = [end for _, end in self.reached(start)]
        nodes = {node for node, _ in ends}
        for plug in self.world.owners.plugs.get(mac, ()):
            if plug in ends or (plug not in self.world.cables and plug[0] in nodes):
                why = said("is there", mac=mac, owner=plug[0])
                return Ended(at, Cause.UNKNOWN, said("not certain", why=why))
        return Ended(at, Cause.MAC_UNKNOWN, text)

    def reached(self, start: Plug) -> Iterator[tuple[list[Crossing], Plug]]:
        """Every machine's end that a broadcast reaches, and through which switches."""
        first = self.world.cables.get(start)
        waiting: list[tuple[list[Crossing], Plug]] = [([], first)] if first else []
        seen = set()
        while waiting:
            path, (node, interface) = waiting.pop(0)
            self._not_through(node)
            if node not in self.world.netmap.switches:
                yield path, (node, interface)
            elif node not in seen:
                seen.add(node)
                for port in self._ports(node):
                    if not self.apart(node, interface, port):
                        crossing = Crossing(node, interface, port)
                        waiting.append(([*path, crossing], self.world.cables[node, port]))

    def _ports(self, switch: str) -> list[str]:
        """Those that carry frames."""
        interfaces = self.world.places[switch].space.interfaces
        cables = [one for one in interfaces if (switch, one.name) in self.world.cables]
        return [one.name for one in cables if one.master and one.running]

    def belongs(self, end: Plug, mac: str) -> bool:
        card = self.world.places[end[0]].interface(end[1])
        return card is not None and card.mac == mac

    def owner(self, mac: str, near: Plug) -> str:
        """Whose a MAC address is to who hears what is asked there."""
        netmap = self.world.netmap
        switches = netmap.segment(near) & netmap.carriers
        heard = frozenset().union(*map(netmap.neighbourhood, switches))
        return self.world.owners.name(mac, heard) or "?"

    def outlet(self, node: str, interface: str) -> Outlet:
        return Outlet(interface, self.world.cables.get((node, interface), ("",))[0])

    def open(self, node: str, came_in: str | None, packet: PredictedPacket) -> None:
        inlet = self.outlet(node, came_in) if came_in else None
        stay = PredictedStay(node, packet.part, inlet, (), packet.shown, packet.shown, packet.ttl)
        self.stays.append(stay)
        self._not_through(node)
        chain = self.world.places[node].rules.beyond()
        if chain:
            why = said("chain", chain=chain)
            raise Ended(node, Cause.UNKNOWN, said("not certain", why=why))

    def _not_through(self, node: str) -> None:
        """What a machine's own bridge does with frames is not worked out. Raises Ended."""
        if node in self.world.netmap.bridges:
            why = said("bridges", node=node)
            raise Ended(node, Cause.UNKNOWN, said("not certain", why=why))

    def _cross(self, crossing: Crossing, packet: PredictedPacket, mac: str) -> None:
        """A stay on a switch."""
        self.open(crossing.switch, crossing.port, packet)
        self.change(went_out=(self.outlet(crossing.switch, crossing.out),))
        text = said(
            "behind port", owner=self.owner(mac, (crossing.switch, crossing.out)), port=crossing.out
        )
        self.decide(Decision(By.FDB, text))

    def decide(self, decision: Decision) -> None:
        """Something has decided the present stay."""
        self.change(decisions=(*self.stays[-1].decisions, decision))

    def change(self, **fields: Any) -> None:
        """What the present stay turns out to be."""
        self.stays[-1] = replace(self.stays[-1], **fields)
