"""`dns`: what a name server says."""

from __future__ import annotations

from netlab.messages import Message
from netlab.probes.answers import DnsAnswer
from netlab.scenario.expectation import Expectation
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that the reply is another one; None if it is the one that is expected."""
    demand = expectation.rule.dns if expectation.rule else None
    answer = measured.details.answer
    if not demand:
        return None
    if not isinstance(answer, DnsAnswer):
        return Message("the reply was not seen coming home")
    if demand.server and demand.server != answer.server:
        return Message(
            "expected an answer of {expected}, not of {server}",
            expected=demand.server,
            server=answer.server,
        )
    if demand.address and str(demand.address) not in answer.addresses:
        return Message(
            "expected the address {expected}, not {addresses}",
            expected=str(demand.address),
            addresses=", ".join(answer.addresses) or "–",
        )
    return None
