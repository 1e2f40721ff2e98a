"""What a machine does with a packet, in Linux's order: translation and rules before the routing decision,
the decision, rules after it, ARP or neighbour discovery for the next hop. Pure."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By, Decision, best_route, closed_route, found_out, would_ask
from netlab.diagnosis.verdict import Verdict
from netlab.explain.bridging import Cables, Crossing
from netlab.explain.model import Ended, LabModel, PredictedPacket, PredictedProbe
from netlab.explain.nft_fields import connection_facts, neighbour_facts, packet_facts
from netlab.explain.nft_rules import Facts, HookVerdict, Translation
from netlab.frozen import frozen
from netlab.kernel.rows import IPAddress, at_port
from netlab.kernel.state.owners import Plug
from netlab.kernel.state.routing import UNCERTAIN, RouteLookup, RouteResult
from netlab.messages import said
from netlab.packets.packet import Part

_TTL = "net.ipv4.ip_default_ttl"
_IGNORES_ECHO = {4: "ipv4.icmp_echo_ignore_all", 6: "ipv6.icmp.echo_ignore_all"}
_SOURCE_NAT = 100
"""The priority at which Linux translates sources (NF_IP_PRI_NAT_SRC)."""
_ASLEEP = ("failed", "incomplete")
"""States of a neighbour in which the machine has to ask."""


@frozen
class _Track:
    """What connection tracking of a node would remember of the request."""

    before: PredictedPacket
    after: PredictedPacket

    def answers(self, packet: PredictedPacket) -> bool:
        source, source_port, target, target_port = packet.ends
        return (target, target_port, source, source_port) == self.after.ends


class Walk(Cables):
    """One packet and its reply under way: the stays, and what nodes have remembered of it."""

    def __init__(self, world: LabModel) -> None:
        super().__init__(world)
        self._tracks: dict[str, list[_Track]] = {}
        self._first: dict[str, PredictedPacket] = {}
        """Node to the packet with which the connection began that is under way there."""

    def ask(self, source: str, to: IPAddress, probe: PredictedProbe) -> tuple[str, PredictedPacket]:
        """Send the request. Where it arrives, and as what. Raises Ended."""
        place = self.world.places[source]
        if not any(one.running for one in place.space.interfaces if one.name != "lo"):
            raise Ended(source, Cause.NIC_DOWN, said("no carrier"))
        if not any(own.version == to.version for _, own in place.space.addresses):
            raise Ended(source, Cause.NO_ADDRESS, said("no address", version=to.version))
        way = self._route(source, RouteLookup(to))
        if way.source is None:
            raise Ended(source, Cause.UNKNOWN, said("no source"))
        ttl = self._first_ttl(source, way)
        packet = PredictedPacket(way.source, to, probe, Part.REQUEST, ttl, target_port=probe.port)
        return self._travel(source, packet)

    def deliver(self, node: str, packet: PredictedPacket) -> str:
        """Who answers there, in words. Raises Ended if nobody does."""
        place, protocol = self.world.places[node], packet.probe.protocol
        if protocol == "icmp":
            setting = f"net.{_IGNORES_ECHO[packet.version]}"
            if place.settings.get(setting) == "1":
                raise Ended(node, Cause.UNKNOWN, said("ignores echo", setting=setting))
            return ""
        for one in place.waiting:
            # A socket of IPv6 that is open to everybody usually takes IPv4 too, and never the reverse.
            everybody = one.address.is_unspecified and one.address.version >= packet.version
            anywhere = everybody or one.address == packet.target
            if (one.protocol, one.port) == (protocol, packet.target_port) and anywhere:
                address = at_port(one.address, one.port)
                return said("waits", program=one.program, protocol=protocol, address=address)
        address = at_port(packet.target, packet.target_port)
        text = said("nobody waits", protocol=protocol, address=address)
        came_in = self.stays[-1].came_in
        at_door = came_in and (node, came_in.interface) in self.world.netmap.forwarded_ports
        cause = Cause.NO_PORT_FORWARD if at_door else Cause.PORT_CLOSED
        raise Ended(node, cause, text, Verdict.REFUSED)

    def reply(self, node: str, request: PredictedPacket) -> tuple[str, PredictedPacket]:
        """Send the reply. The node that takes it for its own, and as what. Raises Ended."""
        packet = replace(
            request,
            source=request.target,
            source_port=request.target_port,
            target=request.source,
            target_port=request.source_port,
            part=Part.REPLY,
            ttl=self._first_ttl(node, self.world.ask(node, RouteLookup(request.source))),
        )
        return self._travel(node, packet)

    def _first_ttl(self, node: str, way: RouteResult) -> int:
        """What a machine gives its own packets; of IPv6 each interface has its own."""
        per_interface = f"net.ipv6.conf.{way.interface}.hop_limit"
        is_ipv6 = way.source is not None and way.source.version == 6
        return int(self._setting(node, per_interface if is_ipv6 else _TTL) or 64)

    def _travel(self, node: str, packet: PredictedPacket) -> tuple[str, PredictedPacket]:
        """From where it is made to where it is taken."""
        came_in: str | None = None
        while True:
            taken = self._pass(node, came_in, packet)
            if isinstance(taken, PredictedPacket):
                return node, taken
            node, came_in, packet = taken

    def _pass(
        self, node: str, came_in: str | None, packet: PredictedPacket
    ) -> PredictedPacket | tuple[str, str, PredictedPacket]:
        """A machine's part: the packet as it is taken there, or who gets it next."""
        self.open(node, came_in, packet)
        entered, state = packet, self._state(node, packet)
        track = self._track(node, packet)
        self._first[node] = track.before if track else packet
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
            why = said("kind", kind=way.kind)
            raise Ended(node, Cause.UNKNOWN, said("not certain", why=why))
        packet = self._undo_source(node, packet)
        self._remember(node, entered, packet)
        self.change(after=packet.shown, ttl=packet.ttl)
        if way.kind == "local":
            return packet
        out = way.interface
        mac, path = self._resolve(node, out, way.gateway or packet.target, packet)
        self.change(went_out=(self.outlet(node, out),))
        there, into = self.carry((node, out), mac, path, packet)
        return there, into, packet

    def _question(self, packet: PredictedPacket, came_in: str | None) -> RouteLookup:
        return RouteLookup(packet.target, packet.source, came_in)

    def _route(self, node: str, question: RouteLookup) -> RouteResult:
        answer = self.world.ask(node, question)
        if not answer.error:
            return answer
        if answer.error == UNCERTAIN:
            raise Ended(node, Cause.UNKNOWN, said("not certain", why=said("rules of routing")))
        came_in, target = question.came_in, question.target
        if came_in and self._is_filtered(node, came_in, question):
            text = said("rp_filter", source=question.source, interface=came_in)
            raise Ended(node, Cause.REVERSE_PATH_FILTER, text)
        if came_in and answer.error == errno.EHOSTUNREACH and target.version == 4:
            self._must_forward(node, came_in, target)
        route = best_route(self.world.places[node].space.routes, target)
        if route and closed_route(route, answer):
            text = said("route of kind", kind=route.kind, route=route)
            if route.kind == "prohibit":
                raise Ended(node, Cause.REFUSED, text, Verdict.REFUSED)
            raise Ended(node, Cause.NO_ROUTE, text)
        text = said("no route", target=target, error=os.strerror(answer.error))
        no_way = answer.error in (errno.ENETUNREACH, errno.EHOSTUNREACH)
        raise Ended(node, Cause.NO_ROUTE if no_way else Cause.UNKNOWN, text)

    def _must_forward(self, node: str, came_in: str, target: IPAddress) -> None:
        """Raises Ended on a machine that is no router. IPv6 has one setting for all interfaces."""
        scope = f"ipv4.conf.{came_in}" if target.version == 4 else "ipv6.conf.all"
        setting = f"net.{scope}.forwarding"
        if self._setting(node, setting) != "1":
            text = said("not its own", target=target, setting=setting)
            raise Ended(node, Cause.NOT_FORWARDING, text)

    def _is_filtered(self, node: str, came_in: str, question: RouteLookup) -> bool:
        """Whether the reverse path is wrong: the kernel's error does not tell it from others.

        IPv6 has no such check.
        """
        if question.target.version == 6:
            return False
        scopes = ("all", came_in)
        modes = [self._setting(node, f"net.ipv4.conf.{scope}.rp_filter") for scope in scopes]
        if question.source is None or not {"1", "2"} & set(modes):
            return False
        back = self.world.ask(node, RouteLookup(question.source))
        return bool(back.error) or ("2" not in modes and back.interface != came_in)

    def _decide_route(self, node: str, way: RouteResult, packet: PredictedPacket) -> None:
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
        self.decide(Decision(By.ROUTE, str(best or f"dev {way.interface}")))

    def _forward(
        self, node: str, came_in: str, out: str, packet: PredictedPacket, state: str
    ) -> PredictedPacket:
        if packet.version == 6:  # Of IPv4, the routing decision has seen to it.
            self._must_forward(node, came_in, packet.target)
        if packet.ttl <= 1:
            raise Ended(node, Cause.TTL_EXCEEDED, said("ttl"))
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
        """What the rules at a hook let through, and translate. Raises Ended."""
        rules = self.world.places[node].rules
        deciding = ""
        for chain in rules.chains(hook, self._facts(node, came_in, out, packet, state)):
            if hook == "postrouting" and int(chain["prio"]) > _SOURCE_NAT:
                packet = self._undo_source(node, packet)
            met = rules.met(chain, self._facts(node, came_in, out, packet, state))
            if met is None:
                continue
            if met.end is HookVerdict.UNKNOWN:
                why = said("rule", rule=met.by)
                raise Ended(node, Cause.UNKNOWN, said("not certain", why=why))
            if met.end is HookVerdict.DROP:
                raise Ended(node, Cause.FIREWALL, met.by)
            if met.end is HookVerdict.REJECT:
                raise Ended(node, Cause.FIREWALL, met.by, Verdict.REFUSED)
            if met.translation:
                packet = self._translate(node, came_in, out, packet, met.translation)
            deciding = met.by or deciding
        if deciding:
            self.decide(Decision(By.RULE, deciding))
        return packet

    def _facts(
        self, node: str, came_in: str | None, out: str | None, packet: PredictedPacket, state: str
    ) -> Facts:
        """A packet in nftables' words, where a machine has it."""
        place = self.world.places[node]

        def kind(has: bool) -> str:
            return "local" if has else "unicast"

        return {
            **packet_facts(packet, came_in, out, state),
            **connection_facts(self._first[node]),
            "fib daddr type": kind(place.has(packet.target)),
            "fib saddr type": kind(place.has(packet.source)),
            "fib saddr oif type": kind((out, packet.source) in place.own),
        }

    def _translate(
        self,
        node: str,
        came_in: str | None,
        out: str | None,
        packet: PredictedPacket,
        nat: Translation,
    ) -> PredictedPacket:
        place = self.world.places[node]
        address: IPAddress | None
        if nat.kind in ("snat", "masquerade"):
            address = nat.address or packet.source
            if nat.kind == "masquerade":
                way = self.world.ask(node, self._question(packet, came_in))
                # IPv6 looks at the destination (nf_nat_masquerade_ipv6): a gateway is link-local.
                towards = way.gateway if packet.version == 4 else None
                address = place.address_on(out or "", towards or packet.target)
            if address is None:
                why = said("no address for", interface=out, rule=nat.rule)
                raise Ended(node, Cause.UNKNOWN, said("not certain", why=why))
            return replace(packet, source=address, source_port=nat.port or packet.source_port)
        address = nat.address or packet.target
        if nat.kind == "redirect":
            address = place.address_on(came_in or "lo", packet.source) or address
        return replace(packet, target=address, target_port=nat.port or packet.target_port)

    def _state(self, node: str, packet: PredictedPacket) -> str:
        """As connection tracking there would see the packet."""
        if packet.part is Part.REQUEST:
            return "new"
        if self._track(node, packet):
            return "established"
        return "new" if packet.probe.protocol == "udp" else "invalid"

    def _remember(self, node: str, before: PredictedPacket, after: PredictedPacket) -> None:
        if before.part is Part.REQUEST and self.world.places[node].rules.tracks:
            self._tracks.setdefault(node, []).append(_Track(before, after))

    def _track(self, node: str, packet: PredictedPacket) -> _Track | None:
        """The connection that a reply belongs to: a NAT device may have two of one that came back to it."""
        known = self._tracks.get(node, ()) if packet.part is not Part.REQUEST else ()
        return next((track for track in known if track.answers(packet)), None)

    def _undo_target(self, node: str, packet: PredictedPacket) -> PredictedPacket:
        """A reply to a translated source goes to the source itself."""
        track = self._track(node, packet)
        if not track:
            return packet
        old = track.before
        new = replace(packet, target=old.source, target_port=old.source_port)
        if new.target != packet.target:
            text = said("translated back to", before=packet.target, after=new.target)
            self.decide(Decision(By.NAT, text))
        return new

    def _undo_source(self, node: str, packet: PredictedPacket) -> PredictedPacket:
        """A reply of a translated target comes from the address that was asked."""
        if packet.part is Part.REQUEST:
            return packet
        ends = (packet.target, packet.source)
        known = self._tracks.get(node, ())
        track = next((t for t in known if (t.before.source, t.after.target) == ends), None)
        if not track:
            return packet
        new = replace(packet, source=track.before.target, source_port=track.before.target_port)
        if new.source != packet.source:
            text = said("translated back from", before=packet.source, after=new.source)
            self.decide(Decision(By.NAT, text))
        return new

    def _resolve(
        self, node: str, interface: str, hop: IPAddress, packet: PredictedPacket
    ) -> tuple[str, list[Crossing] | None]:
        """The MAC address of the next hop; if it has to be asked for, also the way of the reply."""
        place = self.world.places[node]
        card = place.interface(interface)
        if card is None or not card.running:
            raise Ended(node, Cause.NIC_DOWN, said("down", interface=interface))
        for known in place.space.neighbours:
            here = (known.interface, known.address) == (interface, hop)
            if here and known.mac and known.state not in _ASLEEP:
                self.decide(found_out(hop, known.mac, self.owner(known.mac, (node, interface))))
                return known.mac, None
        asker = packet.source if place.has(packet.source) else place.address_on(interface, hop)
        found = [
            (path, end)
            for path, end in self.reached((node, interface))
            if self._answers(end, hop, (node, interface), asker)
        ]
        if not found:
            raise self._not_resolved(node, interface, hop)
        if len(found) > 1:
            why = said("all answer", who=", ".join(end[0] for _, end in found), address=hop)
            raise Ended(node, Cause.UNKNOWN, said("not certain", why=why))
        path, (owner, into) = found[0]
        other = self.world.places[owner].interface(into)
        mac = other.mac if other else ""
        self.decide(would_ask(hop, mac, owner))
        return mac, path

    def _not_resolved(self, node: str, interface: str, address: IPAddress) -> Ended:
        text = said("in vain", address=address)
        netmap, far = self.world.netmap, ""
        for plug in self.world.owners.plugs.get(str(address), ()):
            if netmap.together(plug, (node, interface)):
                return Ended(node, Cause.ARP_UNANSWERED, text)
            far = plug[0]
        if far in ("", node):
            return Ended(node, Cause.ARP_UNANSWERED, text)
        return Ended(node, Cause.WRONG_SEGMENT, said("elsewhere", asked=text, owner=far))

    def _answers(self, end: Plug, address: IPAddress, start: Plug, asker: IPAddress | None) -> bool:
        """Whether a machine answers a question for a MAC address that somebody asks on `start`.

        By ARP, Linux answers for any address of its own, if it could answer a packet of the asker
        too. By neighbour discovery, it answers for those of the interface, if rules let both pass.
        Raises Ended where they do not.
        """
        node, interface = end
        if address.version == 6:
            if end not in self.world.owners.plugs.get(str(address), ()):
                return False
            self._solicit(end, address, start, asker)
            return True
        if not self.world.places[node].has(address):
            return False
        answer = self.world.ask(node, RouteLookup(address, asker, interface))
        return answer.kind == "local" and not answer.error

    def _solicit(self, end: Plug, address: IPAddress, start: Plug, asker: IPAddress | None) -> None:
        """Rules let a neighbour solicitation through, and its reply; or it raises Ended."""
        asking, answering = neighbour_facts(address, asker)
        for (node, interface), hook, facts in (
            (start, "output", asking),
            (end, "input", asking),
            (end, "output", answering),
            (start, "input", answering),
        ):
            card = {"output": "oif", "input": "iif"}[hook]
            known = {**facts, f"meta {card}": interface, f"meta {card}name": interface}
            met = self.world.places[node].rules.at(hook, known)
            if met.end is HookVerdict.UNKNOWN:
                why = said("rule", rule=met.by)
                raise Ended(node, Cause.UNKNOWN, said("not certain", why=why))
            if met.end is not HookVerdict.ACCEPT:
                raise Ended(node, Cause.FIREWALL, said("of neighbours", rule=met.by))

    def _setting(self, node: str, key: str) -> str:
        return self.world.places[node].settings.get(key, "")
