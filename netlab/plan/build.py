"""From a topology to its plan. One line per network mode; each mode is a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from netlab.plan.modes import (
    bridged,
    host_bridge,
    hostonly,
    hyperv,
    libvirt,
    macvtap,
    nat,
    routed,
    virtualbox,
)
from netlab.plan.names import namespace
from netlab.plan.node import machine, plug
from netlab.plan.nodes.guest import guest
from netlab.plan.nodes.host import host
from netlab.plan.nodes.ipv6 import ipv6
from netlab.plan.nodes.outside import world
from netlab.plan.plan import Plan
from netlab.plan.resources import DhcpClient, Resource, Ruleset
from netlab.plan.services import dhcp
from netlab.plan.switches.mac_spoofing import own_name_only
from netlab.plan.switches.promiscuous import permission
from netlab.plan.switches.quality import quality
from netlab.scenario.mode import Mode
from netlab.scenario.topology import Network, Role, Topology

MODES: dict[Mode, Callable[[str, Topology, Network], Iterator[Resource]]] = {
    Mode.BRIDGED: bridged.network,
    Mode.NAT: nat.network,
    Mode.HOSTONLY: hostonly.network,
    Mode.CUSTOM: hostonly.network,
    Mode.SEGMENT: virtualbox.internal,
    Mode.HOTSPOT: routed.network,
    virtualbox.NAT: virtualbox.nat_engine,
    virtualbox.NAT_NETWORK: virtualbox.nat_network,
    virtualbox.INTERNAL: virtualbox.internal,
    virtualbox.HOST_ONLY: hostonly.network,
    libvirt.NAT: routed.network,
    libvirt.ROUTE: routed.network,
    libvirt.ISOLATED: routed.network,
    libvirt.OPEN: routed.network,
    hyperv.DEFAULT_SWITCH: routed.network,
    host_bridge.HOST_BRIDGE: host_bridge.network,
    macvtap.MACVTAP: macvtap.network,
    hyperv.INTERNAL: hostonly.network,
    hyperv.NAT: hostonly.network,
}
"""Each mode, and what a network of it consists of."""


def build(lab: str, topology: Topology) -> Plan:
    """Everything that must exist for `topology` to run under the name `lab`."""
    resources = _with_terms(lab, topology, _resources(lab, topology))
    return Plan.of(lab, _with_rules_together(resources))


def _with_terms(lab: str, topology: Topology, resources: Iterable[Resource]) -> Iterator[Resource]:
    """Tell DHCP clients what they are to get, so that they ask anew when it changes."""
    adapters = {
        (namespace(lab, node.name), adapter.holder): adapter
        for node in topology.nodes.values()
        for adapter in node.adapters
        if adapter.by_dhcp
    }
    for resource in resources:
        if isinstance(resource, DhcpClient):
            adapter = adapters[resource.namespace, resource.interface]
            yield replace(resource, terms=dhcp.terms(topology, adapter))
        else:
            yield resource


def _with_rules_together(resources: Iterable[Resource]) -> Iterator[Resource]:
    """Join the rulesets of each namespace, as they are: it has one."""
    texts: dict[str, str] = {}
    for resource in resources:
        if isinstance(resource, Ruleset):
            texts[resource.namespace] = texts.get(resource.namespace, "") + resource.text
        else:
            yield resource
    yield from (Ruleset(netns, text) for netns, text in texts.items())


def _resources(lab: str, topology: Topology) -> Iterator[Resource]:
    yield from world(lab, topology)
    yield from host(lab, topology)
    for vmnet in topology.vmnets:
        if vmnet.mode:
            yield from MODES[vmnet.mode](lab, topology, vmnet)
    for node in topology.endpoints:
        if node.role is Role.VM:
            yield from machine(lab, node)
            yield from guest(lab, topology, node)
            for adapter in node.adapters:
                yield plug(lab, adapter, adapter.network)
                yield from quality(lab, adapter)
                yield from permission(lab, adapter)
                yield from own_name_only(lab, adapter)
    yield from ipv6(lab, topology)
