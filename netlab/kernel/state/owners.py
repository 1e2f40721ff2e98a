"""Whose an address is: the adapters that have an IP or MAC address, as they were observed. Pure.

The one answer to this question: `show`, `trace`, `explain` and `watch` name machines by it. It knows
IPv4 and IPv6, and what was changed by hand, since it asks nobody but the kernel's tables.
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
    """What each adapter has, the loopback's own addresses left out."""
    interfaces: Mapping[str, tuple[NodeInterface, ...]]
    """IP or MAC address to every adapter that has it: several are a conflict."""

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
        """The same, as nodes that hear each other would say."""
        several = (key for key, nodes in self.nodes.items() if len(nodes) > 1)
        return {**self.names, **{key: self.name(key, near) for key in several}}

    def name(self, address: object, near: frozenset[str] = frozenset()) -> str:
        """Whose an IP or MAC address is; empty if nobody in the lab has it.

        Nodes that are `near` are meant before others: all of VirtualBox's NAT engines have one MAC
        address, each on a cable of its own, and that is no conflict.
        """
        nodes = self.nodes.get(str(address), frozenset())
        return " and ".join(sorted(nodes & near or nodes))


def owners(known: Iterable[tuple[str, Iterable[Interface], Iterable[AddressRow]]]) -> Owners:
    """From the interfaces and addresses of each node.

    A bridge's ports have no address of their own, and without an IP address a bridge has none: nobody
    sends it anything.
    """
    addresses: dict[NodeInterface, tuple[IPInterface, ...]] = {}
    by_address: dict[str, tuple[NodeInterface, ...]] = {}
    for node, interfaces, rows in known:
        cards = tuple(interfaces)
        bridges = {one.index for one in cards if one.kind == "bridge"}
        found = []
        for name, address in rows:
            interface = NodeInterface(node, name)
            addresses[interface] = (*addresses.get(interface, ()), address)
            found.append((str(address.ip), interface))
        for card in cards:
            interface = NodeInterface(node, card.name)
            silent = card.index in bridges and interface not in addresses
            if card.master not in bridges and not silent:
                found.append((card.mac, interface))
        for key, interface in found:
            if key.strip("0:."):  # The loopback and tunnels have a MAC of zeros, or none.
                by_address[key] = (*by_address.get(key, ()), interface)
    return Owners(addresses, by_address)
