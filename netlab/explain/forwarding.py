"""A packet's way through a machine, in Linux's order: translation and rules before the routing decision,
the decision, rules after it. Pure."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By, Decision, stopped_by
from netlab.diagnosis.findings import forwarded_elsewhere, nobody_waits
from netlab.diagnosis.journey import LOOPBACK
from netlab.diagnosis.leads import Onward, place_without_route
from netlab.diagnosis.tables import probe_lookup
from netlab.diagnosis.verdict import Verdict
from netlab.explain.gates import PredictedFrame, is_group
from netlab.explain.model import (
    Ended,
    LabModel,
    PredictedPacket,
    PredictedProbe,
    may_end,
    protocol_number,
    uncertain,
)
from netlab.explain.multipath import MOST_HOPS, Choices, usable
from netlab.explain.nft_fields import connection_facts, packet_facts, packet_in_frame
from netlab.explain.nft_rules import SOURCES, Translation, priority_of
from netlab.explain.nft_values import NOT_THERE, Facts
from netlab.explain.resolving import Resolving, undecided
from netlab.frozen import frozen
from netlab.kernel.rows import IPAddress, RouteRow, Socket, at_port
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import UNCERTAIN, RouteResult
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part

_TTL = "net.ipv4.ip_default_ttl"
_IGNORES_ECHO = {4: "ipv4.icmp_echo_ignore_all", 6: "ipv6.icmp.echo_ignore_all"}
_TRACKING = -200
"""The priority at which Linux finds a packet's connection (NF_IP_PRI_CONNTRACK)."""
_NAT = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
"""The priorities at which it translates (NF_IP_PRI_NAT_DST, NF_IP_PRI_NAT_SRC)."""
_OF_TARGETS = ("prerouting", "output")
"""The hooks at which targets are translated, and connections found."""
_OF_SOURCES = ("input", "postrouting")
"""The hooks at which sources are translated."""
_NEW = frozenset({"new"})
_TOS = 0
"""The type of service of a packet that no program has asked anything special for."""
_KERNEL = 0
"""The user of packets that a kernel sends by itself."""
_EPHEMERAL = "net.ipv4.ip_local_port_range"
_TRANSLATED_PORTS = range(1024, 65536)
"""The ports that Linux's NAT chooses from if it changes one (nf_nat_l4proto_unique_tuple)."""
_RATE_MASK = "net.ipv4.icmp_ratemask"
_ECHO_REPLY_BIT = 1 << 0


@frozen
class _Track:
    """A connection that a node would track: the request as it came in, and as it went on."""

    before: PredictedPacket
    after: PredictedPacket

    def answers(self, packet: PredictedPacket) -> bool:
        """Return whether a packet is a reply to the request."""
        source, source_port, target, target_port = packet.ends
        return (target, target_port, source, source_port) == self.after.ends


@frozen
class _Led:
    """A routing decision, and the route by which it fell."""

    result: RouteResult
    route: str


class Walk(Resolving):
    """A packet and its reply under way: the stays, and the connections that nodes have tracked."""

    def __init__(self, model: LabModel, choices: Choices) -> None:
        super().__init__(model)
        self._choices = choices
        self._result = RouteResult()
        """The routing decision about the packet on the machine where it is."""
        self._led_anew = False
        """The machine has to decide once more: rules have changed what its decision looks at."""
        self._connection_marks: dict[str, int | None] = {}
        """Node to the mark of the connection there (`ct mark`); None: not known."""
        self._connection: _Track | None = None
        """The connection to which the reply belongs that is under way, on the machine where it is."""
        self._tracks: dict[str, list[_Track]] = {}
        self._first: dict[str, PredictedPacket] = {}
        """Node to the packet with which the connection began that is under way there."""

    def ask(self, source: str, to: IPAddress, probe: PredictedProbe) -> tuple[str, PredictedPacket]:
        """Send the request. Return the node where it arrives, and the packet that it is there.

        Raises Ended.
        """
        space = self.model.nodes[source].space
        if not any(interface.running for interface in space.interfaces if interface.name != "lo"):
            raise Ended(
                source, Cause.NIC_DOWN, Message("no interface of it is up with a cable that is up")
            )
        if not any(address.version == to.version for _, address in space.addresses):
            raise Ended(
                source,
                Cause.NO_ADDRESS,
                Message("no interface of it has an IPv{version} address", version=to.version),
            )
        number = protocol_number(probe.protocol, to.version)
        ports = self._first_ports(source) if probe.port else None
        first = replace(probe_lookup(to, number, probe.port), source_port=ports)
        result = self._route(source, first).result
        if result.source is None:
            raise Ended(source, Cause.UNKNOWN, Message("its kernel names no source address"))
        ttl = self._first_ttl(source, result.interface, to.version)
        packet = PredictedPacket(result.source, to, probe, Part.REQUEST, ttl, ports, probe.port)
        return self._travel(source, packet)

    def deliver(self, node: str, packet: PredictedPacket) -> str:
        """Return in words which program answers on a node, empty if the kernel does.

        Raises Ended if nobody answers.
        """
        protocol = packet.probe.protocol
        if protocol == "icmp":
            setting = f"net.{_IGNORES_ECHO[packet.version]}"
            if self._setting(node, setting) == "1":
                text = Message("it is told to ignore echo requests ({setting})", setting=setting)
                raise Ended(node, Cause.ECHO_IGNORED, text)
            return ""
        listening = self._on_port(node, packet)
        inlet = self.stays[-1].came_in
        interface = inlet.interface if inlet else ""
        if socket := self._listener(node, packet):
            if socket.full:
                text = Message("{program}, and its queue is full", program=_waiting(socket))
                raise Ended(node, Cause.QUEUE_FULL, text)
            return _waiting(socket)
        if listening:
            text = Message(
                "{program}, and takes nothing for {address} that comes in by {interface}",
                program=_waiting(listening[0]),
                address=packet.target,
                interface=interface,
            )
        else:
            text = nobody_waits(protocol, at_port(packet.target, packet.target_port))
        if len(self.stays) == 1:
            text = Message("{node} asks itself: {why}", node=node, why=text)
        at_door = NodeInterface(node, interface) in self.model.netmap.forwarded_ports
        cause = Cause.NO_FORWARD if at_door and not listening else Cause.PORT_CLOSED
        bound = self.model.netmap.bound_forwards if cause is Cause.NO_FORWARD else ()
        if place := forwarded_elsewhere(protocol, packet.target, packet.target_port, bound):
            raise Ended(node, Cause.FORWARD_ELSEWHERE, place, Verdict.REFUSED)
        raise Ended(node, cause, text, Verdict.REFUSED)

    def _on_port(self, node: str, packet: PredictedPacket) -> list[Socket]:
        """Return the sockets that wait on a packet's port, whether they take it or not."""
        if packet.target_port is None:
            return []
        return [
            socket
            for socket in self.model.nodes[node].listening
            if (socket.protocol, socket.port) == (packet.probe.protocol, packet.target_port)
        ]

    def _listener(self, node: str, packet: PredictedPacket) -> Socket | None:
        """Return the socket that takes a packet where it has come; None if there is none."""
        inlet = self.stays[-1].came_in
        interface = inlet.interface if inlet else ""
        fitting = (
            socket
            for socket in self._on_port(node, packet)
            if socket.takes(packet.target, interface)
        )
        return next(fitting, None)

    def reply(
        self, node: str, request: PredictedPacket, part: Part = Part.REPLY
    ) -> tuple[str, PredictedPacket]:
        """Send the reply, or the error that refuses. Return the node that takes it for its own, and the
        packet that it is there.

        Raises Ended.
        """
        socket = self._listener(node, request)
        packet = replace(
            request,
            source=request.target,
            source_port=request.target_port,
            target=request.source,
            target_port=request.source_port,
            part=part,
            mark=0,
            untracked=False,
            macs=None,
            uid=socket.uid if socket else _KERNEL,
        )
        mask = self.model.nodes[node].setting(_RATE_MASK)
        if packet.probe.protocol == "icmp" and packet.version == 4 and mask & _ECHO_REPLY_BIT:
            raise may_end(node, f"{_RATE_MASK} = {mask}")
        interface = self.model.ask(node, self._lookup(packet, None)).interface
        ttl = self._first_ttl(node, interface, packet.version)
        return self._travel(node, replace(packet, ttl=ttl))

    def _first_ports(self, node: str) -> range | None:
        """Return the ports from which a client's is chosen."""
        bounds = self._setting(node, _EPHEMERAL).split()
        return range(int(bounds[0]), int(bounds[1]) + 1) if bounds else None

    def _first_ttl(self, node: str, interface: str, version: int) -> int:
        """Return the TTL that a machine gives its own packets; of IPv6 each interface has its own."""
        per_interface = f"net.ipv6.conf.{interface}.hop_limit"
        return int(self._setting(node, per_interface if version == 6 else _TTL) or 64)

    def _travel(self, node: str, packet: PredictedPacket) -> tuple[str, PredictedPacket]:
        """Lead a packet from the node that makes it to the one that takes it."""
        came_in: str | None = None
        while True:
            taken = self._pass(node, came_in, packet)
            if isinstance(taken, PredictedPacket):
                return node, taken
            node, came_in, packet = taken

    def _pass(
        self, node: str, came_in: str | None, packet: PredictedPacket
    ) -> PredictedPacket | tuple[str, str, PredictedPacket]:
        """Lead a packet through a machine. Return it as it is taken there, or the node, the interface and
        the packet with which it goes on.

        Raises Ended.
        """
        self.open(node, came_in, packet)
        packet = self._let_in_packet(node, came_in, packet)
        entered = packet
        track = self._connection = self._track(node, packet)
        self._first[node] = track.before if track else packet
        first = self._route(node, self._first_lookup(packet)) if came_in is None else None
        hook, out = ("output", first.result.interface) if first else ("prerouting", None)
        self._led_anew = False
        packet = self._rules(node, hook, came_in, out, packet)
        self._must_not_be_own(node, came_in, packet)
        is_led = first and not self._led_anew and packet.target == entered.target
        led = first if first and is_led else self._route(node, self._lookup(packet, came_in))
        result = self._result = led.result
        if result.kind != "local":
            self.decide(Decision(By.ROUTE, led.route))
        if result.kind == "unicast":
            self._note_onward(node, packet, came_in, result)
        if result.kind == "local":
            packet = self._rules(node, "input", came_in or LOOPBACK, None, packet)
        elif result.kind == "unicast":
            if came_in is not None:
                packet = self._forward(node, came_in, result.interface, packet)
            packet = self._rules(node, "postrouting", came_in, result.interface, packet)
        else:
            raise self._not_passed_on(node, came_in, result, packet)
        self._remember(node, entered, packet)
        self.change(after=packet.shown, ttl=packet.ttl)
        if result.kind == "local":
            return packet
        outlet = NodeInterface(node, result.interface)
        mac = self.resolve(outlet, result.gateway or packet.target, packet)
        if is_group(mac) and result.gateway is None:
            raise uncertain(node, Message("{mac} is no single adapter's address", mac=mac))
        frame = PredictedFrame(self.mac_of(outlet), mac, packet_in_frame(packet), packet.mark)
        frame = self.gates.leave(outlet, frame)
        self.change(went_out=(self.outlet(outlet),))
        copy = self.carry(outlet, replace(frame, mark=0), packet)
        packet = replace(
            packet, mark=0, untracked=False, macs=(copy.frame.source, copy.frame.target)
        )
        return copy.end.node, copy.end.interface, packet

    def _let_in_packet(
        self, node: str, came_in: str | None, packet: PredictedPacket
    ) -> PredictedPacket:
        """Return a packet as the interface where it came in hands it on. Raises Ended."""
        if came_in is None or packet.macs is None:
            return packet
        frame = PredictedFrame(*packet.macs, packet_in_frame(packet))
        frame = self.gates.enter(NodeInterface(node, came_in), frame)
        return replace(packet, mark=frame.mark)

    def _must_not_be_own(self, node: str, came_in: str | None, packet: PredictedPacket) -> None:
        """Raise Ended at a machine that is sent a packet by its own address: IPv4 takes none
        (fib_validate_source)."""
        lookup = self._lookup(packet, came_in)
        if came_in is None or packet.version == 6 or not self.model.nodes[node].has(packet.source):
            return
        if self.model.ask(node, lookup).error:
            text = Message("{node} has {address}, too", node=node, address=packet.source)
            raise Ended(node, Cause.DUPLICATE_IP, text)

    def _not_passed_on(
        self, node: str, came_in: str | None, result: RouteResult, packet: PredictedPacket
    ) -> Ended:
        """Return the end of a packet that a route takes neither to the machine nor onto a cable."""
        if came_in is None and result.kind == "broadcast":
            text = Message("{address} is a broadcast address of it", address=packet.target)
            return Ended(node, Cause.BROADCAST_ADDRESS, text)
        return uncertain(node, Message("its route is of the kind {kind}", kind=result.kind))

    def _lookup(self, packet: PredictedPacket, came_in: str | None) -> RouteLookup:
        return RouteLookup(
            packet.target,
            packet.source,
            came_in,
            packet.mark,
            _TOS,
            packet.protocol,
            packet.source_port,
            packet.target_port,
            packet.uid,
        )

    def _note_onward(
        self, node: str, packet: PredictedPacket, came_in: str | None, result: RouteResult
    ) -> None:
        """Note where a machine sends the packet on."""
        entry = self.model.entry(node, self._lookup(packet, came_in))
        route = entry if isinstance(entry, RouteRow) else None
        hop = result.gateway or packet.target
        sent = Onward(node, result.interface, packet.target, hop, route)
        self.onward[packet.part].append(sent)

    def _first_lookup(self, packet: PredictedPacket) -> RouteLookup:
        """Return the lookup of a machine's own packet: that of a raw socket has no source yet."""
        lookup = self._lookup(packet, None)
        is_raw = packet.probe.protocol == "icmp" and packet.part is Part.REQUEST
        return replace(lookup, source=None) if is_raw else lookup

    def _route(self, node: str, lookup: RouteLookup) -> _Led:
        """Return the routing decision of a node. Raises Ended if the packet goes nowhere by it."""
        result = self.model.ask(node, lookup)
        if result.error:
            raise self._not_led(node, lookup, result)
        route = self.model.entry(node, lookup)
        if not isinstance(route, RouteRow):
            return _Led(result, f"dev {result.interface}")
        if result.kind != "unicast" or len(usable(route)) < 2:
            return _Led(result, str(route))
        if len(usable(route)) > MOST_HOPS:
            why = Message("{route} has more than {count} next hops", route=route, count=MOST_HOPS)
            raise uncertain(node, why)
        hop = self._choices.hop(node, lookup, route)
        source = result.source
        if hop.interface != result.interface and route.source is None:
            towards = hop.gateway or lookup.target
            source = self.model.nodes[node].address_on(hop.interface, towards)
        led = replace(result, interface=hop.interface, gateway=hop.gateway, source=source)
        return _Led(led, Message("{route}, if it takes {hop}", route=route, hop=hop))

    def _not_led(self, node: str, lookup: RouteLookup, result: RouteResult) -> Ended:
        """Return the end of a packet that goes nowhere by a routing decision."""
        if result.error == UNCERTAIN:
            return undecided(node, result)
        came_in, target = lookup.came_in, lookup.target
        if came_in and self._is_filtered(node, came_in, lookup):
            text = Message(
                "a reply to {source} would not leave by {interface} (rp_filter)",
                source=lookup.source,
                interface=came_in,
            )
            return Ended(node, Cause.REVERSE_PATH, text)
        if came_in and result.error == errno.EHOSTUNREACH and target.version == 4:
            self._must_forward(node, came_in, target)
        if entry := self.model.entry(node, lookup):
            text = stopped_by(entry)
            if entry.kind == "prohibit":
                return Ended(node, Cause.REFUSED, text, Verdict.REFUSED)
            return Ended(node, Cause.NO_ROUTE, text)
        text = Message(
            "the kernel, for {target}: {error}", target=target, error=os.strerror(result.error)
        )
        if result.error not in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return Ended(node, Cause.UNKNOWN, text)
        part = self.stays[-1].part if self.stays else Part.REQUEST
        passage = self.passage(part, node)
        if place := place_without_route(target, passage, self.model.whereabouts):
            text = Message("{what}; {where}", what=text, where=place)
        return Ended(node, Cause.NO_ROUTE, text)

    def _must_forward(self, node: str, came_in: str, target: IPAddress) -> None:
        """Raise Ended on a machine that is no router. IPv6 has one setting for all interfaces."""
        scope = f"ipv4.conf.{came_in}" if target.version == 4 else "ipv6.conf.all"
        setting = f"net.{scope}.forwarding"
        if self._setting(node, setting) != "1":
            text = Message(
                "{target} is not its own, and {setting} is 0", target=target, setting=setting
            )
            raise Ended(node, Cause.NOT_FORWARDING, text)

    def _is_filtered(self, node: str, came_in: str, lookup: RouteLookup) -> bool:
        """Return whether the reverse path is wrong: the kernel's error does not tell it from others.

        IPv6 has no such check.
        """
        if lookup.target.version == 6:
            return False
        scopes = ("all", came_in)
        modes = [self._setting(node, f"net.ipv4.conf.{scope}.rp_filter") for scope in scopes]
        if lookup.source is None or not {"1", "2"} & set(modes):
            return False
        back = self.model.ask(
            node,
            RouteLookup(
                lookup.source,
                mark=0,
                tos=lookup.tos,
                protocol=lookup.protocol,
                source_port=lookup.target_port,
                target_port=lookup.source_port,
                uid=_KERNEL,
            ),
        )
        if back.error == UNCERTAIN:
            raise undecided(node, back)
        return bool(back.error) or ("2" not in modes and back.interface != came_in)

    def _forward(
        self, node: str, came_in: str, out: str, packet: PredictedPacket
    ) -> PredictedPacket:
        if packet.version == 6:  # Of IPv4, the routing decision has seen to it.
            self._must_forward(node, came_in, packet.target)
        if packet.ttl <= 1:
            raise Ended(node, Cause.TTL_EXCEEDED, Message("its time to live runs out here"))
        packet = replace(packet, ttl=packet.ttl - 1)
        return self._rules(node, "forward", came_in, out, packet)

    def _rules(
        self, node: str, hook: str, came_in: str | None, out: str | None, packet: PredictedPacket
    ) -> PredictedPacket:
        """Return the packet that the rules at a hook let through, translated. Raises Ended."""
        self.gates.machine(node, hook, came_in, out, packet.version)
        deciding, is_bound = "", False
        for chain in self.model.nodes[node].rules.at(hook, packet.version):
            priority = priority_of(chain)
            if priority >= _NAT.get(hook, priority + 1):
                packet = self._undo(node, hook, packet)
            facts = self._facts(
                node, came_in, out, packet, self._state(node, packet, hook, priority)
            )
            if chain["type"] == "nat" and (is_bound or facts["ct state"] != _NEW):
                continue
            outcome = self.gates.judge(node, chain, facts)
            packet = self._changed(node, chain, packet, {**facts, **outcome.changes})
            if outcome.translation:
                packet = self._translate(node, came_in, out, packet, outcome.translation)
                is_bound = True
            deciding = outcome.by or deciding
        if deciding:
            self.decide(Decision(By.RULE, deciding))
        return self._undo(node, hook, packet)

    def _undo(self, node: str, hook: str, packet: PredictedPacket) -> PredictedPacket:
        """Return a reply as connection tracking restores it at a hook."""
        if packet.untracked:
            return packet
        if hook in _OF_TARGETS:
            return self._undo_target(node, packet)
        return self._undo_source(node, packet) if hook in _OF_SOURCES else packet

    def _changed(
        self, node: str, chain: Mapping[str, Any], packet: PredictedPacket, facts: Facts
    ) -> PredictedPacket:
        """Return a packet with what the rules of a chain have set."""
        self._connection_marks[node], mark = facts["ct mark"], facts["meta mark"]
        self._led_anew |= chain["type"] == "route" and mark != packet.mark
        untracked = packet.untracked
        if priority_of(chain) < _TRACKING:
            untracked |= "untracked" in facts["ct state"]
        source = facts[SOURCES[packet.version == 6]]
        if not isinstance(source, str | IPAddress):
            why = Message("chain {chain}", chain=f"{chain['table']} {chain['name']}")
            raise may_end(node, why)
        return replace(packet, mark=mark, untracked=untracked, source=ip_address(str(source)))

    def _facts(
        self, node: str, came_in: str | None, out: str | None, packet: PredictedPacket, state: str
    ) -> dict[str, Any]:
        """Return a packet in nftables' words, as a machine has it."""
        machine = self.model.nodes[node]

        def kind(has: bool) -> str:
            return "local" if has else "unicast"

        is_tracked = state in ("new", "established", "related")
        return {
            **packet_facts(packet, came_in, out, state),
            **(connection_facts(self._first[node]) if is_tracked else {"ct": NOT_THERE}),
            "ct mark": self._connection_marks.get(node, 0),
            "fib daddr type": kind(packet.target.is_loopback or machine.has(packet.target)),
            "fib saddr type": kind(packet.source.is_loopback or machine.has(packet.source)),
            "fib saddr oif type": kind((out, packet.source) in machine.addresses),
        }

    def _translate(
        self,
        node: str,
        came_in: str | None,
        out: str | None,
        packet: PredictedPacket,
        nat: Translation,
    ) -> PredictedPacket:
        """Return a packet as a NAT statement leaves it. Raises Ended where no address is known for it."""
        machine = self.model.nodes[node]
        address: IPAddress | None
        if nat.kind in ("snat", "masquerade"):
            address = nat.address or packet.source
            if nat.kind == "masquerade":
                # IPv6 looks at the destination (nf_nat_masquerade_ipv6): a gateway is link-local.
                towards = self._result.gateway if packet.version == 4 else None
                address = machine.address_on(out or "", towards or packet.target)
            if address is None:
                why = Message("{interface} has no address for {rule}", interface=out, rule=nat.rule)
                raise uncertain(node, why)
            port = nat.port or packet.source_port
            if isinstance(port, range) or (port and nat.is_random):
                port = _TRANSLATED_PORTS
            return replace(packet, source=address, source_port=port)
        address = nat.address or packet.target
        if nat.kind == "redirect":
            address = machine.address_on(came_in or "lo", packet.source) or address
        return replace(packet, target=address, target_port=nat.port or packet.target_port)

    def _state(self, node: str, packet: PredictedPacket, hook: str, priority: int) -> str:
        """Return the state in which rules of a priority at a hook see the packet's connection."""
        if packet.untracked:
            return "untracked"
        if hook in _OF_TARGETS and priority < _TRACKING:
            return "invalid"  # There is none yet.
        if packet.part is Part.REQUEST:
            return "new"
        if self._connection:
            is_icmp = packet.part is Part.ERROR and packet.probe.protocol == "udp"
            return "related" if is_icmp else "established"
        return "new" if packet.probe.protocol == "udp" else "invalid"

    def _remember(self, node: str, before: PredictedPacket, after: PredictedPacket) -> None:
        tracked = before.part is Part.REQUEST and not after.untracked
        if tracked and self.model.nodes[node].rules.tracks:
            self._tracks.setdefault(node, []).append(_Track(before, after))

    def _track(self, node: str, packet: PredictedPacket) -> _Track | None:
        """Return the connection that a reply belongs to: a NAT device may have two of one that came back
        to it."""
        if packet.part is Part.REQUEST:
            return None
        return next((track for track in self._tracks.get(node, ()) if track.answers(packet)), None)

    def _undo_target(self, node: str, packet: PredictedPacket) -> PredictedPacket:
        """Return a reply to a translated source with the source itself as its target."""
        track = self._track(node, packet)
        if not track:
            return packet
        request = track.before
        restored = replace(packet, target=request.source, target_port=request.source_port)
        if restored.target != packet.target:
            text = Message(
                "a reply to {before} is one to {after}", before=packet.target, after=restored.target
            )
            self.decide(Decision(By.NAT, text))
        return restored

    def _undo_source(self, node: str, packet: PredictedPacket) -> PredictedPacket:
        """Return a reply of a translated target with the address that was asked as its source."""
        if packet.part is Part.REQUEST:
            return packet
        ends = (packet.target, packet.source)
        matches = (
            track.before
            for track in self._tracks.get(node, ())
            if (track.before.source, track.after.target) == ends
        )
        request = next(matches, None)
        if not request:
            return packet
        restored = replace(packet, source=request.target, source_port=request.target_port)
        if restored.source != packet.source:
            text = Message(
                "a reply of {before} is one of {after}", before=packet.source, after=restored.source
            )
            self.decide(Decision(By.NAT, text))
        return restored

    def _setting(self, node: str, key: str) -> str:
        return self.model.nodes[node].settings.get(key, "")


def _waiting(socket: Socket) -> Message:
    """Return the program that waits on a socket, in words."""
    address = at_port(socket.address, socket.port)
    if socket.interface:
        address = f"{address}%{socket.interface}"
    return Message(
        "{program} waits on {protocol} {address}",
        program=socket.program,
        protocol=socket.protocol,
        address=address,
    )
