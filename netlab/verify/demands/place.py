"""`at`: the machine or switch where a probe ends."""

from __future__ import annotations

from netlab.messages import Message
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that it ended elsewhere; None if it ended where it is expected."""
    rule, outcome = expectation.rule, measured.outcome
    if not rule or not rule.at or rule.at == outcome.at:
        return None
    if not outcome.at:
        return Message("expected to end at {at}, and it was not followed", at=rule.at)
    return Message(
        "expected to end at {at}, not at {node}: {why}",
        at=rule.at,
        node=outcome.at,
        why=outcome.why,
    )
