"""VMs that are routers with NAT, as pfSense, OPNsense and OpenWrt are, and what they serve behind it.

Those behind it may begin conversations, and those outside may not if its firewall says so, which is so
in these products. Ports that it forwards are let in: they add that rule themselves (pfSense's "Filter rule
association", OpenWrt's redirects). Calls from inside to its outer address do not lead in again: pfSense's
NAT reflection is off by default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address

from netlab.plan import forwards
from netlab.plan.forwards import Forward
from netlab.plan.nodes.firewall import policy_rules, rows
from netlab.plan.services import dhcp, dnsmasq
from netlab.plan.untranslated import drop_untranslated
from netlab.scenario.addresses import pools
from netlab.scenario.firewall import Firewall
from netlab.scenario.model import Dhcp
from netlab.scenario.topology import Adapter, Network, Node, Topology


def rules(topology: Topology, node: Node) -> str:
    """Rules of a VM with NAT; empty without its adapter."""
    if node.nat is None or node.outer is None:
        return ""
    outside = node.outer.holder
    inward = f'iifname "{outside}" oifname != "{outside}" '
    outward = f'iifname != "{outside}" oifname "{outside}" '
    known = partial(_addresses_inside, topology, node)
    forwarded = forwards.resolved(topology, node.nat.forwards, known)
    accepted = (f"{inward}{forward.accepted} accept" for forward in forwarded)
    shut = Firewall(node.firewall.blocks)
    filtered = [
        *(f"{outward}{rule}" for rule in policy_rules(node.outgoing)),
        *dict.fromkeys(accepted),
        *(f"{inward}{rule}" for rule in policy_rules(shut)),
    ]
    return f"""\
table ip guest_router {{
	chain forward {{
		type filter hook forward priority filter; policy accept;
		ct state established,related accept
{rows(filtered)}	}}{_prerouting(outside, forwarded)}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname "{outside}" masquerade
	}}
{drop_untranslated("saddr . oif", f'oifname "{outside}" ct state invalid')}}}
"""


def _prerouting(outside: str, forwarded: Iterable[Forward]) -> str:
    rules = [
        f'iifname "{outside}" {forward.place} {forward.match} dnat to {forward.target}'
        for forward in forwarded
    ]
    if not rules:
        return ""
    hook = "type nat hook prerouting priority dstnat; policy accept;"
    return f"\n\tchain prerouting {{\n\t\t{hook}\n{rows(rules)}\t}}"


def _addresses_inside(topology: Topology, node: Node) -> dict[str, IPv4Address | None]:
    """The address of each machine behind a VM's NAT, or of its lease; None: nobody knows it."""
    addresses: dict[str, IPv4Address | None] = {}
    served = {adapter.network.name: settings for adapter, settings in node.dhcp_servers}
    for inner in node.inner:
        network = inner.network
        if settings := served.get(network.name):
            network = _served_network(network, settings)
        neighbours = topology.neighbours(network)
        leases = network.name in served or network.serves
        leased = dhcp.leased(neighbours, network) if leases else lambda _: None
        for adapter in neighbours:
            address = adapter.address.ip if adapter.address else leased(adapter)
            addresses.setdefault(adapter.node, address)
    return addresses


def served_lines(topology: Topology, node: Node, adapter: Adapter, settings: Dhcp) -> list[str]:
    """Lines for the dnsmasq of a VM that serves DHCP and DNS on an adapter's network.

    It asks the name servers that the VM has, and knows the VM's own name and the lines of its /etc/hosts.
    """
    assert adapter.address, f"{adapter.name} serves DHCP and has no address"
    address, network = adapter.address.ip, _served_network(adapter.network, settings)
    names = [(node.name, address), *node.hosts]
    options = {
        "router": None if settings.router == "none" else str(settings.router or address),
        "dns-server": ",".join(map(str, settings.dns or [address])),
        "domain-name": settings.domain or pools.DOMAIN,
    }
    seconds = dhcp.times(settings, *_LEASE_SECONDS)
    return [
        "except-interface=lo",
        *(f"host-record={name},{target}" for name, target in names),
        *dhcp.pool(topology.neighbours(network), network, options, seconds),
    ]


_LEASE_SECONDS = (1800, 7200)
"""Seconds of a lease for who asks for no time, and at most: as VMware's server has them."""


def _served_network(network: Network, settings: Dhcp) -> Network:
    """A network as a VM leases it. Its usual pool is the quarter of the subnet below VMware's: leases
    tell who gave them."""
    subnet = network.subnet
    usual = (subnet[subnet.num_addresses // 4], subnet[subnet.num_addresses // 2 - 1])
    return replace(network, dhcp=replace(settings, range=settings.range or usual))


def configuration(topology: Topology, node: Node, adapter: Adapter, settings: Dhcp) -> str:
    """The configuration of the dnsmasq that serves on an adapter."""
    lines = served_lines(topology, node, adapter, settings)
    return dnsmasq.configuration(adapter.holder, lines, asks_as_its_machine=True)
