"""The drivers of all kinds of resources: create, read, alter and delete one, whatever its kind."""

from __future__ import annotations

from typing import Any

from netlab.kernel.namespaces import netns
from netlab.kernel.resources import addresses, interfaces, namespaces, queues, rulesets, services
from netlab.kernel.resources.base import Context, Driver, LabState
from netlab.plan import resources
from netlab.plan.resources import Resource

DRIVERS: dict[type[Resource], Driver[Any]] = {
    resources.Namespace: namespaces.NamespaceDriver(),
    resources.Sysctl: namespaces.SysctlDriver(),
    resources.EtcFile: namespaces.EtcFileDriver(),
    resources.Bridge: interfaces.BridgeDriver(),
    resources.Cable: interfaces.CableDriver(),
    resources.CableEnd: interfaces.CableEndDriver(),
    resources.Queue: queues.QueueDriver(),
    resources.Address: addresses.AddressDriver(),
    resources.FurtherAddress: addresses.FurtherAddressDriver(),
    resources.Route: addresses.RouteDriver(),
    resources.Ipv6: addresses.Ipv6Driver(),
    resources.Advertised: addresses.AdvertisedDriver(),
    resources.Ruleset: rulesets.RulesetDriver(),
    resources.Service: services.ServiceDriver(),
    resources.Listening: services.ListeningDriver(),
    resources.DhcpClient: services.DhcpClientDriver(),
    resources.Lease: services.LeaseDriver(),
}
"""In the order in which what is unplanned in a namespace is listed."""


def create(resource: Resource, context: Context) -> bool:
    """Create a resource. Return False if it is a lease that has not come, and its client goes on asking."""
    return DRIVERS[type(resource)].create(resource, context) is not False


def read(resource: Resource, lab: LabState) -> Resource | None:
    """The resource as it is now: itself, a changed one, or None if it is not there."""
    if any(namespace not in lab.namespaces for namespace in resource.namespaces):
        return None
    state: Resource | None = DRIVERS[type(resource)].read(resource, lab)
    return state


def alter(old: Resource, new: Resource, context: Context) -> None:
    """Change a resource in place."""
    DRIVERS[type(new)].alter(old, new, context)


def delete(resource: Resource, context: Context) -> None:
    """Delete a resource. Forgives absence, also of the namespace that it was in."""
    driver = DRIVERS[type(resource)]
    is_reachable = all(netns.inode(namespace) is not None for namespace in resource.namespaces)
    if driver.deletes_without_namespace or is_reachable:
        driver.delete(resource, context)
