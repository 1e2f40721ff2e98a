"""The run directory: what netlab knows about its labs, below /run/netlab.

    /run/netlab/LAB/
        lab.json            name, scenario, version, namespaces; ready or not
        scenario.yaml       a copy: the user's file may be edited or deleted
        rulesets/NS         each nftables ruleset as the kernel showed it when it was new
        leases/NS.IF        each DHCP lease, written by the client's script
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
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from netlab.errors import KernelError, LabExists, NoSuchLab, SystemRefused

LABS = Path("/run/netlab")
FORMAT = 1


@dataclass(frozen=True)
class Record:
    """What is known about a lab, apart from what the kernel shows."""

    lab: str
    scenario: str
    file: str
    version: str
    namespaces: tuple[str, ...]
    created: float
    """Seconds since the epoch."""
    ready: bool = False
    format: int = FORMAT


@dataclass(frozen=True)
class RunDirectory:
    """Paths of one lab."""

    lab: str

    @property
    def path(self) -> Path:
        return LABS / self.lab

    @property
    def scenario(self) -> Path:
        return self.path / "scenario.yaml"

    def ruleset(self, namespace: str) -> Path:
        return self.path / "rulesets" / namespace

    def lease(self, namespace: str, interface: str) -> Path:
        return self.path / "leases" / f"{namespace}.{interface}"

    def service(self, namespace: str, name: str) -> Path:
        return self.path / "services" / f"{namespace}.{name}"

    def create(self, record: Record, scenario: bytes) -> None:
        """Make the directory, which no other command can make as well. Raises LabExists."""
        LABS.mkdir(mode=0o755, exist_ok=True)
        try:
            self.path.mkdir(mode=0o755)
        except FileExistsError:
            raise LabExists(
                f"the lab '{self.lab}' is already there",
                f"`netlab down {self.lab}` ends it; --name runs another beside it",
            ) from None
        for part in ("rulesets", "leases", "services"):
            (self.path / part).mkdir()
        self.scenario.write_bytes(scenario)
        self.write(record)

    def write(self, record: Record) -> None:
        """Replace the record; a crash leaves the old or the new one."""
        new = self.path / "lab.json.new"
        new.write_text(json.dumps(asdict(record), indent=1))
        new.rename(self.path / "lab.json")

    def read(self) -> Record:
        """The record. Raises NoSuchLab, or KernelError if it is unreadable."""
        try:
            fields = json.loads((self.path / "lab.json").read_text())
        except FileNotFoundError:
            if self.path.is_dir():  # A crash before the record was written: nothing was made yet.
                return Record(self.lab, "", "", "", (), 0.0)
            raise NoSuchLab(f"there is no lab '{self.lab}'", _others()) from None
        except ValueError as error:
            raise KernelError(f"{self.path}/lab.json is damaged: {error}") from error
        if fields.get("format") != FORMAT:
            raise KernelError(
                f"the lab '{self.lab}' was made by netlab {fields.get('version')}",
                "take it down with that version",
            )
        return Record(**{**fields, "namespaces": tuple(fields["namespaces"])})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing the lab. Raises SystemRefused if one is at it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        except FileNotFoundError:
            raise NoSuchLab(f"there is no lab '{self.lab}'", _others()) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise SystemRefused(
                f"another netlab command is changing the lab '{self.lab}'", "wait for its end"
            ) from None
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Delete the directory, the record first of all others' last: a crash leaves it readable."""
        for entry in sorted(self.path.iterdir(), key=lambda entry: entry.name == "lab.json"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.path.rmdir()
        with suppress(OSError):  # Other labs are there.
            LABS.rmdir()


def labs() -> list[str]:
    """Names of all labs, running or broken."""
    return sorted(entry.name for entry in LABS.iterdir()) if LABS.is_dir() else []


def now() -> float:
    """Seconds since the epoch."""
    return time.time()


def _others() -> str:
    return (
        f"running: {', '.join(labs())}" if labs() else "none is running; `netlab up nat` starts one"
    )
