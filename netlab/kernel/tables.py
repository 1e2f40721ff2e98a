"""The tables of one namespace: addresses, neighbours, a switch's addresses, routes, connections.

A reader dumps a whole table; the decoder beside it makes a row of one
message, of a dump or of a notification.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_CTNETLINK
from pyroute2.netlink.nfnetlink.nfctsocket import (
    IPCTNL_MSG_CT_GET,
    IPS_ASSURED,
    IPS_SEEN_REPLY,
    TCP_CONNTRACK_TO_NAME,
    nfct_msg,
)
from pyroute2.netlink.rtnl import (
    RTM_GETADDR,
    RTM_GETNEIGH,
    RTM_GETROUTE,
    rt_proto,
    rt_scope,
    rt_type,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netlab.kernel import netns
from netlab.kernel.netlink import NETFILTER, Netlink
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
_MAIN_TABLE = 254
_RTNH_DEAD_OR_LINKDOWN = 1 | 16
_RTM_F_CLONED = 0x200
_NOT_USABLE = 0x40 | 0x08
"""IFA_F_TENTATIVE, IFA_F_DADFAILED: somebody else may have it, or has it (RFC 4862)."""
_EVERYWHERE = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
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
_COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_PROTOCOLS = {
    number: name.removeprefix("IPPROTO_").lower()
    for name, number in vars(socket).items()
    if name in ("IPPROTO_ICMP", "IPPROTO_ICMPV6", "IPPROTO_TCP", "IPPROTO_UDP", "IPPROTO_GRE")
}


def read_neighbours(
    netlink: Netlink, names: Names, family: int = socket.AF_UNSPEC
) -> Iterator[Neighbour]:
    """What ARP (and IPv6's own) has found out, or tries to, and what was entered by hand."""
    request = ndmsg()
    request["family"] = family
    rows = (neighbour(message, names) for message in netlink.dump(request, RTM_GETNEIGH))
    return (row for row in rows if row)


def neighbour(message: Any, names: Names) -> Neighbour | None:
    """None for what needs no question: loopback, multicast."""
    address, state = message.get_attr("NDA_DST"), _NUD.get(message["state"], "none")
    if address is None or state in ("noarp", "none"):
        return None
    mac = message.get_attr("NDA_LLADDR") or ""
    return Neighbour(_name(message["ifindex"], names), ip_address(address), mac, state)


def read_fdb(netlink: Netlink, names: Names) -> Iterator[FdbEntry]:
    """Every MAC address that the switches of the namespace know."""
    request = ndmsg()
    request["family"] = BRIDGE_FAMILY
    rows = (fdb_entry(message, names) for message in netlink.dump(request, RTM_GETNEIGH))
    return (row for row in rows if row)


def fdb_entry(message: Any, names: Names) -> FdbEntry | None:
    """None for a device's own list, of multicast addresses that it listens to."""
    bridge, mac = message.get_attr("NDA_MASTER"), message.get_attr("NDA_LLADDR")
    if bridge is None or mac is None:
        return None
    return FdbEntry(
        _name(bridge, names),
        mac,
        _name(message["ifindex"], names),
        learnt=not message["state"] & _NUD_PERMANENT,
        vlan=message.get_attr("NDA_VLAN") or 0,
    )


def read_addresses(netlink: Netlink, names: Names) -> Iterator[AddressRow]:
    """Every address of both versions that the machine can be reached at."""
    rows = (address(message, names) for message in netlink.dump(ifaddrmsg(), RTM_GETADDR))
    return (row for row in rows if row)


def address(message: Any, names: Names) -> AddressRow | None:
    """None for the loopback's own, and for one that the machine does not use, or not yet."""
    text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    found = ip_interface(f"{text}/{message['prefixlen']}")
    flags = message.get_attr("IFA_FLAGS") or message["flags"]
    if found.ip.is_loopback or (found.version == 6 and flags & _NOT_USABLE):
        return None
    return _name(message["index"], names), found


def read_routes(netlink: Netlink, names: Names) -> Iterator[RouteRow]:
    """The main tables of IPv4 and IPv6, each in the kernel's order."""
    for family in _EVERYWHERE:
        request = rtmsg()
        request["family"] = family
        rows = (route(message, names) for message in netlink.dump(request, RTM_GETROUTE))
        yield from (row for row in rows if row)


def route(message: Any, names: Names) -> RouteRow | None:
    """None for a route of another table, and for what the kernel has only cached."""
    table = message.get_attr("RTA_TABLE") or message["table"]
    everywhere = _EVERYWHERE.get(message["family"])
    if everywhere is None or table != _MAIN_TABLE or message["flags"] & _RTM_F_CLONED:
        return None
    source = message.get_attr("RTA_PREFSRC")
    return RouteRow(
        ip_network((message.get_attr("RTA_DST") or everywhere, message["dst_len"])),
        tuple(_hops(message, names)),
        rt_type.get(message["type"], str(message["type"])),
        ip_address(source) if source else None,
        message.get_attr("RTA_PRIORITY") or 0,
        rt_proto.get(message["proto"], str(message["proto"])),
        rt_scope.get(message["scope"], str(message["scope"])).replace("universe", "global"),
        bool(message["flags"] & _RTNH_DEAD_OR_LINKDOWN),
    )


def _hops(message: Any, names: Names) -> Iterator[Hop]:
    several = message.get_attr("RTA_MULTIPATH")
    for one in several or [message]:
        index = one["oif"] if several else message.get_attr("RTA_OIF")
        gateway = one.get_attr("RTA_GATEWAY")
        if index:
            yield Hop(ip_address(gateway) if gateway else None, _name(index, names))


def read_connections(namespace: str) -> list[Connection]:
    """What connection tracking remembers; nothing where no rule needs it.

    All namespaces of a machine share one table, and a dump walks through the
    whole of it (10 ms): so it is counted first.
    """
    with netns.inside(namespace):
        if not _COUNT.exists() or _COUNT.read_text().strip() == "0":
            return []
        netfilter = Netlink(NETFILTER)
    with closing(netfilter):
        kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET
        return [connection(message) for message in netfilter.dump(nfct_msg(), kind)]


def connection(message: Any) -> Connection:
    """A notification may lack the timeout."""
    original = message.get_attr("CTA_TUPLE_ORIG")
    number = original.get_attr("CTA_TUPLE_PROTO").get_attr("CTA_PROTO_NUM")
    return Connection(
        message.get_attr("CTA_ID"),
        _PROTOCOLS.get(number, str(number)),
        _flow(original),
        _flow(message.get_attr("CTA_TUPLE_REPLY")),
        _state(message),
        message.get_attr("CTA_TIMEOUT"),
    )


def _state(message: Any) -> str:
    details = message.get_attr("CTA_PROTOINFO")
    tcp = details and details.get_attr("CTA_PROTOINFO_TCP")
    if tcp:
        number = tcp.get_attr("CTA_PROTOINFO_TCP_STATE")
        return str(TCP_CONNTRACK_TO_NAME.get(number, number))
    status = message.get_attr("CTA_STATUS") or 0
    if status & IPS_ASSURED:
        return "assured"
    return "replied" if status & IPS_SEEN_REPLY else "unreplied"


def _flow(side: Any) -> Flow:
    ip, protocol = side.get_attr("CTA_TUPLE_IP"), side.get_attr("CTA_TUPLE_PROTO")
    return Flow(
        _address(ip, "SRC"),
        _address(ip, "DST"),
        protocol.get_attr("CTA_PROTO_SRC_PORT"),
        protocol.get_attr("CTA_PROTO_DST_PORT"),
        _first(protocol.get_attr("CTA_PROTO_ICMP_ID"), protocol.get_attr("CTA_PROTO_ICMPV6_ID")),
    )


def _first(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)


def _address(ip: Any, end: str) -> IPAddress:
    return ip_address(ip.get_attr(f"CTA_IP_V4_{end}") or ip.get_attr(f"CTA_IP_V6_{end}"))


def _name(index: int, names: Names) -> str:
    """An interface may have come or gone between two dumps."""
    return names.get(index, f"if{index}")
