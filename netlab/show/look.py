"""A look at a lab: everything that a view may need, asked of the kernel at its first use."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from netlab.frozen import frozen
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nftrace import TRACE_TABLE
from netlab.kernel.process import services
from netlab.kernel.rows import Socket, at_port
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.state import sockets, spaces
from netlab.kernel.state.owners import Owners, owners
from netlab.kernel.state.spaces import Space
from netlab.lab import Lab, netmap
from netlab.node_interface import NamespaceInterface, NodeInterface
from netlab.plan.resources import Lease, Service
from netlab.scenario.topology import Adapter

Value = str | int | None


@frozen
class ViewRow:
    """A row of a view."""

    values: tuple[Value, ...]
    """None where there is nothing to show."""
    about: frozenset[str]
    """Nodes and networks that it concerns: it is shown if one of them is asked for."""


@frozen
class Look:
    """Everything that a view may need, asked of the kernel at its first use."""

    lab: Lab

    @cached_property
    def run(self) -> RunDirectory:
        return RunDirectory(self.lab.name)

    @cached_property
    def nodes(self) -> dict[str, str]:
        """Namespace to node or switch, of those that are there."""
        return netmap(self.lab).nodes

    @cached_property
    def machines(self) -> dict[str, str]:
        """Namespace to node, without the switches."""
        planned = self.lab.topology.nodes
        return {namespace: node for namespace, node in self.nodes.items() if node in planned}

    @cached_property
    def spaces(self) -> dict[str, Space]:
        return spaces.look(self.nodes)

    @cached_property
    def advertised(self) -> frozenset[NamespaceInterface]:
        """Interfaces with an address that stems from a router's advertisement."""
        return frozenset(
            NamespaceInterface(namespace, interface)
            for namespace in self.machines
            for interface in self.spaces[namespace].advertised
        )

    @cached_property
    def adapters(self) -> dict[NodeInterface, Adapter]:
        """Interfaces and their planned adapters."""
        every = (adapter for node in self.lab.topology.nodes.values() for adapter in node.adapters)
        return {NodeInterface(adapter.node, adapter.interface): adapter for adapter in every}

    @cached_property
    def holders(self) -> dict[NodeInterface, Adapter]:
        """Interfaces and the planned adapters whose addresses they have."""
        every = (adapter for node in self.lab.topology.nodes.values() for adapter in node.adapters)
        return {
            NodeInterface(adapter.node, adapter.holder): adapter
            for adapter in every
            if not adapter.bare
        }

    def about(self, node: str, interface: str | None = None, *names: str) -> frozenset[str]:
        """Return a node with its networks, or with the one that an interface is plugged into, and `names`."""
        networks = {
            adapter.network.name
            for (of, name), adapter in self.adapters.items()
            if of == node and interface in (None, name)
        }
        return frozenset({node, *networks, *names} - {""})

    @cached_property
    def owners(self) -> Owners:
        """Owners of every MAC and every address now."""
        return owners(
            (self.nodes[namespace], space.interfaces, space.addresses)
            for namespace, space in self.spaces.items()
        )

    def owner(self, key: object, near: frozenset[str] = frozenset()) -> str:
        """Return the node that has a MAC or address, of those `near` first; empty if no node has it."""
        return self.owners.name(key, near)

    def near(self, node: str, interface: str = "") -> frozenset[str]:
        """Return the machines on the network that an interface is plugged into, or that a switch is."""
        adapter, topology = self.adapters.get(NodeInterface(node, interface)), self.lab.topology
        network = adapter.network if adapter else topology.networks.get(node)
        return (
            frozenset(neighbour.node for neighbour in topology.neighbours(network))
            if network
            else frozenset()
        )

    def named(self, address: object, port: int | None = None) -> str:
        """Return an address with its owner: `10.0.0.2 (vmnet8-nat)`."""
        text = at_port(address, port)
        return f"{text} ({owner})" if (owner := self.owner(address)) else text

    @cached_property
    def listening(self) -> dict[str, tuple[Socket, ...]]:
        return sockets.read_listening(list(self.machines))

    def services(self) -> Iterator[tuple[str, Service]]:
        """Yield every planned service, after the node on which it runs."""
        for resource in self.lab.plan.resources:
            if isinstance(resource, Service) and resource.namespace in self.nodes:
                yield self.nodes[resource.namespace], resource

    def lease(self, namespace: str, interface: str) -> dict[str, str]:
        return services.lease(self.run, Lease(namespace, interface))

    @cached_property
    def rulesets(self) -> dict[str, ShownRuleset]:
        """Namespace to ruleset, where there is one; switches have rules too (Wi-Fi, admission, isolation)."""
        rulesets = {namespace: ShownRuleset.read(namespace) for namespace in self.nodes}
        return {namespace: ruleset for namespace, ruleset in rulesets.items() if ruleset.chains}


@frozen
class ShownRuleset:
    """The chains of a namespace, and its rules as text and as data."""

    chains: tuple[dict[str, Any], ...]
    rules: tuple[tuple[dict[str, Any], str], ...]

    @staticmethod
    def read(namespace: str) -> ShownRuleset:
        document = [
            (kind, entry)
            for item in nft.document(namespace)
            for kind, entry in item.items()
            if kind in ("chain", "rule") and not entry["table"].startswith(TRACE_TABLE)
        ]
        texts = nft.rules(nft.read_with_handles(namespace)) if document else {}
        return ShownRuleset(
            tuple(entry for kind, entry in document if kind == "chain"),
            tuple(
                (entry, texts.get(nft.rule_id(entry), "?"))
                for kind, entry in document
                if kind == "rule"
            ),
        )
