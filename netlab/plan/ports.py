"""Ports of the host that lead to VMs, and who else wants them. Pure.

VMware's NAT device waits on a socket of the host's for each: a program that has the port keeps it from that.
"""

from __future__ import annotations

from netlab.plan import nat
from netlab.plan.names import namespace
from netlab.plan.nouns import Listening
from netlab.plan.plan import Plan
from netlab.scenario.topology import HOST, Topology

Port = tuple[str, int]
"""tcp or udp, and the number."""
_DNS = 53
"""Name servers take it for TCP too."""


def forwarded(topology: Topology) -> set[Port]:
    """Ports that lead to VMs."""
    return {
        (one.protocol, one.port)
        for network in topology.vmnets
        for one in nat.forwards(topology, network)
    }


def taken_by_services(plan: Plan, topology: Topology) -> dict[Port, str]:
    """Those of them on which the plan itself has a service of the host's, and its name."""
    wanted = forwarded(topology)
    return {
        (protocol, noun.port): noun.service
        for noun in plan.nouns
        if isinstance(noun, Listening) and noun.namespace == namespace(plan.lab, HOST)
        for protocol in ("tcp", "udp")
        if (protocol == noun.protocol or noun.port == _DNS) and (protocol, noun.port) in wanted
    }
