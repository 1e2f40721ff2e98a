"""Pairs that are not as expected, grouped by what became of them, where and why. Pure.

A thousand pairs that ended of one cause on one node are shown as one group.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from netlab.diagnosis import phrases
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.messages import N_, Message
from netlab.scenario.model import Family
from netlab.scenario.topology import natural
from netlab.verify.demands import sender, verdict
from netlab.verify.demands.probed import Probed
from netlab.verify.matrix import Result

_NUMBER = re.compile(r"(.*?)([0-9]+)((?:@.*)?)")
"""A name that may be one of a range: the text before the number, the number, and the adapter."""
_LEAST_RANGE = 3
_SENDER = Message("the sender")
_TOKEN = re.compile(r"[\w.:/@-]+")
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?|[0-9a-f]*(?::[0-9a-f]*){2,}(?:/[0-9]+)?")


@frozen
class PairBlock:
    """Every source to every target, but for pairs of a machine with itself."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    pairs: int


@frozen
class PairGroup:
    """Pairs that ended in the same way."""

    results: tuple[Result, ...]

    @property
    def over(self) -> Family:
        return self.results[0].expectation.over

    @property
    def by(self) -> str:
        return self.results[0].expectation.by

    @property
    def what(self) -> str:
        """The failure of each pair if they are the same, or else what is common to all."""
        nodes = {result.outcome.at for result in self.results}
        return self._same or _in_common(self.results[0], nodes.pop() if len(nodes) == 1 else "")

    @property
    def example(self) -> str:
        """The first pair's failure, if `what` leaves something out."""
        return "" if self._same else self.results[0].failure or ""

    @cached_property
    def _same(self) -> str:
        failures = {result.failure for result in self.results}
        return (failures.pop() or "") if len(failures) == 1 else ""

    @cached_property
    def blocks(self) -> tuple[PairBlock, ...]:
        """The pairs in as few blocks as is easily found, the largest first."""
        return blocks_of(self.results)


def blocks_of(results: Iterable[Result]) -> tuple[PairBlock, ...]:
    """Return pairs in as few blocks as is easily found, the largest first."""
    targets: dict[str, set[str]] = defaultdict(set)
    endpoints: dict[str, set[str]] = defaultdict(set)
    nodes: dict[str, str] = {}
    for result in results:
        source, target = result.expectation.source, result.expectation.target
        for end in (source, target):
            endpoints[end.node.name].add(end.name)
        targets[source.name].add(target.name)
        nodes[source.name] = source.node.name
    own = {name: endpoints[node] for name, node in nodes.items()}
    blocks = [
        PairBlock(
            tuple(sorted(sources, key=natural)),
            tuple(sorted(to, key=natural)),
            sum(len(targets[source]) for source in sources),
        )
        for to, sources in _alike(targets, own)
    ]
    return tuple(sorted(blocks, key=lambda block: (-block.pairs, natural(block.sources[0]))))


def groups(results: Iterable[Result]) -> list[PairGroup]:
    """Group all pairs that are not as expected: the largest group first, and last what is not known."""
    by_kind: dict[tuple[object, ...], list[Result]] = defaultdict(list)
    for result in results:
        if result.failure:
            by_kind[_kind(result)].append(result)
    return sorted(
        (PairGroup(tuple(alike)) for alike in by_kind.values()),
        key=lambda group: (
            group.results[0].outcome.verdict is Verdict.UNKNOWN,
            -len(group.results),
        ),
    )


def shortened(names: Sequence[str], most: int) -> str:
    """Return names in order, `vm1…vm9` for every number from 1 to 9.

    `most`: so many names and ranges are shown, and how many names are left.
    """
    runs: list[list[str]] = []
    for name in names:
        if runs and _next(runs[-1][-1]) == name:
            runs[-1].append(name)
        else:
            runs.append([name])
    words = [word for run in runs for word in _words(run)]
    shown = words if len(words) <= most + 1 else words[:most]
    left = sum(count for _, count in words[len(shown) :])
    text = ", ".join(word for word, _ in shown)
    return Message("{names} and {count} more", names=text, count=left) if left else text


def _words(run: list[str]) -> list[tuple[str, int]]:
    """Return names and ranges, with how many names each stands for."""
    if len(run) < _LEAST_RANGE:
        return [(name, 1) for name in run]
    return [(f"{run[0]}…{run[-1]}", len(run))]


def _next(name: str) -> str | None:
    """Return the name that is one number on: vm10 after vm9, vm10@lan after vm9@lan, vm010 after vm009."""
    if not (match := _NUMBER.fullmatch(name)):
        return None
    before, number, adapter = match.groups()
    return f"{before}{str(int(number) + 1).zfill(len(number))}{adapter}"


def _alike(
    targets: Mapping[str, set[str]], endpoints: Mapping[str, set[str]]
) -> Iterator[tuple[frozenset[str], list[str]]]:
    """Yield targets, and the sources that have these.

    A node has no pair with itself, which is no difference. `endpoints`: of a source's own node.
    """
    exactly: dict[frozenset[str], list[str]] = defaultdict(list)
    nearly: dict[frozenset[str], list[str]] = defaultdict(list)
    for source, names in targets.items():
        exactly[frozenset(names)].append(source)
        nearly[frozenset(names | endpoints[source])].append(source)
    sources: dict[frozenset[str], list[str]] = defaultdict(list)
    for source, names in targets.items():
        few, many = frozenset(names), frozenset(names | endpoints[source])
        sources[many if len(nearly[many]) > len(exactly[few]) else few].append(source)
    yield from sources.items()


def _kind(result: Result) -> tuple[object, ...]:
    """Return the key that is the same for all pairs of a group."""
    outcome, expectation = result.outcome, result.expectation
    evidence = _evidence(result) if outcome.cause else ""
    return (expectation.by, expectation.over, _in_common(result), evidence)


def _evidence(result: Result) -> str:
    """Return the evidence without addresses and the names of the two, which no other pair has."""
    expectation = result.expectation
    names = (expectation.source.node.name, expectation.target.node.name)

    def common(token: re.Match[str]) -> str:
        word = token[0].rstrip(".:")
        return "" if word in names or _ADDRESS.fullmatch(word) else word

    return _TOKEN.sub(common, result.outcome.why)


def _in_common(result: Result, node: str = "") -> str:
    """Return what became of a pair, without what differs between pairs: addresses, and the pair's nodes.

    `node`: where all pairs ended, if that is one node.
    """
    outcome, expectation = result.outcome, result.expectation
    measured = Probed(outcome, result.allowed_sources)
    if not (verdict.unmet(expectation, measured) or sender.unmet(expectation, measured)):
        return result.failure or ""  # It is a demand of its own that is not met.
    if outcome.verdict is not Verdict.ANSWERED:
        why = _why_in_common(result, node)
        is_known = outcome.verdict is not Verdict.UNKNOWN
        if is_known and outcome.arrived and expectation.verdict == "blocked":
            return Message("expected blocked, but it arrived: {why}", why=why)
        return verdict.compare(expectation.verdict, replace(outcome, why=why)) or ""
    observed = _observed_sender(result)
    if not expectation.reachable:
        return Message("expected blocked, but answered; the target saw {sender}", sender=observed)
    endpoint = expectation.seen_as or expectation.source
    return Message(
        "expected to be seen as {expected}, but the target saw {sender}",
        expected=_SENDER if endpoint.node is expectation.source.node else endpoint.name,
        sender=observed,
    )


def _why_in_common(result: Result, node: str) -> str:
    outcome = result.outcome
    if outcome.cause and outcome.at:
        diagnosis = Diagnosis(outcome.verdict, outcome.at, Cause(outcome.cause))
        text = N_("at {node}, {why}") if node else _where_in_common(result)
        return Message(text, node=node or outcome.at, why=phrases.why(diagnosis))
    return Message("it arrived, and no reply came back") if outcome.arrived else outcome.why


def _where_in_common(result: Result) -> str:
    """Return where a packet ended and `{why}`; for one of the pair's own nodes, which of the two."""
    ends = {
        result.expectation.target.node.name: N_("at the receiver, {why}"),
        result.expectation.source.node.name: N_("at the sender, {why}"),
    }
    return ends.get(result.outcome.at, N_("at {node}, {why}"))


def _observed_sender(result: Result) -> str:
    """Return the owner of the source address that the target saw."""
    outcome, source = result.outcome, result.expectation.source
    if (result.seen_as or "").partition("@")[0] == source.node.name:
        return _SENDER
    return f"{result.seen_as} ({outcome.seen_as})" if result.seen_as else f"{outcome.seen_as}"
