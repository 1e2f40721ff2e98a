"""What concerns several values of a scenario together, one file a subject.

Each check yields findings: the path of the value that is wrong, what is
wrong, and what to do. A check never stops at the first finding. It is given
the scenario, or what has been made of it where defaults matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from netlab.scenario import expectation
from netlab.scenario.checks import addresses, host, ipv6, names, services, subnets, vmnets, vms
from netlab.scenario.checks.finding import PathProblem, Written
from netlab.scenario.model import Scenario
from netlab.scenario.text.document import Path
from netlab.scenario.topology import Topology

__all__ = ["PathProblem", "check", "check_endpoint_names", "check_expectations", "check_names"]


def check_names(scenario: Scenario) -> Iterator[PathProblem]:
    """What must be right before a topology is made: it knows everything by its name."""
    yield from names.names(scenario)


def check(topology: Topology, written: Written) -> Iterator[PathProblem]:
    """Every finding but the expectations'."""
    scenario = topology.scenario
    declared = written("vmnets") | written("segments")
    yield from vmnets.vmnets(scenario, written)
    yield from vmnets.several_nat(scenario)
    yield from vmnets.numbers(topology)
    yield from services.dhcp(topology)
    yield from services.forwards(topology)
    yield from host.host_nics(scenario)
    yield from vms.nics(topology, declared)
    yield from subnets.overlaps(topology)
    yield from ipv6.prefixes(topology)
    yield from addresses.host_twice(topology)
    yield from host.routes(scenario)
    yield from addresses.addresses(topology)
    yield from vms.copies(scenario)
    yield from vms.guests(scenario)
    yield from vms.bridges(topology)
    yield from host.forwards(topology)
    yield from vms.macs(topology)
    yield from services.sizes(topology)
    yield from services.without_address(topology)


def check_expectations(topology: Topology) -> Iterator[PathProblem]:
    """Findings in `expect`: unknown names, idle rules, pairs without an expectation."""
    for problem in expectation.problems(topology):
        path: Path = ("expect", *problem.path)
        yield PathProblem(path, problem.what, problem.fix, on_key=path == ("expect",))


def check_endpoint_names(scenario: Scenario, nodes: Collection[str]) -> Iterator[PathProblem]:
    """Unknown names in `expect`, for a file of which a part is cut out; `nodes` are all that it names."""
    for problem in expectation.unknown_names(scenario.expect, nodes):
        yield PathProblem(("expect", *problem.path), problem.what, problem.fix)
