"""Rules in, matrix out: what is expected of every ordered pair of endpoints.

An endpoint is a node (`host`) or a node's adapter on one network (`host@vmnet8`).
Every node is an endpoint; an adapter is one where a rule names it. A pair of two
adapters of one node is no pair.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice

from netlab.errors import UsageError
from netlab.frozen import frozen
from netlab.scenario.model import Expectations, Family, is_pattern
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
    """What one ordered pair must show."""

    source: Endpoint
    target: Endpoint
    reachable: bool
    to: Adapter
    """The target's that is meant."""
    seen_as: Endpoint | None = None
    """Whose address the target must see; None for a blocked pair."""
    over: Family = Family.IPV4

    @property
    def chose(self) -> bool:
        """The target was named without its adapter, and has several."""
        return not self.target.adapter and len(self.target.node.callable_adapters) > 1

    @property
    def between_neighbours(self) -> bool:
        """The target is on a network of the source's."""
        return self.to.network.segment in self.source.node.segments

    def seen_adapters(self) -> tuple[Adapter, ...]:
        """Legs whose address the target may see as source: those on its networks, if there are any."""
        seen = self.seen_as or self.source
        if seen.adapter:
            return (seen.adapter,)
        segments = self.target.node.segments
        return (
            tuple(adapter for adapter in seen.node.adapters if adapter.network.segment in segments)
            or seen.node.adapters
        )


@frozen
class RuleProblem:
    """A fault in the rules: `path` below `expect`, what is wrong, what to do."""

    path: tuple[str | int, ...]
    what: str
    fix: str


def matrix(topology: Topology) -> tuple[Expectation, ...]:
    """Every expectation of a checked scenario, row by row."""
    rules, known = topology.scenario.expect, _known(topology)
    cells = []
    for plane in _planes(rules, topology, known):
        for row in plane.rows():
            decider = {target.name: rule for rule, hit in row.decided for target in plane.of(hit)}
            cells += [
                _expectation(
                    rules,
                    known,
                    plane.over,
                    row.source,
                    target,
                    target.adapter or topology.towards(row.source.node, target.node),
                    decider.get(target.name),
                )
                for target in plane.targets
                if target.node is not row.source.node
            ]
    return tuple(cells)


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
    if not patterns:
        return set(known)
    matching = Matching(known)
    for pattern in patterns:
        if not matching(pattern):
            raise UsageError(f"'{pattern}' names no endpoint", instead(pattern, known))
    return {name for pattern in patterns for name in matching(pattern)}


def reaches(topology: Topology, source: str, target: str) -> bool:
    """Whether a checked scenario expects one node to reach another over IPv4."""
    rules, matching = topology.scenario.expect, Matching((source, target))
    for rule in rules.rules:
        sides = ((source, rule.source), (target, rule.target))
        named = all(any(name in matching(one) for one in patterns) for name, patterns in sides)
        if named and rule.over is Family.IPV4:
            return rule.verdict == "reachable"
    return rules.default == "reachable"


def problems(topology: Topology) -> tuple[RuleProblem, ...]:
    """Unknown names, rules that decide nothing, pairs that no rule decides."""
    rules, known = topology.scenario.expect, _known(topology)
    found = [*unknown_names(rules, known), *_pointless_sources(rules)]
    rows = [(plane, row) for plane in _planes(rules, topology, known) for row in plane.rows()]
    used = {rule for _, row in rows for rule, _ in row.decided}
    found += _idle_rules(rules, used, {problem.path[:2] for problem in found})
    uncovered = [(plane, row) for plane, row in rows if row.left]
    if rules.default is None and uncovered:
        found.append(_uncovered(uncovered))
    return tuple(found)


LONGEST_PATTERN = 150
"""Letters: a machine's name, `@` and a network's have 79."""


class Matching:
    """Which of some names a pattern names, worked out once for each pattern."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._matches: dict[str, frozenset[str]] = {}

    def __call__(self, pattern: str) -> frozenset[str]:
        """The names. A pattern longer than any name has none: its length is work."""
        if not is_pattern(pattern) or len(pattern) > LONGEST_PATTERN:
            return frozenset({pattern} if pattern in self._names else ())
        if pattern not in self._matches:
            names = (name for name in self._names if fnmatchcase(name, pattern))
            self._matches[pattern] = frozenset(names)
        return self._matches[pattern]


@frozen
class _Plane:
    """All pairs over one family of addresses, and the first rule that names each.

    Sets of targets are numbers with a bit for each: a file may have thousands of rules and of machines.
    """

    over: Family
    sources: tuple[Endpoint, ...]
    targets: tuple[Endpoint, ...]
    naming: dict[str, list[int]]
    """Of each source, the rules that name it."""
    named: dict[int, int]
    """Of each rule, the targets that it names."""

    def rows(self) -> Iterator[_Row]:
        """One for each source."""
        every, own = (1 << len(self.targets)) - 1, dict[str, int]()
        for place, target in enumerate(self.targets):
            own[target.node.name] = own.get(target.node.name, 0) | 1 << place
        for source in self.sources:
            left, decided = every & ~own.get(source.node.name, 0), []
            for rule in self.naming.get(source.name, ()):
                if hit := left & self.named[rule]:
                    decided.append((rule, hit))
                    left ^= hit
            yield _Row(source, tuple(decided), left)

    def of(self, targets: int) -> Iterator[Endpoint]:
        """The targets of a set, in their order."""
        while targets:
            yield self.targets[(targets & -targets).bit_length() - 1]
            targets &= targets - 1


@frozen
class _Row:
    """The pairs of one source."""

    source: Endpoint
    decided: tuple[tuple[int, int], ...]
    """Rules, and the targets for which each is the first that names the pair."""
    left: int
    """Targets for which there is none."""


def _planes(
    rules: Expectations, topology: Topology, known: dict[str, Endpoint]
) -> tuple[_Plane, ...]:
    """One for IPv4; and if a rule speaks of it, one for IPv6."""
    planes, matching = [], Matching(known)
    for over in Family:
        its = {index: rule for index, rule in enumerate(rules.rules) if rule.over is over}
        if not its and over is not Family.IPV4:
            continue
        sources = _endpoints(topology, known, matching, (rule.source for rule in its.values()))
        targets = _endpoints(topology, known, matching, (rule.target for rule in its.values()))
        bits = {target.name: 1 << place for place, target in enumerate(targets)}
        naming: dict[str, list[int]] = {}
        named: dict[int, int] = {}
        for index, rule in its.items():
            for name in {name for pattern in rule.source for name in matching(pattern)}:
                naming.setdefault(name, []).append(index)
            names = {name for pattern in rule.target for name in matching(pattern)}
            named[index] = sum(bits.get(name, 0) for name in names)
        planes.append(_Plane(over, sources, targets, naming, named))
    return tuple(planes)


def _endpoints(
    topology: Topology,
    known: dict[str, Endpoint],
    matching: Matching,
    sides: Iterable[Sequence[str]],
) -> tuple[Endpoint, ...]:
    """One side of a matrix: nodes, VMs first, each with its adapters that a rule names.

    `vm*` alone names no adapter, `vm*@vmnet8` does.
    """
    patterns = {pattern for side in sides for pattern in side if "@" in pattern}
    adapters = {name for pattern in patterns for name in matching(pattern)}
    return tuple(
        known[name]
        for node in _by_distance(topology)
        for name in (node.name, *(name for name in node.named_adapters if name in adapters))
    )


def _uncovered(uncovered: list[tuple[_Plane, _Row]]) -> RuleProblem:
    number = sum(row.left.bit_count() for _, row in uncovered)
    examples = (
        f"{row.source.name} → {target.name}{' over IPv6' * (plane.over is Family.IPV6)}"
        for plane, row in uncovered
        for target in plane.of(row.left)
    )
    shown = ", ".join(islice(examples, 5)) + (", …" if number > 5 else "")
    what = f"{number:,} pairs have no expectation: {shown}"
    return RuleProblem((), what, "add rules for them, or `default: blocked`")


def _known(topology: Topology) -> dict[str, Endpoint]:
    known = {node.name: Endpoint(node.name, node) for node in topology.endpoints}
    for node in topology.endpoints:
        known |= {
            name: Endpoint(name, node, adapter) for name, adapter in node.named_adapters.items()
        }
    return known


def _by_distance(topology: Topology) -> list[Node]:
    """VMs first, then the host, then the world: the order in which a matrix reads best."""
    return sorted(topology.endpoints, key=lambda node: _READING_ORDER.index(node.role))


def unknown_names(rules: Expectations, known: Collection[str]) -> Iterator[RuleProblem]:
    """Names in the rules that no endpoint has. Where `known` has no adapters, an adapter's node counts."""
    with_adapters = any("@" in name for name in known)
    matching = Matching(known)

    def problem(index: int, key: str, name: str) -> Iterator[RuleProblem]:
        wanted = name if with_adapters else name.partition("@")[0]
        if not matching(wanted):
            what = f"'{name}' names no endpoint"
            yield RuleProblem(("rules", index, key), what, instead(wanted, known))

    for index, rule in enumerate(rules.rules):
        for key, patterns in (("from", rule.source), ("to", rule.target)):
            for pattern in patterns:
                yield from problem(index, key, pattern)
        if rule.seen_as and is_pattern(rule.seen_as):
            what, fix = f"'{rule.seen_as}' may be several", "name the one whose address is seen"
            yield RuleProblem(("rules", index, "as"), what, fix)
        elif rule.seen_as:
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


def _expectation(
    rules: Expectations,
    known: dict[str, Endpoint],
    over: Family,
    source: Endpoint,
    target: Endpoint,
    to: Adapter,
    decider: int | None,
) -> Expectation:
    rule = None if decider is None else rules.rules[decider]
    if (rule.verdict if rule else rules.default) != "reachable":
        return Expectation(source, target, False, to, None, over)
    seen = known[rule.seen_as] if rule and rule.seen_as else source
    return Expectation(source, target, True, to, seen, over)
