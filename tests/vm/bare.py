"""netlab on a fresh machine: a minimal Debian, in which a newcomer does what README says.

    make bare-test                   Debian 12
    make bare-test SUITE=trixie      Debian 13
    make bare-test TESTS=tests/unit  `make up`, README and these tests: minutes
    make bare-test BY=learner        only as the user with sudo (or root)

It is a root file system in namespaces of its own, on this machine's kernel, and goes away at the end;
packages that were loaded stay in /var/cache/netlab. Ends with a table; the exit code is 1 if anything failed.
Logs: vm-results/bare-SUITE/.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from tests.pace import SLOWNESS
from tests.vm.image import CACHE, SUITES, copy_clone, minimal_root, reach_registries, run, scratch
from tests.vm.namespaces import Init, own_namespaces, unchanged_machine
from tests.vm.report import Unusable, conclude, row, step

_STEP_SECONDS = 7200 * SLOWNESS
"""`make test` takes an eighth of it on a usual machine that has nothing else to do."""

_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
_PIP_CACHE = "/var/cache/pip"


@dataclass(frozen=True)
class Newcomer:
    """Somebody who has a clone of the repository in their home folder, and a machine."""

    name: str
    home: str
    first: tuple[str, ...]
    """What root does on the machine before the newcomer comes."""

    sudo: str
    """The word before a command that needs root, with the space that follows it."""

    tests: dict[str, str]
    """Steps that come between `make up` and README's lines, where nothing else is asked for."""

    def tests_named(self, words: str) -> dict[str, str]:
        """A step for these words of pytest's."""
        environment = "env PYTHONDONTWRITEBYTECODE=1"
        return {"tests": f"{self.sudo}{environment} tests/apart.sh .venv/bin/pytest {words}"}

    def steps(self, tests: dict[str, str]) -> dict[str, str]:
        """Everything that this one does in the clone, by the names of the rows."""
        apt = f"{self.sudo}apt-get"
        return {
            "make": f"{apt} update -qq && {apt} install -y -qq --no-install-recommends make",
            "make-up": "make up",
            "second-setup": '[ -z "$(make -s setup)" ]',
            **tests,
            "readme": f"PYTHONDONTWRITEBYTECODE=1 .venv/bin/python -m tests.vm.readme {self.sudo}",
            "make-down": 'make down && [ ! -e /run/netlab ] && [ -z "$(ls /run/netns)" ]',
            "own-files": f"! find . ! -user {self.name} | grep .",
        }


_SUDOER = "echo 'learner ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/learner"
NEWCOMERS = {
    "root": Newcomer("root", "/root", (), "", {"make-test": "make test"}),
    # What can go otherwise than as root: who owns what, the path and the environment behind sudo, labs
    # without root, the browser's own sandbox. The packets are the same: they would take as long once more.
    "learner": Newcomer(
        "learner",
        "/home/learner",
        (
            "useradd --create-home --shell /bin/bash learner",
            "apt-get update -qq && apt-get install -y -qq --no-install-recommends sudo",
            _SUDOER,
        ),
        "sudo ",
        {
            "make-lint": "make lint",
            "make-unit": "make unit",
            "make-page": "make page",
            "kernel-tests": "sudo env PYTHONDONTWRITEBYTECODE=1 tests/apart.sh .venv/bin/pytest"
            " tests/kernel/kernel/test_rootless.py tests/kernel/test_safety.py tests/commands/test_labs.py",
        },
    ),
}


class Machine:
    """A minimal Debian that runs, as long as its first process does."""

    def __init__(self, init: Init) -> None:
        if init.read_line() != "ready":
            raise Unusable("the minimal Debian does not start")
        # Whoever has logged in does not ignore Ctrl-C, which jobs in the background of a script do.
        self._enter = ["env", "--default-signal=INT,QUIT", "nsenter", "--target", str(init.pid)]

    def run(self, user: str, command: str, log: IO[str]) -> int:
        """Run a shell command as a user who has just logged in; its exit code."""
        return subprocess.run(
            [*self._enter, *_NAMESPACES, "--", "su", "--login", user, "--command", command],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, timeout=_STEP_SECONDS,
        ).returncode  # fmt: skip

    def prepare(self, commands: tuple[str, ...], log: IO[str]) -> None:
        """Run what must succeed, as root."""
        for command in commands:
            if self.run("root", command, log) != 0:
                raise Unusable(f"`{command}` failed in the minimal Debian: see {log.name}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--suite", choices=SUITES, default="bookworm", help="the Debian release")
    parser.add_argument("--tests", default="", help="pytest's words: run these instead of the rest")
    parser.add_argument(
        "--by", choices=NEWCOMERS, nargs="*", help="as whom; everybody, unless said"
    )
    asked = parser.parse_args()
    newcomers = [NEWCOMERS[name] for name in asked.by or NEWCOMERS]
    conclude(
        f"bare-{asked.suite}",
        lambda results: _test(asked.suite, newcomers, asked.tests, results),
    )


def _test(suite: str, newcomers: list[Newcomer], tests: str, results: Path) -> list[str]:
    """Do everything; what failed. Raises Unusable where there are no namespaces."""
    print(f"{SUITES[suite]} with nothing installed, on this machine's kernel")
    with row("minimal root") as words:
        root, reused = minimal_root(suite)
        words.append("reused" if reused else "built")
    failed: list[str] = []
    with unchanged_machine(failed):
        for newcomer in newcomers:
            with machine(suite, root, newcomer, results) as bare:
                steps = newcomer.steps(newcomer.tests_named(tests) if tests else newcomer.tests)
                for name, command in steps.items():
                    in_clone = partial(bare.run, newcomer.name, f"cd netlab && {command}")
                    title = f"{newcomer.name}-{name}"
                    if not step(title, results, in_clone):
                        failed.append(title)
    return failed


@contextmanager
def machine(suite: str, root: Path, newcomer: Newcomer, results: Path) -> Iterator[Machine]:
    """A machine where a newcomer has a clone in ~/netlab, for the length of a block."""
    packages = CACHE / f"packages-{suite}"
    wheels = CACHE / f"wheels-{newcomer.name}"  # pip uses no cache of somebody else's.
    for lasting in (packages / "partial", wheels):
        lasting.mkdir(parents=True, exist_ok=True)
    mounts = (f"{packages}:/var/cache/apt/archives", f"{wheels}:{_PIP_CACHE}")
    with scratch(f"bare-{suite}") as folder, ExitStack() as stack:
        title = f"{newcomer.name}-machine"
        with row(title), (results / f"{title}.log").open("w") as log:
            own = folder / "root"
            run("cp", "--archive", "--reflink=auto", root, own)
            reach_registries(own)
            with (own / "etc/environment").open("a") as environment:
                environment.write(f"PIP_CACHE_DIR={_PIP_CACHE}\n")
            bare = Machine(
                stack.enter_context(
                    own_namespaces(
                        (Path(__file__).with_suffix(".sh"), own, *mounts),
                        results / "slirp4netns.log",
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                    )
                )
            )  # fmt: skip
            bare.prepare(newcomer.first, log)
            copy_clone(f"{own}{newcomer.home}/netlab/")
            bare.prepare((f"chown -R {newcomer.name} {newcomer.home}/netlab {_PIP_CACHE}",), log)
        yield bare


if __name__ == "__main__":
    main()
