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
"""Flags of a request to create an object: it must not be there yet."""
LOOPBACK_INDEX = 1
_ABSENT = (errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENOENT)
_AGEING = 30_000
"""Hundredths of a second: the kernel's usual 5 minutes."""
_MANUAL_FLAGS = IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI
"""Flags that only a person sets: the kernel shows the last two only if they were set by hand."""
_PORT_DEFAULTS = {
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
"""Settings of a new port of a bridge: hairpin mode, guard, root block, learning, three kinds of flooding,
suppression of ARP, isolation."""
_BRIDGE_DEFAULTS = {
    "with spanning tree": ("IFLA_BR_STP_STATE", 0),
    "with VLANs": ("IFLA_BR_VLAN_FILTERING", 0),
}
"""Settings of a new bridge, by the words for a bridge that has others."""

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
    attributes=("IFLA_BR_AGEING_TIME", *(name for name, _ in _BRIDGE_DEFAULTS.values())),
)
_PORT = Reader(ifinfmsg.ifinfo.bridge_slave_data, attributes=("IFLA_BRPORT_STATE", *_PORT_DEFAULTS))

ETHERNET_MTU = 1500
"""Bytes of an IP packet that machines send where nothing tells them otherwise (RFC 894)."""
_EVERY_LINK = Template(ifinfmsg, {"attrs": [("IFLA_EXT_MASK", RTEXT_FILTER_SKIP_STATS)]})


def _link(*attributes: tuple[str, Any], up: bool = True, **fields: Any) -> Body:
    """Return a message that leaves an interface up, or down."""
    return {**fields, "flags": IFF_UP * up, "change": IFF_UP, "attrs": [*attributes]}


def _kind(name: str, *settings: tuple[str, Any]) -> tuple[str, Any]:
    """Return the attribute with an interface's kind and the settings of that kind."""
    info: list[tuple[str, Any]] = [("IFLA_INFO_KIND", name)]
    if settings:
        info.append(("IFLA_INFO_DATA", {"attrs": [*settings]}))
    return "IFLA_LINKINFO", {"attrs": info}


_INDEX, _MASTER = codec.number("index"), ("IFLA_MASTER", codec.number("switch"))
_SET_UP = {up: Template(ifinfmsg, _link(up=up, index=_INDEX)) for up in (True, False)}
"""Up and down."""
_SET_MASTER = {up: Template(ifinfmsg, _link(_MASTER, up=up, index=_INDEX)) for up in (True, False)}
"""Up and down, as a port of a switch."""
_MARK_SETTING = {"attrs": [("IFLA_INET_CONF", {"attrs": [("IPV4_DEVCONF_TAG", MARK)]})]}
_MARKED_LOOPBACK = Template(
    link_settings_msg,
    _link(("IFLA_AF_SPEC", {"attrs": [("AF_INET", _MARK_SETTING)]}), index=LOOPBACK_INDEX),
)
_BY_NAME = Template(ifinfmsg, {"attrs": [("IFLA_IFNAME", codec.text("name"))]})
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
    """Number of the cable's other end, in that end's namespace; 0 for no cable."""
    kind: str
    """veth, bridge, … ; empty for lo."""
    mac: str
    mtu: int
    master: int
    up: bool
    running: bool
    """Up, with carrier: the cable's other end is up too."""
    isolated: bool = False
    """A switch port that reaches no other isolated port."""
    hub: bool = False
    """A bridge that learns no addresses."""
    plain: bool = True
    """Without settings that only a person gives it: no ARP, promiscuous, a port that learns nothing, …"""
    blocked: bool = False
    """A switch port with carrier that lets nothing through: by spanning tree, or by hand."""
    oddities: tuple[str, ...] = ()
    """Settings of a bridge that no plan gives it, in words."""
    queue: str = field(default="", compare=False)
    """The kind of its root queueing discipline. A change of it has messages of its own: not compared."""


def loopback_up(netlink: Netlink) -> None:
    """Bring up `lo`, with netlab's mark on it. Raises Refused."""
    netlink.request(_MARKED_LOOPBACK.fill(), RTM_NEWLINK)


def renew_loopback(netlink: Netlink) -> None:
    """Give `lo` its name, and 127.0.0.1, which it gets when it comes up and has no address."""
    netlink.request(_SET_UP[False].fill(index=LOOPBACK_INDEX), RTM_NEWLINK)
    renamed = {"index": LOOPBACK_INDEX, "attrs": [("IFLA_IFNAME", "lo")]}
    netlink.request(encode(ifinfmsg, renamed), RTM_NEWLINK)
    netlink.request(_SET_UP[True].fill(index=LOOPBACK_INDEX), RTM_NEWLINK)


def create_bridge(netlink: Netlink, bridge: Bridge) -> None:
    """Make a switch without spanning tree. Raises Refused."""
    message = _NEW_BRIDGE.fill(name=bridge.name, mac=bridge.mac, ageing=_ageing(bridge))
    netlink.request(message, RTM_NEWLINK, NEW)


def alter_bridge(netlink: Netlink, old: Bridge, new: Bridge) -> None:
    """Make a hub of a switch, or the other way round; it forgets at once all that it has learnt.

    It comes up, and the oddities of the old one are set back. Raises Refused.
    """
    # No other settings: a kernel may be built without them.
    defaults = [default for oddity, default in _BRIDGE_DEFAULTS.items() if oddity in old.oddities]
    kind = _kind("bridge", ("IFLA_BR_AGEING_TIME", _ageing(new)), *defaults)
    body = _link(("IFLA_ADDRESS", new.mac), kind, index=netlink.index(new.name))
    netlink.request(encode(ifinfmsg, body), RTM_NEWLINK)


def _ageing(bridge: Bridge) -> int:
    """Return the ageing time: with 0, a bridge learns nothing (br_fdb_update)."""
    return 0 if bridge.hub else _AGEING


def create_cable(
    cable: Cable, near_netlink: Netlink, far_netlink: Netlink, descriptors: dict[str, int]
) -> None:
    """Make a veth pair with both ends in place, up and plugged in; `descriptors` are the namespaces'.

    It takes two messages: veth refuses to bring up the peer before the pair is complete
    (veth_open: ENOTCONN), so the far end comes up by a message of its own. Raises Refused.
    """
    near, far = cable.ends
    narrow = cable.mtu < ETHERNET_MTU
    template = _new_cable(near.up, bool(near.mac), bool(far.mac), bool(near.bridge), narrow)
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
        message = _SET_MASTER[far.up].fill(index=index, switch=far_netlink.index(far.bridge))
    else:
        message = _SET_UP[far.up].fill(index=index)
    far_netlink.request(message, RTM_NEWLINK)


@cache
def _new_cable(up: bool, near_mac: bool, far_mac: bool, plugged_in: bool, narrow: bool) -> Template:
    """Return a message for a veth pair; the kernel chooses a MAC address by chance where none is given."""
    peer = {"attrs": _end("far_", far_mac, narrow)}
    attributes = [*_end("", near_mac, narrow), _kind("veth", ("VETH_INFO_PEER", peer))]
    return Template(ifinfmsg, _link(*attributes, *([_MASTER] * plugged_in), up=up))


def _end(prefix: str, with_mac: bool, narrow: bool) -> list[tuple[str, Any]]:
    attributes = [
        ("IFLA_IFNAME", codec.text(f"{prefix}name")),
        ("IFLA_MTU", codec.number("mtu")),
        ("IFLA_NET_NS_FD", codec.number(f"{prefix}namespace")),
        # By default, a veth uses one queue but makes one for each processor, and switching off
        # those it does not use waits for all processors (synchronize_net).
        ("IFLA_NUM_TX_QUEUES", 1),
        ("IFLA_NUM_RX_QUEUES", 1),
    ]
    if narrow:
        # Segments that a sender leaves to its card pass every bridge, however large (is_skb_forwardable):
        # here they are cut, and too large ones get lost.
        attributes.append(("IFLA_GSO_MAX_SEGS", 1))
    return [*attributes, *([("IFLA_ADDRESS", codec.mac(f"{prefix}mac"))] if with_mac else [])]


def switch_cable(cable: Cable, near: Netlink, far: Netlink) -> None:
    """Bring both ends of an existing cable up or down, as the plan has them. Raises Refused."""
    for end, netlink in zip(cable.ends, (near, far), strict=True):
        message = _SET_UP[end.up].fill(index=netlink.index(end.interface))
        netlink.request(message, RTM_NEWLINK)


def delete_interface(netlink: Netlink, name: str) -> None:
    """Remove a bridge, or a cable with both its ends. Forgives absence."""
    # By name, not by a remembered number: somebody may have made another interface of that name.
    with forgiven_absence():
        netlink.request(_BY_NAME.fill(name=name), RTM_DELLINK)
    netlink.forget(name)


@contextmanager
def forgiven_absence(*errors: int) -> Iterator[None]:
    """Run a block that removes an object, which (or whose interface) may be absent: so say `errors`, too."""
    try:
        yield
    except NoInterface:
        pass
    except Refused as error:
        if error.errno not in (*_ABSENT, *errors):
            raise


def read(netlink: Netlink) -> list[Interface]:
    """Read every interface of the namespace. Raises Refused."""
    return [decode(message) for message in netlink.dump(_EVERY_LINK.fill(), RTM_GETLINK)]


def decode(message: bytes) -> Interface:
    """Decode an interface from a message with its header."""
    index, flags = _LINK.fields(message)
    link = _LINK.attributes(message)
    info = _INFO.attributes(link.get("IFLA_LINKINFO", b""))
    kind = info.get("IFLA_INFO_KIND", "")
    bridge = _BRIDGE.attributes(info.get("IFLA_INFO_DATA", b"")) if kind == "bridge" else {}
    # The data of another kind of master (a bond) is no port's.
    is_port = info.get("IFLA_INFO_SLAVE_KIND") == "bridge"
    port = _PORT.attributes(info.get("IFLA_INFO_SLAVE_DATA", b"")) if is_port else {}
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
        plain=not flags & _MANUAL_FLAGS
        and all(port.get(name, default) == default for name, default in _PORT_DEFAULTS.items()),
        blocked=is_port and running and port.get("IFLA_BRPORT_STATE") != BR_STATE_FORWARDING,
        oddities=tuple(_oddities(bridge, bool(flags & IFF_UP))) if kind == "bridge" else (),
        isolated=port.get("IFLA_BRPORT_ISOLATED") == 1,
        queue=link.get("IFLA_QDISC", ""),
    )


def _oddities(bridge: dict[str, Any], up: bool) -> Iterator[str]:
    if not up:
        yield "off"
    for oddity, (name, default) in _BRIDGE_DEFAULTS.items():
        if bridge.get(name, default) != default:
            yield oddity
    if bridge.get("IFLA_BR_AGEING_TIME", 0) not in (0, _AGEING):
        yield "with another ageing time"


def try_kind(kind: str) -> None:
    """Make an interface of a kind in the present namespace, to see if it works. Raises Refused."""
    netlink = Netlink()
    try:
        netlink.request(encode(ifinfmsg, _link(_kind(kind))), RTM_NEWLINK, NEW)
    finally:
        netlink.close()
