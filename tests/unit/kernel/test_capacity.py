"""What a machine is too small for is said beforehand, with what to change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlab import lab
from netlab.errors import ScenarioError
from netlab.kernel.host.capacity import Capacity, bottlenecks, shortages
from netlab.scenario.loader import load_text

ENOUGH = Capacity(files=4096, processes=1000, memory=10**9, neighbours=1024)


@pytest.fixture(scope="module")
def plan():
    return lab.prepare(lab.load("three-modes")).plan


def test_a_usual_machine_has_room_for_a_usual_lab(plan):
    assert not [*shortages(plan, ENOUGH), *bottlenecks(plan, ENOUGH)]
    assert not [*shortages(plan, Capacity(None, None, None, None)), *bottlenecks(plan, ENOUGH)]


@pytest.mark.parametrize(
    ("short", "what", "remedy"),
    [
        ({"files": 60}, "open files", "ulimit -Hn"),
        ({"processes": 5}, "processes", "kernel.pid_max"),
        ({"memory": 10**6}, "MB of memory", "fewer VMs"),
    ],
)
def test_what_is_short_is_named_with_its_remedy(plan, short, what, remedy):
    (shortage,) = shortages(plan, replace(ENOUGH, **short))
    assert what in shortage.what
    assert remedy in shortage.fix


def test_few_neighbours_are_a_warning(plan):
    (warning,) = bottlenecks(plan, replace(ENOUGH, neighbours=16))
    assert "remembers 16 neighbours, and all machines" in warning
    assert f"gc_thresh3={4 * required(plan)}" in warning


def test_few_neighbours_that_are_left_are_one_too(plan):
    """Another program fills the table, and `up` would be slow without a word."""
    taken = ENOUGH.neighbours - required(plan)
    assert not list(bottlenecks(plan, replace(ENOUGH, neighbours_taken=taken)))
    (warning,) = bottlenecks(plan, replace(ENOUGH, neighbours_taken=taken + 1))
    assert f"remembers 1,024 neighbours, {taken + 1:,} of them for others already, and" in warning
    assert f"gc_thresh3={1024 + 4 * required(plan)}" in warning


def required(plan) -> int:
    return 2 * len(plan.namespaces)


def hostonly(vms: int) -> str:
    """The host's adapter is one more port of the switch."""
    rows = "".join(
        f"  v{n}: {{nics: [{{network: vmnet1, address: 10.1.{n // 200}.{n % 200 + 2}}}]}}\n"
        for n in range(vms)
    )
    return (
        "vmnets: {vmnet1: {mode: hostonly, subnet: 10.1.0.0/16, dhcp: false}}\n"
        f"vms:\n{rows}expect: {{default: reachable}}\n"
    )


def peers(number: int) -> str:
    """The router, the host and the cable to the vmnet are three more ports of the LAN."""
    rows = "".join(f"    p{n}: 10.9.{n // 200}.{n % 200 + 2}\n" for n in range(number))
    return (
        f"lan:\n  subnet: 10.9.0.0/16\n  router: 10.9.200.1\n  peers:\n{rows}"
        "host: {nics: {eth0: 10.9.200.2}}\nvmnets: {vmnet0: {mode: bridged}}\n"
        "vms: {v1: {nics: [{network: vmnet0, address: 10.9.201.1}]}}\nexpect: {default: reachable}\n"
    )


@pytest.mark.parametrize(("build", "most"), [(hostonly, 1022), (peers, 1020)])
def test_a_switch_has_1023_ports(build, most):
    """On a real kernel, the 1,024th is refused: `RTNETLINK answers: Exchange full`."""
    assert load_text(build(most).encode(), "x.yaml")
    with pytest.raises(ScenarioError) as refused:
        load_text(build(most + 1).encode(), "x.yaml")
    (problem,) = refused.value.problems
    assert "1,024 cables to" in problem.what
    assert "has 1,023 ports" in problem.what
    assert "spread the" in problem.fix
