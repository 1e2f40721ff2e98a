"""IPv6 of one interface: on, off, and what a router's advertisement has made of it.

It is off in each new namespace (`plan.machine`), so an interface has no IPv6
but where somebody switches it on. Nothing waits: duplicate address detection
is off, and the router is asked at once (addrconf of ip-sysctl.rst).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from socket import AF_INET6

from netlab.errors import Missing
from netlab.frozen import frozen
from netlab.kernel import links
from netlab.kernel.netlink import Netlink
from netlab.plan.nouns import DEFAULT_ROUTE_6, Address, Advertised, Ipv6, Route, Sysctl

_CONF = Path("/proc/sys/net/ipv6/conf")
_IFA_F_PERMANENT = 0x80
_PROTOCOL_RA = 9
_PROTOCOL_REDIRECT = 1
_USUAL_METRIC = 1024
"""IP6_RT_PRIO_USER: what a route has that is made without one, and one of an advertisement."""


@frozen
class Ipv6State:
    """What one namespace has of IPv6, without ::1."""

    addresses: tuple[Address, ...] = ()
    advertised: tuple[Address, ...] = ()
    """Those that stem from a router's advertisement."""
    routes: tuple[Route, ...] = ()
    defaults: frozenset[str] = frozenset()
    """Interfaces with a default route that a router has given."""


def require() -> None:
    """Raise Missing on a kernel without IPv6."""
    if not _CONF.exists():
        raise Missing(
            "the kernel has no IPv6",
            "boot without ipv6.disable=1, or take `ipv6` out of the scenario",
        )


def settings(noun: Ipv6) -> tuple[Sysctl, ...]:
    """What lets the interface have addresses: those of its router, if it listens to one, by EUI-64.

    Each is written down: a namespace may inherit the machine's (net.core.devconf_inherit_init_net).
    ra_defrtr_metric came with Linux 5.12.
    """
    values = {
        "dad_transmits": "0",
        "router_solicitation_delay": "0",
        # 2: a host that forwards for a NAT device listens to its own router all the same.
        "accept_ra": "2" if noun.advertised else "0",
        "ra_defrtr_metric": str(_USUAL_METRIC + noun.metric),
        "addr_gen_mode": "0" if noun.local else "1",
        "use_tempaddr": "0",
        "disable_ipv6": "0",
    }
    return tuple(_setting(noun, key, value) for key, value in values.items())


def off(noun: Ipv6) -> Sysctl:
    """What takes the interface its addresses and routes."""
    return _setting(noun, "disable_ipv6", "1")


def is_on(noun: Ipv6, found: dict[str, str]) -> bool:
    """Whether the interface is as the noun says; `found` are the settings that the kernel has."""
    return all(found.get(one.key, one.value) == one.value for one in settings(noun))


def _setting(noun: Ipv6, key: str, value: str) -> Sysctl:
    where = f"net.ipv6.conf.{noun.interface}.{key}"
    return Sysctl(noun.namespace, where, value, optional=True)


def took(netlink: Netlink, fact: Advertised) -> bool:
    """Whether the interface has the address, and its default route."""
    names = {netlink.index(fact.interface): fact.interface}
    return holds(read(netlink, fact.namespace, names), fact)


def holds(state: Ipv6State, fact: Advertised) -> bool:
    """Whether a namespace in this state has what the router advertised."""
    wanted = Address(fact.namespace, fact.interface, fact.address)
    routed = fact.interface in state.defaults or not fact.routed
    return wanted in state.advertised and routed


def read(netlink: Netlink, namespace: str, names: dict[int, str]) -> Ipv6State:
    """Everything of the interfaces in `names`."""
    found = list(_addresses(netlink, namespace, names))
    routes = list(_routes(netlink, namespace, names)) if found else []
    return Ipv6State(
        tuple(one for one, _ in found),
        tuple(one for one, advertised in found if advertised),
        tuple(route for route, protocol, _ in routes if protocol != _PROTOCOL_RA),
        frozenset(
            interface
            for route, protocol, interface in routes
            if protocol == _PROTOCOL_RA and route.destination == DEFAULT_ROUTE_6
        ),
    )


def read_addresses(netlink: Netlink, namespace: str, names: dict[int, str]) -> Iterator[Address]:
    """The IPv6 addresses of the interfaces in `names`."""
    return (one for one, _ in _addresses(netlink, namespace, names))


def _addresses(
    netlink: Netlink, namespace: str, names: dict[int, str]
) -> Iterator[tuple[Address, bool]]:
    """Each address, and whether it stems from an advertisement: what somebody enters stays for ever."""
    for found in links.addresses(netlink, AF_INET6):
        name = names.get(found.index)
        if name:
            permanent = found.flags & _IFA_F_PERMANENT
            yield Address(namespace, name, found.address), not permanent


def _routes(
    netlink: Netlink, namespace: str, names: dict[int, str]
) -> Iterator[tuple[Route, int, str]]:
    """Routes of the main table through a gateway: protocol (rtnetlink's number) and interface."""
    for found in links.gateway_routes(netlink, AF_INET6):
        if found.protocol != _PROTOCOL_REDIRECT:
            metric = 0 if found.metric == _USUAL_METRIC else found.metric
            route = Route(namespace, found.destination, found.gateway, metric)
            yield route, found.protocol, names.get(found.index, "?")
