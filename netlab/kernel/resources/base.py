"""The base of every driver: how one kind of resource is created, read, altered and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Generic, TypeVar

from netlab.frozen import frozen
from netlab.kernel.ipv6 import Ipv6State
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import Interruption
from netlab.plan.resources import Address, InNamespace, Queue, Resource, Route, Sysctl

R = TypeVar("R", bound=Resource)

FACT_SECONDS = 60.0
"""Far beyond what a machine 20 times slower than usual needs; only failures wait that long."""


@frozen
class Context:
    """The lab in which something is created, altered or deleted."""

    run: RunDirectory
    pool: NamespacePool
    interruption: Interruption

    def netlink(self, resource: InNamespace) -> Netlink:
        """The netlink socket of the resource's namespace. Raises KernelError if that is gone."""
        return self.pool.netlink(resource.namespace)


@frozen
class NamespaceState:
    """One namespace as the kernel shows it."""

    name: str
    interfaces: dict[str, Interface]
    addresses: tuple[Address, ...]
    """IPv4 addresses; the routes are of IPv4 too."""
    routes: tuple[Route, ...]
    ipv6: Ipv6State
    queues: tuple[Queue, ...]
    ruleset: str
    settings: dict[str, str]
    """Values of the planned settings that the kernel has."""
    oddities: tuple[str, ...]
    """`Namespace.oddities`."""


@frozen
class LabState:
    """A lab as the kernel shows it, with the records of its run directory."""

    run: RunDirectory
    namespaces: dict[str, NamespaceState]
    """By name: those that are there."""

    def of(self, resource: InNamespace) -> NamespaceState:
        """The state of the resource's namespace, which is there."""
        return self.namespaces[resource.namespace]


class Driver(Generic[R]):
    """Base of every driver. `create`, `alter` and `delete` raise KernelError, Refused or OSError."""

    deletes_without_namespace: ClassVar[bool] = False
    """True: there is something to delete also where the resource's namespace is gone."""

    def create(self, resource: R, context: Context) -> bool | None:
        """Create it. False: it has not come, and may still."""
        raise NotImplementedError

    def read(self, resource: R, lab: LabState) -> R | None:
        """The resource as it is now: itself, changed, or None if it is not there. Its namespaces are."""
        raise NotImplementedError

    def alter(self, old: R, new: R, context: Context) -> None:
        """Change it in place, where `old.can_change_in_place_to(new)`. By default as it is created."""
        self.create(new, context)

    def delete(self, resource: R, context: Context) -> None:
        """Delete it. Forgives absence. By default nothing: a fact ends with what it is about."""

    def settings(self, resource: R) -> Iterable[Sysctl]:
        """Kernel settings that `read` wants to know."""
        return ()

    def entailed(self, resource: R, run: RunDirectory) -> Iterable[Resource]:
        """Resources that are there because of it, though no plan has them."""
        return ()

    def unplanned(self, state: NamespaceState, planned: set[Resource]) -> Iterator[Resource]:
        """Resources that somebody added; `planned` are those of the namespace, with what they entail."""
        return iter(())
