"""`answered_by`: the machine that answers."""

from __future__ import annotations

from netlab.messages import Message
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that another machine has answered; None if it is the one that is expected."""
    rule, answered_by = expectation.rule, measured.details.answered_by
    if not rule or not rule.answered_by or rule.answered_by == answered_by:
        return None
    if not answered_by:
        return Message("it is not known who has answered")
    return Message(
        "expected to be answered by {expected}, not by {node}",
        expected=rule.answered_by,
        node=answered_by,
    )
