"""What machines have and have learnt: addresses, routes, neighbours, a switch's MAC addresses, leases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.process import services
from netlab.kernel.resources.interfaces import FALLBACK_NAMES
from netlab.kernel.rows import IPAddress, NextHop, RouteRow
from netlab.kernel.state.spaces import Space
from netlab.plan.resources import DhcpClient
from netlab.show.look import Look, Value, ViewRow


def addresses(look: Look) -> Iterator[ViewRow]:
    """A row an adapter, and one more if it has IPv6 addresses."""
    for place, node in look.machines.items():
        space = look.spaces[place]
        for one in space.interfaces:
            if one.name in FALLBACK_NAMES:
                continue
            adapter, holder = (
                look.adapters.get((node, one.name)),
                look.holders.get((node, one.name)),
            )
            for version in (4, 6):
                own = ", ".join(_own(space, one.name, version))
                if version == 4:
                    dynamic = holder is not None and holder.by_dhcp
                    lease = look.lease(place, one.name) if dynamic else {}
                    origin = _origin(own, dynamic, lease, bool(holder and holder.released), look)
                elif own:
                    lease, origin = {}, _origin_of_ipv6(place, one.name, look)
                else:
                    continue
                dns = (name for name in look.name_servers(place) if (":" in name) == (version == 6))
                yield ViewRow(
                    (
                        node,
                        one.name,
                        adapter.network.name if adapter else None,
                        _state(one),
                        own or None,
                        one.mac,
                        origin,
                        _gateway(space, one.name, version),
                        ", ".join(dns) or None,
                        _left(lease),
                    ),
                    look.about(node, one.name),
                )


def _own(space: Space, interface: str, version: int) -> Iterator[str]:
    for name, address in space.addresses:
        if name == interface and address.version == version:
            yield str(address)


def _state(one: Interface) -> str:
    if not one.up:
        return "down"
    return "up" if one.running else "no cable"


def _origin(
    own: str, dynamic: bool, lease: Mapping[str, str], released: bool, look: Look
) -> str | None:
    if not dynamic:
        return "static" if own else None
    if released:
        return "DHCP, released"
    return f"DHCP {look.named(lease['server'])}" if lease.get("server") else "DHCP, no lease"


def _origin_of_ipv6(place: str, interface: str, look: Look) -> str | None:
    """Whose advertisement; a router that is none for others leaves no route, and is not known."""
    space = look.spaces[place]
    if (place, interface) in look.advertised:
        routes = _default_routes(space, interface, 6)
        routers = (look.named(gateway) for route, gateway in routes if route.protocol == "ra")
        return f"RA {next(routers, '')}".rstrip()
    addresses = (address for name, address in space.addresses if name == interface)
    by_hand = any(one.version == 6 and not one.is_link_local for one in addresses)
    return "static" if by_hand else None


def _gateway(space: Space, interface: str, version: int) -> str | None:
    found = (str(gateway) for _, gateway in _default_routes(space, interface, version))
    return next(found, None)


def _default_routes(
    space: Space, interface: str, version: int
) -> Iterator[tuple[RouteRow, IPAddress]]:
    """Those with a gateway, by an adapter."""
    for route in space.routes:
        for hop in route.hops:
            default = not route.destination.prefixlen and route.destination.version == version
            if default and hop.interface == interface and hop.gateway:
                yield route, hop.gateway


def _left(lease: Mapping[str, str]) -> int | None:
    if not lease:
        return None
    return max(0, int(lease["obtained"]) + int(lease["seconds"]) - int(time.time()))


def routes(look: Look) -> Iterator[ViewRow]:
    for place, node in look.machines.items():
        for route in look.spaces[place].routes:
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
    for place, node in look.machines.items():
        for one in look.spaces[place].neighbours:
            near = look.near(node, one.interface)
            yield ViewRow(
                (
                    node,
                    one.interface,
                    str(one.address),
                    look.owner(one.address, near) or None,
                    one.mac or None,
                    look.owner(one.mac, near) or None,
                    one.state,
                ),
                look.about(node, one.interface),
            )


def fdb(look: Look) -> Iterator[ViewRow]:
    peers = look.lab.plan.peers
    for place, switch in look.nodes.items():
        for entry in look.spaces[place].fdb:
            if entry.learnt:
                owner = look.owner(entry.mac, look.near(switch))
                peer = peers.get((place, entry.port))
                about = frozenset({switch, owner} - {""})
                leads_to = look.nodes[peer.namespace] if peer else None
                yield ViewRow((switch, entry.mac, owner or None, entry.port, leads_to), about)


def leases(look: Look) -> Iterator[ViewRow]:
    """What each server has given, then what clients have that no server remembers."""
    told = set()
    for node, service in look.services():
        for expiry, mac, address, name in services.granted(look.run, service):
            client = look.owner(mac)
            got = next((one for one in _clients(look) if one[2] == mac), None)
            told.add(mac)
            left = max(0, expiry - int(time.time())) if expiry else None
            said = got[3] if got else {}
            about = look.about(node, None, client)
            yield ViewRow((node, address, mac, client or name, left, *_said(said)), about)
    for node, interface, mac, lease in _clients(look):
        if mac not in told:
            server = look.owner(lease.get("server", "")) or lease.get("server")
            yield ViewRow(
                (server, None, mac, node, None, *_said(lease)), look.about(node, interface)
            )


def _clients(look: Look) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Node, interface, MAC and lease of every DHCP client."""
    for resource in look.lab.plan.resources:
        if isinstance(resource, DhcpClient):
            own = look.spaces[resource.namespace].interfaces
            mac = next((one.mac for one in own if one.name == resource.interface), "")
            yield (
                look.nodes[resource.namespace],
                resource.interface,
                mac,
                look.lease(resource.namespace, resource.interface),
            )


def _said(lease: Mapping[str, str]) -> tuple[Value, ...]:
    return tuple(lease.get(key) or None for key in ("address", "router", "dns"))
