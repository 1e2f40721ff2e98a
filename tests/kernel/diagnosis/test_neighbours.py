"""Questions for MAC addresses that were asked before the probe: they change no verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.scenario.model import Family
from tests.kernel.faults import changed, program, proof, rules, run, setting
from tests.pace import HANG_SECONDS

NAME = "neighbours"
INTERNET, INTERNET6 = "203.0.113.80", "2001:db8:203:113::50"
GONE, GONE6 = "203.0.113.7", "2001:db8:203:113::7"
STAGES = ["asked once", "asked twice", "asked three times", "given up"]
"""Of a question that nobody answers, as `ip -s neighbour` shows them."""


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("ipv6"), NAME)) as up:
        yield up


FIRST = 4
"""The count of the first question: the three that would go to a known MAC address are skipped."""


def await_stage(node: str, address: str, stage: str) -> None:
    number = STAGES.index(stage)
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        shown = run(f"{NAME}.{node}", f"ip -s neighbour show {address}")
        if "FAILED" in shown or f"probes {FIRST + number} " in shown:
            assert stage == "given up" or "FAILED" not in shown, f"{stage}: too late"
            if stage != "given up" or "FAILED" in shown:
                return
        assert time.monotonic() < deadline, f"{node} has not {stage}: {shown}"


def verified(running: lab.Lab) -> Outcome:
    """What verify says of pc and the Internet, over IPv4."""
    pairs = lab.pairs(running, ["pc"], ["internet"])
    asked = [pair for pair in pairs if pair.over is Family.IPV4]
    (result,) = lab.verify(running, expectations=asked)
    return result.outcome


@pytest.fixture(params=STAGES)
def stage(request) -> str:
    return request.param


class TestOfARouter:
    """Its route leads by a next hop that is not there."""

    @pytest.fixture(autouse=True)
    def lost(self) -> Iterator[None]:
        there, back = f"ip route add {INTERNET}/32 via {GONE}", f"ip route del {INTERNET}/32"
        with changed(f"{NAME}.router", there, back):
            run(f"{NAME}.router", "ip neighbour flush all")
            yield

    def ask_before(self, stage: str) -> None:
        run(f"{NAME}.pc", f"ping -c1 -W0.01 {INTERNET} || true")
        await_stage("router", GONE, stage)

    @pytest.mark.on_each_kernel
    @pytest.mark.parametrize("by", ["icmp", "tcp:80"])
    def test_trace_tells_the_same(self, running, stage, by):
        self.ask_before(stage)
        first = proof(running, "pc", "internet", by=by)
        again = proof(running, "pc", "internet", by=by)
        dead = (Verdict.DROPPED, "router", Cause.ARP_UNANSWERED)
        assert first.end == again.end == dead, (first.diagnosis, again.diagnosis)
        assert first.without(unanswered={}) is Cause.REFUSED  # By the router's word alone.

    def test_verify_tells_the_same(self, running, stage):
        self.ask_before(stage)
        outcome = verified(running)
        assert (outcome.verdict, outcome.at) == (Verdict.DROPPED, "router"), outcome
        assert outcome.cause == "arp-unanswered"

    def test_what_another_packet_waits_for_explains_nothing(self, running):
        """The router asks for somebody all the time, and drops the probe for another reason."""
        with (
            program(f"{NAME}.router", "ping", "-i", "0.2", GONE),
            changed(f"{NAME}.router", f"ip route add blackhole {INTERNET} metric 0 table 99; "
                    f"ip rule add pref 9 to {INTERNET} lookup 99",
                    "ip rule del pref 9; ip route flush table 99"),
        ):  # fmt: skip
            await_stage("router", GONE, "asked once")
            one = proof(running, "pc", "internet")
        assert one.diagnosis.cause is not Cause.ARP_UNANSWERED, one.diagnosis


@pytest.mark.parametrize("stage", ["asked once", "given up"])
def test_of_ipv6(running, stage):
    there, back = (f"ip -6 route {word} {INTERNET6}/128" for word in ("add", "del"))
    with changed(f"{NAME}.router", f"{there} via {GONE6}", back):
        run(f"{NAME}.router", "ip -6 neighbour flush all")
        run(f"{NAME}.pc", f"ping -6 -c1 -W0.01 {INTERNET6} || true")
        await_stage("router", GONE6, stage)
        one = proof(running, "pc", INTERNET6)
        again = proof(running, "pc", INTERNET6, by="tcp:80")
    dead = (Verdict.DROPPED, "router", Cause.ARP_UNANSWERED)
    assert one.end == again.end == dead, (one.diagnosis, again.diagnosis)


@pytest.mark.parametrize("by", ["icmp", "tcp:80"])
@pytest.mark.parametrize("stage", ["asked once", "given up"])
def test_of_the_source(running, stage, by):
    run(f"{NAME}.vm2", "ip neighbour flush all; ping -c1 -W0.01 10.0.0.77 || true")
    await_stage("vm2", "10.0.0.77", stage)
    one = proof(running, "vm2", "10.0.0.77", by=by)
    assert one.end == (Verdict.DROPPED, "vm2", Cause.ARP_UNANSWERED), one.diagnosis


def test_of_a_translated_address(running, stage):
    """The router sends what is for the Internet to an address that nobody has."""
    stale = f"ip daddr {INTERNET} dnat to {GONE}"
    run(f"{NAME}.router", "ip neighbour flush all")
    with rules(f"{NAME}.router", "prerouting", stale, kind="nat -100"):
        run(f"{NAME}.pc", f"ping -c1 -W0.01 {INTERNET} || true")
        await_stage("router", GONE, stage)
        one = proof(running, "pc", "internet")
        outcome = verified(running)
    assert one.end == (Verdict.DROPPED, "router", Cause.ARP_UNANSWERED), one.diagnosis
    assert GONE in one.diagnosis.evidence
    assert (outcome.at, outcome.cause) == ("router", "arp-unanswered")
    assert GONE in outcome.why


@pytest.mark.parametrize("stage", ["asked once", "given up"])
def test_of_an_answer(running, stage):
    """The target is asked by an address for which it asks in vain."""
    address, vm3 = "10.0.9.9/32 dev lo", "10.0.0.129"
    mac = run(f"{NAME}.vm3", "cat /sys/class/net/eth0/address").strip()
    with (
        changed(f"{NAME}.vm2", f"ip neighbour replace {vm3} lladdr {mac} dev eth0 nud permanent",
                "ip neighbour flush all nud permanent"),
        changed(f"{NAME}.vm2", f"ip address add {address}", f"ip address del {address}"),
        changed(f"{NAME}.vm2", f"ip route add {vm3} dev eth0 src 10.0.9.9", f"ip route del {vm3}"),
        setting(f"{NAME}.vm2", "net.ipv4.conf.eth0.arp_ignore", 1),
        changed(f"{NAME}.vm3", "ip route add 10.0.9.9 dev eth0", "ip route del 10.0.9.9"),
    ):  # fmt: skip
        run(f"{NAME}.vm3", "ip neighbour flush all; ping -c1 -W0.01 10.0.9.9 || true")
        await_stage("vm3", "10.0.9.9", stage)
        one = proof(running, "vm2", vm3)
    assert one.end == (Verdict.DROPPED, "vm3", Cause.NO_RETURN_PATH), one.diagnosis
    assert "10.0.9.9, and nobody answered" in one.diagnosis.evidence
