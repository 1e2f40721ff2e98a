"""Pictures, matrices and JUnit from made-up results."""

from __future__ import annotations

import io
from xml.etree import ElementTree as Xml

import pytest
from rich.console import Console

from netlab import lab
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.report import data, text
from netlab.report.styled import Below, Drawing, Styled
from netlab.report.topology.drawing import draw
from netlab.report.verify import junit
from netlab.report.verify.matrix import Matrix
from netlab.scenario.expectation import matrix
from netlab.scenario.files import shipped
from netlab.scenario.loader import load_text
from netlab.verify import demands
from netlab.verify.demands.probed import Probed
from netlab.verify.matrix import Result


@pytest.fixture
def results() -> list[Result]:
    planned = lab.prepare(lab.load("hostonly"))
    outcomes = {
        "vm1": Outcome(Verdict.ANSWERED, "answered", "172.16.78.128", True),
        "vm2": Outcome(Verdict.UNKNOWN, "was not seen leaving its source"),
    }
    dead = Outcome(Verdict.DROPPED, "left its source and never arrived")
    measured = []
    for expectation in matrix(planned.topology):
        outcome = outcomes.get(expectation.source.name, dead)
        failure = demands.unmet(expectation, Probed(outcome, ("172.16.78.128",)))
        measured.append(Result(expectation, outcome, ("172.16.78.128",), failure, "vm1@vmnet1"))
    return measured


@pytest.mark.parametrize("scenario", sorted(shipped()))
def test_the_picture_of_a_shipped_scenario(scenario, golden):
    topology = lab.prepare(lab.load(scenario)).topology
    golden(f"pictures/{scenario}.txt", draw(topology, {}) + "\n")


def test_a_picture_of_many_vms_stays_within_the_width():
    vms = "".join(f"  vm{n}: {{nics: [vmnet8]}}\n" for n in range(40))
    scenario = (
        "vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}\n"
        f"vms:\n{vms}expect: {{default: blocked}}"
    )
    drawn = draw(lab.prepare(load_text(scenario.encode(), "x.yaml"), "x").topology, {}, width=80)
    boxes = [row for row in drawn.splitlines() if row.startswith("┌")]
    assert max(map(len, boxes)) <= 80
    assert all(f" vm{n} " in drawn for n in range(40))


def test_junit_has_a_case_per_cell_and_tells_failures_from_errors(results):
    root = Xml.fromstring(junit.render([junit.Suite("hostonly", results, 1.5)]))
    (suite,) = root
    cases = list(suite)
    assert len(cases) == int(suite.get("tests")) == len(results)
    failures, errors = suite.findall(".//failure"), suite.findall(".//error")
    assert len(failures) == int(suite.get("failures")) > 0
    assert len(errors) == int(suite.get("errors")) > 0
    assert {error.get("type") for error in errors} == {"unknown"}
    assert len(failures) + len(errors) == sum(not result.passed for result in results)


def test_junit_of_a_lab_that_did_not_come_up_is_an_error():
    root = Xml.fromstring(junit.render([junit.Suite("nat", error="no dnsmasq")]))
    assert root.find(".//error").get("message") == "no dnsmasq"


def test_a_narrow_terminal_gets_names_instead_of_folded_addresses(results):
    wide, narrow = (text.plain(Matrix(results), width) for width in (200, 60))
    assert "172.16.78.128" in wide
    assert "172.16.78.128" not in narrow.partition("Rows send")[0]
    assert "whose address" in narrow


def test_texts_are_shown_as_they_are():
    table = text.scenarios({"a[/b]": "00:ab:cd :smile: [red]x[/red]"})
    assert "a[/b]" in text.plain(table)
    assert "00:ab:cd :smile: [red]x[/red]" in text.plain(table)


def test_json_says_the_same_as_the_matrix(results):
    document = data.matrix(lab.prepare(lab.load("hostonly")), results)
    assert document["passed"] + document["failed"] == len(document["cells"]) == len(results)
    assert {cell["verdict"] for cell in document["cells"]} == {"answered", "unknown", "dropped"}


def test_a_terminal_shows_in_colour_what_a_pipe_shows_as_text():
    told = Below((Drawing("12345678"), "", Styled("one two", "yellow"), "plain"))
    stream = io.StringIO()
    Console(file=stream, width=5, force_terminal=True, color_system="standard").print(told)
    colour, none = "\x1b[33m", "\x1b[0m"
    assert stream.getvalue().splitlines() == [
        "12345",
        "",
        f"{colour}one {none}",
        f"{colour}two{none}",
        "plain",
    ]
    assert text.plain(told) == "12345678\n\none two\nplain"
