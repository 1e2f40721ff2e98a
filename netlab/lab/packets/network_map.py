"""A lab as its packets meet it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.journey import BridgeInside, NetworkMap
from netlab.node_interface import NodeInterface
from netlab.plan import names
from netlab.plan.modes.nat import nat_uplinks
from netlab.plan.nodes.outside import ADMISSION
from netlab.plan.resources import Bridge, Sysctl
from netlab.plan.switches.quality import LOSS
from netlab.scenario.topology import HOST, INTERNET, Role

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
        rules=_RULES,
        forwarders=_forwarders(lab),
        forwarding_keys={
            name: f"vms.{name}.forwards" if node.role is Role.VM else "host.forwards"
            for name, node in lab.topology.nodes.items()
            if node.role in (Role.VM, Role.HOST)
        },
        provider=INTERNET,
    )


_TRANSLATING = ("ip host", "ip home_router", "ip nat_device")
_TRANSLATING_6 = ("ip6 host", "ip6 nat_device")
_RULES = {
    f"bridge {ADMISSION}": Cause.MAC_NOT_ALLOWED,
    f"bridge {LOSS}": Cause.LOST,
    "ip internet forward: policy": Cause.NOT_FORWARDING,
    "ip host forward: policy": Cause.NOT_FORWARDING,
    "ip6 host forward: policy": Cause.NOT_FORWARDING,
    **{f"{table} leaving: ": Cause.NOT_TRANSLATED for table in (*_TRANSLATING, *_TRANSLATING_6)},
}
"""Rules by which the lab's nodes behave as their models do, where these have no firewall."""


def _forwarders(lab: Lab) -> frozenset[NodeInterface]:
    """Return the adapters by which packets come in that their machine passes on, as planned."""
    settings = {
        (resource.namespace, resource.key)
        for resource in lab.plan.resources
        if isinstance(resource, Sysctl) and resource.value == "1"
    }
    return frozenset(
        NodeInterface(names.node(end.namespace), end.interface)
        for end in lab.plan.peers
        if (end.namespace, "net.ipv4.ip_forward") in settings
        or (end.namespace, f"net.ipv4.conf.{end.interface}.forwarding") in settings
    )
