"""`mtu`: the longest packet that gets through."""

from __future__ import annotations

from netlab.messages import Message
from netlab.probes.answers import PathMtu
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that another size is the largest; None if it is the one that is expected."""
    rule, answer = expectation.rule, measured.details.answer
    if not rule or rule.mtu is None:
        return None
    largest = answer.largest if isinstance(answer, PathMtu) else 0
    if largest == rule.mtu:
        return None
    return Message(
        "expected a path MTU of {expected} bytes, not {mtu}", expected=rule.mtu, mtu=largest or "–"
    )
