"""The run directory: netlab's records and files of its labs, below /run/netlab.

    /run/netlab/LAB/
        lab.json            name, scenario, version, namespaces; ready or not
        scenario.yaml       a copy: the user's file may be edited or deleted
        scenario.yaml.new   the scenario of a change that is under way
        etc/NS/             files for the node's /etc; /etc/netns/NS is a link to it
        rulesets/NS         each nftables ruleset as the kernel showed it when it was new
        leases/NS.IF        each DHCP lease, written by the client's script
        leases/NS.resolv    the resolv.conf that the script has made of them
        services/NS.NAME/   config, log, pid and leases of each service

`lab.json` is written before anything is created, so a crash at any moment
can be cleaned up by it. A lock on the directory says that a command is
changing the lab now.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from netlab.errors import LabExists, NoSuchLab, SystemRefused
from netlab.frozen import frozen
from netlab.kernel import files, syscalls
from netlab.kernel.namespaces import netns
from netlab.plan import names

LABS = Path("/run/netlab")
FORMAT = 1
_FOREVER = 1e11
"""Seconds: a thousand years after any lab."""


@frozen
class Record:
    """A lab's facts that the kernel does not show."""

    lab: str
    scenario: str
    file: str
    version: str
    namespaces: tuple[str, ...]
    created: float
    """Seconds since the epoch."""
    ready: bool = False
    becomes: str = ""
    """The scenario's file of a change that is under way, or was when it was killed."""
    format: int = FORMAT


@frozen
class RunDirectory:
    """Paths of one lab. Raises NoSuchLab for a name that no lab can have: a path, for example.

    Files that are made while a lab is `created` or `locked` have the usual modes, whatever the user's
    umask: nobody but root may write there, and the programs of a VM, whoever they run as, may read them.
    """

    lab: str

    def __post_init__(self) -> None:
        if not names.is_lab(self.lab):
            raise self._missing()

    def _missing(self) -> NoSuchLab:
        return NoSuchLab(f"there is no lab '{self.lab}'", _running_labs())

    @cached_property
    def path(self) -> Path:
        return LABS / self.lab

    @property
    def scenario(self) -> Path:
        return self.path / "scenario.yaml"

    def etc(self, namespace: str) -> str:
        """Return the folder of a node's files for /etc, as text: a Path takes four times as long."""
        return f"{LABS}/{self.lab}/etc/{namespace}"

    def ruleset(self, namespace: str) -> Path:
        return self.path / "rulesets" / namespace

    def lease(self, namespace: str, interface: str) -> Path:
        return self.path / "leases" / f"{namespace}.{interface}"

    def leased_resolv(self, namespace: str) -> Path:
        """Return the path of the resolv.conf that the node's DHCP clients have written last."""
        return self.path / "leases" / f"{namespace}.resolv"

    def in_vain(self, namespace: str, interface: str) -> Path:
        """Return the path of a file that exists as long as a DHCP client has asked in vain."""
        return self.path / "leases" / f"{namespace}.{interface}.in-vain"

    def service(self, namespace: str, name: str) -> Path:
        return self.path / "services" / f"{namespace}.{name}"

    @contextmanager
    def created(self) -> Iterator[None]:
        """Make the directory, and keep other commands out of the lab. Raises LabExists."""
        with _all_labs_locked():
            _make_labs()
            try:
                self.path.mkdir(mode=0o755)
            except FileExistsError:
                raise LabExists(
                    f"the lab '{self.lab}' is already there",
                    f"`sudo netlab down {self.lab}` ends it; --name runs another beside it",
                ) from None
        with self.locked():
            try:
                yield
            except BaseException:
                if not (self.path / "lab.json").exists():  # Nothing was made yet.
                    self.remove()
                raise

    @property
    def memory(self) -> Path:
        """The scenario in its parsed form, which need not be read again."""
        return self.path / "scenario.known"

    def fill(self, record: Record, scenario: bytes, memory: bytes) -> None:
        """Write the record before anything else; make the folders."""
        self.write(record)
        self.scenario.write_bytes(scenario)
        self.memory.write_bytes(memory)
        self.furnish()

    def furnish(self) -> None:
        """Make the folders that are missing."""
        for part in ("rulesets", "leases", "services", "etc"):
            files.make_folder(self.path / part)

    @property
    def next_scenario(self) -> Path:
        """The scenario of a change that is under way, until the moment at which it is the lab's."""
        return self.path / "scenario.yaml.new"

    def begin(self, record: Record, scenario: bytes) -> None:
        """Begin a change to another scenario, which the record names: so a crash of it can be reported."""
        self.next_scenario.write_bytes(scenario)
        self.write(record)

    def commit(self, record: Record, memory: bytes) -> None:
        """End a change that is done: its scenario is the lab's from one moment to the next."""
        self.memory.write_bytes(memory)
        self.next_scenario.rename(self.scenario)
        self.write(record)

    def abandon(self, record: Record) -> None:
        """End a change that was taken back."""
        self.write(record)
        self.next_scenario.unlink(missing_ok=True)

    @property
    def stamp(self) -> tuple[int, int] | None:
        """The record's version, another one after each change; None without a record."""
        try:
            status = (self.path / "lab.json").stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def write(self, record: Record) -> None:
        """Replace the record; a crash leaves the old or the new one."""
        new = self.path / "lab.json.new"
        new.write_text(json.dumps(asdict(record), indent=1))
        new.rename(self.path / "lab.json")

    def read(self) -> Record:
        """Return the record; without a readable one, a record of the namespaces found. Raises NoSuchLab."""
        try:
            text = (self.path / "lab.json").read_text()
        except (OSError, ValueError):
            text = ""  # A crash before it was written, a damaged disk, somebody's `rm`.
        if record := _parsed(self.lab, text):
            return record
        namespaces = tuple(name for name, _ in netns.leftovers(lambda lab: lab != self.lab))
        if not namespaces and not self.path.is_dir():
            raise self._missing()
        return Record(self.lab, "", "", "", namespaces, 0.0)

    def adopt(self) -> None:
        """Make the directory of a lab that has lost it, so that the lab can be locked, and removed."""
        if self.path.is_dir() or not self.read().namespaces:
            return
        with _all_labs_locked():
            _make_labs()
            self.path.mkdir(mode=0o755, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing the lab. Raises NoSuchLab, SystemRefused if one is at it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        except FileNotFoundError:
            raise self._missing() from None
        try:
            self._lock(descriptor)
            with _usual_modes():
                yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemRefused(
                f"another netlab command is changing the lab '{self.lab}'", "wait for its end"
            ) from None
        # The lab may have ended, and another of that name begun, since its directory was opened.
        if not self.path.is_dir() or os.fstat(descriptor).st_ino != self.path.stat().st_ino:
            raise self._missing()

    def remove(self) -> None:
        """Delete the directory, the record last: a crash in between leaves it readable."""
        if not self.path.is_dir():
            return
        for entry in sorted(self.path.iterdir(), key=lambda entry: entry.name == "lab.json"):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        with _all_labs_locked():
            self.path.rmdir()
            _remove_labs_if_empty()


def _parsed(lab: str, text: str) -> Record | None:
    """Parse a record, of whatever version of netlab; None if it is damaged."""
    try:
        fields = json.loads(text)
        namespaces = tuple(map(str, fields["namespaces"]))
        # `down` removes the namespaces of the record: with a name that netlab does not give, none is trusted.
        if any(names.lab_of(name) != lab for name in namespaces):
            return None
        if fields["format"] != FORMAT:
            return Record(lab, "", "", str(fields["version"]), namespaces, 0.0)
        scenario, file, version = (str(fields[key]) for key in ("scenario", "file", "version"))
        created, ready = float(fields["created"]), fields["ready"] is True
        becomes = str(fields.get("becomes", ""))
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
        return None
    if not 0 <= created < _FOREVER:
        return None
    return Record(lab, scenario, file, version, namespaces, created, ready, becomes)


@contextmanager
def _all_labs_locked() -> Iterator[None]:
    """Keep other commands from making or removing LABS or a lab's directory meanwhile."""
    descriptor = os.open(LABS.parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with _usual_modes():
            yield
    finally:
        os.close(descriptor)


@contextmanager
def _usual_modes() -> Iterator[None]:
    """Let all users read the files that a block makes, whatever the umask of the command's user."""
    previous = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(previous)


def _make_labs() -> None:
    """Make LABS, in memory as /run is on most machines: on a disk, making a file costs 40 times more."""
    LABS.mkdir(mode=0o755, exist_ok=True)
    if syscalls.filesystem(str(LABS)) != "tmpfs" and not any(LABS.iterdir()):
        syscalls.mount("netlab", str(LABS), "tmpfs")
        LABS.chmod(0o755)


def _remove_labs_if_empty() -> None:
    if not any(LABS.iterdir()):
        if LABS.stat().st_dev != LABS.parent.stat().st_dev:
            syscalls.unmount(str(LABS))
        LABS.rmdir()


def labs() -> list[str]:
    """Return the names of all labs, running or broken, also of those that have lost their records."""
    recorded = {name for name in _entries() if names.is_lab(name) and (LABS / name).is_dir()}
    lost = {names.lab_of(name) for name, lives in netns.leftovers(recorded.__contains__) if lives}
    return sorted(recorded | {lab for lab in lost if lab})


def _entries() -> list[str]:
    try:
        return os.listdir(LABS)
    except FileNotFoundError:
        return []


def dead_names() -> list[str]:
    """Return the names without a namespace that ended labs have left."""
    leftovers = netns.leftovers(lambda lab: (LABS / lab).is_dir())
    return [name for name, lives in leftovers if not lives]


def _running_labs() -> str:
    return (
        f"running: {', '.join(labs())}"
        if labs()
        else "none is running; `sudo netlab up nat` starts one"
    )
