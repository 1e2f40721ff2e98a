"""Drivers of switches and cables, and of interfaces that somebody made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import links
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.resources.base import Context, Driver, LabState, NamespaceState
from netlab.plan.resources import Bridge, Cable, CableEnd, Resource

FALLBACK_NAMES = (
    *("lo", "tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0"),
    "ip6_vti0",
)
"""`lo`, and tunnel devices that the kernel puts into every new namespace where their modules are loaded."""


class BridgeDriver(Driver[Bridge]):
    """Creates switches."""

    def create(self, resource: Bridge, context: Context) -> None:
        links.create_bridge(context.netlink(resource), resource)

    def read(self, resource: Bridge, lab: LabState) -> Bridge | None:
        bridge = lab.of(resource).interfaces.get(resource.name)
        if bridge is None or bridge.kind != "bridge":
            return None
        return replace(resource, mac=bridge.mac, hub=bridge.hub, oddities=bridge.oddities)

    def alter(self, old: Bridge, new: Bridge, context: Context) -> None:
        links.alter_bridge(context.netlink(new), old, new)

    def delete(self, resource: Bridge, context: Context) -> None:
        links.delete_interface(context.netlink(resource), resource.name)


class CableDriver(Driver[Cable]):
    """Creates veth pairs, with their ends plugged in."""

    deletes_without_namespace = True

    def create(self, resource: Cable, context: Context) -> None:
        near, far = (context.netlink(end) for end in resource.ends)
        links.create_cable(resource, near, far, context.pool.descriptors)

    def read(self, resource: Cable, lab: LabState) -> Cable | None:
        near, far = (_plugged(end, lab.of(end), resource.mtu) for end in resource.ends)
        if not (near and far):
            return None
        paired = near.peer_index == far.index and far.peer_index == near.index
        return resource if paired else None

    def alter(self, old: Cable, new: Cable, context: Context) -> None:
        links.switch_cable(new, *(context.netlink(end) for end in new.ends))

    def delete(self, resource: Cable, context: Context) -> None:
        # Both: somebody may have moved one end away, and put another interface in its place.
        for end in resource.ends:
            if netns.inode(end.namespace) is not None:
                links.delete_interface(context.netlink(end), end.interface)


class CableEndDriver(Driver[CableEnd]):
    """Finds and deletes interfaces that somebody made by hand."""

    def create(self, resource: CableEnd, context: Context) -> None:
        """Nothing: what somebody made by hand cannot be made again."""

    def delete(self, resource: CableEnd, context: Context) -> None:
        links.delete_interface(context.netlink(resource), resource.interface)

    def unplanned(self, state: NamespaceState, planned: set[Resource]) -> Iterator[CableEnd]:
        expected = {*FALLBACK_NAMES, *planned_interfaces(state.name, planned)}
        for name, interface in state.interfaces.items():
            if name not in expected and interface.index != links.LOOPBACK_INDEX:
                yield CableEnd(state.name, name, interface.mac)


def planned_interfaces(namespace: str, planned: set[Resource]) -> set[str]:
    """Names of the bridges and ends of cables in a namespace."""
    return {
        name for resource in planned for owner, name in resource.interfaces if owner == namespace
    }


def _plugged(end: CableEnd, state: NamespaceState, mtu: int) -> Interface | None:
    """The interface that is as this end of a cable has to be."""
    interface = state.interfaces.get(end.interface)
    if interface is None or (interface.up, interface.mtu) != (end.up, mtu) or not interface.plain:
        return None
    if end.mac and interface.mac != end.mac:
        return None
    switch = state.interfaces.get(end.bridge or "")
    if interface.blocked and not (switch and switch.oddities):  # Of the switch, that is.
        return None
    return interface if interface.master == (switch.index if switch else 0) else None
