"""libvirt's networks, beside VMware's to compare.

Source: libvirt, docs/formatnetwork.rst ("Connectivity"; "NAT based network" is the network `default`:
192.168.122.1/24, leases .2 to .254; "Isolated network config": the host is there too). It names no time
of a lease: then it is its dnsmasq's own, one hour (dnsmasq(8), --dhcp-range). Its rules let DHCP and DNS
in from the bridge, by UDP and TCP (`-A INPUT -i virbr0 -p udp --dport 67 -j ACCEPT` and three more), as
its rules for iptables do and firewalld's zone `libvirt`; those for nftables cannot, since there another
table's "drop" has the last word: `firewall: [udp:67, udp:53]` is such a host.

The host is the gateway, at `.1`, where VMware has a NAT device at `.2`.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network

from netlab.messages import N_
from netlab.scenario.addresses.pools import at
from netlab.scenario.mode import DHCP_KEYS, HostRouting, Mode, Product

LIBVIRT = Product("libvirt", 0x525400, host_mac=0x525400_000000)

_HOST = at(1)

_mode = partial(
    Mode,
    product=LIBVIRT,
    host_adapter=_HOST,
    serves_itself=True,
    opens=("tcp:53", "tcp:67", "udp:53", "udp:67"),
    pool=lambda subnet: (subnet[2], subnet[-2]),
    dns=_HOST,
    lease_seconds=(3600, 3600),
    # <dhcp>, <range>, <lease expiry>, <host>, <domain>; others by <dnsmasq:options>.
    dhcp_keys=DHCP_KEYS - {"max_lease"},
)

NAT = _mode(
    "libvirt-nat",
    "libvirt nat",
    onward=N_("the host leaves by {card}, as {outside}"),
    zone="libvirt",
    subnet=IPv4Network("192.168.122.0/24"),
    routing=HostRouting.TRANSLATED,
    rejects_foreign=True,
    router=_HOST,
)
ROUTE = _mode(
    "libvirt-route",
    N_("libvirt route"),
    zone="libvirt-routed",
    onward=N_("the host forwards by {card}, untranslated"),
    routing=HostRouting.OPEN,
    rejects_foreign=True,
    router=_HOST,
)
OPEN = _mode(
    "libvirt-open",
    N_("libvirt open"),
    onward=N_("the host forwards by {card}, untranslated, as far as its own firewall lets it"),
    routing=HostRouting.OPEN,
    router=_HOST,
)
"""libvirt adds no rules; the lab's host has no firewall of its own, so it is like `route` here."""

ISOLATED = _mode("libvirt-isolated", N_("libvirt isolated"), zone="libvirt")
