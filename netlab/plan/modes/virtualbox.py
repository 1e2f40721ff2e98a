"""VirtualBox's networks, beside VMware's to compare.

Sources: its manual (nat-address-config.dita: 10.0.x.0/24, x being the number of the NAT instance + 2,
guest .15, gateway .2, name server .3; Network Address Translation: port forwards). Its program
(NATNetworkImpl.cpp, i_recalculateIpv4AddressAssignments: the NAT network's gateway .1, loopback .2,
DHCP server .3, leases from .4; slirp's tcp_subr.c: who calls a forwarded port is seen as itself).
Host-only: the DHCP server of a fresh installation is 192.168.56.100 and leases .101 to .254, as
Vagrant's tests have it (network_test.rb); the host's adapter is 0a:00:27:00:00:00 and upward, the server
08:00:27:… (arp-scan outputs that people publish).

Of NAT engines, the one of VirtualBox 7.0 is here: leases of a day (slirp_state.h, LEASE_TIME), the host's
domain if it has one, which the lab's has not (bootp.c), the MAC address 52:54:00:12:35:02 (slirp.c), UDP
forgotten after 240 s and finished TCP after 10 s (socket.h, SO_EXPIRE; tcp_timer.h, twice TCPTV_MSL). It
answers ping to .2 itself, and throws TCP and UDP away unless localhost is reachable (tcp_input.c, udp.c:
CTL_ALIAS). VirtualBox 7.1 took libslirp in its place: the MAC address is 52:55:0a:00:02:02 there, and by
its source who is not let in is told so by ICMP.

Leases of the NAT network and of host-only networks are for 10 minutes, and for up to 12 hours for who
asks (Dhcpd/Config.cpp). The NAT network's .1 and .2 are 52:54:00:12:35:00, and .2 leads to 127.0.0.1 from
the beginning (NATNetworkImpl.cpp, llHostLoopbackOffsetList); when it forgets is inferred from the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from netlab.messages import N_
from netlab.plan.modes import nat
from netlab.plan.node import switch
from netlab.plan.resources import Resource
from netlab.plan.services import dhcp
from netlab.scenario.addresses.pools import at
from netlab.scenario.mode import DHCP_KEYS, Mode, Product
from netlab.scenario.topology import Network, Topology

VIRTUALBOX = Product(
    "VirtualBox", 0x080027, 0x0A0027_000000, range(0x080027_000000, 0x080027_FFFFFF + 1)
)
_FORGETS = (240, 10)
_DHCP_SERVER_SECONDS = (600, 43_200)

_FIRST, _SECOND, _THIRD = at(1), at(2), at(3)
_SERVER_KEYS = DHCP_KEYS | {"server"}
"""VBoxManage dhcpserver: --server-ip, --lower-ip, --upper-ip, --set-opt 3, 6 and 15, --fixed-address, …"""

NAT = Mode(
    "vbox-nat",
    "VirtualBox NAT",
    VIRTUALBOX,
    N_("the VM's own NAT engine leaves by the host's {card}, as {outside}"),
    subnet=IPv4Network("10.0.2.0/24"),
    private=True,
    nat_device=_SECOND,
    nat_mac=0x525400_123502,
    nat_forgets=_FORGETS,
    serves_itself=True,
    pool=lambda subnet: (at(15)(subnet), at(15)(subnet)),
    router=_SECOND,
    dns=_THIRD,
    host_at=_SECOND,
    lease_seconds=(86400, 86400),
    dhcp_keys=frozenset(("dns", "domain")),
)
"""Each adapter behind a NAT engine of its own, so VMs do not see each other; the host sees them by
port forwards only (`VBoxManage modifyvm … --natpf1 name,tcp,,2222,,22`)."""

NAT_NETWORK = Mode(
    "vbox-natnetwork",
    N_("VirtualBox NAT network"),
    VIRTUALBOX,
    N_("the NAT service leaves by the host's {card}, as {outside}"),
    subnet=IPv4Network("10.0.2.0/24"),
    nat_device=_FIRST,
    nat_mac=0x525400_123500,
    nat_forgets=_FORGETS,
    dhcp_server=_THIRD,
    pool=lambda subnet: (subnet[4], subnet[-2]),
    router=_FIRST,
    dns=_FIRST,
    host_at=_SECOND,
    loopback=True,
    lease_seconds=_DHCP_SERVER_SECONDS,
    dhcp_keys=_SERVER_KEYS,
)
"""One NAT engine for all its VMs; the host has no adapter there.

VirtualBox hands out the name servers that the host has, and `.1` only where that is the host's own
loopback (NATNetworkImpl.cpp, i_updateDomainNameServerOption); here it is always `.1`, which asks them.
"""

INTERNAL = Mode(
    "vbox-internal",
    N_("VirtualBox internal"),
    VIRTUALBOX,
    dhcp_server=_FIRST,
    bare=True,
    pool=lambda subnet: (at(101)(subnet), subnet[-2]),
    lease_seconds=_DHCP_SERVER_SECONDS,
    dhcp_keys=_SERVER_KEYS,
)
"""A switch for VMs only; VirtualBox runs a DHCP server there for who adds one (VBoxManage dhcpserver add
--network=…). Its addresses have to be given there; that it is the first one, is inferred."""

HOST_ONLY = Mode(
    "vbox-hostonly",
    N_("VirtualBox host-only"),
    VIRTUALBOX,
    subnet=IPv4Network("192.168.56.0/24"),
    host_adapter=_FIRST,
    dhcp_server=at(100),
    pool=lambda subnet: (at(101)(subnet), subnet[-2]),
    lease_seconds=_DHCP_SERVER_SECONDS,
    dhcp_keys=_SERVER_KEYS,
)


def nat_engine(lab: str, topology: Topology, network: Network) -> Iterator[Resource]:
    """One VM's own router, which is its DHCP and DNS server too."""
    yield from switch(lab, network)
    yield from nat.device(lab, topology, network)


def nat_network(lab: str, topology: Topology, network: Network) -> Iterator[Resource]:
    """A switch, the NAT service and a DHCP server."""
    yield from switch(lab, network)
    yield from dhcp.server(lab, topology, network)
    yield from nat.device(lab, topology, network)


def internal(lab: str, topology: Topology, network: Network) -> Iterator[Resource]:
    """A switch, and a DHCP server if there is one."""
    yield from switch(lab, network)
    yield from dhcp.server(lab, topology, network)
