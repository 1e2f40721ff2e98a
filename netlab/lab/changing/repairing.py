"""A running lab brought back to its own scenario."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netlab.errors import NetlabError
from netlab.frozen import frozen
from netlab.kernel.host.doctor import require_root
from netlab.kernel.process.services import lease
from netlab.kernel.resources.apply import apply_best_effort
from netlab.kernel.resources.observe import observe
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import deferred_signals
from netlab.lab.attaching import leftovers, refuse_outdated
from netlab.lab.unleased import UnleasedCallback, ignore, report_missing
from netlab.plan.diff import joined, reconcile
from netlab.plan.plan import drift_between
from netlab.plan.resources import Advertised, Lease, Listening

if TYPE_CHECKING:
    from netlab.kernel.resources.create import Progress
    from netlab.lab.labs import Lab
    from netlab.plan.diff import Diff
    from netlab.plan.plan import Drift
    from netlab.plan.resources import Resource

_ROUNDS = 5
"""Who keeps changing the lab meanwhile has the last word."""


@frozen
class Repair:
    """The outcome of `repair`."""

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
    """Return what `repair` would do. Raises NeedsRoot, KernelError."""
    require_root()
    return reconcile(lab.plan, _observed(lab, RunDirectory(lab.name)))


def repair(
    lab: Lab, progress: Progress | None = None, unleased: UnleasedCallback = ignore
) -> Repair:
    """Bring a running lab back to its scenario, whatever was done to it by hand; tell what that took.

    What somebody made goes, what is missing or another comes anew; what cannot be mended keeps nothing
    else from being mended. Then it is looked at again, until nothing is left or nothing gets better.
    Raises SystemRefused if `lab` is not as the last change left it, Interrupted: what is mended then stays.
    """
    require_root()
    run = RunDirectory(lab.name)
    with deferred_signals() as interruption, run.locked():
        refuse_outdated(lab, run)
        changes: list[Diff] = []
        failures: tuple[NetlabError, ...] = ()
        missing: set[Lease] = set()
        observed = _observed(lab, run)
        drift = drift_between(lab.plan.resources, observed)
        worthwhile = bool(drift)
        while worthwhile and len(changes) < _ROUNDS:
            before, difference = drift, reconcile(lab.plan, observed)
            mended = apply_best_effort(
                difference, run, progress or (lambda resource, moment: None), interruption
            )
            changes.append(mended.done)
            failures = mended.failures
            missing |= {*mended.missing}
            observed = _observed(lab, run)
            drift = drift_between(lab.plan.resources, observed)
            worthwhile = drift != before and not _in_vain(difference, drift)
        killed = _settle(lab, run)
        unserved = [fact for fact in missing if not lease(run, fact)]
        report_missing(lab, unserved, unleased)
    return Repair(joined(changes), drift, failures if drift else (), killed)


def _in_vain(tried: Diff, drift: Drift) -> bool:
    """Return whether nothing is left but facts for which a mending has waited already."""
    awaited = {
        resource
        for resource in tried.created
        if isinstance(resource, Advertised | Lease | Listening)
    }
    return awaited.issuperset((*drift.missing, *drift.unplanned))


def _settle(lab: Lab, run: RunDirectory) -> Killed | None:
    """Write down that no change is under way any more; return one that was killed."""
    record = run.read()
    file, is_done = Path(record.becomes), not run.next_scenario.exists()
    now = record
    if record.becomes and is_done:
        now = replace(record, scenario=file.stem, file=record.becomes)
    strays = (machine.namespace for machine in leftovers(lab, run))
    run.abandon(replace(now, becomes="", namespaces=(*lab.plan.namespaces, *strays)))
    return Killed(file.stem, now.scenario, is_done) if record.becomes else None


def _observed(lab: Lab, run: RunDirectory) -> tuple[Resource, ...]:
    return (*observe(lab.plan, run).resources, *leftovers(lab, run))
