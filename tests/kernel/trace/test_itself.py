"""Probes of a machine to itself, which go over its `lo`, and names that it looks up first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError
from tests.kernel.faults import proof, rules

ANSWERED, REFUSED, DROPPED = Verdict.ANSWERED, Verdict.REFUSED, Verdict.DROPPED
NOBODY = "asks itself: no program waits on"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("port-forward"), "itself")) as up:
        yield up


@contextmanager
def etc(node: str, name: str, text: str) -> Iterator[None]:
    """Another file in a node's /etc for the length of a block."""
    file = Path(f"/etc/netns/itself.{node}/{name}")
    before = file.read_text() if file.exists() else None
    file.write_text(text)
    try:
        yield
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before)


def told(running: lab.Lab, *question: str) -> set[tuple[Verdict, str, Cause | None]]:
    """What `trace` and `explain` say."""
    foretold = lab.explain(running, *question).diagnosis
    return {proof(running, *question).end, (foretold.verdict, foretold.at, foretold.cause)}


@pytest.mark.parametrize("to", ["host@lan", "192.168.1.100", "127.0.0.1"])
def test_the_host_reaches_its_forwarded_port(running, to):
    assert told(running, "host", to, "tcp:8080") == {(ANSWERED, "vm1", None)}


def test_a_machine_answers_itself(running):
    assert told(running, "vm1", "vm1") == {(ANSWERED, "vm1", None)}
    assert told(running, "vm1", "127.0.0.1", "tcp:80") == {(ANSWERED, "vm1", None)}
    for by in ("tcp", "udp", "http", "mtu", "route", "raw:47"):
        assert proof(running, "vm1", "vm1", by).end == (ANSWERED, "vm1", None), by
    steps = lab.trace(running, "vm1", "vm1").journey.steps
    assert [(step.inlet, step.went_out != ()) for step in steps] == [
        *((None, True), ("lo", False)),
        *((None, True), ("lo", False)),
    ]
    with pytest.raises(UsageError, match="is vm1 itself"):
        lab.trace(running, "vm1", "vm1", "arp")


def test_a_port_of_ones_own_on_which_nobody_waits(running):
    assert told(running, "vm1", "vm1", "tcp:81") == {(REFUSED, "vm1", Cause.PORT_CLOSED)}
    text = f"vm1 {NOBODY} tcp 10.0.0.50:81"
    assert lab.trace(running, "vm1", "vm1", "tcp:81").diagnosis.evidence == text
    assert lab.explain(running, "vm1", "vm1", "tcp:81").diagnosis.evidence == text


def test_a_rule_about_lo(running):
    with rules("itself.vm1", "input", 'iif "lo" drop'):
        assert told(running, "vm1", "vm1") == {(DROPPED, "vm1", Cause.FIREWALL)}


def test_a_name_server_of_ones_own_that_is_not_there(running):
    """As where systemd-resolved has written it down and does not run."""
    with etc("vm1", "resolv.conf", "nameserver 127.0.0.53\n"):
        for question in ((None, "dns:www.example.com"), ("www.example.com", "http")):
            one = lab.trace(running, "vm1", *question)
            assert one.request.by == "dns:www.example.com"
            assert one.diagnosis.cause is Cause.PORT_CLOSED
            assert one.diagnosis.evidence == f"vm1 {NOBODY} udp 127.0.0.53:53"


def test_a_name_is_looked_up_as_the_machine_would(running):
    one = lab.trace(running, "vm1", "www.example.com")
    assert (one.diagnosis.verdict, one.request.ends.to) == (ANSWERED, "203.0.113.80")
    assert "internet answers: 203.0.113.80" in one.found
    nowhere = lab.trace(running, "vm1", "www.nowhere.org")
    assert (nowhere.request.by, nowhere.diagnosis.cause) == ("dns:www.nowhere.org", Cause.NXDOMAIN)
    with etc("vm1", "hosts", "192.168.1.50 www.nowhere.org intranet # by hand\n"):
        assert lab.trace(running, "vm1", "www.nowhere.org").request.ends.to == "192.168.1.50"
    with etc("vm1", "resolv.conf", ""):
        assert lab.trace(running, "vm1", "www.example.com").diagnosis.verdict is ANSWERED
        with pytest.raises(UsageError, match="is no server on the lab's Internet"):
            lab.trace(running, "vm1", "www.nowhere.org")
