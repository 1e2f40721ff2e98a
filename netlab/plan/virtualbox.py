"""VirtualBox's networks, beside VMware's to compare.

Sources: its manual (nat-address-config.dita: 10.0.x.0/24, x being the number of the NAT instance + 2,
guest .15, gateway .2, name server .3; Network Address Translation: port forwards). Its program
(NATNetworkImpl.cpp, i_recalculateIpv4AddressAssignments: the NAT network's gateway .1, loopback .2,
DHCP server .3, leases from .4; slirp's tcp_subr.c: who calls a forwarded port is seen as itself).
Host-only: the DHCP server of a fresh installation is 192.168.56.100 and leases .101 to .254, as
Vagrant's tests have it (network_test.rb).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from netlab.plan import dhcp, nat
from netlab.plan.machine import switch
from netlab.plan.nouns import Noun
from netlab.scenario.addressing import at
from netlab.scenario.mode import Mode, Product
from netlab.scenario.topology import Network, Topology

VIRTUALBOX = Product("VirtualBox", 0x080027)

_FIRST, _SECOND, _THIRD = at(1), at(2), at(3)

NAT = Mode(
    "vbox-nat",
    "VirtualBox NAT",
    VIRTUALBOX,
    "the VM's own NAT engine leaves by the host's {card}, as {outside}",
    subnet=IPv4Network("10.0.2.0/24"),
    private=True,
    nat_device=_SECOND,
    serves_itself=True,
    pool=lambda subnet: (at(15)(subnet), at(15)(subnet)),
    router=_SECOND,
    dns=_THIRD,
    host_at=_SECOND,
)
"""Each adapter behind a NAT engine of its own, so VMs do not see each other; the host sees them by
port forwards only (`VBoxManage modifyvm … --natpf1 name,tcp,,2222,,22`)."""

NAT_NETWORK = Mode(
    "vbox-natnetwork",
    "VirtualBox NAT network",
    VIRTUALBOX,
    "the NAT service leaves by the host's {card}, as {outside}",
    subnet=IPv4Network("10.0.2.0/24"),
    nat_device=_FIRST,
    dhcp_server=_THIRD,
    pool=lambda subnet: (subnet[4], subnet[-2]),
    router=_FIRST,
    dns=_FIRST,
    host_at=_SECOND,
    loopback=True,
)
"""One NAT engine for all its VMs; the host has no adapter there.

VirtualBox hands out the name servers that the host has, and `.1` only where that is the host's own
loopback (NATNetworkImpl.cpp, i_updateDomainNameServerOption); here it is always `.1`, which asks them.
"""

INTERNAL = Mode("vbox-internal", "VirtualBox internal", VIRTUALBOX)
"""A switch for VMs only; who wants DHCP runs a server."""

HOST_ONLY = Mode(
    "vbox-hostonly",
    "VirtualBox host-only",
    VIRTUALBOX,
    subnet=IPv4Network("192.168.56.0/24"),
    host_adapter=_FIRST,
    dhcp_server=at(100),
    pool=lambda subnet: (at(101)(subnet), subnet[-2]),
)


def nat_engine(lab: str, topology: Topology, network: Network) -> Iterator[Noun]:
    """One VM's own router, which is its DHCP and DNS server too."""
    yield from switch(lab, network)
    yield from nat.device(lab, topology, network)


def nat_network(lab: str, topology: Topology, network: Network) -> Iterator[Noun]:
    """A switch, the NAT service and a DHCP server."""
    yield from switch(lab, network)
    yield from dhcp.server(lab, topology, network)
    yield from nat.device(lab, topology, network)


def internal(lab: str, topology: Topology, network: Network) -> Iterator[Noun]:
    """A switch and nothing else."""
    yield from switch(lab, network)
