"""What a lab is, and its life: prepared, up, found again, down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from netlab import __version__
from netlab.errors import Interrupted, KernelError, NoSuchLab, UsageError
from netlab.frozen import frozen
from netlab.lab.unleased import UnleasedCallback, explained, ignore
from netlab.scenario import mode

if TYPE_CHECKING:
    from netlab.kernel.resources.create import Progress
    from netlab.kernel.rundir import Record, RunDirectory
    from netlab.plan.plan import Plan
    from netlab.scenario.expectation import Expectation
    from netlab.scenario.loaded import LoadedScenario
    from netlab.scenario.topology import Topology


def _modes() -> tuple[mode.Mode, ...]:
    from netlab.plan.build import MODES

    return tuple(MODES)


mode.known_by(_modes)


@frozen
class Lab:
    """A lab: its name, what the user asked for, and what must therefore exist."""

    name: str
    source: LoadedScenario
    plan: Plan

    @property
    def topology(self) -> Topology:
        """Every machine, network and adapter that the user asked for."""
        return self.source.topology

    @cached_property
    def expectations(self) -> tuple[Expectation, ...]:
        """What must be true of every ordered pair of endpoints."""
        from netlab.scenario.expectation import matrix

        return matrix(self.topology)


def load(scenario: str) -> LoadedScenario:
    """Read a scenario: a file, or the name of a shipped one."""
    from netlab.scenario.loader import load_named

    return load_named(scenario)


def prepare(source: LoadedScenario, name: str | None = None) -> Lab:
    """Plan a lab without touching anything.

    Raises UsageError if a port of the host's that is to lead to a VM, or its proxy's, is a service's.
    """
    from netlab.plan import host_ports
    from netlab.plan.build import build
    from netlab.scenario.names import lab_name, lab_name_after

    checked = lab_name(name) if name else lab_name_after(source.name)
    plan = build(checked, source.topology)
    for (protocol, port), program in host_ports.taken_by_services(plan, source.topology).items():
        raise busy(protocol, port, program)
    if server := host_ports.name_server_at_proxy(plan, source.topology):
        raise UsageError(
            f"port 53 is the host's DNS ({server}), and cannot be its proxy's",
            "give `host: {proxy: …}` another port, for example 3128",
        )
    return Lab(checked, source, plan)


def busy(protocol: str, port: int, program: str) -> UsageError:
    what = f"the host's {protocol} port {port} is busy: {program} waits on it"
    return UsageError(what, "end that program, or let another port of the host lead to the VM")


def up(lab: Lab, progress: Progress | None = None, unleased: UnleasedCallback = ignore) -> None:
    """Build a lab. Whatever goes wrong or is interrupted leaves nothing behind.

    That DHCP gives an adapter no address is nothing wrong: the lab is up, its client goes on asking,
    and `unleased` is told of it.

    Raises LabExists, NeedsRoot, Missing, SystemRefused, KernelError, Interrupted.
    """
    from netlab.kernel.host import doctor
    from netlab.kernel.host.capacity import require_room
    from netlab.kernel.resources.create import create
    from netlab.kernel.resources.remove import remove
    from netlab.kernel.rundir import Record, RunDirectory
    from netlab.kernel.signals import deferred_signals
    from netlab.scenario.cache import remember

    doctor.require()
    require_room(lab.plan)
    run = RunDirectory(lab.name)
    record = Record(
        lab.name, lab.source.name, lab.source.file, __version__, lab.plan.namespaces, time.time()
    )
    with deferred_signals() as interruption, run.created():
        doctor.refuse_taken(lab.plan.namespaces)
        try:
            run.fill(record, lab.source.text, remember(lab.source))
            told = progress or (lambda resource, moment: None)
            missing = create(lab.plan, run, told, interruption)
            for one in explained(lab, run, missing, interruption):
                unleased(one)
            run.write(replace(record, ready=True))
            interruption.check()
        except BaseException as error:
            try:
                remove(run, record)
            except KernelError as failure:
                error.add_note(str(failure))
            raise


def warnings(lab: Lab) -> list[str]:
    """What works in a lab of this size on this machine, but not for all its machines at once."""
    from netlab.kernel.host.capacity import warnings

    return warnings(lab.plan)


@contextmanager
def undone_by_signals(lab: Lab) -> Iterator[None]:
    """A block of which `up` is a part: a signal anywhere inside it ends the lab."""
    from netlab.kernel.signals import deferred_signals

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
    """A lab for the length of a block: up, and down whatever happens inside, signals included."""
    from netlab.kernel.signals import deferred_signals

    with deferred_signals() as interruption:
        up(lab, progress, unleased)
        try:
            with interruption.at_once():
                yield lab
        finally:
            down(lab.name)


def down(name: str) -> None:
    """End a lab, whatever state it is in. Reads what was made, not the scenario."""
    from netlab.kernel.resources.remove import remove
    from netlab.kernel.signals import deferred_signals

    require_root()
    run = run_directory(name)
    run.adopt()
    with deferred_signals(), run.locked():
        remove(run, run.read())


def sweep() -> None:
    """Remove what labs have left in /etc that were running when the machine was switched off."""
    from netlab.kernel.resources.remove import sweep

    require_root()
    sweep()


def names() -> list[str]:
    """The labs that exist, whole or broken."""
    from netlab.kernel.rundir import labs

    return labs()


def find_lab(name: str | None, how: str = "--lab LAB") -> str:
    """The lab that is meant: `name`, or the only one. Raises NoSuchLab, which tells `how` to name it."""
    existing = names()
    if name is not None:
        from netlab.suggest import near

        if name not in existing and (meant := near(name, existing)):
            raise NoSuchLab(f"there is no lab '{name}'", meant)
        run_directory(name).read()
        return name
    if len(existing) == 1:
        return existing[0]
    if not existing:
        raise NoSuchLab("no lab is running", "`sudo netlab up nat` starts one")
    raise NoSuchLab(
        f"several labs are running: {', '.join(existing)}", f"name one of them: `{how}`"
    )


def records() -> list[Record]:
    """What is written down about all labs; others may come and go meanwhile."""
    found = []
    for name in names():
        with suppress(NoSuchLab):
            found.append(record(name))
    return found


def record(name: str) -> Record:
    """What is written down about a lab. Raises NoSuchLab."""
    return run_directory(name).read()


def attach(name: str) -> Lab:
    """A running lab, planned again from the copy of its scenario. Raises NoSuchLab."""
    from netlab.scenario.cache import recall

    run = run_directory(name)
    known = run.read()
    if not known.ready:
        with run.locked():  # Raises SystemRefused if it is being built or ended just now.
            pass
        raise NoSuchLab(
            f"the lab '{name}' is not complete",
            f"`sudo netlab down {name}` ends what is left of it",
        )
    memory = run.memory.read_bytes() if run.memory.is_file() else b""
    source = recall(run.scenario.read_bytes(), known.file, memory)
    return prepare(replace(source, name=known.scenario), name)


def run_directory(name: str) -> RunDirectory:
    """Where a lab's files are."""
    from netlab.kernel.rundir import RunDirectory

    return RunDirectory(name)


def require_root() -> None:
    """Raise NeedsRoot without root."""
    from netlab.kernel.host import doctor

    doctor.require_root()
