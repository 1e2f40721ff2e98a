"""IPv6 of interfaces: on, off, and the addresses and routes from a router's advertisement.

It is off in each new namespace (`plan.node`), so an interface has no IPv6
unless it is switched on. Nothing waits: duplicate address detection
is off, and the router is asked at once (addrconf of ip-sysctl.rst).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from netlab.errors import Missing
from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.objects.addresses import InterfaceAddress
from netlab.kernel.netlink.objects.routes import IPV6_METRIC, KernelRoute
from netlab.kernel.netlink.snapshot import Snapshot
from netlab.plan.resources import DEFAULT_ROUTE_6, Address, Advertised, Ipv6, Route, Sysctl

_CONF = Path("/proc/sys/net/ipv6/conf")


@frozen
class Ipv6State:
    """The IPv6 addresses and routes of one namespace, without ::1."""

    addresses: tuple[Address, ...] = ()
    advertised: tuple[Address, ...] = ()
    """Addresses from a router's advertisement."""
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


def settings(resource: Ipv6) -> tuple[Sysctl, ...]:
    """Return the settings that turn IPv6 on: with its router's addresses, if it listens to one, by EUI-64.

    Every setting is written: a namespace may inherit the machine's (net.core.devconf_inherit_init_net).
    ra_defrtr_metric came with Linux 5.12.
    """
    values = {
        "dad_transmits": "0",
        "router_solicitation_delay": "0",
        # 2: a host that forwards for a NAT device listens to its own router all the same.
        "accept_ra": "2" if resource.advertised else "0",
        "accept_ra_defrtr": "0" if resource.metric is None else "1",
        "ra_defrtr_metric": str(IPV6_METRIC + (resource.metric or 0)),
        "addr_gen_mode": "0" if resource.local else "1",
        "use_tempaddr": "0",
        "disable_ipv6": "0",
    }
    return tuple(_setting(resource, key, value) for key, value in values.items())


def off(resource: Ipv6) -> Sysctl:
    """Return the setting that turns IPv6 off, which takes the interface its addresses and routes."""
    return _setting(resource, "disable_ipv6", "1")


def is_on(resource: Ipv6, values: dict[str, str]) -> bool:
    """Return whether the interface is as planned; `values` are the settings that the kernel has, by key."""
    return all(
        values.get(setting.key, setting.value) == setting.value for setting in settings(resource)
    )


def _setting(resource: Ipv6, key: str, value: str) -> Sysctl:
    full_key = f"net.ipv6.conf.{resource.interface}.{key}"
    return Sysctl(resource.namespace, full_key, value, optional=True)


def took(netlink: Netlink, fact: Advertised) -> bool:
    """Read whether the interface has taken the advertised address, and its default route."""
    return holds(read(Snapshot(netlink), fact.namespace), fact)


def holds(state: Ipv6State, fact: Advertised) -> bool:
    """Return whether a namespace in this state has the address, and the route, that the router advertised."""
    address = Address(fact.namespace, fact.interface, fact.address)
    routed = fact.interface in state.defaults or not fact.routed
    return address in state.advertised and routed


def read(snapshot: Snapshot, namespace: str) -> Ipv6State:
    """Return a namespace's IPv6 state, without interfaces that have come since the snapshot."""
    learnt = list(_gateway_routes(snapshot)) if any(_ipv6_addresses(snapshot)) else []
    return Ipv6State(
        addresses(snapshot, namespace),
        # An address that is entered stays for ever, an advertised one has an end.
        tuple(
            _planned_address(address, snapshot, namespace)
            for address in _ipv6_addresses(snapshot)
            if not address.permanent
        ),
        tuple(_planned_route(route, namespace) for route in learnt if route.protocol != "ra"),
        frozenset(
            snapshot.names.get(route.hops[0].index, "?")
            for route in learnt
            if route.protocol == "ra" and route.destination == DEFAULT_ROUTE_6
        ),
    )


def addresses(snapshot: Snapshot, namespace: str) -> tuple[Address, ...]:
    """Return the IPv6 addresses of a namespace as a plan has them."""
    return tuple(
        _planned_address(address, snapshot, namespace) for address in _ipv6_addresses(snapshot)
    )


def advertised_on(snapshot: Snapshot) -> frozenset[str]:
    """Return the interfaces with an address from a router's advertisement."""
    return frozenset(
        snapshot.names[address.index]
        for address in _ipv6_addresses(snapshot)
        if not address.permanent
    )


def _ipv6_addresses(snapshot: Snapshot) -> Iterator[InterfaceAddress]:
    for address in snapshot.addresses:
        if address.address.version == 6 and address.index in snapshot.names:
            yield address


def _planned_address(address: InterfaceAddress, snapshot: Snapshot, namespace: str) -> Address:
    return Address(namespace, snapshot.names[address.index], address.address)


def _gateway_routes(snapshot: Snapshot) -> Iterator[KernelRoute]:
    """Yield the IPv6 routes of the main table through a gateway, but for redirects."""
    for route in snapshot.routes:
        through_gateway = route.gateway is not None and route.gateway.version == 6
        if route.main and through_gateway and route.protocol != "redirect":
            yield route


def _planned_route(route: KernelRoute, namespace: str) -> Route:
    metric = 0 if route.metric == IPV6_METRIC else route.metric
    assert route.gateway, "see `_gateway_routes`"
    return Route(namespace, route.destination, route.gateway, metric)
