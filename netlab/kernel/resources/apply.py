"""A running lab changed, noun by noun: taken back after a failure, or mended as far as can be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from netlab.errors import Interrupted, KernelError, NetlabError
from netlab.frozen import frozen
from netlab.kernel import files, ipv6
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import addresses, links, queues, routes
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables import nft
from netlab.kernel.process import leases, services
from netlab.kernel.resources import strays
from netlab.kernel.resources.create import Moment, Progress, explained, make
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import Interruption
from netlab.plan.diff import Diff, stands_on
from netlab.plan.resources import (
    Address,
    Advertised,
    Bridge,
    Cable,
    CableEnd,
    DhcpClient,
    EtcFile,
    Ipv6,
    Lease,
    Listening,
    Namespace,
    Observed,
    Queue,
    Resource,
    Route,
    Ruleset,
    Service,
    Sysctl,
)


def change(
    wanted: Diff,
    run: RunDirectory,
    progress: Progress,
    interruption: Interruption,
    unleased: Callable[[tuple[Lease, ...]], None],
) -> None:
    """Remove, alter, create. Raises KernelError, Interrupted; then the lab is as it was before.

    `unleased` is told of leases that have not come, and is a part of the change.
    What could not be taken back is told in the error's notes.
    """
    missing: list[Lease] = []
    run.furnish()
    back: list[tuple[str, Observed, Callable[[], object]]] = []
    with NamespacePool(len(wanted.removed) + len(wanted.created)) as pool:
        remake = partial(make, run=run, pool=pool, interruption=Interruption())

        def step(
            verb: str, resource: Observed, do: Callable[[], object], undo: Callable[[], object]
        ) -> object:
            interruption.check()
            progress(resource, Moment.BEFORE)
            # Noted before it is done: what is half done has to be taken back too.
            back.append((verb, resource, undo))
            with explained(verb, resource):
                result = do()
            progress(resource, Moment.AFTER)
            return result

        try:
            for resource in wanted.removed:
                gone = partial(_unmake, resource, run, pool)
                if isinstance(resource, DhcpClient) and wanted.gives_back(resource):
                    gone = partial(_retire, resource, run, pool, interruption)
                elif isinstance(resource, DhcpClient) and wanted.keeps(resource.namespace):
                    gone = partial(_deconfigure, resource, run, pool)
                # What somebody made by hand cannot be made again.
                by_hand = isinstance(resource, CableEnd)
                step("remove", resource, gone, _nothing if by_hand else partial(remake, resource))
            for old, new in wanted.altered:
                there, back_again = partial(_alter, old, new), partial(_alter, new, old)
                step("alter", new, partial(there, run, pool), partial(back_again, run, pool))
            for resource in wanted.created:
                make_it = partial(make, resource, run, pool, interruption)
                came = step("make", resource, make_it, partial(_unmake, resource, run, pool))
                if not came and isinstance(resource, Lease):
                    missing.append(resource)
            unleased(tuple(missing))
        except BaseException as error:
            for verb, resource, undo in reversed(back):
                try:
                    with explained(f"take back: {verb}", resource):
                        undo()
                except KernelError as failure:
                    error.add_note(str(failure))
            raise


@frozen
class Mending:
    """What was done of a change, and why not all of it."""

    done: Diff
    failures: tuple[NetlabError, ...]
    missing: tuple[Lease, ...]
    """Leases that have not come, which is no failure."""


def mend(
    wanted: Diff, run: RunDirectory, progress: Progress, interruption: Interruption
) -> Mending:
    """Remove, alter, create, and go on after a failure. Raises Interrupted.

    What stands on something that failed is not tried. Nothing is taken back: what is mended is mended.
    """
    failures: dict[Observed, NetlabError] = {}
    missing: list[Lease] = []
    netns.share_names()
    run.furnish()
    with NamespacePool(len(wanted.removed) + len(wanted.created)) as pool:

        def tried(verb: str, resource: Observed, do: Callable[[], object]) -> bool:
            interruption.check()
            if any(_needs(resource, failed) for failed in failures):
                return False
            progress(resource, Moment.BEFORE)
            try:
                with explained(verb, resource):
                    came = do()
                if isinstance(resource, Lease) and not came:
                    missing.append(resource)
            except Interrupted:
                raise
            except NetlabError as error:
                failures[resource] = error
            progress(resource, Moment.AFTER)
            return resource not in failures and resource not in missing

        removed = [
            resource
            for resource in wanted.removed
            if tried("remove", resource, partial(_unmake, resource, run, pool))
        ]
        altered = [
            (old, new)
            for old, new in wanted.altered
            if tried("alter", new, partial(_alter, old, new, run, pool))
        ]
        created = [
            resource
            for resource in wanted.created
            if tried("make", resource, partial(make, resource, run, pool, interruption))
        ]
    done = Diff(tuple(removed), tuple(altered), tuple(created))
    return Mending(done, tuple(failures.values()), tuple(missing))


def _needs(resource: Observed, failed: Observed) -> bool:
    """Whether there is no sense in trying: it is the same thing, or stands on it."""
    if isinstance(resource, CableEnd) or isinstance(failed, CableEnd):
        return False
    return resource == failed or stands_on(resource, failed)


def _nothing() -> None:
    pass


def _alter(old: Resource, new: Resource, run: RunDirectory, pool: NamespacePool) -> None:
    match new:
        case Namespace(namespace):
            strays.undo(pool.netlink(namespace))
        case Sysctl():
            pool.set(new)
        case EtcFile(name=name) if not netns.can_have_etc(name):
            pass
        case EtcFile(namespace, name, text):
            files.write(f"{run.etc(namespace)}/{name}", text)
        case Ruleset(namespace, text):
            assert isinstance(old, Ruleset)
            files.write(str(run.ruleset(namespace)), nft.replace(namespace, old.text, text))
        case Bridge(namespace):
            assert isinstance(old, Bridge)
            links.alter_bridge(pool.netlink(namespace), old, new)
        case Cable(one, other):
            links.switch_cable(new, pool.netlink(one.namespace), pool.netlink(other.namespace))
        case Queue(namespace):
            queues.put(pool.netlink(namespace), new)
        case DhcpClient():
            pass  # Nobody is to give it anything any more: it keeps what it has.
        case _:
            raise AssertionError(new)


def _retire(
    client: DhcpClient, run: RunDirectory, pool: NamespacePool, interruption: Interruption
) -> None:
    """A DHCP client that goes gives its lease back, or another could not get the address."""
    try:
        leases.give_back(run, client, interruption)
    finally:
        _unmake(client, run, pool)


def _deconfigure(client: DhcpClient, run: RunDirectory, pool: NamespacePool) -> None:
    """Its machine stays: the name servers that it was given go too."""
    _unmake(client, run, pool)
    services.deconfigure(run, client)


def _unmake(resource: Observed, run: RunDirectory, pool: NamespacePool) -> None:
    """Remove it. Forgives absence, also of the namespace that it was in."""
    match resource:
        case Namespace(namespace):
            pool.forget(namespace)
            services.end_inside(namespace)
            netns.unlink_etc([namespace])
            # Whole: a machine of that name that comes again is linked where its folder is made.
            shutil.rmtree(run.etc(namespace), ignore_errors=True)
            netns.delete(namespace)
        case EtcFile(namespace, name):
            files.remove(f"{run.etc(namespace)}/{name}")
            if not netns.shows_etc(namespace, run.etc(namespace)):
                netns.unlink_etc([namespace])
        case Cable(one, other):
            # Both: somebody may have moved one end away, and put another interface in its place.
            for end in (one, other):
                if netns.inode(end.namespace) is not None:
                    links.delete_interface(pool.netlink(end.namespace), end.interface)
        case Service():
            services.stop(run, resource)
        case DhcpClient(namespace, interface):
            services.stop(run, resource)
            if netns.inode(namespace) is not None:
                addresses.delete_of(pool.netlink(namespace), interface)
        case _ if netns.inode(resource.namespace) is None:
            pass
        case Sysctl(value="1"):
            # Back to what a new namespace has, where a plan's switches are off.
            pool.set(replace(resource, value="0", optional=True))
        case Sysctl():
            pass
        case Bridge(namespace, name):
            links.delete_interface(pool.netlink(namespace), name)
        case Queue(namespace):
            queues.remove(pool.netlink(namespace), resource)
        case Ipv6():
            pool.set(ipv6.off(resource))
        case Address(namespace):
            addresses.delete(pool.netlink(namespace), resource)
        case Route(namespace):
            routes.delete(pool.netlink(namespace), resource)
        case Ruleset(namespace, text):
            nft.delete(namespace, text)
            files.remove(str(run.ruleset(namespace)))
        case CableEnd(namespace, interface):
            links.delete_interface(pool.netlink(namespace), interface)
        case Listening() | Lease() | Advertised():
            pass  # Facts, which end with what they are about.
