"""Tables in, way out: a packet led through machines and switches, and its answer back. Pure.

Every machine does with it what Linux does, in Linux's order: translation and
rules before the routing decision, the decision, rules after it, ARP for the
next hop; every switch looks for the MAC address among those that it has learnt.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv4Address
from typing import Any

from netlab.errors import UsageError
from netlab.explain.rules import NOT_THERE, End, Facts, Ruleset, Translation
from netlab.kernel.links import Interface
from netlab.kernel.owners import Owners, Plug, owners
from netlab.kernel.routing import Answer, Question
from netlab.kernel.rows import Socket
from netlab.kernel.spaces import Space
from netlab.probe import kinds
from netlab.probe.cause import Cause, Finding
from netlab.probe.decision import By, Decision
from netlab.probe.journey import Map, Outlet, without_plumbing
from netlab.probe.packet import Part
from netlab.probe.verdict import Verdict

_ASLEEP = ("failed", "incomplete")
"""States of a neighbour in which the machine has to ask."""


@dataclass(frozen=True)
class Probe:
    """What would be sent."""

    protocol: str = "icmp"
    """icmp (an echo request), tcp or udp."""
    port: int | None = None

    def __str__(self) -> str:
        return self.protocol if self.port is None else f"{self.protocol}:{self.port}"


def probe(by: str) -> Probe:
    """`icmp`, `tcp:80` or `udp:53`. Raises UsageError."""
    kinds.check(by)
    word, _, port = by.partition(":")
    if word == "icmp":
        return Probe()
    if word in ("tcp", "udp") and port:
        return Probe(word, int(port))
    raise UsageError(f"explain cannot work out '{by}'", "use icmp, tcp:PORT or udp:PORT")


@dataclass(frozen=True)
class Place:
    """A machine or switch."""

    space: Space
    rules: Ruleset = field(default_factory=Ruleset)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Kernel settings by key."""
    waiting: tuple[Socket, ...] = ()

    def interface(self, name: str) -> Interface | None:
        return next((one for one in self.space.interfaces if one.name == name), None)

    def has(self, address: IPv4Address) -> bool:
        return any(own.ip == address for _, own in self.space.addresses)

    def address_on(self, interface: str, towards: IPv4Address) -> IPv4Address | None:
        """The one that the kernel takes (inet_select_addr): in the other's subnet, or the first."""
        own = [address for name, address in self.space.addresses if name == interface]
        near = [address for address in own if towards in address.network]
        return next((one.ip for one in (*near, *own) if isinstance(one.ip, IPv4Address)), None)


@dataclass(frozen=True)
class World:
    """A lab as it is."""

    places: Mapping[str, Place]
    """By node or switch."""
    where: Map
    cables: Mapping[Plug, Plug]
    """Both ends of every cable, by the other end."""
    ask: Callable[[str, Question], Answer]
    """A node's routing decision."""

    @cached_property
    def owners(self) -> Owners:
        """Whose every IP and MAC address is."""
        return owners(
            (node, place.space.interfaces, place.space.addresses)
            for node, place in self.places.items()
        )


@dataclass(frozen=True)
class Stay:
    """A packet's stay on one node."""

    node: str
    part: Part
    came_in: Outlet | None
    went_out: tuple[Outlet, ...]
    before: tuple[str, str]
    after: tuple[str, str]
    """Source and destination, with their ports where they are known."""
    ttl: int
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Where a packet would go, and what would become of it."""

    source: str
    target: str
    to: str
    probe: Probe
    stays: tuple[Stay, ...]
    finding: Finding

    def of(self, part: Part) -> tuple[Stay, ...]:
        """The stays of the request or of the answer."""
        return tuple(stay for stay in self.stays if stay.part is part)


@dataclass(frozen=True)
class _Packet:
    source: IPv4Address
    target: IPv4Address
    probe: Probe
    part: Part
    ttl: int
    source_port: int | None = None
    """None: not chosen yet, so rules about it cannot be worked out."""
    target_port: int | None = None

    @property
    def ends(self) -> tuple[IPv4Address, int | None, IPv4Address, int | None]:
        return self.source, self.source_port, self.target, self.target_port

    @property
    def shown(self) -> tuple[str, str]:
        """Source and destination, with their ports where they are known."""
        ends = ((self.source, self.source_port), (self.target, self.target_port))
        source, target = (str(a) if port is None else f"{a}:{port}" for a, port in ends)
        return source, target


@dataclass(frozen=True)
class _Track:
    """What connection tracking of a node would remember of the request."""

    before: _Packet
    after: _Packet

    def answers(self, packet: _Packet) -> bool:
        source, source_port, target, target_port = packet.ends
        return (target, target_port, source, source_port) == self.after.ends


@dataclass(frozen=True)
class _Crossing:
    """A frame's way through a switch, from port to port."""

    switch: str
    port: str
    out: str


class _Ended(Exception):
    """The packet comes no further."""

    def __init__(
        self, at: str, cause: Cause, evidence: str, verdict: Verdict = Verdict.DEAD
    ) -> None:
        super().__init__(evidence)
        self.at, self.cause, self.evidence = at, cause, evidence
        self.verdict = Verdict.UNKNOWN if cause is Cause.UNKNOWN else verdict


def explain(world: World, source: str, target: str, to: IPv4Address, probe: Probe) -> Explanation:
    """Lead a packet from the node `source` to an address of the node `target`, and its answer back."""
    walk = _Walk(world)
    finding = _finding(walk, source, target, to, probe)
    stays = without_plumbing(walk.stays, world.where, lambda stay: stay.part, _together)
    return Explanation(source, target, str(to), probe, tuple(stays), finding)


def _finding(walk: _Walk, source: str, target: str, to: IPv4Address, probe: Probe) -> Finding:
    try:
        there, request = walk.ask(source, to, probe)
        waits = walk.deliver(there, request)
    except _Ended as end:
        return _found(end)
    twins = walk.world.owners.nodes.get(str(request.target), frozenset())
    if len(twins) > 1 and target in twins and there != target:
        text = f"{' and '.join(sorted(twins))} both have {request.target}; {there} would get it"
        return Finding(Verdict.DEAD, there, Cause.DUPLICATE_IP, text)
    before = len(walk.stays)
    try:
        back = walk.answer(there, request)
    except _Ended as end:
        left = any(stay.went_out for stay in walk.stays[before:])
        if end.cause is Cause.UNKNOWN or (end.cause in _SAID_AT_ONCE and not left):
            return _found(end)
        text = f"the answer would end on {end.at}: {end.cause}, {end.evidence}"
        return Finding(Verdict.DEAD, end.at, Cause.NO_WAY_BACK, text)
    if back != source:
        text = f"{back} would take the answer for its own"
        return Finding(Verdict.DEAD, back, Cause.NO_WAY_BACK, text)
    return Finding(Verdict.ANSWERED, target, evidence=waits)


_SAID_AT_ONCE = (Cause.FIREWALL, Cause.ARP_UNANSWERED, Cause.WRONG_SEGMENT)
"""Where no answer ever leaves the target for one of these, it is the cause itself."""


def _found(end: _Ended) -> Finding:
    return Finding(end.verdict, end.at, end.cause, end.evidence)


class _Walk:
    """One packet and its answer under way: the stays, and what nodes have remembered of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stays: list[Stay] = []
        self._tracks: dict[str, _Track] = {}

    def ask(self, source: str, to: IPv4Address, probe: Probe) -> tuple[str, _Packet]:
        """Send the request. Where it arrives, and as what. Raises _Ended."""
        place = self.world.places[source]
        if not any(one.running for one in place.space.interfaces if one.name != "lo"):
            text = "no interface of it is up with a cable that is up"
            raise _Ended(source, Cause.NIC_DOWN, text)
        if not place.space.addresses:
            raise _Ended(source, Cause.NO_ADDRESS, "no interface of it has an IPv4 address")
        way = self._route(source, Question(to))
        own = way.source
        if own is None:
            raise _Ended(source, Cause.UNKNOWN, "its kernel names no source address")
        ttl = int(place.settings.get("net.ipv4.ip_default_ttl", "64"))
        packet = _Packet(own, to, probe, Part.REQUEST, ttl, target_port=probe.port)
        return self._travel(source, packet)

    def deliver(self, node: str, packet: _Packet) -> str:
        """Who answers there, in words. Raises _Ended if nobody does."""
        place, protocol = self.world.places[node], packet.probe.protocol
        if protocol == "icmp":
            if place.settings.get("net.ipv4.icmp_echo_ignore_all") == "1":
                text = "it is told to ignore echo requests (net.ipv4.icmp_echo_ignore_all)"
                raise _Ended(node, Cause.UNKNOWN, text)
            return ""
        for one in place.waiting:
            anywhere = one.address.is_unspecified or one.address == packet.target
            if (one.protocol, one.port) == (protocol, packet.target_port) and anywhere:
                return f"{one.program} waits on {protocol} {one.address}:{one.port}"
        text = f"no program waits on {protocol} {packet.target}:{packet.target_port}"
        came_in = self.stays[-1].came_in
        at_door = came_in and (node, came_in.interface) in self.world.where.doors
        cause = Cause.NO_FORWARD if at_door else Cause.PORT_CLOSED
        raise _Ended(node, cause, text, Verdict.REFUSED)

    def answer(self, node: str, request: _Packet) -> str:
        """Send the answer. The node that takes it for its own. Raises _Ended."""
        packet = replace(
            request,
            source=request.target,
            source_port=request.target_port,
            target=request.source,
            target_port=request.source_port,
            part=Part.ANSWER,
            ttl=int(self.world.places[node].settings.get("net.ipv4.ip_default_ttl", "64")),
        )
        return self._travel(node, packet)[0]

    def _travel(self, node: str, packet: _Packet) -> tuple[str, _Packet]:
        """From where it is made to where it is taken."""
        came_in: str | None = None
        while True:
            taken = self._pass(node, came_in, packet)
            if isinstance(taken, _Packet):
                return node, taken
            node, came_in, packet = taken

    def _pass(
        self, node: str, came_in: str | None, packet: _Packet
    ) -> _Packet | tuple[str, str, _Packet]:
        """A machine's part: the packet as it is taken there, or who gets it next."""
        self._open(node, came_in, packet)
        entered, state = packet, self._state(node, packet)
        own = self._route(node, self._question(packet, None)) if came_in is None else None
        packet = self._undo_target(node, packet)
        hook, out = ("output", own.interface) if own else ("prerouting", None)
        packet = self._rules(node, hook, came_in, out, packet, state)
        unchanged = packet.target == entered.target
        way = own if own and unchanged else self._route(node, self._question(packet, came_in))
        self._decide_route(node, way, packet)
        if way.kind == "local":
            packet = self._rules(node, "input", came_in, None, packet, state)
        elif way.kind == "unicast":
            if came_in is not None:
                packet = self._forward(node, came_in, way.interface, packet, state)
            packet = self._rules(node, "postrouting", came_in, way.interface, packet, state)
        else:
            raise _Ended(node, Cause.UNKNOWN, f"not certain: a route of the kind {way.kind}")
        packet = self._undo_source(node, packet)
        self._remember(node, entered, packet)
        self._change(after=packet.shown, ttl=packet.ttl)
        if way.kind == "local":
            return packet
        out = way.interface
        mac, path = self._resolve(node, out, way.gateway or packet.target, packet)
        self._change(went_out=(self._outlet(node, out),))
        there, into = self._carry((node, out), mac, path, packet)
        return there, into, packet

    def _question(self, packet: _Packet, came_in: str | None) -> Question:
        return Question(packet.target, packet.source, came_in)

    def _route(self, node: str, question: Question) -> Answer:
        answer = self.world.ask(node, question)
        if not answer.error:
            return answer
        came_in = question.came_in
        forwards = self._setting(node, f"net.ipv4.conf.{came_in}.forwarding") == "1"
        words = os.strerror(answer.error)
        if came_in and self._is_filtered(node, came_in, question):
            text = f"an answer to {question.source} would not leave by {came_in} (rp_filter)"
            raise _Ended(node, Cause.REVERSE_PATH, text)
        if came_in and answer.error == errno.EHOSTUNREACH and not forwards:
            text = f"{question.target} is not its own, and net.ipv4.conf.{came_in}.forwarding is 0"
            raise _Ended(node, Cause.NOT_FORWARDING, text)
        if answer.error in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            raise _Ended(node, Cause.NO_ROUTE, f"the kernel, for {question.target}: {words}")
        raise _Ended(node, Cause.UNKNOWN, f"the kernel, for {question.target}: {words}")

    def _is_filtered(self, node: str, came_in: str, question: Question) -> bool:
        """Whether the reverse path is wrong: the kernel's error does not tell it from others."""
        scopes = ("all", came_in)
        modes = [self._setting(node, f"net.ipv4.conf.{scope}.rp_filter") for scope in scopes]
        if question.source is None or not {"1", "2"} & set(modes):
            return False
        back = self.world.ask(node, Question(question.source))
        return bool(back.error) or ("2" not in modes and back.interface != came_in)

    def _decide_route(self, node: str, way: Answer, packet: _Packet) -> None:
        if way.kind == "local":
            return
        rows = [
            row
            for row in self.world.places[node].space.routes
            if packet.target in row.destination
            and any(
                (hop.interface, hop.gateway) == (way.interface, way.gateway) for hop in row.hops
            )
        ]
        best = max(rows, key=lambda row: row.destination.prefixlen, default=None)
        self._decide(By.ROUTE, str(best or f"dev {way.interface}"))

    def _forward(self, node: str, came_in: str, out: str, packet: _Packet, state: str) -> _Packet:
        if packet.ttl <= 1:
            raise _Ended(node, Cause.TTL, "its time to live runs out here")
        packet = replace(packet, ttl=packet.ttl - 1)
        return self._rules(node, "forward", came_in, out, packet, state)

    def _rules(
        self,
        node: str,
        hook: str,
        came_in: str | None,
        out: str | None,
        packet: _Packet,
        state: str,
    ) -> _Packet:
        """What the rules at a hook let through, and translate. Raises _Ended."""
        place = self.world.places[node]
        rules = place.rules
        own = any(address.ip == packet.target for _, address in place.space.addresses)
        facts = {
            **_facts(packet, came_in, out, state),
            "fib daddr type": "local" if own else "unicast",
        }
        met = rules.at(hook, facts)
        if met.end is End.UNKNOWN:
            raise _Ended(node, Cause.UNKNOWN, f"not certain: rule {met.by}")
        if met.end is End.DROP:
            raise _Ended(node, Cause.FIREWALL, met.by)
        if met.end is End.REJECT:
            raise _Ended(node, Cause.FIREWALL, met.by, Verdict.REFUSED)
        if met.translation:
            return self._translate(node, hook, came_in, out, packet, met.translation)
        if met.by:
            self._decide(By.RULE, met.by)
        return packet

    def _translate(
        self,
        node: str,
        hook: str,
        came_in: str | None,
        out: str | None,
        packet: _Packet,
        nat: Translation,
    ) -> _Packet:
        place = self.world.places[node]
        address: IPv4Address | None
        if nat.kind in ("snat", "masquerade"):
            address = nat.address or packet.source
            if nat.kind == "masquerade":
                way = self.world.ask(node, self._question(packet, came_in))
                address = place.address_on(out or "", way.gateway or packet.target)
            if address is None:
                raise _Ended(
                    node, Cause.UNKNOWN, f"not certain: {out} has no address for {nat.rule}"
                )
            new = replace(packet, source=address, source_port=nat.port or packet.source_port)
            self._decide(By.RULE, nat.rule)
            return new
        address = nat.address or packet.target
        if nat.kind == "redirect":
            address = place.address_on(came_in or "lo", packet.source) or address
        new = replace(packet, target=address, target_port=nat.port or packet.target_port)
        self._decide(By.RULE, nat.rule)
        return new

    def _state(self, node: str, packet: _Packet) -> str:
        """As connection tracking there would see the packet."""
        if packet.part is Part.REQUEST:
            return "new"
        track = self._tracks.get(node)
        if track and track.answers(packet):
            return "established"
        return "new" if packet.probe.protocol == "udp" else "invalid"

    def _remember(self, node: str, before: _Packet, after: _Packet) -> None:
        if before.part is Part.REQUEST and self.world.places[node].rules.tracks:
            self._tracks[node] = _Track(before, after)

    def _undo_target(self, node: str, packet: _Packet) -> _Packet:
        """An answer to a translated source goes to the source itself."""
        track = self._tracks.get(node)
        if packet.part is Part.REQUEST or not track or not track.answers(packet):
            return packet
        old = track.before
        new = replace(packet, target=old.source, target_port=old.source_port)
        if new.target != packet.target:
            self._decide(By.NAT, f"an answer to {packet.target} is one to {new.target}")
        return new

    def _undo_source(self, node: str, packet: _Packet) -> _Packet:
        """An answer of a translated target comes from the address that was asked."""
        track = self._tracks.get(node)
        if packet.part is Part.REQUEST or not track:
            return packet
        if (packet.target, packet.source) != (track.before.source, track.after.target):
            return packet
        new = replace(packet, source=track.before.target, source_port=track.before.target_port)
        if new.source != packet.source:
            self._decide(By.NAT, f"an answer of {packet.source} is one of {new.source}")
        return new

    def _resolve(
        self, node: str, interface: str, hop: IPv4Address, packet: _Packet
    ) -> tuple[str, list[_Crossing] | None]:
        """The MAC address of the next hop; if it has to be asked for, also the way of the answer."""
        place = self.world.places[node]
        card = place.interface(interface)
        if card is None or not card.running:
            raise _Ended(node, Cause.NIC_DOWN, f"{interface} is down or has no carrier")
        for known in place.space.neighbours:
            here = (known.interface, known.address) == (interface, hop)
            if here and known.mac and known.state not in _ASLEEP:
                self._decide(By.ARP, f"{hop} is at {known.mac} ({self._owner(known.mac)})")
                return known.mac, None
        asker = packet.source if place.has(packet.source) else place.address_on(interface, hop)
        found = [
            (path, end)
            for path, end in self._reached((node, interface))
            if self._answers_arp(end, hop, asker)
        ]
        if not found:
            raise self._not_resolved(node, hop)
        if len(found) > 1:
            who = ", ".join(end[0] for _, end in found)
            raise _Ended(node, Cause.UNKNOWN, f"not certain: {who} would all answer for {hop}")
        path, (owner, into) = found[0]
        other = self.world.places[owner].interface(into)
        mac = other.mac if other else ""
        self._decide(By.ARP, f"asks who has {hop}: {mac} ({owner})")
        return mac, path

    def _not_resolved(self, node: str, address: IPv4Address) -> _Ended:
        text = f"it would ask who has {address}, and nobody would answer"
        heard = self.world.where.neighbourhood(node)
        for plug in self.world.owners.plugs.get(str(address), ()):
            if self.world.where.peers.get(plug) not in heard:
                text = f"{text}; {plug[0]} has it, on another network"
                return _Ended(node, Cause.WRONG_SEGMENT, text)
        return _Ended(node, Cause.ARP_UNANSWERED, text)

    def _answers_arp(self, end: Plug, address: IPv4Address, asker: IPv4Address | None) -> bool:
        """Linux answers for any address of its own, if it could answer a packet of the asker too."""
        node, interface = end
        if not self.world.places[node].has(address):
            return False
        answer = self.world.ask(node, Question(address, asker, interface))
        return answer.kind == "local" and not answer.error

    def _carry(self, start: Plug, mac: str, asked: list[_Crossing] | None, packet: _Packet) -> Plug:
        """Through the switches to whom a frame is addressed. Raises _Ended if nobody takes it."""
        come = start
        for crossing in asked or ():
            self._cross(crossing, packet, mac)
            come = (crossing.switch, crossing.out)
        while (here := self.world.cables[come])[0] in self.world.where.switches:
            switch, port = here
            out = self._learnt(switch, port, mac)
            if out is None:
                return self._flood(come, mac, packet)
            if self._apart(switch, port, out):
                self._open(switch, port, packet)
                text = f"the ports {port} and {out} of {switch} are isolated"
                raise _Ended(switch, Cause.ISOLATED_PORT, text)
            self._cross(_Crossing(switch, port, out), packet, mac)
            come = (switch, out)
        if not self._is(here, mac):
            raise _Ended(come[0], Cause.NO_TAKER, f"nobody whom the frame reaches has {mac}")
        return here

    def _learnt(self, switch: str, port: str, mac: str) -> str | None:
        """The port behind which the switch has learnt the MAC."""
        known = [one.port for one in self.world.places[switch].space.fdb if one.mac == mac]
        there = [one for one in known if one != port and one in self._ports(switch)]
        return there[0] if there else None

    def _apart(self, switch: str, one: str, other: str) -> bool:
        """Whether a switch carries nothing from one port to the other."""
        place = self.world.places[switch]
        ports = (place.interface(one), place.interface(other))
        return one == other or all(port is not None and port.isolated for port in ports)

    def _flood(self, come: Plug, mac: str, packet: _Packet) -> Plug:
        """A switch that does not know the MAC gives the frame to every other port."""
        switch, port = self.world.cables[come]
        ways = [(path, end) for path, end in self._reached(come) if self._is(end, mac)]
        others = [one for one in self._ports(switch) if not self._apart(switch, port, one)]
        self._open(switch, port, packet)
        self._change(went_out=tuple(self._outlet(switch, one) for one in others))
        self._decide(By.FDB, f"nobody knows the port of {self._owner(mac)}: to every port")
        if not ways:
            text = f"{switch} gives it to every port, and nobody there has {mac}"
            raise _Ended(switch, Cause.NO_TAKER, text)
        for crossing in ways[0][0][1:]:
            self._cross(crossing, packet, mac)
        return ways[0][1]

    def _reached(self, start: Plug) -> Iterator[tuple[list[_Crossing], Plug]]:
        """Every machine's end that a broadcast reaches, and through which switches."""
        first = self.world.cables.get(start)
        waiting: list[tuple[list[_Crossing], Plug]] = [([], first)] if first else []
        seen = set()
        while waiting:
            path, (node, interface) = waiting.pop(0)
            if node not in self.world.where.switches:
                yield path, (node, interface)
            elif node not in seen:
                seen.add(node)
                for port in self._ports(node):
                    if not self._apart(node, interface, port):
                        crossing = _Crossing(node, interface, port)
                        waiting.append(([*path, crossing], self.world.cables[node, port]))

    def _ports(self, switch: str) -> list[str]:
        """Those that carry frames."""
        interfaces = self.world.places[switch].space.interfaces
        cables = [one for one in interfaces if (switch, one.name) in self.world.cables]
        return [one.name for one in cables if one.master and one.running]

    def _is(self, end: Plug, mac: str) -> bool:
        card = self.world.places[end[0]].interface(end[1])
        return card is not None and card.mac == mac

    def _owner(self, mac: str) -> str:
        return self.world.owners.name(mac) or "?"

    def _setting(self, node: str, key: str) -> str:
        return self.world.places[node].settings.get(key, "")

    def _outlet(self, node: str, interface: str) -> Outlet:
        return Outlet(interface, self.world.cables.get((node, interface), ("",))[0])

    def _open(self, node: str, came_in: str | None, packet: _Packet) -> None:
        inlet = self._outlet(node, came_in) if came_in else None
        stay = Stay(node, packet.part, inlet, (), packet.shown, packet.shown, packet.ttl)
        self.stays.append(stay)
        chain = self.world.places[node].rules.beyond()
        if chain:
            raise _Ended(node, Cause.UNKNOWN, f"not certain: chain {chain}")

    def _cross(self, crossing: _Crossing, packet: _Packet, mac: str) -> None:
        """A stay on a switch."""
        self._open(crossing.switch, crossing.port, packet)
        self._change(went_out=(self._outlet(crossing.switch, crossing.out),))
        self._decide(By.FDB, f"{self._owner(mac)} is behind the port {crossing.out}")

    def _decide(self, by: By, text: str) -> None:
        self._change(decisions=(*self.stays[-1].decisions, Decision(by, text)))

    def _change(self, **fields: Any) -> None:
        """What the present stay turns out to be."""
        self.stays[-1] = replace(self.stays[-1], **fields)


def _facts(packet: _Packet, came_in: str | None, out: str | None, state: str) -> Facts:
    """The packet in nftables' words. Ports that are chosen at random are not among them."""
    protocol = packet.probe.protocol
    kind = "echo-request" if packet.part is Part.REQUEST else "echo-reply"
    facts: dict[str, Any] = {
        "meta iifname": came_in or NOT_THERE,
        "meta iif": came_in or NOT_THERE,
        "meta oifname": out or NOT_THERE,
        "meta oif": out or NOT_THERE,
        "meta protocol": "ip",
        "meta nfproto": "ipv4",
        "meta l4proto": protocol,
        "ip protocol": protocol,
        "ip saddr": packet.source,
        "ip daddr": packet.target,
        "ip ttl": packet.ttl,
        "ct state": frozenset({state}),
        **dict.fromkeys({"icmp", "tcp", "udp", "ip6", "icmpv6", "arp"} - {protocol}, NOT_THERE),
    }
    if protocol == "icmp":
        return {**facts, "icmp type": kind}
    ports = {"sport": packet.source_port, "dport": packet.target_port}
    return facts | {f"{word} {end}": p for end, p in ports.items() for word in (protocol, "th")}


def _together(first: Stay, second: Stay, box: str) -> Stay:
    """A stay on a NAT device and one on its host."""
    decisions = (*first.decisions, *second.decisions)
    return replace(
        second, node=box, came_in=first.came_in, before=first.before, decisions=decisions
    )
