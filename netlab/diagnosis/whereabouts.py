"""Places of addresses: who has one, on which network, behind which machine. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from ipaddress import ip_network
from typing import Protocol

from netlab.diagnosis.journey import NetworkMap
from netlab.diagnosis.ways import Way, Ways
from netlab.frozen import frozen
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.rows import IPAddress, IPInterface, IPNetwork, Neighbour, RouteRow
from netlab.kernel.state.owners import Owners
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import RouteResult
from netlab.messages import N_, Message, join_and
from netlab.node_interface import NodeInterface

_PRIVATE = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)
"""Addresses that no provider carries packets to (RFC 1918, 6598, 4193); those for documentation serve labs
as public ones."""
_MOST_NAMED = 3
"""Guests that are named with their addresses where nobody has the one that was meant."""


class LabView(Protocol):
    """A lab's cables, owners of addresses and tables: as they were measured, or as `explain` has them."""

    @property
    def netmap(self) -> NetworkMap: ...
    @property
    def owners(self) -> Owners: ...
    def ask(self, node: str, lookup: RouteLookup, /) -> RouteResult: ...
    def routes(self, node: str) -> Sequence[RouteRow]: ...
    def interfaces(self, node: str) -> Sequence[Interface]: ...
    def neighbours(self, node: str) -> Sequence[Neighbour]: ...


def is_private(address: IPAddress) -> bool:
    """Return whether no provider carries packets to an address."""
    return any(address in network for network in _PRIVATE if network.version == address.version)


@frozen
class Whereabouts:
    """The places of a lab's addresses."""

    lab: LabView

    @cached_property
    def ways(self) -> Ways:
        """The ways by the lab's cables."""
        return Ways(self.lab.netmap)

    def owner(self, address: IPAddress, meant: Collection[str] = ()) -> NodeInterface | None:
        """Return the adapter that has an address; of several machines', one of those `meant`.

        None: nobody has it, or it is not known who is meant.
        """
        interfaces = self.lab.owners.interfaces.get(str(address), ())
        nodes = {interface.node for interface in interfaces}
        of_meant = [interface for interface in interfaces if interface.node in meant]
        return next(iter(of_meant or (interfaces if len(nodes) == 1 else ())), None)

    def place(
        self,
        address: IPAddress,
        start: str,
        meant: Collection[str] = (),
        past: Collection[str] = (),
    ) -> Message | None:
        """Return who has an address, on which network, behind which machine as seen from `start`.

        None: several have it, or a machine that is gone had it. `past` are machines that have passed on a
        request from there as it was.
        """
        owner = self.owner(address, meant)
        if owner is None:
            gone = self.lab.netmap.gone.values()
            had = str(address) in self.lab.owners.interfaces.keys() | frozenset().union(*gone)
            return None if had else Message("nobody has that address")
        network = self.network_name(owner)
        text = Message(
            N_("{owner} has that address, on {network}")
            if network
            else N_("{owner} has that address"),
            owner=owner.node,
            network=network,
        )
        if state := self.off(owner):
            return Message("{place}, and {state}", place=text, state=state)
        way = self.way(start, owner, address)
        if way is None or way.gateway is None:
            return text
        return self._behind(text, way.gateway, address.version, past)

    def way(self, start: str, owner: NodeInterface, address: IPAddress) -> Way | None:
        """Return the beginning of the ways from a machine to an address of an adapter."""
        return self.ways.way(start, owner, not is_private(address))

    def _behind(
        self, place: Message, gateway: NodeInterface, version: int, past: Collection[str]
    ) -> Message:
        addresses = (
            str(address.ip)
            for address in self.lab.owners.addresses.get(gateway, ())
            if address.version == version and not address.is_link_local
        )
        named = " ".join((gateway.node, *sorted(addresses)[:1]))
        text = Message("{place}, behind {gateway}", place=place, gateway=named)
        if gateway.node in past:
            return Message("{place}, which has not translated the request", place=text)
        return text

    def network_name(self, end: NodeInterface) -> str:
        """Return the name of the switch that an adapter is plugged into; empty if it is none."""
        peer = self.lab.netmap.peers.get(end, "")
        return peer if peer in self.lab.netmap.switches else ""

    def off(self, end: NodeInterface) -> Message | None:
        """Return that an adapter is off or has no cable; None if it works."""
        rows = (row for row in self.lab.interfaces(end.node) if row.name == end.interface)
        row = next(rows, None)
        if row is None or row.running:
            return None
        return Message(
            N_("{node}'s adapter {interface} has no link")
            if row.up
            else N_("{node}'s adapter {interface} is off"),
            node=end.node,
            interface=end.interface,
        )

    def subnet(self, owner: NodeInterface, address: IPAddress) -> IPNetwork | IPAddress:
        """Return the subnet in which a machine has an address; if it has it alone, the address."""
        assigned = self.lab.owners.addresses.get(owner, ())
        networks = (interface.network for interface in assigned if interface.ip == address)
        network = next(networks, None)
        return network if network and network.num_addresses > 1 else address

    def not_taken(self, mac: str, switch: str, sender: str) -> Message | None:
        """Return why the owner of a MAC address gets no frame that has come to a switch: it is off, on
        another network, or behind a port without a link. None: nothing of that is proved.

        `sender` is the switch at the machine that has sent it.
        """
        netmap = self.lab.netmap
        ends = [
            end
            for end in self.lab.owners.interfaces.get(mac, ())
            if end.node not in netmap.switches
        ]
        near = [end for end in ends if switch in self.ways.network(end)]
        if len({end.node for end in near or ends}) != 1:
            return None
        if not near:
            return self._elsewhere(ends[0], sender)
        return self.off(near[0]) or self._cut_off(switch, near[0])

    def _elsewhere(self, end: NodeInterface, switch: str) -> Message | None:
        """Return on which network an adapter is, and with which others the switch is joined."""
        network = self.network_name(end)
        if not network:
            return None
        text = Message("{node} is on {network}", node=end.node, network=network)
        others = sorted(self.ways.heard_by(switch) & self.lab.netmap.switches - {switch})
        if not others:
            return text
        joined = Message(
            "{switch} is bridged to {network}", switch=switch, network=join_and(others)
        )
        return Message("{joined}, and {elsewhere}", joined=joined, elsewhere=text)

    def _cut_off(self, switch: str, end: NodeInterface) -> Message | None:
        """Return that the port of a switch towards an adapter has no link; None if it has one."""
        netmap = self.lab.netmap
        for row in self.lab.interfaces(switch):
            port = NodeInterface(switch, row.name)
            if port in netmap.peers and not row.running and end.node in netmap.behind(port):
                return Message(
                    "{node} is behind the port {port} of {switch}, which has no link",
                    node=end.node,
                    port=port.interface,
                    switch=switch,
                )
        return None

    def forward_to_nobody(self, address: IPAddress, node: str) -> Message:
        """Return that a port forward leads to an address that nobody has, and the addresses of the guests
        on the network where `node` asks for it."""
        text = Message("the forward leads to {address}, which nobody has", address=address)
        named = [
            Message("{node} is {address}", node=end.node, address=interface.ip)
            for end, interface in self._guests(address, node)
        ]
        if not 0 < len(named) <= _MOST_NAMED:
            return text
        return Message("{what}; {names}", what=text, names=join_and(named))

    def _guests(self, address: IPAddress, node: str) -> Iterator[tuple[NodeInterface, IPInterface]]:
        """Yield guests' adapters with their addresses, on the network where a node looks for an address."""
        netmap, assigned = self.lab.netmap, self.lab.owners.addresses
        looked_for = [
            end
            for end, interfaces in assigned.items()
            if end.node == node and any(address in interface.network for interface in interfaces)
        ]
        for end in looked_for:
            for member in self.ways.members(self.ways.network(end)):
                is_guest = member.node in netmap.forwarding_keys
                for interface in assigned.get(member, ()) if is_guest else ():
                    is_plumbing = interface.is_link_local or member.node in netmap.parts(node)
                    if interface.version == address.version and not is_plumbing:
                        yield member, interface
