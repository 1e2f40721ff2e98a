"""A plan's resources, created one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from netlab.errors import KernelError, NetlabError
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.channel import Refused
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.resources import drivers
from netlab.kernel.resources.base import Context
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import Interruption
from netlab.plan.plan import Plan
from netlab.plan.resources import Lease, Resource


class Moment(StrEnum):
    """The moments at which a progress callback is called."""

    BEFORE = "before"
    AFTER = "after"


Progress = Callable[[Resource, Moment], None]
"""Called before and after each resource; an exception from it stops the work."""


def create(
    plan: Plan, run: RunDirectory, progress: Progress, interruption: Interruption
) -> tuple[Lease, ...]:
    """Create everything in order, and return the leases that have not come.

    On an error, what has been created stays: the caller removes it.
    """
    netns.share_names()
    missing = []
    with NamespacePool(len(plan.namespaces)) as pool:
        context = Context(run, pool, interruption)
        for resource in plan.resources:
            interruption.check()
            progress(resource, Moment.BEFORE)
            with explained("make", resource):
                has_come = drivers.create(resource, context)
            if not has_come and isinstance(resource, Lease):
                missing.append(resource)
            progress(resource, Moment.AFTER)
    return tuple(missing)


@contextmanager
def explained(verb: str, resource: Resource) -> Iterator[None]:
    """Name the resource in errors of a block that creates, alters or deletes it. Raises KernelError."""
    try:
        yield
    except Refused as error:
        raise KernelError(
            f"the kernel refuses to {verb} `{_first_line(resource)}`: {error.strerror}"
        ) from error
    except OSError as error:
        raise KernelError(f"cannot {verb} `{_first_line(resource)}`: {error}") from error
    except NetlabError as error:
        error.add_note(f"while it was to {verb} {_first_line(resource)}")
        raise


def _first_line(resource: Resource) -> str:
    return str(resource).splitlines()[0]
