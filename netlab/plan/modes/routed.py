"""Networks whose gateway, DHCP and DNS server is the host itself, at `.1`: libvirt's, Hyper-V's, a hot spot.

The rules by which the host forwards and translates are in `plan/nodes/host._rules`.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.names import namespace
from netlab.plan.node import switch
from netlab.plan.resources import Listening, Resource, Service
from netlab.plan.services import dhcp, dnsmasq
from netlab.scenario.model import VmnetService
from netlab.scenario.topology import HOST, Network, Topology


def network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Resource]:
    """The switch, and the host's dnsmasq on it; the host plugs its adapter in itself."""
    yield from switch(lab, vmnet)
    if VmnetService.DHCP in vmnet.stopped:
        return
    netns = namespace(lab, HOST)
    # dnsmasq takes the loopback by itself, and here there may be one for each network.
    lines = ["except-interface=lo"]
    if vmnet.serves:
        lines += dhcp.served(topology, vmnet)
    if vmnet.mode and vmnet.mode.routing:
        lines.append(f"server={topology.scenario.lan.gateway}")
    yield Service(netns, vmnet.name, dnsmasq.PROGRAM, dnsmasq.configuration(vmnet.name, lines))
    for port in (53, 67) if vmnet.serves else (53,):
        yield Listening(netns, vmnet.name, "udp", port)
