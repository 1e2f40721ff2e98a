"""`heard_by` and `not_heard_by`: machines that get copies of the frames, though they are for another one."""

from __future__ import annotations

from netlab.messages import Message
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that somebody else has heard it; None if those have who are expected to."""
    rule, heard_by = expectation.rule, measured.details.heard_by
    if not rule or not (rule.heard_by or rule.not_heard_by):
        return None
    if measured.details.passed is None:
        return Message("who has heard it is not known: it was not followed")
    if deaf := [name for name in rule.heard_by if name not in heard_by]:
        return Message("expected to be heard by {names}, and it was not", names=", ".join(deaf))
    if heard := [name for name in rule.not_heard_by if name in heard_by]:
        return Message("expected not to be heard by {names}, but it was", names=", ".join(heard))
    return None
