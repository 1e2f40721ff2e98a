"""Strays: changes to a namespace that no plan has a resource for, found and undone.

Another `lo`, rules of routing, routes but those through a gateway in the main
table, lasting entries of ARP and of a switch. No plan has any of it, and what
the kernel itself puts there is known: so what is not the kernel's own goes, and
what of that is missing comes again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv4Network, ip_network

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.missing import RT_TABLE_LOCAL, RT_TABLE_MAIN
from netlab.kernel.netlink.objects import links, neighbours, routes, rules
from netlab.kernel.netlink.objects.links import forgiven_absence
from netlab.kernel.netlink.snapshot import Snapshot

_HOME = IPv4Network("127.0.0.1/32")
_KERNEL_PROTOCOLS = ("redirect", "kernel", "ra")
"""Makers of routes that nobody has entered."""


@frozen
class _Stray:
    """One change, in words, and how it is undone."""

    description: str
    undo: Callable[[Netlink], None]


def oddities(snapshot: Snapshot) -> tuple[str, ...]:
    """Every stray of a namespace, in words."""
    return (*_of_loopback(snapshot), *(stray.description for stray in _strays(snapshot)))


def undo(netlink: Netlink) -> None:
    """Take every stray of a namespace away. Raises Refused."""
    snapshot = Snapshot(netlink)
    strays = list(_strays(snapshot))
    if any(_of_loopback(snapshot)):
        links.renew_loopback(netlink)
    links.loopback_up(netlink)
    for stray in strays:
        with forgiven_absence(errno.EEXIST):
            stray.undo(netlink)


def _strays(snapshot: Snapshot) -> Iterator[_Stray]:
    yield from _rules(snapshot)
    yield from _entered_routes(snapshot)
    yield from _lost_routes(snapshot)
    yield from _neighbours(snapshot)
    yield from _fdb(snapshot)


def _of_loopback(snapshot: Snapshot) -> Iterator[str]:
    lo = next(link for link in snapshot.interfaces if link.index == links.LOOPBACK_INDEX)
    home = (_HOME, RT_TABLE_LOCAL)
    if lo.name != "lo":
        yield f"lo is called {lo.name}"
    if not lo.up:
        yield "lo is off"
    elif not any((route.destination, route.table) == home for route in snapshot.routes):
        yield "lo has no 127.0.0.1"


def _rules(snapshot: Snapshot) -> Iterator[_Stray]:
    existing: set[rules.RuleKey] = set()
    for rule in snapshot.rules:
        if rule.for_all and rule.key in rules.OWN - existing:
            existing.add(rule.key)
        else:
            yield _Stray(f"with {rule.key}", partial(rules.delete, rule=rule))
    # A kernel may have no such rules, or no IPv6; the first one is what nobody takes away.
    families = {key.family for key in existing}
    for key in sorted(rules.OWN - existing, key=str):
        if key.family in families:
            yield _Stray(f"without {key}", partial(rules.create, key=key))


def _entered_routes(snapshot: Snapshot) -> Iterator[_Stray]:
    """Routes that somebody has made, but for those that a plan's `Route` may be."""
    for route in snapshot.routes:
        planned = route.table == RT_TABLE_MAIN and route.gateway
        if not (route.cached or planned or route.protocol in _KERNEL_PROTOCOLS):
            table = f" in table {route.table}" * (route.table != RT_TABLE_MAIN)
            description = f"with a route to {route.destination}{table}"
            yield _Stray(description, partial(routes.delete_found, route=route))


def _lost_routes(snapshot: Snapshot) -> Iterator[_Stray]:
    """Routes that the kernel itself has made for each address, and that are gone."""
    running = {interface.index for interface in snapshot.interfaces if interface.running}
    lasting = [route for route in snapshot.routes if not route.cached]
    single_hop = {
        (route.destination, route.table, route.hops[0].index)
        for route in lasting
        if len(route.hops) == 1
    }
    local = {route.destination for route in lasting if route.table == RT_TABLE_LOCAL}
    for address in snapshot.addresses:
        host, network = ip_network(address.address.ip), address.address.network
        if address.index not in running:
            continue  # They come with the carrier.
        if host not in local:
            make = partial(routes.create_local, address=address)
            yield _Stray(f"without the route to {host} itself", make)
        if network != host and (network, RT_TABLE_MAIN, address.index) not in single_hop:
            make = partial(routes.create_connected, address=address)
            yield _Stray(f"without a route to {network}", make)
        multicast = (routes.MULTICAST, RT_TABLE_LOCAL, address.index)
        if host.version == 6 and multicast not in single_hop:
            make = partial(routes.create_multicast, address=address)
            yield _Stray(f"without a route to {routes.MULTICAST}", make)


def _neighbours(snapshot: Snapshot) -> Iterator[_Stray]:
    for neighbour in snapshot.neighbours:
        if neighbour.permanent:
            description = f"with {neighbour.address} at {neighbour.mac} for ever"
            yield _Stray(description, partial(neighbours.delete, neighbour=neighbour))


def _fdb(snapshot: Snapshot) -> Iterator[_Stray]:
    """Entries that somebody gave a switch for a MAC; its interfaces' own and learnt ones are no strays."""
    interface_macs = {interface.mac for interface in snapshot.interfaces}
    for entry in snapshot.fdb:
        if entry.lasting and entry.mac not in interface_macs:
            description = f"with {entry.mac} behind a port for ever"
            yield _Stray(description, partial(neighbours.delete_forwarding, entry=entry))
