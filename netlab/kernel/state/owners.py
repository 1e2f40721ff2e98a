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

Plug = tuple[str, str]
"""(node, interface)."""


@frozen
class Owners:
    """The adapters of a lab and their addresses, both ways round."""

    addresses: Mapping[Plug, tuple[IPInterface, ...]]
    """What each adapter has, the loopback's own addresses left out."""
    plugs: Mapping[str, tuple[Plug, ...]]
    """IP or MAC address to every adapter that has it: several are a conflict."""

    @cached_property
    def nodes(self) -> Mapping[str, frozenset[str]]:
        """IP or MAC address to the nodes that have it."""
        return {key: frozenset(node for node, _ in plugs) for key, plugs in self.plugs.items()}

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
    addresses: dict[Plug, tuple[IPInterface, ...]] = {}
    plugs: dict[str, tuple[Plug, ...]] = {}
    for node, interfaces, rows in known:
        cards = tuple(interfaces)
        bridges = {one.index for one in cards if one.kind == "bridge"}
        found = []
        for name, address in rows:
            addresses[node, name] = (*addresses.get((node, name), ()), address)
            found.append((str(address.ip), name))
        for card in cards:
            silent = card.index in bridges and (node, card.name) not in addresses
            if card.master not in bridges and not silent:
                found.append((card.mac, card.name))
        for key, name in found:
            if key.strip("0:."):  # The loopback and tunnels have a MAC of zeros, or none.
                plugs[key] = (*plugs.get(key, ()), (node, name))
    return Owners(addresses, plugs)
