"""Routes of all tables, and the kernel's answer where it would send a packet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from ipaddress import IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6
from typing import Any

from pyroute2.netlink import NLM_F_APPEND, NLM_F_CREATE
from pyroute2.netlink.rtnl import (
    RTM_DELROUTE,
    RTM_GETROUTE,
    RTM_NEWROUTE,
    rt_proto,
    rt_scope,
    rt_type,
)
from pyroute2.netlink.rtnl.rtmsg import IP6_RT_PRIO_USER, RTNH_F_DEAD, RTNH_F_LINKDOWN, nh, rtmsg

from netlab.frozen import frozen
from netlab.kernel.netlink import codec
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import (
    FAMILIES,
    HEADER,
    VERSIONS,
    Reader,
    Template,
    encode,
    packing,
)
from netlab.kernel.netlink.missing import (
    IP6_RT_PRIO_ADDRCONF,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    RTM_F_CLONED,
    RTM_F_FIB_MATCH,
    RTM_F_LOOKUP_TABLE,
    route_question,
)
from netlab.kernel.netlink.objects.addresses import InterfaceAddress
from netlab.kernel.netlink.objects.links import NEW, forgiven_absence
from netlab.kernel.rows import IPAddress, IPNetwork
from netlab.plan.resources import Route

_UNSPECIFIED: dict[int, bytes] = {AF_INET: bytes(4), AF_INET6: bytes(16)}
"""0.0.0.0 and ::, by address family."""
IPV6_METRIC = IP6_RT_PRIO_USER
"""Metric of an IPv6 route that is made without one, and of a route from an advertisement."""
MULTICAST = IPv6Network("ff00::/8")
_MESSAGE = Reader(
    rtmsg,
    ("family", "dst_len", "tos", "table", "proto", "scope", "type", "flags"),
    (
        *("RTA_DST", "RTA_OIF", "RTA_GATEWAY", "RTA_PRIORITY", "RTA_PREFSRC", "RTA_MULTIPATH"),
        *("RTA_TABLE", "RTA_METRICS"),
    ),
)
_METRICS = Reader(rtmsg.metrics, attributes=("RTAX_MTU",))
_HOP = packing((*nh.cell_header, *nh.fields))
"""rtnexthop: length, flags, hops, index."""
_LENGTH_BYTES = packing(nh.cell_header).size
_HOP_ATTRIBUTES = Reader(nh, attributes=("RTA_GATEWAY",))
_EVERY = Template(rtmsg, {"family": 0})


@frozen
class KernelHop:
    """A next hop of a route: the number of its interface, and a gateway if the destination is behind one."""

    gateway: IPAddress | None
    index: int
    dead: bool = False
    """Its interface is off: the kernel takes another one."""


NOWHERE = KernelHop(None, 0)


@frozen
class KernelRoute:
    """A route of any table, as rtnetlink(7) describes it."""

    destination: IPNetwork
    hops: tuple[KernelHop, ...]
    """Several for a multipath route, none for one that goes nowhere."""
    table: int
    kind: str
    """unicast, local, blackhole, …; a number if it has no name."""
    protocol: str
    """The route's maker: kernel, boot, static, …; a number if it has no name."""
    scope: str
    source: IPAddress | None
    metric: int
    dead: bool
    """Its interface has lost its carrier."""
    cached: bool
    """The kernel has learnt it for one destination (a path MTU), and forgets it."""
    tos: int
    """The only TOS of packets by this route; 0: any."""
    body: bytes
    """The message, without its header: as a request, it removes the route, or puts it back."""
    mtu: int = 0
    """Bytes of an IP packet that it takes; 0: as many as its interface."""

    @property
    def main(self) -> bool:
        """True if it is in the main table, the one that `ip route` shows, and not cached."""
        return self.table == RT_TABLE_MAIN and not self.cached

    @property
    def gateway(self) -> IPAddress | None:
        """The gateway of a route with one hop."""
        return self.hops[0].gateway if len(self.hops) == 1 else None


def read(netlink: Netlink) -> list[KernelRoute]:
    """Read every route of IPv4 and IPv6, in the kernel's order. Raises Refused."""
    messages = netlink.dump(_EVERY.fill(), RTM_GETROUTE)
    return [route for message in messages if (route := decode(message))]


def decode(message: bytes) -> KernelRoute | None:
    """Decode a route from a message with its header; None if it is neither IPv4's nor IPv6's."""
    family, length, tos, table, protocol, scope, kind, flags = _MESSAGE.fields(message)
    if family not in VERSIONS:
        return None
    attributes = _MESSAGE.attributes(message)
    source = attributes.get("RTA_PREFSRC")
    return KernelRoute(
        _network(attributes.get("RTA_DST") or _UNSPECIFIED[family], length),
        tuple(_hops(attributes)),
        # A table's number beyond 255 is in the attribute alone.
        attributes.get("RTA_TABLE", table),
        str(rt_type.get(kind, kind)),
        str(rt_proto.get(protocol, protocol)),
        str(rt_scope.get(scope, scope)),
        ip_address(source) if source else None,
        attributes.get("RTA_PRIORITY", 0),
        bool(flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)),
        bool(flags & RTM_F_CLONED),
        tos,
        message[HEADER.size :],
        _mtu(attributes.get("RTA_METRICS", b"")),
    )


def _mtu(metrics: bytes) -> int:
    mtu: int = _METRICS.attributes(metrics).get("RTAX_MTU", 0) if metrics else 0
    return mtu


@lru_cache(4096)
def _network(address: bytes, length: int) -> IPNetwork:
    """Return a network, from memory: a lab has few subnets, and each of its machines a route to one."""
    return ip_network((address, length))


def _hops(route: dict[str, Any]) -> Iterator[KernelHop]:
    multipath = route.get("RTA_MULTIPATH", b"")
    while multipath:
        length, flags, _, index = _HOP.unpack_from(multipath)
        gateway = _HOP_ATTRIBUTES.attributes(multipath[_LENGTH_BYTES:length]).get("RTA_GATEWAY")
        dead = bool(flags & RTNH_F_DEAD)
        yield KernelHop(ip_address(gateway) if gateway else None, index, dead)
        multipath = multipath[(length + 3) & ~3 :]
    if index := route.get("RTA_OIF"):
        gateway = route.get("RTA_GATEWAY")
        yield KernelHop(ip_address(gateway) if gateway else None, index)


def create(netlink: Netlink, route: Route) -> None:
    """Add a route to the main table; one of IPv4, before others to its network. Raises Refused."""
    # As `ip route prepend`: a VPN's route comes before that of a vmnet's address.
    flags = NLM_F_CREATE if route.gateway.version == 4 else NEW
    netlink.request(_packed(route, rt_proto["static"]), RTM_NEWROUTE, flags)


def delete(netlink: Netlink, route: Route) -> None:
    """Remove a route, whoever made it. Forgives absence."""
    with forgiven_absence():
        netlink.request(_packed(route, rt_proto["unspec"]), RTM_DELROUTE)


def _packed(route: Route, protocol: int) -> bytes:
    length = route.destination.prefixlen
    return _template(route.gateway.version, bool(length), bool(route.mtu)).fill(
        length=length,
        protocol=protocol,
        gateway=route.gateway,
        metric=route.metric,
        mtu=route.mtu,
        destination=route.destination.network_address,
    )


@cache
def _template(version: int, to_network: bool, narrow: bool) -> Template:
    attributes: list[tuple[str, Any]] = [
        ("RTA_GATEWAY", codec.ip("gateway", version)),
        ("RTA_PRIORITY", codec.number("metric")),
    ]
    if to_network:
        attributes.append(("RTA_DST", codec.ip("destination", version)))
    if narrow:
        attributes.append(("RTA_METRICS", {"attrs": [("RTAX_MTU", codec.number("mtu"))]}))
    return Template(
        rtmsg,
        {
            "family": FAMILIES[version],
            "dst_len": codec.octet("length") if to_network else 0,
            "table": RT_TABLE_MAIN,
            "proto": codec.octet("protocol"),
            "type": rt_type["unicast"],
            "attrs": attributes,
        },
    )


def delete_found(netlink: Netlink, route: KernelRoute) -> None:
    """Remove a route of any table that was read from the kernel. Raises Refused."""
    netlink.request(route.body, RTM_DELROUTE)


def create_local(netlink: Netlink, address: InterfaceAddress) -> None:
    """Add the route by which a machine knows an address for its own. Raises Refused."""
    _restore(netlink, address, ip_network(address.address.ip), RT_TABLE_LOCAL, "local", "host")


def create_connected(netlink: Netlink, address: InterfaceAddress) -> None:
    """Add the route to the subnet of an address. Raises Refused."""
    _restore(netlink, address, address.address.network, RT_TABLE_MAIN, "unicast", "link")


def create_multicast(netlink: Netlink, address: InterfaceAddress) -> None:
    """Add IPv6's route to all groups, by the address' interface. Raises Refused."""
    _restore(netlink, address, MULTICAST, RT_TABLE_LOCAL, "multicast", "universe")


def _restore(
    netlink: Netlink,
    address: InterfaceAddress,
    destination: IPNetwork,
    table: int,
    kind: str,
    scope: str,
) -> None:
    """Add a route as the kernel makes it for an address, behind any other to the same network."""
    is_ipv6 = destination.version == 6
    attributes = [
        ("RTA_DST", str(destination.network_address)),
        ("RTA_OIF", address.index),
        ("RTA_PRIORITY", 0 if kind == "local" else IP6_RT_PRIO_ADDRCONF)
        if is_ipv6
        else ("RTA_PREFSRC", str(address.address.ip)),
    ]
    body = {
        "family": FAMILIES[destination.version],
        "dst_len": destination.prefixlen,
        "table": table,
        "proto": rt_proto["kernel"],
        "scope": rt_scope["universe" if is_ipv6 else scope],
        "type": rt_type[kind],
        "attrs": attributes,
    }
    netlink.request(encode(rtmsg, body), RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND)


def ask(
    netlink: Netlink, version: int, packet: Mapping[str, object], as_entered: bool = False
) -> KernelRoute:
    """Return the route that the kernel takes for a packet, by the rules and tables of the socket's namespace.

    `packet` has what is said of it: `target`, and perhaps `source`, `came_in` (the number of an interface;
    without it, it is the machine's own), `mark`, `tos`, `uid`, `protocol` (only TCP, UDP and the version's
    ICMP), `source_port` and `target_port`. `as_entered`: as the route stands in its table, with all of its
    next hops, rather than with the one that this packet takes (Linux 4.13). Raises Refused.
    """
    message = _question(version, frozenset(packet), as_entered).fill(**{"tos": 0, **packet})
    answer = decode(netlink.ask(message, RTM_GETROUTE))
    assert answer, "a route of the family that was asked for"
    return answer


@cache
def _question(version: int, given: frozenset[str], as_entered: bool) -> Template:
    family = FAMILIES[version]
    bits = 8 * len(_UNSPECIFIED[family])
    attributes = {
        "target": ("RTA_DST", codec.ip("target", version)),
        "source": ("RTA_SRC", codec.ip("source", version)),
        "came_in": ("RTA_IIF", codec.number("came_in")),
        "mark": ("RTA_MARK", codec.number("mark")),
        "uid": ("RTA_UID", codec.number("uid")),
        "protocol": ("RTA_IP_PROTO", codec.octet("protocol")),
        "source_port": ("RTA_SPORT", codec.port("source_port")),
        "target_port": ("RTA_DPORT", codec.port("target_port")),
    }
    table = RTM_F_LOOKUP_TABLE if version == 4 else 0
    return Template(
        route_question,
        {
            "family": family,
            "dst_len": bits,
            "src_len": bits * ("source" in given),
            "tos": codec.octet("tos"),
            "flags": (RTM_F_FIB_MATCH | table) * as_entered,
            "attrs": [attribute for name, attribute in attributes.items() if name in given],
        },
    )
