"""VMs that are routers with NAT, as pfSense, OPNsense and OpenWrt are, and what they serve behind it.

Those behind it may begin conversations, and those outside may not if its firewall says so, which is so
in these products. Ports that it forwards are let in: they add that rule themselves (pfSense's "Filter rule
association", OpenWrt's redirects). Calls from inside to its outer address do not lead in again: pfSense's
NAT reflection is off by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from netlab.plan.modes.nat import Forward
from netlab.plan.nodes.firewall import policy_rules, rows
from netlab.plan.services import dhcp, dnsmasq
from netlab.plan.untranslated import drop_untranslated
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
    forwards = tuple(_forwards(topology, node))
    accepted = (
        f"{inward}ip daddr {forward.to} {forward.protocol} dport {forward.to_port} accept"
        for forward in forwards
    )
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
{rows(filtered)}	}}{_prerouting(outside, forwards)}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname "{outside}" masquerade
	}}
{drop_untranslated("saddr . oif", f'oifname "{outside}" ct state invalid')}}}
"""


def _prerouting(outside: str, forwards: Iterable[Forward]) -> str:
    rules = [
        f'iifname "{outside}" fib daddr type local {forward.protocol} dport {forward.port}'
        f" dnat to {forward.to}:{forward.to_port}"
        for forward in forwards
    ]
    if not rules:
        return ""
    hook = "type nat hook prerouting priority dstnat; policy accept;"
    return f"\n\tchain prerouting {{\n\t\t{hook}\n{rows(rules)}\t}}"


def _forwards(topology: Topology, node: Node) -> Iterator[Forward]:
    """Yield a VM's port forwards; a machine's name is its address behind it, if it has one there."""
    assert node.nat
    addresses = _addresses_inside(topology, node)
    forwards = node.nat.forwards
    for protocol, ports in (("tcp", forwards.tcp), ("udp", forwards.udp)):
        for port, text in sorted(ports.items()):
            target, _, to_port = text.partition(":")
            known = target in topology.nodes
            if address := addresses.get(target) if known else IPv4Address(target):
                yield Forward(protocol, port, address, int(to_port))


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
        leased = dhcp.reservations(neighbours, network) if leases else {}
        for adapter in neighbours:
            address = adapter.address.ip if adapter.address else leased.get(adapter.mac)
            addresses.setdefault(adapter.node, address)
    return addresses


def served_lines(topology: Topology, node: Node, adapter: Adapter, settings: Dhcp) -> list[str]:
    """Lines for the dnsmasq of a VM that serves DHCP and DNS on an adapter's network.

    It asks the name servers that the VM has, and knows the VM's own name and the lines of its /etc/hosts.
    """
    assert adapter.address, f"{adapter.name} serves DHCP and has no address"
    address, network = adapter.address.ip, _served_network(adapter.network, settings)
    names = [(node.name, address), *node.hosts]
    options: dict[str, IPv4Address | str | None] = {
        "router": address,
        "dns-server": ",".join(map(str, settings.dns)) or address,
        "domain-name": settings.domain,
    }
    seconds = (settings.lease, settings.max_lease)
    return [
        "except-interface=lo",
        *(f"host-record={name},{target}" for name, target in names),
        *dhcp.pool(topology.neighbours(network), network, options, seconds),
    ]


def _served_network(network: Network, settings: Dhcp) -> Network:
    """A network as a VM leases it. Its usual pool is the quarter of the subnet below VMware's: leases
    tell who gave them."""
    subnet = network.subnet
    usual = (subnet[subnet.num_addresses // 4], subnet[subnet.num_addresses // 2 - 1])
    return replace(network, dhcp=settings, leased=settings.range or usual)


def configuration(topology: Topology, node: Node, adapter: Adapter, settings: Dhcp) -> str:
    """The configuration of the dnsmasq that serves on an adapter."""
    lines = served_lines(topology, node, adapter, settings)
    return dnsmasq.configuration(adapter.holder, lines, asks_as_its_machine=True)
