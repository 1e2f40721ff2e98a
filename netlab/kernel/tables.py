"""The tables of one namespace: addresses, neighbours, a switch's addresses, routes, connections.

A reader dumps a whole table; the decoder beside it makes a row of one
message, of a dump or of a notification, with its header.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address, ip_network

from netlab.kernel import files, links, netns
from netlab.kernel.links import NDA_DST, NEIGHBOUR, ROUTE, RTM_GETNEIGH, RTM_GETROUTE
from netlab.kernel.netlink import HEADER_BYTES, NETFILTER, Netlink, attributes
from netlab.kernel.rows import (
    AddressRow,
    Connection,
    FdbEntry,
    Flow,
    Hop,
    IPAddress,
    Names,
    Neighbour,
    RouteRow,
)

BRIDGE_FAMILY = 7
"""AF_BRIDGE: neighbour messages of this family are about a switch."""
_NEXT_HOP = struct.Struct("HBBi")
"""rtnexthop: length, flags, hops, index."""
_MAIN_TABLE = 254
_RTNH_DEAD_OR_LINKDOWN = 1 | 16
_RTM_F_CLONED = 0x200
_NOT_USABLE = 0x40 | 0x08
"""IFA_F_TENTATIVE, IFA_F_DADFAILED: somebody else may have it, or has it (RFC 4862)."""
_EVERYWHERE = {socket.AF_INET: bytes(4), socket.AF_INET6: bytes(16)}
_NUD_PERMANENT = 0x80
_NUD = {
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x40: "noarp",
    _NUD_PERMANENT: "permanent",
}

# Attributes and numbers with names, from linux/neighbour.h and rtnetlink.h.
_NDA_LLADDR, _NDA_VLAN, _NDA_MASTER = 2, 5, 9
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC = 1, 4, 5, 6, 7
_RTA_MULTIPATH, _RTA_TABLE = 9, 15
KINDS = dict(enumerate((
    "unspec", "unicast", "local", "broadcast", "anycast", "multicast",
    "blackhole", "unreachable", "prohibit", "throw", "nat",
)))  # fmt: skip
"""RTN_*: what a route does with a packet."""
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_MAKERS = dict(enumerate(("unspec", "redirect", "kernel", "boot", "static")))
_MAKERS |= {9: "ra", 11: "zebra", 12: "bird", 16: "dhcp"}
"""RTPROT_*."""

# The same from linux/netfilter/nfnetlink_conntrack.h; numbers are big-endian.
_CT_GET = 1 << 8 | 1
"""NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET."""
_CTA_ORIGINAL, _CTA_REPLY, _CTA_STATUS, _CTA_PROTOINFO, _CTA_TIMEOUT, _CTA_ID = 1, 2, 3, 4, 7, 12
_CTA_TUPLE_IP, _CTA_TUPLE_PROTO = 1, 2
_CTA_IP_SOURCES, _CTA_IP_TARGETS = (1, 3), (2, 4)
"""Of IPv4, of IPv6."""
_CTA_PROTO_NUM, _CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT = 1, 2, 3
_CTA_PROTO_ICMP_IDS = (4, 7)
_CTA_PROTOINFO_TCP, _CTA_PROTOINFO_TCP_STATE = 1, 1
_IPS_SEEN_REPLY, _IPS_ASSURED = 2, 4
_TCP_STATES = dict(enumerate((
    "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT",
    "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
)))  # fmt: skip
_NETFILTER_HEADER_BYTES = 4
_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"
_PROTOCOLS = {
    number: name.removeprefix("IPPROTO_").lower()
    for name, number in vars(socket).items()
    if name in ("IPPROTO_ICMP", "IPPROTO_ICMPV6", "IPPROTO_TCP", "IPPROTO_UDP", "IPPROTO_GRE")
}


def read_neighbours(
    netlink: Netlink, names: Names, family: int = socket.AF_UNSPEC
) -> Iterator[Neighbour]:
    """What ARP (and IPv6's own) has found out, or tries to, and what was entered by hand."""
    request = NEIGHBOUR.pack(family, 0, 0, 0, 0)
    rows = (neighbour(one, names) for one in netlink.dump(request, RTM_GETNEIGH))
    return (row for row in rows if row)


def family_of(message: bytes) -> int:
    """The first byte behind the header of every message that speaks of tables."""
    return message[HEADER_BYTES]


def neighbour(message: bytes, names: Names) -> Neighbour | None:
    """None for what needs no question: loopback, multicast."""
    _, index, number, _, _ = NEIGHBOUR.unpack_from(message, HEADER_BYTES)
    found = _behind(message, NEIGHBOUR)
    address, state = found.get(NDA_DST), _NUD.get(number, "none")
    if address is None or state in ("noarp", "none"):
        return None
    mac = found.get(_NDA_LLADDR, b"").hex(":")
    return Neighbour(_name(index, names), ip_address(address), mac, state)


def read_fdb(netlink: Netlink, names: Names) -> Iterator[FdbEntry]:
    """Every MAC address that the switches of the namespace know."""
    request = NEIGHBOUR.pack(BRIDGE_FAMILY, 0, 0, 0, 0)
    rows = (fdb_entry(one, names) for one in netlink.dump(request, RTM_GETNEIGH))
    return (row for row in rows if row)


def fdb_entry(message: bytes, names: Names) -> FdbEntry | None:
    """None for a device's own list, of multicast addresses that it listens to."""
    _, index, state, _, _ = NEIGHBOUR.unpack_from(message, HEADER_BYTES)
    found = _behind(message, NEIGHBOUR)
    bridge, mac = found.get(_NDA_MASTER), found.get(_NDA_LLADDR)
    if bridge is None or mac is None:
        return None
    return FdbEntry(
        _name(links.number(bridge), names),
        mac.hex(":"),
        _name(index, names),
        learnt=not state & _NUD_PERMANENT,
        vlan=links.number(found.get(_NDA_VLAN)),
    )


def read_addresses(netlink: Netlink, names: Names) -> Iterator[AddressRow]:
    """Every address of both versions that the machine can be reached at."""
    rows = (_used(found, names) for found in links.addresses(netlink, socket.AF_UNSPEC))
    return (row for row in rows if row)


def address(message: bytes, names: Names) -> AddressRow | None:
    """None for the loopback's own, and for one that the machine does not use, or not yet."""
    found = links.address(message)
    return _used(found, names) if found else None


def _used(found: links.FoundAddress, names: Names) -> AddressRow | None:
    if found.address.version == 6 and found.flags & _NOT_USABLE:
        return None
    return _name(found.index, names), found.address


def read_routes(netlink: Netlink, names: Names) -> Iterator[RouteRow]:
    """The main tables of IPv4 and IPv6, each in the kernel's order."""
    for family in _EVERYWHERE:
        request = ROUTE.pack(family, *bytes(8))
        rows = (route(one, names) for one in netlink.dump(request, RTM_GETROUTE))
        yield from (row for row in rows if row)


def route(message: bytes, names: Names) -> RouteRow | None:
    """None for a route of another table, and for what the kernel has only cached."""
    family, length, _, _, table, maker, scope, kind, flags = ROUTE.unpack_from(
        message, HEADER_BYTES
    )
    found = _behind(message, ROUTE)
    # A table beyond 255 has its number in an attribute alone.
    table = links.number(found.get(_RTA_TABLE)) or table
    everywhere = _EVERYWHERE.get(family)
    if everywhere is None or table != _MAIN_TABLE or flags & _RTM_F_CLONED:
        return None
    source = found.get(_RTA_PREFSRC)
    return RouteRow(
        ip_network((found.get(_RTA_DST, everywhere), length)),
        tuple(_hops(found, names)),
        KINDS.get(kind, str(kind)),
        ip_address(source) if source else None,
        links.number(found.get(_RTA_PRIORITY)),
        _MAKERS.get(maker, str(maker)),
        _SCOPES.get(scope, str(scope)),
        bool(flags & _RTNH_DEAD_OR_LINKDOWN),
    )


def _hops(found: dict[int, bytes], names: Names) -> Iterator[Hop]:
    several = found.get(_RTA_MULTIPATH, b"")
    while several:
        length, _, _, index = _NEXT_HOP.unpack_from(several)
        yield from _hop(index, attributes(several[:length], _NEXT_HOP.size), names)
        several = several[(length + 3) & ~3 :]
    if _RTA_MULTIPATH not in found:
        yield from _hop(links.number(found.get(_RTA_OIF)), found, names)


def _hop(index: int, found: dict[int, bytes], names: Names) -> Iterator[Hop]:
    gateway = found.get(_RTA_GATEWAY)
    if index:
        yield Hop(ip_address(gateway) if gateway else None, _name(index, names))


def read_connections(namespace: str) -> list[Connection]:
    """What connection tracking remembers; nothing where no rule needs it.

    All namespaces of a machine share one table, and a dump walks through the
    whole of it (10 ms): so it is counted first.
    """
    with netns.inside(namespace):
        if (files.read(_COUNT) or "0").strip() == "0":
            return []
        netfilter = Netlink(NETFILTER)
    with closing(netfilter):
        request = bytes(_NETFILTER_HEADER_BYTES)
        return [connection(message) for message in netfilter.dump(request, _CT_GET)]


def connection(message: bytes) -> Connection:
    """A notification may lack the timeout."""
    found = attributes(message, HEADER_BYTES + _NETFILTER_HEADER_BYTES)
    original = _nested(found, _CTA_ORIGINAL)
    protocol = _big(_nested(original, _CTA_TUPLE_PROTO)[_CTA_PROTO_NUM])
    timeout = found.get(_CTA_TIMEOUT)
    return Connection(
        _big(found[_CTA_ID]),
        _PROTOCOLS.get(protocol, str(protocol)),
        _flow(original),
        _flow(_nested(found, _CTA_REPLY)),
        _state(found),
        None if timeout is None else _big(timeout),
    )


def _state(found: dict[int, bytes]) -> str:
    tcp = _nested(_nested(found, _CTA_PROTOINFO), _CTA_PROTOINFO_TCP)
    if tcp:
        number = _big(tcp[_CTA_PROTOINFO_TCP_STATE])
        return _TCP_STATES.get(number, str(number))
    status = _big(found.get(_CTA_STATUS, b""))
    if status & _IPS_ASSURED:
        return "assured"
    return "replied" if status & _IPS_SEEN_REPLY else "unreplied"


def _flow(side: dict[int, bytes]) -> Flow:
    ip, protocol = _nested(side, _CTA_TUPLE_IP), _nested(side, _CTA_TUPLE_PROTO)
    source, target = protocol.get(_CTA_PROTO_SRC_PORT), protocol.get(_CTA_PROTO_DST_PORT)
    identifier = _first(protocol, _CTA_PROTO_ICMP_IDS)
    return Flow(
        _address(ip, _CTA_IP_SOURCES),
        _address(ip, _CTA_IP_TARGETS),
        None if source is None else _big(source),
        None if target is None else _big(target),
        None if identifier is None else _big(identifier),
    )


def _address(ip: dict[int, bytes], kinds: tuple[int, int]) -> IPAddress:
    return ip_address(_first(ip, kinds) or bytes(4))


def _first(found: dict[int, bytes], kinds: tuple[int, int]) -> bytes | None:
    return next((found[kind] for kind in kinds if kind in found), None)


def _nested(found: dict[int, bytes], kind: int) -> dict[int, bytes]:
    """The attributes in an attribute; none where it is not there."""
    return attributes(found.get(kind, b""))


def _behind(message: bytes, form: struct.Struct) -> dict[int, bytes]:
    """The attributes behind a message's headers."""
    return attributes(message, HEADER_BYTES + form.size)


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _name(index: int, names: Names) -> str:
    """An interface may have come or gone between two dumps."""
    return names.get(index, f"if{index}")
