"""IPv4 and IPv6 addresses of interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from pyroute2.netlink.rtnl import RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR
from pyroute2.netlink.rtnl.ifaddrmsg import (
    IFA_F_DADFAILED,
    IFA_F_NODAD,
    IFA_F_PERMANENT,
    IFA_F_TENTATIVE,
    ifaddrmsg,
)

from netlab.frozen import frozen
from netlab.kernel.netlink import codec
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import FAMILIES, VERSIONS, Reader, Template
from netlab.kernel.netlink.objects.links import NEW, forgiven_absence
from netlab.plan.resources import Address

_LOOPBACK_4, _LOOPBACK_6 = 127, bytes(15) + b"\1"
"""127.0.0.0/8 and ::1."""
_WITHOUT_BROADCAST = 31
"""Bits of the shortest prefix without a broadcast address (RFC 3021)."""
_MESSAGE = Reader(
    ifaddrmsg, ("family", "prefixlen", "flags", "index"), ("IFA_ADDRESS", "IFA_LOCAL")
)
_EVERY = Template(ifaddrmsg, {})


@frozen
class InterfaceAddress:
    """An address, on the interface with this number."""

    index: int
    address: IPv4Interface | IPv6Interface
    flags: int
    """The first eight of IFA_F_*."""

    @property
    def permanent(self) -> bool:
        """True if it was entered by hand or plan: an address from a router's advertisement has an end."""
        return bool(self.flags & IFA_F_PERMANENT)

    @property
    def usable(self) -> bool:
        """False for an IPv6 address that another machine has, or may have (RFC 4862)."""
        return self.address.version == 4 or not self.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)


def read(netlink: Netlink) -> Iterator[InterfaceAddress]:
    """Read every address of the namespace but the loopback's own. Raises Refused."""
    messages = netlink.dump(_EVERY.fill(), RTM_GETADDR)
    return (address for message in messages if (address := decode(message)))


def decode(message: bytes) -> InterfaceAddress | None:
    """Decode an address from a message with its header; None for the loopback's own."""
    family, length, flags, index = _MESSAGE.fields(message)
    if family not in VERSIONS:  # A modem's (AF_PHONET), where its module is loaded.
        return None
    attributes = _MESSAGE.attributes(message)
    # With IPv4, the address is in IFA_LOCAL, and a tunnel's other end in IFA_ADDRESS.
    packed = attributes.get("IFA_LOCAL") or attributes["IFA_ADDRESS"]
    if packed == _LOOPBACK_6 or (len(packed) == 4 and packed[0] == _LOOPBACK_4):
        return None
    return InterfaceAddress(index, ip_interface((packed, length)), flags)


def create(netlink: Netlink, address: Address) -> None:
    """Add an address with its broadcast address. Raises Refused."""
    netlink.request(_packed(netlink, address), RTM_NEWADDR, NEW)


def delete(netlink: Netlink, address: Address) -> None:
    """Remove an address. Forgives absence."""
    with forgiven_absence():
        netlink.request(_packed(netlink, address), RTM_DELADDR)


def delete_of(netlink: Netlink, interface: str) -> None:
    """Remove every IPv4 address of an interface, and so the routes by it. Forgives absence."""
    with forgiven_absence():
        index = netlink.index(interface)
        for address in list(read(netlink)):
            if address.index == index and address.address.version == 4:
                delete(netlink, Address("", interface, address.address))


def _packed(netlink: Netlink, address: Address) -> bytes:
    ip, network = address.address.ip, address.address.network
    broadcast = ip.version == 4 and network.prefixlen < _WITHOUT_BROADCAST
    return _template(ip.version, broadcast).fill(
        length=network.prefixlen,
        index=netlink.index(address.interface),
        address=ip,
        broadcast=network.broadcast_address,
    )


@cache
def _template(version: int, broadcast: bool) -> Template:
    slot = codec.ip("address", version)
    attributes = [("IFA_LOCAL", slot), ("IFA_ADDRESS", slot)]
    if broadcast:
        attributes.append(("IFA_BROADCAST", codec.ip("broadcast", version)))
    return Template(
        ifaddrmsg,
        {
            "family": FAMILIES[version],
            "prefixlen": codec.octet("length"),
            "flags": 0 if version == 4 else IFA_F_NODAD,
            "index": codec.number("index"),
            "attrs": attributes,
        },
    )
