"""The prober on real packets: what it must tell apart, and what must make it say `unknown`."""

from __future__ import annotations

import errno
import signal
import threading

import pytest

from netlab import lab
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.errors import Interrupted
from netlab.kernel.namespaces import netns
from netlab.kernel.nftables import nft
from netlab.kernel.signals import Interruption
from netlab.packets import icmp, icmp_socket, mmsg
from netlab.verify import rounds
from netlab.verify.batches import PairProbe
from tests.machine import inside
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel


@pytest.fixture(scope="module", autouse=True)
def running():
    with lab.running(lab.prepare(lab.load("nat"), "probe")) as up:
        yield up


VM1, VM2 = "10.0.0.128", "10.0.0.129"


def probe(source: str, target: str, to: str, bind: str | None = None) -> Outcome:
    (outcome,) = rounds.run([PairProbe(f"probe.{source}", f"probe.{target}", to, bind)])
    return outcome


@pytest.fixture
def rules():
    """Load rules into a node, and take them out again."""
    touched = []

    def load(node: str, text: str) -> None:
        touched.append(node)
        nft.create(f"probe.{node}", text)

    yield load
    import nftables

    for node in touched:
        with netns.inside(f"probe.{node}"):
            nftables.Nftables().cmd("delete table ip extra")


def test_answered_with_the_source_that_the_target_saw():
    assert probe("vm1", "pc", "192.168.1.50") == Outcome(
        Verdict.ANSWERED, "answered; the target saw 192.168.1.100", "192.168.1.100", True
    )


def test_a_packet_that_reaches_a_socket_before_its_filter_does_not_stall_a_probe(monkeypatch):
    """It is read by nobody else, and a socket that stays readable would be looked at for ever."""
    attach = icmp_socket.attach

    def late(one, program):
        assert inside("probe.host", "ping", "-c1", "127.0.0.1").returncode == 0
        attach(one, program)

    monkeypatch.setattr(icmp_socket, "attach", late)
    signal.alarm(int(HANG_SECONDS))
    try:
        outcome = probe("host", "pc", "192.168.1.50", bind="192.168.1.100")
    finally:
        signal.alarm(0)
    assert outcome.verdict is Verdict.ANSWERED


def test_a_probe_may_be_bound_to_an_address():
    outcome = probe("host", "pc", "192.168.1.50", bind="192.168.1.100")
    assert (outcome.verdict, outcome.seen_as) == (Verdict.ANSWERED, "192.168.1.100")


def test_dead_on_the_way():
    assert probe("internet", "vm1", VM1).verdict is Verdict.DROPPED


def test_dead_at_the_targets_firewall(rules):
    rules(
        "vm2", "table ip extra { chain i { type filter hook input priority 0; policy drop;\n }\n }"
    )
    outcome = probe("vm1", "vm2", VM2)
    assert (outcome.verdict, outcome.arrived) == (Verdict.DROPPED, False)


def test_refused_by_a_reject(rules):
    rules(
        "router",
        "table ip extra { chain f { type filter hook forward priority -10;\n"
        " ip daddr 203.0.113.80 icmp type echo-request reject with icmp type admin-prohibited\n }\n }",
    )
    outcome = probe("pc", "internet", "203.0.113.80")
    assert outcome.verdict is Verdict.REFUSED
    assert "192.168.1.1 says" in outcome.why


def test_arrived_without_answer_is_no_block(rules):
    rules(
        "vm2", "table ip extra { chain o { type filter hook output priority 0; policy drop;\n }\n }"
    )
    outcome = probe("vm1", "vm2", VM2)
    assert (outcome.verdict, outcome.arrived) == (Verdict.DROPPED, True)


def test_nobody_answers_arp():
    outcome = probe("vm1", "vm2", "10.0.0.99")
    assert outcome.verdict is Verdict.DROPPED
    assert "ARP" in outcome.why


def test_an_answer_from_somebody_else_is_unknown():
    assert probe("vm1", "pc", VM2).verdict is Verdict.UNKNOWN


def test_no_route_is_dead_only_if_the_source_could_send_otherwise():
    inside("probe.pc", "ip", "route", "del", "default")
    try:
        alone = probe("pc", "internet", "203.0.113.80")
        pair = [
            PairProbe("probe.pc", "probe.internet", "203.0.113.80"),
            PairProbe("probe.pc", "probe.host", "192.168.1.100"),
        ]
        with_control = rounds.run(pair)[0]
    finally:
        inside("probe.pc", "ip", "route", "add", "default", "via", "192.168.1.1")
    assert alone.verdict is Verdict.UNKNOWN
    assert with_control.verdict is Verdict.DROPPED


def test_a_source_that_may_not_send_is_unknown(rules):
    rules(
        "vm1", "table ip extra { chain o { type filter hook output priority 0; policy drop;\n }\n }"
    )
    assert probe("vm1", "vm2", VM2).verdict is Verdict.UNKNOWN


def test_an_interface_that_is_down_is_unknown_not_blocked():
    inside("probe.vm1", "ip", "link", "set", "eth0", "down")
    try:
        assert probe("vm1", "vm2", VM2).verdict is Verdict.UNKNOWN
    finally:
        inside("probe.vm1", "ip", "link", "set", "eth0", "up")
        inside("probe.vm1", "ip", "route", "replace", "default", "via", "10.0.0.2")


def test_a_buffer_that_overflows_makes_the_verdict_unknown(monkeypatch):
    monkeypatch.setattr(icmp_socket, "_BUFFER_BYTES", 1)
    many = [PairProbe("probe.vm1", "probe.vm2", VM2)] * 100
    verdicts = {outcome.verdict for outcome in rounds.run(many)}
    assert verdicts == {Verdict.UNKNOWN}


def test_a_probe_that_is_bound_and_never_arrives_has_left(rules):
    rules(
        "pc", "table ip extra { chain i { type filter hook input priority 0; policy drop;\n }\n }"
    )
    outcome = probe("host", "pc", "192.168.1.50", bind="192.168.1.100")
    assert (outcome.verdict, outcome.why) == (Verdict.DROPPED, "left its source and never arrived")


def test_what_stays_on_the_machine_has_not_left():
    listener = icmp_socket.IcmpSocket("probe.vm1")
    try:
        message = icmp.EchoRequest().build(b"12345678", 7)
        to = [icmp_socket.sockaddr(VM1), icmp_socket.sockaddr(VM2)]
        assert not mmsg.send(listener.icmp.fileno(), [(message, one) for one in to])
        left = {frame[30:34] for frame in listener.departures()}
    finally:
        listener.close()
    assert left == {bytes(map(int, VM2.split(".")))}


def test_each_of_many_that_cannot_be_sent_is_told_with_its_error():
    inside("probe.pc", "ip", "route", "del", "default")
    listener = icmp_socket.IcmpSocket("probe.pc")
    try:
        message = icmp.EchoRequest().build(b"12345678", 7)
        to = ["203.0.113.80", "192.168.1.100", "203.0.113.80", "203.0.113.80", "192.168.1.1"]
        failed = mmsg.send(
            listener.icmp.fileno(), [(message, icmp_socket.sockaddr(one)) for one in to]
        )
    finally:
        listener.close()
        inside("probe.pc", "ip", "route", "add", "default", "via", "192.168.1.1")
    assert failed == dict.fromkeys((0, 2, 3), errno.ENETUNREACH)


def test_no_thread_is_left_after_ctrl_c():
    class AtTheFirstLook(Interruption):
        def check(self) -> None:
            raise Interrupted("now")

    threads = threading.active_count()
    many = [PairProbe("probe.vm1", "probe.vm2", VM2)] * 2000
    with pytest.raises(Interrupted):
        rounds.run(many, interruption=AtTheFirstLook())
    assert threading.active_count() == threads


def test_more_probes_than_fit_in_one_batch():
    many = [
        PairProbe("probe.vm1", "probe.vm2", VM2),
        PairProbe("probe.vm2", "probe.vm1", VM1),
    ] * 600
    outcomes = rounds.run(many)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ANSWERED}
    assert [outcome.seen_as for outcome in outcomes] == [VM1, VM2] * 600


def test_repeated_runs_give_equal_matrices(running):
    first = [(r.outcome.verdict, r.seen_as) for r in lab.verify(running)]
    for _ in range(5):
        assert [(r.outcome.verdict, r.seen_as) for r in lab.verify(running)] == first
