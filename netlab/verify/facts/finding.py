"""Findings about facts: what was found, for each question whether a fact holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

from netlab.frozen import frozen
from netlab.messages import Message
from netlab.scenario.expectation import Endpoint
from netlab.verify.facts.sources import FactSources


@frozen
class Finding:
    """The answer to a question: whether a fact holds, and what was found."""

    holds: bool | None
    """None: that is not known."""
    actual: str
    """What is; where that is not known, why not. A `Message`."""


@frozen
class Question:
    """A fact's value, and the machine or adapter of which it must be true."""

    value: Any
    endpoint: Endpoint


Measure = Callable[[Sequence[Question], FactSources], Iterable[Finding]]
"""Finds out whether facts of a kind hold: a finding for each question, in their order.

Raises KernelError if a machine has just gone.
"""
Judge = Callable[[Any, Endpoint, FactSources], Finding]
"""Finds out whether a fact with this value holds for a machine."""


@frozen
class Kind:
    """A kind of facts: how it is measured, and where a person looks at the same."""

    measure: Measure
    table: str
    """The table of `netlab show` that has it."""


def each(judge: Judge) -> Measure:
    """Make of a judge of single facts what measures many, one after the other."""

    def measure(questions: Sequence[Question], sources: FactSources) -> Iterator[Finding]:
        for question in questions:
            yield judge(question.value, question.endpoint, sources)

    return measure


def any_of(findings: Sequence[Finding]) -> Finding:
    """Return what several findings come to where one that holds is enough. There must be one."""
    for holds in (True, None):
        if finding := next((finding for finding in findings if finding.holds is holds), None):
            return finding
    return Finding(False, _joined(findings))


def all_of(findings: Sequence[Finding]) -> Finding:
    """Return what several findings come to where all must hold. There must be one."""
    for holds in (False, None):
        if finding := next((finding for finding in findings if finding.holds is holds), None):
            return finding
    return Finding(True, _joined(findings))


def _joined(findings: Sequence[Finding]) -> str:
    texts = dict.fromkeys(finding.actual for finding in findings)
    return reduce(
        lambda first, second: Message("{first}; {second}", first=first, second=second), texts
    )
