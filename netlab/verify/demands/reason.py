"""`because` and `comment`: why a pair is blocked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netlab.messages import Message
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed

_COMMENT = re.compile(r'comment (?!--)(?:"([^"]*)"|([^\s"]+))')


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
    if rule and rule.comment and not any(rule.comment in text for text in _comments(outcome.why)):
        return Message(
            "expected to be dropped by the rule with the comment '{comment}', but: {why}",
            comment=rule.comment,
            why=outcome.why,
        )
    return None


def _comments(why: str) -> Iterator[str]:
    """Yield the comments of the rules that a sentence shows, as nft and iptables write them."""
    for match in _COMMENT.finditer(why):
        yield match[1] or match[2] or ""
