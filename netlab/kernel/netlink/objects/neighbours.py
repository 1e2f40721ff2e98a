"""Neighbours that ARP and neighbour discovery have found, and MAC addresses that a switch knows (FDB)."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from socket import AF_UNSPEC

from pyroute2.config import AF_BRIDGE
from pyroute2.netlink.rtnl import RTM_DELNEIGH, RTM_GETNEIGH
from pyroute2.netlink.rtnl.ndmsg import (
    NTF_MASTER,
    NTF_PROXY,
    NTF_SELF,
    NTF_STICKY,
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
    ("family", "ifindex", "state", "flags"),
    ("NDA_DST", "NDA_LLADDR", "NDA_VLAN", "NDA_MASTER"),
)
_CACHE = Reader(ndmsg, attributes=("NDA_CACHEINFO",))
_CACHE_TIMES = Reader(ndmsg.cacheinfo, ("ndm_updated",))
_TICKS_PER_SECOND = 100
"""USER_HZ, in which the kernel gives times to programs, on all machines."""
_FAMILY = Reader(ndmsg, ("family",))
"""The first field of every message of rtnetlink."""
_EVERY = Template(ndmsg, {"family": codec.octet("family")})
_PROXIES = Template(ndmsg, {"family": AF_UNSPEC, "flags": NTF_PROXY})
_STATES: dict[int, str] = {number: word for word, number in states.items()}


@frozen
class KernelNeighbour:
    """An IP address that is known on the interface with this number, and its MAC address."""

    index: int
    address: IPAddress
    mac: str
    """Empty as long as nobody has answered."""
    bits: int
    """NUD_*: the state."""

    @property
    def permanent(self) -> bool:
        """True if it was entered by hand, for ever."""
        return bool(self.bits & NUD_PERMANENT)

    @property
    def learnt(self) -> bool:
        """True if it was found by asking."""
        return not self.bits & (NUD_PERMANENT | NUD_NOARP)

    @property
    def state(self) -> str:
        """The state in ip-neighbour(8)'s words: reachable, stale, …; `none` for several states, or none."""
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
    sticky: bool = False
    """It stays there, whatever port its frames come in by."""

    @property
    def learnt(self) -> bool:
        """False for the addresses of the switch and its ports, and for those entered for ever."""
        return not self.state & NUD_PERMANENT

    @property
    def lasting(self) -> bool:
        """True if the switch never forgets it."""
        return bool(self.state & (NUD_NOARP | NUD_PERMANENT))


def read(netlink: Netlink) -> list[KernelNeighbour]:
    """Read every neighbour of the namespace, of IPv4 and IPv6. Raises Refused."""
    messages = netlink.dump(_EVERY.fill(family=AF_UNSPEC), RTM_GETNEIGH)
    return [neighbour for message in messages if (neighbour := decode(message))]


def decode(message: bytes) -> KernelNeighbour | None:
    """Decode a neighbour from a message with its header; None for a switch's, or without address."""
    family, index, state, _ = _MESSAGE.fields(message)
    attributes = _MESSAGE.attributes(message)
    address = attributes.get("NDA_DST")
    if family not in VERSIONS or address is None:
        return None
    mac = attributes.get("NDA_LLADDR", b"").hex(":")
    return KernelNeighbour(index, ip_address(address), mac, state)


def read_proxies(netlink: Netlink) -> list[tuple[int, IPAddress]]:
    """Read the addresses of others for which the namespace's machine answers (`ip neighbour add proxy`), by
    the number of the interface; 0: on each. Raises Refused."""
    messages = netlink.dump(_PROXIES.fill(), RTM_GETNEIGH)
    proxies = []
    for message in messages:
        family, index, *_ = _MESSAGE.fields(message)
        address = _MESSAGE.attributes(message).get("NDA_DST")
        if family in VERSIONS and address is not None:
            proxies.append((index, ip_address(address)))
    return proxies


def read_fdb(netlink: Netlink) -> list[ForwardingEntry]:
    """Read every MAC address that the switches of the namespace know. Raises Refused."""
    messages = netlink.dump(_EVERY.fill(family=AF_BRIDGE), RTM_GETNEIGH)
    return [entry for message in messages if (entry := decode_entry(message))]


def of_switch(message: bytes) -> bool:
    """Return whether a message with its header, about an interface or a neighbour, comes from a switch."""
    (family,) = _FAMILY.fields(message)
    return bool(family == AF_BRIDGE)


def decode_entry(message: bytes) -> ForwardingEntry | None:
    """Decode a switch's entry from a message with its header.

    None for a device's own list, of the multicast addresses that it listens to.
    """
    _, index, state, flags = _MESSAGE.fields(message)
    attributes = _MESSAGE.attributes(message)
    bridge, mac = attributes.get("NDA_MASTER"), attributes.get("NDA_LLADDR")
    if bridge is None or mac is None:
        return None
    vlan = attributes.get("NDA_VLAN", 0)
    return ForwardingEntry(index, bridge, mac.hex(":"), vlan, state, bool(flags & NTF_STICKY))


def given_up(netlink: Netlink) -> set[IPAddress]:
    """Return the addresses that the namespace's machine has asked for in vain, and asks for no more."""
    states: dict[IPAddress, set[str]] = {}
    for neighbour in read(netlink):
        states.setdefault(neighbour.address, set()).add(neighbour.state)
    return {
        address
        for address, present in states.items()
        if "failed" in present and "incomplete" not in present
    }


def given_up_within(netlink: Netlink, seconds: float) -> set[IPAddress]:
    """Return the addresses that the namespace's machine has given up asking for within that time: what
    waited for them was dropped."""
    return {address for address, state in questions_of(netlink, seconds) if state == "failed"}


def questions_of(netlink: Netlink, seconds: float) -> list[tuple[IPAddress, str]]:
    """Return the addresses of neighbours whose state has changed within that time, and that state."""
    return [
        (neighbour.address, neighbour.state)
        for message in netlink.dump(_EVERY.fill(family=AF_UNSPEC), RTM_GETNEIGH)
        if (neighbour := decode(message)) and _age(message) <= seconds
    ]


def _age(message: bytes) -> float:
    """Return the seconds since the neighbour's state has changed."""
    (ticks,) = _CACHE_TIMES.fields(_CACHE.attributes(message)["NDA_CACHEINFO"])
    return float(ticks) / _TICKS_PER_SECOND


def forget(netlink: Netlink) -> None:
    """Delete the neighbours that ARP has learnt in the namespace; those entered by hand stay."""
    removals = [
        _removal(neighbour)
        for neighbour in read(netlink)
        if neighbour.address.version == 4 and neighbour.learnt
    ]
    netlink.attempt(removals, RTM_DELNEIGH)  # A neighbour may have gone by itself meanwhile.


def ask_anew(netlink: Netlink) -> None:
    """Delete the neighbours of whom the namespace's machine has had no answer: for its next packet it asks at
    once, and not when it is their turn."""
    unknown = [neighbour for neighbour in read(netlink) if neighbour.state in _UNANSWERED]
    netlink.attempt([_removal(neighbour) for neighbour in unknown], RTM_DELNEIGH)


_UNANSWERED = ("incomplete", "failed")


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
    # A request about the switch's own entry (`bridge fdb add … self`) goes to it, else to the port's master.
    flags = NTF_SELF if entry.index == entry.bridge else NTF_MASTER
    body = {"family": AF_BRIDGE, "ifindex": entry.index, "flags": flags, "attrs": attributes}
    netlink.request(encode(ndmsg, body), RTM_DELNEIGH)
