"""`explain` against `trace`: what is worked out from tables is what real packets do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations

import pytest

from netlab import lab
from netlab.explain.way import Explanation
from netlab.kernel import nft
from netlab.probe.cause import Cause
from netlab.probe.packet import Part
from netlab.probe.trace import Trace
from netlab.probe.verdict import Verdict
from tests.machine import inside

NODES = ("vm1", "vm2", "vm3", "vm4", "vm5", "host", "pc", "router", "internet")
HEAL = {
    "vm2": "ip address replace 10.0.0.128/24 broadcast 10.0.0.255 dev eth0;"
    "ip route replace default via 10.0.0.2",
    "pc": "ip route replace default via 192.168.1.1",
}


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), "explain")) as up:
        yield up


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Nothing in this lab takes longer."""
    monkeypatch.setattr("netlab.probe.trace._QUIET_SECONDS", 0.1)


@contextmanager
def changed(node: str, do: str, undo: str) -> Iterator[None]:
    assert inside(f"explain.{node}", "sh", "-c", do).returncode == 0
    try:
        yield
    finally:
        assert inside(f"explain.{node}", "sh", "-c", undo).returncode == 0


@contextmanager
def rules(
    node: str, hook: str, rule: str, kind: str = "filter", priority: int = 0
) -> Iterator[None]:
    chain = f"chain c {{ type {kind} hook {hook} priority {priority};\n {rule}\n }}"
    nft.create(f"explain.{node}", f"table ip extra {{ {chain} }}")
    try:
        yield
    finally:
        nft.delete_table(f"explain.{node}", "ip", "extra")


def worked_out(found: Explanation) -> tuple:
    stays = found.stays
    if stays and not stays[0].went_out:
        stays = ()  # Nothing that could be sighted.
    return (
        *(found.finding.verdict, found.finding.at, found.finding.cause),
        [(stay.part.value, stay.node) for stay in stays if stay.came_in or stay.went_out],
    )


def measured(found: Trace) -> tuple:
    steps = [step for step in found.journey.steps if step.part in (Part.REQUEST, Part.ANSWER)]
    return (
        *(found.finding.verdict, found.finding.at, found.finding.cause),
        [(step.part.value, step.node) for step in steps],
    )


def differences(running: lab.Lab, pairs) -> list[str]:
    found = []
    for source, target in pairs:
        foretold = worked_out(lab.explain(running, source, target))
        really = measured(lab.trace(running, source, target))
        if foretold != really:
            found.append(f"{source} → {target}: explain {foretold}, trace {really}")
    return found


def test_every_pair_goes_where_it_was_said_to(running):
    assert not differences(running, permutations(NODES, 2))
