"""Labs as they are planned: pure, and the same wherever there is Python."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from netlab.errors import UsageError
from netlab.frozen import frozen
from netlab.plan import host_ports
from netlab.plan.build import build
from netlab.scenario.names import lab_name, lab_name_after

if TYPE_CHECKING:
    from netlab.plan.plan import Plan
    from netlab.scenario.expectation import Expectation
    from netlab.scenario.loaded import LoadedScenario
    from netlab.scenario.topology import Topology


@frozen
class Lab:
    """A lab: its name, what the user asked for, and what must therefore exist."""

    name: str
    source: LoadedScenario
    plan: Plan

    @property
    def topology(self) -> Topology:
        """Every machine, network and adapter that the user asked for."""
        return self.source.topology

    @cached_property
    def expectations(self) -> tuple[Expectation, ...]:
        """The expectations that must be true of all ordered pairs of endpoints."""
        from netlab.scenario.expectation import matrix  # Only who measures a lab needs it.

        return matrix(self.topology)


def prepare(source: LoadedScenario, name: str | None = None) -> Lab:
    """Plan a lab without touching anything; it is called `name`, or as its scenario.

    Raises UsageError if a port of the host's that is to lead to a VM, or its proxy's, is a service's.
    """
    checked = lab_name(name) if name else lab_name_after(source.name)
    plan = build(checked, source.topology)
    for (protocol, port), program in host_ports.taken_by_services(plan, source.topology).items():
        raise busy_port(protocol, port, program)
    if server := host_ports.name_server_at_proxy(plan, source.topology):
        raise UsageError(
            f"port 53 is the host's DNS ({server}), and cannot be its proxy's",
            "give `host: {proxy: …}` another port, for example 3128",
        )
    return Lab(checked, source, plan)


def busy_port(protocol: str, port: int, program: str) -> UsageError:
    """Make the error that says which program has a port of the host's that is to lead to a VM."""
    what = f"the host's {protocol} port {port} is busy: {program} waits on it"
    return UsageError(what, "end that program, or let another port of the host lead to the VM")
