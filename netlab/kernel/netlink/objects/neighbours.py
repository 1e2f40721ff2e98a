"""Neighbours: what ARP and neighbour discovery have found out, and the MAC addresses that a switch knows."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from socket import AF_UNSPEC

from pyroute2.config import AF_BRIDGE
from pyroute2.netlink.rtnl import RTM_DELNEIGH, RTM_GETNEIGH
from pyroute2.netlink.rtnl.ndmsg import (
    NTF_MASTER,
    NTF_SELF,
    NUD_NOARP,
    NUD_PERMANENT,
    ndmsg,
    states,
)

from netlab.frozen import frozen
from netlab.kernel.netlink import codec
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import FAMILIES, VERSIONS, Reader, Template, encode
from netlab.kernel.rows import IPAddress

_MESSAGE = Reader(
    ndmsg,
    ("family", "ifindex", "state"),
    ("NDA_DST", "NDA_LLADDR", "NDA_VLAN", "NDA_MASTER"),
)
_FAMILY = Reader(ndmsg, ("family",))
"""Every message of rtnetlink begins with it."""
_EVERY = Template(ndmsg, {"family": codec.octet("family")})
_STATES: dict[int, str] = {number: word for word, number in states.items()}


@frozen
class KernelNeighbour:
    """What is known of an IP address on the interface with this number."""

    index: int
    address: IPAddress
    mac: str
    """Empty as long as nobody has answered."""
    bits: int
    """NUD_*."""

    @property
    def permanent(self) -> bool:
        """Whether somebody has entered it for ever."""
        return bool(self.bits & NUD_PERMANENT)

    @property
    def learnt(self) -> bool:
        """Whether it was found out by asking."""
        return not self.bits & (NUD_PERMANENT | NUD_NOARP)

    @property
    def state(self) -> str:
        """reachable, stale, …: ip-neighbour(8)'s words; none if it has several, or none."""
        return _STATES.get(self.bits, "none")


@frozen
class ForwardingEntry:
    """A MAC address that a switch knows (FDB), behind the port with this number."""

    index: int
    bridge: int
    """The switch's number."""
    mac: str
    vlan: int
    """0: the switch tells no VLANs apart."""
    state: int

    @property
    def learnt(self) -> bool:
        """False for the switch's and its ports' own, and for what was entered for ever."""
        return not self.state & NUD_PERMANENT

    @property
    def lasting(self) -> bool:
        """Whether the switch never forgets it."""
        return bool(self.state & (NUD_NOARP | NUD_PERMANENT))


def read(netlink: Netlink) -> list[KernelNeighbour]:
    """Every neighbour of the namespace, of IPv4 and IPv6."""
    messages = netlink.dump(_EVERY.fill(family=AF_UNSPEC), RTM_GETNEIGH)
    return [neighbour for message in messages if (neighbour := decode(message))]


def decode(message: bytes) -> KernelNeighbour | None:
    """The neighbour that a message, with its header, is about; None for a switch's, or without address."""
    family, index, state = _MESSAGE.fields(message)
    attributes = _MESSAGE.attributes(message)
    address = attributes.get("NDA_DST")
    if family not in VERSIONS or address is None:
        return None
    mac = attributes.get("NDA_LLADDR", b"").hex(":")
    return KernelNeighbour(index, ip_address(address), mac, state)


def read_fdb(netlink: Netlink) -> list[ForwardingEntry]:
    """Every MAC address that the switches of the namespace know."""
    messages = netlink.dump(_EVERY.fill(family=AF_BRIDGE), RTM_GETNEIGH)
    return [entry for message in messages if (entry := decode_entry(message))]


def of_switch(message: bytes) -> bool:
    """Whether a message with its header, about an interface or a neighbour, is told by a switch."""
    (family,) = _FAMILY.fields(message)
    return bool(family == AF_BRIDGE)


def decode_entry(message: bytes) -> ForwardingEntry | None:
    """None for a device's own list, of multicast addresses that it listens to."""
    _, index, state = _MESSAGE.fields(message)
    attributes = _MESSAGE.attributes(message)
    bridge, mac = attributes.get("NDA_MASTER"), attributes.get("NDA_LLADDR")
    if bridge is None or mac is None:
        return None
    return ForwardingEntry(index, bridge, mac.hex(":"), attributes.get("NDA_VLAN", 0), state)


def given_up(netlink: Netlink) -> set[IPAddress]:
    """For what addresses the namespace's machine has asked in vain, and asks no more."""
    states: dict[IPAddress, set[str]] = {}
    for neighbour in read(netlink):
        states.setdefault(neighbour.address, set()).add(neighbour.state)
    return {
        address
        for address, words in states.items()
        if "failed" in words and "incomplete" not in words
    }


def forget(netlink: Netlink) -> None:
    """Delete what ARP has learnt in the namespace; what somebody has entered by hand stays."""
    learnt = (entry for entry in read(netlink) if entry.address.version == 4 and entry.learnt)
    # One may have gone by itself meanwhile.
    netlink.attempt([_removal(neighbour) for neighbour in learnt], RTM_DELNEIGH)


def delete(netlink: Netlink, neighbour: KernelNeighbour) -> None:
    """Remove a neighbour. Raises Refused."""
    netlink.request(_removal(neighbour), RTM_DELNEIGH)


def _removal(neighbour: KernelNeighbour) -> bytes:
    return _template(neighbour.address.version).fill(
        index=neighbour.index, address=neighbour.address
    )


@cache
def _template(version: int) -> Template:
    return Template(
        ndmsg,
        {
            "family": FAMILIES[version],
            "ifindex": codec.number("index"),
            "attrs": [("NDA_DST", codec.ip("address", version))],
        },
    )


def delete_forwarding(netlink: Netlink, entry: ForwardingEntry) -> None:
    """Let a switch forget a MAC address. Raises Refused."""
    attributes: list[tuple[str, object]] = [("NDA_LLADDR", entry.mac)]
    if entry.vlan:
        attributes.append(("NDA_VLAN", entry.vlan))
    # What is the switch's own (`bridge fdb add … self`) is asked of it, all else of who has the port.
    flags = NTF_SELF if entry.index == entry.bridge else NTF_MASTER
    body = {"family": AF_BRIDGE, "ifindex": entry.index, "flags": flags, "attrs": attributes}
    netlink.request(encode(ndmsg, body), RTM_DELNEIGH)
