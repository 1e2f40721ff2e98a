"""Checks of several values of a scenario together, one file a subject.

Each check yields problems: the path of the value that is wrong, what is
wrong, and what to do. A check never stops at the first problem. It is given
the scenario, or the topology made of it where defaults matter.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.scenario.checks import (
    addresses,
    forwards,
    host,
    ipv6,
    listening,
    masks,
    names,
    routes,
    services,
    subnets,
    vmnets,
    vms,
)
from netlab.scenario.checks.lookup import KeysAt
from netlab.scenario.model import Scenario
from netlab.scenario.text.paths import PathProblem
from netlab.scenario.topology import Topology

__all__ = ["check", "check_names"]


def check_names(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield what must be right before a topology is made: it knows everything by its name."""
    yield from names.names(scenario)


def check(topology: Topology, keys_at: KeysAt) -> Iterator[PathProblem]:
    """Yield every problem of a topology but those of its expectations."""
    scenario = topology.scenario
    declared = keys_at("vmnets") | keys_at("segments")
    yield from vmnets.vmnets(scenario, keys_at)
    yield from vmnets.several_nat(scenario)
    yield from vmnets.numbers(topology)
    yield from services.dhcp(topology)
    yield from services.several_servers(topology)
    yield from forwards.forwards(topology)
    yield from host.host_nics(scenario)
    yield from vms.nics(topology, declared)
    yield from subnets.subnets(scenario)
    yield from routes.overlaps(topology)
    yield from routes.default_routes(topology)
    yield from routes.metrics(topology)
    yield from routes.stolen(topology)
    yield from ipv6.prefixes(topology)
    yield from addresses.host_twice(topology)
    yield from host.routes(topology)
    yield from addresses.addresses(topology)
    yield from masks.masks(topology)
    yield from vms.copies(scenario)
    yield from vms.guests(scenario)
    yield from listening.listening(topology)
    yield from vms.clients(topology)
    yield from vms.bridges(topology)
    yield from host.forwards(topology)
    yield from vms.macs(topology)
    yield from services.sizes(topology)
    yield from services.without_address(topology)
