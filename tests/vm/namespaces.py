"""Namespaces of their own for a program and all that it starts, with a way to the package indexes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.machine import leftovers, load_modules, snapshot
from tests.vm.report import Unusable, row

_OF_THEIR_OWN = ("--net", "--mount", "--pid", "--uts", "--ipc", "--mount-proc")

_ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Or `kill -9` of ours would leave it running."""


class Init:
    """The first process in its namespaces: all others end with it."""

    def __init__(self, unshare: subprocess.Popen[str]) -> None:
        self._unshare = unshare
        self.pid = _child(unshare)

    def wait(self) -> int:
        """What it ends with."""
        return self._unshare.wait()

    def read_line(self) -> str:
        """What it says; empty when it has ended."""
        assert self._unshare.stdout is not None
        return self._unshare.stdout.readline().strip()

    def kill(self) -> None:
        """End it. Everything else in its namespaces has ended when this returns."""
        if self._unshare.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self._unshare.wait()


@contextmanager
def own_namespaces(command: Sequence[str | Path], slirp_log: Path, **options) -> Iterator[Init]:
    """Run a command as their first process, for the length of a block. Raises Unusable without them.

    It has to reap what its children leave, as bash does. `options` are for Popen.
    """
    unshare = subprocess.Popen(
        [
            *_ENDS_WITH_US,
            *("unshare", *_OF_THEIR_OWN, "--fork", "--kill-child", "--propagation", "private"),
            *command,
        ],
        text=True,
        **options,
    )
    init = Init(unshare)
    try:
        with slirp_log.open("w") as log, _connected(init, log):
            yield init
    finally:
        init.kill()


@contextmanager
def _connected(init: Init, log: IO[str]) -> Iterator[None]:
    """With a network card tap0, behind which a process of ours opens the connections."""
    ours, theirs = os.pipe()
    command = [
        *_ENDS_WITH_US,
        "slirp4netns",
        "--configure",
        "--mtu=1500",
        "--disable-host-loopback",
    ]
    slirp = subprocess.Popen(
        [*command, f"--ready-fd={theirs}", str(init.pid), "tap0"],
        stdout=log, stderr=log, pass_fds=[theirs],
    )  # fmt: skip
    os.close(theirs)
    try:
        with os.fdopen(ours) as ready:
            if not ready.read(1):
                raise Unusable(f"slirp4netns ended: see {log.name}")
        yield
    finally:
        slirp.kill()
        slirp.wait()


def _child(process: subprocess.Popen[str]) -> int:
    """In its namespaces from the start: `unshare` forks after it has made them."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.01)
    raise Unusable("`unshare` makes no namespaces here")


@contextmanager
def unchanged_machine(failed: list[str]) -> Iterator[None]:
    """A row that says whether the machine is after a block as it was before; if not, `failed` has it."""
    load_modules()
    before = (snapshot(), leftovers())
    yield
    with row("the machine") as words:
        if (snapshot(), leftovers()) == before:
            words.append("is as it was")
        else:
            words.append("FAILED: it is not as it was")
            failed.append("the machine")
