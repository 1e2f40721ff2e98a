"""VMware's address plan for a virtual network: who has `.1`, `.2`, `.254`, and what DHCP hands out.

Sources: "Using the DHCP server" tables of VMware's manuals (adapter .1, NAT
device .2, static .3-.127, pool .128-.253, server .254) and generated
dhcpd.conf files. For a prefix other than /24 the same rules are applied to
the ends and the upper half of the subnet.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

DOMAIN = "localdomain"
"""The option domain-name of every generated dhcpd.conf."""

HOME_ROUTER_LEASE_SECONDS = 86400
"""A day, as most home routers grant."""

UPLINKS = IPv4Network("169.254.0.0/16")
"""Link-local space (RFC 3927), used for the cables between NAT devices and the host."""


PROVIDERS = IPv4Network("198.51.100.0/24")
"""The Internet as the routers of further LANs see it, a piece for each: TEST-NET-2 of RFC 5737."""


SHARED = IPv4Network("192.168.137.0/24")
"""The subnet that Windows' Internet Connection Sharing gives to a network (since Windows 7)."""


def provider(number: int) -> IPv4Network:
    """Return the subnet on the Internet that the further LAN `number` is connected to; .1 is the Internet."""
    return IPv4Network((int(PROVIDERS[number * 16]), 28))


def at(number: int) -> Callable[[IPv4Network], IPv4Address]:
    """Return a picker of the address of a number; of a smaller subnet, it picks the last address."""
    return lambda subnet: subnet[min(number, subnet.num_addresses - 2)]


def host_adapter(subnet: IPv4Network) -> IPv4Address:
    """Return the host adapter's address: the first."""
    return subnet[1]


def nat_device(subnet: IPv4Network) -> IPv4Address:
    """Return the address of the NAT device, gateway and DNS proxy of a NAT network: the second."""
    return subnet[2]


def dhcp_server(subnet: IPv4Network) -> IPv4Address:
    """Return the virtual DHCP server's address: the last."""
    return subnet[-2]


def dhcp_pool(subnet: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """Return first and last address that the virtual DHCP server leases: `.128` to `.253` of a /24."""
    return subnet[subnet.num_addresses // 2], subnet[-3]


def unnumbered(index: int) -> IPv4Network:
    """Return a stand-in for a LAN segment's unknown subnet: no address can be of it (RFC 6890)."""
    return IPv4Network((index, 32))


def uplink(vmnet: int) -> IPv4Network:
    """Return the /30 between the NAT device of vmnetN (its second address) and the host (its first)."""
    return IPv4Network((int(UPLINKS[vmnet * 4]), 30))
