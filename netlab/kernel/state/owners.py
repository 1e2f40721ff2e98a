"""Owners of addresses: the adapters that have an IP or MAC address, as they were observed. Pure.

`show`, `trace`, `explain` and `watch` name machines by it, and by nothing else. It knows IPv4 and IPv6, and
addresses that were changed by hand, since it reads nothing but the kernel's tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from netlab.frozen import frozen
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.rows import AddressRow, IPInterface
from netlab.node_interface import NodeInterface


@frozen
class Owners:
    """The adapters of a lab and their addresses, both ways round."""

    addresses: Mapping[NodeInterface, tuple[IPInterface, ...]]
    """The addresses of each adapter, without the loopback's own."""
    interfaces: Mapping[str, tuple[NodeInterface, ...]]
    """IP or MAC address to every adapter that has it: more than one are a conflict."""

    @cached_property
    def nodes(self) -> Mapping[str, frozenset[str]]:
        """IP or MAC address to the nodes that have it."""
        return {
            key: frozenset(interface.node for interface in interfaces)
            for key, interfaces in self.interfaces.items()
        }

    @cached_property
    def names(self) -> Mapping[str, str]:
        """IP or MAC address to the node that has it; `vm1 and vm2` in a conflict."""
        return {key: " and ".join(sorted(nodes)) for key, nodes in self.nodes.items()}

    def names_near(self, near: frozenset[str]) -> Mapping[str, str]:
        """Return the names of addresses as nodes use them that hear each other (see `name`)."""
        ambiguous = (key for key, nodes in self.nodes.items() if len(nodes) > 1)
        return {**self.names, **{key: self.name(key, near) for key in ambiguous}}

    def name(self, address: object, near: frozenset[str] = frozenset()) -> str:
        """Return the node that has an IP or MAC address; empty if nobody in the lab has it.

        Nodes that are `near` are meant before others: all of VirtualBox's NAT engines have the same MAC
        address, each on a cable of its own, and that is no conflict.
        """
        nodes = self.nodes.get(str(address), frozenset())
        return " and ".join(sorted(nodes & near or nodes))


def owners(observed: Iterable[tuple[str, Iterable[Interface], Iterable[AddressRow]]]) -> Owners:
    """Find the owners among the interfaces and addresses of each node.

    A bridge's ports own no address, and without an IP address a bridge owns none: nobody sends it anything.
    """
    addresses: dict[NodeInterface, tuple[IPInterface, ...]] = {}
    by_address: dict[str, tuple[NodeInterface, ...]] = {}
    for node, node_interfaces, address_rows in observed:
        interfaces = tuple(node_interfaces)
        bridges = {interface.index for interface in interfaces if interface.kind == "bridge"}
        owned = []
        for name, assigned in address_rows:
            owner = NodeInterface(node, name)
            addresses[owner] = (*addresses.get(owner, ()), assigned)
            owned.append((str(assigned.ip), owner))
        for interface in interfaces:
            owner = NodeInterface(node, interface.name)
            silent = interface.index in bridges and owner not in addresses
            if interface.master not in bridges and not silent:
                owned.append((interface.mac, owner))
        for address, owner in owned:
            if address.strip("0:."):  # The loopback and tunnels have a MAC of zeros, or none.
                by_address[address] = (*by_address.get(address, ()), owner)
    return Owners(addresses, by_address)
