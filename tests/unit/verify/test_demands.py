"""Demands of rules, compared with outcomes: what is met, what is not, and with which words."""

from __future__ import annotations

import pytest

from netlab import lab, report
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.scenario.expectation import Expectation
from netlab.scenario.loader import load_text
from netlab.verify import demands
from netlab.verify.demands.probed import Probed
from netlab.verify.details import Details, Throughput
from netlab.verify.matrix import Result, with_cause

HEAD = """
vmnets:
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
vms:
  vm1: {nics: [vmnet8]}
  vm2: {nics: [vmnet8]}
expect:
  default: reachable
  rules:
"""
BY_RULE = 'at vm2, a firewall rule dropped it (firewall: filter in: drop comment "no guests")'
BY_IPTABLES = "at vm2, a firewall rule dropped it (firewall: -m comment --comment guests -j DROP)"
NO_ROUTE = "at vm1, the routing table has no way to that address (no-route: the kernel, for x)"


def pair(rule: str) -> Expectation:
    source = load_text(f"{HEAD}    - {{from: vm1, to: vm2, {rule}}}\n".encode(), "r.yaml")
    pairs = lab.prepare(source, "r").expectations
    return next(expectation for expectation in pairs if expectation.rule)


def result(rule: str, outcome: Outcome, details: Details | None = None) -> Result:
    expectation = pair(rule)
    details = details or Details()
    failure = demands.unmet(expectation, Probed(outcome, (), details))
    return Result(expectation, outcome, (), failure, None, details=details)


@pytest.mark.parametrize("why", [BY_RULE, BY_IPTABLES])
@pytest.mark.parametrize(
    ("comment", "meets"), [("guests", True), ("firewall", False), ("vm2", False)]
)
def test_a_comment_is_looked_for_in_the_rule_s_comment_only(why, comment, meets):
    outcome = Outcome(Verdict.DROPPED, why, at="vm2", cause="firewall")
    assert result(f"is: blocked, comment: {comment}", outcome).passed == meets


@pytest.mark.parametrize("cause", ["no-address", "nic-down"])
def test_a_source_that_sends_nothing_is_blocked_if_the_rule_says_so(cause):
    outcome = Outcome(Verdict.DROPPED, "why", at="vm1", cause=cause, source_sends=False)
    assert "the source sends nothing" in (result("by: tcp, is: blocked", outcome).failure or "")
    assert result(f"by: tcp, is: blocked, because: {cause}", outcome).passed
    assert not result("by: tcp, is: blocked, because: firewall", outcome).passed


def test_strictly_no_cause_is_named_that_is_not_known():
    for cause in (None, "unknown"):
        outcome = Outcome(Verdict.DROPPED, "left its source and never arrived", cause=cause)
        strict = with_cause(result("is: blocked", outcome))
        assert strict.failure == (
            "blocked, and it is not known why: left its source and never arrived"
        )
    outcome = Outcome(Verdict.DROPPED, "why", cause="no-address")
    strict = with_cause(result("is: blocked", outcome))
    assert "no rule says why (`because: no-address`)" in (strict.failure or "")


def test_strictly_where_nothing_is_expected_nothing_needs_a_reason():
    planned = lab.prepare(load_text(HEAD.partition("expect:")[0].encode(), "n.yaml"), "n")
    outcome = Outcome(Verdict.DROPPED, "why", cause="firewall")
    assert with_cause(Result(planned.expectations[0], outcome, (), None, None)).passed


@pytest.mark.parametrize(
    ("rule", "figures"),
    [
        ("bandwidth: 1mbit", "bandwidth: 7.6mbit"),
        ("loss: 2", "loss: 0.5"),
        ("bandwidth: 1mbit, loss: 2", "bandwidth: 7.6mbit, loss: 0.5"),
    ],
)
def test_of_a_bandwidth_what_was_measured_is_a_comment(rule, figures):
    outcome, details = Outcome(Verdict.ANSWERED, ""), Details(throughput=Throughput(7.6e6, 0.5))
    learnt = report.learnt.text([result(f"by: iperf3, {rule}", outcome, details)])
    assert learnt == f"expect:\n  # vm1 → vm2 by iperf3: {figures}"


def test_what_is_not_known_is_a_comment_with_the_kind_of_probe():
    learnt = report.learnt.text([result("by: tcp", Outcome(Verdict.UNKNOWN, "why"))])
    assert learnt == "expect:\n  # vm1 → vm2 by tcp: why"
