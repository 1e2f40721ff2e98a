"""Bridged (vmnet0): a switch between a card of the host, its VMs and the LAN.

Frames between a bridged VM and its own host are handed over inside VMware's
bridge driver and never reach the wire (bridge.c, VNetBridgeReceiveFromVNet):
so the host's card is plugged in here too, and one cable leads on to the LAN.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.names import namespace
from netlab.plan.node import switch
from netlab.plan.resources import Cable, CableEnd, Resource, Ruleset
from netlab.plan.switches import wifi
from netlab.scenario.topology import HOST, Network, Topology

UPLINK = "uplink"


def network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Resource]:
    """The switch and its cable to the LAN of its card; addresses come from there."""
    yield from switch(lab, vmnet)
    if vmnet.nic and wifi.is_wireless(vmnet):
        mac = next(
            adapter.mac
            for adapter in topology.nodes[HOST].adapters
            if adapter.interface == vmnet.nic
        )
        yield Ruleset(namespace(lab, vmnet.name), wifi.rules(UPLINK, mac))
    if vmnet.lan:
        yield Cable(
            CableEnd(namespace(lab, vmnet.name), UPLINK, bridge=vmnet.name),
            CableEnd(namespace(lab, vmnet.lan), vmnet.name, bridge=vmnet.lan, up=vmnet.linked),
            max(vmnet.mtu, topology.networks[vmnet.lan].mtu),
        )
