"""The kernel's own routing decisions: where it would send a packet, or a packet that came in."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from enum import Enum, auto
from ipaddress import ip_network

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink, Refused
from netlab.kernel.netlink.objects import routes, rules
from netlab.kernel.netlink.objects.routes import KernelRoute
from netlab.kernel.netlink.objects.rules import KernelRule
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.rows import IPAddress, NextHop, RouteRow
from netlab.kernel.state import policy
from netlab.kernel.state.policy import Decider, Doubt, RouteLookup
from netlab.kernel.state.tables import route_row

UNCERTAIN = errno.ENODATA
"""A `RouteResult.error` of netlab's own: a rule (`ip rule`) looks at what is not known of a packet."""

RoutingEntry = RouteRow | KernelRule
"""What decides about a packet: a route, or a rule that stops it by itself."""


@frozen
class RouteResult:
    """The kernel's routing decision. With `error`, nothing else counts."""

    kind: str = ""
    """unicast: pass it on; local: it is for this machine; broadcast, …"""
    interface: str = ""
    gateway: IPAddress | None = None
    """None: the target itself is the next hop."""
    source: IPAddress | None = None
    """The address that the machine takes for packets of its own."""
    error: int = 0
    """errno: ENETUNREACH no route; EHOSTUNREACH no router, or a route that says unreachable; EACCES one
    that says prohibit; EINVAL one that says blackhole. A source that the interface does not admit:
    EXDEV (before Linux 6.14) or EINVAL."""
    why: Doubt | None = None
    """The rule for which it is UNCERTAIN."""


class MarkSource(Enum):
    """A way by which packets get marks before routing decides, besides programs (SO_MARK)."""

    RULES = auto()
    """Rules of nftables."""
    AT_INTERFACES = auto()
    """Rules of nftables at the hook ingress."""
    LEGACY = auto()
    """Rules of iptables-legacy."""
    FILTERS = auto()
    """Filters of `tc`."""
    SETTINGS = auto()


def no_entry(node: str, question: RouteLookup) -> None:
    """Return nothing: the answer of a model of a lab that knows no routes."""


class RouteLookups:
    """The routing decisions of machines, each asked for once; `names` are those of their interfaces.

    `sources` reads what may set marks in a namespace, `counted` is what the marks of lookups take into
    account. Both are asked only where a rule looks at marks.
    """

    def __init__(
        self,
        pool: NamespacePool,
        names: Callable[[str], Mapping[int, str]],
        sources: Callable[[str], Set[MarkSource]],
        counted: Set[MarkSource],
    ) -> None:
        self._pool = pool
        self._names = names
        self._sources = sources
        self._counted = counted
        self._results: dict[tuple[str, RouteLookup], RouteResult] = {}
        self._entries: dict[tuple[str, RouteLookup], RoutingEntry | None] = {}
        self._rules: dict[str, list[KernelRule]] = {}
        self._routes: dict[str, list[KernelRoute]] = {}
        self._markings: dict[str, Set[MarkSource]] = {}

    def ask(self, namespace: str, question: RouteLookup) -> RouteResult:
        """Return a machine's decision about a packet. Raises KernelError."""
        key = namespace, question
        if key not in self._results:
            self._results[key] = self._ask(namespace, question)
        return self._results[key]

    def entry(self, namespace: str, question: RouteLookup) -> RoutingEntry | None:
        """Return the route by which a machine decides about a packet, or the rule that stops it.

        None: there is none, or it is not known. Raises KernelError.
        """
        key = namespace, question
        if key not in self._entries:
            find = self._closing if self.ask(namespace, question).error else self._taken
            self._entries[key] = find(namespace, question)
        return self._entries[key]

    def _ask(self, namespace: str, question: RouteLookup) -> RouteResult:
        names = self._names(namespace)
        if question.came_in is not None and question.came_in not in names.values():
            return RouteResult(error=errno.ENODEV)
        packet = self._askable(namespace, question)
        if isinstance(packet, Doubt):
            return RouteResult(error=UNCERTAIN, why=packet)
        return ask(self._pool.netlink(namespace), names, packet)

    def _askable(self, namespace: str, question: RouteLookup) -> RouteLookup | Doubt:
        """Return a packet as the kernel can be asked about it; a doubt, if its answer would hang on
        something that is not known."""
        passed = self._rules_for(namespace, question)
        if not all(rule.for_all and rule.key in rules.OWN for rule in passed):
            decider = self._decide(namespace, question)
            if isinstance(decider, Doubt):
                return decider
            passed = decider.passed if decider else passed
        return policy.askable(passed, question)

    def _decide(self, namespace: str, question: RouteLookup) -> Decider | Doubt | None:
        rules_for = self._rules_for(namespace, question)
        if any(rule.selector.mark for rule in rules_for):
            question = replace(question, mark=self._mark(namespace, question.mark))
        if namespace not in self._routes:
            self._routes[namespace] = routes.read(self._pool.netlink(namespace))
        return policy.decide(rules_for, self._routes[namespace], question)

    def _rules_for(self, namespace: str, question: RouteLookup) -> Sequence[KernelRule]:
        if namespace not in self._rules:
            self._rules[namespace] = rules.read(self._pool.netlink(namespace))
        version = question.target.version
        return [rule for rule in self._rules[namespace] if rule.key.version == version]

    def _mark(self, namespace: str, mark: int | None) -> int | None:
        """Return the mark of a packet; None if something may have set it that was not counted."""
        if namespace not in self._markings:
            self._markings[namespace] = self._sources(namespace)
        sources = self._markings[namespace]
        if not sources:
            return mark or 0
        return mark if sources <= self._counted else None

    def _taken(self, namespace: str, question: RouteLookup) -> RouteRow | None:
        """Return the route that a packet takes: as it stands in its table, or as the kernel has learnt it for
        this destination alone."""
        result, names = self.ask(namespace, question), self._names(namespace)
        packet = self._askable(namespace, question)
        if isinstance(packet, Doubt):
            return None
        try:
            route = _find(self._pool.netlink(namespace), names, packet, as_entered=True)
        except Refused:  # It has just changed.
            return None
        row, hop = route_row(route, names), NextHop(result.gateway, result.interface)
        is_entered = row.kind != "unicast" or hop in row.hops
        return row if is_entered else RouteRow(ip_network(question.target), (hop,))

    def _closing(self, namespace: str, question: RouteLookup) -> RoutingEntry | None:
        """Return the route or rule by which a packet goes nowhere, if the kernel has answered that."""
        decider, error = self._decide(namespace, question), self.ask(namespace, question).error
        if not isinstance(decider, Decider) or not decider.closes(error):
            return None
        return route_row(decider.route, self._names(namespace)) if decider.route else decider.rule


def ask(netlink: Netlink, names: Mapping[int, str], question: RouteLookup) -> RouteResult:
    """Return the routing decision by the rules and tables of the socket's namespace."""
    try:
        route = _find(netlink, names, question)
    except Refused as refusal:
        return RouteResult(error=refusal.errno or 0)
    hop = route.hops[0] if route.hops else routes.NOWHERE
    return RouteResult(route.kind, names.get(hop.index, ""), hop.gateway, route.source)


def _find(
    netlink: Netlink, names: Mapping[int, str], question: RouteLookup, as_entered: bool = False
) -> KernelRoute:
    """Ask the kernel for the route of a packet. Raises Refused."""
    came_in = next((index for index, name in names.items() if name == question.came_in), None)
    fields = {
        "target": question.target,
        "source": question.source,
        "came_in": came_in,
        "mark": question.mark,
        "tos": question.tos,
        "protocol": question.protocol,
        "source_port": _one_of(question.source_port),
        "target_port": _one_of(question.target_port),
        "uid": question.uid if came_in is None else 0,
    }
    packet = {name: value for name, value in fields.items() if value is not None}
    return routes.ask(netlink, question.target.version, packet, as_entered)


def _one_of(port: int | range | None) -> int | None:
    """Return a port that stands for all of a range: no rule that is looked at tells them apart."""
    return port.start if isinstance(port, range) else port
