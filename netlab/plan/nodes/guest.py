"""Programs of a VM's guest: a firewall, servers, DHCP for its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Interface

from netlab.plan.names import namespace
from netlab.plan.nodes.firewall import firewall
from netlab.plan.resources import Listening, Resource, Ruleset, Service
from netlab.plan.services import dhcp, dnsmasq
from netlab.scenario.model import Listen
from netlab.scenario.topology import Node, Topology


def guest(lab: str, topology: Topology, node: Node) -> Iterator[Resource]:
    """Everything that runs inside a VM; its adapters are `node.machine`'s."""
    netns = namespace(lab, node.name)
    if node.firewall.blocks:
        yield Ruleset(netns, firewall(node.firewall))
    for port in node.listens:
        yield from server(netns, port)
    yield from proxy(netns, node)
    if node.dhcp_server and node.primary.plugged_into:  # dnsmasq does not start without an address.
        config = dnsmasq.configuration(node.primary.holder, _dhcp(topology, node))
        yield Service(netns, "dhcp", dnsmasq.PROGRAM, config)
        yield Listening(netns, "dhcp", "udp", 67)


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


def _dhcp(topology: Topology, node: Node) -> Iterator[str]:
    """Lines for dnsmasq. Its pool is the quarter of the subnet below VMware's: leases tell who gave them."""
    adapter = node.primary
    subnet, adapters = adapter.network.subnet, topology.neighbours(adapter.network)
    first, last = subnet[subnet.num_addresses // 4], subnet[subnet.num_addresses // 2 - 1]
    address = adapter.address.ip if adapter.address else None
    yield "port=0"
    yield "dhcp-authoritative"
    yield "no-ping"
    yield from dhcp.reply_delay(node.dhcp_delay)
    yield f"dhcp-range={first},{last},{subnet.netmask},3600s"
    yield f"dhcp-option=option:router,{address}"
    yield f"dhcp-option=option:dns-server,{address}"
    taken = {neighbour.address.ip for neighbour in adapters if neighbour.address}
    free = (a for a in map(IPv4Address, range(int(first), int(last) + 1)) if a not in taken)
    clients = dict.fromkeys(
        dhcp.client_of(neighbour) for neighbour in adapters if neighbour.by_dhcp
    )
    yield from (f"dhcp-host={client},{to}" for client, to in zip(clients, free, strict=False))
