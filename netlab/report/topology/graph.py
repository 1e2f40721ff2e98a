"""A lab as a graph: machines, switches, and one wire for each cable of the plan.

What every drawing starts from, so that a cable of a new kind is in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from netlab.frozen import frozen
from netlab.messages import N_, translator
from netlab.plan.modes import nat
from netlab.plan.names import node as node_of
from netlab.plan.resources import Cable, CableEnd
from netlab.scenario.topology import WAN, Adapter, Network, Node, Role, Topology

if TYPE_CHECKING:
    from netlab.lab import Lab, Status
    from netlab.plan.plan import Plan

ROLES = {Role.NAT_DEVICE: N_("NAT device"), Role.DHCP_SERVER: N_("DHCP server")}

_NO_ADDRESS = N_("no address")

INSIDE = (Role.VM, Role.NAT_DEVICE, Role.DHCP_SERVER, Role.HOST)
"""What exists inside the one real computer, beside VMware's switches."""

ShownAddresses = Mapping[tuple[str, str], Sequence[str]]
"""(node, interface) to the addresses it has."""


@frozen
class WireEnd:
    """One end of a wire: an adapter of a machine, or a port of a switch."""

    place: str
    interface: str


@frozen
class Wire:
    """A cable. `a` is the machine where `b` is a switch, and the vmnet where `b` is the LAN."""

    a: WireEnd
    b: WireEnd
    network: Network
    """Whose frames it carries."""
    nat_uplinks: bool = False
    """Between a NAT device and the host: to people, the device leaves by the host's card."""

    def end_at(self, place: str) -> WireEnd:
        """The end that is plugged in at `place`."""
        return self.a if self.a.place == place else self.b

    def beyond(self, place: str) -> str:
        """What is at the other end."""
        return self.b.place if self.a.place == place else self.a.place


@frozen
class Graph:
    """Machines and switches by name, and what connects them."""

    name: str
    """The lab's; of one that does not run, the scenario's."""
    title: str
    topology: Topology
    wires: tuple[Wire, ...]
    addresses: ShownAddresses
    """Those that the interfaces have now; none: as planned."""
    ipv6: ShownAddresses = field(default_factory=dict)
    """The same of IPv6, which are too wide for boxes: of those that have any."""
    language: str = "en"
    """That of what is written in its drawings; names are the lab's own."""

    @cached_property
    def switches(self) -> tuple[Network, ...]:
        """Networks with a switch; a network without one is a single cable."""
        ends = {plug.place for wire in self.wires for plug in (wire.a, wire.b)}
        return tuple(net for net in self.topology.networks.values() if net.name in ends)

    def wires_at(self, place: str) -> tuple[Wire, ...]:
        """What is plugged in at a machine or switch."""
        return self._wires_by_place.get(place, ())

    @cached_property
    def _wires_by_place(self) -> dict[str, tuple[Wire, ...]]:
        found: dict[str, tuple[Wire, ...]] = {}
        for wire in self.wires:
            for place in (wire.a.place, wire.b.place):
                found[place] = (*found.get(place, ()), wire)
        return found

    def gettext(self, text: str) -> str:
        """A text in the drawing's language."""
        return translator(self.language)(text)

    def shown(self, adapter: Adapter) -> list[str]:
        """The adapter's addresses, as drawings show them."""
        return shown(adapter, self.addresses, self.language)

    def told(self, adapter: Adapter) -> list[str]:
        """All of the adapter's addresses, for where there is room."""
        is_ipv6 = self.ipv6.get((adapter.node, adapter.interface), ())
        return [*self.shown(adapter), *(address.partition("/")[0] for address in is_ipv6)]

    def title_of(self, node: Node) -> str:
        """What a machine is called."""
        return title(node, self.language)

    def name_of(self, network: Network) -> str:
        """What a network is called, with its mode: `vmnet8 · NAT`."""
        return name(network, self.language)

    def subnet_of(self, network: Network) -> str:
        """A network's addresses."""
        return subnet(network, self.language)


def planned(lab: Lab, language: str = "en") -> Graph:
    """A lab that need not run: with the addresses that are known beforehand."""
    adapters = (adapter for node in lab.topology.nodes.values() for adapter in node.adapters)
    ipv6 = {
        (adapter.node, adapter.interface): (str(adapter.ipv6),)
        for adapter in adapters
        if adapter.ipv6
    }
    return _graph(lab.source.name, lab, {}, ipv6, language)


def running(status: Status, language: str = "en") -> Graph:
    """A lab with the addresses of now."""
    addresses = addresses_of(status)
    return _graph(status.lab.name, status.lab, addresses, _ipv6_of(status), language)


def addresses_of(status: Status) -> ShownAddresses:
    """What every adapter has now, of IPv4: addresses of IPv6 are wider than a drawing's boxes."""
    return {
        place: [address for address in addresses if ":" not in address] or (_NO_ADDRESS,)
        for place, addresses in _all_of(status).items()
    }


def _ipv6_of(status: Status) -> ShownAddresses:
    return {
        place: is_ipv6
        for place, addresses in _all_of(status).items()
        if (is_ipv6 := [address for address in addresses if ":" in address])
    }


def _all_of(status: Status) -> ShownAddresses:
    return {
        (machine.name, interface.name): interface.addresses
        for machine in status.machines
        for interface in machine.interfaces
    }


def shown(adapter: Adapter, addresses: ShownAddresses, language: str = "en") -> list[str]:
    """An adapter's addresses without prefix lengths; many are counted."""
    gettext = translator(language)
    if adapter.bare:
        return [gettext("bridged")]
    planned = (str(adapter.address),) if adapter.address else ("DHCP",)
    known = addresses.get(
        (adapter.node, adapter.interface), planned if not addresses else (_NO_ADDRESS,)
    )
    found = [gettext(address.partition("/")[0]) for address in known]
    more = gettext("+ {count} more").format(count=len(found) - 1)
    return [found[0], more] if len(found) > 2 else found


def title(node: Node, language: str = "en") -> str:
    """What a machine is called in drawings."""
    return translator(language)(ROLES[node.role]) if node.role in ROLES else node.name


def name(network: Network, language: str = "en") -> str:
    """What a network is called in drawings, with its mode: `vmnet8 · NAT`."""
    gettext = translator(language)
    if network.name.endswith(WAN) and not network.lan:
        return gettext("the Internet")
    if network.mode:
        return f"{network.name} · {gettext(network.mode.title)}"
    return network.name


def subnet(network: Network, language: str = "en") -> str:
    """A network's addresses, IPv6's too if it has them; nobody need have told those of a LAN segment."""
    own = str(network.subnet) if network.numbered else translator(language)(N_("no subnet"))
    return f"{own} · {network.prefix}" if network.prefix else own


def _graph(
    name: str, lab: Lab, addresses: ShownAddresses, ipv6: ShownAddresses, language: str
) -> Graph:
    wires = tuple(_wires(lab.topology, lab.plan))
    return Graph(name, lab.source.scenario.title, lab.topology, wires, addresses, ipv6, language)


def _wires(topology: Topology, plan: Plan) -> Iterator[Wire]:
    nat_uplinks = nat.nat_uplinks(topology)
    for resource in plan.resources:
        if isinstance(resource, Cable):
            one, other = WireEnd(*_end(resource.one)), WireEnd(*_end(resource.other))
            switch_first = resource.one.bridge and _end(resource.other)[0] in topology.nodes
            a, b = (other, one) if switch_first else (one, other)
            network = _network(topology, resource, nat_uplinks)
            yield Wire(a, b, network, _end(resource.one) in nat_uplinks)


def _end(end: CableEnd) -> tuple[str, str]:
    return node_of(end.namespace), end.interface


def _network(
    topology: Topology, cable: Cable, nat_uplinks: Mapping[tuple[str, str], str]
) -> Network:
    """The switch's; of a cable without a switch, the one that its adapter or its device is on."""
    if bridge := cable.one.bridge or cable.other.bridge:
        return topology.networks[bridge]
    node, interface = _end(cable.one)
    adapters = topology.nodes[nat_uplinks.get((node, interface), node)].adapters
    return next(
        (adapter.network for adapter in adapters if adapter.interface == interface),
        adapters[0].network,
    )
