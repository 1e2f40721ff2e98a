"""Rules in, matrix out: what is expected of every ordered pair of endpoints.

An endpoint is a node (`host`) or a node's adapter on one network (`host@vmnet8`).
Every node is an endpoint; an adapter is one where a rule names it. A pair of two
adapters of one node is no pair.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice

from netlab.errors import UsageError
from netlab.frozen import frozen
from netlab.scenario.model import Expectations, Family, is_pattern
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Adapter, Node, Role, Topology
from netlab.suggest import instead

_READING_ORDER = (Role.VM, Role.HOST, Role.PEER, Role.ROUTER, Role.INTERNET)


@frozen
class Endpoint:
    """A node, or one adapter of it."""

    name: str
    node: Node
    adapter: Adapter | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """The result that a probe of one ordered pair must have."""

    source: Endpoint
    target: Endpoint
    reachable: bool
    to: Adapter
    """The target's adapter that is probed."""
    seen_as: Endpoint | None = None
    """The endpoint whose address the target must see as source; None for a blocked pair."""
    over: Family = Family.IPV4

    @property
    def chose(self) -> bool:
        """True if the target was named without its adapter, and has several."""
        return not self.target.adapter and len(self.target.node.callable_adapters) > 1

    @property
    def between_neighbours(self) -> bool:
        """True if the target is on a network of the source's."""
        return self.to.network.segment in self.source.node.segments

    def seen_adapters(self) -> tuple[Adapter, ...]:
        """Adapters whose address the target may see as source: those on its networks, if there are any."""
        endpoint = self.seen_as or self.source
        if endpoint.adapter:
            return (endpoint.adapter,)
        segments, adapters = self.target.node.segments, endpoint.node.adapters
        return (
            tuple(adapter for adapter in adapters if adapter.network.segment in segments)
            or adapters
        )


def matrix(topology: Topology) -> tuple[Expectation, ...]:
    """Return every expectation of a checked scenario, source by source."""
    rules, endpoints = topology.scenario.expect, _endpoints_by_name(topology)
    expectations = []
    for plane in _planes(rules, topology, endpoints):
        for pairs in plane.pairs():
            decider = {
                target.name: rule
                for rule, targets in pairs.decided
                for target in plane.targets_in(targets)
            }
            expectations += [
                _expectation(
                    rules,
                    endpoints,
                    plane.over,
                    pairs.source,
                    target,
                    target.adapter or topology.towards(pairs.source.node, target.node),
                    decider.get(target.name),
                )
                for target in plane.targets
                if target.node is not pairs.source.node
            ]
    return tuple(expectations)


def selected(
    expectations: Sequence[Expectation], sources: Sequence[str], targets: Sequence[str]
) -> tuple[Expectation, ...]:
    """Return the expectations between endpoints that patterns name, as in rules; no patterns: all.

    Raises UsageError for a pattern that names no endpoint, and if no pair is left.
    """
    source_names = _named_by(sources, (expectation.source for expectation in expectations))
    target_names = _named_by(targets, (expectation.target for expectation in expectations))
    matches = tuple(
        expectation
        for expectation in expectations
        if expectation.source.name in source_names and expectation.target.name in target_names
    )
    if not matches:
        named = f"from {', '.join(sources) or 'all'} to {', '.join(targets) or 'all'}"
        raise UsageError(f"there is no pair {named}", "a pair has two different machines")
    return matches


def witnesses(
    expectations: Sequence[Expectation], requested: Sequence[Expectation]
) -> list[Expectation]:
    """Return, for each source of the requested pairs, one more pair that shows that it can send.

    That nothing leaves a machine says who cannot be reached only if something else leaves it. A neighbour
    is best: no router need know of it.
    """
    if len(requested) == len(expectations):
        return []
    senders = {(expectation.source.node.name, expectation.over) for expectation in requested}
    best: dict[tuple[str, Family], Expectation] = {}
    for expectation in expectations:
        sender = (expectation.source.node.name, expectation.over)
        if sender in senders and expectation.reachable:
            current = best.setdefault(sender, expectation)
            if not current.between_neighbours and expectation.between_neighbours:
                best[sender] = expectation
    measured = {id(expectation) for expectation in requested}
    return [expectation for expectation in best.values() if id(expectation) not in measured]


def _named_by(patterns: Sequence[str], endpoints: Iterable[Endpoint]) -> set[str]:
    names = list(dict.fromkeys(endpoint.name for endpoint in endpoints))
    if not patterns:
        return set(names)
    matching = Matching(names)
    for pattern in patterns:
        if not matching(pattern):
            raise UsageError(f"'{pattern}' names no endpoint", instead(pattern, names))
    return {name for pattern in patterns for name in matching(pattern)}


def reaches(topology: Topology, source: str, target: str) -> bool:
    """Return whether a checked scenario expects one node to reach another over IPv4."""
    rules, matching = topology.scenario.expect, Matching((source, target))
    for rule in rules.rules:
        sides = ((source, rule.source), (target, rule.target))
        is_named = all(
            any(name in matching(pattern) for pattern in patterns) for name, patterns in sides
        )
        if is_named and rule.over is Family.IPV4:
            return rule.verdict == "reachable"
    return rules.default == "reachable"


def problems(topology: Topology) -> Iterator[PathProblem]:
    """Yield unknown names, rules that decide nothing, pairs that no rule decides."""
    rules, endpoints = topology.scenario.expect, _endpoints_by_name(topology)
    wrong = [*unknown_names(rules, endpoints), *_pointless_sources(rules)]
    yield from wrong
    pairs = [
        (plane, pairs) for plane in _planes(rules, topology, endpoints) for pairs in plane.pairs()
    ]
    used = {rule for _, of_source in pairs for rule, _ in of_source.decided}
    yield from _idle_rules(rules, {*used, *(problem.path[2] for problem in wrong)})
    uncovered = [(plane, of_source) for plane, of_source in pairs if of_source.undecided]
    if rules.default is None and uncovered:
        yield _uncovered(uncovered)


def _path(index: int, *key: str) -> DataPath:
    return ("expect", "rules", index, *key)


LONGEST_PATTERN = 150
"""Letters: a machine's name, `@` and a network's have 79."""


class Matching:
    """The matches of patterns among some names, worked out once for each pattern."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._matches: dict[str, frozenset[str]] = {}

    def __call__(self, pattern: str) -> frozenset[str]:
        """Return the matching names. A pattern longer than any name has none: its length is work."""
        if not is_pattern(pattern) or len(pattern) > LONGEST_PATTERN:
            return frozenset({pattern} if pattern in self._names else ())
        if pattern not in self._matches:
            names = (name for name in self._names if fnmatchcase(name, pattern))
            self._matches[pattern] = frozenset(names)
        return self._matches[pattern]


@frozen
class _Plane:
    """The pairs over one family of addresses, and the rules that name them.

    Sets of targets are numbers with a bit for each: a file may have thousands of rules and of machines.
    """

    over: Family
    sources: tuple[Endpoint, ...]
    targets: tuple[Endpoint, ...]
    rules_of: dict[str, list[int]]
    """Rules that name a source, by its name."""
    targets_of: dict[int, int]
    """Targets that a rule names, by its index."""

    def pairs(self) -> Iterator[_SourcePairs]:
        """Yield the pairs of each source."""
        every, of_node = (1 << len(self.targets)) - 1, dict[str, int]()
        for index, target in enumerate(self.targets):
            of_node[target.node.name] = of_node.get(target.node.name, 0) | 1 << index
        for source in self.sources:
            undecided, decided = every & ~of_node.get(source.node.name, 0), []
            for rule in self.rules_of.get(source.name, ()):
                if targets := undecided & self.targets_of[rule]:
                    decided.append((rule, targets))
                    undecided ^= targets
            yield _SourcePairs(source, tuple(decided), undecided)

    def targets_in(self, targets: int) -> Iterator[Endpoint]:
        """Yield the targets of a set, in their order."""
        while targets:
            yield self.targets[(targets & -targets).bit_length() - 1]
            targets &= targets - 1


@frozen
class _SourcePairs:
    """The pairs of one source."""

    source: Endpoint
    decided: tuple[tuple[int, int], ...]
    """Rules, and the targets for which each is the first that names the pair."""
    undecided: int
    """Targets for which there is none."""


def _planes(
    rules: Expectations, topology: Topology, endpoints: dict[str, Endpoint]
) -> tuple[_Plane, ...]:
    """Return the plane of IPv4; and if a rule speaks of it, that of IPv6."""
    planes, matching = [], Matching(endpoints)
    for over in Family:
        of_family = {index: rule for index, rule in enumerate(rules.rules) if rule.over is over}
        if not of_family and over is not Family.IPV4:
            continue
        named_sources = (rule.source for rule in of_family.values())
        named_targets = (rule.target for rule in of_family.values())
        sources = _endpoints(topology, endpoints, matching, named_sources)
        targets = _endpoints(topology, endpoints, matching, named_targets)
        bits = {target.name: 1 << index for index, target in enumerate(targets)}
        rules_of: dict[str, list[int]] = {}
        targets_of: dict[int, int] = {}
        for index, rule in of_family.items():
            for name in {name for pattern in rule.source for name in matching(pattern)}:
                rules_of.setdefault(name, []).append(index)
            names = {name for pattern in rule.target for name in matching(pattern)}
            targets_of[index] = sum(bits.get(name, 0) for name in names)
        planes.append(_Plane(over, sources, targets, rules_of, targets_of))
    return tuple(planes)


def _endpoints(
    topology: Topology,
    endpoints: dict[str, Endpoint],
    matching: Matching,
    sides: Iterable[Sequence[str]],
) -> tuple[Endpoint, ...]:
    """Return one side of a matrix: nodes, VMs first, each with its adapters that a rule names.

    `vm*` alone names no adapter, `vm*@vmnet8` does.
    """
    patterns = {pattern for side in sides for pattern in side if "@" in pattern}
    adapters = {name for pattern in patterns for name in matching(pattern)}
    return tuple(
        endpoints[name]
        for node in _by_distance(topology)
        for name in (node.name, *(name for name in node.named_adapters if name in adapters))
    )


def _uncovered(uncovered: list[tuple[_Plane, _SourcePairs]]) -> PathProblem:
    number = sum(pairs.undecided.bit_count() for _, pairs in uncovered)
    examples = (
        f"{pairs.source.name} → {target.name}{' over IPv6' * (plane.over is Family.IPV6)}"
        for plane, pairs in uncovered
        for target in plane.targets_in(pairs.undecided)
    )
    shown = ", ".join(islice(examples, 5)) + (", …" if number > 5 else "")
    message = f"{number:,} pairs have no expectation: {shown}"
    return PathProblem(
        ("expect",), message, "add rules for them, or `default: blocked`", on_key=True
    )


def _endpoints_by_name(topology: Topology) -> dict[str, Endpoint]:
    endpoints = {node.name: Endpoint(node.name, node) for node in topology.endpoints}
    for node in topology.endpoints:
        endpoints |= {
            name: Endpoint(name, node, adapter) for name, adapter in node.named_adapters.items()
        }
    return endpoints


def _by_distance(topology: Topology) -> list[Node]:
    """Sort VMs first, then the host, then the world: the order in which a matrix reads best."""
    return sorted(topology.endpoints, key=lambda node: _READING_ORDER.index(node.role))


def unknown_names(rules: Expectations, names: Collection[str]) -> Iterator[PathProblem]:
    """Yield names in the rules that no endpoint has.

    Where `names` has no adapters, as for a file of which a part is cut out, an adapter's node counts.
    """
    with_adapters = any("@" in name for name in names)
    matching = Matching(names)

    def check(index: int, key: str, written: str) -> Iterator[PathProblem]:
        name = written if with_adapters else written.partition("@")[0]
        if not matching(name):
            message = f"'{written}' names no endpoint"
            yield PathProblem(_path(index, key), message, instead(name, names))

    for index, rule in enumerate(rules.rules):
        for key, patterns in (("from", rule.source), ("to", rule.target)):
            for pattern in patterns:
                yield from check(index, key, pattern)
        if rule.seen_as and is_pattern(rule.seen_as):
            message, fix = f"'{rule.seen_as}' may be several", "name the one whose address is seen"
            yield PathProblem(_path(index, "as"), message, fix)
        elif rule.seen_as:
            yield from check(index, "as", rule.seen_as)


def _pointless_sources(rules: Expectations) -> Iterator[PathProblem]:
    for index, rule in enumerate(rules.rules):
        if rule.seen_as and rule.verdict == "blocked":
            yield PathProblem(
                _path(index, "as"),
                "a blocked pair has no source address to be seen",
                "remove `as`",
            )


def _idle_rules(rules: Expectations, not_idle: Container[str | int]) -> Iterator[PathProblem]:
    for index in range(len(rules.rules)):
        if index not in not_idle:
            yield PathProblem(
                _path(index),
                "this rule decides no pair: earlier rules decide all that it names",
                "remove it or move it up",
            )


def _expectation(
    rules: Expectations,
    endpoints: dict[str, Endpoint],
    over: Family,
    source: Endpoint,
    target: Endpoint,
    to: Adapter,
    decider: int | None,
) -> Expectation:
    rule = None if decider is None else rules.rules[decider]
    if (rule.verdict if rule else rules.default) != "reachable":
        return Expectation(source, target, False, to, None, over)
    seen_as = endpoints[rule.seen_as] if rule and rule.seen_as else source
    return Expectation(source, target, True, to, seen_as, over)
