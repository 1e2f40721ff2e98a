"""The difference between a running lab and another scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.lab.labs import Lab, prepare
from netlab.plan.diff import diff

if TYPE_CHECKING:
    from netlab.plan.diff import Diff
    from netlab.scenario.loaded import LoadedScenario


def change(lab: Lab, source: LoadedScenario) -> tuple[Lab, Diff]:
    """Plan the lab that another scenario would make of a running one, and how to come there."""
    target = prepare(source, lab.name)
    return target, diff(lab.plan, target.plan)
