"""Facts in, results out: what is expected of machines, measured and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.errors import KernelError
from netlab.frozen import frozen
from netlab.messages import Message
from netlab.scenario.facts import MachineFact
from netlab.verify.facts import KINDS
from netlab.verify.facts.finding import Finding, Question
from netlab.verify.facts.sources import FactSources


@frozen
class FactResult:
    """A fact of a machine: the expectation and what was found."""

    expectation: MachineFact
    finding: Finding
    failure: str | None
    """Why the expectation is not met, with where to look; None if it is."""

    @property
    def passed(self) -> bool:
        return self.failure is None


def check(expectations: Sequence[MachineFact], sources: FactSources) -> list[FactResult]:
    """Measure facts, a kind after the other; return a result for each, in their order. Raises Interrupted."""
    findings: dict[int, Finding] = {}
    for kind in dict.fromkeys(expectation.fact.kind for expectation in expectations):
        of_kind = [number for number, fact in enumerate(expectations) if fact.fact.kind == kind]
        present = [n for n in of_kind if expectations[n].endpoint.node.name in sources.namespaces]
        questions = [
            Question(expectations[number].fact.value, expectations[number].endpoint)
            for number in present
        ]
        findings |= zip(present, _measure(kind, questions, sources), strict=True)
    results = []
    for number, expectation in enumerate(expectations):
        finding = findings.get(number) or _gone(expectation)
        results.append(FactResult(expectation, finding, compare(expectation, finding)))
    return results


def _measure(kind: str, questions: Sequence[Question], sources: FactSources) -> Iterator[Finding]:
    """Yield the findings; of a machine that goes meanwhile, that it is not known."""
    number = 0
    try:
        for finding in KINDS[kind].measure(questions, sources):
            number += 1
            yield finding
    except KernelError as error:
        yield from (Finding(None, error.what) for _ in questions[number:])


def _gone(expectation: MachineFact) -> Finding:
    node = expectation.endpoint.node.name
    return Finding(None, Message("{node} is gone: nobody can look at it", node=node))


def compare(expectation: MachineFact, finding: Finding) -> str | None:
    """Return why an expectation is not met, None if it is. What is not known meets none."""
    fact = expectation.fact
    node = expectation.endpoint.node.name
    table = KINDS[fact.kind].table
    named = {"fact": fact.text, "actual": finding.actual, "command": f"show {table} {node}"}
    if finding.holds is None:
        return Message("{fact} is not known: {actual} (`sudo netlab {command}`)", **named)
    if finding.holds is fact.holds:
        return None
    if fact.holds:
        return Message("{fact} is expected, but {actual} (`sudo netlab {command}`)", **named)
    return Message("{fact} must not hold, but {actual} (`sudo netlab {command}`)", **named)
