"""A running lab brought to another scenario."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from netlab.errors import SystemRefused
from netlab.kernel.host.doctor import require_root
from netlab.kernel.namespaces import netns
from netlab.kernel.resources.apply import apply_diff
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import deferred_signals
from netlab.lab.attaching import leftovers, refuse_outdated
from netlab.lab.changing.busy_ports import refuse_busy_ports
from netlab.lab.changing.changes import change
from netlab.lab.unleased import UnleasedCallback, ignore, report_missing
from netlab.scenario.cache import remember

if TYPE_CHECKING:
    from netlab.kernel.resources.create import Progress
    from netlab.lab.labs import Lab
    from netlab.plan.diff import Diff
    from netlab.scenario.loaded import LoadedScenario


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
    target: Lab,
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
    require_root()
    source, run = target.source, RunDirectory(lab.name)
    with deferred_signals() as interruption, run.locked():
        refuse_outdated(lab, run)
        before = run.read()
        if before.becomes or leftovers(lab, run):
            raise SystemRefused(
                f"a change of the lab '{lab.name}' was cut off in its middle",
                f"`sudo netlab repair {lab.name}` ends what it has left",
            )
        refuse_busy_ports(lab, target)
        namespaces = tuple(dict.fromkeys((*before.namespaces, *target.plan.namespaces)))
        after = replace(
            before, scenario=source.name, file=source.file, namespaces=target.plan.namespaces
        )
        # Written first: what a crash leaves of either must be found by `down`.
        run.begin(replace(before, namespaces=namespaces, becomes=source.file), source.text)
        try:
            apply_diff(
                difference,
                run,
                progress or (lambda resource, moment: None),
                interruption,
                lambda missing: report_missing(target, missing, unleased),
            )
        except BaseException:
            remaining = tuple(
                name for name in namespaces if name in before.namespaces or netns.named(name)
            )
            run.abandon(replace(before, namespaces=remaining))
            raise
        run.commit(after, remember(source))
    return target
