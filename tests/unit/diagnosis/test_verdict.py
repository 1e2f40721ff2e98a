"""What evidence proves, and which outcome meets which expectation."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from netlab import lab
from netlab.diagnosis.verdict import EchoSightings, Outcome, Verdict, outcome_of
from netlab.kernel.host.overload import OverloadMonitor
from netlab.packets import icmp
from netlab.scenario.expectation import matrix
from netlab.verify import demands, rounds
from netlab.verify.batches import PairProbe
from netlab.verify.demands.probed import Probed
from netlab.verify.results import PairResult


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (EchoSightings(left=True, delivered_from=["10.0.0.1"], answered=True), Verdict.ANSWERED),
        (EchoSightings(left=True, answered=True), Verdict.UNKNOWN),
        (EchoSightings(left=True, error="192.168.1.1 says: no"), Verdict.REFUSED),
        (EchoSightings(left=True), Verdict.DROPPED),
        (EchoSightings(left=True, delivered_from=["10.0.0.1"]), Verdict.DROPPED),
        (EchoSightings(unresolved=True), Verdict.DROPPED),
        (EchoSightings(unresolved=True, shortage="the table is full"), Verdict.UNKNOWN),
        (EchoSightings(), Verdict.UNKNOWN),
        (EchoSightings(source_could_send=True), Verdict.UNKNOWN),
        (EchoSightings(send_error=errno.ENETUNREACH, source_could_send=True), Verdict.DROPPED),
        (EchoSightings(send_error=errno.ENETUNREACH), Verdict.UNKNOWN),
        (EchoSightings(send_error=errno.EPERM, source_could_send=True), Verdict.UNKNOWN),
        (EchoSightings(left=True, sightings_lost=1), Verdict.UNKNOWN),
        (
            EchoSightings(left=True, delivered_from=["10.0.0.1"], answered=True, sightings_lost=1),
            Verdict.UNKNOWN,
        ),
        (
            EchoSightings(left=True, delivered_from=["10.0.0.1", "10.0.0.9"], answered=True),
            Verdict.UNKNOWN,
        ),
    ],
)
def test_a_verdict_claims_no_more_than_was_seen(evidence, verdict):
    assert outcome_of(evidence).verdict is verdict


TABLE = "entries  table_fulls\n000000ca 0000000{}\n000000ca 00000001\n"
QUEUES = "1475f920 0000000{} 0000002b\n13b07c7e 00000000 00000026\n"


@pytest.mark.parametrize(
    ("full", "dropped", "words"),
    [(0, 0, ""), (3, 0, "gc_thresh3"), (0, 2, "netdev_max_backlog"), (1, 1, "gc_thresh3")],
)
def test_what_the_machine_runs_out_of_is_told_with_its_setting(monkeypatch, full, dropped, words):
    shown = {
        "/proc/net/stat/arp_cache": TABLE.format(1),
        "/proc/net/softnet_stat": QUEUES.format(2),
    }
    monkeypatch.setattr("netlab.kernel.files.read", shown.get)
    overload = OverloadMonitor()
    shown["/proc/net/stat/arp_cache"] = TABLE.format(1 + full)
    shown["/proc/net/softnet_stat"] = QUEUES.format(2 + dropped)
    assert words in overload.since()
    assert bool(words) == bool(overload.since())
    shown.clear()
    assert OverloadMonitor().since() == "", "a container may not see them"


@pytest.mark.parametrize(("shortage", "times"), [("the table is full", 2), ("", 1)])
def test_what_a_shortage_has_spoilt_is_tried_again(monkeypatch, shortage, times):
    """What is unknown for another reason is not, where nobody watches."""
    outcomes = [Outcome(Verdict.UNKNOWN, "full"), Outcome(Verdict.ANSWERED, "answered")]
    done = []

    def measured(probes, *_):
        done.append(probes)
        return [PairResult(outcomes[len(done) - 1], None)]

    monkeypatch.setattr(OverloadMonitor, "since", lambda _: shortage)
    monkeypatch.setattr(rounds, "_round", measured)
    probe = PairProbe("lab.vm1", "lab.vm2", "10.0.0.2")
    assert rounds.run([probe]) == [outcomes[times - 1]]
    assert len(done) == times


def unmet(verdict: str, outcome: Outcome) -> str | None:
    """Compare an outcome with what is expected of a pair of the lab `nat`."""
    topology = lab.prepare(lab.load("nat")).topology
    reachable = next(pair for pair in matrix(topology) if pair.verdict == "reachable")
    is_seen = verdict == "reachable"
    pair = replace(reachable, verdict=verdict, seen_as=reachable.seen_as if is_seen else None)
    return demands.unmet(pair, Probed(outcome, ("10.0.0.1",) if is_seen else ()))


@pytest.mark.parametrize("verdict", ["reachable", "blocked", "answered", "refused", "dropped"])
def test_unknown_never_meets_an_expectation(verdict):
    assert unmet(verdict, Outcome(Verdict.UNKNOWN, "why"))


@pytest.mark.parametrize(
    ("outcome", "meets_reachable", "meets_blocked"),
    [
        (Outcome(Verdict.ANSWERED, "", seen_as="10.0.0.1", arrived=True), True, False),
        (Outcome(Verdict.ANSWERED, "", seen_as="10.0.0.2", arrived=True), False, False),
        (Outcome(Verdict.REFUSED, ""), False, True),
        (Outcome(Verdict.DROPPED, ""), False, True),
        (Outcome(Verdict.DROPPED, "", source_sends=False), False, False),
        (Outcome(Verdict.DROPPED, "", seen_as="10.0.0.1", arrived=True), False, False),
    ],
)
def test_what_meets_what(outcome, meets_reachable, meets_blocked):
    assert (unmet("reachable", outcome) is None) == meets_reachable
    assert (unmet("blocked", outcome) is None) == meets_blocked


def test_a_token_is_found_in_requests_answers_and_quoted_errors():
    from scapy.layers.inet import ICMP, IP
    from scapy.packet import Raw

    token = b"12345678"
    request = IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(icmp.EchoRequest().build(token, 7))
    answer = IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=0, id=7) / Raw(token + icmp.MARK)
    error = IP(src="10.0.0.9", dst="10.0.0.1") / ICMP(type=3, code=1) / bytes(request)
    own = IP(src="10.0.0.1", dst="10.0.0.1") / ICMP(type=3, code=1) / bytes(request)
    read = [icmp.read_ipv4_packet(bytes(packet)) for packet in (request, answer, error, own)]
    assert [(m.kind, m.token, m.source, m.local) for m in read] == [
        (icmp.Part.REQUEST, token, "10.0.0.1", False),
        (icmp.Part.REPLY, token, "10.0.0.2", False),
        (icmp.Part.ERROR, token, "10.0.0.9", False),
        (icmp.Part.ERROR, token, "10.0.0.1", True),
    ]
    assert "10.0.0.9 says: ICMP host unreachable" in read[2].text
    stranger = IP() / ICMP() / Raw(b"someone else's ping")
    assert icmp.read_ipv4_packet(bytes(stranger)) is None
    assert icmp.token_of(icmp.MARK + b"short") is None
