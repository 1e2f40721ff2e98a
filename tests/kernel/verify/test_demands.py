"""Rules by every kind of probe, and what they demand: each is met, and each is not by something else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from netlab import lab, report
from netlab.diagnosis.verdict import Verdict
from netlab.errors import ScenarioError
from netlab.kernel.namespaces import netns
from netlab.scenario.loader import load_text
from netlab.verify.matrix import Result
from tests.kernel.faults import rules
from tests.machine import netlab

HEAD = """
lan: {peers: {pc: {}}}
vmnets:
  vmnet8: {mode: nat, subnet: 10.0.0.0/24, nat: {forwards: {tcp: {8080: "vm1:80"}}}}
vms:
  vm1: {nics: [vmnet8], listens: [tcp:80, udp:5000]}
  vm2: {nics: [{network: vmnet8, incoming: {bandwidth: 8mbit}}], firewall: [tcp]}
expect:
  default: reachable
  rules:
"""
MET = [
    "{from: pc, to: host, by: 'tcp:8080', answered_by: vm1, through: [host, vmnet8-nat]}",
    "{from: pc, to: host, by: 'tcp:8080', not_through: router, as: pc}",
    "{from: pc, to: host, by: 'http:8080', http: {status: 200, text: You come from}}",
    "{from: vm2, to: vm1, by: ['tcp:80', 'udp:5000', http, tcp, udp, 'raw:47', arp]}",
    "{from: vm1, to: vm2, by: 'tcp:80-82', is: blocked, because: firewall, at: vm2}",
    "{from: vm1, to: vm2, by: 'tcp:80', is: dropped}",
    "{from: vm2, to: vm1, by: 'tcp:81', is: refused, because: port-closed, at: vm1}",
    "{from: vm2, to: vm1, by: 'tcp:81', is: blocked}",
    "{from: vm*, by: dhcp, dhcp: {servers: 1, server: vmnet8-dhcp, router: [10.0.0.2], dns: [10.0.0.2],"
    " domain: localdomain, lease: 1800}}",
    "{from: vm1, by: 'dns:www.example.com', dns: {address: 203.0.113.80, server: vmnet8-nat}}",
    "{from: vm1, by: 'dns:nobody.example.com', is: blocked, because: nxdomain}",
    "{from: vm1, to: internet, by: mtu, mtu: 1500}",
    "{from: vm1, to: internet, by: 'mtu:1500'}",
    "{from: vm1, to: internet, by: 'mtu:1600', is: blocked, because: mtu-exceeded, at: vm1}",
    "{from: vm1, to: internet, by: 'raw:47', is: blocked, because: protocol-not-translated}",
    "{from: vm1, to: internet, by: icmp, as: router, through: [vmnet8-nat, router]}",
    "{from: vm1, to: pc, by: icmp, as: any}",
    "{from: vm1, to: pc, by: 'icmp', is: answered}",
    "{from: vm2, to: vm1, by: iperf3, loss: {most: 20}, bandwidth: 1mbit}",
]
NOT_MET = {
    "{from: pc, to: host, by: 'tcp:8080', answered_by: host}": "to be answered by host, not by vm1",
    "{from: pc, to: host, by: 'tcp:8080', through: router}": "expected to pass router",
    "{from: pc, to: host, by: 'tcp:8080', not_through: vmnet8-nat}": "not to pass vmnet8-nat, but",
    "{from: pc, to: host, by: 'tcp:8080', as: router}": "expected to be seen as",
    "{from: pc, to: host, by: 'http:8080', http: {status: 404}}": "expected status 404, not 200",
    "{from: pc, to: host, by: 'http:8080', http: {text: Hallo}}": "expected the text 'Hallo' in",
    "{from: vm2, to: vm1, by: 'tcp:81'}": "expected reachable, but refused",
    "{from: vm2, to: vm1, by: 'tcp:81', is: dropped}": "expected dropped, but refused",
    "{from: vm1, to: vm2, by: 'tcp:81', is: refused}": "expected refused, but dropped",
    "{from: vm2, to: vm1, by: 'tcp:80', is: blocked}": "expected blocked, but",
    "{from: vm1, to: vm2, by: 'tcp:81', is: blocked, because: port-closed}": "not firewall: at vm2",
    "{from: vm1, to: vm2, by: 'tcp:81', is: blocked, at: vmnet8}": "to end at vmnet8, not at vm2",
    "{from: vm1, to: vm2, by: 'tcp:81', is: blocked, comment: nobody}": "comment 'nobody', but",
    "{from: vm1, by: dhcp, dhcp: {servers: 2}}": "of 2 DHCP servers, not of 1",
    "{from: vm1, by: dhcp, dhcp: {router: []}}": "expected router – in the offer, not 10.0.0.2",
    "{from: vm1, by: dhcp, dhcp: {lease: 60}}": "expected lease 60 in the offer, not 1800",
    "{from: vm1, by: 'dns:www.example.com', dns: {address: 203.0.113.81}}": "not 203.0.113.80",
    "{from: vm1, by: 'dns:www.example.com', dns: {server: router}}": "an answer of router, not of",
    "{from: vm1, to: internet, by: mtu, as: any, mtu: 1400}": "of 1400 bytes, not 1500",
    "{from: vm1, to: vm2, by: tcp, heard_by: pc}": "expected reachable, but dropped",
    "{from: vm2, to: vm1, by: tcp, heard_by: pc}": "expected to be heard by pc, and it was not",
    "{from: vm1, to: vm2, by: iperf3, bandwidth: 8mbit}": "not known: iperf3",
    "{from: vm1, to: pc, by: icmp, as: host, through: internet}": "expected to pass internet",
}


def measured(rules_text: list[str]) -> list[Result]:
    """Measure the pairs of rules, each in an order in which none hides another."""
    lines = "".join(f"  - {line}\n" for line in rules_text)
    source = load_text(f"{HEAD}{lines}".encode(), "d.yaml")
    with lab.running(lab.prepare(source, "demands")) as up:
        return [r for r in lab.verify(up) if r.expectation.number is not None]


def layers(texts: list[str]) -> list[list[str]]:
    """Put rules into lists in which none hides another."""
    lists: list[list[str]] = []
    for text in texts:
        for layer in lists:
            if _loads([*layer, text]):
                layer.append(text)
                break
        else:
            lists.append([text])
    return lists


def _loads(texts: list[str]) -> bool:
    try:
        load_text(f"{HEAD}{''.join(f'  - {text}' + chr(10) for text in texts)}".encode(), "d.yaml")
    except ScenarioError:
        return False
    return True


@pytest.mark.on_each_kernel
def test_every_demand_is_met():
    failures = [
        (result.expectation.rule, result.failure)
        for texts in layers(MET)
        for result in measured(texts)
        if result.failure
    ]
    assert not failures


def test_every_demand_can_fail():
    for texts in layers(list(NOT_MET)):
        failures = {
            result.expectation.number: result.failure or "as expected" for result in measured(texts)
        }
        for number, text in enumerate(texts):
            assert NOT_MET[text] in failures[number], (text, failures[number])


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    text = f"{HEAD}  - {{from: [vm1, vm2], to: [vm1, vm2], by: 'udp:9'}}\n"
    with lab.running(lab.prepare(load_text(text.encode(), "d.yaml"), "asked")) as up:
        yield up


def test_the_comment_of_the_rule_that_drops_it_is_compared():
    text = (
        "{from: vm1, to: internet, is: blocked, because: firewall, at: router, comment: no guests}"
    )
    source = load_text(f"{HEAD}  - {text}\n".encode(), "d.yaml")
    with lab.running(lab.prepare(source, "demands")) as up:
        pairs = lab.pairs(up, ["vm1"], ["internet"])
        with rules("demands.router", "forward", 'icmp type echo-request drop comment "no guests"'):
            (said,) = lab.verify(up, expectations=pairs)
        with rules("demands.router", "forward", 'icmp type echo-request drop comment "others"'):
            (other,) = lab.verify(up, expectations=pairs)
    assert said.passed, said.failure
    assert "expected to be dropped by the rule with the comment 'no guests'" in (
        other.failure or ""
    )


def test_kinds_are_chosen_and_a_blocked_pair_needs_a_reason_if_it_is_strict(running):
    only = lab.pairs(running, [], [], ["udp"])
    assert {pair.by for pair in only} == {"udp:9"}
    blocked = lab.pairs(running, ["pc"], ["vm1"])
    usual = lab.verify(running, expectations=blocked)
    assert [result.outcome.verdict for result in usual] == [Verdict.DROPPED]
    done = netlab("verify", "--lab", "asked", "--by", "tcp")
    assert done.returncode == 2
    assert "no rule of the scenario is by 'tcp'" in done.stderr


def test_what_is_learnt_is_true(running):
    """The rules that `--learn` prints, pasted into the scenario, are met; strictly, too."""
    learnt = report.learnt.text(
        lab.verify(running, expectations=lab.pairs(running, [], [], ["icmp"]))
    )
    head = HEAD.partition("expect:")[0]
    source = load_text(f"{head}{learnt}\n".encode(), "learnt.yaml")
    with lab.running(lab.prepare(source, "learnt")) as up:
        again = lab.verify(up, strict=True)
    assert [result.failure for result in again if result.failure] == []
    assert any(result.expectation.seen_as and result.expectation.rule for result in again)


def test_a_probe_that_cannot_be_sent_ends_no_others():
    """Nobody can wait at a machine that is gone for what netlab would send there; others are measured."""
    text = "{from: vm2, to: vm1, by: [tcp, udp, 'raw:47'], is: answered}"
    text += "\n  - {from: vm1, to: vm2, by: raw:47}\n  - {from: pc, to: host, by: tcp}"
    source = load_text(f"{HEAD}  - {text}\n".encode(), "d.yaml")
    with lab.running(lab.prepare(source, "gone")) as up:
        netns.delete("gone.vm1")
        results = {
            (result.expectation.source.name, result.expectation.by): result
            for result in lab.verify(up, expectations=lab.pairs(up, [], [], ["tcp", "udp", "raw"]))
        }
    assert results["pc", "tcp"].passed, results["pc", "tcp"].failure
    assert results["vm1", "raw:47"].outcome.cause == "node-gone"
    for by in ("tcp", "udp", "raw:47"):
        assert results["vm2", by].outcome.verdict is Verdict.UNKNOWN
        assert "vm1 is gone, so netlab cannot listen there" in (results["vm2", by].failure or "")


def test_a_source_without_a_route_may_be_blocked_by_each_kind_of_probe():
    head = HEAD.replace("mode: nat", "mode: hostonly").partition(", nat:")[0] + "}\n"
    head += "vms: {vm1: {nics: [vmnet8]}}\nexpect:\n  default: reachable\n  rules:\n"
    rules_text = "  - {from: vm1, to: internet, by: [icmp, tcp, 'udp:9'], is: blocked}\n"
    rules_text += (
        "  - {from: vm1, to: pc, by: [icmp, tcp], is: blocked, because: no-route, at: vm1}\n"
    )
    source = load_text(f"{head}{rules_text}".encode(), "d.yaml")
    with lab.running(lab.prepare(source, "routeless")) as up:
        results = [r for r in lab.verify(up) if r.expectation.number is not None]
    assert len(results) == 5
    assert [result.failure for result in results if result.failure] == []


def test_without_expectations_verify_shows_what_is():
    head = HEAD.partition("expect:")[0]
    with lab.running(lab.prepare(load_text(head.encode(), "n.yaml"), "nothing")):
        done = netlab("verify", "nothing")
        document = json.loads(netlab("verify", "nothing", "--json").stdout)
    assert done.returncode == 0
    assert "pairs are reached; the scenario expects nothing" in done.stdout
    assert {cell["expected"] for cell in document["cells"]} == {"whatever"}
