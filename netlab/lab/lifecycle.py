"""Labs built: until somebody ends them, or for the length of a block."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from netlab import __version__
from netlab.errors import Interrupted, KernelError
from netlab.kernel.host import capacity, doctor
from netlab.kernel.resources.create import create
from netlab.kernel.resources.remove import remove
from netlab.kernel.rundir import Record, RunDirectory
from netlab.kernel.signals import deferred_signals
from netlab.lab.ending import down
from netlab.lab.unleased import UnleasedCallback, ignore, report_missing
from netlab.scenario.cache import remember

if TYPE_CHECKING:
    from netlab.kernel.resources.create import Progress
    from netlab.lab.labs import Lab


def up(lab: Lab, progress: Progress | None = None, unleased: UnleasedCallback = ignore) -> None:
    """Build a lab. Whatever goes wrong or is interrupted leaves nothing behind.

    That DHCP gives an adapter no address is nothing wrong: the lab is up, its client goes on asking,
    and `unleased` is told of it.

    Raises LabExists, NeedsRoot, Missing, SystemRefused, KernelError, Interrupted.
    """
    doctor.require()
    capacity.require_room(lab.plan)
    run = RunDirectory(lab.name)
    record = Record(
        lab.name, lab.source.name, lab.source.file, __version__, lab.plan.namespaces, time.time()
    )
    with deferred_signals() as interruption, run.created():
        doctor.refuse_taken(lab.plan.namespaces)
        try:
            run.fill(record, lab.source.text, remember(lab.source))
            missing = create(
                lab.plan, run, progress or (lambda resource, moment: None), interruption
            )
            report_missing(lab, missing, unleased)
            run.write(replace(record, ready=True))
            interruption.check()
        except BaseException as error:
            try:
                remove(run, record)
            except KernelError as failure:
                error.add_note(str(failure))
            raise


def warnings(lab: Lab) -> list[str]:
    """Say what works in a lab of this size on this machine, but not for all its machines at once."""
    return capacity.warnings(lab.plan)


@contextmanager
def undone_by_signals(lab: Lab) -> Iterator[None]:
    """Let a signal anywhere inside the block, of which `up` is a part, end the lab."""
    with deferred_signals() as interruption:
        yield
        try:
            interruption.check()
        except Interrupted:
            down(lab.name)
            raise


@contextmanager
def running(
    lab: Lab, progress: Progress | None = None, unleased: UnleasedCallback = ignore
) -> Iterator[Lab]:
    """Have a lab for the length of a block: up, and down whatever happens inside, signals included.

    Raises what `up` raises.
    """
    with deferred_signals() as interruption:
        up(lab, progress, unleased)
        try:
            with interruption.at_once():
                yield lab
        finally:
            down(lab.name)
