"""Rules in, matrix out: what is expected of every ordered pair of endpoints.

An endpoint is a node (`host`) or a node's leg on one network (`host@vmnet8`).
Every node is an endpoint; a leg is one where a rule names it. A pair of two
legs of one node is no pair.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from netlab.errors import UsageError
from netlab.scenario.model import Expectations, Family, Rule
from netlab.scenario.topology import Leg, Node, Role, Topology

_READING_ORDER = (Role.VM, Role.HOST, Role.PEER, Role.ROUTER, Role.INTERNET)


@dataclass(frozen=True)
class Endpoint:
    """A node, or one leg of it."""

    name: str
    node: Node
    leg: Leg | None = None

    def leg_towards(self, other: Endpoint) -> Leg:
        """The leg meant when `other` is at the far end: the shared network's, else the primary."""
        return self.leg or self.node.towards(other.node)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one ordered pair must show."""

    source: Endpoint
    target: Endpoint
    reachable: bool
    seen_as: Endpoint | None = None
    """Whose address the target must see; None for a blocked pair."""
    over: Family = Family.IPV4

    @property
    def between_neighbours(self) -> bool:
        """The target is on a network of the source's."""
        return self.target.leg_towards(self.source).network.segment in self.source.node.segments

    def seen_legs(self) -> tuple[Leg, ...]:
        """Legs whose address the target may see as source: those on its networks, if there are any."""
        seen = self.seen_as or self.source
        if seen.leg:
            return (seen.leg,)
        segments = self.target.node.segments
        return (
            tuple(leg for leg in seen.node.legs if leg.network.segment in segments)
            or seen.node.legs
        )


@dataclass(frozen=True)
class RuleProblem:
    """A fault in the rules: `path` below `expect`, what is wrong, what to do."""

    path: tuple[str | int, ...]
    what: str
    fix: str


def matrix(topology: Topology) -> tuple[Expectation, ...]:
    """Every expectation of a checked scenario, row by row."""
    rules, known = topology.scenario.expect, _known(topology)
    return tuple(
        _expectation(rules, known, plane.over, source, target, plane.decider(one, other))
        for plane in _planes(rules, topology, known)
        for source, one in plane.sources
        for target, other in plane.targets
        if source.node is not target.node
    )


def selected(
    expectations: Sequence[Expectation], sources: Sequence[str], targets: Sequence[str]
) -> tuple[Expectation, ...]:
    """Those that are named on both sides, as rules do it; no names: all. Raises UsageError for idle names."""
    rows = _named_by(sources, (one.source for one in expectations))
    columns = _named_by(targets, (one.target for one in expectations))
    found = tuple(
        one for one in expectations if one.source.name in rows and one.target.name in columns
    )
    if not found:
        named = f"from {', '.join(sources) or 'all'} to {', '.join(targets) or 'all'}"
        raise UsageError(f"there is no pair {named}", "a pair has two different machines")
    return found


def witnesses(
    expectations: Sequence[Expectation], wanted: Sequence[Expectation]
) -> list[Expectation]:
    """Besides those that are wanted, for each of their sources a pair that shows that it can send.

    That nothing leaves a machine says who cannot be reached only if something else leaves it. A neighbour
    is best: no router need know of it.
    """
    if len(wanted) == len(expectations):
        return []
    senders = {(one.source.node.name, one.over) for one in wanted}
    best: dict[tuple[str, Family], Expectation] = {}
    for one in expectations:
        sender = (one.source.node.name, one.over)
        if sender in senders and one.reachable:
            known = best.setdefault(sender, one)
            if not known.between_neighbours and one.between_neighbours:
                best[sender] = one
    taken = {id(one) for one in wanted}
    return [one for one in best.values() if id(one) not in taken]


def _named_by(patterns: Sequence[str], endpoints: Iterable[Endpoint]) -> set[str]:
    known = {one.name: one for one in endpoints}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UsageError(f"'{pattern}' names no endpoint", f"there are: {', '.join(known)}")
    return {name for name, one in known.items() if not patterns or _matches(patterns, one)}


def reaches(topology: Topology, source: str, target: str) -> bool:
    """Whether a checked scenario expects one node to reach another over IPv4."""
    rules, known = topology.scenario.expect, _known(topology)
    pair = known[source], known[target]
    for rule in rules.rules:
        named = _matches(rule.source, pair[0]) and _matches(rule.target, pair[1])
        if named and rule.over is Family.IPV4:
            return rule.verdict == "reachable"
    return rules.default == "reachable"


def problems(topology: Topology) -> tuple[RuleProblem, ...]:
    """Unknown names, rules that decide nothing, pairs that no rule decides."""
    rules, known = topology.scenario.expect, _known(topology)
    found = [*unknown_names(rules, known), *_pointless_sources(rules)]
    planes = _planes(rules, topology, known)
    used = {index for plane in planes for index in plane.deciders()}
    found += _idle_rules(rules, used, {problem.path[:2] for problem in found})
    if rules.default is None and None in used:
        found.append(_uncovered(planes))
    return tuple(found)


Named = tuple[int, ...]
"""The rules that name an endpoint on one side, by their places in the list."""


@dataclass(frozen=True)
class _Plane:
    """All pairs over one family of addresses, and the first rule that names each.

    Endpoints that the same rules name are alike: 1,000 VMs have a million pairs, but few kinds of them.
    """

    over: Family
    sources: tuple[tuple[Endpoint, Named], ...]
    targets: tuple[tuple[Endpoint, Named], ...]

    def decider(self, source: Named, target: Named) -> int | None:
        """The first rule that names a pair of these kinds."""
        return next((index for index in source if index in target), None)

    def deciders(self) -> set[int | None]:
        """Of all pairs there are; None among them: some are not decided."""
        return {
            self.decider(one, other)
            for one, rows in _alike(self.sources).items()
            for other, columns in _alike(self.targets).items()
            if any(row.node is not column.node for row in rows for column in columns)
        }


def _alike(endpoints: tuple[tuple[Endpoint, Named], ...]) -> dict[Named, list[Endpoint]]:
    groups: dict[Named, list[Endpoint]] = {}
    for endpoint, named in endpoints:
        groups.setdefault(named, []).append(endpoint)
    return groups


def _planes(
    rules: Expectations, topology: Topology, known: dict[str, Endpoint]
) -> tuple[_Plane, ...]:
    """One for IPv4; and if a rule speaks of it, one for IPv6."""
    planes = []
    for over in Family:
        its = {index: rule for index, rule in enumerate(rules.rules) if rule.over is over}
        if its or over is Family.IPV4:
            sources, targets = _rows_and_columns(list(its.values()), topology, known)
            rows = {index: rule.source for index, rule in its.items()}
            columns = {index: rule.target for index, rule in its.items()}
            planes.append(_Plane(over, _named(sources, rows), _named(targets, columns)))
    return tuple(planes)


def _named(
    endpoints: list[Endpoint], patterns: dict[int, list[str]]
) -> tuple[tuple[Endpoint, Named], ...]:
    return tuple(
        (one, tuple(index for index, words in patterns.items() if _matches(words, one)))
        for one in endpoints
    )


def _uncovered(planes: tuple[_Plane, ...]) -> RuleProblem:
    pairs = [
        f"{source.name} → {target.name}{' over IPv6' * (plane.over is Family.IPV6)}"
        for plane in planes
        for source, one in plane.sources
        for target, other in plane.targets
        if source.node is not target.node and plane.decider(one, other) is None
    ]
    shown = ", ".join(pairs[:5]) + (", …" if len(pairs) > 5 else "")
    what = f"{len(pairs)} pairs have no expectation: {shown}"
    return RuleProblem((), what, "add rules for them, or `default: blocked`")


def _known(topology: Topology) -> dict[str, Endpoint]:
    known = {node.name: Endpoint(node.name, node) for node in topology.endpoints}
    for node in topology.endpoints:
        known |= {name: Endpoint(name, node, leg) for name, leg in node.named_legs.items()}
    return known


def _rows_and_columns(
    rules: list[Rule], topology: Topology, known: dict[str, Endpoint]
) -> tuple[list[Endpoint], list[Endpoint]]:
    nodes = [known[node.name] for node in _by_distance(topology)]
    rows = _legs(known, [pattern for rule in rules for pattern in rule.source])
    columns = _legs(known, [pattern for rule in rules for pattern in rule.target])
    return _with_legs(nodes, rows, known), _with_legs(nodes, columns, known)


def _legs(known: dict[str, Endpoint], patterns: list[str]) -> set[str]:
    """Legs that a rule names; `vm*` alone names no legs, `vm*@vmnet8` does."""
    wanted = [pattern for pattern in patterns if "@" in pattern]
    return {
        name
        for name, endpoint in known.items()
        if endpoint.leg and any(fnmatchcase(name, pattern) for pattern in wanted)
    }


def _by_distance(topology: Topology) -> list[Node]:
    """VMs first, then the host, then the world: the order in which a matrix reads best."""
    return sorted(topology.endpoints, key=lambda node: _READING_ORDER.index(node.role))


def _with_legs(nodes: list[Endpoint], legs: set[str], known: dict[str, Endpoint]) -> list[Endpoint]:
    endpoints = []
    for node in nodes:
        endpoints.append(node)
        endpoints += [known[name] for name in node.node.named_legs if name in legs]
    return endpoints


def unknown_names(rules: Expectations, known: Collection[str]) -> Iterator[RuleProblem]:
    """Names in the rules that no endpoint has. Where `known` has no legs, a leg's node counts."""
    with_legs = any("@" in name for name in known)

    def problem(index: int, key: str, name: str) -> Iterator[RuleProblem]:
        wanted = name if with_legs else name.partition("@")[0]
        if not any(fnmatchcase(one, wanted) for one in known):
            what = f"'{name}' names no endpoint"
            yield RuleProblem(("rules", index, key), what, f"use one of: {', '.join(known)}")

    for index, rule in enumerate(rules.rules):
        for key, patterns in (("from", rule.source), ("to", rule.target)):
            for pattern in patterns:
                yield from problem(index, key, pattern)
        if rule.seen_as:
            yield from problem(index, "as", rule.seen_as)


def _pointless_sources(rules: Expectations) -> Iterator[RuleProblem]:
    for index, rule in enumerate(rules.rules):
        if rule.seen_as and rule.verdict == "blocked":
            yield RuleProblem(
                ("rules", index, "as"),
                "a blocked pair has no source address to be seen",
                "remove `as`",
            )


def _idle_rules(
    rules: Expectations, used: set[int | None], faulty: set[tuple[str | int, ...]]
) -> Iterator[RuleProblem]:
    for index in range(len(rules.rules)):
        if index not in used and ("rules", index) not in faulty:
            yield RuleProblem(
                ("rules", index),
                "this rule decides no pair: earlier rules decide all that it names",
                "remove it or move it up",
            )


def _matches(patterns: Sequence[str], endpoint: Endpoint) -> bool:
    return any(fnmatchcase(endpoint.name, pattern) for pattern in patterns)


def _expectation(
    rules: Expectations,
    known: dict[str, Endpoint],
    over: Family,
    source: Endpoint,
    target: Endpoint,
    decider: int | None,
) -> Expectation:
    rule = None if decider is None else rules.rules[decider]
    if (rule.verdict if rule else rules.default) != "reachable":
        return Expectation(source, target, False, None, over)
    seen = known[rule.seen_as] if rule and rule.seen_as else source
    return Expectation(source, target, True, seen, over)
