"""State and learnt facts of machines: addresses, routes, neighbours, a switch's MACs, leases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.process import services
from netlab.kernel.resources.interfaces import FALLBACK_NAMES
from netlab.kernel.rows import IPAddress, NextHop, RouteRow
from netlab.kernel.state.spaces import Space
from netlab.node_interface import NamespaceInterface, NodeInterface
from netlab.plan.names import node as node_of
from netlab.plan.resources import DhcpClient
from netlab.show.look import Look, Value, ViewRow


def addresses(look: Look) -> Iterator[ViewRow]:
    """Yield a row for each adapter, and one more if it has IPv6 addresses."""
    for namespace, node in look.machines.items():
        space = look.spaces[namespace]
        for interface in space.interfaces:
            if interface.name in FALLBACK_NAMES:
                continue
            key = NodeInterface(node, interface.name)
            adapter = look.adapters.get(key)
            holder = look.holders.get(key)
            for version in (4, 6):
                present = ", ".join(_addresses_of(space, interface.name, version))
                if version == 4:
                    dynamic = holder is not None and holder.by_dhcp
                    lease = look.lease(namespace, interface.name) if dynamic else {}
                    origin = _origin(
                        present, dynamic, lease, bool(holder and holder.released), look
                    )
                elif present:
                    lease, origin = {}, _origin_of_ipv6(namespace, interface.name, look)
                else:
                    continue
                dns = (
                    name
                    for name in netns.name_servers(namespace)
                    if (":" in name) == (version == 6)
                )
                yield ViewRow(
                    (
                        node,
                        interface.name,
                        adapter.network.name if adapter else None,
                        _state(interface),
                        present or None,
                        interface.mac,
                        origin,
                        _gateway(space, interface.name, version),
                        ", ".join(dns) or None,
                        _seconds_left(lease),
                    ),
                    look.about(node, interface.name),
                )


def _addresses_of(space: Space, interface: str, version: int) -> Iterator[str]:
    for name, address in space.addresses:
        if name == interface and address.version == version:
            yield str(address)


def _state(interface: Interface) -> str:
    if not interface.up:
        return "down"
    return "up" if interface.running else "no cable"


def _origin(
    present: str, dynamic: bool, lease: Mapping[str, str], released: bool, look: Look
) -> str | None:
    if not dynamic:
        return "static" if present else None
    if released:
        return "DHCP, released"
    return f"DHCP {look.named(lease['server'])}" if lease.get("server") else "DHCP, no lease"


def _origin_of_ipv6(namespace: str, interface: str, look: Look) -> str | None:
    """Return the advertising router, if known: one that is no default router leaves no route."""
    space = look.spaces[namespace]
    if (namespace, interface) in look.advertised:
        routes = _default_routes(space, interface, 6)
        routers = (look.named(gateway) for route, gateway in routes if route.protocol == "ra")
        return f"RA {next(routers, '')}".rstrip()
    addresses = (address for name, address in space.addresses if name == interface)
    by_hand = any(address.version == 6 and not address.is_link_local for address in addresses)
    return "static" if by_hand else None


def _gateway(space: Space, interface: str, version: int) -> str | None:
    gateways = (str(gateway) for _, gateway in _default_routes(space, interface, version))
    return next(gateways, None)


def _default_routes(
    space: Space, interface: str, version: int
) -> Iterator[tuple[RouteRow, IPAddress]]:
    """Yield the default routes by an adapter that have a gateway."""
    for route in space.routes:
        for hop in route.hops:
            default = not route.destination.prefixlen and route.destination.version == version
            if default and hop.interface == interface and hop.gateway:
                yield route, hop.gateway


def _seconds_left(lease: Mapping[str, str]) -> int | None:
    if not lease:
        return None
    return max(0, int(lease["obtained"]) + int(lease["seconds"]) - int(time.time()))


def routes(look: Look) -> Iterator[ViewRow]:
    for namespace, node in look.machines.items():
        for route in look.spaces[namespace].routes:
            if route.destination.is_link_local and route.destination.version == 6:
                continue  # Every adapter has it.
            for hop in route.hops or (NextHop(None, ""),):
                kind = "on the cable" if route.kind == "unicast" else route.kind
                yield ViewRow(
                    (
                        node,
                        "default" if not route.destination.prefixlen else str(route.destination),
                        look.named(hop.gateway) if hop.gateway else kind,
                        hop.interface or None,
                        str(route.source) if route.source else None,
                        route.metric or None,
                        route.protocol,
                    ),
                    look.about(node, hop.interface or None),
                )


def arp(look: Look) -> Iterator[ViewRow]:
    for namespace, node in look.machines.items():
        for neighbour in look.spaces[namespace].neighbours:
            near = look.near(node, neighbour.interface)
            yield ViewRow(
                (
                    node,
                    neighbour.interface,
                    str(neighbour.address),
                    look.owner(neighbour.address, near) or None,
                    neighbour.mac or None,
                    look.owner(neighbour.mac, near) or None,
                    neighbour.state,
                ),
                look.about(node, neighbour.interface),
            )


def fdb(look: Look) -> Iterator[ViewRow]:
    peers = look.lab.plan.peers
    for namespace, switch in look.nodes.items():
        for entry in look.spaces[namespace].fdb:
            if entry.learnt:
                owner = look.owner(entry.mac, look.near(switch))
                peer = peers.get(NamespaceInterface(namespace, entry.port))
                about = frozenset({switch, owner} - {""})
                leads_to = node_of(peer.namespace) if peer else None
                yield ViewRow((switch, entry.mac, owner or None, entry.port, leads_to), about)


def leases(look: Look) -> Iterator[ViewRow]:
    """Yield what each server has given, then what clients have that no server remembers."""
    shown = set()
    for node, service in look.services():
        for expiry, mac, address, name in services.granted(look.run, service):
            client = look.owner(mac)
            held = next((entry for entry in _clients(look) if entry[2] == mac), None)
            shown.add(mac)
            left = max(0, expiry - int(time.time())) if expiry else None
            client_lease = held[3] if held else {}
            about = look.about(node, None, client)
            yield ViewRow(
                (node, address, mac, client or name, left, *_lease_values(client_lease)), about
            )
    for node, interface, mac, lease in _clients(look):
        if mac not in shown:
            server = look.owner(lease.get("server", "")) or lease.get("server")
            yield ViewRow(
                (server, None, mac, node, None, *_lease_values(lease)), look.about(node, interface)
            )


def _clients(look: Look) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Yield node, interface, MAC and lease of every DHCP client."""
    for resource in look.lab.plan.resources:
        if isinstance(resource, DhcpClient) and resource.namespace in look.nodes:
            interfaces = look.spaces[resource.namespace].interfaces
            mac = next((nic.mac for nic in interfaces if nic.name == resource.interface), "")
            yield (
                look.nodes[resource.namespace],
                resource.interface,
                mac,
                look.lease(resource.namespace, resource.interface),
            )


def _lease_values(lease: Mapping[str, str]) -> tuple[Value, ...]:
    return tuple(lease.get(key) or None for key in ("address", "router", "dns"))
