"""Policy routing (`ip rule`): the rule, and the route of its table, that decide about a packet. Pure.

The kernel says by which route a packet goes on, and not which rule or route has stopped it, nor that its
answer hangs on something that it was not told: that is worked out here, as fib_rules_lookup does it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from netlab.frozen import frozen
from netlab.kernel.netlink.objects.routes import KernelRoute
from netlab.kernel.netlink.objects.rules import Bits, KernelRule, Span
from netlab.kernel.rows import IPAddress

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
ASKABLE = {4: (UDP, TCP, ICMP), 6: (UDP, TCP, ICMPV6)}
"""By version of IP, the protocols that the kernel can be asked for (rtm_getroute_parse_ip_proto)."""
_WITH_PORTS = (TCP, UDP, 33, 132, 136)
"""Protocols with ports: DCCP, SCTP and UDP-Lite too."""
_LEGACY_TOS = 0x1C
"""Bits of the TOS that routes of IPv4 look at."""
_CLOSED_BY_ROUTE = {
    "blackhole": errno.EINVAL,
    "unreachable": errno.EHOSTUNREACH,
    "prohibit": errno.EACCES,
}
"""Kinds of routes that go nowhere, and the errno that the kernel answers for each (fib_props)."""
_CLOSED_BY_RULE = {**_CLOSED_BY_ROUTE, "unreachable": errno.ENETUNREACH}
"""The same of rules (fib4_rule_action)."""


@frozen
class RouteLookup:
    """A packet, as far as routing looks at it. What is None is not known, or is not there."""

    target: IPAddress
    source: IPAddress | None = None
    """None: the machine's own packet, and it has not chosen an address yet."""
    came_in: str | None = None
    """The interface; None for the machine's own packets."""
    mark: int | None = None
    """The kernel's mark (fwmark), as far as nftables' rules set it."""
    tos: int | None = None
    protocol: int | None = None
    """Its number; 0: a question by ARP, which is of none."""
    source_port: int | range | None = None
    """A range: one of these, which is yet to be chosen."""
    target_port: int | range | None = None
    uid: int | None = None
    """The user whose packet it is; one that came in counts as root's (ip_route_input_slow)."""


@frozen
class Doubt:
    """A rule that looks at something about a packet that is not known, and may decide about it."""

    rule: KernelRule
    field: str
    """In the words of ip-rule(8): fwmark, sport, …"""


@frozen
class Decider:
    """The rule that decides about a packet, with the route of its table, if it does not decide by itself."""

    rule: KernelRule
    route: KernelRoute | None
    passed: Sequence[KernelRule]
    """The rules that were looked at, this one too."""

    def closes(self, error: int) -> bool:
        """Return whether it is by this route or rule that a packet goes nowhere, by the kernel's errno."""
        closed, by = (
            (_CLOSED_BY_ROUTE, self.route.kind)
            if self.route
            else (_CLOSED_BY_RULE, self.rule.action)
        )
        return closed.get(by) == error


def decide(
    rules: Sequence[KernelRule], routes: Sequence[KernelRoute], packet: RouteLookup
) -> Decider | Doubt | None:
    """Lead a packet through the rules of its version of IP, in the kernel's order.

    None: no rule has a route for it, or what only the kernel knows may have decided.
    """
    passed: list[KernelRule] = []
    place, opaque = 0, False
    while place < len(rules):
        rule = rules[place]
        place += 1
        passed.append(rule)
        if rule.opaque:
            opaque = True
            continue
        applies = _applies(rule, packet)
        route = _best(routes, rule, packet) if rule.action == "lookup" else None
        leads_on = rule.action == "nop" or (rule.action == "lookup" and route is None)
        if applies is False or leads_on:
            continue
        if isinstance(applies, str):
            return Doubt(rule, applies)
        if rule.action == "goto":
            priorities = [other.key.priority for other in rules]
            place = max(place, _first(priorities, rule.goto))
            continue
        return None if opaque else Decider(rule, route, passed)
    return None


def _first(priorities: Sequence[int], wanted: int) -> int:
    """Return the place of the first rule of a priority; the end, if there is none."""
    return priorities.index(wanted) if wanted in priorities else len(priorities)


def _applies(rule: KernelRule, packet: RouteLookup) -> bool | str:
    """Return whether a rule is about a packet; the name of a field, if that depends on it and it is not
    known."""
    answers = dict(_answers(rule, packet))
    if False in answers.values():
        return rule.selector.inverted
    unknown = next((name for name, fits in answers.items() if fits is None), "")
    return unknown or not rule.selector.inverted


def _answers(rule: KernelRule, packet: RouteLookup) -> Iterator[tuple[str, bool | None]]:
    """Yield the fields that a rule looks at, and whether the packet's fit it; None: that is not known."""
    wants = rule.selector
    if wants.source:  # The machine's own packets are led before they have an address.
        yield "from", packet.source is not None and packet.source in wants.source
    if wants.target:
        yield "to", packet.target in wants.target
    if wants.came_in is not None:
        yield "iif", wants.came_in == (packet.came_in or "lo")
    if wants.out is not None:
        yield "oif", False
    if wants.tos:
        yield "tos", _fits(wants.tos, packet.tos)
    if wants.dscp:
        yield "dscp", None if packet.tos is None else wants.dscp.fits(packet.tos >> 2)
    if wants.mark:
        yield "fwmark", _fits(wants.mark, packet.mark)
    if wants.uids:
        yield "uidrange", _fits(wants.uids, packet.uid if packet.came_in is None else 0)
    if wants.protocol is not None:
        yield "ipproto", _is_protocol(wants.protocol, packet)
    if wants.source_ports:
        yield "sport", _fits_port(wants.source_ports, packet.source_port, packet.protocol)
    if wants.target_ports:
        yield "dport", _fits_port(wants.target_ports, packet.target_port, packet.protocol)
    for name in wants.others:
        yield name, None


def _fits(wanted: Bits | Span, number: int | None) -> bool | None:
    return None if number is None else wanted.fits(number)


def _fits_port(wanted: Bits | Span, port: int | range | None, protocol: int | None) -> bool | None:
    if port is None and protocol is not None and protocol not in _WITH_PORTS:
        return False
    if not isinstance(port, range):
        return _fits(wanted, port)
    if isinstance(wanted, Bits):
        return None
    fitting = range(max(wanted.first, port.start), min(wanted.last + 1, port.stop))
    return bool(fitting) if len(fitting) in (0, len(port)) else None


def _is_protocol(wanted: int, packet: RouteLookup) -> bool | None:
    """Return whether a packet is of a protocol; None also where the kernel could not be asked for it."""
    if packet.protocol is None:
        return None
    is_it = packet.protocol == wanted
    return None if is_it and wanted not in ASKABLE[packet.target.version] else is_it


def askable(passed: Iterable[KernelRule], packet: RouteLookup) -> RouteLookup | Doubt:
    """Return a packet as the kernel can be asked about it, where none of these rules tells the two apart: by
    one port of those from which it will be chosen, and of another protocol, if it cannot for its own."""
    packet = replace(
        packet, source_port=_port(packet.source_port), target_port=_port(packet.target_port)
    )
    protocols = ASKABLE[packet.target.version]
    if packet.protocol is None or packet.protocol in protocols:
        return packet
    naming = {rule.selector.protocol: rule for rule in passed if rule.selector.protocol}
    for protocol in protocols:
        if protocol not in naming:
            return replace(packet, protocol=protocol)
    return Doubt(naming[protocols[0]], "ipproto")


def _port(port: int | range | None) -> int | None:
    return port[0] if isinstance(port, range) else port


def _best(
    routes: Sequence[KernelRoute], rule: KernelRule, packet: RouteLookup
) -> KernelRoute | None:
    """Return the route of a rule's table for a packet; None if it has none, or leads on to the next rule."""
    fitting = [
        route
        for route in routes
        if route.table == rule.key.table
        and not (route.cached or route.dead)
        and packet.target in route.destination
        and (not route.tos or route.tos == (packet.tos or 0) & _LEGACY_TOS)
    ]
    best = max(fitting, key=_preference, default=None)
    if best is None or best.kind == "throw":
        return None
    is_suppressed = (
        rule.suppressed is not None
        and best.kind not in _CLOSED_BY_ROUTE
        and best.destination.prefixlen <= rule.suppressed
    )
    return None if is_suppressed else best


def _preference(route: KernelRoute) -> tuple[int, int, int]:
    """Return how much the kernel prefers a route: the longest prefix, its TOS, the lowest metric."""
    return route.destination.prefixlen, route.tos, -route.metric
