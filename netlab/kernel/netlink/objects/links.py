"""Interfaces: `lo`, bridges, and cables, which are veth pairs (rtnetlink(7))."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from functools import cache
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK
from pyroute2.netlink.rtnl.ifinfmsg import (
    IFF_ALLMULTI,
    IFF_LOWER_UP,
    IFF_NOARP,
    IFF_PROMISC,
    IFF_UP,
    ifinfmsg,
)

from netlab.frozen import frozen
from netlab.kernel.namespaces.netns import MARK
from netlab.kernel.netlink import codec
from netlab.kernel.netlink.channel import Netlink, NoInterface, Refused
from netlab.kernel.netlink.codec import Body, Reader, Template, encode
from netlab.kernel.netlink.missing import (
    BR_STATE_FORWARDING,
    RTEXT_FILTER_SKIP_STATS,
    link_settings_msg,
)
from netlab.plan.resources import Bridge, Cable

NEW = NLM_F_CREATE | NLM_F_EXCL
"""It must not be there yet."""
LOOPBACK_INDEX = 1
_ABSENT = (errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENOENT)
_AGEING = 30_000
"""Hundredths of a second: the kernel's usual 5 minutes."""
_BY_HAND = IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI
"""The last two show only what a person has set."""
_USUAL_PORT = {
    "IFLA_BRPORT_MODE": 0,
    "IFLA_BRPORT_GUARD": 0,
    "IFLA_BRPORT_PROTECT": 0,
    "IFLA_BRPORT_LEARNING": 1,
    "IFLA_BRPORT_UNICAST_FLOOD": 1,
    "IFLA_BRPORT_MCAST_FLOOD": 1,
    "IFLA_BRPORT_BCAST_FLOOD": 1,
    "IFLA_BRPORT_NEIGH_SUPPRESS": 0,
    "IFLA_BRPORT_ISOLATED": 0,
}
"""What a new port of a bridge has: hairpin mode, guard, root block, learning, three kinds of flooding,
suppression of ARP, isolation."""
_USUAL_BRIDGE = {
    "with spanning tree": ("IFLA_BR_STP_STATE", 0),
    "with VLANs": ("IFLA_BR_VLAN_FILTERING", 0),
}
"""What a new bridge has, by what one that has not is called."""

_LINK = Reader(
    ifinfmsg,
    ("index", "flags"),
    (
        *("IFLA_ADDRESS", "IFLA_IFNAME", "IFLA_MTU", "IFLA_LINK", "IFLA_QDISC", "IFLA_MASTER"),
        "IFLA_LINKINFO",
    ),
)
_INFO = Reader(
    ifinfmsg.ifinfo,
    attributes=("IFLA_INFO_KIND", "IFLA_INFO_DATA", "IFLA_INFO_SLAVE_KIND", "IFLA_INFO_SLAVE_DATA"),
)
_BRIDGE = Reader(
    ifinfmsg.ifinfo.bridge_data,
    attributes=("IFLA_BR_AGEING_TIME", *(name for name, _ in _USUAL_BRIDGE.values())),
)
_PORT = Reader(ifinfmsg.ifinfo.bridge_slave_data, attributes=("IFLA_BRPORT_STATE", *_USUAL_PORT))

_EVERY_LINK = Template(ifinfmsg, {"attrs": [("IFLA_EXT_MASK", RTEXT_FILTER_SKIP_STATS)]})


def _link(*attributes: tuple[str, Any], up: bool = True, **fields: Any) -> Body:
    """A message that leaves an interface on, or off."""
    return {**fields, "flags": IFF_UP * up, "change": IFF_UP, "attrs": [*attributes]}


def _kind(name: str, *settings: tuple[str, Any]) -> tuple[str, Any]:
    """What an interface is, with what its kind wants to know."""
    info: list[tuple[str, Any]] = [("IFLA_INFO_KIND", name)]
    if settings:
        info.append(("IFLA_INFO_DATA", {"attrs": [*settings]}))
    return "IFLA_LINKINFO", {"attrs": info}


_INDEX, _SWITCH = codec.number("index"), ("IFLA_MASTER", codec.number("switch"))
_SWITCHED = {up: Template(ifinfmsg, _link(up=up, index=_INDEX)) for up in (True, False)}
"""On, off."""
_PLUGGED_IN = {up: Template(ifinfmsg, _link(_SWITCH, up=up, index=_INDEX)) for up in (True, False)}
"""On, off: a port of a switch."""
_TAGGED = {"attrs": [("IFLA_INET_CONF", {"attrs": [("IPV4_DEVCONF_TAG", MARK)]})]}
_MARKED_LOOPBACK = Template(
    link_settings_msg,
    _link(("IFLA_AF_SPEC", {"attrs": [("AF_INET", _TAGGED)]}), index=LOOPBACK_INDEX),
)
_NAMED = Template(ifinfmsg, {"attrs": [("IFLA_IFNAME", codec.text("name"))]})
_NEW_BRIDGE = Template(
    ifinfmsg,
    _link(
        ("IFLA_IFNAME", codec.text("name")),
        ("IFLA_ADDRESS", codec.mac("mac")),
        _kind("bridge", ("IFLA_BR_AGEING_TIME", codec.number("ageing"))),
    ),
)


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
    netlink.request(_MARKED_LOOPBACK.fill(), RTM_NEWLINK)


def renew_loopback(netlink: Netlink) -> None:
    """Give `lo` its name, and 127.0.0.1, which it gets when it comes up and has no address."""
    netlink.request(_SWITCHED[False].fill(index=LOOPBACK_INDEX), RTM_NEWLINK)
    renamed = {"index": LOOPBACK_INDEX, "attrs": [("IFLA_IFNAME", "lo")]}
    netlink.request(encode(ifinfmsg, renamed), RTM_NEWLINK)
    netlink.request(_SWITCHED[True].fill(index=LOOPBACK_INDEX), RTM_NEWLINK)


def create_bridge(netlink: Netlink, bridge: Bridge) -> None:
    """A switch without spanning tree."""
    message = _NEW_BRIDGE.fill(name=bridge.name, mac=bridge.mac, ageing=_ageing(bridge))
    netlink.request(message, RTM_NEWLINK, NEW)


def alter_bridge(netlink: Netlink, old: Bridge, new: Bridge) -> None:
    """Make a hub of a switch, or the other way round; what it has learnt is forgotten at once.

    It is switched on, and what is odd of the old one is set back.
    """
    # No others: a kernel may be built without what they are about.
    usual = [setting for oddity, setting in _USUAL_BRIDGE.items() if oddity in old.oddities]
    kind = _kind("bridge", ("IFLA_BR_AGEING_TIME", _ageing(new)), *usual)
    body = _link(("IFLA_ADDRESS", new.mac), kind, index=netlink.index(new.name))
    netlink.request(encode(ifinfmsg, body), RTM_NEWLINK)


def _ageing(bridge: Bridge) -> int:
    """With an ageing time of 0, a bridge learns nothing (br_fdb_update)."""
    return 0 if bridge.hub else _AGEING


def create_cable(
    cable: Cable, near_netlink: Netlink, far_netlink: Netlink, descriptors: dict[str, int]
) -> None:
    """A veth pair with both ends in place, up and plugged in; `descriptors` are the namespaces'.

    Two messages: veth refuses to bring up the peer before the pair is complete
    (veth_open: ENOTCONN), so the far end comes up by a message of its own.
    """
    near, far = cable.ends
    template = _new_cable(near.up, bool(near.mac), bool(far.mac), bool(near.bridge))
    message = template.fill(
        mtu=cable.mtu,
        name=near.interface,
        namespace=descriptors[near.namespace],
        mac=near.mac,
        switch=near_netlink.index(near.bridge) if near.bridge else 0,
        far_name=far.interface,
        far_namespace=descriptors[far.namespace],
        far_mac=far.mac,
    )
    near_netlink.request(message, RTM_NEWLINK, NEW)
    index = far_netlink.index(far.interface)
    if far.bridge:
        message = _PLUGGED_IN[far.up].fill(index=index, switch=far_netlink.index(far.bridge))
    else:
        message = _SWITCHED[far.up].fill(index=index)
    far_netlink.request(message, RTM_NEWLINK)


@cache
def _new_cable(up: bool, near_mac: bool, far_mac: bool, plugged_in: bool) -> Template:
    """Without a MAC address, the kernel takes one by chance."""
    peer = {"attrs": _end("far_", far_mac)}
    attributes = [*_end("", near_mac), _kind("veth", ("VETH_INFO_PEER", peer))]
    return Template(ifinfmsg, _link(*attributes, *([_SWITCH] * plugged_in), up=up))


def _end(which: str, with_mac: bool) -> list[tuple[str, Any]]:
    attributes = [
        ("IFLA_IFNAME", codec.text(f"{which}name")),
        ("IFLA_MTU", codec.number("mtu")),
        ("IFLA_NET_NS_FD", codec.number(f"{which}namespace")),
        # A veth uses one of each unless told otherwise, but makes one for each processor, and
        # switching the others off again waits for all processors (synchronize_net).
        ("IFLA_NUM_TX_QUEUES", 1),
        ("IFLA_NUM_RX_QUEUES", 1),
    ]
    return [*attributes, *([("IFLA_ADDRESS", codec.mac(f"{which}mac"))] if with_mac else [])]


def switch_cable(cable: Cable, near: Netlink, far: Netlink) -> None:
    """Both ends of a cable that is there, off or on as they are to be."""
    for end, netlink in zip(cable.ends, (near, far), strict=True):
        message = _SWITCHED[end.up].fill(index=netlink.index(end.interface))
        netlink.request(message, RTM_NEWLINK)


def delete_interface(netlink: Netlink, name: str) -> None:
    """Remove a bridge, or a cable with both its ends. Forgives absence."""
    # By its name as it is now: somebody may have made another by that name.
    with forgiven_absence():
        netlink.request(_NAMED.fill(name=name), RTM_DELLINK)
    netlink.forget(name)


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


def read(netlink: Netlink) -> list[Interface]:
    """Every interface of the namespace."""
    return [decode(message) for message in netlink.dump(_EVERY_LINK.fill(), RTM_GETLINK)]


def decode(message: bytes) -> Interface:
    """The interface that a message, with its header, is about."""
    index, flags = _LINK.fields(message)
    link = _LINK.attributes(message)
    info = _INFO.attributes(link.get("IFLA_LINKINFO", b""))
    kind = info.get("IFLA_INFO_KIND", "")
    bridge = _BRIDGE.attributes(info.get("IFLA_INFO_DATA", b"")) if kind == "bridge" else {}
    # The data of another kind of master (a bond) is no port's.
    switched = info.get("IFLA_INFO_SLAVE_KIND") == "bridge"
    port = _PORT.attributes(info.get("IFLA_INFO_SLAVE_DATA", b"")) if switched else {}
    running = flags & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP
    return Interface(
        name=link["IFLA_IFNAME"],
        index=index,
        peer_index=link.get("IFLA_LINK", 0),
        kind=kind,
        mac=link.get("IFLA_ADDRESS", b"").hex(":"),
        mtu=link.get("IFLA_MTU", 0),
        master=link.get("IFLA_MASTER", 0),
        up=bool(flags & IFF_UP),
        running=running,
        hub=bridge.get("IFLA_BR_AGEING_TIME") == 0,
        plain=not flags & _BY_HAND
        and all(port.get(name, usual) == usual for name, usual in _USUAL_PORT.items()),
        blocked=switched and running and port.get("IFLA_BRPORT_STATE") != BR_STATE_FORWARDING,
        oddities=tuple(_oddities(bridge, bool(flags & IFF_UP))) if kind == "bridge" else (),
        isolated=port.get("IFLA_BRPORT_ISOLATED") == 1,
        queue=link.get("IFLA_QDISC", ""),
    )


def _oddities(bridge: dict[str, Any], up: bool) -> Iterator[str]:
    if not up:
        yield "off"
    for oddity, (name, usual) in _USUAL_BRIDGE.items():
        if bridge.get(name, usual) != usual:
            yield oddity
    if bridge.get("IFLA_BR_AGEING_TIME", 0) not in (0, _AGEING):
        yield "with another ageing time"


def try_kind(kind: str) -> None:
    """Make an interface of a kind in the present namespace. Raises Refused."""
    netlink = Netlink()
    try:
        netlink.request(encode(ifinfmsg, _link(_kind(kind))), RTM_NEWLINK, NEW)
    finally:
        netlink.close()
