"""The difference between a running lab and another scenario, and what keeps it from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.errors import SystemRefused
from netlab.kernel.process.services import process
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.state.sockets import read_listening
from netlab.lab.labs import Lab, busy_port, prepare
from netlab.lab.privileges import require_root
from netlab.plan import host_ports
from netlab.plan.diff import diff
from netlab.plan.names import namespace
from netlab.plan.resources import Service
from netlab.scenario.topology import HOST

if TYPE_CHECKING:
    from netlab.plan.diff import Diff
    from netlab.scenario.loaded import LoadedScenario


def change(lab: Lab, source: LoadedScenario) -> tuple[Lab, Diff]:
    """Plan the lab that another scenario would make of a running one, and how to come there."""
    target = prepare(source, lab.name)
    return target, diff(lab.plan, target.plan)


def refuse_busy_ports(lab: Lab, target: Lab) -> None:
    """Raise UsageError if a port of the host's that is to lead to a VM is a running program's.

    Only ports are looked at that lead nowhere yet; the lab's own services are `prepare`'s to judge.
    """
    new = host_ports.forwarded(target.topology) - host_ports.forwarded(lab.topology)
    if not new:
        return
    require_root()
    host, run = namespace(lab.name, HOST), RunDirectory(lab.name)
    services = {
        process(run, resource)
        for resource in lab.plan.resources
        if isinstance(resource, Service) and resource.namespace == host
    }
    for listener in read_listening([host])[host]:
        is_service = listener.pid is not None and listener.pid in services
        if (listener.protocol, listener.port) in new and not is_service:
            program = listener.program if listener.pid else "another program"
            raise busy_port(listener.protocol, listener.port, program)


def refuse_outdated(lab: Lab, run: RunDirectory) -> None:
    """Raise SystemRefused if the lab was changed since `lab` was planned, before it was locked."""
    if run.scenario.read_bytes() != lab.source.text:
        what = f"another netlab command has changed the lab '{lab.name}' meanwhile"
        raise SystemRefused(what, "do it again")
