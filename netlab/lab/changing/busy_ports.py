"""Ports of the host's that another program has."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from netlab import lab as verbs
from netlab.kernel.process.services import process
from netlab.kernel.rows import Socket
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.state.sockets import read_listening
from netlab.lab.labs import Lab, busy_port
from netlab.plan import host_ports
from netlab.plan.host_ports import HostPorts
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
        if _wants(new, listener) and not is_service:
            program = listener.program if listener.pid else "another program"
            raise busy_port(listener.protocol, listener.port, program)


def _wants(forwarded: Iterable[HostPorts], listener: Socket) -> bool:
    """Return whether a program waits on a port, at an address, that is to lead to a VM."""
    address = listener.address
    place = address if isinstance(address, IPv4Address) and not address.is_unspecified else None
    return any(
        protocol == listener.protocol and ports.has(listener.port, place)
        for protocol, ports in forwarded
    )
