"""`route`: a machine's routes as they stand in its table, or the kernel's decision about an address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address, ip_network

from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.obstacles import marking
from netlab.kernel.rows import NextHop, RouteRow
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import UNCERTAIN, RouteLookups, RouteResult
from netlab.messages import Message
from netlab.scenario.expectation import Endpoint
from netlab.scenario.model import RouteFact
from netlab.scenario.model.facts import DEFAULT, NONE
from netlab.verify.facts.finding import Finding, any_of
from netlab.verify.facts.sources import FactSources

_EVERYWHERE = ("0.0.0.0/0", "::/0")


def judge(expected: RouteFact, endpoint: Endpoint, sources: FactSources) -> Finding:
    """Find out whether the endpoint's machine, by this adapter if one is named, has such a route."""
    is_address = expected.to != DEFAULT and "/" not in expected.to
    return (_decided if is_address else _entered)(expected, endpoint, sources)


def _entered(expected: RouteFact, endpoint: Endpoint, sources: FactSources) -> Finding:
    """Judge by the table: of routes to one destination, packets take that with the lowest metric."""
    words = _EVERYWHERE if expected.to == DEFAULT else (expected.to,)
    findings = [
        _taken(expected, routes, endpoint, sources)
        for word in words
        if (routes := _routes_to(word, expected, endpoint, sources))
    ]
    text = Message("{node} has no route to {to}", node=endpoint.node.name, to=expected.to)
    return any_of(findings) if findings else Finding(False, text)


def _routes_to(
    destination: str, expected: RouteFact, endpoint: Endpoint, sources: FactSources
) -> list[RouteRow]:
    return [
        route
        for route in sources.spaces[endpoint.node.name].routes
        if route.destination == ip_network(destination)
        if not (route.table or route.tos) and not _is_dead(route)
        if expected.metric in (None, route.metric)
    ]


def _taken(
    expected: RouteFact, routes: Sequence[RouteRow], endpoint: Endpoint, sources: FactSources
) -> Finding:
    taken = min(routes, key=lambda route: route.metric)
    hops = [hop for hop in taken.hops if not hop.dead]
    is_met = taken.kind == "unicast" and all(
        _leads(expected, hop, endpoint, sources) for hop in hops
    )
    text = Message("{node} has the route: {route}", node=endpoint.node.name, route=taken)
    return Finding(is_met, text)


def _is_dead(route: RouteRow) -> bool:
    return bool(route.hops) and all(hop.dead for hop in route.hops)


def _decided(expected: RouteFact, endpoint: Endpoint, sources: FactSources) -> Finding:
    """Judge by the kernel's decision about a packet of the machine's own."""
    node, target = endpoint.node.name, ip_address(expected.to)
    with NamespacePool(1) as pool:
        lookups = RouteLookups(
            pool, lambda _: sources.spaces[node].names, partial(marking.read, pool), frozenset()
        )
        result = lookups.ask(sources.namespaces[node], RouteLookup(target))
    if result.error == UNCERTAIN:
        text = Message("which route {node} takes hangs on more than the address", node=node)
        return Finding(None, text)
    if result.error:
        return Finding(False, Message("{node} has no route to {to}", node=node, to=target))
    hop = NextHop(result.gateway, result.interface)
    is_met = result.kind == "unicast" and _leads(expected, hop, endpoint, sources)
    return Finding(is_met, _decision(node, expected.to, result, sources))


def _decision(node: str, target: str, result: RouteResult, sources: FactSources) -> str:
    if result.kind == "local":
        return Message("{address} is {node}'s own address", address=target, node=node)
    if result.gateway is None:
        return Message(
            "{node} sends to {address} on the cable of {interface}",
            node=node,
            address=target,
            interface=result.interface,
        )
    return Message(
        "{node} sends to {address} by {gateway} on {interface}",
        node=node,
        address=target,
        gateway=sources.owner(result.gateway),
        interface=result.interface,
    )


def _leads(expected: RouteFact, hop: NextHop, endpoint: Endpoint, sources: FactSources) -> bool:
    if expected.interface not in (None, hop.interface):
        return False
    if endpoint.adapter and endpoint.adapter.holder != hop.interface:
        return False
    if expected.via is None:
        return True
    if expected.via == NONE:
        return hop.gateway is None
    return hop.gateway in sources.ips(expected.via)
