"""Faults for the length of a block, and a probe with the evidence by which it was judged."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from unittest import mock

from netlab import lab
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.evidence import LabEvidence, ProbeEvidence
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.nftables import nft
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.state import counters, sockets
from netlab.trace.model import Trace
from tests.machine import inside
from tests.pace import HANG_SECONDS


@dataclass(frozen=True)
class Proof:
    """A traced probe."""

    trace: Trace
    evidence: ProbeEvidence

    @property
    def diagnosis(self) -> Diagnosis:
        return self.trace.diagnosis

    @property
    def end(self) -> tuple[Verdict, str, Cause | None]:
        return self.diagnosis.verdict, self.diagnosis.at, self.diagnosis.cause

    @property
    def first_look(self) -> Diagnosis:
        """What it would be without what a second look has found."""
        return diagnose(replace(self.evidence, second_look=None))

    @property
    def end_at_first(self) -> tuple[Verdict, str, Cause | None]:
        return self.first_look.verdict, self.first_look.at, self.first_look.cause

    def without(self, **changed: Any) -> Cause | None:
        """The cause if this evidence had been missing, or different."""
        scene = {one.name for one in fields(LabEvidence)} & changed.keys()
        known = replace(self.evidence.lab, **{name: changed.pop(name) for name in scene})
        return diagnose(replace(self.evidence, lab=known, **changed)).cause

    def found(self, text: str) -> bool:
        return any(text in line for line in self.trace.found)


def proof(running: lab.Lab, *question: str, **more: Any) -> Proof:
    """Send a probe, and keep what it was judged by."""
    with mock.patch("netlab.diagnosis.diagnose.diagnose", side_effect=diagnose) as judged:
        traced = lab.trace(running, *question, **more)
    return Proof(traced, judged.call_args.args[0])


def run(place: str, command: str) -> str:
    """A shell command in a namespace, which must succeed, with each of its parts."""
    done = inside(place, "sh", "-ec", command)
    assert done.returncode == 0, f"{place}: {command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def changed(place: str, do: str, undo: str) -> Iterator[None]:
    """A fault by a command, and the command that mends it."""
    run(place, do)
    try:
        yield
    finally:
        run(place, undo)


@contextmanager
def setting(place: str, key: str, value: object) -> Iterator[None]:
    """Another kernel setting, and then the one that was there."""
    before = run(place, f"sysctl -n {key}").strip()
    with changed(place, f"sysctl -qw {key}={value}", f"sysctl -qw {key}={before}"):
        yield


@contextmanager
def rules(
    place: str,
    hook: str,
    rule: str,
    family: str = "ip",
    kind: str = "filter 0",
    table: str = "extra",
) -> Iterator[str]:
    """One more nftables chain; `kind` is its type and priority. Gives the rule as it is shown."""
    sort, priority = kind.split()
    chain = f"chain c {{ type {sort} hook {hook} priority {priority};\n {rule}\n }}"
    nft.create(place, f"table {family} {table} {{ {chain}\n }}")
    try:
        yield shown(place, table)
    finally:
        nft.delete_table(place, family, table)


def shown(place: str, table: str) -> str:
    """A table's first rule as this machine's libnftables writes it: versions differ."""
    found = nft.rules(nft.read_with_handles(place))
    return next(text for (_, name, _, _), text in found.items() if name == table)


@contextmanager
def program(
    place: str, *words: str, output: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs in a namespace, with all that it starts, until the end of the block."""
    command = ["ip", "netns", "exec", place, *words]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=output, stderr=quiet, start_new_session=True
    ) as one:
        try:
            yield one
        finally:
            with suppress(ProcessLookupError):  # It may have ended.
                os.killpg(one.pid, signal.SIGKILL)
            one.wait(HANG_SECONDS)


def service(running: lab.Lab, node: str, name: str) -> tuple[int, Path]:
    """Process and folder of a service of the lab."""
    folder = RunDirectory(running.name).service(f"{running.name}.{node}", name)
    return int((folder / "pid").read_text().split()[0]), folder


def await_count(place: str, name: str) -> None:
    """Until the kernel has counted something there once more."""
    before, deadline = counters.read([place])[place], time.monotonic() + HANG_SECONDS
    while name not in counters.increases(before, counters.read([place])[place]):
        assert time.monotonic() < deadline, f"{place} does not count {name}"


def await_port(place: str, protocol: str, port: int) -> None:
    """Until a program waits on a port."""
    deadline = time.monotonic() + HANG_SECONDS
    while not any(
        (one.protocol, one.port) == (protocol, port)
        for one in sockets.read_listening([place])[place]
    ):
        assert time.monotonic() < deadline, f"nobody waits on {protocol}/{port} in {place}"
