"""How long things take: medians of 5 in one run, with ratios, as a table and as JSON.

    make bench                                   prints; writes bench.json
    python tests/bench/bench.py --json FILE      elsewhere

Whole processes are timed from outside. For the flat network of 100 VMs, the
interpreter's start and imports are left out: `ip` has neither.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RUNS = 5
VMS = 100
NETLAB = [sys.executable, "-m", "netlab"]
TARGETS = {
    "up nat": 1.2,
    "verify nat": 1.5,
    "380 pairs, half blocked": 3.0,
    "up 100 VMs / ip -batch": 1.5,
}
"""Seconds on a 2-core machine, and a ratio."""

IN_PROCESS = """
import sys, time
from netlab import lab
from netlab.kernel import create, nft, patience, preflight, remove, services
planned = lab.prepare(lab.load(sys.argv[1]), "bench")
start = time.perf_counter()
lab.up(planned)
middle = time.perf_counter()
lab.down("bench")
print(middle - start, time.perf_counter() - middle)
"""


def timed(action: Callable[[], object]) -> float:
    await_idle()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def await_idle() -> None:
    """The kernel takes namespaces apart in the background: who comes next must not pay for it."""
    deadline = time.monotonic() + 10
    while _busy(0.1) > 0.1 and time.monotonic() < deadline:
        pass


def _busy(seconds: float) -> float:
    """How much of the processors' time was used in the next `seconds`, from 0 to 1."""
    before = _ticks()
    time.sleep(seconds)
    used, total = (after - earlier for after, earlier in zip(_ticks(), before, strict=True))
    return used / max(total, 1)


def _ticks() -> tuple[int, int]:
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def whole_process() -> dict[str, list[float]]:
    """up, verify and down of the NAT lab, and the interpreter's bare start."""
    rows: dict[str, list[float]] = {}
    steps = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "netlab --version": [*NETLAB, "--version"],
        "up nat": [*NETLAB, "up", "nat", "--name", "bench"],
        "verify nat": [*NETLAB, "verify", "bench"],
        "down nat": [*NETLAB, "down", "bench"],
    }
    for _ in range(RUNS):
        for name, command in steps.items():
            rows.setdefault(name, []).append(timed(lambda command=command: run(*command)))
    return rows


def matrices() -> dict[str, list[float]]:
    """Every pair measured, with every packet followed and with answers only: the price of evidence."""
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"half": half_scenario(), "full": full_scenario()}.items():
            scenario = Path(folder) / f"{name}.yaml"
            scenario.write_text(text)
            run(*NETLAB, "up", str(scenario))
            for _ in range(RUNS):
                for how, options in {"": [], " answers only": ["--answers-only"]}.items():
                    command = [*NETLAB, "verify", name, *options]
                    row = rows.setdefault(f"{MATRICES[name]}{how}", [])
                    row.append(timed(lambda command=command: run(*command)))
            run(*NETLAB, "down", name)
    return rows


MATRICES = {"half": "380 pairs, half blocked", "full": "64 VMs, 4,422 pairs"}


def half_scenario() -> str:
    """20 endpoints, of whose pairs half are blocked: 9 host-only VMs whose gateway is the host, 8 NAT VMs."""
    only = "".join(
        f"  a{n}: {{nics: [{{network: vmnet1, address: 10.1.0.{n + 10}, gateway: 10.1.0.1}}]}}\n"
        for n in range(9)
    )
    nat = "".join(f"  b{n}: {{nics: [vmnet8]}}\n" for n in range(8))
    return f"""\
title: half
vmnets: {{vmnet1: {{mode: hostonly, subnet: 10.1.0.0/24}}, vmnet8: {{mode: nat, subnet: 10.0.0.0/24}}}}
host: {{nics: {{eth0: 192.168.1.100}}}}
vms:
{only}{nat}expect:
  default: blocked
  rules:
    - {{from: "a*", to: ["a*", host]}}
    - {{from: "b*", to: ["b*", host]}}
    - {{from: "b*", to: router, as: host@lan}}
    - {{from: ["b*", host], to: internet, as: router@wan}}
    - {{from: host, to: "a*", as: host@vmnet1}}
    - {{from: host, to: "b*", as: host@vmnet8}}
    - {{from: [host, router], to: [host, router]}}
    - {{from: [router, internet], to: [router, internet]}}
"""


def full_scenario() -> str:
    """64 NAT VMs: nearly every pair reachable."""
    vms = "".join(
        f"  v{n}: {{nics: [{{network: vmnet8, address: 10.0.1.{n}, gateway: 10.0.0.2}}]}}\n"
        for n in range(1, 65)
    )
    return f"""\
title: full
vmnets: {{vmnet8: {{mode: nat, subnet: 10.0.0.0/16}}}}
host: {{nics: {{eth0: 192.168.1.100}}}}
vms:
{vms}expect:
  default: blocked
  rules:
    - {{from: "v*", to: ["v*", host]}}
    - {{from: "v*", to: router, as: host@lan}}
    - {{from: ["v*", host], to: internet, as: router@wan}}
    - {{from: host, to: "v*", as: host@vmnet8}}
    - {{from: [host, router], to: [host, router]}}
    - {{from: [router, internet], to: [router, internet]}}
"""


def flat_network() -> dict[str, list[float]]:
    """100 static VMs on one switch: netlab beside `ip -batch`, in turns."""
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "flat.yaml"
        scenario.write_text(flat_scenario())
        for _ in range(RUNS):
            await_idle()
            up, down = run(sys.executable, "-c", IN_PROCESS, str(scenario)).split()
            rows.setdefault("up 100 VMs", []).append(float(up))
            rows.setdefault("down 100 VMs", []).append(float(down))
            rows.setdefault("ip -batch up 100 VMs", []).append(timed(ip_up))
            rows.setdefault("ip -batch down 100 VMs", []).append(timed(ip_down))
    return rows


def flat_scenario() -> str:
    vms = "".join(
        f"  vm{n}: {{nics: [{{network: vmnet1, address: 10.1.0.{n + 1}, gateway: 10.1.0.1}}]}}\n"
        for n in range(1, VMS + 1)
    )
    return (
        "title: flat\nvmnets:\n  vmnet1: {mode: hostonly, subnet: 10.1.0.0/16}\n"
        f"host: {{nics: {{eth0: 192.168.1.100}}}}\nvms:\n{vms}expect: {{default: blocked}}\n"
    )


def ip_up() -> None:
    """Namespace, cable, bridge port, lo and eth0 up, address, default route for each."""
    run("ip", "-batch", "-", text="".join(f"netns add ipb{n}\n" for n in range(VMS + 1)))
    run("ip", "-n", "ipb0", "link", "add", "br0", "type", "bridge")
    switch = "link set br0 up\naddress add 10.1.0.1/16 dev br0\n" + "".join(
        f"link add p{n} master br0 up type veth peer name eth0 netns ipb{n}\n"
        for n in range(1, VMS + 1)
    )
    run("ip", "-n", "ipb0", "-batch", "-", text=switch)
    for n in range(1, VMS + 1):
        inside = (
            "link set lo up\nlink set eth0 up\n"
            f"address add 10.1.0.{n + 1}/16 dev eth0\nroute add default via 10.1.0.1\n"
        )
        run("ip", "-n", f"ipb{n}", "-batch", "-", text=inside)


def ip_down() -> None:
    run("ip", "-batch", "-", text="".join(f"netns del ipb{n}\n" for n in range(VMS + 1)))


def ratios(medians: dict[str, float]) -> dict[str, float]:
    pairs = {
        "up 100 VMs / ip -batch": ("up 100 VMs", "ip -batch up 100 VMs"),
        "down 100 VMs / ip -batch": ("down 100 VMs", "ip -batch down 100 VMs"),
        **{
            f"price of evidence: {name}": (name, f"{name} answers only")
            for name in MATRICES.values()
        },
        "netlab --version / python -c pass": ("netlab --version", "python -c pass"),
    }
    return {name: medians[one] / medians[other] for name, (one, other) in pairs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    output = parser.parse_args().json
    rows = {**whole_process(), **matrices(), **flat_network()}
    medians = {name: statistics.median(seconds) for name, seconds in rows.items()}
    compared = ratios(medians)
    print(f"{'':36}{'median':>9}{'min':>9}{'max':>9}   target")
    for name, seconds in rows.items():
        target = f"≤ {TARGETS[name]} s" if name in TARGETS else ""
        print(f"{name:36}{medians[name]:8.3f}s{min(seconds):8.3f}s{max(seconds):8.3f}s   {target}")
    for name, ratio in compared.items():
        target = f"≤ {TARGETS[name]}" if name in TARGETS else ""
        print(f"{name:36}{ratio:9.2f}{'':18}   {target}")
    document = {
        "machine": {"kernel": platform.release(), "python": platform.python_version()},
        "runs": RUNS,
        "seconds": rows,
        "medians": medians,
        "ratios": compared,
        "targets": TARGETS,
    }
    output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
