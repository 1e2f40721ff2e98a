"""Measured matrices as JUnit XML: a suite per lab, a case per cell and fact."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.report.verify import fact_cases
from netlab.scenario.model import ICMP, Family
from netlab.verify.facts.checked import FactResult
from netlab.verify.matrix import Result
from netlab.visible import visible


@frozen
class Suite:
    """The results of one lab. `error` is set if it could not be measured at all."""

    name: str
    results: Sequence[Result] = ()
    seconds: float = 0.0
    error: str | None = None
    facts: Sequence[FactResult] = ()


def render(suites: Sequence[Suite]) -> str:
    """Return the XML document, as CI systems read it."""
    root = Xml.Element("testsuites", name="netlab")
    for suite in suites:
        root.append(_suite(suite))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(suite: Suite) -> Xml.Element:
    failures = sum(_is_failure(result) for result in suite.results)
    errors = sum(_is_error(result) for result in suite.results) + bool(suite.error)
    element = Xml.Element(
        "testsuite",
        name=suite.name,
        tests=str(len(suite.results) + bool(suite.error)),
        failures=str(failures),
        errors=str(errors),
        skipped="0",
        time=f"{suite.seconds:.3f}",
    )
    if suite.error:
        case = Xml.SubElement(element, "testcase", classname=f"netlab.{suite.name}", name="up")
        Xml.SubElement(case, "error", message=visible(suite.error))
    for result in suite.results:
        element.append(_case(suite.name, result))
    fact_cases.add_cases(element, suite.name, suite.facts)
    return element


def _case(lab: str, result: Result) -> Xml.Element:
    expectation = result.expectation
    over = " over IPv6" * (expectation.over is Family.IPV6)
    by = "" if expectation.by == ICMP else f" by {expectation.by}"
    pair = f"{expectation.source.name} → {expectation.target.name}"
    name = f"{pair}{over}{by}: {expectation.verdict}"
    case = Xml.Element("testcase", classname=f"netlab.{lab}", name=name)
    if result.failure:
        kind = "error" if _is_error(result) else "failure"
        Xml.SubElement(
            case, kind, message=visible(result.failure), type=result.outcome.verdict.value
        )
    return case


def _is_error(result: Result) -> bool:
    """Return whether the measurement failed, not the network: the verdict is unknown."""
    return result.outcome.verdict is Verdict.UNKNOWN


def _is_failure(result: Result) -> bool:
    return not result.passed and not _is_error(result)
