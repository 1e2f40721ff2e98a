"""Rules in, matrix out: what is expected of every ordered pair of endpoints.

An endpoint is a node (`host`) or a node's adapter on one network (`host@vmnet8`).
Every node is an endpoint; an adapter is one where a rule names it. A pair of two
adapters of one node is no pair.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address
from itertools import islice

from netlab.errors import UsageError
from netlab.frozen import frozen
from netlab.scenario.model import ANY, ICMP, IPERF3, Expectations, Family, Rule, is_pattern
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Adapter, Node, Role, Topology
from netlab.suggest import instead

EVERYBODY = "everybody"
"""The target of a probe that goes to no machine in particular."""
WHATEVER = "whatever"
"""Nothing is expected."""
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
    verdict: str
    """`reachable`, `blocked`, or one of the three verdicts, as in a rule; or WHATEVER."""
    to: Adapter
    """The target's adapter that is probed."""
    seen_as: Endpoint | None = None
    """The endpoint whose address the target must see as source; None: it does not matter."""
    over: Family = Family.IPV4
    by: str = ICMP
    """The kind of probe: `tcp:80`."""
    rule: Rule | None = None
    """The rule that says so, with what else it demands; None: the default."""
    number: int | None = None
    """The rule's index in the scenario."""

    @property
    def reachable(self) -> bool:
        """True if the probe must be answered."""
        return self.verdict in ("reachable", "answered")

    @property
    def to_everybody(self) -> bool:
        """True if the probe goes to no machine in particular, or to one that the source itself knows."""
        return self.target.adapter is None and self.target.node is self.source.node

    @property
    def chose(self) -> bool:
        """True if the target was named without its adapter, and has several."""
        return (
            not (self.target.adapter or self.to_everybody)
            and len(self.target.node.callable_adapters) > 1
        )

    @property
    def between_neighbours(self) -> bool:
        """True if the target is on a network of the source's."""
        return self.to.network.segment in self.source.node.segments

    def seen_adapters(self) -> tuple[Adapter, ...]:
        """Adapters whose address the target may see as source: those on its networks, if there are any; none
        where it does not matter."""
        endpoint = self.seen_as
        if endpoint is None:
            return ()
        if endpoint.adapter:
            return (endpoint.adapter,)
        segments, adapters = self.target.node.segments, endpoint.node.adapters
        return (
            tuple(adapter for adapter in adapters if adapter.network.segment in segments)
            or adapters
        )


def matrix(topology: Topology) -> tuple[Expectation, ...]:
    """Return every expectation of a checked scenario, one kind of probe after the other, source by source."""
    expect, endpoints = topology.scenario.expect, _endpoints_by_name(topology)
    expectations = []
    for plane in _planes(expect, topology, endpoints):
        for pairs in plane.pairs():
            decider = {
                target.name: rule
                for rule, targets in pairs.decided
                for target in plane.targets_in(targets)
            }
            expectations += [
                _expectation(
                    expect,
                    endpoints,
                    plane,
                    pairs.source,
                    target,
                    target.adapter or topology.towards(pairs.source.node, target.node),
                    decider.get(target.name),
                )
                for target in plane.targets
                if target.node is not pairs.source.node
                and (plane.is_whole or target.name in decider)
            ]
        expectations += [
            _expectation(
                expect,
                endpoints,
                plane,
                source,
                Endpoint(EVERYBODY, source.node),
                source.adapter or source.node.primary,
                number,
            )
            for source, number in plane.to_everybody
        ]
    return tuple(expectations)


def selected(
    expectations: Sequence[Expectation],
    sources: Sequence[str],
    targets: Sequence[str],
    kinds: Sequence[str] = (),
) -> tuple[Expectation, ...]:
    """Return the expectations between endpoints that patterns name, as in rules, by these kinds of probes; no
    patterns, no kinds: all.

    Raises UsageError for a pattern that names no endpoint, a kind that no rule has, and if no pair is left.
    """
    existing = dict.fromkeys(expectation.by for expectation in expectations)
    known = [*existing, *(by.partition(":")[0] for by in existing)]
    for kind in kinds:
        if kind not in known:
            raise UsageError(f"no rule of the scenario is by '{kind}'", instead(kind, existing))
    source_names = _named_by(sources, (expectation.source for expectation in expectations))
    target_names = _named_by(targets, (expectation.target for expectation in expectations))
    matches = tuple(
        expectation
        for expectation in expectations
        if expectation.source.name in source_names
        and expectation.target.name in target_names
        and (not kinds or not {expectation.by, expectation.by.partition(":")[0]}.isdisjoint(kinds))
    )
    if not matches:
        named = f"from {', '.join(sources) or 'all'} to {', '.join(targets) or 'all'}"
        if kinds:
            by = f"{named} by {', '.join(kinds)}"
            raise UsageError(f"there is no pair {by}", "only those that a rule names are measured")
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
    senders = {
        (expectation.source.node.name, expectation.over)
        for expectation in requested
        if expectation.by == ICMP
    }
    best: dict[tuple[str, Family], Expectation] = {}
    for expectation in expectations:
        sender = (expectation.source.node.name, expectation.over)
        if sender in senders and expectation.by == ICMP and expectation.reachable:
            current = best.setdefault(sender, expectation)
            if not current.between_neighbours and expectation.between_neighbours:
                best[sender] = expectation
    measured = {id(expectation) for expectation in requested}
    return [expectation for expectation in best.values() if id(expectation) not in measured]


def _named_by(patterns: Sequence[str], endpoints: Iterable[Endpoint]) -> set[str]:
    # In their order, for the message.
    names = dict.fromkeys(endpoint.name for endpoint in endpoints)
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
        if is_named and rule.over is Family.IPV4 and ICMP in rule.by:
            return rule.verdict in ("reachable", "answered")
    return rules.default == "reachable"


def problems(topology: Topology) -> Iterator[PathProblem]:
    """Yield unknown names, rules that decide nothing, pairs that no rule decides."""
    rules, endpoints = topology.scenario.expect, _endpoints_by_name(topology)
    wrong = [
        *unknown_names(rules, endpoints),
        *_unknown_places(rules, topology),
        *_contradictions(rules),
    ]
    yield from wrong
    planes = tuple(_planes(rules, topology, endpoints))
    pairs = [(plane, pairs) for plane in planes for pairs in plane.pairs()]
    used = {rule for _, of_source in pairs for rule, _ in of_source.decided}
    used |= {rule for plane in planes for _, rule in plane.to_everybody}
    yield from _idle_rules(rules, {*used, *(problem.path[2] for problem in wrong)})
    uncovered = [
        (plane, of_source) for plane, of_source in pairs if plane.is_whole and of_source.undecided
    ]
    if rules.default is None and not rules.leave_pings_open and uncovered:
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
    """The pairs over one family of addresses by one kind of probe, and the rules that name them.

    Sets of targets are numbers with a bit for each: a file may have thousands of rules and of machines.
    """

    over: Family
    by: str
    sources: tuple[Endpoint, ...]
    targets: tuple[Endpoint, ...]
    rules_of: dict[str, list[int]]
    """Rules that name a source, by its name."""
    targets_of: dict[int, int]
    """Targets that a rule names, by its index."""
    to_everybody: tuple[tuple[Endpoint, int], ...]
    """Sources of rules that name no target, each with the first of these that names it."""

    @property
    def is_whole(self) -> bool:
        """True if all pairs are measured, and not only those that rules name."""
        return self.by == ICMP

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
    expect: Expectations, topology: Topology, endpoints: dict[str, Endpoint]
) -> Iterator[_Plane]:
    """Yield the plane of pings over IPv4, that over IPv6 if a rule speaks of it, and those of other kinds of
    probes that rules have."""
    matching = Matching(endpoints)
    rules_of: dict[str, dict[Family, dict[int, Rule]]] = {ICMP: {}}
    for number, rule in enumerate(expect.rules):
        for by in rule.by:
            rules_of.setdefault(by, {}).setdefault(rule.over, {})[number] = rule
    for by, families in rules_of.items():
        for over in Family:
            rules = families.get(over, {})
            if rules or (by, over) == (ICMP, Family.IPV4):
                yield _plane(over, by, rules, topology, endpoints, matching)


def _plane(
    over: Family,
    by: str,
    rules: dict[int, Rule],
    topology: Topology,
    endpoints: dict[str, Endpoint],
    matching: Matching,
) -> _Plane:
    sources = _endpoints(topology, endpoints, matching, (rule.source for rule in rules.values()))
    targets = _endpoints(topology, endpoints, matching, (rule.target for rule in rules.values()))
    bits = {target.name: 1 << index for index, target in enumerate(targets)}
    rules_of: dict[str, list[int]] = {}
    targets_of: dict[int, int] = {}
    first: dict[str, int] = {}
    for number, rule in rules.items():
        names = {name for pattern in rule.source for name in matching(pattern)}
        if not rule.target:
            first = {**dict.fromkeys(names, number), **first}
            continue
        for name in names:
            rules_of.setdefault(name, []).append(number)
        named = {name for pattern in rule.target for name in matching(pattern)}
        targets_of[number] = sum(bits.get(name, 0) for name in named)
    to_everybody = tuple((source, first[source.name]) for source in sources if source.name in first)
    return _Plane(over, by, sources, targets, rules_of, targets_of, to_everybody)


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
        elif rule.seen_as and rule.seen_as != ANY:
            yield from check(index, "as", rule.seen_as)


def _unknown_places(expect: Expectations, topology: Topology) -> Iterator[PathProblem]:
    """Yield machines and switches that rules name as places on the way, and that there are not."""
    places = dict.fromkeys((*topology.nodes, *topology.networks))
    for number, rule in enumerate(expect.rules):
        named = {
            "at": [] if rule.at is None else [rule.at],
            "answered_by": [] if rule.answered_by is None else [rule.answered_by],
            "through": rule.through,
            "not_through": rule.not_through,
            "heard_by": rule.heard_by,
            "not_heard_by": rule.not_heard_by,
        }
        for key, names in named.items():
            for name in names:
                if name not in places:
                    message = f"there is no machine or switch '{name}'"
                    yield PathProblem(_path(number, key), message, instead(name, places))
        servers = {"dns": rule.dns and rule.dns.server, "dhcp": rule.dhcp and rule.dhcp.server}
        for key, server in servers.items():
            if isinstance(server, str) and server not in places and not _is_address(server):
                message = f"there is no machine '{server}'"
                yield PathProblem(_path(number, key, "server"), message, instead(server, places))


_IPV4_ONLY = {"arp", "dhcp", "raw"}
_OF_REPLIES = {"dns": "dns", "http": "http", "dhcp": "dhcp", "mtu": "mtu"}
"""Keys that speak of what a reply says, and the kind of probe that has it."""


def _is_address(word: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(word))
    return False


def _contradictions(expect: Expectations) -> Iterator[PathProblem]:
    """Yield keys of rules that make no sense together."""
    for number, rule in enumerate(expect.rules):
        for key, message, fix in _contradicting(rule):
            yield PathProblem(_path(number, *([key] if key else [])), message, fix)


def _contradicting(rule: Rule) -> Iterator[tuple[str, str, str]]:
    """Yield keys that make no sense beside the others, why, and what to do."""
    kinds = {by.partition(":")[0] for by in rule.by}
    lost = rule.verdict in ("blocked", "refused", "dropped")
    if rule.seen_as and lost:
        yield "as", "a blocked pair has no source address to be seen", "remove `as`"
    if rule.answered_by and lost:
        yield "answered_by", "nobody answers a blocked pair", "remove it"
    for key, value in (("because", rule.because), ("at", rule.at), ("comment", rule.comment)):
        if value is not None and not lost:
            yield key, f"`{key}` says why a pair is blocked", "add `is: blocked`"
    if rule.comment is not None and not rule.comment.strip():
        yield "comment", "an empty piece is in every comment", "write a piece of it"
    for key, but in (("through", "not_through"), ("heard_by", "not_heard_by")):
        if both := [name for name in getattr(rule, key) if name in getattr(rule, but)]:
            yield but, f"'{both[0]}' is in `{key}`, too", "name it in one of them"
    if rule.over is Family.IPV6 and (of_ipv4 := sorted(kinds & _IPV4_ONLY)):
        fix = "remove `over`, or have a second rule for the rest"
        yield "over", f"probes by {of_ipv4[0]} are IPv4's", fix
    elif rule.over is Family.IPV6 and not rule.target:
        yield "over", "without `to`, the first name server is asked", "remove `over`, or add `to`"
    for key, kind in _OF_REPLIES.items():
        if getattr(rule, key) is not None and (kinds != {kind} or lost):
            yield key, f"`{key}` speaks of a reply by {kind}", f"add `by: {kind}`, or remove it"
    if kinds & {"dhcp"} and rule.target:
        yield "to", "dhcp asks everybody on the source's network", "remove `to`"
    if not rule.target and kinds - {"dhcp", "dns"}:
        yield "", "a rule needs `to`", "add it; only dhcp and dns go without"
    bounded = rule.bandwidth or rule.loss
    if (kinds == {IPERF3}) != bool(bounded):
        yield "by", "iperf3 measures `bandwidth` or `loss`", "write both, `by` and what it measures"
    ways = (rule.through, rule.not_through, rule.heard_by, rule.not_heard_by)
    if IPERF3 in kinds and (lost or rule.seen_as or rule.answered_by or any(ways)):
        yield "by", "iperf3 measures `bandwidth` and `loss` only", "have a second rule for the rest"
    for key, bounds in (("bandwidth", rule.bandwidth), ("loss", rule.loss)):
        least, most = (bounds.least, bounds.most) if bounds else (None, None)
        if bounds and least is None and most is None:
            yield key, f"`{key}` has no bound", "write `least`, `most` or both"
        if least is not None and most is not None and least > most:
            yield key, "`least` is more than `most`", "swap them"


def _idle_rules(rules: Expectations, not_idle: Container[str | int]) -> Iterator[PathProblem]:
    for index in range(len(rules.rules)):
        if index not in not_idle:
            yield PathProblem(
                _path(index),
                "this rule decides no pair: earlier rules decide all that it names",
                "remove it or move it up",
            )


def _expectation(
    expect: Expectations,
    endpoints: dict[str, Endpoint],
    plane: _Plane,
    source: Endpoint,
    target: Endpoint,
    to: Adapter,
    number: int | None,
) -> Expectation:
    rule = None if number is None else expect.rules[number]
    verdict = rule.verdict if rule else expect.default or WHATEVER
    written = rule.seen_as if rule else None
    seen_as = endpoints[written] if written and written != ANY else None
    if verdict == "reachable" and not written:
        seen_as = source
    return Expectation(source, target, verdict, to, seen_as, plane.over, plane.by, rule, number)
