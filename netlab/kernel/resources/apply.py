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
from netlab.kernel.patience import Interruption
from netlab.kernel.process import leases, services
from netlab.kernel.resources import strays
from netlab.kernel.resources.create import Moment, Progress, explained, make
from netlab.kernel.rundir import RunDirectory
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
    with NamespacePool(len(wanted.removed) + len(wanted.created)) as handles:
        remake = partial(make, run=run, handles=handles, interruption=Interruption())

        def step(
            verb: str, noun: Observed, do: Callable[[], object], undo: Callable[[], object]
        ) -> object:
            interruption.check()
            progress(noun, Moment.BEFORE)
            # Noted before it is done: what is half done has to be taken back too.
            back.append((verb, noun, undo))
            with explained(verb, noun):
                result = do()
            progress(noun, Moment.AFTER)
            return result

        try:
            for noun in wanted.removed:
                gone = partial(_unmake, noun, run, handles)
                if isinstance(noun, DhcpClient) and wanted.gives_back(noun):
                    gone = partial(_retire, noun, run, handles, interruption)
                elif isinstance(noun, DhcpClient) and wanted.keeps(noun.namespace):
                    gone = partial(_deconfigure, noun, run, handles)
                # What somebody made by hand cannot be made again.
                by_hand = isinstance(noun, CableEnd)
                step("remove", noun, gone, _nothing if by_hand else partial(remake, noun))
            for old, new in wanted.altered:
                there, back_again = partial(_alter, old, new), partial(_alter, new, old)
                step("alter", new, partial(there, run, handles), partial(back_again, run, handles))
            for noun in wanted.created:
                make_it = partial(make, noun, run, handles, interruption)
                came = step("make", noun, make_it, partial(_unmake, noun, run, handles))
                if not came and isinstance(noun, Lease):
                    missing.append(noun)
            unleased(tuple(missing))
        except BaseException as error:
            for verb, noun, undo in reversed(back):
                try:
                    with explained(f"take back: {verb}", noun):
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
    with NamespacePool(len(wanted.removed) + len(wanted.created)) as handles:

        def tried(verb: str, noun: Observed, do: Callable[[], object]) -> bool:
            interruption.check()
            if any(_needs(noun, failed) for failed in failures):
                return False
            progress(noun, Moment.BEFORE)
            try:
                with explained(verb, noun):
                    came = do()
                if isinstance(noun, Lease) and not came:
                    missing.append(noun)
            except Interrupted:
                raise
            except NetlabError as error:
                failures[noun] = error
            progress(noun, Moment.AFTER)
            return noun not in failures and noun not in missing

        removed = [
            noun
            for noun in wanted.removed
            if tried("remove", noun, partial(_unmake, noun, run, handles))
        ]
        altered = [
            (old, new)
            for old, new in wanted.altered
            if tried("alter", new, partial(_alter, old, new, run, handles))
        ]
        created = [
            noun
            for noun in wanted.created
            if tried("make", noun, partial(make, noun, run, handles, interruption))
        ]
    done = Diff(tuple(removed), tuple(altered), tuple(created))
    return Mending(done, tuple(failures.values()), tuple(missing))


def _needs(noun: Observed, failed: Observed) -> bool:
    """Whether there is no sense in trying: it is the same thing, or stands on it."""
    if isinstance(noun, CableEnd) or isinstance(failed, CableEnd):
        return False
    return noun == failed or stands_on(noun, failed)


def _nothing() -> None:
    pass


def _alter(old: Resource, new: Resource, run: RunDirectory, handles: NamespacePool) -> None:
    match new:
        case Namespace(namespace):
            strays.undo(handles.netlink(namespace))
        case Sysctl():
            handles.set(new)
        case EtcFile(name=name) if not netns.has_place(name):
            pass
        case EtcFile(namespace, name, text):
            files.write(f"{run.etc(namespace)}/{name}", text)
        case Ruleset(namespace, text):
            assert isinstance(old, Ruleset)
            files.write(str(run.ruleset(namespace)), nft.replace(namespace, old.text, text))
        case Bridge(namespace):
            assert isinstance(old, Bridge)
            links.alter_bridge(handles.netlink(namespace), old, new)
        case Cable(one, other):
            links.switch_cable(
                new, handles.netlink(one.namespace), handles.netlink(other.namespace)
            )
        case Queue(namespace):
            queues.put(handles.netlink(namespace), new)
        case DhcpClient():
            pass  # Nobody is to give it anything any more: it keeps what it has.
        case _:
            raise AssertionError(new)


def _retire(
    client: DhcpClient, run: RunDirectory, handles: NamespacePool, interruption: Interruption
) -> None:
    """A DHCP client that goes gives its lease back, or another could not get the address."""
    try:
        leases.give_back(run, client, interruption)
    finally:
        _unmake(client, run, handles)


def _deconfigure(client: DhcpClient, run: RunDirectory, handles: NamespacePool) -> None:
    """Its machine stays: the name servers that it was given go too."""
    _unmake(client, run, handles)
    services.deconfigure(run, client)


def _unmake(noun: Observed, run: RunDirectory, handles: NamespacePool) -> None:
    """Remove it. Forgives absence, also of the namespace that it was in."""
    match noun:
        case Namespace(namespace):
            handles.forget(namespace)
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
                    links.delete_interface(handles.netlink(end.namespace), end.interface)
        case Service():
            services.stop(run, noun)
        case DhcpClient(namespace, interface):
            services.stop(run, noun)
            if netns.inode(namespace) is not None:
                addresses.delete_of(handles.netlink(namespace), interface)
        case _ if netns.inode(noun.namespace) is None:
            pass
        case Sysctl(value="1"):
            # Back to what a new namespace has, where a plan's switches are off.
            handles.set(replace(noun, value="0", optional=True))
        case Sysctl():
            pass
        case Bridge(namespace, name):
            links.delete_interface(handles.netlink(namespace), name)
        case Queue(namespace):
            queues.remove(handles.netlink(namespace), noun)
        case Ipv6():
            handles.set(ipv6.off(noun))
        case Address(namespace):
            addresses.delete(handles.netlink(namespace), noun)
        case Route(namespace):
            routes.delete(handles.netlink(namespace), noun)
        case Ruleset(namespace, text):
            nft.delete(namespace, text)
            files.remove(str(run.ruleset(namespace)))
        case CableEnd(namespace, interface):
            links.delete_interface(handles.netlink(namespace), interface)
        case Listening() | Lease() | Advertised():
            pass  # Facts, which end with what they are about.
