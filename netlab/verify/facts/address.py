"""`address`: the addresses that a machine's interfaces have."""

from __future__ import annotations

from netlab.messages import Message
from netlab.scenario.addresses.span import span
from netlab.scenario.expectation import Endpoint
from netlab.scenario.model.facts import NONE
from netlab.verify.facts.finding import Finding
from netlab.verify.facts.sources import FactSources


def judge(expected: str, endpoint: Endpoint, sources: FactSources) -> Finding:
    """Find out whether the endpoint has an address that is meant; `none`: whether it has none at all."""
    addresses = [address for _, address in sources.addresses(endpoint)]
    if not addresses:
        text = Message("{node} has no address", node=endpoint.name)
        return Finding(expected == NONE, text)
    listed = ", ".join(map(str, addresses))
    text = Message("{node} has {address}", node=endpoint.name, address=listed)
    is_met = expected != NONE and any(address in span(expected) for address in addresses)
    return Finding(is_met, text)
