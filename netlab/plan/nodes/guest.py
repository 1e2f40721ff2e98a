"""Programs of a VM's guest or a peer: a firewall, servers, DHCP for its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Interface

from netlab.plan.names import namespace
from netlab.plan.nodes import guest_router
from netlab.plan.nodes.firewall import firewall
from netlab.plan.resources import Listening, Resource, Ruleset, Service, Sysctl
from netlab.plan.services import dnsmasq
from netlab.scenario.listening import ListeningPort
from netlab.scenario.model import Listen
from netlab.scenario.topology import Node, Topology


def guest(lab: str, topology: Topology, node: Node) -> Iterator[Resource]:
    """Everything that runs inside a VM or a peer; its adapters are `node.machine`'s."""
    netns = namespace(lab, node.name)
    if node.firewall.blocks:
        yield Ruleset(netns, firewall(node.firewall, trusted(node)))
    if nat_rules := guest_router.rules(topology, node):
        yield Ruleset(netns, nat_rules)
    if set(filter(None, (port.address for port in node.listens))) - own_addresses(node):
        # Servers start before a lease has brought the address, or nobody has it.
        yield Sysctl(netns, "net.ipv4.ip_nonlocal_bind", "1")
    for port in node.listens:
        yield from server(netns, _at_holder(node, port))
    yield from proxy(netns, node)
    for adapter, settings in node.dhcp_servers:
        if adapter.plugged_into:  # dnsmasq does not start without an address.
            name = f"dhcp-dns-{adapter.interface}"
            config = guest_router.configuration(topology, node, adapter, settings)
            yield Service(netns, name, dnsmasq.ASKING_PROGRAM, config)
            yield Listening(netns, name, "udp", 53)
            yield Listening(netns, name, "udp", 67)


def trusted(node: Node) -> tuple[str, ...]:
    """The interfaces to which a VM's firewall does not look: with NAT, all but its outer side."""
    return ("lo", *(adapter.holder for adapter in node.inner))


def own_addresses(node: Node) -> set[IPv4Address]:
    """The addresses that a machine has from its start: one that is unplugged has none."""
    plugged = [adapter for adapter in node.adapters if adapter.plugged_into]
    static = {address.ip for adapter in plugged for address in adapter.static}
    return {*static, IPv4Address("127.0.0.1")}


def _at_holder(node: Node, port: ListeningPort) -> ListeningPort:
    """A port of the interface that has the adapter's address: a bridge's, if it is a port of one."""
    holders = {adapter.interface: adapter.holder for adapter in node.adapters}
    return replace(port, interface=holders.get(port.interface, ""))


def server(
    netns: str, port: ListeningPort, ipv6: IPv6Interface | None = None
) -> Iterator[Resource]:
    """A server at a port; at one address of IPv6 instead, if it is given.

    For TCP it is the web page that tells whom it sees, for UDP a program that sends back what it gets.
    """
    protocol, number, version = port.protocol, str(port.port), "6" if ipv6 else ""
    address = str(ipv6.ip if ipv6 else port.address or "")
    place = port.interface or address
    if protocol == "udp":
        words = [
            "{python}",
            "-IS",
            "{package}/programs/echo.py",
            number,
            *([place] if place else []),
        ]
    elif port.interface:
        program = "{package}/programs/on_adapter.py"
        words = ["{python}", "-IS", program, port.interface, number, _PAGES]
    else:
        at = f"[{address}]" if ipv6 else address or "0.0.0.0"
        words = ["busybox", "httpd", "-f", "-p", f"{at}:{number}", "-h", _PAGES]
    only = "" if ipv6 or not place else f"-{place.replace('.', '-')}"
    name = f"{protocol}{version}-{number}{only}"
    yield Service(netns, name, tuple(words))
    yield Listening(netns, name, protocol + version, port.port)


_PAGES = "{package}/programs/www"


def proxy(netns: str, node: Node) -> Iterator[Resource]:
    """A machine's HTTP proxy, if one runs on it."""
    if node.proxy:
        at = "127.0.0.1" if node.proxy.listen is Listen.LOOPBACK else "0.0.0.0"
        program = ("{python}", "-IS", "{package}/programs/proxy.py", at, str(node.proxy.port))
        yield Service(netns, "proxy", program, asks_names=True)
        yield Listening(netns, "proxy", "tcp", node.proxy.port)
