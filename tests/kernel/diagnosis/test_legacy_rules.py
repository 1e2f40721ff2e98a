"""Rules of iptables-legacy that reject: what they say is no closed port, and no missing route."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from tests.kernel.faults import changed, proof

pytestmark = pytest.mark.skipif(
    not shutil.which("iptables-legacy"), reason="there is no iptables-legacy"
)

NAME = "legacy"
REFUSED = Verdict.REFUSED


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), NAME)) as up:
        yield up


@contextmanager
def legacy(node: str, rule: str) -> Iterator[None]:
    """A rule of iptables-legacy before all others."""
    tool = "iptables-legacy -w"
    with changed(f"{NAME}.{node}", f"{tool} -I {rule}", f"{tool} -D {rule}"):
        yield


REJECTS = [
    ("icmp", "FORWARD -p icmp -j REJECT"),
    ("icmp", "FORWARD -p icmp -j REJECT --reject-with icmp-net-unreachable"),
    ("icmp", "FORWARD -p icmp -j REJECT --reject-with icmp-host-unreachable"),
    ("tcp:80", "FORWARD -p tcp --dport 80 -j REJECT"),
    ("tcp:80", "FORWARD -p tcp --dport 80 -j REJECT --reject-with tcp-reset"),
    ("udp:53", "FORWARD -p udp --dport 53 -j REJECT"),
]


@pytest.mark.parametrize(("by", "rule"), REJECTS)
def test_a_legacy_rule_of_a_router_is_no_closed_port_and_no_missing_route(running, by, rule):
    with legacy("router", rule):
        one = proof(running, "vm2", "internet", by=by)
    assert one.end == (REFUSED, "router", Cause.FIREWALL), one.diagnosis
    assert one.diagnosis.evidence.endswith(": its count grew")
    assert one.without(second_look=None) is Cause.REFUSED


def test_verify_names_the_legacy_rule_too(running):
    with legacy("router", "FORWARD -p icmp -j REJECT"):
        (result,) = lab.verify(running, expectations=lab.pairs(running, ["vm2"], ["internet"]))
    outcome = result.outcome
    assert (outcome.verdict, outcome.at, outcome.cause) == (REFUSED, "router", "firewall")
    assert "iptables-legacy filter FORWARD: " in outcome.why


@pytest.mark.parametrize("by", ["tcp:80", "udp:53"])
def test_a_legacy_rule_of_the_target_closes_no_port_that_is_open(running, by):
    protocol, port = by.split(":")
    with legacy("internet", f"INPUT -p {protocol} --dport {port} -j REJECT"):
        one = proof(running, "vm2", "internet", by=by)
    assert one.end == (REFUSED, "internet", Cause.FIREWALL), one.diagnosis
    assert f"though a program listens on {protocol}/{port}" in one.diagnosis.evidence
    assert one.without(second_look=None) is Cause.REFUSED


def test_a_closed_port_behind_a_legacy_rule_that_counts_nothing(running):
    with legacy("vm3", "INPUT -s 192.0.2.1 -j REJECT"):
        one = proof(running, "vm2", "vm3", by="tcp:81")
    assert one.end == (REFUSED, "vm3", Cause.PORT_CLOSED), one.diagnosis
    assert one.without(second_look=None) is Cause.UNKNOWN
