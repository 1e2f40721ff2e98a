"""netlab on another kernel: a Debian VM is built, booted, provisioned and put to work.

    make vm-test                   Debian 12: what another kernel may do otherwise
    make vm-test SUITE=trixie      Debian 13
    make vm-test TESTS=all         every test, which takes twice as long
    make vm-test TESTS="tests/kernel/plan/test_adapters.py -k latency"

Ends with a table; the exit code is 1 if anything failed. Logs and JUnit files: vm-results/SUITE/.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

from tests.vm.guest import Guest, accelerator, overlay
from tests.vm.image import CACHE, SUITES, Image, image, kept
from tests.vm.report import ROOT, Unusable, conclude, row, step

TREE = "/vagrant"
GUEST_RESULTS = "/tmp/results"

_PYTEST = f"sudo env PYTHONDONTWRITEBYTECODE=1 .venv/bin/pytest -v --junitxml={GUEST_RESULTS}"
_EVERYTHING = "all"


def _steps(tests: str) -> dict[str, str]:
    """What is done in the guest's copy of the tree. A step that counts tests writes STEP.xml."""
    if tests not in ("", _EVERYTHING):
        return {"tests": f"{_PYTEST}/tests.xml {tests}"}
    some = "" if tests == _EVERYTHING else "-m on_each_kernel "
    return {
        "second-provision": 'make setup && [ -z "$(make -s setup)" ]',
        "doctor": "sudo netlab doctor",
        "make-up": "make up && make down",
        "scenarios": f"sudo netlab run scenarios/*.yaml --junit {GUEST_RESULTS}/scenarios.xml",
        "stock-kernel": f"{_PYTEST}/stock-kernel.xml tests/vm/stock_kernel.py",
        "scenario-tests": f"{_PYTEST}/scenario-tests.xml {some}tests/scenarios",
        "kernel-tests": f"{_PYTEST}/kernel-tests.xml {some}tests/kernel",
    }


_STEP_SECONDS = 1800
"""No step takes half of it on a usual machine; a slower guest gets more, in proportion."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--suite", choices=SUITES, default="bookworm", help="the Debian release")
    parser.add_argument(
        "--tests",
        default="",
        help=f"pytest's words: run these, and nothing else; `{_EVERYTHING}`: every test",
    )
    asked = parser.parse_args()
    conclude(asked.suite, lambda results: _test(asked.suite, _steps(asked.tests), results))


def _test(suite: str, steps: dict[str, str], results: Path) -> list[str]:
    """Do everything; the names of the steps that failed. Raises Unusable without a usable guest."""
    chosen = accelerator()
    print(f"{SUITES[suite]} under QEMU, {'KVM' if chosen == 'kvm' else 'software emulation'}")
    with row("image") as words:
        base, reused = image(suite)
        words.append("reused" if reused else "built")
    with row("provisioned disk") as words:
        disk, reused = provisioned(suite, base, chosen, results)
        words.append("reused" if reused else "made")

    with ExitStack() as stack:
        own = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=CACHE))) / "disk.qcow2"
        overlay(disk, own)
        with row("boot") as words:
            guest = stack.enter_context(Guest(base, own, chosen, results / "console.log"))
            slowness = _prepare(guest)
            words += [guest.ask("uname -sr").strip(), f"{slowness:.1f} times slower than usual"]
        failed = [
            name
            for name, command in steps.items()
            if not _step(guest, name, command, results, _STEP_SECONDS * slowness)
        ]
        guest.get(GUEST_RESULTS, results)
    return failed


def provisioned(suite: str, base: Image, chosen: str, logs: Path) -> tuple[Path, bool]:
    """A disk on which `make setup` has run, and whether it was there; kept until that has to change."""

    def make(folder: Path) -> None:
        disk = folder / "disk.qcow2"
        overlay(base.disk, disk)
        with (
            Guest(base, disk, chosen, logs / "provision-console.log") as guest,
            (logs / "provision.log").open("w") as log,
        ):
            guest.ask(f"sudo install -d -o vagrant {TREE}")
            guest.put_clone(TREE)
            if guest.run(f"make -C {TREE} setup", log) != 0:
                raise Unusable(f"`make setup` failed in the guest: see {log.name}")

    everything = ["make", "--dry-run", "--always-make", "--no-print-directory", "setup"]
    commands = subprocess.run(everything, cwd=ROOT, check=True, capture_output=True, text=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    recipe = (base.folder.name, commands.stdout, project["build-system"], project["project"])
    folder, reused = kept(f"provisioned-{suite}", recipe, make)
    return folder / "disk.qcow2", reused


def _prepare(guest: Guest) -> float:
    """Bring the tree up to date; how many times slower than usual the guest is."""
    guest.put_clone(TREE)
    guest.ask(f"mkdir {GUEST_RESULTS}")
    # As a minimal Debian 12; on Debian 13 Python depends on netbase.
    guest.ask("sudo rm -f /etc/protocols /etc/services")
    guest.ask(f"sudo unshare --net {TREE}/tests/vm/patched_once.sh")
    return float(guest.ask(f"cd {TREE} && .venv/bin/python -m tests.pace"))


def _step(guest: Guest, name: str, command: str, results: Path, seconds: float) -> bool:
    return step(
        name,
        results,
        lambda log: guest.run(f"cd {TREE} && {command}", log, seconds),
        lambda: _counts(guest, name),
    )


def _counts(guest: Guest, name: str) -> Iterator[str]:
    """How many tests of a step passed, by its JUnit file; nothing for a step that counts none."""
    if text := guest.ask(f"cat {GUEST_RESULTS}/{name}.xml || true"):
        suites = list(ElementTree.fromstring(text).iter("testsuite"))
        tests, *others = (
            sum(int(suite.get(key, 0)) for suite in suites)
            for key in ("tests", "failures", "errors", "skipped")
        )
        yield f"{tests - sum(others)} of {tests}"


if __name__ == "__main__":
    main()
