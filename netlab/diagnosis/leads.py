"""The machine that led a packet away from its destination, and the route or entry by which it did. Pure.

A machine leads a packet away if it sends it by an interface by which no way to the destination's owner
begins. That is judged by cables and by who is planned to forward; why it did so, its routes tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.journey import AsymmetricReply
from netlab.diagnosis.ways import Way
from netlab.diagnosis.whereabouts import Whereabouts, is_private
from netlab.frozen import frozen
from netlab.kernel.rows import IPAddress, RouteRow
from netlab.kernel.state.policy import RouteLookup
from netlab.messages import N_, Message
from netlab.node_interface import NodeInterface

_ROUTES = {4: "ip route", 6: "ip -6 route"}
_NEIGHBOURS = "ip neighbour"
_BY_HAND = "permanent"
"""The state of a neighbour that a person has entered."""


@frozen
class Onward:
    """A machine's decision where to send a packet on."""

    node: str
    interface: str
    """The interface by which it sends it, as its routes know it."""
    address: IPAddress
    """The packet's destination there."""
    hop: IPAddress | None = None
    """The next hop: a gateway, or the destination itself; None: it is not known."""
    route: RouteRow | None = None
    """The route by which it does so; None: it is not known."""


@frozen
class Lead:
    """The machine that led a packet to where it ended, and by which entry."""

    node: str
    text: Message
    """The sentence."""
    look_at: str = ""
    """A command that shows the entry there."""


@frozen
class Passage:
    """A packet's way over the machines of a lab."""

    onward: tuple[Onward, ...]
    """Where the machines on its way have sent it, and the last one would have."""
    ended: str
    """The node where it came no further."""
    inlet: str = ""
    """The interface by which it came in there; empty if it began there."""
    meant: frozenset[str] = frozenset()
    """Machines that it is for."""
    past: frozenset[str] = frozenset()
    """Of a reply: machines that have passed on the request as it was."""
    answered_for: frozenset[tuple[str, str]] = frozenset()
    """(node, IP address): a machine that was seen to answer a question for the address' MAC address."""


@frozen
class Leads:
    """Why a packet came to where it ended."""

    away: Lead | None = None
    """It was sent by an interface that leads away from its destination."""
    astray: Lead | None = None
    """By which entry it came to a machine that is no router, or what that does not forward."""
    not_taken: Message | None = None
    """Why nobody takes the frame that it is in."""


def led(diagnosis: Diagnosis, leads: Leads | None) -> Diagnosis:
    """Return a diagnosis with the sentence that says by which entry the packet came there."""
    if leads is None or diagnosis.cause not in _LED:
        return diagnosis
    has_led = leads.away and (leads.away.node != diagnosis.at or diagnosis.cause in _ROUTED)
    is_no_router = diagnosis.cause is Cause.NOT_FORWARDING
    lead = leads.away if has_led else leads.astray if is_no_router else None
    if lead is None:
        return diagnosis
    text = Message("{why}; {what}", why=lead.text, what=diagnosis.evidence)
    return replace(diagnosis, evidence=text)


_LED = (
    Cause.NOT_FORWARDING,
    Cause.NOT_TRANSLATED,
    Cause.FIREWALL,
    Cause.NIC_DOWN,
    Cause.REVERSE_PATH,
    Cause.TTL_EXCEEDED,
    Cause.UNKNOWN,
)
"""Causes at a place to which a packet may have been led; where no MAC address or route was found, it is
said there."""
_ROUTED = (Cause.NOT_TRANSLATED, Cause.NIC_DOWN, Cause.TTL_EXCEEDED)
"""Those by which a packet ends where its machine has decided where to send it."""


def leads(passage: Passage, whereabouts: Whereabouts, mac: str = "") -> Leads:
    """Return why a packet came to where it ended; `mac` is the frame's receiver."""
    before, dead = _machine_before(passage, whereabouts), passage.ended
    is_switch = dead in whereabouts.lab.netmap.switches
    return Leads(
        away(passage, whereabouts),
        None if is_switch else _astray(before, passage, whereabouts),
        _not_taken(mac, before, passage, whereabouts) if mac else None,
    )


def _machine_before(passage: Passage, whereabouts: Whereabouts) -> Onward | None:
    """Return where the last machine before the end has sent a packet."""
    parts = whereabouts.lab.netmap.parts(passage.ended)
    earlier = [sent for sent in passage.onward if sent.node not in parts]
    return earlier[-1] if earlier else None


def away(passage: Passage, whereabouts: Whereabouts) -> Lead | None:
    """Return the first machine that has led a packet away from its destination's owner; None if none has."""
    for sent in passage.onward:
        owner = whereabouts.owner(sent.address, passage.meant)
        if owner is None or owner.node in (sent.node, passage.ended):
            continue
        way = whereabouts.way(sent.node, owner, sent.address)
        if way and sent.interface not in way.interfaces:
            text = _led_away(sent, owner, way, whereabouts)
            text = _placed(text, sent.address, sent.node, passage, whereabouts)
            return Lead(sent.node, text, _ROUTES[sent.address.version])
    return None


def _placed(
    text: Message, address: IPAddress, node: str, passage: Passage, whereabouts: Whereabouts
) -> Message:
    """Return a text about a packet on a node with where its destination is, if that is known."""
    place = whereabouts.place(address, node, passage.meant, passage.past)
    return Message("{why}; {place}", why=text, place=place) if place else text


def place_without_route(
    address: IPAddress, passage: Passage, whereabouts: Whereabouts
) -> Message | None:
    """Return where an address is to which a machine has no route, and who led the packet to that machine."""
    if lead := away(passage, whereabouts):
        return lead.text
    return whereabouts.place(address, passage.ended, passage.meant, passage.past)


def _led_away(sent: Onward, owner: NodeInterface, way: Way, whereabouts: Whereabouts) -> Message:
    taken = sent.route
    if taken is None:
        return Message(
            "{node} sends {address} by {interface}",
            node=sent.node,
            address=sent.address,
            interface=sent.interface,
        )
    if not taken.destination.prefixlen and not taken.table:
        return Message(
            "{node} has no route to {subnet} and sends it by its default route to {hop}",
            node=sent.node,
            subnet=whereabouts.subnet(owner, sent.address),
            hop=_hop_name(taken, sent, whereabouts),
        )
    passed_over = _most_specific(whereabouts.lab.routes(sent.node), sent.address, way)
    # Which table is asked a rule decides, and not how long a route's prefix is.
    is_longer = passed_over and passed_over.destination.prefixlen < taken.destination.prefixlen
    if passed_over is None or taken.table or not is_longer:
        return Message(
            "{node} sends {address} by {interface}, since its route is {route}",
            node=sent.node,
            address=sent.address,
            interface=sent.interface,
            route=taken,
        )
    return Message(
        N_(
            "{node} sends {address} by {interface}, since its route {route} is more specific than "
            "{other}'s {subnet}"
        )
        if passed_over.destination.prefixlen
        else N_(
            "{node} sends {address} by {interface}, since its route {route} is more specific than "
            "its default route"
        ),
        node=sent.node,
        address=sent.address,
        interface=sent.interface,
        route=taken.destination,
        other=min(way.interfaces & _interfaces(passed_over)),
        subnet=passed_over.destination,
    )


def _hop_name(route: RouteRow, sent: Onward, whereabouts: Whereabouts) -> str:
    """Return the name of a route's gateway, or its address; of a route without one, the interface."""
    gateways = (hop.gateway for hop in route.hops if hop.interface == sent.interface)
    gateway = next(gateways, None)
    if gateway is None:
        return sent.interface
    return whereabouts.lab.owners.name(gateway) or str(gateway)


def _astray(before: Onward | None, passage: Passage, whereabouts: Whereabouts) -> Lead | None:
    """Return by which entry a packet came to a machine that is no router, or what that does not forward."""
    address = passage.onward[-1].address if passage.onward else None
    if address is None or not passage.inlet or passage.ended in _owners(address, whereabouts):
        return None
    by_entry = before and before.hop and _wrong_entry(before, before.hop, passage, whereabouts)
    by_route = before and _wrong_gateway(before, passage, whereabouts)
    return by_entry or by_route or _dead_end(address, passage, whereabouts)


def _owners(address: IPAddress, whereabouts: Whereabouts) -> frozenset[str]:
    return whereabouts.lab.owners.nodes.get(str(address), frozenset())


def _wrong_entry(
    before: Onward, hop: IPAddress, passage: Passage, whereabouts: Whereabouts
) -> Lead | None:
    """Return that a machine's entry for its next hop leads to another machine than the hop's owner."""
    owners, parts = _owners(hop, whereabouts), whereabouts.lab.netmap.parts(passage.ended)
    if owners & {before.node, *parts}:
        return None
    has_answered = any((part, str(hop)) in passage.answered_for for part in parts)
    text = Message(
        N_("{node} does not have {address}, {owner} has it: {entry}")
        if owners
        else N_("{node} does not have {address}: {entry}"),
        node=passage.ended,
        address=hop,
        owner=whereabouts.lab.owners.name(hop),
        entry=Message("it answers for it all the same")
        if has_answered
        else _entry(before, hop, whereabouts),
    )
    return Lead(before.node, text, _NEIGHBOURS)


def _entry(sent: Onward, hop: IPAddress, whereabouts: Whereabouts) -> Message:
    """Return that a machine's entry for a next hop is wrong: stale, or another's false word, unless a person
    has entered it."""
    by_hand = any(
        entry.address == hop and entry.state == _BY_HAND
        for entry in whereabouts.lab.neighbours(sent.node)
    )
    texts = {
        (4, False): N_("{node}'s ARP entry is stale or forged"),
        (4, True): N_("{node}'s ARP entry, made by hand, is wrong"),
        (6, False): N_("{node}'s neighbour entry is stale or forged"),
        (6, True): N_("{node}'s neighbour entry, made by hand, is wrong"),
    }
    return Message(texts[hop.version, by_hand], node=sent.node)


def _wrong_gateway(before: Onward, passage: Passage, whereabouts: Whereabouts) -> Lead | None:
    """Return the route by which a machine has sent a packet to one that is not on the way."""
    owner = whereabouts.owner(before.address, passage.meant)
    way = owner and whereabouts.way(before.node, owner, before.address)
    is_router = NodeInterface(passage.ended, passage.inlet) in whereabouts.lab.netmap.forwarders
    is_known = before.route is not None and before.hop is not None
    if is_router or way is None or not way.is_forwarded or not is_known:
        return None
    text = Message(
        "{sender} sends it to {node}, since its route is {route}",
        sender=before.node,
        node=passage.ended,
        route=before.route,
    )
    text = _placed(text, before.address, before.node, passage, whereabouts)
    return Lead(before.node, text, _ROUTES[before.address.version])


def _dead_end(address: IPAddress, passage: Passage, whereabouts: Whereabouts) -> Lead:
    """Return what a machine does not forward, and the scenario's key that would have it do so."""
    netmap, node = whereabouts.lab.netmap, passage.ended
    if node == netmap.provider and is_private(address):
        text = Message(
            "{address} is a private address, and {node} carries packets to public ones only",
            address=address,
            node=node,
        )
        return Lead(node, _placed(text, address, node, passage, whereabouts))
    names = (passage.inlet, _outlet(passage, whereabouts))
    first, second = (netmap.nat_uplinks.get(NodeInterface(node, name), name) for name in names)
    text = Message(
        N_("{node} does not forward between {first} and {second}")
        if second and first != second and node not in (first, second)
        else N_("{node} does not forward"),
        node=node,
        first=first,
        second=second,
    )
    key = netmap.forwarding_keys.get(node)
    return Lead(node, Message("{what} ({key})", what=text, key=key) if key else text)


def _outlet(passage: Passage, whereabouts: Whereabouts) -> str:
    """Return the interface by which the machine where a packet ended would have sent it; empty if none."""
    last = passage.onward[-1]
    if last.node == passage.ended:
        return last.interface
    result = whereabouts.lab.ask(passage.ended, RouteLookup(last.address))
    return "" if result.error else result.interface


def _not_taken(
    mac: str, before: Onward | None, passage: Passage, whereabouts: Whereabouts
) -> Message | None:
    """Return why nobody takes a frame: where its receiver is, or who has the next hop's address instead."""
    if mac in whereabouts.lab.owners.interfaces:
        start = NodeInterface(before.node, before.interface) if before else None
        switch = whereabouts.network_name(start) if start else ""
        return whereabouts.not_taken(mac, passage.ended, switch or passage.ended)
    owner = before and before.hop and whereabouts.owner(before.hop)
    if not before or not before.hop or not owner or owner.node == before.node:
        return None
    return Message(
        "nobody has {mac}, and {owner} has {address}: {entry}",
        mac=mac,
        owner=owner.node,
        address=before.hop,
        entry=_entry(before, before.hop, whereabouts),
    )


def answers_elsewhere(asymmetric: AsymmetricReply, route: object) -> Message:
    """Return in words by which route a machine answers that was asked by another interface."""
    return Message(
        "{node} answers by another adapter than it is asked by: its route is {route}, "
        "and the question comes in at {interface}",
        node=asymmetric.node,
        route=route,
        interface=asymmetric.came_in,
    )


def _most_specific(routes: Iterable[RouteRow], address: IPAddress, way: Way) -> RouteRow | None:
    """Return the most specific route to an address by an interface of a way."""
    fitting = [
        route
        for route in routes
        if address in route.destination and way.interfaces & _interfaces(route)
    ]
    return max(fitting, key=lambda route: route.destination.prefixlen, default=None)


def _interfaces(route: RouteRow) -> frozenset[str]:
    return frozenset(hop.interface for hop in route.hops if not hop.dead)
