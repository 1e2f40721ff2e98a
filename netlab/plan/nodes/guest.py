"""Programs of a VM's guest: a firewall, servers, DHCP for its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Interface

from netlab.plan.names import namespace
from netlab.plan.nodes import guest_router
from netlab.plan.nodes.firewall import firewall
from netlab.plan.resources import Listening, Resource, Ruleset, Service
from netlab.plan.services import dnsmasq
from netlab.scenario.model import Listen
from netlab.scenario.topology import Node, Topology


def guest(lab: str, topology: Topology, node: Node) -> Iterator[Resource]:
    """Everything that runs inside a VM; its adapters are `node.machine`'s."""
    netns = namespace(lab, node.name)
    if node.firewall.blocks:
        yield Ruleset(netns, firewall(node.firewall, trusted(node)))
    if nat_rules := guest_router.rules(topology, node):
        yield Ruleset(netns, nat_rules)
    for port in node.listens:
        yield from server(netns, port)
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


def server(netns: str, port: str, ipv6: IPv6Interface | None = None) -> Iterator[Resource]:
    """A server at a port like `tcp:80`, at every IPv4 address or at one of IPv6.

    For TCP it is the web page that tells whom it sees, for UDP a program that sends back what it gets.
    """
    protocol, _, number = port.partition(":")
    at, version = (f"[{ipv6.ip}]", "6") if ipv6 else ("0.0.0.0", "")
    web = ("busybox", "httpd", "-f", "-p", f"{at}:{number}", "-h", "{package}/programs/www")
    echo = (
        "{python}",
        "-IS",
        "{package}/programs/echo.py",
        number,
        *([str(ipv6.ip)] if ipv6 else []),
    )
    name = f"{protocol}{version}-{number}"
    yield Service(netns, name, web if protocol == "tcp" else echo)
    yield Listening(netns, name, protocol + version, int(number))


def proxy(netns: str, node: Node) -> Iterator[Resource]:
    """A machine's HTTP proxy, if one runs on it."""
    if node.proxy:
        at = "127.0.0.1" if node.proxy.listen is Listen.LOOPBACK else "0.0.0.0"
        program = ("{python}", "-IS", "{package}/programs/proxy.py", at, str(node.proxy.port))
        yield Service(netns, "proxy", program, asks_names=True)
        yield Listening(netns, "proxy", "tcp", node.proxy.port)
