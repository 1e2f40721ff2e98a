"""`is`: whether a probe is answered, refused or dropped."""

from __future__ import annotations

from dataclasses import replace

from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.messages import Message
from netlab.scenario.expectation import WHATEVER, Expectation
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that the verdict is another one; None if it is the one that is expected."""
    if expectation.verdict == WHATEVER:
        return None
    outcome, rule = measured.outcome, expectation.rule
    if rule and rule.because and rule.because == outcome.cause:
        # Also a reply that is lost may be meant, or a source that can send nothing.
        outcome = replace(outcome, arrived=False, source_sends=True)
    return compare(expectation.verdict, outcome)


def compare(expected: str, outcome: Outcome) -> str | None:
    """Return why an outcome is not as expected, None if it is. Verdict `unknown` meets none."""
    if outcome.verdict is Verdict.UNKNOWN:
        return Message("not known: {why}", why=outcome.why)
    if expected in ("reachable", "answered"):
        if outcome.verdict is Verdict.DROPPED:
            return Message("expected reachable, but dropped: {why}", why=outcome.why)
        if outcome.verdict is Verdict.REFUSED:
            return Message("expected reachable, but refused: {why}", why=outcome.why)
        return None
    if outcome.verdict is Verdict.ANSWERED or (expected == "blocked" and outcome.arrived):
        return Message("expected blocked, but {why}", why=outcome.why)
    if not outcome.source_sends:
        return Message("expected blocked, but the source sends nothing: {why}", why=outcome.why)
    if expected == "refused" and outcome.verdict is Verdict.DROPPED:
        return Message("expected refused, but dropped: {why}", why=outcome.why)
    if expected == "dropped" and outcome.verdict is Verdict.REFUSED:
        return Message("expected dropped, but refused: {why}", why=outcome.why)
    return None
