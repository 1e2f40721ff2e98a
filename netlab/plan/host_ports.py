"""Ports of the host that lead to VMs, or are its proxy's, and who else wants them. Pure.

VMware's NAT device waits on a socket of the host's for each: a program that has the port keeps it from that.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan import forwards
from netlab.plan.names import namespace
from netlab.plan.plan import Plan
from netlab.plan.resources import Listening
from netlab.scenario.ports import ForwardedPorts
from netlab.scenario.topology import HOST, Topology

HostPorts = tuple[str, ForwardedPorts]
"""tcp or udp, and the numbers."""
_DNS = 53
"""Name servers take it for TCP too."""


def forwarded(topology: Topology) -> set[HostPorts]:
    """Ports that lead to VMs."""
    return {
        (forward.protocol, forward.ports)
        for network in topology.vmnets
        for forward in forwards.of_vmnet(topology, network)
    }


def taken_by_services(plan: Plan, topology: Topology) -> dict[tuple[str, int], str]:
    """Forwarded ports on which the plan itself has a service of the host's, and the service's name.

    None waits at the loopback.
    """
    forwarded_ports = forwarded(topology)
    return {
        (protocol, resource.port): resource.service
        for resource in _of_the_host(plan)
        for protocol in ("tcp", "udp")
        if protocol == resource.protocol or resource.port == _DNS
        for wanted, ports in forwarded_ports
        if wanted == protocol and ports.has(resource.port) and not ports.own_only
    }


def name_server_at_proxy(plan: Plan, topology: Topology) -> str | None:
    """The host's service that is a name server, where the host's proxy is to have its port; else None."""
    proxy = topology.nodes[HOST].proxy
    if proxy is None or proxy.port != _DNS:
        return None
    listening = _of_the_host(plan)
    servers = (fact.service for fact in listening if (fact.protocol, fact.port) == ("udp", _DNS))
    return next(servers, None)


def _of_the_host(plan: Plan) -> Iterator[Listening]:
    netns = namespace(plan.lab, HOST)
    resources = (resource for resource in plan.resources if isinstance(resource, Listening))
    return (resource for resource in resources if resource.namespace == netns)
