"""`because` and `comment`: why a pair is blocked."""

from __future__ import annotations

from netlab.messages import Message
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that it is blocked for another reason; None if it is the one that is expected."""
    rule, outcome = expectation.rule, measured.outcome
    if rule and rule.because and rule.because != outcome.cause:
        return Message(
            "expected blocked because of {because}, not {cause}: {why}",
            because=rule.because,
            cause=outcome.cause or "unknown",
            why=outcome.why,
        )
    if rule and rule.comment and rule.comment not in outcome.why:
        return Message(
            "expected to be dropped by the rule with the comment '{comment}', but: {why}",
            comment=rule.comment,
            why=outcome.why,
        )
    return None
