"""A lab as its packets meet it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.journey import BoundForward, BridgeInside, LostInterface, NetworkMap
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.pool import allow_files
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.node_interface import NodeInterface
from netlab.plan import names
from netlab.plan.forwards import NO_HAIRPIN
from netlab.plan.modes.macvtap import APART
from netlab.plan.modes.nat import nat_uplinks
from netlab.plan.nodes.outside import ADMISSION
from netlab.plan.resources import Bridge, Cable, Lease, Sysctl
from netlab.plan.switches.mac_spoofing import SENDERS
from netlab.plan.switches.quality import LOSS
from netlab.plan.untranslated import UNTRANSLATED
from netlab.scenario.model import Forwards
from netlab.scenario.topology import HOST, INTERNET, Role

if TYPE_CHECKING:
    from netlab.kernel.rows import IPInterface, IPNetwork
    from netlab.lab.labs import Lab
    from netlab.scenario.topology import Adapter

_FILES_EACH = 6
"""Open files that following a packet takes for each namespace."""
_EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def namespaces(lab: Lab) -> dict[str, str]:
    """Return the namespaces of a lab that are there, each with its node or switch.

    A machine may have gone by hand (`ip netns del`): whoever looks at all of a lab looks at the others.
    """
    return {name: names.node(name) for name in lab.plan.namespaces if netns.is_there(name)}


def is_there(lab: Lab, node: str) -> bool:
    """Return whether a node or switch of a lab has its namespace."""
    return netns.is_there(names.namespace(lab.name, node))


@contextmanager
def steady(lab: Lab) -> Iterator[NetworkMap]:
    """Yield `netmap` of a lab whose machines stay as they are, and where they are, for the length of a
    block: one that is removed meanwhile can be looked at until its end."""
    allow_files(_FILES_EACH * len(lab.plan.namespaces))
    with netns.held(lab.plan.namespaces):
        yield netmap(lab)


def netmap(lab: Lab) -> NetworkMap:
    """Draw the map of a lab as planned: its nodes and switches, and what is plugged into what.

    Of what is gone, it has the addresses and cables.
    """
    present = namespaces(lab)
    removed = {name: names.node(name) for name in lab.plan.namespaces if name not in present}
    translates = any(
        network.mode and (network.mode.nat_device or network.mode.routing)
        for network in lab.topology.vmnets
    )
    cards = [adapter for adapter in lab.topology.nodes[HOST].adapters if adapter.network.lan]
    bridges = {
        names.node(resource.namespace): resource
        for resource in lab.plan.resources
        if isinstance(resource, Bridge)
    }
    switches = bridges.keys() - lab.topology.nodes.keys()
    return NetworkMap(
        nodes=present,
        switches=frozenset(switches),
        bridges={
            name: BridgeInside(bridge.name, bridge.mac, _ports(lab, bridge))
            for name, bridge in bridges.items()
            if name not in switches
        },
        peers={
            NodeInterface(names.node(end.namespace), end.interface): names.node(peer.namespace)
            for end, peer in lab.plan.peers.items()
        },
        nat_uplinks=nat_uplinks(lab.topology),
        macs={name: bridges[name].mac for name in switches},
        forwarded_ports=frozenset(
            NodeInterface(HOST, interface)
            for card in cards
            for interface in (card.interface, card.holder)
            if translates
        ),
        bound_forwards=tuple(_bound_forwards(lab)),
        rules=_RULES,
        forwarders=_forwarders(lab),
        forwarding_keys={
            name: f"vms.{name}.forwards" if node.role is Role.VM else "host.forwards"
            for name, node in lab.topology.nodes.items()
            if node.role in (Role.VM, Role.HOST)
        },
        provider=INTERNET,
        removed=removed,
        gone={node: _known_by(lab, node) for node in removed.values()},
        lost={
            NodeInterface(present[end.namespace], end.interface): LostInterface(
                names.node(peer.namespace), _led_to(lab, present[end.namespace], end.interface)
            )
            for end, peer in lab.plan.peers.items()
            if end.namespace in present and peer.namespace not in present
        },
    )


_RULES = {
    f"bridge {ADMISSION}": Cause.MAC_NOT_ALLOWED,
    f"bridge {SENDERS}": Cause.MAC_NOT_ALLOWED,
    f"bridge {APART}": Cause.MACVTAP,
    f"bridge {LOSS}": Cause.LOST,
    "ip internet forward: policy": Cause.NOT_FORWARDING,
    "ip6? host forward: policy": Cause.NOT_FORWARDING,
    f"ip6? [a-z_]+ leaving: .*{UNTRANSLATED}": Cause.NOT_TRANSLATED,
    f"ip [a-z_]+ [a-z_]+: .*{NO_HAIRPIN}": Cause.FORWARD_ELSEWHERE,
}
"""Rules by which the lab's nodes behave as their models do, where these have no firewall."""


def _bound_forwards(lab: Lab) -> Iterator[BoundForward]:
    """Yield the forwards of the host that are not at each of its addresses."""
    for vmnet in lab.topology.scenario.vmnets.values():
        forwards = vmnet.nat.forwards if vmnet.nat else Forwards()
        for protocol, targets in (("tcp", forwards.tcp), ("udp", forwards.udp)):
            for ports in targets:
                if ports.address:
                    numbers = range(ports.first, ports.last + 1)
                    yield BoundForward(protocol, numbers, str(ports.address))


def _ports(lab: Lab, bridge: Bridge) -> frozenset[str]:
    """Return the interfaces that are ports of a bridge, as planned."""
    return frozenset(
        end.interface
        for resource in lab.plan.resources
        if isinstance(resource, Cable)
        for end in resource.ends
        if (end.namespace, end.bridge) == (bridge.namespace, bridge.name)
    )


def _forwarders(lab: Lab) -> frozenset[NodeInterface]:
    """Return the adapters by which packets come in that their machine passes on, as planned."""
    settings = {
        (resource.namespace, resource.key)
        for resource in lab.plan.resources
        if isinstance(resource, Sysctl) and resource.value == "1"
    }
    bridge_of = {
        end.interface_key: end.bridge
        for resource in lab.plan.resources
        if isinstance(resource, Cable)
        for end in resource.ends
    }
    return frozenset(
        NodeInterface(names.node(end.namespace), end.interface)
        for end in lab.plan.peers
        if (end.namespace, "net.ipv4.ip_forward") in settings
        or (end.namespace, f"net.ipv4.conf.{bridge_of.get(end) or end.interface}.forwarding")
        in settings
    )


def addresses_lost(lab: Lab, network_map: NetworkMap) -> dict[Adapter, tuple[IPInterface, ...]]:
    """Return the adapters that went with a machine or a switch, each with the addresses that it had."""
    return {
        adapter: had
        for node in lab.topology.nodes.values()
        for adapter in node.adapters
        if node.name in network_map.gone
        or NodeInterface(node.name, adapter.interface) in network_map.lost
        if (had := tuple(_addresses_had(lab, adapter)))
    }


def _addresses_had(lab: Lab, adapter: Adapter) -> Iterator[IPInterface]:
    """Yield the addresses of an adapter by the plan, or by its last lease."""
    client = Lease(names.namespace(lab.name, adapter.node), adapter.holder)
    lease = services.lease(RunDirectory(lab.name), client) if adapter.by_dhcp else {}
    leased = ip_interface(lease["address"]) if lease else None
    yield from filter(None, (*adapter.static, leased, adapter.ipv6))


def _known_by(lab: Lab, node: str) -> frozenset[str]:
    """Return the IP and MAC addresses that a machine has by the plan; none of a switch."""
    machine = lab.topology.nodes.get(node)
    adapters = machine.adapters if machine else ()
    ips = (str(address.ip) for adapter in adapters for address in _addresses_had(lab, adapter))
    return frozenset((*ips, *(adapter.mac for adapter in adapters)))


def _led_to(lab: Lab, node: str, interface: str) -> tuple[IPNetwork, ...]:
    """Return the destinations of packets that leave by an interface, by the plan; none of a switch's."""
    machine = lab.topology.nodes.get(node)
    if machine is None:
        return ()
    adapter = next((known for known in machine.adapters if known.interface == interface), None)
    if adapter is None or adapter.gateway or adapter.by_dhcp:  # The NAT device's is in no topology.
        return _EVERYWHERE
    prefix = (adapter.network.prefix,) if adapter.network.prefix else ()
    return (adapter.network.subnet, *prefix)
