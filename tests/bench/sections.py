"""What is measured. Each section adds one value to each of its figures, so that a run interleaves them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.bench import scenarios
from tests.bench.contestants import (
    LAB,
    Contestant,
    floor,
    ip_batch,
    mininet,
    mininet_result,
    netlab,
    netlab_with_leases,
)
from tests.bench.measure import NETLAB, await_idle, memory, run, timed
from tests.bench.results import Results

_MATRIX = """
import sys, time
from netlab import lab
running = lab.attach(sys.argv[1])
start = time.perf_counter()
results = lab.verify(running, answers_only=sys.argv[2] == "answers")
seconds = time.perf_counter() - start
wrong = [result for result in results if not result.passed]
assert not wrong, wrong[:5]
print(seconds)
"""
"""The interpreter's start and imports are not counted."""


def build(results: Results, sizes: tuple[int, ...]) -> None:
    """The same network by everybody, up and down."""
    contestants: dict[str, Contestant] = {
        "netlab": netlab,
        "netlab, leases": netlab_with_leases,
        "ip -batch": ip_batch,
        "mininet": mininet,
        "floor": floor,
    }
    for size in sizes:
        for name, contestant in contestants.items():
            times = contestant(size)
            results.add("up", name, size, times.up)
            results.add("down", name, size, times.down)
    if max(sizes) >= 200:
        results.add("up", "netlab, leases", 200, netlab_with_leases(200).up)


def use(results: Results, sizes: tuple[int, ...]) -> None:
    """What a person waits for in a lab of static VMs that runs."""
    for size in sizes:
        await_idle()
        before = memory()
        with _running(scenarios.flat(size)) as lab:
            await_idle()
            results.add("memory", "netlab", size, (memory() - before) / size / 1e6)
            results.add("status", "netlab", size, timed(*NETLAB, "status", lab))
            results.add("probe", "netlab", size, timed(*NETLAB, "trace", "vm1", "vm2"))
            results.add("change", "netlab", size, timed(*NETLAB, "set", "vm1", "firewall=on"))


def matrix(results: Results, sizes: tuple[int, ...]) -> None:
    """Every pair: with answers only, and with every packet followed."""
    for size in (30, 200):
        if size <= max(sizes):
            with _running(scenarios.full(size)) as lab:
                for how in ("answers", "evidence"):
                    await_idle()
                    said = run(sys.executable, "-c", _MATRIX, lab, how)
                    results.add("matrix", how, size, float(said))
    results.add("matrix", "mininet", 30, mininet_result(30, "pingall")["pingall"])
    with _running(scenarios.half_blocked()) as lab:
        results.add("matrix", "half blocked", 20, timed(*NETLAB, "verify", lab))


def start(results: Results, sizes: tuple[int, ...]) -> None:
    """The interpreter alone, and commands that do little."""
    results.add("start", "python -c pass", 0, timed(sys.executable, "-c", "pass"))
    for command in ("--version", "--help", "status"):
        results.add("start", f"netlab {command}", 0, timed(*NETLAB, command))
    results.add("start", "netlab up nat", 0, timed(*NETLAB, "up", "nat", "--name", LAB))
    results.add("start", "netlab down nat", 0, timed(*NETLAB, "down", LAB))


SECTIONS: dict[str, Callable[[Results, tuple[int, ...]], None]] = {
    "start": start,
    "build": build,
    "use": use,
    "matrix": matrix,
}


@contextmanager
def _running(scenario: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(scenario)
        file.flush()
        run(*NETLAB, "up", file.name, "--name", LAB)
    try:
        yield LAB
    finally:
        run(*NETLAB, "down", LAB)
