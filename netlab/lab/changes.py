"""A running lab brought to another scenario, or back to its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netlab.errors import KernelError, NetlabError, SystemRefused
from netlab.frozen import frozen
from netlab.lab.edits import clients, renew_lease
from netlab.lab.lifecycle import Lab, busy, prepare, require_root, run_directory
from netlab.lab.state import cut_off
from netlab.lab.unleased import Unleased, UnleasedCallback, explained, ignore, reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netlab.kernel.patience import Interruption
    from netlab.kernel.resources.create import Progress
    from netlab.kernel.rundir import RunDirectory
    from netlab.plan.diff import Diff
    from netlab.plan.plan import Drift
    from netlab.plan.resources import Lease, Resource
    from netlab.scenario.loaded import LoadedScenario

_ROUNDS = 5
"""Who keeps changing the lab meanwhile has the last word."""


def change(lab: Lab, source: LoadedScenario) -> tuple[Lab, Diff]:
    """The lab that another scenario would make of a running one, and how to come there."""
    from netlab.plan.diff import diff as between

    wanted = prepare(source, lab.name)
    return wanted, between(lab.plan, wanted.plan)


def apply(
    lab: Lab,
    source: LoadedScenario,
    progress: Progress | None = None,
    unleased: UnleasedCallback = ignore,
) -> Lab:
    """Bring a running lab to another scenario: `change`, and `apply_change` what it takes."""
    return apply_change(lab, *change(lab, source), progress, unleased)


def apply_change(
    lab: Lab,
    wanted: Lab,
    difference: Diff,
    progress: Progress | None = None,
    unleased: UnleasedCallback = ignore,
) -> Lab:
    """Bring a running lab to what `change` has said; what is equal in both is not touched.

    `unleased` is told of new leases that do not come: that is no failure.
    A failure or a signal on the way leaves the lab as it was. Raises UsageError if a port that is to
    lead to a VM is busy, NoSuchLab, SystemRefused if `lab` is not as the last change left it or that
    was cut off, KernelError, Interrupted.
    """
    from netlab.kernel.namespaces import netns
    from netlab.kernel.patience import postponed_signals
    from netlab.kernel.resources.apply import apply_diff
    from netlab.scenario.cache import remember

    require_root()
    source, run = wanted.source, run_directory(lab.name)
    with postponed_signals() as interruption, run.locked():
        _refuse_outdated(lab, run)
        before = run.read()
        if before.becomes or cut_off(lab, run):
            raise SystemRefused(
                f"a change of the lab '{lab.name}' was cut off in its middle",
                f"`sudo netlab repair {lab.name}` ends what it has left",
            )
        refuse_busy_ports(lab, wanted)
        both = tuple(dict.fromkeys((*before.namespaces, *wanted.plan.namespaces)))
        after = replace(
            before, scenario=source.name, file=source.file, namespaces=wanted.plan.namespaces
        )
        # Written first: what a crash leaves of either must be found by `down`.
        run.begin(replace(before, namespaces=both, becomes=source.file), source.text)
        try:
            apply_diff(
                difference,
                run,
                progress or (lambda resource, moment: None),
                interruption,
                lambda missing: _tell(wanted, run, missing, interruption, unleased),
            )
        except BaseException:
            left = (one for one in both if one in before.namespaces or netns.named(one))
            run.abandon(replace(before, namespaces=tuple(left)))
            raise
        run.commit(after, remember(source))
    return wanted


def _tell(
    lab: Lab,
    run: RunDirectory,
    missing: Sequence[Lease],
    interruption: Interruption,
    unleased: UnleasedCallback,
) -> None:
    for one in explained(lab, run, missing, interruption):
        unleased(one)


def renew(lab: Lab, target: str, seconds: float = 15.0, progress: Progress | None = None) -> Lab:
    """Let a machine (`vm1`), or one adapter of it, ask DHCP anew, and wait for the answer.

    As `ipconfig /renew` does it: a server that does not answer within 4 s loses its client, who then
    asks everybody. Returns the lab, changed if there was a lease that had been given back. Raises
    UsageError if nothing there is configured by DHCP; KernelError, with the reason, if it has asked
    in vain or `seconds` are over.
    """
    from netlab.kernel.patience import postponed_signals
    from netlab.kernel.process import leases
    from netlab.plan.names import namespace
    from netlab.plan.resources import DhcpClient

    require_root()
    unleased: list[Unleased] = []
    renewed = apply(lab, renew_lease(lab, target), progress, unleased.append)
    adapters = {
        (namespace(lab.name, adapter.node), adapter.holder): adapter
        for adapter in clients(renewed, target)
    }
    asking = [
        resource
        for resource in renewed.plan.resources
        if isinstance(resource, DhcpClient) and (resource.namespace, resource.interface) in adapters
    ]
    known = {(one.node, one.interface) for one in unleased}
    run = run_directory(lab.name)
    silent = [adapter for adapter in adapters.values() if not adapter.asks]
    with postponed_signals() as interruption, run.locked():
        for client in asking:
            adapter = adapters[client.namespace, client.interface]
            is_new = client not in lab.plan.resources
            ask = leases.await_lease if is_new else leases.renew
            if (adapter.node, adapter.interface) not in known and not ask(
                run, client, seconds, interruption
            ):
                silent.append(adapter)
    whys = zip(silent, reasons(renewed, silent), strict=True)
    unleased += [Unleased(adapter.node, adapter.interface, why) for adapter, why in whys]
    if unleased:
        said = (f"{one.node} gets no lease on {one.interface}: {one.why}" for one in unleased)
        raise KernelError("; ".join(said))
    return renewed


def refuse_busy_ports(lab: Lab, wanted: Lab) -> None:
    """Raise UsageError if a port of the host's that is to lead to a VM is a running program's.

    Only ports are looked at that lead nowhere yet; the lab's own services are `prepare`'s to judge.
    """
    from netlab.kernel.process.services import process
    from netlab.kernel.state.sockets import read_listening
    from netlab.plan import host_ports
    from netlab.plan.names import namespace
    from netlab.plan.resources import Service
    from netlab.scenario.topology import HOST

    new = host_ports.forwarded(wanted.topology) - host_ports.forwarded(lab.topology)
    if not new:
        return
    require_root()
    host, run = namespace(lab.name, HOST), run_directory(lab.name)
    own = {
        process(run, resource)
        for resource in lab.plan.resources
        if isinstance(resource, Service) and resource.namespace == host
    }
    for one in read_listening([host])[host]:
        if (one.protocol, one.port) in new and (one.pid is None or one.pid not in own):
            raise busy(one.protocol, one.port, one.program if one.pid else "another program")


@frozen
class Repair:
    """What `repair` has done."""

    change: Diff
    left: Drift
    """What is not as planned all the same."""
    failures: tuple[NetlabError, ...]
    """Why."""
    killed: Killed | None = None
    """The change that had been killed in its middle, if one was."""


@frozen
class Killed:
    """A change that was killed before its end (`kill -9`), by names of scenarios."""

    wanted: str
    now: str
    """The lab's: the one before the change, or the wanted one if all was done but to say so."""
    done: bool


def plan_repair(lab: Lab) -> Diff:
    """What `repair` would do."""
    from netlab.plan.diff import reconcile

    require_root()
    return reconcile(lab.plan, _there(lab, run_directory(lab.name)))


def repair(
    lab: Lab, progress: Progress | None = None, unleased: UnleasedCallback = ignore
) -> Repair:
    """Bring a running lab back to its scenario, whatever was done to it by hand; tell what that took.

    What somebody made goes, what is missing or another comes anew; what cannot be mended keeps nothing
    else from being mended. Then it is looked at again, until nothing is left or nothing gets better.
    Raises SystemRefused if `lab` is not as the last change left it, Interrupted: what is mended then stays.
    """
    from netlab.kernel.patience import postponed_signals
    from netlab.kernel.process.services import lease
    from netlab.kernel.resources.apply import apply_best_effort
    from netlab.plan.diff import joined, reconcile
    from netlab.plan.plan import drift_between

    require_root()
    run = run_directory(lab.name)
    with postponed_signals() as interruption, run.locked():
        _refuse_outdated(lab, run)
        changes: list[Diff] = []
        failures: tuple[NetlabError, ...] = ()
        missing: set[Lease] = set()
        there = _there(lab, run)
        left = drift_between(lab.plan.resources, there)
        worthwhile = bool(left)
        while worthwhile and len(changes) < _ROUNDS:
            before, wanted = left, reconcile(lab.plan, there)
            mended = apply_best_effort(
                wanted, run, progress or (lambda resource, moment: None), interruption
            )
            changes.append(mended.done)
            failures = mended.failures
            missing |= {*mended.missing}
            there = _there(lab, run)
            left = drift_between(lab.plan.resources, there)
            worthwhile = left != before and not _in_vain(wanted, left)
        killed = _settle(lab, run)
        _tell(lab, run, [one for one in missing if not lease(run, one)], interruption, unleased)
    return Repair(joined(changes), left, failures if left else (), killed)


def _in_vain(tried: Diff, left: Drift) -> bool:
    """Whether nothing is left but facts for which a mending has waited already."""
    from netlab.plan.resources import Advertised, Lease, Listening

    waited = {
        resource
        for resource in tried.created
        if isinstance(resource, Advertised | Lease | Listening)
    }
    return waited.issuperset((*left.missing, *left.unplanned))


def _settle(lab: Lab, run: RunDirectory) -> Killed | None:
    """No change is under way any more: write that down, and tell of one that was killed."""
    record = run.read()
    wanted, done = Path(record.becomes), not run.next_scenario.exists()
    now = record
    if record.becomes and done:
        now = replace(record, scenario=wanted.stem, file=record.becomes)
    others = (one.namespace for one in cut_off(lab, run))
    run.abandon(replace(now, becomes="", namespaces=(*lab.plan.namespaces, *others)))
    return Killed(wanted.stem, now.scenario, done) if record.becomes else None


def _there(lab: Lab, run: RunDirectory) -> tuple[Resource, ...]:
    from netlab.kernel.resources.observe import observe

    return (*observe(lab.plan, run).resources, *cut_off(lab, run))


def _refuse_outdated(lab: Lab, run: RunDirectory) -> None:
    """A change is planned before the lab is locked: another command may have been faster."""
    if run.scenario.read_bytes() != lab.source.text:
        what = f"another netlab command has changed the lab '{lab.name}' meanwhile"
        raise SystemRefused(what, "do it again")
