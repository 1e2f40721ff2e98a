"""Findings about facts, compared with what is expected; and told to people and programs. Pure."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest

from netlab import lab  # noqa: F401  (all modes are known then)
from netlab.report import text
from netlab.report.verify.facts import MeasuredFacts
from netlab.report.verify.junit import Suite, render
from netlab.scenario.facts import MachineFact
from netlab.scenario.loader import load_text
from netlab.scenario.model import Fact
from netlab.scenario.model.facts import KINDS as WRITTEN
from netlab.verify.facts import KINDS
from netlab.verify.facts.checked import FactResult, compare
from netlab.verify.facts.finding import Finding, all_of, any_of

SCENARIO = b"""
vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
vms: {vm1: {nics: [vmnet8]}}
expect: {default: reachable, facts: [{on: vm1, listens: tcp:80}]}
"""
IS, IS_NOT, UNKNOWN = (
    Finding(True, "it is"),
    Finding(False, "it is not"),
    Finding(None, "nobody knows"),
)


def result(finding: Finding, holds: bool = True) -> FactResult:
    from netlab.scenario.facts import machine_facts

    (expected,) = machine_facts(load_text(SCENARIO, "f.yaml").topology)
    fact = Fact(on=["vm1"], listens=["tcp:80"], holds=holds)
    expectation = MachineFact(expected.index, fact, expected.endpoint)
    return FactResult(expectation, finding, compare(expectation, finding))


def test_every_kind_that_can_be_written_is_measured():
    assert set(KINDS) == set(WRITTEN)


@pytest.mark.parametrize(
    "finding, holds, failure",
    [
        (IS, True, None),
        (IS_NOT, False, None),
        (IS_NOT, True, "listens: tcp:80 is expected, but it is not"),
        (IS, False, "listens: tcp:80 must not hold, but it is"),
        (UNKNOWN, True, "listens: tcp:80 is not known: nobody knows"),
        (UNKNOWN, False, "listens: tcp:80 is not known: nobody knows"),
    ],
)
def test_what_is_not_known_meets_neither_a_fact_nor_its_opposite(finding, holds, failure):
    command = " (`sudo netlab show services vm1`)"
    assert result(finding, holds).failure == (failure and failure + command)


def test_one_of_several_is_enough_or_all_are_needed():
    assert any_of([IS_NOT, UNKNOWN, IS]) is IS
    assert any_of([IS_NOT, UNKNOWN]) is UNKNOWN
    assert any_of([IS_NOT, Finding(False, "nor that")]) == Finding(False, "it is not; nor that")
    assert all_of([IS, UNKNOWN, IS_NOT]) is IS_NOT
    assert all_of([IS, UNKNOWN]) is UNKNOWN
    assert all_of([IS, IS]) == IS


def test_people_are_told_what_fails_and_how_many_do_not():
    lines = text.plain(MeasuredFacts([result(IS), result(IS_NOT)])).splitlines()
    assert lines[0].startswith("! vm1: listens: tcp:80 is expected, but it is not")
    assert lines[-1] == "1 of 2 facts are as expected"


def test_of_very_many_failures_some_are_told():
    lines = text.plain(MeasuredFacts([result(IS_NOT)] * 100)).splitlines()
    assert len([line for line in lines if line.startswith("!")]) == 40
    assert lines[-2:] == ["… and 60 more: --json has every fact.", "0 of 100 facts are as expected"]


def test_junit_has_a_case_for_each_fact_and_machine():
    facts = [result(IS), result(IS_NOT), result(IS, holds=False), result(UNKNOWN)]
    suite = Xml.fromstring(render([Suite("lab", facts=facts)])).find("testsuite")
    counts = (suite.get("tests"), suite.get("failures"), suite.get("errors"))
    assert counts == ("4", "2", "1")
    names = [case.get("name") for case in suite]
    assert names == ["vm1: listens: tcp:80"] * 2 + [
        "vm1: not listens: tcp:80",
        "vm1: listens: tcp:80",
    ]
    assert [case[0].get("type") for case in suite if len(case)] == ["false", "true", "unknown"]
