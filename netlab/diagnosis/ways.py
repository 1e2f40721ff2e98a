"""Ways between the machines of a lab, by its cables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property

from netlab.diagnosis.journey import NetworkMap
from netlab.frozen import frozen
from netlab.node_interface import NodeInterface

Carriers = frozenset[str]
"""The switches that carry each other's frames, or the two nodes at the ends of a cable; empty: none."""


@frozen
class Way:
    """The beginning of the ways from a machine to an adapter of another one."""

    interfaces: frozenset[str]
    """Interfaces by which they leave, as routes know them."""
    gateway: NodeInterface | None
    """The next machine's adapter on a shortest one; None: both machines are on one network."""
    is_forwarded: bool
    """They lead over machines that forward."""


@frozen
class Ways:
    """The networks of a lab, and the ways over the machines between them."""

    netmap: NetworkMap
    _found: dict[tuple[str, NodeInterface, bool], Way | None] = field(
        default_factory=dict, compare=False
    )

    def way(self, start: str, end: NodeInterface, is_public: bool) -> Way | None:
        """Return the beginning of all ways from a machine to an adapter: over machines that forward, if there
        is such a way, else over any; None if there is none.

        A machine on the adapter's own network has no other way there. Packets to addresses that are not
        public do not pass the Internet.
        """
        key = start, end, is_public
        if key not in self._found:
            forwarded = self._search(start, end, is_public, by_forwarders=True)
            self._found[key] = forwarded or self._search(start, end, is_public, False)
        return self._found[key]

    def network(self, end: NodeInterface) -> Carriers:
        """Return the network of an interface; of one without a cable, none."""
        peer = self.netmap.peers.get(end)
        if self.netmap.is_bridge_inside(end):
            return self.heard_by(end.node)
        if peer is None:
            return frozenset()
        return self.netmap.domain(end) or frozenset({end.node, peer})

    def heard_by(self, carrier: str) -> Carriers:
        """Return the switches that carry the frames of a switch or a machine that bridges, itself too."""
        return self.netmap.joined(carrier)

    def members(self, network: Carriers) -> Sequence[NodeInterface]:
        """Return the adapters of machines on a network."""
        return self._members.get(network, ()) if network else ()

    @cached_property
    def _members(self) -> dict[Carriers, list[NodeInterface]]:
        members: dict[Carriers, list[NodeInterface]] = {}
        for end in self.netmap.peers:
            if end.node not in self.netmap.switches:
                members.setdefault(self.network(end), []).append(end)
        return members

    @cached_property
    def _machines(self) -> dict[Carriers, frozenset[str]]:
        """The machines on each network."""
        return {
            network: frozenset(end.node for end in ends) for network, ends in self._members.items()
        }

    @cached_property
    def _inlets(self) -> dict[Carriers, list[NodeInterface]]:
        """The adapters on each network of machines that have further ones."""
        return {
            network: [end for end in ends if len(self.netmap.peers_of[end.node]) > 1]
            for network, ends in self._members.items()
        }

    @cached_property
    def _networks(self) -> dict[str, dict[str, Carriers]]:
        """Machine to the networks of its interfaces."""
        return {
            node: {name: self.network(NodeInterface(node, name)) for name in ends}
            for node, ends in self.netmap.peers_of.items()
        }

    def _search(
        self, start: str, end: NodeInterface, is_public: bool, by_forwarders: bool
    ) -> Way | None:
        passed = {start} if is_public else {start, self.netmap.provider}
        reached = {
            name: way
            for name, network in self._networks.get(start, {}).items()
            if (way := self._from(network, end, passed, by_forwarders))
        }
        if not reached:
            return None
        own = {
            name
            for name, network in self._networks[start].items()
            if network == self.network(end) and name in reached
        }
        interfaces = frozenset(self.netmap.device(start, name) for name in own or reached)
        return Way(interfaces, min(reached.values())[1], by_forwarders)

    def _from(
        self, network: Carriers, end: NodeInterface, passed: set[str], by_forwarders: bool
    ) -> tuple[int, NodeInterface | None] | None:
        """Return over how many machines an adapter's machine is reached from a network, and the first of
        them; None if it is not."""
        around: list[tuple[Carriers, NodeInterface | None]] = [(network, None)]
        seen, count = {*passed}, 0
        while around:
            further: list[tuple[Carriers, NodeInterface | None]] = []
            for near, gateway in around:
                if end.node in self._machines.get(near, ()):
                    return count, gateway
                for inlet in self._inlets.get(near, ()):
                    forwards = not by_forwarders or inlet in self.netmap.forwarders
                    if forwards and inlet.node not in seen:
                        seen.add(inlet.node)
                        beyond = self._networks[inlet.node].values()
                        further += [(far, gateway or inlet) for far in beyond if far != near]
            around, count = further, count + 1
        return None
