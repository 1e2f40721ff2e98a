"""A running lab changed, resource by resource: taken back after a failure, or repaired as far as can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from netlab.errors import Interrupted, KernelError, NetlabError
from netlab.frozen import frozen
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.resources import drivers
from netlab.kernel.resources.base import Context
from netlab.kernel.resources.create import Moment, Progress, explained
from netlab.kernel.resources.services import DhcpClientDriver
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import Interruption
from netlab.plan.diff import Diff
from netlab.plan.resources import DhcpClient, Lease, Resource


def apply_diff(
    diff: Diff,
    run: RunDirectory,
    progress: Progress,
    interruption: Interruption,
    unleased: Callable[[tuple[Lease, ...]], None],
) -> None:
    """Remove, alter, create. Raises KernelError, Interrupted; then the lab is as it was before.

    `unleased` is called with the leases that have not come, and is a part of the change.
    What could not be taken back is in the error's notes.
    """
    missing: list[Lease] = []
    run.furnish()
    undo_steps: list[tuple[str, Resource, Callable[[], object]]] = []
    with NamespacePool(len(diff.removed) + len(diff.created)) as pool:
        context = Context(run, pool, interruption)
        undoing = replace(context, interruption=Interruption())

        def step(
            verb: str, resource: Resource, do: Callable[[], object], undo: Callable[[], object]
        ) -> object:
            interruption.check()
            progress(resource, Moment.BEFORE)
            # Noted before it is done: what is half done has to be taken back too.
            undo_steps.append((verb, resource, undo))
            with explained(verb, resource):
                result = do()
            progress(resource, Moment.AFTER)
            return result

        try:
            for resource in diff.removed:
                remake = partial(drivers.create, resource, undoing)
                step("remove", resource, partial(_remove, resource, diff, context), remake)
            for old, new in diff.altered:
                change_back = partial(drivers.alter, new, old, undoing)
                step("alter", new, partial(drivers.alter, old, new, context), change_back)
            for resource in diff.created:
                make = partial(drivers.create, resource, context)
                has_come = step("make", resource, make, partial(drivers.delete, resource, undoing))
                if not has_come and isinstance(resource, Lease):
                    missing.append(resource)
            unleased(tuple(missing))
        except BaseException as error:
            for verb, resource, undo in reversed(undo_steps):
                try:
                    with explained(f"take back: {verb}", resource):
                        undo()
                except KernelError as failure:
                    error.add_note(str(failure))
            raise


def _remove(resource: Resource, diff: Diff, context: Context) -> None:
    """Delete a resource; a DHCP client as gently as the rest of the change allows."""
    if isinstance(resource, DhcpClient) and diff.gives_back(resource):
        DhcpClientDriver().retire(resource, context)
    elif isinstance(resource, DhcpClient) and diff.keeps(resource.namespace):
        DhcpClientDriver().deconfigure(resource, context)
    else:
        drivers.delete(resource, context)


@frozen
class Applied:
    """The part of a diff that was carried out, and why not all of it."""

    done: Diff
    failures: tuple[NetlabError, ...]
    missing: tuple[Lease, ...]
    """Leases that have not come, which is no failure."""


def apply_best_effort(
    diff: Diff, run: RunDirectory, progress: Progress, interruption: Interruption
) -> Applied:
    """Remove, alter, create, and go on after a failure. Raises Interrupted.

    What depends on something that failed is not tried. Nothing is taken back: what is repaired stays so.
    """
    failures: dict[Resource, NetlabError] = {}
    missing: list[Lease] = []
    netns.share_names()
    run.furnish()
    with NamespacePool(len(diff.removed) + len(diff.created)) as pool:
        context = Context(run, pool, interruption)

        def succeeds(verb: str, resource: Resource, do: Callable[[], object]) -> bool:
            interruption.check()
            if any(resource == failed or resource.depends_on(failed) for failed in failures):
                return False
            progress(resource, Moment.BEFORE)
            try:
                with explained(verb, resource):
                    has_come = do()
                if isinstance(resource, Lease) and not has_come:
                    missing.append(resource)
            except Interrupted:
                raise
            except NetlabError as error:
                failures[resource] = error
            progress(resource, Moment.AFTER)
            return resource not in failures and resource not in missing

        removed = [
            resource
            for resource in diff.removed
            if succeeds("remove", resource, partial(drivers.delete, resource, context))
        ]
        altered = [
            (old, new)
            for old, new in diff.altered
            if succeeds("alter", new, partial(drivers.alter, old, new, context))
        ]
        created = [
            resource
            for resource in diff.created
            if succeeds("make", resource, partial(drivers.create, resource, context))
        ]
    done = Diff(tuple(removed), tuple(altered), tuple(created))
    return Applied(done, tuple(failures.values()), tuple(missing))
