"""A lab as a graph: machines, switches, and one wire for each cable of the plan.

Every drawing starts from it, so that a cable of a new kind is in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from netlab.frozen import frozen
from netlab.messages import N_, translator
from netlab.node_interface import NodeInterface
from netlab.plan.modes import nat
from netlab.plan.names import node as node_of
from netlab.plan.resources import Cable, CableEnd
from netlab.scenario.topology import HOST, WAN, Adapter, Network, Node, Role, Topology

if TYPE_CHECKING:
    from netlab.lab import Lab, Status
    from netlab.plan.plan import Plan

ROLES = {Role.NAT_DEVICE: N_("NAT device"), Role.DHCP_SERVER: N_("DHCP server")}

_NO_ADDRESS = N_("no address")

INSIDE = (Role.VM, Role.NAT_DEVICE, Role.DHCP_SERVER, Role.HOST)
"""Roles of machines inside the one real computer, beside VMware's switches."""

ShownAddresses = Mapping[NodeInterface, Sequence[str]]
"""Interfaces and their addresses."""


@frozen
class WireEnd:
    """An end of a wire: an adapter of a machine, or a port of a switch."""

    place: str
    """Machine or switch."""
    interface: str


@frozen
class Wire:
    """A cable. `a` is the machine where `b` is a switch, and the vmnet where `b` is the LAN."""

    a: WireEnd
    b: WireEnd
    network: Network
    """Network whose frames it carries."""
    is_nat_uplink: bool = False
    """True between a NAT device and the host: to people, the device leaves by the host's card."""

    def end_at(self, name: str) -> WireEnd:
        """Return the end that is plugged in at a machine or switch."""
        return self.a if self.a.place == name else self.b

    def beyond(self, name: str) -> str:
        """Return the machine or switch at the other end."""
        return self.b.place if self.a.place == name else self.a.place


@frozen
class Graph:
    """Machines and switches by name, and what connects them."""

    name: str
    """Name of the lab; of one that does not run, the scenario's."""
    title: str
    topology: Topology
    wires: tuple[Wire, ...]
    addresses: ShownAddresses
    """Addresses that the interfaces have now; none: as planned."""
    ipv6: ShownAddresses = field(default_factory=dict)
    """IPv6 addresses, too wide for boxes, of the interfaces that have any."""
    language: str = "en"
    """Language of the words in its drawings; names are the lab's own."""

    @cached_property
    def switches(self) -> tuple[Network, ...]:
        """Networks with a switch; a network without one is a single cable."""
        ends = {plug.place for wire in self.wires for plug in (wire.a, wire.b)}
        return tuple(net for net in self.topology.networks.values() if net.name in ends)

    def wires_at(self, name: str) -> tuple[Wire, ...]:
        """Return the wires that are plugged in at a machine or switch."""
        return self._wires_by_name.get(name, ())

    @cached_property
    def _wires_by_name(self) -> dict[str, tuple[Wire, ...]]:
        by_name: dict[str, tuple[Wire, ...]] = {}
        for wire in self.wires:
            for name in (wire.a.place, wire.b.place):
                by_name[name] = (*by_name.get(name, ()), wire)
        return by_name

    def gettext(self, text: str) -> str:
        """A text in the drawing's language."""
        return translator(self.language)(text)

    def shown(self, adapter: Adapter) -> list[str]:
        """Return the adapter's addresses, as drawings show them."""
        return shown(adapter, self.addresses, self.language)

    def all_addresses(self, adapter: Adapter) -> list[str]:
        """Return all of the adapter's addresses, for where there is room."""
        ipv6 = self.ipv6.get(NodeInterface(adapter.node, adapter.interface), ())
        return [*self.shown(adapter), *(address.partition("/")[0] for address in ipv6)]

    def title_of(self, node: Node) -> str:
        """Return the name of a machine in drawings."""
        return title(node, self.language)

    def name_of(self, network: Network) -> str:
        """Return the name of a network, with its mode: `vmnet8 · NAT`."""
        return name(network, self.language)

    def subnet_of(self, network: Network) -> str:
        """Return a network's addresses."""
        return subnet(network, self.language)


def planned(lab: Lab, language: str = "en") -> Graph:
    """Return the graph of a lab that need not run: with the addresses that are known beforehand."""
    adapters = (adapter for node in lab.topology.nodes.values() for adapter in node.adapters)
    ipv6 = {
        NodeInterface(adapter.node, adapter.interface): (str(adapter.ipv6),)
        for adapter in adapters
        if adapter.ipv6
    }
    return _graph(lab.source.name, lab, {}, ipv6, language)


def running(status: Status, language: str = "en") -> Graph:
    """Return the graph of a lab with the addresses of now."""
    addresses = addresses_of(status)
    return _graph(status.lab.name, status.lab, addresses, _ipv6_of(status), language)


def addresses_of(status: Status) -> ShownAddresses:
    """Return each adapter's IPv4 addresses of now: IPv6 addresses are wider than a drawing's boxes."""
    return {
        key: [address for address in addresses if ":" not in address] or (_NO_ADDRESS,)
        for key, addresses in _all_of(status).items()
    }


def _ipv6_of(status: Status) -> ShownAddresses:
    return {
        key: ipv6
        for key, addresses in _all_of(status).items()
        if (ipv6 := [address for address in addresses if ":" in address])
    }


def _all_of(status: Status) -> ShownAddresses:
    return {
        NodeInterface(node.name, interface.name): interface.addresses
        for node in status.machines
        for interface in node.interfaces
    }


def shown(adapter: Adapter, addresses: ShownAddresses, language: str = "en") -> list[str]:
    """Return an adapter's addresses without prefix lengths; many are counted."""
    gettext = translator(language)
    if adapter.bare:
        return [gettext("bridged")]
    planned = (str(adapter.address),) if adapter.address else ("DHCP",)
    present = addresses.get(
        NodeInterface(adapter.node, adapter.interface), planned if not addresses else (_NO_ADDRESS,)
    )
    texts = [gettext(address.partition("/")[0]) for address in present]
    remaining = gettext("+ {count} more").format(count=len(texts) - 1)
    return [texts[0], remaining] if len(texts) > 2 else texts


def title(node: Node, language: str = "en") -> str:
    """Return the name of a machine in drawings."""
    return translator(language)(ROLES[node.role]) if node.role in ROLES else node.name


def name(network: Network, language: str = "en") -> str:
    """Return the name of a network in drawings, with its mode: `vmnet8 · NAT`."""
    gettext = translator(language)
    if network.name.endswith(WAN) and not network.lan:
        return gettext("the Internet")
    if network.mode:
        return f"{network.name} · {gettext(network.mode.title)}"
    return network.name


def subnet(network: Network, language: str = "en") -> str:
    """Return a network's addresses, IPv6's too if it has them; those of a LAN segment may be unknown."""
    ipv4 = str(network.subnet) if network.numbered else translator(language)(N_("no subnet"))
    return f"{ipv4} · {network.prefix}" if network.prefix else ipv4


def _graph(
    name: str, lab: Lab, addresses: ShownAddresses, ipv6: ShownAddresses, language: str
) -> Graph:
    wires = tuple(_wires(lab.topology, lab.plan))
    return Graph(name, lab.source.scenario.title, lab.topology, wires, addresses, ipv6, language)


def _wires(topology: Topology, plan: Plan) -> Iterator[Wire]:
    nat_uplinks = nat.nat_uplinks(topology)
    for resource in plan.resources:
        if isinstance(resource, Cable):
            first, second = _wire_end(topology, resource.a), _wire_end(topology, resource.b)
            switch_first = resource.a.bridge and second.place in topology.nodes
            a, b = (second, first) if switch_first else (first, second)
            network = _network(topology, resource, nat_uplinks)
            yield Wire(a, b, network, _end(resource.a) in nat_uplinks)
    # A bridge of the host's own is no cable away from it.
    for adapter in topology.nodes[HOST].adapters:
        for bridge in adapter.beside:
            yield Wire(
                WireEnd(HOST, adapter.interface), WireEnd(bridge.name, adapter.interface), bridge
            )


def _wire_end(topology: Topology, end: CableEnd) -> WireEnd:
    """Return the end of a wire that a cable's end is: a port of the host's bridge is the network's."""
    inside = end.bridge if end.bridge in topology.networks else None
    return WireEnd(inside or node_of(end.namespace), end.interface)


def _end(end: CableEnd) -> NodeInterface:
    return NodeInterface(node_of(end.namespace), end.interface)


def _network(topology: Topology, cable: Cable, nat_uplinks: Mapping[NodeInterface, str]) -> Network:
    """Return the switch's network; of a cable without a switch, that of its adapter or its device."""
    if bridge := cable.a.bridge or cable.b.bridge:
        return topology.networks[bridge]
    end = _end(cable.a)
    adapters = topology.nodes[nat_uplinks.get(end, end.node)].adapters
    return next(
        (adapter.network for adapter in adapters if adapter.interface == end.interface),
        adapters[0].network,
    )
