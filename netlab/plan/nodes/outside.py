"""The world around VMware's host: the Internet, LANs with their routers and other machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from netlab.plan import forwards
from netlab.plan.forwards import Forward
from netlab.plan.icmp_errors import filtered_at_router
from netlab.plan.modes import nat
from netlab.plan.names import namespace
from netlab.plan.node import machine, plug, switch
from netlab.plan.nodes.firewall import firewall, firewall_of_servers, opened, policy_rules, rows
from netlab.plan.nodes.guest import guest
from netlab.plan.nodes.guest import server as serve
from netlab.plan.resources import (
    Address,
    Cable,
    CableEnd,
    Listening,
    Resource,
    Route,
    Ruleset,
    Service,
)
from netlab.plan.services import dhcp, dnsmasq
from netlab.plan.untranslated import drop_untranslated
from netlab.scenario.addresses import pools
from netlab.scenario.firewall import Firewall
from netlab.scenario.listening import listening_port
from netlab.scenario.model import FurtherLan, Internet
from netlab.scenario.topology import INTERNET, Adapter, Node, Role, Topology

ADMISSION = "admission"
"""The table of a LAN's switch that says who may join."""


def world(lab: str, topology: Topology) -> Iterator[Resource]:
    """Everything outside the host."""
    for name in topology.scenario.all_lans:
        yield from switch(lab, topology.networks[name])
        if topology.scenario.all_lans[name].admits:
            yield Ruleset(namespace(lab, name), _admission(topology, name))
    yield from _internet(lab, topology)
    for router, provider in zip(topology.routers, topology.nodes[INTERNET].adapters, strict=True):
        yield from _router(lab, topology, router, provider)
    for node in topology.endpoints:
        if node.role is Role.PEER:
            yield from machine(lab, node)
            yield from guest(lab, topology, node)
            yield plug(lab, node.primary, node.primary.network)
            if node.primary.address:
                yield from _into_tunnels(topology, namespace(lab, node.name), node.primary)


def _internet(lab: str, topology: Topology) -> Iterator[Resource]:
    """One machine with the addresses of all servers; it answers ping, DNS and HTTP."""
    node = topology.nodes[INTERNET]
    netns, interface = namespace(lab, INTERNET), node.primary.interface
    several = len(node.adapters) > 1
    yield from machine(lab, node, forwards=several)
    if several:
        yield Ruleset(netns, _internet_rules(node.primary.network.subnet))
    yield from _server_programs(netns, node, topology.scenario.internet)
    servers = topology.scenario.internet.addresses
    primary_address = node.primary.address
    for address in dict.fromkeys(servers.values()):
        if primary_address and address != primary_address.ip:
            yield Address(netns, interface, IPv4Interface((int(address), 32)))
    ipv6_address = f",{node.primary.ipv6.ip}" if node.primary.ipv6 else ""
    records = [
        f"host-record={name},{address}"
        + ipv6_address * bool(primary_address and address == primary_address.ip)
        for name, address in servers.items()
    ]
    # `local=/#/`: a name that is not listed does not exist, instead of being refused.
    interface_lines = [f"interface={adapter.interface}" for adapter in node.adapters[1:]]
    config = dnsmasq.configuration(interface, [*interface_lines, "local=/#/", *records])
    yield Service(netns, "dns", dnsmasq.PROGRAM, config)
    yield Listening(netns, "dns", "udp", 53)
    yield Service(
        netns,
        "http",
        ("busybox", "httpd", "-f", "-p", "0.0.0.0:80", "-h", "{package}/programs/www"),
    )
    yield Listening(netns, "http", "tcp", 80)


def _server_programs(netns: str, node: Node, internet: Internet) -> Iterator[Resource]:
    """Firewalls of the Internet's servers, and what they serve besides."""
    servers = internet.servers.values()
    policies = {
        server.address: Firewall(tuple(server.firewall), tuple(server.allows)) for server in servers
    }
    if any(policy.blocks for policy in policies.values()):
        yield Ruleset(netns, firewall_of_servers(policies, opened(node)))
    for server in servers:
        for word in server.listens:
            yield from serve(netns, replace(listening_port(word), address=server.address))


def _internet_rules(home: IPv4Network) -> str:
    """Rules of the providers, who carry packets to public addresses only."""
    return f"""\
table ip internet {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ip daddr {{ {home}, {pools.PROVIDERS} }} accept comment "from router to router"
	}}
}}
"""


def _router(lab: str, topology: Topology, node: Node, provider: Adapter) -> Iterator[Resource]:
    """A home router: NAT, firewall, DHCP and DNS for its LAN; `provider` is the other end of its cable."""
    inside, outside = node.adapters
    netns = namespace(lab, node.name)
    yield from machine(lab, node, forwards=True)
    yield plug(lab, inside, inside.network)
    yield Cable(
        CableEnd(netns, outside.interface, outside.mac),
        CableEnd(namespace(lab, INTERNET), provider.interface, provider.mac),
        outside.network.mtu,
    )
    lan = topology.scenario.all_lans[inside.network.name]
    for subnet, gateway in lan.routes.items():
        yield Route(netns, subnet, gateway)
    yield from _into_tunnels(topology, netns, inside)
    if not lan.icmp_errors:
        yield Ruleset(netns, filtered_at_router())
    forwarded = forwards.of_lan(topology, inside.network.name, _ip(outside))
    rules = _router_rules(node, lan, _portal(topology, inside), forwarded)
    yield Ruleset(netns, rules)
    if node.firewall.blocks:
        yield Ruleset(netns, firewall(node.firewall, opened=opened(node)))
    yield from nat.timeouts(netns, lan.nat.udp_timeout, lan.nat.time_wait_timeout)
    yield from nat.idle_timeout(netns, lan.nat.tcp_timeout)
    yield Service(netns, "dhcp-dns", dnsmasq.PROGRAM, _router_services(topology, inside, provider))
    yield Listening(netns, "dhcp-dns", "udp", 53)
    if inside.network.serves:
        yield Listening(netns, "dhcp-dns", "udp", 67)


def _into_tunnels(topology: Topology, netns: str, neighbour: Adapter) -> Iterator[Route]:
    """Routes of a LAN's machine to the host's ends of narrower tunnels there, whose errors tell the size.

    A tunnel is a cable into the LAN's switch here, which tells nobody what is too large for it.
    """
    for tunnel in topology.tunnels:
        address, mtu = tunnel.address, tunnel.mtu
        is_near = tunnel.network.name == neighbour.network.name and tunnel.connected
        if address and mtu and is_near and tunnel.icmp_errors and mtu < tunnel.network.mtu:
            yield Route(netns, IPv4Network(address.ip), address.ip, mtu=mtu)


def _admission(topology: Topology, lan: str) -> str:
    """Rules of a LAN's switch that takes frames of some devices only."""
    inside = next(
        router.primary for router in topology.routers if router.primary.network.lan == lan
    )
    macs = ", ".join((inside.mac, *topology.admitted(lan)))
    return f"""\
table bridge {ADMISSION} {{
	chain prerouting {{
		type filter hook prerouting priority -300; policy accept;
		ether saddr != {{ {macs} }} drop comment "this device may not join"
	}}
}}
"""


def _portal(topology: Topology, inside: Adapter) -> str:
    """A rule for a LAN on which devices have to log in; empty on others."""
    lan = topology.scenario.all_lans[inside.network.name]
    if not lan.login:
        return ""
    logged_in = {
        topology.mac_on_the_lan(adapter)
        for name in lan.logged_in
        for adapter in topology.nodes[name].adapters
        if adapter.network.lan == inside.network.name
    }
    unless_logged_in = f"ether saddr != {{ {', '.join(sorted(logged_in))} }} " if logged_in else ""
    comment = 'comment "nobody has logged in on this device"'
    return f'\t\tiifname "{inside.interface}" {unless_logged_in}drop {comment}\n'


def _router_rules(node: Node, lan: FurtherLan, portal: str, forwarded: tuple[Forward, ...]) -> str:
    inside, outside = node.adapters
    near, far = f'iifname "{inside.interface}"', f'iifname "{outside.interface}"'
    outward = f'{near} oifname "{outside.interface}"'
    let_in = rows(policy_rules(Firewall(allows=node.firewall.allows)))
    kept_in = rows(f"{outward} {rule}" for rule in policy_rules(node.outgoing))
    back = f"""
		{near} oifname "{inside.interface}" accept"""
    led_back = bool(forwarded) and lan.nat.hairpin
    callers = "" if led_back else f"{far} "
    accepted = "".join(
        f"\n\t\t{callers}{condition} accept"
        for condition in dict.fromkeys(forward.accepted for forward in forwarded)
    )
    refused = "".join(
        f"\n\t\t{rule}"
        for rule in forwards.shut_to_those_inside(inside.interface, forwarded)
        if not lan.nat.hairpin
    )
    masquerade_inside = f"""
		{near} oifname "{inside.interface}" ct original ip daddr {_ip(outside)} masquerade"""
    return f"""\
table ip home_router {{
	chain input {{
		type filter hook input priority filter; policy drop;{refused}
		iifname {{ "lo", "{inside.interface}" }} accept
		ct state established,related accept
		icmp type echo-request accept
{let_in}	}}
	chain forward {{
		type filter hook forward priority filter; policy drop;
{portal}		ct state established,related accept
{kept_in}		{outward} accept{back * bool(lan.routes)}{accepted}
	}}{_led_inside(callers, forwarded)}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname "{outside.interface}" {nat.masquerade(lan.nat)}{masquerade_inside * led_back}
	}}
{drop_untranslated("saddr . oif", f'oifname "{outside.interface}"')}}}
"""


def _led_inside(callers: str, forwarded: tuple[Forward, ...]) -> str:
    """A chain of the ports of a router's public address that lead to machines of its LAN."""
    if not forwarded:
        return ""
    hook = "type nat hook prerouting priority dstnat; policy accept;"
    leading = (
        f"{callers}{forward.place} {forward.match} dnat to {forward.target}"
        for forward in forwarded
    )
    return f"\n\tchain prerouting {{\n\t\t{hook}\n{rows(leading)}\t}}"


def _ip(adapter: Adapter) -> IPv4Address:
    assert adapter.address
    return adapter.address.ip


def _router_services(topology: Topology, inside: Adapter, provider: Adapter) -> str:
    lines = [f"server={provider.address.ip if provider.address else None}"]
    lines += dnsmasq.advertises(inside.interface, inside.network.prefix)
    if not inside.network.serves:
        return dnsmasq.configuration(inside.interface, lines)
    return dnsmasq.configuration(inside.interface, [*lines, *dhcp.served(topology, inside.network)])
