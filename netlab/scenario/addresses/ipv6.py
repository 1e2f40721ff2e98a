"""The IPv6 address plan: the prefixes, and the addresses in them.

Machines whose IPv4 address VMware or netlab fixes have the same number in the
network's prefix (`.2` is `::2`, `.254` is `::fe`); all others make theirs of
their router's advertisement and their MAC, as Linux does (RFC 4862, RFC 4291).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

PRIVATE = IPv6Network("fc00::/7")
"""Unique local addresses (RFC 4193), which no provider routes."""
GLOBAL = IPv6Network("2000::/3")
INTERNET = IPv6Network("2001:db8:203:113::/64")
"""The lab's piece of the Internet, as 203.0.113.0/24 is in IPv4: of RFC 3849's documentation prefix."""


NAT_DEVICE = IPv6Interface("fe80::250:56ff:fec0:2222/64")
"""The gateway of VMs behind VMware's NAT, on every vmnet: as their routing tables show it."""
UPLINKS = IPv6Network("fd6e:6574:6c61::/48")
"""The cables between NAT devices and the host: nobody else sees these addresses."""
LEAST_MTU = 1280
"""Bytes (RFC 8200, section 5); Linux has no IPv6 on an interface with a smaller one."""


def provider(number: int) -> IPv6Network:
    """Return the prefix on the Internet that the further LAN `number` is connected to."""
    return IPv6Network((int(IPv6Address("2001:db8:198:51::")) + (number << 64), 64))


def nat(vmnet: int) -> IPv6Network:
    """Return VMware's own prefix for the NAT network vmnetN: natIp6Prefix of its nat.conf, with N in hex."""
    return IPv6Network((int(IPv6Address("fd15:4ba5:5a2b:1000::")) + (vmnet << 64), 64))


def uplink(vmnet: int) -> IPv6Network:
    """Return the prefix of the cable between the NAT device of vmnetN (`::2`) and the host (`::1`)."""
    return IPv6Network((int(UPLINKS.network_address) + (vmnet << 64), 64))


def numbered(prefix: IPv6Network, address: IPv4Address, subnet: IPv4Network) -> IPv6Interface:
    """Return the address in `prefix` with the number that `address` has in `subnet`."""
    return at(prefix, int(address) - int(subnet.network_address))


def at(prefix: IPv6Network, number: int) -> IPv6Interface:
    """Return the address of a number in a prefix."""
    return IPv6Interface((int(prefix.network_address) + number, prefix.prefixlen))


def slaac_address(prefix: IPv6Network, mac: str) -> IPv6Interface:
    """Return an adapter's address in a prefix (RFC 4291): its MAC, ff:fe in the middle, one bit flipped."""
    octets = bytes.fromhex(mac.replace(":", ""))
    number = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return at(prefix, int.from_bytes(number))
