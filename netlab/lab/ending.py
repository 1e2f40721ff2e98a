"""Labs ended."""

from __future__ import annotations

from netlab.kernel.host.doctor import require_root
from netlab.kernel.resources import remove
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import deferred_signals


def down(name: str) -> None:
    """End a lab, whatever state it is in. Reads what was made, not the scenario. Raises NoSuchLab."""
    require_root()
    run = RunDirectory(name)
    run.adopt()
    with deferred_signals(), run.locked():
        remove.remove(run, run.read())


def sweep() -> None:
    """Remove what labs have left in /etc that were running when the machine was switched off."""
    require_root()
    remove.sweep()
