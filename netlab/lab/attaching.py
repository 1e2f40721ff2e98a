"""Running labs found again."""

from __future__ import annotations

from dataclasses import replace

from netlab.errors import NoSuchLab, SystemRefused
from netlab.kernel.namespaces import netns
from netlab.kernel.rundir import RunDirectory
from netlab.lab.labs import Lab, prepare
from netlab.plan.resources import Namespace
from netlab.scenario.cache import recall


def attach(name: str) -> Lab:
    """Plan a running lab again, from the copy of its scenario. Raises NoSuchLab."""
    run = RunDirectory(name)
    record = run.read()
    if not record.ready:
        with run.locked():  # Raises SystemRefused if it is being built or ended just now.
            pass
        raise NoSuchLab(
            f"the lab '{name}' is not complete",
            f"`sudo netlab down {name}` ends what is left of it",
        )
    memory = run.memory.read_bytes() if run.memory.is_file() else b""
    source = recall(run.scenario.read_bytes(), record.file, memory)
    return prepare(replace(source, name=record.scenario), name)


def refuse_outdated(lab: Lab, run: RunDirectory) -> None:
    """Raise SystemRefused if the lab was changed since `lab` was planned, before it was locked."""
    if run.scenario.read_bytes() != lab.source.text:
        what = f"another netlab command has changed the lab '{lab.name}' meanwhile"
        raise SystemRefused(what, "do it again")


def leftovers(lab: Lab, run: RunDirectory) -> tuple[Namespace, ...]:
    """List machines of another scenario: what a change has left that could not even be taken back."""
    planned = set(lab.plan.namespaces)
    unplanned = (name for name in run.read().namespaces if name not in planned)
    return tuple(Namespace(name) for name in unplanned if netns.named(name))
