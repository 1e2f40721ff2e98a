"""Drivers of addresses and routes, and of IPv6 of an interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netlab.kernel import ipv6
from netlab.kernel.netlink.objects import addresses, routes
from netlab.kernel.resources.base import FACT_SECONDS, Context, Driver, LabState, NamespaceState
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.wait import wait_until
from netlab.plan.resources import Address, Advertised, FurtherAddress, Ipv6, Resource, Route, Sysctl


class AddressDriver(Driver[Address]):
    """Gives interfaces their addresses."""

    def create(self, resource: Address, context: Context) -> None:
        addresses.create(context.netlink(resource), resource)

    def read(self, resource: Address, lab: LabState) -> Address | None:
        state = lab.of(resource)
        return resource if resource in (*state.addresses, *state.ipv6.addresses) else None

    def delete(self, resource: Address, context: Context) -> None:
        addresses.delete(context.netlink(resource), resource)

    def unplanned(self, state: NamespaceState, planned: set[Resource]) -> Iterator[Address]:
        """Unplanned IPv4 addresses; `Ipv6Driver` finds those of IPv6."""
        return (address for address in state.addresses if address not in planned)


class FurtherAddressDriver(Driver[FurtherAddress]):
    """Gives interfaces further addresses."""

    def create(self, resource: FurtherAddress, context: Context) -> None:
        addresses.create(context.netlink(resource), _as_address(resource))

    def read(self, resource: FurtherAddress, lab: LabState) -> FurtherAddress | None:
        return resource if _as_address(resource) in lab.of(resource).addresses else None

    def delete(self, resource: FurtherAddress, context: Context) -> None:
        addresses.delete(context.netlink(resource), _as_address(resource))

    def entailed(self, resource: FurtherAddress, run: RunDirectory) -> Iterator[Resource]:
        yield _as_address(resource)


def _as_address(resource: FurtherAddress) -> Address:
    return Address(resource.namespace, resource.interface, resource.address)


class RouteDriver(Driver[Route]):
    """Enters routes through gateways."""

    def create(self, resource: Route, context: Context) -> None:
        routes.create(context.netlink(resource), resource)

    def read(self, resource: Route, lab: LabState) -> Route | None:
        state = lab.of(resource)
        return resource if resource in (*state.routes, *state.ipv6.routes) else None

    def delete(self, resource: Route, context: Context) -> None:
        routes.delete(context.netlink(resource), resource)

    def unplanned(self, state: NamespaceState, planned: set[Resource]) -> Iterator[Route]:
        """Unplanned IPv4 routes; `Ipv6Driver` finds those of IPv6."""
        return (route for route in state.routes if route not in planned)


class Ipv6Driver(Driver[Ipv6]):
    """Switches IPv6 on and off."""

    def create(self, resource: Ipv6, context: Context) -> None:
        ipv6.require()
        context.pool.set(*ipv6.settings(resource))

    def read(self, resource: Ipv6, lab: LabState) -> Ipv6 | None:
        return resource if ipv6.is_on(resource, lab.of(resource).settings) else None

    def delete(self, resource: Ipv6, context: Context) -> None:
        context.pool.set(ipv6.off(resource))

    def settings(self, resource: Ipv6) -> Iterable[Sysctl]:
        return ipv6.settings(resource)

    def unplanned(self, state: NamespaceState, planned: set[Resource]) -> Iterator[Resource]:
        """IPv6 addresses and routes that neither the plan, a router nor the kernel has given."""
        switched_on = {resource.interface for resource in planned if isinstance(resource, Ipv6)}
        given = {
            *state.ipv6.advertised,
            *(
                address
                for address in state.ipv6.addresses
                if address.address.is_link_local and address.interface in switched_on
            ),
        }
        yield from (
            resource
            for resource in (*state.ipv6.addresses, *state.ipv6.routes)
            if resource not in planned and resource not in given
        )


class AdvertisedDriver(Driver[Advertised]):
    """Awaits addresses that interfaces make themselves of a router's advertisement."""

    def create(self, resource: Advertised, context: Context) -> None:
        wait_until(
            lambda: ipv6.took(context.netlink(resource), resource),
            FACT_SECONDS,
            lambda: (
                f"{resource.namespace} did not make {resource.address} on {resource.interface}"
                f" of a router's advertisement within {FACT_SECONDS:.0f} s"
            ),
            context.interruption,
        )

    def read(self, resource: Advertised, lab: LabState) -> Advertised | None:
        return resource if ipv6.holds(lab.of(resource).ipv6, resource) else None
