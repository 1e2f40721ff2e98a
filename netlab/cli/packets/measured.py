"""Matrices measured, and reported."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netlab import lab, report
from netlab.cli.called import typed
from netlab.cli.output import Output, say, show
from netlab.errors import NetlabError, SystemRefused, UsageError
from netlab.frozen import frozen
from netlab.messages import N_, translator

if TYPE_CHECKING:
    from netlab.report.verify.junit import Suite
    from netlab.scenario.expectation import Expectation
    from netlab.verify.facts.checked import FactResult
    from netlab.verify.matrix import Result

_NOT_AS_EXPECTED = 1


@frozen
class Measured:
    """A lab and its matrix, or the error that kept it from being measured."""

    running: lab.Lab
    results: tuple[Result, ...] = ()
    seconds: float = 0.0
    error: NetlabError | None = None
    unleased: tuple[lab.Unleased, ...] = ()
    facts: tuple[FactResult, ...] = ()

    @property
    def failed(self) -> bool:
        """True if a pair or a fact is not as expected."""
        pairs_fail = any(not result.passed for result in self.results)
        return pairs_fail or any(not result.passed for result in self.facts)

    def suite(self) -> Suite:
        """Return its test suite, a case per pair and per fact of a machine."""
        message = str(self.error) if self.error else None
        name = self.running.name
        return report.junit.Suite(name, self.results, self.seconds, message, self.facts)


def measure(
    output: Output,
    running: lab.Lab,
    pairs: Sequence[Expectation],
    replies_only: bool = False,
    strict: bool = False,
) -> Measured:
    """Verify a lab under a progress bar; of some of its pairs only, without its facts."""
    started = time.monotonic()
    # Before its packets teach machines anything.
    facts = tuple(lab.facts(running)) if len(pairs) == len(running.expectations) else ()
    with output.measuring(running, len(pairs)) as progress:
        results = tuple(lab.verify(running, progress, replies_only, pairs, strict))
    return Measured(running, results, time.monotonic() - started, facts=facts)


def report_measured(
    output: Output, measured: Sequence[Measured], junit: str | None, language: str
) -> None:
    """Print matrices, write JUnit, and end with the exit code that they deserve.

    Raises UsageError if the file cannot be written, and click's Exit.
    """
    documents = [_report(output, matrix, language) for matrix in measured]
    if output.json:
        output.document(documents[0] if len(documents) == 1 else {"labs": documents})
    if junit:
        _write_junit(measured, junit)
    if any(matrix.error for matrix in measured):
        raise click.exceptions.Exit(SystemRefused.exit_code)
    if any(matrix.failed for matrix in measured):
        raise click.exceptions.Exit(_NOT_AS_EXPECTED)


def _report(output: Output, measured: Measured, language: str) -> dict[str, Any]:
    """Print one for people; return its JSON document."""
    name = measured.running.name
    if measured.error:
        say(typed(f"netlab: lab {name}: {measured.error}"), to_stderr=True)
        return {"lab": name, **report.data.error(measured.error)}
    if not output.json:
        # Help, completion and JSON do without rich.
        from rich.text import Text

        heading = translator(language)(N_("lab {lab}: {title}"))
        title = measured.running.source.scenario.title
        show(Text(heading.format(lab=name, title=title) + "\n"))
        show(report.matrix.Matrix(measured.results, language))
        if measured.facts:
            show(report.facts.MeasuredFacts(measured.facts, language))
    return report.data.matrix(measured.running, measured.results, measured.unleased, measured.facts)


def _write_junit(measured: Sequence[Measured], file: str) -> None:
    suites = [matrix.suite() for matrix in measured]
    try:
        Path(file).write_text(report.junit.render(suites), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write '{file}': {error.strerror}") from error
