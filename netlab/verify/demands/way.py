"""`through` and `not_through`: the machines and switches that a request passes."""

from __future__ import annotations

from netlab.messages import Message
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that it took another way; None if it took the one that is expected."""
    rule, passed = expectation.rule, measured.details.passed
    if not rule or not (rule.through or rule.not_through):
        return None
    if passed is None:
        return Message("its way is not known: it was not followed")
    if missed := [name for name in rule.through if name not in passed]:
        return Message("expected to pass {names}, and it did not", names=", ".join(missed))
    if met := [name for name in rule.not_through if name in passed]:
        return Message("expected not to pass {names}, but it did", names=", ".join(met))
    return None
