"""Taps in a running lab, opened and closed as it changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from socket import if_nameindex
from typing import TYPE_CHECKING

from netlab.errors import KernelError, UsageError
from netlab.kernel.closing import close_together
from netlab.kernel.host.doctor import require_root
from netlab.kernel.namespaces.netns import inside
from netlab.kernel.netlink.pool import allow_files
from netlab.kernel.signals import deferred_signals
from netlab.lab.packets import targets
from netlab.lab.packets.network_map import namespaces, netmap
from netlab.lab.packets.watcher import LabWatcher
from netlab.packets.stream import Stream
from netlab.packets.tap import Tap
from netlab.plan.names import node as node_of
from netlab.plan.resources import Bridge
from netlab.suggest import instead

if TYPE_CHECKING:
    from netlab.lab.labs import Lab


@contextmanager
def tapped(lab: Lab, points: Sequence[str], program: bytes) -> Iterator[Stream]:
    """Tap some points for the length of a block, for frames that a BPF program lets through (b"": all).

    Raises UsageError, NeedsRoot.
    """
    require_root()
    _check_interfaces(lab, targets.points(lab, points))
    watcher = LabWatcher(lab)
    with deferred_signals() as interruption:
        stream = Stream(lambda taps: _renewed(watcher, points, program, taps), interruption)
        with closing(stream):
            stream.settle()
            yield stream


def _renewed(
    watcher: LabWatcher, points: Sequence[str], program: bytes, taps: Collection[Tap] | None
) -> list[Tap] | None:
    """Return the taps at some points of a lab as it is now: those that there are, and new ones.

    At first (None) all points have to be there, later they may come and go.
    """
    if watcher.ended:
        return None
    lab = watcher.current()
    chosen = targets.points(lab, points, missing_ok=taps is not None)
    if not points:
        chosen = {name: chosen[name] for name in namespaces(lab)}
    existing = {
        tap.namespace: tap
        for tap in taps or ()
        if not tap.dead and set(tap.only) == chosen.get(tap.namespace)
    }
    missing = [namespace for namespace in chosen if namespace not in existing]
    # What a switch sees on itself are copies of what it sees on its ports.
    bridges = {
        resource.namespace: resource.name
        for resource in lab.plan.resources
        if isinstance(resource, Bridge)
    }
    fresh: list[Tap] = []
    allow_files(len(chosen))
    try:
        for namespace in missing:
            # Later, it may have gone just now.
            with nullcontext() if taps is None else suppress(KernelError):
                ignored = {"lo", bridges.get(namespace, "lo")}
                fresh.append(Tap(namespace, chosen[namespace], ignored, program))
    except BaseException:
        close_together(fresh)
        raise
    return [*existing.values(), *fresh]


def _check_interfaces(lab: Lab, chosen: Mapping[str, Collection[str]]) -> None:
    """Raise UsageError for an interface that is neither there nor planned: what is planned may come."""
    for namespace, interfaces in chosen.items():
        if not interfaces:
            continue
        node = node_of(namespace)
        with inside(namespace):
            present = {name for _, name in if_nameindex()}
        planned = {name for holder, name in netmap(lab).peers if holder == node}
        existing = present | planned
        for name in sorted(set(interfaces) - existing):
            raise UsageError(f"{node} has no interface '{name}'", instead(name, sorted(existing)))
