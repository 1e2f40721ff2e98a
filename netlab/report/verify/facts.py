"""Measured facts of machines for people: all that fail, and how many do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from netlab.frozen import frozen
from netlab.messages import ENGLISH, N_, render, translator
from netlab.report.table import paragraph

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

    from netlab.verify.facts.checked import FactResult

_MOST_SHOWN = 40


@frozen
class MeasuredFacts:
    """The measured facts of a lab, to be shown in a language: those that fail, and how many do not."""

    results: Sequence[FactResult]
    language: str = ENGLISH

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        gettext = translator(self.language)
        failed = [result for result in self.results if not result.passed]
        for result in failed[:_MOST_SHOWN]:
            name, why = (
                result.expectation.endpoint.name,
                render(result.failure or "", self.language),
            )
            yield Text(paragraph(f"! {name}: {why}", options.max_width, indent=2))
        if len(failed) > _MOST_SHOWN:
            text = gettext(N_("… and {count} more: --json has every fact."))
            yield Text(text.format(count=len(failed) - _MOST_SHOWN))
        passed, style = len(self.results) - len(failed), "red" if failed else "green"
        text = gettext(N_("{passed} of {count} facts are as expected"))
        yield Text(text.format(passed=passed, count=len(self.results)), style)
