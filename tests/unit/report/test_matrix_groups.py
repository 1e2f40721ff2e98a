"""Matrices as a person reads them: of any size, at any width, and what is wrong by its causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from netlab import lab
from netlab.diagnosis import phrases
from netlab.diagnosis.cause import DNS_WORDS, Cause, Diagnosis
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.messages import Message
from netlab.report.text import plain
from netlab.report.verify.groups import PairBlock, groups, shortened
from netlab.report.verify.matrix import Matrix, with_ranges
from netlab.scenario.expectation import Expectation, matrix
from netlab.scenario.loader import load_text
from netlab.scenario.topology import Role
from netlab.verify import demands
from netlab.verify.demands.probed import Probed
from netlab.verify.matrix import Result

ADDRESSES = {"host@lan": "192.168.1.100", "router@wan": "203.0.113.1"}
OWN = "10.0.0.99"
POLICY = "at host, a firewall rule dropped it (firewall: host forward: policy drop)"

Decide = Callable[[Expectation], Outcome]


def answered(seen: str = OWN) -> Outcome:
    return Outcome(Verdict.ANSWERED, f"answered; the target saw {seen}", seen, True)


def dead(why: str, at: str = "", cause: str | None = None) -> Outcome:
    return Outcome(Verdict.DROPPED, why, at=at, cause=cause)


def as_wanted(ends: Expectation) -> Outcome:
    if not ends.reachable:
        return dead(POLICY, "host", "firewall")
    return answered(ADDRESSES.get(ends.seen_adapters()[0].name, OWN))


def lab_of(vms: Iterable[str], rules: str = "") -> lab.Lab:
    text = (
        "vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}\n"
        f"vms: {{{', '.join(f'{vm}: {{nics: [vmnet8]}}' for vm in vms)}}}\n"
        f"expect: {{default: reachable, rules: [{rules}]}}"
    )
    return lab.prepare(load_text(text.encode(), "x.yaml"), "x")


def measured(planned: lab.Lab, decide: Decide) -> list[Result]:
    found = []
    for ends in matrix(planned.topology):
        outcome = decide(ends)
        allowed = (
            [ADDRESSES.get(adapter.name, OWN) for adapter in ends.seen_adapters()]
            if ends.reachable
            else []
        )
        others = {address: name for name, address in ADDRESSES.items()}
        seen_as = others.get(outcome.seen_as or "", f"{ends.source.node.name}@vmnet8")
        failure = demands.unmet(ends, Probed(outcome, tuple(allowed)))
        found.append(Result(ends, outcome, tuple(allowed), failure, seen_as))
    return found


STUDENTS = [f"student{number:02}" for number in range(1, 41)]
RULES = (
    "{from: student0*, to: student3*, is: blocked}, {from: host, to: 'student*', is: blocked},"
    "{from: 'student*', to: internet, as: router@wan}, {from: 'student*', to: pc, as: host@lan}"
)


def school(ends: Expectation) -> Outcome:
    """A wrong firewall, a host that gets through, a missing default route, a NAT that does nothing."""
    source, target = ends.source.name, ends.target.name
    if source.startswith("student1") and target.startswith("student3"):
        return dead(POLICY, "host", "firewall")
    if source == "host" and target.startswith("student"):
        return answered()
    if source in ("student21", "student23", "student24", "student25") and target == "internet":
        way = "the routing table has no way to that address"
        return dead(f"at {source}, {way} (no-route: the kernel, for x)", source, "no-route")
    if source == "student40" and target in ("pc", "internet"):
        return answered()
    return as_wanted(ends)


@pytest.fixture(scope="module")
def forty() -> list[Result]:
    peers = "lan: {peers: {pc: 192.168.1.50}}\n"
    text = lab_of(STUDENTS).source.text.decode()
    text = peers + text.replace("rules: []", f"rules: [{RULES}]")
    return measured(lab.prepare(load_text(text.encode(), "x.yaml"), "x"), school)


@pytest.mark.parametrize("width", [80, 120, 40])
def test_forty_vms_on_a_terminal(forty, width, golden):
    golden(f"matrix/forty-{width}.txt", plain(Matrix(forty), width) + "\n")


@pytest.mark.parametrize("width", [80])
def test_forty_vms_in_chinese(forty, width, golden):
    """The failures are rendered with all that they are made of, and broken between characters."""
    results = [
        replace(
            result,
            failure=demands.unmet(
                result.expectation, Probed(explained(result), result.allowed_sources)
            ),
        )
        if result.failure
        else result
        for result in forty
    ]
    text = plain(Matrix(results, "zh"), width)
    assert max(map(cell_len, text.splitlines())) <= width
    golden(f"matrix/forty-zh-{width}.txt", text + "\n")


def explained(result: Result) -> Outcome:
    """The outcome with evidence as a diagnosis has it."""
    outcome = result.outcome
    if not outcome.cause:
        return replace(outcome, why=Message("answered; the target saw {address}", address=OWN))
    evidence = Message("the kernel: {error}", error="x")
    diagnosis = Diagnosis(outcome.verdict, outcome.at, Cause(outcome.cause), evidence)
    return replace(outcome, why=phrases.where_and_why(diagnosis))


def test_a_pipe_has_every_address(forty):
    head, first, *_ = plain(Matrix(forty)).splitlines()
    assert head.split() == [*STUDENTS, "host", "pc", "router", "internet"]
    ends = [OWN, "192.168.1.100", OWN, "203.0.113.1"]
    assert first.split() == ["student01", "–", *[OWN] * 28, *["✘"] * 10, OWN, *ends]


@pytest.mark.parametrize("name", ["three-modes", "ipv6", "two-uplinks"])
@pytest.mark.parametrize("width", [80, 120])
def test_shipped_scenarios_on_a_terminal(name, width, golden):
    results = measured(lab.prepare(lab.load(name)), as_wanted)
    golden(f"matrix/{name}-{width}.txt", plain(Matrix(results), width) + "\n")


@pytest.mark.parametrize("width", [120, 80, 40])
def test_long_names_have_room(width):
    vms = [f"web-frontend-production-of-berlin-{number}" for number in range(1, 10)]
    lines = plain(Matrix(measured(lab_of(vms), as_wanted)), width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(any(vm in line for line in lines) for vm in vms)


def test_a_matrix_that_nobody_would_read_is_said_to_be_one():
    results = measured(lab_of(f"vm{number}" for number in range(1, 201)), as_wanted)
    shown = plain(Matrix(results), 80)
    assert "too large to be drawn" in shown
    assert len(shown.splitlines()) < 5


def test_a_thousand_pairs_of_one_cause_are_one_thing():
    silent = "nobody answered the question for the next hop's MAC address"

    def decide(ends: Expectation) -> Outcome:
        if ends.source.name.startswith("vm") and ends.target.name.startswith("vm"):
            why = f"(arp-unanswered: it asked who has {ends.target.name}, 10.0.0.{id(ends) % 250})"
            return dead(
                f"at {ends.source.name}, {silent} {why}", ends.source.name, "arp-unanswered"
            )
        return as_wanted(ends)

    names = [f"vm{number}" for number in range(1, 41)]
    (group,) = groups(measured(lab_of(names), decide))
    assert group.blocks == (PairBlock(tuple(names), tuple(names), 40 * 39),)
    assert (
        group.what == f"expected reachable, but dropped: at the sender, {silent} (arp-unanswered)"
    )
    assert group.example.startswith("expected reachable, but dropped: at vm1, ")
    shown = plain(Matrix(group.results), 80)
    assert "! vm1…vm40 → vm1…vm40, 1560 pairs: expected reachable" in shown
    assert len(shown.splitlines()) < 60


def test_two_rules_of_one_firewall_are_two_causes():
    def decide(ends: Expectation) -> Outcome:
        rule = {"vm1": "tcp drop", "vm2": "ip saddr 10.0.0.1 drop", "vm3": "ip saddr 10.0.0.3 drop"}
        if (name := ends.source.name) in rule and ends.target.name == "internet":
            why = f"a firewall rule dropped it (firewall: host forward: {rule[name]})"
            return dead(f"at host, {why}", "host", "firewall")
        return as_wanted(ends)

    found = groups(measured(lab_of(["vm1", "vm2", "vm3"]), decide))
    assert [len(one.results) for one in found] == [2, 1]


def test_every_pair_is_in_one_block_and_no_other_is(forty):
    for group in groups(forty):
        wanted = {
            (one.expectation.source.name, one.expectation.target.name) for one in group.results
        }
        pairs = [(a, b) for block in group.blocks for a in block.sources for b in block.targets]
        real = {(one.expectation.source.name, one.expectation.target.name) for one in forty}
        assert sorted(pair for pair in pairs if pair in real) == sorted(wanted)
        assert sum(block.pairs for block in group.blocks) == len(wanted)


def test_what_is_not_known_comes_last():
    def decide(ends: Expectation) -> Outcome:
        if ends.source.name == "vm1" and ends.target.name == "internet":
            return dead(POLICY, "host", "firewall")
        if ends.source.name == "vm2":
            return Outcome(Verdict.UNKNOWN, "7 packets were not recorded")
        return as_wanted(ends)

    found = groups(measured(lab_of(["vm1", "vm2"]), decide))
    assert [one.results[0].outcome.verdict for one in found] == [Verdict.DROPPED, Verdict.UNKNOWN]
    assert found[1].what == "not known: 7 packets were not recorded"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("vm1 vm2", "vm1, vm2"),
        ("vm1 vm2 vm3", "vm1…vm3"),
        ("vm8 vm9 vm10 vm11", "vm8…vm11"),
        ("vm08 vm09 vm10", "vm08…vm10"),
        ("vm08 vm9 vm10", "vm08, vm9, vm10"),
        ("vm1 vm2 vm4 vm5 vm6", "vm1, vm2, vm4…vm6"),
        ("vm1@lan vm2@lan vm3@lan", "vm1@lan…vm3@lan"),
        ("vm1@vmnet1 vm1@vmnet2 vm1@vmnet3", "vm1@vmnet1, vm1@vmnet2, vm1@vmnet3"),
        ("a-1 a-2 a-3 b1", "a-1…a-3, b1"),
        ("a b c d e f g", "a, b, c, d, e, f, g"),
        ("a b c d e f x1 x2 x3 y", "a, b, c, d, e, f and 4 more"),
    ],
)
def test_names_are_shortened_by_ranges_of_whole_numbers(names, said):
    assert shortened(names.split(), 6) == said


@pytest.mark.parametrize(
    ("is_", "sends", "words"),
    [
        ("refused", True, "expected refused, but dropped: at the receiver, a firewall rule"),
        ("blocked", False, "expected blocked, but the source sends nothing: at the receiver, a"),
    ],
)
def test_what_never_arrived_is_not_said_to_have_arrived(is_, sends, words):
    planned = lab_of(["vm1", "vm2", "vm3"], f"{{from: vm*, to: vm*, is: {is_}}}")

    def decide(ends: Expectation) -> Outcome:
        if {ends.source.node.role, ends.target.node.role} != {Role.VM}:
            return as_wanted(ends)
        node = ends.target.name
        why = f"at {node}, a firewall rule dropped it (firewall: {node} in: policy drop)"
        return replace(dead(why, node, "firewall"), source_sends=sends)

    (group,) = groups(measured(planned, decide))
    assert len(group.results) == 6
    assert group.what.startswith(words)


def test_pairs_without_an_address_are_grouped_by_whose_it_is():
    planned = lab_of(["vm1", "vm2"])
    found = groups(
        measured(
            planned,
            lambda ends: (
                dead(f"{ends.target.name} has no address", cause="no-address")
                if ends.target.node.role is Role.VM
                else as_wanted(ends)
            ),
        )
    )
    assert sorted(group.what for group in found) == [
        "expected reachable, but dropped: vm1 has no address",
        "expected reachable, but dropped: vm2 has no address",
    ]


def test_what_dns_codes_mean_are_not_the_words_of_verdicts():
    """Each is translated by itself: who refuses a query and who is refused are not the same."""
    assert not {str(verdict) for verdict in Verdict} & {str(text) for text in DNS_WORDS.values()}


def test_ports_in_a_row_are_a_range():
    ports = [f"tcp:{port}" for port in range(1, 101)]
    assert [*with_ranges(["icmp", *ports, "tcp:200", "tcp:201", "udp:202"])] == [
        *("icmp", "tcp:1-100", "tcp:200", "tcp:201", "udp:202")
    ]
    assert [*with_ranges([f"{port} (IPv6)" for port in ports[:3]])] == ["tcp:1-3 (IPv6)"]
    assert [*with_ranges(["mtu:68", "mtu:69", "mtu:70"])] == ["mtu:68", "mtu:69", "mtu:70"]
