"""`lease`: what a DHCP client has been given, as it has written it down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_interface

from netlab.kernel.wait import became_true
from netlab.messages import Message
from netlab.scenario.addresses.span import span
from netlab.scenario.expectation import Endpoint
from netlab.scenario.model import LeaseFact
from netlab.scenario.model.facts import NONE
from netlab.scenario.topology import Adapter
from netlab.verify.facts.finding import Finding, Question, any_of
from netlab.verify.facts.sources import ClientLease, FactSources, adapters

_PATIENCE_SECONDS = 10.0
"""Time for a client to ask three times, and to wait a second for each reply."""


def measure(questions: Sequence[Question], sources: FactSources) -> Iterator[Finding]:
    """Yield what the clients have been given, once those that are asking have an answer or asked in vain."""
    asking = {adapter for question in questions for adapter in _clients(question.endpoint)}

    def are_settled() -> bool:
        for adapter in list(asking):
            if not _is_asking(adapter, sources.lease(adapter)):
                asking.remove(adapter)
        return not asking

    became_true(are_settled, _PATIENCE_SECONDS, sources.interruption)
    for question in questions:
        yield _judge(question.value, question.endpoint, sources)


def _clients(endpoint: Endpoint) -> list[Adapter]:
    return [adapter for adapter in adapters(endpoint) if adapter.by_dhcp]


def _is_asking(adapter: Adapter, lease: ClientLease) -> bool:
    is_without = lease.is_readable and not lease.values
    return is_without and adapter.asks and lease.runs and not lease.asked_in_vain


def _judge(expected: LeaseFact | str, endpoint: Endpoint, sources: FactSources) -> Finding:
    """Find out whether an adapter of the endpoint has such a lease; `none`: whether none has any."""
    clients = _clients(endpoint)
    if not clients:
        text = Message("{node} asks no DHCP server: its addresses are static", node=endpoint.name)
        return Finding(expected == NONE, text)
    wanted = expected if isinstance(expected, LeaseFact) else LeaseFact()
    finding = any_of([_of_adapter(wanted, adapter, sources) for adapter in clients])
    if expected == NONE and finding.holds is not None:
        return Finding(not finding.holds, finding.actual)
    return finding


def _of_adapter(expected: LeaseFact, adapter: Adapter, sources: FactSources) -> Finding:
    lease = sources.lease(adapter)
    if not lease.is_readable:
        return Finding(None, Message("the lease of {node} cannot be read", node=adapter.name))
    if not lease.values:
        return _without_lease(adapter, lease)
    ends = int(lease.values["obtained"]) + int(lease.values["seconds"])
    if ends < time.time() and not lease.runs:
        text = Message(
            "the lease of {node} has run out, and its client has ended", node=adapter.name
        )
        return Finding(False, text)
    for option, shown, is_met in _compared(expected, lease, sources):
        if not is_met:
            text = Message(
                "the lease of {node} has {option}: {value}",
                node=adapter.name,
                option=option,
                value=shown or NONE,
            )
            return Finding(False, text)
    text = Message(
        "{node} has a lease of {address} by {server}",
        node=adapter.name,
        address=lease.values["address"],
        server=_named(lease.values.get("server", ""), sources) or "?",
    )
    return Finding(True, text)


def _without_lease(adapter: Adapter, lease: ClientLease) -> Finding:
    """Tell a client that was answered by nobody from one whose answer may still come."""
    if _is_asking(adapter, lease):
        return Finding(
            None, Message("the DHCP client of {node} is still asking", node=adapter.name)
        )
    if adapter.in_vain:
        text = Message("{node} has no lease: {why}", node=adapter.name, why=adapter.in_vain.why)
        return Finding(False, text)
    return Finding(False, Message("{node} has no lease", node=adapter.name))


def _compared(
    expected: LeaseFact, lease: ClientLease, sources: FactSources
) -> Iterator[tuple[str, str, bool]]:
    """Yield each option that is expected: its name, its value, and whether that is right."""
    values = lease.values
    if expected.address:
        address = values["address"]
        yield "address", address, ip_interface(address) in span(expected.address)
    for option in ("server", "router", "dns"):
        if word := getattr(expected, option):
            first = next(iter(values.get(option, "").split()), "")
            yield option, _named(values.get(option, ""), sources), _is(first, word, sources)
    if expected.domain:
        domain = values.get("domain", "")
        yield "domain", domain, (domain or NONE) == expected.domain
    if expected.seconds is not None:
        yield "seconds", values["seconds"], values["seconds"] == str(expected.seconds)


def _is(address: str, word: str, sources: FactSources) -> bool:
    if word == NONE or not address:
        return (word == NONE) == (not address)
    return ip_address(address) in sources.ips(word)


def _named(addresses: str, sources: FactSources) -> str:
    return ", ".join(map(sources.owner, addresses.split()))
