"""Interfaces' settings that nobody's plan has and that can end frames: XDP, no ARP, switch ports' flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pyroute2.netlink.rtnl import RTM_GETLINK
from pyroute2.netlink.rtnl.ifinfmsg import IFF_LOWER_UP, IFF_NOARP, IFF_UP, ifinfmsg

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import Reader, Template
from netlab.kernel.netlink.missing import (
    ARPHRD_ETHER,
    BR_STATE_FORWARDING,
    BR_STATES,
    RTEXT_FILTER_SKIP_STATS,
    link_counters,
)

PORT_FLAGS = {
    "learning": ("IFLA_BRPORT_LEARNING", 1),
    "flood": ("IFLA_BRPORT_UNICAST_FLOOD", 1),
    "mcast_flood": ("IFLA_BRPORT_MCAST_FLOOD", 1),
    "bcast_flood": ("IFLA_BRPORT_BCAST_FLOOD", 1),
    "hairpin": ("IFLA_BRPORT_MODE", 0),
    "isolated": ("IFLA_BRPORT_ISOLATED", 0),
    "locked": ("IFLA_BRPORT_LOCKED", 0),
    "neigh_suppress": ("IFLA_BRPORT_NEIGH_SUPPRESS", 0),
}
"""Flags of a switch's port by the words of bridge(8), with a new port's values."""
_XDP_MODES = {1: "xdp", 2: "xdpgeneric", 3: "xdpoffload", 4: "xdpmulti"}
"""IFLA_XDP_ATTACHED, by the words of ip-link(8)."""
_WITHOUT_ARP = ("dummy",)
"""Kinds of Ethernet interfaces that the kernel makes with IFF_NOARP."""
_LINK = Reader(
    ifinfmsg,
    ("ifi_type", "index", "flags"),
    ("IFLA_IFNAME", "IFLA_MASTER", "IFLA_LINKINFO", "IFLA_XDP"),
)
_INFO = Reader(
    ifinfmsg.ifinfo, attributes=("IFLA_INFO_KIND", "IFLA_INFO_SLAVE_KIND", "IFLA_INFO_SLAVE_DATA")
)
_PORT = Reader(
    ifinfmsg.ifinfo.bridge_slave_data,
    attributes=("IFLA_BRPORT_STATE", *(name for name, _ in PORT_FLAGS.values())),
)
_XDP = Reader(ifinfmsg.xdp, attributes=("IFLA_XDP_ATTACHED", "IFLA_XDP_PROG_ID"))
_EVERY_LINK = Template(ifinfmsg, {"attrs": [("IFLA_EXT_MASK", RTEXT_FILTER_SKIP_STATS)]})
_EVERY_COUNTED_LINK = Template(ifinfmsg, {})
_DROPS = ("rx_dropped", "tx_dropped", "rx_nohandler")
_COUNTED_LINK = Reader(ifinfmsg, attributes=("IFLA_IFNAME", "IFLA_STATS64"))
_COUNTERS = Reader(link_counters, _DROPS)


@frozen
class LinkDetails:
    """Settings of an interface."""

    name: str
    index: int
    kind: str
    """veth, bridge, … ; empty for lo and hardware."""
    master: int
    """The number of the switch that it is a port of; 0 for none."""
    up: bool
    arp_off: bool
    """An Ethernet interface that was told to do without ARP."""
    xdp: str = ""
    """The way in which an XDP program is attached, as in ip-link(8); empty: there is none."""
    xdp_program: int | None = None
    """The program's number; None if several are attached, or none."""
    state: str = ""
    """The state of a switch's port that has carrier, if it is not forwarding: disabled, listening, …"""
    flags: Mapping[str, bool] = field(default_factory=dict)
    """Flags of a switch's port that differ from a new port's."""


def read(netlink: Netlink) -> list[LinkDetails]:
    """Read every interface of the namespace. Raises Refused."""
    return [_decoded(message) for message in netlink.dump(_EVERY_LINK.fill(), RTM_GETLINK)]


def read_drops(netlink: Netlink) -> dict[str, int]:
    """Read how many frames each interface has dropped: `eth0.rx_dropped`, … Raises Refused."""
    counts = {}
    for message in netlink.dump(_EVERY_COUNTED_LINK.fill(), RTM_GETLINK):
        link = _COUNTED_LINK.attributes(message)
        for name, count in zip(_DROPS, _COUNTERS.fields(link["IFLA_STATS64"]), strict=True):
            counts[f"{link['IFLA_IFNAME']}.{name}"] = count
    return counts


def _decoded(message: bytes) -> LinkDetails:
    link_type, index, flags = _LINK.fields(message)
    link = _LINK.attributes(message)
    info = _INFO.attributes(link.get("IFLA_LINKINFO", b""))
    xdp = _XDP.attributes(link.get("IFLA_XDP", b""))
    kind = info.get("IFLA_INFO_KIND", "")
    is_port = info.get("IFLA_INFO_SLAVE_KIND") == "bridge"
    port = _PORT.attributes(info.get("IFLA_INFO_SLAVE_DATA", b"")) if is_port else {}
    running = flags & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP
    return LinkDetails(
        name=link["IFLA_IFNAME"],
        index=index,
        kind=kind,
        master=link.get("IFLA_MASTER", 0),
        up=bool(flags & IFF_UP),
        arp_off=bool(flags & IFF_NOARP) and link_type == ARPHRD_ETHER and kind not in _WITHOUT_ARP,
        xdp=_XDP_MODES.get(xdp.get("IFLA_XDP_ATTACHED", 0), ""),
        xdp_program=xdp.get("IFLA_XDP_PROG_ID"),
        state=_state(port) if is_port and running else "",
        flags={
            word: bool(port[name])
            for word, (name, default) in PORT_FLAGS.items()
            if port.get(name, default) != default
        },
    )


def _state(port: Mapping[str, Any]) -> str:
    state = port.get("IFLA_BRPORT_STATE", BR_STATE_FORWARDING)
    return "" if state == BR_STATE_FORWARDING else BR_STATES.get(state, str(state))
