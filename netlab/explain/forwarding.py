"""A packet's way through a machine, in Linux's order: translation and rules before the routing decision,
the decision, rules after it, ARP or neighbour discovery for the next hop. Pure."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import Any

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By, Decision, resolution, stopped_by, would_ask
from netlab.diagnosis.findings import nobody_waits
from netlab.diagnosis.journey import LOOPBACK
from netlab.diagnosis.leads import Onward
from netlab.diagnosis.tables import probe_lookup
from netlab.diagnosis.verdict import Verdict
from netlab.explain.bridging import Cables, Crossing
from netlab.explain.model import (
    Ended,
    LabModel,
    NodeModel,
    PredictedPacket,
    PredictedProbe,
    protocol_number,
)
from netlab.explain.multipath import MOST_HOPS, Choices, usable
from netlab.explain.nft_fields import connection_facts, neighbour_facts, packet_facts
from netlab.explain.nft_rules import HookVerdict, Translation
from netlab.frozen import frozen
from netlab.kernel.rows import IPAddress, RouteRow, Socket, at_port
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import UNCERTAIN, RouteResult
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part

_TTL = "net.ipv4.ip_default_ttl"
_IGNORES_ECHO = {4: "ipv4.icmp_echo_ignore_all", 6: "ipv6.icmp.echo_ignore_all"}
_SOURCE_NAT = 100
"""The priority at which Linux translates sources (NF_IP_PRI_NAT_SRC)."""
_TOS = 0
"""The type of service of a packet that no program has asked anything special for."""
_KERNEL = 0
"""The user of packets that a kernel sends by itself."""
_NO_PROTOCOL = 0
"""The IP protocol of a question by ARP."""
_ASLEEP = ("failed", "incomplete")
"""States of a neighbour in which the machine has to ask."""


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


class Walk(Cables):
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
        result = self._route(source, probe_lookup(to, number, probe.port)).result
        if result.source is None:
            raise Ended(source, Cause.UNKNOWN, Message("its kernel names no source address"))
        ttl = self._first_ttl(source, result.interface, to.version)
        packet = PredictedPacket(
            result.source, to, probe, Part.REQUEST, ttl, target_port=probe.port
        )
        return self._travel(source, packet)

    def deliver(self, node: str, packet: PredictedPacket) -> str:
        """Return in words which program answers on a node, empty if the kernel does.

        Raises Ended if nobody answers.
        """
        machine, protocol = self.model.nodes[node], packet.probe.protocol
        if protocol == "icmp":
            setting = f"net.{_IGNORES_ECHO[packet.version]}"
            if machine.settings.get(setting) == "1":
                raise Ended(
                    node,
                    Cause.UNKNOWN,
                    Message("it is told to ignore echo requests ({setting})", setting=setting),
                )
            return ""
        if socket := _listener(machine, packet):
            address = at_port(socket.address, socket.port)
            return Message(
                "{program} waits on {protocol} {address}",
                program=socket.program,
                protocol=protocol,
                address=address,
            )
        address = at_port(packet.target, packet.target_port)
        text = nobody_waits(protocol, address)
        if len(self.stays) == 1:
            text = Message("{node} asks itself: {why}", node=node, why=text)
        inlet = self.stays[-1].came_in
        forwarded = self.model.netmap.forwarded_ports
        at_door = inlet and NodeInterface(node, inlet.interface) in forwarded
        cause = Cause.NO_FORWARD if at_door else Cause.PORT_CLOSED
        raise Ended(node, cause, text, Verdict.REFUSED)

    def reply(self, node: str, request: PredictedPacket) -> tuple[str, PredictedPacket]:
        """Send the reply. Return the node that takes it for its own, and the packet that it is there.

        Raises Ended.
        """
        socket = _listener(self.model.nodes[node], request)
        packet = replace(
            request,
            source=request.target,
            source_port=request.target_port,
            target=request.source,
            target_port=request.source_port,
            part=Part.REPLY,
            mark=0,
            uid=socket.uid if socket else _KERNEL,
        )
        interface = self.model.ask(node, self._lookup(packet, None)).interface
        ttl = self._first_ttl(node, interface, packet.version)
        return self._travel(node, replace(packet, ttl=ttl))

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
        packet = replace(packet, mark=0)  # It does not leave a machine.
        self.open(node, came_in, packet)
        entered, state = packet, self._state(node, packet)
        track = self._track(node, packet)
        self._first[node] = track.before if track else packet
        first = self._route(node, self._first_lookup(packet)) if came_in is None else None
        packet = self._undo_target(node, packet)
        hook, out = ("output", first.result.interface) if first else ("prerouting", None)
        self._led_anew = first is None
        packet = self._rules(node, hook, came_in, out, packet, state)
        is_led = first and not self._led_anew and packet.target == entered.target
        led = first if first and is_led else self._route(node, self._lookup(packet, came_in))
        result = self._result = led.result
        if result.kind != "local":
            self.decide(Decision(By.ROUTE, led.route))
        if result.kind == "unicast":
            self._note_onward(node, packet, came_in, result)
        if result.kind == "local":
            packet = self._rules(node, "input", came_in or LOOPBACK, None, packet, state)
        elif result.kind == "unicast":
            if came_in is not None:
                packet = self._forward(node, came_in, result.interface, packet, state)
            packet = self._rules(node, "postrouting", came_in, result.interface, packet, state)
        else:
            why = Message("a route of the kind {kind}", kind=result.kind)
            raise Ended(node, Cause.UNKNOWN, Message("not certain: {why}", why=why))
        packet = self._undo_source(node, packet)
        self._remember(node, entered, packet)
        self.change(after=packet.shown, ttl=packet.ttl)
        if result.kind == "local":
            return packet
        outlet = NodeInterface(node, result.interface)
        mac, path = self._resolve(outlet, result.gateway or packet.target, packet)
        self.change(went_out=(self.outlet(outlet),))
        end = self.carry(outlet, mac, path, packet)
        return end.node, end.interface, packet

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
            raise Ended(node, Cause.UNKNOWN, Message("not certain: {why}", why=why))
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
            return _uncertain(node, result)
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
        no_route = result.error in (errno.ENETUNREACH, errno.EHOSTUNREACH)
        return Ended(node, Cause.NO_ROUTE if no_route else Cause.UNKNOWN, text)

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
            raise _uncertain(node, back)
        return bool(back.error) or ("2" not in modes and back.interface != came_in)

    def _forward(
        self, node: str, came_in: str, out: str, packet: PredictedPacket, state: str
    ) -> PredictedPacket:
        if packet.version == 6:  # Of IPv4, the routing decision has seen to it.
            self._must_forward(node, came_in, packet.target)
        if packet.ttl <= 1:
            raise Ended(node, Cause.TTL_EXCEEDED, Message("its time to live runs out here"))
        packet = replace(packet, ttl=packet.ttl - 1)
        return self._rules(node, "forward", came_in, out, packet, state)

    def _rules(
        self,
        node: str,
        hook: str,
        came_in: str | None,
        out: str | None,
        packet: PredictedPacket,
        state: str,
    ) -> PredictedPacket:
        """Return the packet that the rules at a hook let through, translated. Raises Ended."""
        rules = self.model.nodes[node].rules
        deciding = ""
        for chain in rules.chains(hook, self._facts(node, came_in, out, packet, state)):
            if hook == "postrouting" and int(chain["prio"]) > _SOURCE_NAT:
                packet = self._undo_source(node, packet)
            facts = self._facts(node, came_in, out, packet, state)
            outcome = rules.met(chain, facts)
            self._connection_marks[node], mark = facts["ct mark"], facts["meta mark"]
            self._led_anew |= chain["type"] == "route" and mark != packet.mark
            packet = replace(packet, mark=mark)
            if outcome is None:
                continue
            if outcome.end is HookVerdict.UNKNOWN:
                why = Message("rule {rule}", rule=outcome.by)
                raise Ended(node, Cause.UNKNOWN, Message("not certain: {why}", why=why))
            if outcome.end is HookVerdict.DROP:
                cause = self.model.netmap.drop_cause(f"{chain['family']} {outcome.by}")
                raise Ended(node, cause, outcome.by)
            if outcome.end is HookVerdict.REJECT:
                raise Ended(node, Cause.FIREWALL, outcome.by, Verdict.REFUSED)
            if outcome.translation:
                packet = self._translate(node, came_in, out, packet, outcome.translation)
            deciding = outcome.by or deciding
        if deciding:
            self.decide(Decision(By.RULE, deciding))
        return packet

    def _facts(
        self, node: str, came_in: str | None, out: str | None, packet: PredictedPacket, state: str
    ) -> dict[str, Any]:
        """Return a packet in nftables' words, as a machine has it."""
        machine = self.model.nodes[node]

        def kind(has: bool) -> str:
            return "local" if has else "unicast"

        return {
            **packet_facts(packet, came_in, out, state),
            **connection_facts(self._first[node]),
            "meta mark": packet.mark,
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
                raise Ended(node, Cause.UNKNOWN, Message("not certain: {why}", why=why))
            return replace(packet, source=address, source_port=nat.port or packet.source_port)
        address = nat.address or packet.target
        if nat.kind == "redirect":
            address = machine.address_on(came_in or "lo", packet.source) or address
        return replace(packet, target=address, target_port=nat.port or packet.target_port)

    def _state(self, node: str, packet: PredictedPacket) -> str:
        """Return the state in which connection tracking of a node would see the packet."""
        if packet.part is Part.REQUEST:
            return "new"
        if self._track(node, packet):
            return "established"
        return "new" if packet.probe.protocol == "udp" else "invalid"

    def _remember(self, node: str, before: PredictedPacket, after: PredictedPacket) -> None:
        if before.part is Part.REQUEST and self.model.nodes[node].rules.tracks:
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

    def _resolve(
        self, outlet: NodeInterface, hop: IPAddress, packet: PredictedPacket
    ) -> tuple[str, list[Crossing] | None]:
        """Return the MAC address of the next hop; if it has to be asked for, also the way of the reply.

        Raises Ended if nobody answers.
        """
        machine = self.model.nodes[outlet.node]
        interface = machine.interface(outlet.interface)
        if interface is None or not interface.running:
            raise Ended(
                outlet.node,
                Cause.NIC_DOWN,
                Message("{interface} is down or has no carrier", interface=outlet.interface),
            )
        for entry in machine.space.neighbours:
            matches = (entry.interface, entry.address) == (outlet.interface, hop)
            if matches and entry.mac and entry.state not in _ASLEEP:
                self.decide(resolution(hop, entry.mac, self.owner(entry.mac, outlet)))
                return entry.mac, None
        asker: IPAddress | None = packet.source
        if not machine.has(packet.source):
            asker = machine.address_on(outlet.interface, hop)
        answers = [
            (path, end)
            for path, end in self.reached(outlet)
            if self._answers(end, hop, outlet, asker)
        ]
        if not answers:
            raise self._not_resolved(outlet, hop, packet)
        if len(answers) > 1:
            nodes = ", ".join(end.node for _, end in answers)
            why = Message("{who} would all answer for {address}", who=nodes, address=hop)
            raise Ended(outlet.node, Cause.UNKNOWN, Message("not certain: {why}", why=why))
        path, owner = answers[0]
        adapter = self.model.nodes[owner.node].interface(owner.interface)
        mac = adapter.mac if adapter else ""
        self.decide(would_ask(hop, mac, owner.node))
        return mac, path

    def _not_resolved(
        self, outlet: NodeInterface, address: IPAddress, packet: PredictedPacket
    ) -> Ended:
        """Return the end of a packet whose next hop nobody answers for."""
        node, text = (
            outlet.node,
            Message("it would ask who has {address}, and nobody would answer", address=address),
        )
        if missing := self.model.missing(node, str(address), text):
            return missing
        if place := self._place(node, address, packet):
            text = Message("{what}; {where}", what=text, where=place)
        far = ""
        for owner in self.model.owners.interfaces.get(str(address), ()):
            if self.model.netmap.same_segment(owner, outlet):
                return Ended(node, Cause.ARP_UNANSWERED, text)
            far = owner.node
        if far in ("", node):
            return Ended(node, Cause.ARP_UNANSWERED, text)
        return Ended(node, Cause.WRONG_SEGMENT, text)

    def _place(self, node: str, address: IPAddress, packet: PredictedPacket) -> Message | None:
        """Return where an address is for which a node asks in vain, and who led the packet there."""
        whereabouts = self.model.whereabouts
        if address == packet.target:
            lead = self.leads(packet.part).away
            if lead and lead.node == node:
                return lead.text
            first = self.onward[packet.part][0].address
            is_forwarded = packet.part is Part.REQUEST and address != first
            if is_forwarded and whereabouts.owner(address) is None:
                return whereabouts.forward_to_nobody(address, node)
        return whereabouts.place(address, node)

    def _answers(
        self, end: NodeInterface, address: IPAddress, start: NodeInterface, asker: IPAddress | None
    ) -> bool:
        """Return whether a machine answers a question for a MAC address that is asked on `start`.

        By ARP, Linux answers for any address of its own, if it could answer a packet of the asker
        too. By neighbour discovery, it answers for those of the interface, if rules let both pass.
        Raises Ended where they do not.
        """
        node, interface = end
        if address.version == 6:
            if end not in self.model.owners.interfaces.get(str(address), ()):
                return False
            self._solicit(end, address, start, asker)
            return True
        if not self.model.nodes[node].has(address):
            return False
        question = RouteLookup(address, asker, interface, mark=0, tos=0, protocol=_NO_PROTOCOL)
        result = self.model.ask(node, question)
        if result.error == UNCERTAIN:
            raise _uncertain(node, result)
        return result.kind == "local" and not result.error

    def _solicit(
        self, end: NodeInterface, address: IPAddress, start: NodeInterface, asker: IPAddress | None
    ) -> None:
        """Raise Ended unless rules let a neighbour solicitation through, and its reply."""
        asking, answering = neighbour_facts(address, asker)
        for (node, interface), hook, facts in (
            (start, "output", asking),
            (end, "input", asking),
            (end, "output", answering),
            (start, "input", answering),
        ):
            field = {"output": "oif", "input": "iif"}[hook]
            at_hook = {**facts, f"meta {field}": interface, f"meta {field}name": interface}
            outcome = self.model.nodes[node].rules.at(hook, at_hook)
            if outcome.end is HookVerdict.UNKNOWN:
                why = Message("rule {rule}", rule=outcome.by)
                raise Ended(node, Cause.UNKNOWN, Message("not certain: {why}", why=why))
            if outcome.end is not HookVerdict.ACCEPT:
                raise Ended(
                    node, Cause.FIREWALL, Message("neighbour discovery: {rule}", rule=outcome.by)
                )

    def _setting(self, node: str, key: str) -> str:
        return self.model.nodes[node].settings.get(key, "")


def _uncertain(node: str, result: RouteResult) -> Ended:
    """Return the end of what is known of a packet: a rule of routing looks at more."""
    why = Message(
        "{rule} looks at {field}, which is not known",
        rule=result.why and result.why.rule,
        field=result.why and result.why.field,
    )
    return Ended(node, Cause.UNKNOWN, Message("not certain: {why}", why=why))


def _listener(machine: NodeModel, packet: PredictedPacket) -> Socket | None:
    """Return the socket that takes a packet on a machine; None if there is none, or none is needed."""
    wanted = packet.probe.protocol, packet.target_port
    for socket in machine.listening:
        # A socket of IPv6 that is open to everybody usually takes IPv4 too, and never the reverse.
        everybody = socket.address.is_unspecified and socket.address.version >= packet.version
        anywhere = everybody or socket.address == packet.target
        if (socket.protocol, socket.port) == wanted and anywhere:
            return socket
    return None
