"""Removal of a whole lab: processes, namespaces with all that is in them, files.

Works from the record alone, in whatever state a crash left things, and goes
on after an error, so that one stubborn thing does not keep the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from netlab.errors import KernelError, SystemRefused
from netlab.kernel.namespaces import netns
from netlab.kernel.process import services
from netlab.kernel.rundir import LABS, Record, RunDirectory, dead_names


def remove(run: RunDirectory, record: Record) -> None:
    """Delete in reverse order of creation. Raises KernelError that lists what could not be deleted."""
    _refuse_from_inside(record)
    failures: list[str] = []
    _attempt(failures, lambda: services.end_all(run, record.namespaces))
    for name in reversed(record.namespaces):
        _attempt(failures, partial(netns.delete, name))
    _attempt(failures, partial(netns.unlink_etc, record.namespaces))
    if failures:
        raise KernelError(
            f"the lab '{record.lab}' could not be removed completely:\n" + "\n".join(failures),
            f"try `sudo netlab down {record.lab}` again",
        )
    run.remove()


def sweep() -> None:
    """Remove the remains of labs that ended with the machine's power, or with their container."""
    netns.unlink_etc(netns.dangling_etc(LABS))
    for name in dead_names():
        netns.delete(name)


def _attempt(failures: list[str], action: Callable[[], None]) -> None:
    try:
        action()
    except (OSError, KernelError) as error:
        failures.append(f"    {error}")


def _refuse_from_inside(record: Record) -> None:
    """Raise SystemRefused in a shell of the lab, which its own command would end."""
    current = os.stat("/proc/thread-self/ns/net").st_ino
    if current in {netns.inode(name) for name in record.namespaces}:
        raise SystemRefused(
            f"this shell is inside the lab '{record.lab}'", "leave it with `exit` first"
        )
