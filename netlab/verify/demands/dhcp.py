"""`dhcp`: what DHCP servers offer."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.messages import Message
from netlab.probes.answers import DhcpOffer, DhcpOffers
from netlab.scenario.expectation import Expectation
from netlab.scenario.model import DhcpExpected
from netlab.verify.demands.probed import Probed


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that the offer is another one; None if it is the one that is expected."""
    demand = expectation.rule.dhcp if expectation.rule else None
    if not demand:
        return None
    answer = measured.details.answer
    offers = answer.offers if isinstance(answer, DhcpOffers) else ()
    if demand.servers is not None and demand.servers != len(offers):
        return Message(
            "expected offers of {expected} DHCP servers, not of {count}",
            expected=demand.servers,
            count=len(offers),
        )
    if not offers:
        return Message("there was no offer")
    for word, expected, offered in _compared(demand, offers[0]):
        if expected != offered:
            return Message(
                "expected {word} {expected} in the offer, not {offered}",
                word=word,
                expected=expected or "–",
                offered=offered or "–",
            )
    return None


def _compared(demand: DhcpExpected, offer: DhcpOffer) -> Iterator[tuple[str, str, str]]:
    """Yield what is expected, by its key, with what is offered."""
    values = {
        "server": (demand.server, offer.server),
        "address": (demand.address, offer.address),
        "domain": (demand.domain, offer.domain),
        "lease": (demand.lease, offer.lease),
    }
    for word, (expected, offered) in values.items():
        if expected is not None:
            yield word, str(expected), str(offered)
    for word, addresses, told in (
        ("router", demand.router, offer.router),
        ("dns", demand.dns, offer.dns),
    ):
        if addresses is not None:
            yield word, ", ".join(map(str, addresses)), ", ".join(told)
