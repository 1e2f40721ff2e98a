"""What is measured. Each section adds one value to each of its figures, so that a run interleaves them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

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
    pyroute2,
)
from tests.bench.measure import NETLAB, await_idle, memory, run, timed
from tests.bench.results import Results

BY_HAND = Path(__file__).parent / "by_hand.sh"
_MATRIX = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from netlab import lab
from netlab.kernel import signals
from netlab.kernel.resources import observe
from netlab.packets import layers, tap
from netlab.verify import matrix, rounds, unanswered
layers.ICMP  # Imports scapy.
running = lab.attach(sys.argv[1])
pairs = lab.pairs(running, ["v*"], ["v*"])
start = time.perf_counter()
results = lab.verify(running, replies_only=sys.argv[2] == "replies", expectations=pairs)
seconds = time.perf_counter() - start
wrong = [result for result in results if not result.passed]
assert not wrong, [(one.expectation.source.name, one.failure) for one in wrong[:5]]
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
        "pyroute2, as documented": pyroute2,
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
            if size >= 300:  # With fewer, what the machine does besides is more.
                results.add("memory", "netlab", size, (memory() - before) / size / 1e6)
            results.add("status", "netlab", size, timed(*NETLAB, "status", lab))
            results.add(
                "probe", "netlab", size, timed(*NETLAB, "trace", "vm1", "vm2", "--lab", lab)
            )
            results.add(
                "change", "netlab", size, timed(*NETLAB, "set", "vm1", "firewall=on", "--lab", lab)
            )


def guard(results: Results, sizes: tuple[int, ...]) -> None:
    """What `results.GUARDED` compares, in a few seconds."""
    results.add("start", "python -c pass", 0, timed(sys.executable, "-c", "pass"))
    results.add("start", "netlab --version", 0, timed(*NETLAB, "--version"))
    results.add("up", "floor", 100, floor(100).up)
    results.add("up", "pyroute2, as documented", 100, pyroute2(100).up)
    results.add("up", "netlab", 100, netlab(100).up)
    use(results, (100,))
    _both_matrices(results, 30)


def matrix(results: Results, sizes: tuple[int, ...]) -> None:
    """Every pair of VMs, as Mininet's pingall: with replies only, and with every packet followed."""
    for size in (30, 200):
        if size <= max(sizes):
            _both_matrices(results, size)
    results.add("matrix", "mininet", 30, mininet_result(30, "pingall")["pingall"])
    with _running(scenarios.half_blocked()) as lab:
        results.add("matrix", "half blocked", 20, timed(*NETLAB, "verify", lab))


def _both_matrices(results: Results, size: int) -> None:
    with _running(scenarios.full(size)) as lab:
        for how in ("replies", "evidence"):
            await_idle()
            said = run(sys.executable, "-c", _MATRIX, lab, how)
            results.add("matrix", how, size, float(said))


def start(results: Results, sizes: tuple[int, ...]) -> None:
    """The interpreter alone, and commands that do little."""
    results.add("start", "python -c pass", 0, timed(sys.executable, "-c", "pass"))
    for command in ("--version", "--help", "status"):
        results.add("start", f"netlab {command}", 0, timed(*NETLAB, command))
    results.add("start", "netlab up nat", 0, timed(*NETLAB, "up", "nat", "--name", LAB))
    results.add("start", "netlab status nat", 0, timed(*NETLAB, "status", LAB))
    change = ("set", "vm1", "firewall=on", "--lab", LAB)
    results.add("start", "netlab set vm1 firewall=on", 0, timed(*NETLAB, *change))
    results.add("start", "netlab down nat", 0, timed(*NETLAB, "down", LAB))


def throughput(results: Results, sizes: tuple[int, ...]) -> None:
    """TCP from VM to VM, and from VM to the Internet by NAT: netlab's hops and the same made by hand."""
    run(str(BY_HAND), "up")
    try:
        with _running("nat") as lab:
            for way, server in {"bridge": "vm2", "NAT": "internet"}.items():
                for who, prefix in {"netlab": f"{lab}.", "by hand": "h-"}.items():
                    await_idle()
                    speed = _iperf(f"{prefix}vm1", f"{prefix}{server}")
                    results.add(f"Gbit/s, {way}", who, 2, speed)
    finally:
        run(str(BY_HAND), "down")


def limits(results: Results, sizes: tuple[int, ...]) -> None:
    """How far TCP is from the bandwidth of an adapter, as a part of it: each alone, then many at once."""
    with _running(scenarios.limited()) as lab:
        for mbit in scenarios.LIMITS:
            ways = {"outgoing": (f"out{mbit}", "free"), "incoming": ("free", f"in{mbit}")}
            for way, (client, server) in ways.items():
                # What waits in the queue at the start is counted: at 1 Mbit/s, a quarter of a second's.
                seconds = max(3, 15 // mbit)
                gbit = _iperf(f"{lab}.{client}", f"{lab}.{server}", seconds, 2) * FRAME / PAYLOAD
                results.add(f"off {mbit} Mbit/s", way, 1, abs(gbit * 1000 / mbit - 1))
        pairs = [(f"{lab}.a{n}", f"{lab}.b{n}") for n in range(scenarios.TOGETHER)]
        with ThreadPoolExecutor(len(pairs)) as pool:
            speeds = pool.map(lambda pair: _iperf(*pair, 3, 2) * FRAME / PAYLOAD, pairs)
            worst = max(abs(gbit * 1000 / scenarios.EACH - 1) for gbit in speeds)
        results.add(f"off {scenarios.EACH} Mbit/s", "many", len(pairs), worst)


FRAME, PAYLOAD = 1514, 1448
"""Bytes of a full TCP segment with all headers, and what is in it."""


def _iperf(client: str, server: str, seconds: int = 3, omit: int = 0) -> float:
    """Gbit/s of TCP, after `omit` seconds that do not count: its first loss shows in the second one."""
    show = run("ip", "-n", server, "-json", "-4", "address", "show", "dev", "eth0")
    address = json.loads(show)[0]["addr_info"][0]["local"]
    with subprocess.Popen(
        ["ip", "netns", "exec", server, "iperf3", "-s", "-1", "--forceflush", "-B", address],
        stdout=subprocess.PIPE,
    ) as listening:
        line = b" "
        while line and b"listening" not in line:
            line = listening.stdout.readline() if listening.stdout else b""
        ask = ["iperf3", "-c", address, "-t", str(seconds), "-O", str(omit), "-J"]
        said = run("ip", "netns", "exec", client, *ask)
    return float(json.loads(said)["end"]["sum_received"]["bits_per_second"] / 1e9)


SECTIONS: dict[str, Callable[[Results, tuple[int, ...]], None]] = {
    "start": start,
    "build": build,
    "use": use,
    "matrix": matrix,
    "throughput": throughput,
    "limits": limits,
    "guard": guard,
}


@contextmanager
def _running(scenario: str) -> Iterator[str]:
    """Of the text, or of the shipped scenario of that name."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(scenario)
        file.flush()
        run(*NETLAB, "up", file.name if "\n" in scenario else scenario, "--name", LAB)
    try:
        yield LAB
    finally:
        run(*NETLAB, "down", LAB)
