"""Scenario in, topology out: every machine, network and adapter with VMware's defaults filled in.

This is what the rest of netlab works on. Switches are networks here, not
nodes; the cable between a NAT device and the host (`nat_uplink`) is the
plan's alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from operator import is_

from netlab.frozen import frozen
from netlab.scenario.model import Scenario
from netlab.scenario.topology.admission import Devices, by_segment, left_over, without_lease
from netlab.scenario.topology.machines import all_nodes, hotspot, installations, with_ipv6
from netlab.scenario.topology.metrics import default_card
from netlab.scenario.topology.names import (
    HOST,
    HOTSPOT,
    INTERNET,
    LAN,
    ROUTER,
    WAN,
    natural,
    private_name,
    router_of,
    wan_of,
)
from netlab.scenario.topology.nearness import Nearness
from netlab.scenario.topology.networks import all_networks
from netlab.scenario.topology.parts import Adapter, Denial, Network, Node, Role

__all__ = [
    "HOST",
    "HOTSPOT",
    "INTERNET",
    "LAN",
    "ROUTER",
    "WAN",
    "Adapter",
    "Network",
    "Node",
    "Role",
    "Topology",
    "hotspot",
    "installations",
    "natural",
    "private_name",
    "resolve",
    "router_of",
    "wan_of",
]

_SERVICES = (Role.NAT_DEVICE, Role.DHCP_SERVER)


@frozen
class Topology:
    """A resolved scenario."""

    scenario: Scenario
    networks: dict[str, Network]
    nodes: dict[str, Node]

    @cached_property
    def endpoints(self) -> tuple[Node, ...]:
        """The nodes between which reachability is defined: all but NAT devices and DHCP servers."""
        return tuple(node for node in self.nodes.values() if node.role not in _SERVICES)

    @cached_property
    def vmnets(self) -> tuple[Network, ...]:
        """VMware's networks, by number, then LAN segments."""
        return tuple(network for network in self.networks.values() if network.mode)

    @cached_property
    def uplink(self) -> Adapter:
        """The host's card or full tunnel with the default route.

        Without one, the first card, a connected one before others.
        """
        scenario = self.scenario
        exits = {end.interface: end for end in self.nodes[HOST].adapters if end.network.lan}
        leading = default_card(scenario, set(scenario.host.nics))
        connected = (name for name in scenario.cards if scenario.host.nics[name].connected)
        return exits[leading or next(connected, scenario.cards[0])]

    @property
    def tunnels(self) -> tuple[Adapter, ...]:
        """The host's ends of VPNs."""
        adapters = self.nodes[HOST].adapters
        cards = self.scenario.cards
        return tuple(end for end in adapters if end.network.lan and end.interface not in cards)

    def host_interfaces(self, networks: Iterable[str]) -> list[str]:
        """Return the host's interfaces on some networks, in its own order; a bridged one is its LAN."""
        names = {network.lan or name for name in networks if (network := self.networks.get(name))}
        adapters = self.nodes[HOST].adapters
        return [adapter.holder for adapter in adapters if adapter.network.name in names]

    @cached_property
    def routers(self) -> tuple[Node, ...]:
        """The routers of the LANs, the home router first."""
        return tuple(node for node in self.nodes.values() if node.role is Role.ROUTER)

    def admitted(self, lan: str) -> tuple[str, ...]:
        """Return the MAC addresses that a LAN lets in."""
        return self._devices.admitted(lan, self.scenario.all_lans[lan])

    def mac_on_the_lan(self, adapter: Adapter) -> str:
        """Return the MAC address that a LAN sees of an adapter: over Wi-Fi, the host's card's."""
        return self._devices.mac(adapter)

    def node(self, role: Role, network: Network) -> Node:
        """Return the NAT device or DHCP server of `network`."""
        return self._servers[role, network.name]

    def neighbours(self, network: Network) -> tuple[Adapter, ...]:
        """Return every adapter that hears what is sent on `network`, in the order of the nodes.

        Also those on other networks that VMs have bridged with it.
        """
        return tuple(self._adapters_by_segment.get(network.segment, ()))

    def adapters_on(self, network: Network) -> tuple[Adapter, ...]:
        """Return every adapter plugged into `network`, in the order of the nodes."""
        adapters = self._adapters_by_segment.get(network.segment, ())
        return tuple(adapter for adapter in adapters if adapter.network.name == network.name)

    def towards(self, source: Node, target: Node) -> Adapter:
        """Return the adapter that the target's bare name stands for where `source` calls it."""
        return self._nearness.towards(source, target)

    @cached_property
    def _nearness(self) -> Nearness:
        return Nearness(self.nodes.values(), self.networks.values())

    @cached_property
    def _devices(self) -> Devices:
        return Devices.of(self.nodes.values())

    @cached_property
    def _adapters_by_segment(self) -> dict[str, list[Adapter]]:
        return by_segment(adapter for node in self.nodes.values() for adapter in node.adapters)

    @cached_property
    def _servers(self) -> dict[tuple[Role, str], Node]:
        servers = (node for node in self.nodes.values() if node.role in _SERVICES)
        return {(node.role, node.primary.network.name): node for node in servers}


def resolve(scenario: Scenario) -> Topology:
    """Fill in VMware's defaults. Never fails; `checks` finds what is wrong."""
    networks = all_networks(scenario)
    nodes = tuple(all_nodes(scenario, networks))
    devices = Devices.of(nodes)
    admitted = {
        name: frozenset(devices.admitted(name, lan)) for name, lan in scenario.all_lans.items()
    }
    denials = {
        (adapter.node, adapter.interface): denial
        for adapter, denial in _denials(scenario, networks, nodes, devices, admitted)
    }

    def complete(node: Node) -> Node:
        adapters = tuple(complete_adapter(node, adapter) for adapter in node.adapters)
        return node if all(map(is_, adapters, node.adapters)) else replace(node, adapters=adapters)

    def complete_adapter(node: Node, adapter: Adapter) -> Adapter:
        lan = adapter.network.lan
        joins = lan is None or devices.mac(adapter) in admitted[lan]
        adapter = with_ipv6(node, adapter, joins)
        denied = denials.get((adapter.node, adapter.interface))
        return replace(adapter, denied=denied) if denied else adapter

    return Topology(scenario, networks, {node.name: complete(node) for node in nodes})


def _denials(
    scenario: Scenario,
    networks: dict[str, Network],
    nodes: Iterable[Node],
    devices: Devices,
    admitted: dict[str, frozenset[str]],
) -> Iterator[tuple[Adapter, Denial]]:
    """Yield adapters that ask DHCP and get nothing, and the reason."""
    for name, lan in scenario.all_lans.items():
        yield from without_lease(networks[name], lan, devices, admitted[name])
    heard = by_segment(adapter for node in nodes for adapter in node.adapters)
    for network in networks.values():
        yield from left_over(network, heard.get(network.segment, ()))
