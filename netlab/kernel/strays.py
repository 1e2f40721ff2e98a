"""What somebody may have done to a namespace for which no plan has a noun: found, and undone.

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
from netlab.kernel.netlink import links, neighbours, routes, rules
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.links import forgiven_absence
from netlab.kernel.netlink.missing import RT_TABLE_LOCAL, RT_TABLE_MAIN
from netlab.kernel.netlink.snapshot import Snapshot

_HOME = IPv4Network("127.0.0.1/32")
_OWN_MAKERS = ("redirect", "kernel", "ra")
"""Who makes routes that nobody has entered."""


@frozen
class _Stray:
    """One thing: what it is called, and what undoes it."""

    what: str
    undo: Callable[[Netlink], None]


def oddities(found: Snapshot) -> tuple[str, ...]:
    """Everything of that kind in a namespace, in words."""
    return (*_of_loopback(found), *(stray.what for stray in _strays(found)))


def undo(netlink: Netlink) -> None:
    """Take all of that away. Raises Refused."""
    found = Snapshot(netlink)
    strays = list(_strays(found))
    if any(_of_loopback(found)):
        links.renew_loopback(netlink)
    links.loopback_up(netlink)
    for stray in strays:
        with forgiven_absence(errno.EEXIST):
            stray.undo(netlink)


def _strays(found: Snapshot) -> Iterator[_Stray]:
    yield from _rules(found)
    yield from _entered_routes(found)
    yield from _lost_routes(found)
    yield from _neighbours(found)
    yield from _fdb(found)


def _of_loopback(found: Snapshot) -> Iterator[str]:
    lo = next(one for one in found.interfaces if one.index == links.LOOPBACK_INDEX)
    home = (_HOME, RT_TABLE_LOCAL)
    if lo.name != "lo":
        yield f"lo is called {lo.name}"
    if not lo.up:
        yield "lo is off"
    elif not any((route.destination, route.table) == home for route in found.routes):
        yield "lo has no 127.0.0.1"


def _rules(found: Snapshot) -> Iterator[_Stray]:
    own: set[rules.RuleKey] = set()
    for rule in found.rules:
        if rule.for_all and rule.key in rules.OWN - own:
            own.add(rule.key)
        else:
            yield _Stray(f"with {rule.key}", partial(rules.delete, rule=rule))
    # A kernel may have no such rules, or no IPv6; the first one is what nobody takes away.
    families = {key.family for key in own}
    for key in sorted(rules.OWN - own, key=str):
        if key.family in families:
            yield _Stray(f"without {key}", partial(rules.create, key=key))


def _entered_routes(found: Snapshot) -> Iterator[_Stray]:
    """Routes that somebody has made, but for those that a plan's `Route` may be."""
    for route in found.routes:
        planned = route.table == RT_TABLE_MAIN and route.gateway
        if not (route.cached or planned or route.protocol in _OWN_MAKERS):
            where = f" in table {route.table}" * (route.table != RT_TABLE_MAIN)
            what = f"with a route to {route.destination}{where}"
            yield _Stray(what, partial(routes.delete_found, route=route))


def _lost_routes(found: Snapshot) -> Iterator[_Stray]:
    """Routes that the kernel itself has made for each address, and that are gone."""
    running = {interface.index for interface in found.interfaces if interface.running}
    known = [route for route in found.routes if not route.cached]
    there = {(route.destination, route.table, hop.index) for route in known for hop in route.hops}
    at_home = {route.destination for route in known if route.table == RT_TABLE_LOCAL}
    for address in found.addresses:
        own, network = ip_network(address.address.ip), address.address.network
        if address.index not in running:
            continue  # They come with the carrier.
        if own not in at_home:
            make = partial(routes.create_local, address=address)
            yield _Stray(f"without the route to {own} itself", make)
        if network != own and (network, RT_TABLE_MAIN, address.index) not in there:
            make = partial(routes.create_connected, address=address)
            yield _Stray(f"without a route to {network}", make)
        if own.version == 6 and (routes.MULTICAST, RT_TABLE_LOCAL, address.index) not in there:
            make = partial(routes.create_multicast, address=address)
            yield _Stray(f"without a route to {routes.MULTICAST}", make)


def _neighbours(found: Snapshot) -> Iterator[_Stray]:
    for neighbour in found.neighbours:
        if neighbour.permanent:
            what = f"with {neighbour.address} at {neighbour.mac} for ever"
            yield _Stray(what, partial(neighbours.delete, neighbour=neighbour))


def _fdb(found: Snapshot) -> Iterator[_Stray]:
    """What a switch was told of a MAC; its interfaces' own and what it has learnt is no stray."""
    own = {interface.mac for interface in found.interfaces}
    for entry in found.fdb:
        if entry.lasting and entry.mac not in own:
            what = f"with {entry.mac} behind a port for ever"
            yield _Stray(what, partial(neighbours.delete_forwarding, entry=entry))
