"""`http`: what a web server says."""

from __future__ import annotations

from netlab.messages import Message
from netlab.probes.answers import HttpAnswer
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed
from netlab.visible import visible

_SHOWN = 80
"""Characters of a page that a sentence shows."""


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that the page is another one; None if it is the one that is expected."""
    demand = expectation.rule.http if expectation.rule else None
    answer = measured.details.answer
    if not demand:
        return None
    if not isinstance(answer, HttpAnswer):
        return Message("there was no page")
    if demand.status and demand.status != answer.status:
        return Message(
            "expected status {expected}, not {status}",
            expected=demand.status,
            status=answer.status,
        )
    if demand.text and demand.text not in answer.text:
        return Message(
            "expected the text '{expected}' in the page: {text}",
            expected=demand.text,
            text=visible(answer.text.strip()[:_SHOWN]) or "–",
        )
    return None
