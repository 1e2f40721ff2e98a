"""The world around VMware's host: the Internet, the home router, the LAN and its other machines."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface

from netlab.plan import dhcp, dnsmasq
from netlab.plan.machine import machine, plug, switch
from netlab.plan.names import namespace
from netlab.plan.nouns import Address, Cable, End, Listening, Noun, Route, Ruleset, Service
from netlab.scenario import addressing
from netlab.scenario.topology import INTERNET, LAN, ROUTER, Leg, Network, Role, Topology


def world(lab: str, topology: Topology) -> Iterator[Noun]:
    """Everything outside the host."""
    lan = topology.networks[LAN]
    yield from switch(lab, lan)
    yield from _internet(lab, topology)
    yield from _router(lab, topology, lan)
    for node in topology.endpoints:
        if node.role is Role.PEER:
            yield from machine(lab, node)
            yield plug(lab, node.primary, lan)


def _internet(lab: str, topology: Topology) -> Iterator[Noun]:
    """One machine with the addresses of all servers; it answers ping, DNS and HTTP."""
    node = topology.nodes[INTERNET]
    here, interface = namespace(lab, INTERNET), node.primary.interface
    yield from machine(lab, node)
    servers = topology.scenario.internet.servers
    own = node.primary.address
    for address in dict.fromkeys(servers.values()):
        if own and address != own.ip:
            yield Address(here, interface, IPv4Interface((int(address), 32)))
    records = [f"host-record={name},{address}" for name, address in servers.items()]
    # `local=/#/`: a name that is not listed does not exist, instead of being refused.
    config = dnsmasq.configuration(interface, ["local=/#/", *records])
    yield Service(here, "dns", dnsmasq.PROGRAM, config)
    yield Listening(here, "dns", "udp", 53)
    yield Service(
        here, "http", ("busybox", "httpd", "-f", "-p", "0.0.0.0:80", "-h", "{package}/programs/www")
    )
    yield Listening(here, "http", "tcp", 80)


def _router(lab: str, topology: Topology, lan: Network) -> Iterator[Noun]:
    """The home router: NAT, firewall, DHCP and DNS for the LAN."""
    node, far = topology.nodes[ROUTER], topology.nodes[INTERNET].primary
    inside, outside = node.legs
    here = namespace(lab, ROUTER)
    yield from machine(lab, node, forwards=True)
    yield plug(lab, inside, lan)
    yield Cable(
        End(here, outside.interface, outside.mac),
        End(namespace(lab, INTERNET), far.interface, far.mac),
    )
    routes = topology.scenario.lan.routes
    for subnet, gateway in routes.items():
        yield Route(here, subnet, gateway)
    yield Ruleset(here, _router_rules(inside, outside, bool(routes)))
    yield Service(here, "dhcp-dns", dnsmasq.PROGRAM, _router_services(topology, inside, far))
    yield Listening(here, "dhcp-dns", "udp", 53)
    yield Listening(here, "dhcp-dns", "udp", 67)


def _router_rules(inside: Leg, outside: Leg, leads_back: bool) -> str:
    back = f"""
		iifname "{inside.interface}" oifname "{inside.interface}" accept"""
    return f"""\
table ip home_router {{
	chain input {{
		type filter hook input priority filter; policy drop;
		iifname {{ "lo", "{inside.interface}" }} accept
		ct state established,related accept
		icmp type echo-request accept
	}}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "{inside.interface}" oifname "{outside.interface}" accept{back * leads_back}
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname "{outside.interface}" masquerade
	}}
}}
"""


def _router_services(topology: Topology, inside: Leg, far: Leg) -> str:
    subnet = inside.network.subnet
    legs = tuple(
        leg for node in topology.nodes.values() for leg in node.legs if leg.network.subnet == subnet
    )
    gateway = topology.scenario.lan.gateway
    pool = dhcp.pool(
        legs,
        inside.network,
        {"router": gateway, "dns-server": gateway},
        (addressing.HOME_ROUTER_LEASE_SECONDS,) * 2,
    )
    upstream = far.address.ip if far.address else None
    return dnsmasq.configuration(inside.interface, [f"server={upstream}", *pool])
