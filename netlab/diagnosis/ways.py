"""Shortest ways between the machines of a lab, by its cables. Pure."""

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
    """The beginning of the shortest ways from a machine to another one."""

    interfaces: frozenset[str]
    """Interfaces by which they leave, as routes know them."""
    gateways: tuple[NodeInterface, ...]
    """The next machines' adapters, in order; empty if both machines are on one network."""


@frozen
class _Reached:
    """A machine on the search, with the beginnings of the ways that have led there."""

    interfaces: set[str] = field(default_factory=set)
    gateways: set[NodeInterface] = field(default_factory=set)

    def add(self, interfaces: set[str], gateways: set[NodeInterface]) -> None:
        self.interfaces.update(interfaces)
        self.gateways.update(gateways)


@frozen
class Ways:
    """The networks of a lab, and the ways over the machines between them."""

    netmap: NetworkMap
    _found: dict[tuple[str, str, bool], Way | None] = field(default_factory=dict, compare=False)

    def way(self, start: str, goal: str) -> Way | None:
        """Return the beginning of the shortest ways from one machine to another: over machines that forward,
        if there is such a way. None: there is none at all."""
        return self.forwarded(start, goal) or self._way(start, goal, by_forwarders=False)

    def forwarded(self, start: str, goal: str) -> Way | None:
        """Return the beginning of the shortest ways over machines that forward; None if there is none."""
        return self._way(start, goal, by_forwarders=True)

    def network(self, end: NodeInterface) -> Carriers:
        """Return the network of an interface; of one without a cable, none."""
        peer, bridge = self.netmap.peers.get(end), self.netmap.bridges.get(end.node)
        if bridge and bridge.interface == end.interface:
            return self.heard_by(end.node)
        if peer is None:
            return frozenset()
        return self.netmap.segment(end) & self.netmap.carriers or frozenset({end.node, peer})

    def heard_by(self, carrier: str) -> Carriers:
        """Return the switches that carry the frames of a switch or a machine that bridges, itself too."""
        return self.netmap.neighbourhood(carrier) & self.netmap.carriers

    def members(self, network: Carriers) -> Sequence[NodeInterface]:
        """Return the adapters of machines on a network."""
        return self._members.get(network, ()) if network else ()

    def device(self, node: str, interface: str) -> str:
        """Return the interface that routes know: of a machine that bridges, its bridge."""
        bridge = self.netmap.bridges.get(node)
        return bridge.interface if bridge and interface else interface

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

    def _way(self, start: str, goal: str, by_forwarders: bool) -> Way | None:
        key = start, goal, by_forwarders
        if key not in self._found:
            self._found[key] = self._search(start, goal, by_forwarders)
        return self._found[key]

    def _search(self, start: str, goal: str, by_forwarders: bool) -> Way | None:
        """Search the machines around `start`, the nearest first, until some share a network with the goal."""
        passed, around = {start}, {start: _Reached()}
        while around:
            arrived, further = _Reached(), dict[str, _Reached]()
            for node, reached in around.items():
                for name, network in self._networks.get(node, {}).items():
                    out = {self.device(start, name)} if node == start else reached.interfaces
                    if goal in self._machines[network]:
                        arrived.add(out, reached.gateways)
                    for inlet in self._inlets[network]:
                        forwards = not by_forwarders or inlet in self.netmap.forwarders
                        if forwards and inlet.node not in passed:
                            ahead = further.setdefault(inlet.node, _Reached())
                            ahead.add(out, reached.gateways or {inlet})
            if arrived.interfaces:
                return Way(frozenset(arrived.interfaces), tuple(sorted(arrived.gateways)))
            passed |= further.keys()
            around = further
        return None
