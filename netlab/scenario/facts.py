"""Facts in, facts of machines out: what is expected of each machine or adapter that a fact names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address

from netlab.frozen import frozen
from netlab.scenario.addresses.mac import plain
from netlab.scenario.expectation import Endpoint, Matching
from netlab.scenario.model import Expectations, Fact, is_pattern
from netlab.scenario.model.facts import NONE
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Topology
from netlab.suggest import instead


@frozen
class MachineFact:
    """A fact that is expected of a machine, or of one of its adapters."""

    index: int
    """Its place among the scenario's facts."""
    fact: Fact
    endpoint: Endpoint


def machine_facts(topology: Topology) -> tuple[MachineFact, ...]:
    """Return every fact of a checked scenario, for each machine that it names, fact by fact."""
    every, matching = endpoints(topology), _Matching(topology)
    return tuple(
        MachineFact(index, fact, every[name])
        for index, fact in enumerate(topology.scenario.expect.facts)
        for name in every
        if any(name in matching(pattern) for pattern in fact.on)
    )


def endpoints(topology: Topology) -> dict[str, Endpoint]:
    """Return everything that a fact can speak of: each machine, then its adapters; services too."""
    every: dict[str, Endpoint] = {}
    for node in topology.nodes.values():
        every[node.name] = Endpoint(node.name, node)
        every |= {
            name: Endpoint(name, node, adapter) for name, adapter in node.named_adapters.items()
        }
    return every


class _Matching:
    """The endpoints of patterns as in rules: those of NAT devices and DHCP servers only by their names.

    `vm*` names no adapter, `vm*@vmnet8` does.
    """

    def __init__(self, topology: Topology) -> None:
        self._every = endpoints(topology)
        machines = {node.name for node in topology.endpoints}
        of_machines = [name for name, end in self._every.items() if end.node.name in machines]
        self._nodes = Matching([name for name in of_machines if "@" not in name])
        self._adapters = Matching([name for name in of_machines if "@" in name])

    def __call__(self, pattern: str) -> Collection[str]:
        if not is_pattern(pattern):
            return {pattern} & self._every.keys()
        return self._adapters(pattern) if "@" in pattern else self._nodes(pattern)


def problems(topology: Topology) -> Iterator[PathProblem]:
    """Yield names in the facts that nothing has."""
    if not topology.scenario.expect.facts:
        return
    every, matching = endpoints(topology), _Matching(topology)
    for path, name in _named(topology.scenario.expect):
        if not matching(name):
            yield _unknown(path, name, every)
    # A NAT device or DHCP server that is switched off has no address: the fact is false then, and no mistake.
    services = {f"{network.name}-{kind}" for network in topology.vmnets for kind in ("nat", "dhcp")}
    for path, name in _compared(topology.scenario.expect):
        if name not in every and name not in services:
            yield _unknown(path, name, every)


def _unknown(path: DataPath, name: str, names: Collection[str]) -> PathProblem:
    machines_first = sorted(names, key=lambda endpoint: "@" in endpoint)
    return PathProblem(path, f"'{name}' names no endpoint", instead(name, machines_first))


def _named(expect: Expectations) -> Iterator[tuple[DataPath, str]]:
    """Yield the names and patterns of the machines that facts speak of."""
    for index, fact in enumerate(expect.facts):
        for pattern in fact.on:
            yield ("expect", "facts", index, "on"), pattern


def _compared(expect: Expectations) -> Iterator[tuple[DataPath, str]]:
    """Yield the names that facts compare with, where they are no addresses."""
    for index, fact in enumerate(expect.facts):
        for path, word in fact.names:
            if word and word != NONE and not plain(word) and not _is_address(word):
                yield ("expect", "facts", index, *path), word


def _is_address(word: str) -> bool:
    try:
        return bool(ip_address(word))
    except ValueError:
        return False
