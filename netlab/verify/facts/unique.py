"""`unique`: what no other machine on the same networks has, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from netlab.messages import Message, join_and
from netlab.scenario.expectation import Endpoint
from netlab.verify.facts.finding import Finding, all_of
from netlab.verify.facts.sources import FactSources, adapters


def judge(expected: Sequence[str], endpoint: Endpoint, sources: FactSources) -> Finding:
    """Find out whether each of these properties is the endpoint's alone."""
    return all_of([_of_property(word, endpoint, sources) for word in expected])


def _of_property(word: str, endpoint: Endpoint, sources: FactSources) -> Finding:
    read, values = _READERS[word], dict[str, None]()
    for own in _each_adapter(endpoint):
        for value in sorted(read(own, sources)):
            values[value] = None
            if sharers := _sharers(value, word, own, sources):
                text = Message(
                    "the {property} {value} is that of {nodes}, too",
                    property=word,
                    value=value,
                    nodes=join_and(sharers),
                )
                return Finding(False, text)
    if not values:
        text = Message("{node} has no {property}", node=endpoint.name, property=word)
        return Finding(None, text)
    neighbours = [
        other.node.name for own in _each_adapter(endpoint) for other in _near(own, sources)
    ]
    if gone := {node for node in neighbours if node not in sources.namespaces}:
        text = Message("{node} is gone: nobody can look at it", node=join_and(gone))
        return Finding(None, text)
    text = Message(
        "only {node} has the {property} {value}",
        node=endpoint.node.name,
        property=word,
        value=", ".join(values),
    )
    return Finding(True, text)


def _sharers(value: str, word: str, own: Endpoint, sources: FactSources) -> set[str]:
    """Return the machines that have the same on the network of an adapter."""
    return {
        other.node.name
        for other in _near(own, sources)
        if other.node.name in sources.namespaces and value in _READERS[word](other, sources)
    }


def _each_adapter(endpoint: Endpoint) -> list[Endpoint]:
    return [Endpoint(adapter.name, endpoint.node, adapter) for adapter in adapters(endpoint)]


def _near(own: Endpoint, sources: FactSources) -> Iterator[Endpoint]:
    """Yield the adapters of other machines that hear an adapter."""
    if own.adapter is None:
        return
    for neighbour in sources.topology.neighbours(own.adapter.network):
        if neighbour.node != own.node.name:
            yield Endpoint(neighbour.name, sources.topology.nodes[neighbour.node], neighbour)


def _macs(endpoint: Endpoint, sources: FactSources) -> frozenset[str]:
    return sources.macs(endpoint)


def _addresses(endpoint: Endpoint, sources: FactSources) -> frozenset[str]:
    return frozenset(str(address.ip) for _, address in sources.addresses(endpoint))


def _machine_id(endpoint: Endpoint, sources: FactSources) -> frozenset[str]:
    return frozenset({sources.etc(endpoint.node.name, "machine-id")} - {""})


def _hostname(endpoint: Endpoint, sources: FactSources) -> frozenset[str]:
    return frozenset({sources.etc(endpoint.node.name, "hostname").lower()} - {""})


_READERS: dict[str, Callable[[Endpoint, FactSources], frozenset[str]]] = {
    "mac": _macs,
    "address": _addresses,
    "machine-id": _machine_id,
    "hostname": _hostname,
}
