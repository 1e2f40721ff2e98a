"""Rules in, matrix out: what is expected of every ordered pair of endpoints.

An endpoint is a node (`host`) or a node's leg on one network (`host@vmnet8`).
Every node is an endpoint; a leg is one where a rule names it. A pair of two
legs of one node is no pair.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

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
        return self.leg or self.node.shared_with(other.node) or self.node.primary


@dataclass(frozen=True)
class Expectation:
    """What one ordered pair must show."""

    source: Endpoint
    target: Endpoint
    reachable: bool
    seen_as: Endpoint | None = None
    """Whose address the target must see; None for a blocked pair."""
    over: Family = Family.IPV4

    def seen_legs(self) -> tuple[Leg, ...]:
        """Legs whose address the target may see as source: those on its networks, if there are any."""
        seen = self.seen_as or self.source
        if seen.leg:
            return (seen.leg,)
        segments = {leg.network.segment for leg in self.target.node.legs}
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
    expectations, problems = decide(topology)
    assert not problems, problems
    return expectations


def decide(topology: Topology) -> tuple[tuple[Expectation, ...], tuple[RuleProblem, ...]]:
    """Apply the rules to every pair; the first rule that names a pair decides it."""
    rules = topology.scenario.expect
    known = _known(topology)
    problems = [*unknown_names(rules, known), *_pointless_sources(rules)]
    decided, uncovered, used = [], [], set()
    for over, source, target in _pairs(rules, topology, known):
        index = _first_match(rules.rules, over, source, target)
        if index is not None:
            used.add(index)
            found = _apply(rules.rules[index], source, target, known)
        elif rules.default:
            found = _expectation(rules.default == "reachable", source, target, None)
        else:
            by_six = " over IPv6" * (over is Family.IPV6)
            uncovered.append(f"{source.name} → {target.name}{by_six}")
            continue
        decided.append(replace(found, over=over))
    problems += _idle_rules(rules, used, {problem.path[:2] for problem in problems})
    if uncovered:
        shown = ", ".join(uncovered[:5]) + (", …" if len(uncovered) > 5 else "")
        problems.append(
            RuleProblem(
                (),
                f"{len(uncovered)} pairs have no expectation: {shown}",
                "add rules for them, or `default: blocked`",
            )
        )
    return tuple(decided), tuple(problems)


def _known(topology: Topology) -> dict[str, Endpoint]:
    known = {node.name: Endpoint(node.name, node) for node in topology.endpoints}
    for node in topology.endpoints:
        known |= {name: Endpoint(name, node, leg) for name, leg in node.named_legs.items()}
    return known


def _pairs(
    rules: Expectations, topology: Topology, known: dict[str, Endpoint]
) -> Iterator[tuple[Family, Endpoint, Endpoint]]:
    """All pairs, over IPv4; and if a rule speaks of it, over IPv6."""
    for over in Family:
        its = [rule for rule in rules.rules if rule.over is over]
        if its or over is Family.IPV4:
            sources, targets = _rows_and_columns(its, topology, known)
            for source in sources:
                yield from ((over, source, to) for to in targets if to.node is not source.node)


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
    rules: Expectations, used: set[int], faulty: set[tuple[str | int, ...]]
) -> Iterator[RuleProblem]:
    for index in range(len(rules.rules)):
        if index not in used and ("rules", index) not in faulty:
            yield RuleProblem(
                ("rules", index),
                "this rule decides no pair: earlier rules decide all that it names",
                "remove it or move it up",
            )


def _first_match(rules: list[Rule], over: Family, source: Endpoint, target: Endpoint) -> int | None:
    for index, rule in enumerate(rules):
        if rule.over is over and _matches(rule.source, source) and _matches(rule.target, target):
            return index
    return None


def _matches(patterns: list[str], endpoint: Endpoint) -> bool:
    return any(fnmatchcase(endpoint.name, pattern) for pattern in patterns)


def _apply(
    rule: Rule, source: Endpoint, target: Endpoint, known: dict[str, Endpoint]
) -> Expectation:
    seen = known.get(rule.seen_as) if rule.seen_as else source
    return _expectation(rule.verdict == "reachable", source, target, seen)


def _expectation(
    reachable: bool, source: Endpoint, target: Endpoint, seen: Endpoint | None
) -> Expectation:
    return Expectation(source, target, reachable, (seen or source) if reachable else None)
