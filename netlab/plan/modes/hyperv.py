"""Hyper-V's networks, beside VMware's to compare: in the Default Switch, Windows is gateway and DHCP server.

Not documented by Microsoft. People describe it as Internet Connection Sharing with a DHCP server, NAT and
the domain mshome.net (mytechiethoughts.com, "Hyper-V Default Switch"), whose subnet is another after a
start of the host or a change of its network (maxcoreblog.com, 2020-08-09).

Its subnet is another after each start of Windows, a /20 out of 172.16.0.0/12; here it stays. That a lease
is for a day is inferred: nobody was found who says it.

An internal switch is the host's and the VMs' (New-VMSwitch -SwitchType Internal). New-NetNat makes Windows
translate for its subnet; neither has a DHCP server (minikube#2751, minishift#418: "waiting for an address"),
and no name server: VMs have static addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from netlab.messages import N_
from netlab.scenario.addresses.pools import at
from netlab.scenario.mode import SHARING_OPENS, HostRouting, Mode, Product

HYPERV = Product("Hyper-V", 0x00155D, host_mac=0x00155D_000000)

DEFAULT_SWITCH = Mode(
    "hyperv-default",
    N_("Hyper-V Default Switch"),
    HYPERV,
    N_("the host leaves by {card}, as {outside}"),
    subnet=IPv4Network("172.20.16.0/20"),
    routing=HostRouting.TRANSLATED,
    host_adapter=at(1),
    serves_itself=True,
    opens=SHARING_OPENS,
    pool=lambda subnet: (subnet[2], subnet[-2]),
    router=at(1),
    dns=at(1),
    domain="mshome.net",
    lease_seconds=(86400, 86400),
)
INTERNAL = Mode(
    "hyperv-internal",
    N_("Hyper-V internal switch"),
    HYPERV,
    host_adapter=at(1),
)
NAT = Mode(
    "hyperv-nat",
    N_("Hyper-V internal switch with NAT"),
    HYPERV,
    N_("the host leaves by {card}, as {outside}"),
    routing=HostRouting.TRANSLATED,
    host_adapter=at(1),
)
