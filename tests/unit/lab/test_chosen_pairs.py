"""Some pairs of a matrix: which ones are meant, what is measured besides, how they are shown."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.errors import UsageError
from netlab.report import text
from netlab.report.verify.matrix import Matrix
from netlab.scenario.expectation import Expectation, witnesses
from netlab.verify.matrix import Result


@pytest.fixture(scope="module")
def planned() -> lab.Lab:
    return lab.prepare(lab.load("three-modes"))


def names(pairs: tuple[Expectation, ...] | list[Expectation]) -> list[str]:
    return [f"{one.source.name} {one.target.name}" for one in pairs]


def test_names_patterns_and_adapters(planned):
    assert names(lab.pairs(planned, ["vm1"], ["internet"])) == ["vm1 internet"]
    assert names(lab.pairs(planned, ["vm[45]"], ["vm[45]", "host@*"])) == [
        "vm4 vm5",
        "vm4 host@lan",
        "vm5 vm4",
        "vm5 host@lan",
    ]
    assert lab.pairs(planned, [], []) == planned.expectations
    assert {one.target.name for one in lab.pairs(planned, [], ["pc"])} == {"pc"}


@pytest.mark.parametrize(
    ("sources", "targets", "what"),
    [
        (["vm9"], [], "'vm9' names no endpoint; use one of: vm1, vm2, vm3, vm4, vm5, host, pc,"),
        ([], ["vm1", "x*"], "'x[*]' names no endpoint"),
        (["host@vmnet8"], [], "'host@vmnet8' names no endpoint"),
        (["vm1"], ["vm1"], "there is no pair from vm1 to vm1"),
    ],
)
def test_what_names_nothing(planned, sources, targets, what):
    with pytest.raises(UsageError, match=what) as said:
        lab.pairs(planned, sources, targets)
    assert said.value.fix


def test_pairs_that_no_rule_names_by_a_kind_are_not_said_to_be_of_one_machine():
    hub = lab.prepare(lab.load("hub"))
    with pytest.raises(UsageError, match="there is no pair from vm2 to all by tcp") as said:
        lab.pairs(hub, ["vm2"], [], ["tcp"])
    assert said.value.fix == "only those that a rule names are measured"


def test_each_source_shows_that_it_can_send(planned):
    blocked = lab.pairs(planned, ["vm4", "vm5"], ["internet"])
    assert names(witnesses(planned.expectations, blocked)) == ["vm4 vm5", "vm5 vm4"]
    nat = lab.pairs(planned, ["vm2"], ["internet"])
    assert names(witnesses(planned.expectations, nat)) == ["vm2 vm3"]
    neighbours = lab.pairs(planned, ["vm2"], ["vm3", "internet"])
    assert not witnesses(planned.expectations, neighbours)
    assert not witnesses(planned.expectations, planned.expectations)


@pytest.mark.parametrize(
    ("sources", "targets", "columns"),
    [
        ([], [], "vm1 vm2 vm3 vm4 vm5 host host@lan pc router internet"),
        (["vm3", "vm1"], [], "vm1 vm2 vm3 vm4 vm5 host host@lan pc router internet"),
        (["host"], ["router", "vm*"], "vm1 vm2 vm3 vm4 vm5 router"),
        (["vm*"], ["internet", "host"], "host internet"),
        (["vm2", "vm3"], ["vm2", "vm3"], "vm2 vm3"),
    ],
)
def test_columns_are_in_the_order_of_the_whole_matrix(planned, sources, targets, columns):
    outcome = Outcome(Verdict.DROPPED, "left its source and never arrived")
    results = [Result(one, outcome, (), None, None) for one in lab.pairs(planned, sources, targets)]
    first, *_ = text.plain(Matrix(results)).splitlines()
    assert first.split() == columns.split()
