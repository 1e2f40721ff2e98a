"""A pair's probe that is over: its outcome, and what a second look may begin with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from netlab.diagnosis import phrases
from netlab.diagnosis.cause import Diagnosis
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.frozen import frozen

if TYPE_CHECKING:
    from netlab.verify.unanswered import Loss


@frozen
class PairResult:
    """A probe that is over."""

    outcome: Outcome
    loss: Loss | None
    """None if it was answered, was not watched between its ends, or not all was seen."""

    cut_short: bool = False
    """The machine ran short of something, or its packets live longer than they can by themselves."""

    @property
    def is_unexplained(self) -> bool:
        """True if a second look may tell more: of what was cut short, it would not."""
        if self.loss:
            return self.loss.diagnosis.unexplained
        return self.outcome.verdict is Verdict.UNKNOWN and not self.cut_short


def with_diagnosis(outcome: Outcome, diagnosis: Diagnosis) -> Outcome:
    """Return the outcome of a probe by what became of it."""
    return replace(
        outcome,
        verdict=diagnosis.verdict,
        why=phrases.where_and_why(diagnosis),
        at=diagnosis.at,
        cause=diagnosis.cause,
    )
