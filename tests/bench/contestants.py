"""Who builds the same flat network: netlab, Mininet, pyroute2, `ip -batch`, and the floor in C."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.bench import scenarios
from tests.bench.measure import NETLAB, await_idle, run, timed, timed_call
from tests.bench.scenarios import PORTS

HERE = Path(__file__).parent
LAB = "bench"


@dataclass(frozen=True)
class Times:
    """Seconds."""

    up: float
    down: float


Contestant = Callable[[int], Times]
"""Builds and removes a network of so many VMs."""


def netlab(vms: int) -> Times:
    """The whole process, interpreter and imports included."""
    return _netlab(scenarios.flat(vms))


def netlab_with_leases(vms: int) -> Times:
    """The whole process; every VM's address is from dnsmasq, asked for by udhcpc."""
    return _netlab(scenarios.flat(vms, leases=True))


def _netlab(scenario: str) -> Times:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(scenario)
        file.flush()
        up = timed(*NETLAB, "up", file.name, "--name", LAB)
        return Times(up, timed(*NETLAB, "down", LAB))


def mininet(vms: int) -> Times:
    """Without the interpreter's start."""
    result = mininet_result(vms)
    return Times(result["up"], result["down"])


def mininet_result(vms: int, *words: str) -> dict[str, float]:
    """Seconds of `up`, `down` and, with the word `pingall`, of that."""
    await_idle()
    said = run("/usr/bin/python3", str(HERE / "mininet_lab.py"), str(vms), *words)
    return dict(json.loads(said))


def floor(vms: int) -> Times:
    """The same system calls and messages from C."""
    program = str(_compiled())
    up = timed(program, "up", str(vms))
    return Times(up, timed(program, "down", str(vms)))


@cache
def _compiled() -> Path:
    folder = Path(tempfile.mkdtemp())
    run("gcc", "-O2", "-o", str(folder / "floor"), str(HERE / "floor.c"))
    return folder / "floor"


def pyroute2(vms: int) -> Times:
    """The library that netlab's messages are from, used as its documentation does; the whole process."""
    program = (sys.executable, "-m", "tests.bench.pyroute2_lab")
    up = timed(*program, "up", str(vms))
    return Times(up, timed(*program, "down", str(vms)))


def ip_batch(vms: int) -> Times:
    """iproute2, as fast as one can have it: a batch for the switches, and one for each namespace."""
    up = timed_call(lambda: _ip_up(vms))
    return Times(up, timed_call(lambda: _ip_down(vms)))


def _ip_names(vms: int) -> list[str]:
    return [f"ipb{n}" for n in range(vms)] + [f"ipnet{n}" for n in range((vms - 1) // PORTS + 1)]


def _ip_up(vms: int) -> None:
    run("ip", "-batch", "-", text="".join(f"netns add {name}\n" for name in _ip_names(vms)))
    for net in range((vms - 1) // PORTS + 1):
        members = range(net * PORTS, min(vms, (net + 1) * PORTS))
        cables = "".join(
            f"link add p{n} master br0 up type veth peer name eth0 netns ipb{n}\n" for n in members
        )
        gateway = f"10.{net + 1}.0.1"
        switch = f"link add br0 up type bridge\naddress add {gateway}/16 dev br0\n{cables}"
        run("ip", "-n", f"ipnet{net}", "-batch", "-", text=switch)
        for place, n in enumerate(members):
            inside = (
                "link set lo up\nlink set eth0 up\n"
                f"address add 10.{net + 1}.{place // 250}.{place % 250 + 2}/16 dev eth0\n"
                f"route add default via {gateway}\n"
            )
            run("ip", "-n", f"ipb{n}", "-batch", "-", text=inside)


def _ip_down(vms: int) -> None:
    run("ip", "-batch", "-", text="".join(f"netns del {name}\n" for name in _ip_names(vms)))


def clean_up() -> None:
    """Remove what an interrupted run may have left of netlab's."""
    subprocess.run([*NETLAB, "down", LAB], capture_output=True)
