"""The labs that exist on this machine, as the run directory records them."""

from __future__ import annotations

from contextlib import suppress

from netlab.errors import NoSuchLab
from netlab.kernel import rundir
from netlab.kernel.rundir import Record, RunDirectory
from netlab.suggest import near


def names() -> list[str]:
    """List the labs that exist, whole or broken."""
    return rundir.labs()


def find_lab(name: str | None, how: str = "--lab LAB") -> str:
    """Return the name of the lab that is meant: `name`, or the only one.

    Raises NoSuchLab; where several labs run, its advice is to name one by `how`.
    """
    existing = names()
    if name is not None:
        if name not in existing and (suggestion := near(name, existing)):
            raise NoSuchLab(f"there is no lab '{name}'", suggestion)
        record(name)
        return name
    if len(existing) == 1:
        return existing[0]
    if not existing:
        raise NoSuchLab("no lab is running", "`sudo netlab up nat` starts one")
    raise NoSuchLab(
        f"several labs are running: {', '.join(existing)}", f"name one of them: `{how}`"
    )


def records() -> list[Record]:
    """Read what is written down about every lab; labs may come and go meanwhile."""
    existing = []
    for name in names():
        with suppress(NoSuchLab):
            existing.append(record(name))
    return existing


def record(name: str) -> Record:
    """Read what is written down about a lab. Raises NoSuchLab."""
    return RunDirectory(name).read()
