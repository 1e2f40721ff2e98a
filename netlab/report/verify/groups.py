"""Pairs that are not as expected, grouped by what became of them, where and why. Pure.

A thousand pairs that ended of one cause at one place are one thing to tell.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from netlab.diagnosis.cause import SENTENCES, Cause
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.scenario.model import Family
from netlab.scenario.topology import natural
from netlab.verify.matrix import Result

_NUMBER = re.compile(r"(.*?)([0-9]+)((?:@.*)?)")
"""A name that may be one of a range: what is before, the number, and the adapter."""
_LEAST_RANGE = 3
_SENDER, _RECEIVER = "the sender", "the receiver"
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
    """Pairs that ended alike."""

    results: tuple[Result, ...]

    @property
    def over(self) -> Family:
        return self.results[0].expectation.over

    @property
    def what(self) -> str:
        """What became of them: the words of each if they are the same, or else what is common to all."""
        places = {one.outcome.at for one in self.results}
        return self._same or _in_common(self.results[0], places.pop() if len(places) == 1 else "")

    @property
    def example(self) -> str:
        """What is not in `what`, of the first one."""
        return "" if self._same else self.results[0].failure or ""

    @cached_property
    def _same(self) -> str:
        said = {one.failure for one in self.results}
        return (said.pop() or "") if len(said) == 1 else ""

    @cached_property
    def blocks(self) -> tuple[PairBlock, ...]:
        """The pairs in as few blocks as is easily found, the largest first."""
        targets: dict[str, set[str]] = defaultdict(set)
        own: dict[str, set[str]] = defaultdict(set)
        for one in self.results:
            for end in (one.expectation.source, one.expectation.target):
                own[end.node.name].add(end.name)
            targets[one.expectation.source.name].add(one.expectation.target.name)
        nodes = {
            one.expectation.source.name: one.expectation.source.node.name for one in self.results
        }
        blocks = [
            PairBlock(
                tuple(sorted(sources, key=natural)),
                tuple(sorted(to, key=natural)),
                sum(len(targets[source]) for source in sources),
            )
            for to, sources in _alike(targets, {name: own[node] for name, node in nodes.items()})
        ]
        return tuple(sorted(blocks, key=lambda block: (-block.pairs, natural(block.sources[0]))))


def groups(results: Iterable[Result]) -> list[PairGroup]:
    """Of all that are not as expected: the largest first, and last what is not known."""
    found: dict[tuple[object, ...], list[Result]] = defaultdict(list)
    for result in results:
        if result.failure:
            found[_kind(result)].append(result)
    return sorted(
        (PairGroup(tuple(its)) for its in found.values()),
        key=lambda one: (one.results[0].outcome.verdict is Verdict.UNKNOWN, -len(one.results)),
    )


def shortened(names: Sequence[str], most: int) -> str:
    """Names in order, `vm1…vm9` for every number from 1 to 9: at most so many words, and how many more."""
    runs: list[list[str]] = []
    for name in names:
        if runs and _next(runs[-1][-1]) == name:
            runs[-1].append(name)
        else:
            runs.append([name])
    words = [word for run in runs for word in _words(run)]
    shown = words if len(words) <= most + 1 else words[:most]
    left = sum(count for _, count in words[len(shown) :])
    return ", ".join(word for word, _ in shown) + f" and {left} more" * bool(left)


def _words(run: list[str]) -> list[tuple[str, int]]:
    """With how many names each stands for."""
    if len(run) < _LEAST_RANGE:
        return [(name, 1) for name in run]
    return [(f"{run[0]}…{run[-1]}", len(run))]


def _next(name: str) -> str | None:
    """The name that is one number on: vm10 after vm9, vm10@lan after vm9@lan, vm010 after vm009."""
    if not (found := _NUMBER.fullmatch(name)):
        return None
    before, number, adapter = found.groups()
    return f"{before}{str(int(number) + 1).zfill(len(number))}{adapter}"


def _alike(
    targets: Mapping[str, set[str]], own: Mapping[str, set[str]]
) -> Iterator[tuple[frozenset[str], list[str]]]:
    """Targets, and the sources that have these. A machine has no pair with itself, which is no difference."""
    exactly: dict[frozenset[str], list[str]] = defaultdict(list)
    nearly: dict[frozenset[str], list[str]] = defaultdict(list)
    for source, its in targets.items():
        exactly[frozenset(its)].append(source)
        nearly[frozenset(its | own[source])].append(source)
    found: dict[frozenset[str], list[str]] = defaultdict(list)
    for source, its in targets.items():
        few, many = frozenset(its), frozenset(its | own[source])
        found[many if len(nearly[many]) > len(exactly[few]) else few].append(source)
    yield from found.items()


def _kind(result: Result) -> tuple[object, ...]:
    """What is the same for all pairs of a group."""
    outcome, expectation = result.outcome, result.expectation
    return (expectation.over, _in_common(result), _evidence(result) if outcome.cause else "")


def _evidence(result: Result) -> str:
    """What was said, but for addresses and the names of the two: no pair has these in common with another."""
    expectation = result.expectation
    own = (expectation.source.node.name, expectation.target.node.name)

    def common(token: re.Match[str]) -> str:
        word = token[0].rstrip(".:")
        return "" if word in own or _ADDRESS.fullmatch(word) else word

    return _TOKEN.sub(common, result.outcome.why)


def _in_common(result: Result, place: str = "") -> str:
    """What became of a pair, without what is its own: addresses, and the machine that it is.

    `place`: where it ended, if that is to be said by name.
    """
    outcome, expectation = result.outcome, result.expectation
    saw = f"the target saw {_whose(result)}"
    if expectation.reachable and outcome.verdict is Verdict.ANSWERED:
        seen = expectation.seen_as or expectation.source
        as_whom = _SENDER if seen.node is expectation.source.node else seen.name
        return f"expected to be seen as {as_whom}, but {saw}"
    if outcome.verdict is Verdict.ANSWERED:
        return f"expected blocked, but answered; {saw}"
    why = outcome.why
    if outcome.cause:
        why = f"at {place or _place(result)}, {SENTENCES[Cause(outcome.cause)]['en']} ({outcome.cause})"
    elif outcome.arrived:
        why = "it arrived, and no reply came back"
    if outcome.verdict is Verdict.UNKNOWN:
        return f"not known: {why}"
    if not expectation.reachable:
        return f"expected blocked, but it arrived: {why}"
    return f"expected reachable, but {outcome.verdict}: {why}"


def _place(result: Result) -> str:
    """Where a packet ended; at one of its own ends, which of the two."""
    ends = {
        result.expectation.target.node.name: _RECEIVER,
        result.expectation.source.node.name: _SENDER,
    }
    return ends.get(result.outcome.at, result.outcome.at)


def _whose(result: Result) -> str:
    """Whose address the target saw."""
    outcome, source = result.outcome, result.expectation.source
    if (result.seen_as or "").partition("@")[0] == source.node.name:
        return _SENDER
    return f"{result.seen_as} ({outcome.seen_as})" if result.seen_as else f"{outcome.seen_as}"
