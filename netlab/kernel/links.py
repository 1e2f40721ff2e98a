"""Bridges, cables, addresses and routes: made by netlink messages, read back by dumps (rtnetlink(7))."""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from socket import AF_INET, AF_INET6, AF_UNSPEC
from typing import TYPE_CHECKING

from netlab.frozen import frozen
from netlab.kernel.netlink import (
    CREATE,
    HEADER_BYTES,
    Netlink,
    NoInterface,
    Refused,
    attribute,
    attributes,
)
from netlab.kernel.netns import MARK
from netlab.plan.nouns import Address, Bridge, Cable, End, Route

if TYPE_CHECKING:
    from netlab.kernel.rows import Names

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30

_IFA_F_NODAD = 2
_ABSENT = (errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENOENT)
_AGEING = 30_000
"""Hundredths of a second: the kernel's usual 5 minutes."""
_IFF_UP = 1
_BY_HAND = 1 << 7 | 1 << 8 | 1 << 9
"""IFF_NOARP, IFF_PROMISC, IFF_ALLMULTI: the last two show only what a person has set."""
_IFF_LOWER_UP = 1 << 16
LOOPBACK_INDEX = 1
_LOOPBACK_4, _LOOPBACK_6 = 127, bytes(15) + b"\1"
"""127.0.0.0/8 and ::1."""
_RT_TABLE_MAIN = 254
_RTPROT_UNSPEC, _RTPROT_STATIC = 0, 4
_RTN_UNICAST = 1

# Attributes, from linux/if_link.h, if_addr.h, rtnetlink.h and veth.h.
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10
_IFLA_QDISC, _IFLA_LINKINFO, _IFLA_NET_NS_FD, _IFLA_EXT_MASK = 6, 18, 28, 29
_IFLA_NUM_TX_QUEUES, _IFLA_NUM_RX_QUEUES = 31, 32
_IFLA_AF_SPEC, _IFLA_INET_CONF, _DEVCONF_TAG = 26, 1, 12
_WANTED = frozenset(
    (_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_QDISC, _IFLA_MASTER, _IFLA_LINKINFO)
)
_RTEXT_FILTER_SKIP_STATS = 1 << 3
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_INFO_PEER = 1
_BR_AGEING_TIME, _BR_STP_STATE, _BR_VLAN_FILTERING = 4, 5, 7
_BRPORT_STATE, _BRPORT_ISOLATED = 1, 33
_FORWARDING = 3
"""BR_STATE_FORWARDING."""
_USUAL_PORT = {4: 0, 5: 0, 6: 0, 8: 1, 9: 1, 27: 1, 30: 1, 32: 0, _BRPORT_ISOLATED: 0}
"""What a new port of a bridge has of IFLA_BRPORT_: hairpin mode, guard, protect (root block), learning,
three kinds of flooding, suppression of ARP, isolation."""
_OF_PORTS = frozenset((_BRPORT_STATE, *_USUAL_PORT))
_OF_BRIDGES = frozenset((_BR_AGEING_TIME, _BR_STP_STATE, _BR_VLAN_FILTERING))
_USUAL = {
    "with spanning tree": (_BR_STP_STATE, bytes(4)),
    "with VLANs": (_BR_VLAN_FILTERING, b"\0"),
}
"""What a new bridge has, by what one that has not is called."""
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 1, 4, 5, 6

_LINK = struct.Struct("BxHiII")
"""ifinfomsg: family, type, index, flags, which flags to change."""
_ADDRESS = struct.Struct("BBBBi")
"""ifaddrmsg: family, prefix length, flags, scope, index."""
ROUTE = struct.Struct("BBBBBBBBI")
"""rtmsg: family, prefix lengths of target and source, TOS, table, protocol, scope, type, flags."""
NEIGHBOUR = struct.Struct("BxxxiHBB")
"""ndmsg: family, index, state, flags, type."""
NDA_DST = 1


@frozen
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
    plain: bool = True
    """Without settings that only a person gives it: no ARP, promiscuous, a port that learns nothing, …"""
    blocked: bool = False
    """A switch port that has carrier and lets nothing through: spanning tree, or a person."""
    oddities: tuple[str, ...] = ()
    """Settings of a bridge that no plan gives it, in words."""
    queue: str = field(default="", compare=False)
    """The kind of its root queueing discipline. No change of the interface: it has its own messages."""


def loopback_up(netlink: Netlink) -> None:
    """Bring up `lo`, with netlab's mark on it."""
    mark = attribute(_DEVCONF_TAG, _number(MARK))
    family = attribute(AF_INET, attribute(_IFLA_INET_CONF, mark))
    netlink.request(_link(attribute(_IFLA_AF_SPEC, family), index=LOOPBACK_INDEX), RTM_NEWLINK)


def renew_loopback(netlink: Netlink) -> None:
    """Give `lo` its name, and 127.0.0.1, which it gets when it comes up and has no address."""
    name = attribute(_IFLA_IFNAME, _text("lo"))
    netlink.request(_link(index=LOOPBACK_INDEX, up=False), RTM_NEWLINK)
    netlink.request(_link(name, index=LOOPBACK_INDEX), RTM_NEWLINK)


def create_bridge(netlink: Netlink, bridge: Bridge) -> None:
    """A switch without spanning tree."""
    message = _link(
        attribute(_IFLA_IFNAME, _text(bridge.name)),
        attribute(_IFLA_ADDRESS, _mac(bridge.mac)),
        _bridge(bridge),
    )
    netlink.request(message, RTM_NEWLINK, CREATE)


def alter_bridge(netlink: Netlink, old: Bridge, new: Bridge) -> None:
    """Make a hub of a switch, or the other way round; what it has learnt is forgotten at once.

    It is switched on, and what is odd of the old one is set back.
    """
    mac = attribute(_IFLA_ADDRESS, _mac(new.mac))
    # No others: a kernel may be built without what they are about.
    usual = (attribute(*setting) for oddity, setting in _USUAL.items() if oddity in old.oddities)
    message = _link(mac, _bridge(new, *usual), index=netlink.index(new.name))
    netlink.request(message, RTM_NEWLINK)


def _bridge(bridge: Bridge, *settings: bytes) -> bytes:
    """With an ageing time of 0, a bridge learns nothing (br_fdb_update)."""
    ageing = attribute(_BR_AGEING_TIME, _number(0 if bridge.hub else _AGEING))
    return _kind("bridge", ageing, *settings)


def create_cable(cable: Cable, one: Netlink, other: Netlink, descriptors: dict[str, int]) -> None:
    """A veth pair with both ends in place, up and plugged in; `descriptors` are the namespaces'.

    Two messages: veth refuses to bring up the peer before the pair is complete
    (veth_open: ENOTCONN), so the far end comes up by a message of its own.
    """
    near, far = cable.one, cable.other
    peer = attribute(_VETH_INFO_PEER, _LINK.pack(0, 0, 0, 0, 0), _end(far, cable.mtu, descriptors))
    ends = (_end(near, cable.mtu, descriptors), _master(near, one), _kind("veth", peer))
    one.request(_link(*ends, up=near.up), RTM_NEWLINK, CREATE)
    there = other.index(far.interface)
    other.request(_link(_master(far, other), index=there, up=far.up), RTM_NEWLINK)


def switch_cable(cable: Cable, one: Netlink, other: Netlink) -> None:
    """Both ends of a cable that is there, off or on as they are to be."""
    for end, netlink in ((cable.one, one), (cable.other, other)):
        netlink.request(_link(index=netlink.index(end.interface), up=end.up), RTM_NEWLINK)


def delete_interface(netlink: Netlink, name: str) -> None:
    """Remove a bridge, or a cable with both its ends. Forgives absence."""
    # By its name as it is now: somebody may have made another by that name.
    message = _LINK.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, _text(name))
    with forgiven_absence():
        netlink.request(message, RTM_DELLINK)
    netlink.forget(name)


def delete_address(netlink: Netlink, address: Address) -> None:
    """Remove an address. Forgives absence."""
    with forgiven_absence():
        netlink.request(_address_message(netlink, address), RTM_DELADDR)


def delete_addresses(netlink: Netlink, interface: str) -> None:
    """Remove every IPv4 address of an interface, and with them the routes over it."""
    names = {one.index: one.name for one in read_interfaces(netlink)}
    for one in list(read_addresses(netlink, "", names)):
        if one.interface == interface:
            delete_address(netlink, one)


def delete_route(netlink: Netlink, route: Route) -> None:
    """Remove a route, whoever made it. Forgives absence."""
    with forgiven_absence():
        netlink.request(_route_message(route, _RTPROT_UNSPEC), RTM_DELROUTE)


@contextmanager
def forgiven_absence(*errors: int) -> Iterator[None]:
    """What a block is to remove may have gone, its interface too; or the kernel says one of `errors`."""
    try:
        yield
    except NoInterface:
        pass
    except Refused as error:
        if error.errno not in (*_ABSENT, *errors):
            raise


def create_address(netlink: Netlink, address: Address) -> None:
    """Add an address with its broadcast address."""
    netlink.request(_address_message(netlink, address), RTM_NEWADDR, CREATE)


def _address_message(netlink: Netlink, address: Address) -> bytes:
    ip, network = address.address.packed, address.address.network
    six = address.address.version == 6
    family, flags = (AF_INET6, _IFA_F_NODAD) if six else (AF_INET, 0)
    index = netlink.index(address.interface)
    message = _ADDRESS.pack(family, network.prefixlen, flags, 0, index)
    message += attribute(_IFA_LOCAL, ip) + attribute(_IFA_ADDRESS, ip)
    if not six and network.prefixlen < 31:
        message += attribute(_IFA_BROADCAST, network.broadcast_address.packed)
    return message


def create_route(netlink: Netlink, route: Route) -> None:
    """Add a route to the main table."""
    netlink.request(_route_message(route), RTM_NEWROUTE, CREATE)


def _route_message(route: Route, protocol: int = _RTPROT_STATIC) -> bytes:
    family = AF_INET6 if route.gateway.version == 6 else AF_INET
    length, table = route.destination.prefixlen, _RT_TABLE_MAIN
    message = ROUTE.pack(family, length, 0, 0, table, protocol, 0, _RTN_UNICAST, 0)
    message += attribute(_RTA_GATEWAY, route.gateway.packed)
    message += attribute(_RTA_PRIORITY, _number(route.metric))
    if length:
        message += attribute(_RTA_DST, route.destination.network_address.packed)
    return message


def read_interfaces(netlink: Netlink) -> list[Interface]:
    """Every interface of the namespace."""
    request = _LINK.pack(0, 0, 0, 0, 0)
    request += attribute(_IFLA_EXT_MASK, _number(_RTEXT_FILTER_SKIP_STATS))
    return [interface(message) for message in netlink.dump(request, RTM_GETLINK)]


def read_addresses(netlink: Netlink, namespace: str, names: Names) -> Iterator[Address]:
    """Every IPv4 address but the loopback's own, as the plan has it."""
    return placed(addresses(netlink, AF_INET), namespace, names)


def placed(found: Iterable[FoundAddress], namespace: str, names: Names) -> Iterator[Address]:
    """Those addresses of a namespace that are IPv4's, as the plan has them."""
    for one in found:
        if one.address.version == 4:
            # An interface may have come between the two dumps.
            yield Address(namespace, names.get(one.index, "?"), one.address)


def read_routes(netlink: Netlink, namespace: str) -> Iterator[Route]:
    """IPv4 routes of the main table that go through a gateway, but not what a redirect has taught."""
    for found in gateway_routes(netlink, AF_INET):
        if found.protocol != _RTPROT_UNSPEC:
            yield Route(namespace, found.destination, found.gateway, found.metric)


@frozen
class FoundAddress:
    """An address, on the interface with this number."""

    index: int
    address: IPv4Interface | IPv6Interface
    flags: int
    """The first eight of if_addr.h."""


def addresses(netlink: Netlink, family: int = AF_UNSPEC) -> Iterator[FoundAddress]:
    """Every address of the namespace but the loopback's own; of both families, or of one."""
    messages = netlink.dump(_ADDRESS.pack(family, 0, 0, 0, 0), RTM_GETADDR)
    return (found for message in messages if (found := address(message)))


def address(message: bytes) -> FoundAddress | None:
    """The address that a message, with its header, is about; None for the loopback's own."""
    version, length, flags, _, index = _ADDRESS.unpack_from(message, HEADER_BYTES)
    if version not in (AF_INET, AF_INET6):  # A telephone's, where its module is loaded.
        return None
    found = attributes(message, HEADER_BYTES + _ADDRESS.size)
    # IPv4 has its own address in IFA_LOCAL, and a tunnel's other end in IFA_ADDRESS.
    own = found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]
    if own == _LOOPBACK_6 or (len(own) == 4 and own[0] == _LOOPBACK_4):
        return None
    return FoundAddress(index, ip_interface((own, length)), flags)


@frozen
class FoundRoute:
    """A route of the main table through one gateway, by the interface with this number."""

    destination: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address
    metric: int
    protocol: int
    """rtnetlink(7)'s number."""
    index: int


def gateway_routes(netlink: Netlink, family: int) -> Iterator[FoundRoute]:
    """Every such route of the namespace."""
    for message in netlink.dump(ROUTE.pack(family, *bytes(8)), RTM_GETROUTE):
        _, length, _, _, table, protocol, *_ = ROUTE.unpack_from(message, HEADER_BYTES)
        if table != _RT_TABLE_MAIN:  # One beyond 255 has its number in an attribute, and 252 there.
            continue
        found = attributes(message, HEADER_BYTES + ROUTE.size)
        if gateway := found.get(_RTA_GATEWAY):
            anywhere = bytes(len(gateway))
            yield FoundRoute(
                ip_network((found.get(_RTA_DST, anywhere), length)),
                ip_address(gateway),
                number(found.get(_RTA_PRIORITY)),
                protocol,
                number(found.get(_RTA_OIF)),
            )


def _link(*settings: bytes, index: int = 0, up: bool = True) -> bytes:
    """An RTM_NEWLINK message that leaves the interface up, or down."""
    return _LINK.pack(0, 0, index, _IFF_UP if up else 0, _IFF_UP) + b"".join(settings)


def _end(end: End, mtu: int, descriptors: dict[str, int]) -> bytes:
    return b"".join(
        (
            attribute(_IFLA_IFNAME, _text(end.interface)),
            attribute(_IFLA_MTU, _number(mtu)),
            attribute(_IFLA_NET_NS_FD, _number(descriptors[end.namespace])),
            # A veth uses one of each unless told otherwise, but makes one for each processor, and
            # switching the others off again waits for all processors (synchronize_net).
            attribute(_IFLA_NUM_TX_QUEUES, _number(1)),
            attribute(_IFLA_NUM_RX_QUEUES, _number(1)),
            attribute(_IFLA_ADDRESS, _mac(end.mac)) if end.mac else b"",
        )
    )


def _master(end: End, netlink: Netlink) -> bytes:
    return attribute(_IFLA_MASTER, _number(netlink.index(end.bridge))) if end.bridge else b""


def _kind(name: str, *data: bytes) -> bytes:
    """What a new interface is, with what its kind wants to know."""
    told = attribute(_INFO_DATA, *data) if data else b""
    return attribute(_IFLA_LINKINFO, attribute(_INFO_KIND, _text(name)), told)


def _text(words: str) -> bytes:
    return words.encode() + b"\0"


def _number(value: int) -> bytes:
    return struct.pack("I", value)


def _mac(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


def interface(message: bytes) -> Interface:
    """The interface that a message, with its header, is about."""
    _, _, index, flags, _ = _LINK.unpack_from(message, HEADER_BYTES)
    found = attributes(message, HEADER_BYTES + _LINK.size, _WANTED)
    info = attributes(found.get(_IFLA_LINKINFO, b""))
    kind = _word(info.get(_INFO_KIND))
    own = attributes(info.get(_INFO_DATA, b""), 0, _OF_BRIDGES) if kind == "bridge" else {}
    # The data of another kind of master (a bond) is no port's.
    switched = _word(info.get(_INFO_SLAVE_KIND)) == "bridge"
    port = attributes(info.get(_INFO_SLAVE_DATA, b""), 0, _OF_PORTS) if switched else {}
    up = _IFF_UP | _IFF_LOWER_UP
    running = flags & up == up
    return Interface(
        name=_word(found[_IFLA_IFNAME]),
        index=index,
        peer_index=number(found.get(_IFLA_LINK)),
        kind=kind,
        mac=found.get(_IFLA_ADDRESS, b"").hex(":"),
        mtu=number(found.get(_IFLA_MTU)),
        master=number(found.get(_IFLA_MASTER)),
        up=bool(flags & _IFF_UP),
        running=running,
        hub=own.get(_BR_AGEING_TIME) == bytes(4),
        plain=not flags & _BY_HAND
        and all(number(port[key]) == usual for key, usual in _USUAL_PORT.items() if key in port),
        blocked=switched and running and number(port.get(_BRPORT_STATE)) != _FORWARDING,
        oddities=tuple(_oddities(own, bool(flags & _IFF_UP))) if kind == "bridge" else (),
        isolated=port.get(_BRPORT_ISOLATED) == b"\1",
        queue=_word(found.get(_IFLA_QDISC)),
    )


def _oddities(bridge: dict[int, bytes], up: bool) -> Iterator[str]:
    if not up:
        yield "off"
    for oddity, (kind, usual) in _USUAL.items():
        if bridge.get(kind, usual) != usual:
            yield oddity
    if number(bridge.get(_BR_AGEING_TIME)) not in (0, _AGEING):
        yield "with another ageing time"


def _word(data: bytes | None) -> str:
    return os.fsdecode((data or b"").rstrip(b"\0"))  # A name may be any bytes.


def number(data: bytes | None) -> int:
    """What an attribute of rtnetlink says; zero for one that is not there."""
    return int.from_bytes(data or b"", sys.byteorder)


def try_kind(kind: str) -> None:
    """Make an interface of a kind in the present namespace. Raises Refused."""
    netlink = Netlink()
    try:
        netlink.request(_link(_kind(kind)), RTM_NEWLINK, CREATE)
    finally:
        netlink.close()
