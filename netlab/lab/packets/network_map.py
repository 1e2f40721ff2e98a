"""A lab as its packets meet it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.journey import BridgeInside, NetworkMap
from netlab.node_interface import NodeInterface
from netlab.plan import names
from netlab.plan.modes.nat import nat_uplinks
from netlab.plan.nodes.outside import ADMISSION
from netlab.plan.resources import Bridge
from netlab.plan.switches.quality import LOSS
from netlab.scenario.topology import HOST

if TYPE_CHECKING:
    from netlab.lab.labs import Lab


def netmap(lab: Lab) -> NetworkMap:
    """Draw the map of a lab as planned: its nodes and switches, and what is plugged into what."""
    translates = any(
        network.mode and (network.mode.nat_device or network.mode.routing)
        for network in lab.topology.vmnets
    )
    cards = [adapter for adapter in lab.topology.nodes[HOST].adapters if adapter.network.lan]
    macs = {
        names.node(resource.namespace): resource.mac
        for resource in lab.plan.resources
        if isinstance(resource, Bridge)
    }
    switches = macs.keys() - lab.topology.nodes.keys()
    return NetworkMap(
        nodes={namespace: names.node(namespace) for namespace in lab.plan.namespaces},
        switches=frozenset(switches),
        bridges={
            name: BridgeInside(node.primary.holder, node.primary.mac)
            for name, node in lab.topology.nodes.items()
            if name in macs
        },
        peers={
            NodeInterface(names.node(end.namespace), end.interface): names.node(peer.namespace)
            for end, peer in lab.plan.peers.items()
        },
        nat_uplinks=nat_uplinks(lab.topology),
        macs={name: macs[name] for name in switches},
        forwarded_ports=frozenset(
            NodeInterface(HOST, card.interface) for card in cards if translates
        ),
        tables={f"bridge {ADMISSION}": Cause.MAC_NOT_ALLOWED, f"bridge {LOSS}": Cause.LOST},
    )
