"""Running labs found again."""

from __future__ import annotations

from dataclasses import replace

from netlab.errors import NoSuchLab
from netlab.kernel.rundir import RunDirectory
from netlab.lab.labs import Lab, prepare
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
