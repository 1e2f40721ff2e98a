"""What somebody may have done to a namespace for which no plan has a noun: found, and undone.

Another `lo`, rules of routing, routes but those through a gateway in the main
table, lasting entries of ARP and of a switch. No plan has any of it, and what
the kernel itself puts there is known: so what is not the kernel's own goes, and
what of that is missing comes again.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6, AF_UNSPEC

from netlab.frozen import frozen
from netlab.kernel import links
from netlab.kernel.links import FoundAddress, Interface, forgiven_absence, number
from netlab.kernel.netlink import CREATE, HEADER_BYTES, Netlink, attribute, attributes

_RTM_NEWRULE, _RTM_DELRULE, _RTM_GETRULE = 32, 33, 34
_RULE = struct.Struct("BBBBBxxBI")
"""fib_rule_hdr: family, lengths of target and source, TOS, table, action, flags."""
_FRA_PRIORITY, _FRA_SUPPRESS_PREFIXLEN, _FRA_TABLE, _FRA_PROTOCOL = 6, 14, 15, 21
_OF_OWN_RULES = {_FRA_PRIORITY, _FRA_SUPPRESS_PREFIXLEN, _FRA_TABLE, _FRA_PROTOCOL}
_FR_ACT_TO_TBL = 1
_LOCAL, _MAIN, _DEFAULT = 255, 254, 253
_OWN_RULES = {
    (AF_INET, 0, _LOCAL),
    (AF_INET, 32766, _MAIN),
    (AF_INET, 32767, _DEFAULT),
    (AF_INET6, 0, _LOCAL),
    (AF_INET6, 32766, _MAIN),
}
"""What a new namespace has: all packets look there, in the order of these numbers."""
_HOME, _MULTICAST = IPv4Network("127.0.0.1/32"), IPv6Network("ff00::/8")
_BITS = {AF_INET: 32, AF_INET6: 128}
_RTPROT_KERNEL = 2
_OWN_MAKERS = (1, _RTPROT_KERNEL, 9)
"""Redirects, the kernel, routers: who makes routes that nobody has entered."""
_ANOTHER = 0xC00
"""NLM_F_CREATE | NLM_F_APPEND: behind one to the same network, by another interface."""
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_RTN_UNICAST, _RTN_LOCAL, _RTN_MULTICAST = 1, 2, 5
_RT_SCOPE_HOST, _RT_SCOPE_LINK = 254, 253
_IP6_RT_PRIO_ADDRCONF = 256
_RTM_F_CLONED = 0x200
_AF_BRIDGE = 7
_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80
_NDA_LLADDR, _NDA_VLAN, _NDA_MASTER = 2, 5, 9
_NTF_MASTER = 4


@frozen
class _Stray:
    """One thing: what it is called, and the request that undoes it."""

    what: str
    body: bytes
    kind: int
    flags: int = 0


@frozen
class _Route:
    """A route of any table, and the message that tells of it, without its header."""

    destination: IPv4Network | IPv6Network
    table: int
    maker: int
    interface: int
    through_gateway: bool
    body: bytes


def oddities(
    netlink: Netlink, interfaces: Collection[Interface], addresses: Collection[FoundAddress]
) -> tuple[str, ...]:
    """Everything of that kind in a namespace, in words."""
    routes = list(_all_routes(netlink))
    strays = _strays(netlink, interfaces, addresses, routes)
    return (*_of_loopback(interfaces, routes), *(stray.what for stray in strays))


def undo(netlink: Netlink) -> None:
    """Take all of that away. Raises Refused."""
    interfaces, addresses = links.read_interfaces(netlink), list(links.addresses(netlink))
    routes = list(_all_routes(netlink))
    if any(_of_loopback(interfaces, routes)):
        links.renew_loopback(netlink)
    links.loopback_up(netlink)
    for stray in list(_strays(netlink, interfaces, addresses, routes)):
        with forgiven_absence(errno.EEXIST):
            netlink.request(stray.body, stray.kind, stray.flags)


def _strays(
    netlink: Netlink,
    interfaces: Collection[Interface],
    addresses: Collection[FoundAddress],
    routes: Collection[_Route],
) -> Iterator[_Stray]:
    yield from _rules(netlink)
    yield from _entered(routes)
    yield from _lost(interfaces, addresses, routes)
    yield from _neighbours(netlink)
    if any(one.kind == "bridge" for one in interfaces):
        yield from _fdb(netlink, {one.mac for one in interfaces})


def _of_loopback(interfaces: Collection[Interface], routes: Collection[_Route]) -> Iterator[str]:
    lo = next(one for one in interfaces if one.index == links.LOOPBACK_INDEX)
    if lo.name != "lo":
        yield f"lo is called {lo.name}"
    if not lo.up:
        yield "lo is off"
    elif not any((one.destination, one.table) == (_HOME, _LOCAL) for one in routes):
        yield "lo has no 127.0.0.1"


def _rules(netlink: Netlink) -> Iterator[_Stray]:
    there: set[tuple[int, int, int]] = set()
    for message in netlink.dump(_RULE.pack(*bytes(7)), _RTM_GETRULE):
        family, *selectors, _, action, flags = _RULE.unpack_from(message, HEADER_BYTES)
        if family not in _BITS:  # Of multicast.
            continue
        found = attributes(message, HEADER_BYTES + _RULE.size)
        rule = (family, number(found.get(_FRA_PRIORITY)), number(found.get(_FRA_TABLE)))
        for_all = not any((*selectors, flags)) and found.keys() <= _OF_OWN_RULES
        if for_all and action == _FR_ACT_TO_TBL and rule in _OWN_RULES - there:
            there.add(rule)
        else:
            yield _Stray(f"with {_rule_name(rule)}", message[HEADER_BYTES:], _RTM_DELRULE)
    # A kernel may have no such rules, or no IPv6; the first one is what nobody takes away.
    families = {family for family, *_ in there}
    for rule in sorted(rule for rule in _OWN_RULES - there if rule[0] in families):
        family, priority, table = rule
        body = _RULE.pack(family, 0, 0, 0, table, _FR_ACT_TO_TBL, 0)
        body += attribute(_FRA_PRIORITY, struct.pack("I", priority))
        body += attribute(_FRA_PROTOCOL, bytes((_RTPROT_KERNEL,)))
        yield _Stray(f"without {_rule_name(rule)}", body, _RTM_NEWRULE, CREATE)


def _rule_name(rule: tuple[int, int, int]) -> str:
    family, priority, table = rule
    return f"rule {priority} of IPv{4 if family == AF_INET else 6} (table {table})"


def _all_routes(netlink: Netlink) -> Iterator[_Route]:
    for message in netlink.dump(links.ROUTE.pack(AF_UNSPEC, *bytes(8)), links.RTM_GETROUTE):
        header = links.ROUTE.unpack_from(message, HEADER_BYTES)
        family, length, _, _, table, maker, _, _, flags = header
        if family not in _BITS or flags & _RTM_F_CLONED:
            continue
        found = attributes(message, HEADER_BYTES + links.ROUTE.size)
        everywhere = bytes(_BITS[family] // 8)
        yield _Route(
            ip_network((found.get(_RTA_DST, everywhere), length)),
            # A table beyond 255 has its number in an attribute alone.
            number(found.get(_RTA_TABLE)) or table,
            maker,
            number(found.get(_RTA_OIF)),
            _RTA_GATEWAY in found,
            message[HEADER_BYTES:],
        )


def _entered(routes: Collection[_Route]) -> Iterator[_Stray]:
    """Routes that somebody has made, but for what is a `Route`."""
    for route in routes:
        if route.maker not in _OWN_MAKERS and not (route.table == _MAIN and route.through_gateway):
            where = f" in table {route.table}" * (route.table != _MAIN)
            yield _Stray(
                f"with a route to {route.destination}{where}", route.body, links.RTM_DELROUTE
            )


def _lost(
    interfaces: Collection[Interface],
    addresses: Collection[FoundAddress],
    routes: Collection[_Route],
) -> Iterator[_Stray]:
    """What the kernel itself has made for each address, and is gone."""
    running = {one.index for one in interfaces if one.running}
    there = {(one.destination, one.table, one.interface) for one in routes}
    at_home = {one.destination for one in routes if one.table == _LOCAL}
    for found in addresses:
        own, network = ip_network(found.address.ip), found.address.network
        six = found.address.version == 6
        if found.index not in running:
            continue  # They come with the carrier.
        if own not in at_home:
            body = _packed(own, _LOCAL, _RT_SCOPE_HOST, _RTN_LOCAL, found)
            yield _Stray(f"without the route to {own} itself", body, links.RTM_NEWROUTE, _ANOTHER)
        if network != own and (network, _MAIN, found.index) not in there:
            body = _packed(network, _MAIN, _RT_SCOPE_LINK, _RTN_UNICAST, found)
            yield _Stray(f"without a route to {network}", body, links.RTM_NEWROUTE, _ANOTHER)
        if six and (_MULTICAST, _LOCAL, found.index) not in there:
            body = _packed(_MULTICAST, _LOCAL, 0, _RTN_MULTICAST, found)
            yield _Stray(f"without a route to {_MULTICAST}", body, links.RTM_NEWROUTE, _ANOTHER)


def _packed(
    destination: IPv4Network | IPv6Network, table: int, scope: int, kind: int, found: FoundAddress
) -> bytes:
    """A route as the kernel makes it for an address."""
    family, scope = (AF_INET6, 0) if destination.version == 6 else (AF_INET, scope)
    length = destination.prefixlen
    body = links.ROUTE.pack(family, length, 0, 0, table, _RTPROT_KERNEL, scope, kind, 0)
    body += attribute(_RTA_DST, destination.network_address.packed)
    body += attribute(_RTA_OIF, struct.pack("I", found.index))
    if family == AF_INET:
        return body + attribute(_RTA_PREFSRC, found.address.ip.packed)
    metric = 0 if kind == _RTN_LOCAL else _IP6_RT_PRIO_ADDRCONF
    return body + attribute(_RTA_PRIORITY, struct.pack("I", metric))


def _neighbours(netlink: Netlink) -> Iterator[_Stray]:
    for message in netlink.dump(links.NEIGHBOUR.pack(AF_UNSPEC, 0, 0, 0, 0), links.RTM_GETNEIGH):
        family, index, state, _, _ = links.NEIGHBOUR.unpack_from(message, HEADER_BYTES)
        if family in _BITS and state & _NUD_PERMANENT:
            found = attributes(message, HEADER_BYTES + links.NEIGHBOUR.size)
            address, mac = found[links.NDA_DST], found.get(_NDA_LLADDR, b"").hex(":")
            body = links.NEIGHBOUR.pack(family, index, 0, 0, 0) + attribute(links.NDA_DST, address)
            what = f"with {ip_address(address)} at {mac} for ever"
            yield _Stray(what, body, links.RTM_DELNEIGH)


def _fdb(netlink: Netlink, own: Collection[str]) -> Iterator[_Stray]:
    """What a switch was told of a MAC; its `own` interfaces' and what it has learnt is no stray."""
    for message in netlink.dump(links.NEIGHBOUR.pack(_AF_BRIDGE, 0, 0, 0, 0), links.RTM_GETNEIGH):
        _, index, state, _, _ = links.NEIGHBOUR.unpack_from(message, HEADER_BYTES)
        found = attributes(message, HEADER_BYTES + links.NEIGHBOUR.size)
        mac = found.get(_NDA_LLADDR, b"")
        if (
            _NDA_MASTER in found
            and state & (_NUD_NOARP | _NUD_PERMANENT)
            and mac.hex(":") not in own
        ):
            body = links.NEIGHBOUR.pack(_AF_BRIDGE, index, 0, _NTF_MASTER, 0)
            body += attribute(_NDA_LLADDR, mac)
            if vlan := found.get(_NDA_VLAN):
                body += attribute(_NDA_VLAN, vlan)
            what = f"with {mac.hex(':')} behind a port for ever"
            yield _Stray(what, body, links.RTM_DELNEIGH)
