"""Measured facts of machines as JUnit XML: a case for each fact and machine."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from netlab.verify.facts.checked import FactResult
from netlab.visible import visible


def add_cases(suite: Xml.Element, lab: str, results: Sequence[FactResult]) -> None:
    """Add a case for each fact and machine to a lab's test suite, and count it there."""
    for result in results:
        fact = result.expectation.fact
        negation = "" if fact.holds else "not "
        name = f"{result.expectation.endpoint.name}: {negation}{fact.text}"
        case = Xml.SubElement(suite, "testcase", classname=f"netlab.{lab}", name=visible(name))
        _count(suite, "tests")
        if result.failure:
            is_unknown = result.finding.holds is None
            kind = "error" if is_unknown else "failure"
            verdict = "unknown" if is_unknown else str(result.finding.holds).lower()
            Xml.SubElement(case, kind, message=visible(result.failure), type=verdict)
            _count(suite, f"{kind}s")


def _count(suite: Xml.Element, attribute: str) -> None:
    suite.set(attribute, str(int(suite.get(attribute, "0")) + 1))
