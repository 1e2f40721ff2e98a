"""A namespace's tables at one moment, for everybody who looks at a lab."""

from __future__ import annotations

from functools import cached_property

from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.objects import addresses, links, neighbours, routes, rules
from netlab.kernel.netlink.objects.addresses import InterfaceAddress
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.objects.neighbours import ForwardingEntry, KernelNeighbour
from netlab.kernel.netlink.objects.routes import KernelRoute
from netlab.kernel.netlink.objects.rules import KernelRule


class Snapshot:
    """Each table is asked for at its first use, and then stays as it was. Raises Refused."""

    def __init__(self, netlink: Netlink) -> None:
        self.netlink = netlink

    @cached_property
    def interfaces(self) -> tuple[Interface, ...]:
        """Every interface."""
        return tuple(links.read(self.netlink))

    @cached_property
    def names(self) -> dict[int, str]:
        """The interfaces' names by their numbers."""
        return {interface.index: interface.name for interface in self.interfaces}

    @cached_property
    def addresses(self) -> tuple[InterfaceAddress, ...]:
        """Every address but the loopback's own."""
        return tuple(addresses.read(self.netlink))

    @cached_property
    def routes(self) -> tuple[KernelRoute, ...]:
        """Every route of every table."""
        return tuple(routes.read(self.netlink))

    @cached_property
    def rules(self) -> tuple[KernelRule, ...]:
        """Every rule of routing."""
        return tuple(rules.read(self.netlink))

    @cached_property
    def neighbours(self) -> tuple[KernelNeighbour, ...]:
        """Every neighbour that ARP and neighbour discovery know."""
        return tuple(neighbours.read(self.netlink))

    @cached_property
    def fdb(self) -> tuple[ForwardingEntry, ...]:
        """The MAC addresses that switches know; a namespace without a switch is spared the dump."""
        has_switch = any(interface.kind == "bridge" for interface in self.interfaces)
        return tuple(neighbours.read_fdb(self.netlink)) if has_switch else ()
