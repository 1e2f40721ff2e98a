"""Drivers of programs in namespaces: services with their sockets, and DHCP clients with their leases."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface

from netlab.errors import KernelError
from netlab.kernel import files
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import addresses
from netlab.kernel.process import leases, services
from netlab.kernel.resources.base import FACT_SECONDS, Context, Driver, LabState
from netlab.kernel.resources.namespaces import etc_text
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.wait import wait_until
from netlab.plan.resources import (
    DEFAULT_ROUTE,
    Address,
    DhcpClient,
    Lease,
    Listening,
    Resource,
    Route,
    Service,
)

_LISTENING_SECONDS = 30.0


class ServiceDriver(Driver[Service]):
    """Starts and stops services."""

    deletes_without_namespace = True

    def create(self, resource: Service, context: Context) -> None:
        services.start(context.run, resource)

    def read(self, resource: Service, lab: LabState) -> Service | None:
        return resource if services.runs(lab.run, resource) else None

    def delete(self, resource: Service, context: Context) -> None:
        services.stop(context.run, resource)


class ListeningDriver(Driver[Listening]):
    """Awaits the sockets of services."""

    def create(self, resource: Listening, context: Context) -> None:
        wait_until(
            lambda: services.listens(context.run, resource),
            _LISTENING_SECONDS,
            lambda: (
                f"{resource.service} on {resource.namespace}"
                f" does not open {resource.protocol}/{resource.port}"
            ),
            context.interruption,
        )

    def read(self, resource: Listening, lab: LabState) -> Listening | None:
        try:
            return resource if services.listens(lab.run, resource) else None
        except KernelError:
            return None


class DhcpClientDriver(Driver[DhcpClient]):
    """Starts and stops DHCP clients."""

    deletes_without_namespace = True

    def create(self, resource: DhcpClient, context: Context) -> None:
        services.start_client(context.run, resource)

    def read(self, resource: DhcpClient, lab: LabState) -> DhcpClient | None:
        return resource if services.runs(lab.run, resource) else None

    def alter(self, old: DhcpClient, new: DhcpClient, context: Context) -> None:
        """Nobody is to give it anything any more: it keeps what it has."""

    def delete(self, resource: DhcpClient, context: Context) -> None:
        services.stop(context.run, resource)
        if netns.inode(resource.namespace) is not None:
            addresses.delete_of(context.netlink(resource), resource.interface)

    def retire(self, resource: DhcpClient, context: Context) -> None:
        """Delete one that gives its lease back, or another could not get the address."""
        try:
            leases.give_back(context.run, resource, context.interruption)
        finally:
            self.delete(resource, context)

    def deconfigure(self, resource: DhcpClient, context: Context) -> None:
        """Delete one whose machine stays: the name servers that it was given go too."""
        self.delete(resource, context)
        services.deconfigure(context.run, resource)

    def entailed(self, resource: DhcpClient, run: RunDirectory) -> Iterator[Resource]:
        """The address and the default route of its lease."""
        lease = services.lease(run, Lease(resource.namespace, resource.interface))
        if lease:
            interface = IPv4Interface(lease["address"])
            yield Address(resource.namespace, resource.interface, interface)
        if lease.get("metric"):
            yield _default_route(resource, lease)


class LeaseDriver(Driver[Lease]):
    """Awaits leases."""

    def create(self, resource: Lease, context: Context) -> bool:
        """Return False if it has not come; its client goes on asking."""
        return leases.await_lease(context.run, resource, FACT_SECONDS, context.interruption)

    def read(self, resource: Lease, lab: LabState) -> Lease | None:
        """The lease, if what DHCP gave is there: the address, the default route if it gave one, name servers.

        Where it has given nothing, there is nothing that somebody could have changed; but a client that has
        neither a lease nor asked in vain was robbed of it.
        """
        lease, state = services.lease(lab.run, resource), lab.of(resource)
        if not lease:
            return resource if services.has_asked_in_vain(lab.run, resource) else None
        addressed = any(
            address.interface == resource.interface and str(address.address) == lease.get("address")
            for address in state.addresses
        )
        routed = not lease.get("metric") or _default_route(resource, lease) in state.routes
        name_servers = files.read(str(lab.run.leased_resolv(resource.namespace)))
        written = etc_text(lab.run, resource.namespace, "resolv.conf") == name_servers
        return resource if addressed and routed and written else None


def _default_route(resource: Lease | DhcpClient, lease: dict[str, str]) -> Route:
    """The default route as the client's script has set it."""
    gateway = IPv4Address(lease["router"])
    return Route(resource.namespace, DEFAULT_ROUTE, gateway, int(lease["metric"]))
