"""Masks of VMs' adapters that are not their network's, and further addresses.

People have them though they are wrong, and the kernel builds them: these are warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface

from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Adapter, Role, Topology

_UNLESS = "unless that is what you want to see"


def masks(topology: Topology) -> Iterator[PathProblem]:
    """Warn of addresses whose neighbours are not those of the network, and of a further one taken twice."""
    owners: dict[tuple[str, IPv4Address], str] = {}
    machines = sorted(topology.nodes.values(), key=lambda node: node.role is Role.VM)
    for node in machines:
        for adapter in node.adapters:
            if adapter.address:
                owners.setdefault((adapter.network.segment, adapter.address.ip), node.name)
    for node in machines:
        if node.role is Role.VM:
            for index, adapter in enumerate(node.adapters):
                path: DataPath = ("vms", node.name, "nics", index)
                yield from _of_adapter(adapter, path)
                yield from _taken_twice(adapter, owners, (*path, "addresses"))


def _of_adapter(adapter: Adapter, path: DataPath) -> Iterator[PathProblem]:
    if not adapter.network.numbered:
        return
    if adapter.address:
        yield from _mask(adapter, adapter.address, (*path, "address"))
    for number, address in enumerate(adapter.further):
        place = (*path, "addresses", number)
        if address.ip in adapter.network.subnet:
            yield from _mask(adapter, address, place)
        elif address.network.prefixlen == adapter.network.subnet.prefixlen:
            yield _outside(adapter, address, place)


def _mask(adapter: Adapter, address: IPv4Interface, path: DataPath) -> Iterator[PathProblem]:
    """Yield the warning of an address whose mask is wider or, where others are left out, narrower."""
    own, network, machine = address.network, adapter.network, adapter.node
    is_alias = own.prefixlen == own.max_prefixlen and address != adapter.address
    if own.prefixlen < network.subnet.prefixlen:
        effect = (
            f"{machine} takes all of {own} for neighbours, and {network.name} is {network.subnet}: it asks"
            " on its cable for machines that are elsewhere, and sends them nothing by its gateway"
        )
    elif own.prefixlen > network.subnet.prefixlen and not is_alias:
        effect = (
            f"{machine} takes {own} only for neighbours, and {network.name} is {network.subnet}: it sends"
            " the others there nothing, or by its gateway"
        )
    else:
        return
    fix = f"write {address.ip} without a mask, {_UNLESS}"
    yield PathProblem(path, effect, fix, is_warning=True)


def _outside(adapter: Adapter, address: IPv4Interface, path: DataPath) -> PathProblem:
    network = adapter.network
    message = (
        f"{address.ip} is outside {network.name}'s {network.subnet}: machines there reach {adapter.node}"
        " at it only if they have a route to it"
    )
    fix = f"use an address of {network.subnet}, {_UNLESS}"
    return PathProblem(path, message, fix, is_warning=True)


def _taken_twice(
    adapter: Adapter, owners: dict[tuple[str, IPv4Address], str], path: DataPath
) -> Iterator[PathProblem]:
    for number, address in enumerate(adapter.further):
        owner = owners.setdefault((adapter.network.segment, address.ip), adapter.node)
        is_own = adapter.address is not None and address.ip == adapter.address.ip
        if owner != adapter.node or is_own:
            message = f"{address.ip} is taken twice: by {owner} and by {adapter.node}"
            fix = f"take it off one of them, {_UNLESS}"
            yield PathProblem((*path, number), message, fix, is_warning=not is_own)
