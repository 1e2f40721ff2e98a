"""Ports of the host's that another program has."""

from __future__ import annotations

from netlab import lab as verbs
from netlab.kernel.process.services import process
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.state.sockets import read_listening
from netlab.lab.labs import Lab, busy_port
from netlab.plan import host_ports
from netlab.plan.names import namespace
from netlab.plan.resources import Service
from netlab.scenario.topology import HOST


def refuse_busy_ports(lab: Lab, target: Lab) -> None:
    """Raise UsageError if a port of the host's that is to lead to a VM is a running program's.

    Only ports are looked at that lead nowhere yet; the lab's own services are `prepare`'s to judge.
    """
    new = host_ports.forwarded(target.topology) - host_ports.forwarded(lab.topology)
    if not new:
        return
    verbs.require_root()
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
