"""Bridges, cables, addresses and routes: made by netlink messages, read back by dumps."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netlab.kernel import tables
from netlab.kernel.netlink import CREATE, Netlink, Refused
from netlab.kernel.tables import Names
from netlab.plan.nouns import Address, Bridge, Cable, End, Route

_AF_INET, _AF_INET6 = 2, 10
_IFA_F_NODAD = 2
_ABSENT = (errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENOENT)
_AGEING = 30_000
"""Hundredths of a second: the kernel's usual 5 minutes."""
_IFF_UP = 1
_IFF_LOWER_UP = 1 << 16
_LOOPBACK_INDEX = 1
_RT_TABLE_MAIN = 254
_RTPROT_STATIC = 4
_RTN_UNICAST = 1


@dataclass(frozen=True)
class Interface:
    """An interface as the kernel shows it."""

    name: str
    index: int
    peer_index: int
    """Number of the cable's other end, in the other end's namespace; 0 for no cable."""
    kind: str
    """veth, bridge, … ; empty for lo."""
    mac: str
    mtu: int
    master: int
    up: bool
    running: bool
    """Up, with carrier: the cable's other end is up too."""
    isolated: bool = False
    """A switch port that reaches no other port of this kind."""
    hub: bool = False
    """A bridge that learns no addresses."""


def loopback_up(netlink: Netlink) -> None:
    """Bring up `lo`."""
    netlink.request(_link(index=_LOOPBACK_INDEX), RTM_NEWLINK)


def create_bridge(netlink: Netlink, bridge: Bridge) -> None:
    """A switch without spanning tree."""
    message = _link(
        ("IFLA_IFNAME", bridge.name),
        ("IFLA_ADDRESS", bridge.mac),
        ("IFLA_LINKINFO", _bridge(bridge)),
    )
    netlink.request(message, RTM_NEWLINK, CREATE)


def set_learning(netlink: Netlink, bridge: Bridge) -> None:
    """Make a hub of a switch, or the other way round; what it has learnt is forgotten at once."""
    message = _link(("IFLA_LINKINFO", _bridge(bridge)), index=netlink.index(bridge.name))
    netlink.request(message, RTM_NEWLINK)


def _bridge(bridge: Bridge) -> dict[str, Any]:
    """With an ageing time of 0, a bridge learns nothing (br_fdb_update)."""
    data = {"attrs": [("IFLA_BR_AGEING_TIME", 0 if bridge.hub else _AGEING)]}
    kind = _kind("bridge")
    return {"attrs": [*kind["attrs"], ("IFLA_INFO_DATA", data)]}


def create_cable(cable: Cable, one: Netlink, other: Netlink, descriptors: dict[str, int]) -> None:
    """A veth pair with both ends in place, up and plugged in; `descriptors` are the namespaces'.

    Two messages: veth refuses to bring up the peer before the pair is complete
    (veth_open: ENOTCONN), so the far end comes up by a message of its own.
    """
    near, far = cable.one, cable.other
    peer = {"attrs": _end(far, cable.mtu, descriptors)}
    kind = ("IFLA_LINKINFO", _kind("veth", peer))
    attributes = [*_end(near, cable.mtu, descriptors), *_master(near, one), kind]
    one.request(_link(*attributes, up=near.up), RTM_NEWLINK, CREATE)
    there = other.index(far.interface)
    other.request(_link(*_master(far, other), index=there, up=far.up), RTM_NEWLINK)


def switch_cable(cable: Cable, one: Netlink, other: Netlink) -> None:
    """Both ends of a cable that is there, off or on as they are to be."""
    for end, netlink in ((cable.one, one), (cable.other, other)):
        netlink.request(_link(index=netlink.index(end.interface), up=end.up), RTM_NEWLINK)


def delete_interface(netlink: Netlink, name: str) -> None:
    """Remove a bridge, or a cable with both its ends. Forgives absence."""
    message = ifinfmsg()
    message["index"] = netlink.index(name)
    _forgiving(netlink, message, RTM_DELLINK)
    netlink.forget(name)


def delete_address(netlink: Netlink, address: Address) -> None:
    """Remove an address. Forgives absence."""
    _forgiving(netlink, _address_message(netlink, address), RTM_DELADDR)


def delete_addresses(netlink: Netlink, interface: str) -> None:
    """Remove every IPv4 address of an interface, and with them the routes over it."""
    names = {one.index: one.name for one in read_interfaces(netlink)}
    for one in list(read_addresses(netlink, "", names)):
        if one.interface == interface:
            delete_address(netlink, one)


def delete_route(netlink: Netlink, route: Route) -> None:
    """Remove a route. Forgives absence."""
    _forgiving(netlink, _route_message(route), RTM_DELROUTE)


def _forgiving(netlink: Netlink, message: Any, kind: int) -> None:
    try:
        netlink.request(message, kind)
    except Refused as error:
        if error.errno not in _ABSENT:
            raise


def create_address(netlink: Netlink, address: Address) -> None:
    """Add an address with its broadcast address."""
    netlink.request(_address_message(netlink, address), RTM_NEWADDR, CREATE)


def _address_message(netlink: Netlink, address: Address) -> Any:
    message = ifaddrmsg()
    six = address.address.version == 6
    message["family"] = _AF_INET6 if six else _AF_INET
    message["flags"] = _IFA_F_NODAD if six else 0
    message["prefixlen"] = address.address.network.prefixlen
    message["index"] = netlink.index(address.interface)
    ip = str(address.address.ip)
    message["attrs"] = [("IFA_LOCAL", ip), ("IFA_ADDRESS", ip)]
    if not six and message["prefixlen"] < 31:
        broadcast = str(address.address.network.broadcast_address)
        message["attrs"].append(("IFA_BROADCAST", broadcast))
    return message


def create_route(netlink: Netlink, route: Route) -> None:
    """Add a route to the main table."""
    netlink.request(_route_message(route), RTM_NEWROUTE, CREATE)


def _route_message(route: Route) -> Any:
    message = rtmsg()
    message["family"] = _AF_INET6 if route.gateway.version == 6 else _AF_INET
    message["table"] = _RT_TABLE_MAIN
    message["proto"] = _RTPROT_STATIC
    message["type"] = _RTN_UNICAST
    message["dst_len"] = route.destination.prefixlen
    message["attrs"] = [("RTA_GATEWAY", str(route.gateway)), ("RTA_PRIORITY", route.metric)]
    if route.destination.prefixlen:
        message["attrs"].append(("RTA_DST", str(route.destination.network_address)))
    return message


def read_interfaces(netlink: Netlink) -> list[Interface]:
    """Every interface of the namespace."""
    return [interface(message) for message in netlink.dump(ifinfmsg(), RTM_GETLINK)]


def read_addresses(netlink: Netlink, namespace: str, names: Names) -> Iterator[Address]:
    """Every IPv4 address but the loopback's own, as the plan has it."""
    for interface_name, found in tables.read_addresses(netlink, names):
        if isinstance(found, IPv4Interface):
            yield Address(namespace, interface_name, found)


def read_routes(netlink: Netlink, namespace: str) -> Iterator[Route]:
    """IPv4 routes of the main table that go through a gateway, but not what a redirect has taught."""
    for row in tables.read_routes(netlink, {}):
        if row.protocol == "unspec":
            continue
        gateway = row.hops[0].gateway if len(row.hops) == 1 else None
        if isinstance(gateway, IPv4Address) and isinstance(row.destination, IPv4Network):
            yield Route(namespace, row.destination, gateway, row.metric)


def _link(*attributes: tuple[str, Any], index: int = 0, up: bool = True) -> Any:
    """An RTM_NEWLINK message that leaves the interface up, or down."""
    message = ifinfmsg()
    message["index"] = index
    message["flags"], message["change"] = _IFF_UP if up else 0, _IFF_UP
    message["attrs"] = list(attributes)
    return message


def _end(end: End, mtu: int, descriptors: dict[str, int]) -> list[tuple[str, Any]]:
    attributes: list[tuple[str, Any]] = [
        ("IFLA_IFNAME", end.interface),
        ("IFLA_MTU", mtu),
        ("IFLA_NET_NS_FD", descriptors[end.namespace]),
    ]
    return attributes + ([("IFLA_ADDRESS", end.mac)] if end.mac else [])


def _master(end: End, netlink: Netlink) -> list[tuple[str, Any]]:
    return [("IFLA_MASTER", netlink.index(end.bridge))] if end.bridge else []


def _kind(name: str, peer: Any = None) -> dict[str, Any]:
    attributes: list[tuple[str, Any]] = [("IFLA_INFO_KIND", name)]
    if peer is not None:
        attributes.append(("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", peer)]}))
    return {"attrs": attributes}


def interface(message: Any) -> Interface:
    """The interface that a message is about."""
    info = message.get_attr("IFLA_LINKINFO")
    up = _IFF_UP | _IFF_LOWER_UP
    # The data of another kind of master (a bond) is no port's.
    switched = info and info.get_attr("IFLA_INFO_SLAVE_KIND") == "bridge"
    port = info.get_attr("IFLA_INFO_SLAVE_DATA") if switched else None
    is_bridge = info and info.get_attr("IFLA_INFO_KIND") == "bridge"
    own = info.get_attr("IFLA_INFO_DATA") if is_bridge else None
    return Interface(
        name=message.get_attr("IFLA_IFNAME"),
        index=message["index"],
        peer_index=message.get_attr("IFLA_LINK") or 0,
        kind=info.get_attr("IFLA_INFO_KIND") if info else "",
        mac=message.get_attr("IFLA_ADDRESS") or "",
        mtu=message.get_attr("IFLA_MTU"),
        master=message.get_attr("IFLA_MASTER") or 0,
        up=bool(message["flags"] & _IFF_UP),
        running=message["flags"] & up == up,
        hub=bool(own and own.get_attr("IFLA_BR_AGEING_TIME") == 0),
        isolated=bool(port and port.get_attr("IFLA_BRPORT_ISOLATED")),
    )


def try_kind(kind: str) -> None:
    """Make an interface of a kind in the present namespace. Raises Refused."""
    netlink = Netlink()
    try:
        netlink.request(_link(("IFLA_LINKINFO", _kind(kind))), RTM_NEWLINK, CREATE)
    finally:
        netlink.close()
