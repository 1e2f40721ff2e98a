"""`as`: whose address the target sees."""

from __future__ import annotations

from netlab.messages import Message, join_or
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed

_WITHOUT_SENDER = ("arp", "dhcp", "dns", "iperf3", "mtu")
"""Kinds of probes of which it does not matter: they ask somebody who knows them, or others in their name."""


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that the target has seen another address; None if it is the one that is expected."""
    kind, seen = expectation.by.partition(":")[0], measured.outcome.seen_as
    is_free = kind in _WITHOUT_SENDER and not (expectation.rule and expectation.rule.seen_as)
    if is_free or expectation.seen_as is None or seen in measured.allowed_sources:
        return None
    if not seen:
        return Message("it is not known as whom the target has seen it")
    return Message(
        "expected to be seen as {allowed}, not {seen}",
        allowed=join_or(measured.allowed_sources),
        seen=seen,
    )
