"""Everything that exists of a lab: the resources that the kernel shows now, planned or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Interface, IPv6Interface
from itertools import chain
from typing import TypeVar

from netlab.frozen import frozen
from netlab.kernel import ipv6
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import queues
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.netlink.snapshot import Snapshot
from netlab.kernel.nftables import nft
from netlab.kernel.resources import drivers, strays
from netlab.kernel.resources.base import LabState, NamespaceState
from netlab.kernel.resources.drivers import DRIVERS
from netlab.kernel.rundir import RunDirectory
from netlab.node_interface import NamespaceInterface
from netlab.plan.plan import Plan
from netlab.plan.resources import Address, Resource, Route

InterfaceAddresses = dict[NamespaceInterface, tuple[IPv4Interface, ...]]
"""Interfaces and their IPv4 addresses."""
Ipv6Addresses = dict[NamespaceInterface, tuple[IPv6Interface, ...]]
"""Interfaces and their IPv6 addresses, without link-local ones."""


@frozen
class Observation:
    """A lab as the kernel shows it."""

    resources: tuple[Resource, ...]
    """Everything there, as planned, changed, or unplanned; not what DHCP gave, which is as it should be."""
    addresses: InterfaceAddresses
    ipv6: Ipv6Addresses


def observe(plan: Plan, run: RunDirectory) -> Observation:
    """Look at everything that is planned, and for what is not."""
    settings: dict[str, list[str]] = defaultdict(list)
    for resource in plan.resources:
        for setting in DRIVERS[type(resource)].settings(resource):
            settings[setting.namespace].append(setting.key)
    present = [name for name in plan.namespaces if netns.inode(name) is not None]
    with NamespacePool(len(present)) as pool:
        lab = LabState(run, {name: _state(name, settings[name], pool) for name in present})
    states = lab.namespaces.values()
    existing = [drivers.read(resource, lab) for resource in plan.resources]
    planned = _by_namespace(plan, run)
    unplanned = (
        driver.unplanned(state, planned[state.name])
        for state in states
        for driver in DRIVERS.values()
    )
    return Observation(
        (*filter(None, existing), *chain.from_iterable(unplanned)),
        _by_interface(IPv4Interface, (address for state in states for address in state.addresses)),
        _by_interface(
            IPv6Interface, (address for state in states for address in state.ipv6.addresses)
        ),
    )


def _by_namespace(plan: Plan, run: RunDirectory) -> dict[str, set[Resource]]:
    """Everything that is planned in each namespace, with what it entails."""
    planned: dict[str, set[Resource]] = defaultdict(set)
    for resource in plan.resources:
        with_entailed = {resource, *DRIVERS[type(resource)].entailed(resource, run)}
        for namespace in resource.namespaces:
            planned[namespace] |= with_entailed
    return planned


def addresses(namespaces: list[str]) -> tuple[InterfaceAddresses, Ipv6Addresses]:
    """The addresses of every interface in these namespaces, and nothing else."""
    existing: list[Address] = []
    with NamespacePool(len(namespaces)) as pool:
        for name in namespaces:
            snapshot = Snapshot(pool.netlink(name))
            existing += (*_ipv4_addresses(snapshot, name), *ipv6.addresses(snapshot, name))
    return _by_interface(IPv4Interface, existing), _by_interface(IPv6Interface, existing)


_Ip = TypeVar("_Ip", bound=IPv4Interface | IPv6Interface)


def _by_interface(
    family: type[_Ip], addresses: Iterable[Address]
) -> dict[NamespaceInterface, tuple[_Ip, ...]]:
    """The addresses of a family by interface; of IPv6, without link-local ones."""
    grouped: dict[NamespaceInterface, tuple[_Ip, ...]] = {}
    for resource in addresses:
        address = resource.address
        if isinstance(address, family) and not (address.version == 6 and address.is_link_local):
            key = resource.interface_key
            grouped[key] = (*grouped.get(key, ()), address)
    return grouped


def _state(namespace: str, settings: list[str], pool: NamespacePool) -> NamespaceState:
    with pool.inside(namespace):
        ruleset = nft.read_current()
        values = pool.settings.values(namespace, [*settings, netns.MARK_KEY])
    snapshot = Snapshot(pool.netlink(namespace))
    slowed = any(interface.queue in queues.KINDS for interface in snapshot.interfaces)
    is_marked = values.get(netns.MARK_KEY) == str(netns.MARK)
    unmarked = () if is_marked else ("without netlab's mark",)
    return NamespaceState(
        namespace,
        {interface.name: interface for interface in snapshot.interfaces},
        tuple(_ipv4_addresses(snapshot, namespace)),
        tuple(_ipv4_routes(snapshot, namespace)),
        ipv6.read(snapshot, namespace),
        tuple(queues.read(snapshot.netlink, namespace, snapshot.names)) if slowed else (),
        ruleset,
        values,
        (*unmarked, *strays.oddities(snapshot)),
    )


def _ipv4_addresses(snapshot: Snapshot, namespace: str) -> Iterator[Address]:
    for address in snapshot.addresses:
        if address.address.version == 4:
            # An interface may have come between the two dumps.
            yield Address(namespace, snapshot.names.get(address.index, "?"), address.address)


def _ipv4_routes(snapshot: Snapshot, namespace: str) -> Iterator[Route]:
    """IPv4 routes of the main table through a gateway, but not what a redirect has taught."""
    for route in snapshot.routes:
        gateway = route.gateway if route.main else None
        if gateway and gateway.version == 4 and route.protocol != "unspec":
            yield Route(namespace, route.destination, gateway, route.metric, route.mtu)
