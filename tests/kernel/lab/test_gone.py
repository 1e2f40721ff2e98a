"""Machines and switches whose namespace was removed: a finding about them, and no error for others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.show import VIEWS, view
from netlab.trace.pursuit import Pursuit
from netlab.verify.io import EchoSockets
from tests.kernel.faults import proof
from tests.machine import netlab

DROPPED, GONE = Verdict.DROPPED, Cause.NODE_GONE


@pytest.fixture
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "gone")) as up:
        yield up


def remove(node: str) -> None:
    subprocess.run(["ip", "netns", "del", f"gone.{node}"], check=True)


@contextmanager
def without(node: str) -> Iterator[None]:
    """A machine or switch is gone for the length of a block; `repair` brings it back."""
    remove(node)
    try:
        yield
    finally:
        assert netlab("repair", "gone").returncode == 0


def ends(running: lab.Lab, source: str, target: str) -> set[tuple[Verdict, str, Cause | None]]:
    """What `trace`, `explain` and `verify` say of the same packet."""
    found = [
        lab.trace(running, source, target).diagnosis,
        lab.explain(running, source, target).diagnosis,
    ]
    (result,) = lab.verify(running, expectations=lab.pairs(running, [source], [target]))
    outcome = result.outcome
    cause = Cause(outcome.cause) if outcome.cause else None
    at = outcome.at or (target if outcome.verdict is Verdict.ANSWERED else "")
    return {(one.verdict, one.at, one.cause) for one in found} | {(outcome.verdict, at, cause)}


def test_what_is_for_a_machine_that_is_gone_ends_where_it_was_to_be_given_to_it(running):
    with without("pc"):
        assert ends(running, "vm1", "pc") == {(DROPPED, "host", GONE)}
        of_router = proof(running, "router", "pc", "tcp:80")
        assert of_router.end == (DROPPED, "router", GONE)
        assert of_router.diagnosis.evidence.endswith("pc is gone")
        assert of_router.without(absent={}) is Cause.ARP_UNANSWERED
        elsewhere = proof(running, "vm1", "pc", "arp")
        assert elsewhere.diagnosis.cause is Cause.ARP_UNANSWERED  # pc would not have heard it.
    assert ends(running, "vm1", "pc") == {(Verdict.ANSWERED, "pc", None)}


def test_a_machine_that_is_gone_sends_nothing(running):
    with without("pc"):
        assert ends(running, "pc", "internet") == {(DROPPED, "pc", GONE)}
        assert lab.trace(running, "pc", by="dhcp").diagnosis.cause is GONE


def test_a_machine_that_is_gone_stops_nobody_else(running):
    with without("pc"):
        assert ends(running, "vm1", "internet") == {(Verdict.ANSWERED, "internet", None)}
        concerned = [
            result
            for result in lab.verify(running)
            if "pc" in (result.expectation.source.node.name, result.expectation.target.node.name)
            or not result.passed
        ]
        assert {result.outcome.cause for result in concerned if not result.passed} == {GONE}
        missing = lab.status(running).drift.missing
        assert "namespace gone.pc" in map(str, missing)
        for name in VIEWS:
            view(running, name)
            view(running, name, "pc")


def test_a_switch_that_is_gone_takes_its_cables_along(running):
    with without("lan"):
        assert ends(running, "pc", "internet") == {(DROPPED, "pc", GONE)}
        uplink = proof(running, "host", "internet")
        assert uplink.end == (DROPPED, "host", GONE)
        assert uplink.without(cut_off={}) is Cause.NO_ROUTE
        assert ends(running, "vm1", "vm2") == {(Verdict.ANSWERED, "vm2", None)}


def test_frames_for_a_machine_that_is_gone_are_taken_by_nobody(running):
    with without("pc"), mock.patch("netlab.trace.trace._ARP_MILLISECONDS", 1000):
        mac = running.topology.nodes["pc"].primary.mac
        known = ["neighbour", "replace", "192.168.1.50", "lladdr", mac, "dev", "lan0"]
        subprocess.run(["ip", "-n", "gone.router", *known], check=True)
        warm = proof(running, "router", "pc")
        assert warm.end == (DROPPED, "lan", GONE)
        assert warm.without(gone={}) in (Cause.MAC_UNKNOWN, Cause.UNKNOWN)
        assert lab.explain(running, "router", "pc").diagnosis.cause is GONE
        known = ["neighbour", "del", "192.168.1.50", "dev", "lan0"]
        subprocess.run(["ip", "-n", "gone.router", *known], check=True)


def test_a_machine_that_lives_on_without_a_name_is_not_said_to_be_silent(running):
    """Its DHCP client keeps its namespace: it answers as before, and nobody can look into it."""
    with without("vm1"):
        assert lab.trace(running, "vm2", "vm1").diagnosis.verdict is Verdict.ANSWERED
        assert lab.explain(running, "vm2", "vm1").diagnosis.verdict is Verdict.UNKNOWN
        closed = lab.trace(running, "vm2", "vm1", by="tcp:81").diagnosis
        assert (closed.verdict, closed.cause) != (DROPPED, GONE)
        (result,) = lab.verify(running, expectations=lab.pairs(running, ["vm2"], ["vm1"]))
        assert result.outcome.verdict is Verdict.UNKNOWN
        assert "what it saw is not known" in result.outcome.why


def test_a_machine_may_go_while_it_is_looked_at(running):
    def losing_pc(send):
        def send_without(*arguments, **more):
            if subprocess.run(["ip", "netns", "pids", "gone.pc"], check=False).returncode == 0:
                remove("pc")
            return send(*arguments, **more)

        return send_without

    with mock.patch.object(Pursuit, "send", losing_pc(Pursuit.send)):
        assert lab.trace(running, "vm1", "internet").diagnosis.verdict is Verdict.ANSWERED
    assert netlab("repair", "gone").returncode == 0
    with mock.patch.object(EchoSockets, "send", losing_pc(EchoSockets.send)):
        assert all(result.passed for result in lab.verify(running))
    assert netlab("repair", "gone").returncode == 0


def test_the_commands_end_as_after_a_packet_that_was_dropped(running):
    with without("pc"):
        for command in ("trace", "explain"):
            done = netlab(command, "--lab", "gone", "vm1", "pc", "--json")
            assert (done.returncode, json.loads(done.stdout)["verdict"]["cause"]) == (1, GONE)
        assert netlab("exec", "--lab", "gone", "pc", "--", "true").stderr.endswith(
            "is gone; `netlab repair` brings a machine back\n"
        )
