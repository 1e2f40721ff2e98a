"""The rules that would say what a measured matrix is, as a person would write them. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.report.verify.groups import blocks_of
from netlab.scenario.expectation import Expectation
from netlab.scenario.model import ICMP, IPERF3, Family
from netlab.scenario.topology import natural
from netlab.verify.demands import throughput
from netlab.verify.matrix import Result

_PLAIN = re.compile(r"[A-Za-z][\w.@*?-]*")
"""Words that YAML reads as text without quotes, besides those that it reads as something else."""
_NO_TEXT = {"on", "off", "yes", "no", "true", "false", "null", "y", "n"}


@frozen
class _End:
    """How pairs ended, as far as a rule says it."""

    by: str
    over: Family
    verdict: str
    seen_as: str = ""
    because: str = ""
    at: str = ""

    @property
    def is_usual(self) -> bool:
        """True if a default may say it."""
        return self == _End(ICMP, Family.IPV4, "reachable")


def rules(results: Sequence[Result]) -> dict[str, Any]:
    """Return the section `expect` of a scenario: a default, and rules for what is otherwise."""
    ends: dict[_End, list[Result]] = defaultdict(list)
    for result in results:
        if _is_learnt(result):
            ends[_end(result)].append(result)
    has_usual = any(end.is_usual for end in ends)
    found: list[dict[str, Any]] = []
    endpoints = [*dict.fromkeys(_names(result.expectation for result in results))]
    for end, alike in sorted(ends.items(), key=_order):
        if not end.is_usual:
            found += _merged(end, alike, endpoints)
    default = {"default": "reachable"} if has_usual else {}
    return {"expect": {**default, "rules": found}}


def text(results: Sequence[Result]) -> str:
    """Return these rules as YAML, with a comment for each pair that is not known or has bounds."""
    expect = rules(results)["expect"]
    lines = ["expect:"]
    if "default" in expect:
        lines.append(f"  default: {expect['default']}")
    if expect["rules"]:
        lines.append("  rules:")
    for rule in expect["rules"]:
        lines.append(f"  - {_flow(rule)}")
    for result in results:
        if not _is_learnt(result):
            ends, figures = result.expectation, result.details.throughput
            by = "" if ends.by == ICMP else f" by {ends.by}"
            what = result.outcome.why
            if ends.rule and figures:
                what = throughput.shown(ends.rule, figures)
            lines.append(f"  # {ends.source.name} → {ends.target.name}{by}: {what}")
    return "\n".join(lines)


def _is_learnt(result: Result) -> bool:
    """Return whether a rule can say how a pair ended: of a bandwidth, it says bounds, and not what is."""
    return result.outcome.verdict is not Verdict.UNKNOWN and result.expectation.by != IPERF3


def _names(expectations: Iterable[Expectation]) -> Iterator[str]:
    for expectation in expectations:
        yield expectation.source.name
        if not expectation.to_everybody:
            yield expectation.target.name


def _order(entry: tuple[_End, list[Result]]) -> tuple[object, ...]:
    """Sort pings first, then what is reached, then the most frequent."""
    end, alike = entry
    is_reached = end.verdict in ("reachable", "answered")
    return end.by != ICMP, end.over is not Family.IPV4, not is_reached, -len(alike)


def _end(result: Result) -> _End:
    """Return how a pair ended. That it is known as whom the target saw it is not always so."""
    expectation, outcome = result.expectation, result.outcome
    if outcome.verdict is Verdict.ANSWERED:
        seen_as = _seen_as(result)
        verdict = "answered" if seen_as is None else "reachable"
        return _End(expectation.by, expectation.over, verdict, seen_as or "")
    cause = outcome.cause or ""
    return _End(
        expectation.by,
        expectation.over,
        "blocked",
        because="" if cause == Cause.UNKNOWN else cause,
        at=outcome.at,
    )


def _seen_as(result: Result) -> str | None:
    """Return the endpoint whose address the target saw, empty if it is the sender's own; None if it is not
    known, or not a machine's of the lab."""
    expectation = result.expectation
    if not result.seen_as:
        return None
    own = Expectation(
        expectation.source,
        expectation.target,
        "reachable",
        expectation.to,
        expectation.source,
        expectation.over,
    )
    if result.seen_as in {adapter.name for adapter in own.seen_adapters()}:
        return ""
    node, _, adapter = result.seen_as.partition("@")
    is_own = adapter and node == expectation.source.node.name
    return result.seen_as if is_own else node


def _merged(
    end: _End, alike: Sequence[Result], endpoints: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield rules for pairs that ended in one way: one for each block of them."""
    what = {
        **({} if end.by == ICMP else {"by": end.by}),
        **({} if end.over is Family.IPV4 else {"over": end.over.value}),
        **({} if end.verdict == "reachable" else {"is": end.verdict}),
        **({"as": end.seen_as} if end.seen_as else {}),
        **({"because": end.because} if end.because else {}),
        **({"at": end.at} if end.at else {}),
    }
    pairs = [result for result in alike if not result.expectation.to_everybody]
    for block in blocks_of(pairs):
        yield {
            "from": _patterns(block.sources, endpoints),
            "to": _patterns(block.targets, endpoints),
            **what,
        }
    if askers := [r.expectation.source.name for r in alike if r.expectation.to_everybody]:
        yield {"from": _patterns(sorted(askers, key=natural), endpoints), **what}


def _patterns(names: Sequence[str], endpoints: Sequence[str]) -> str | list[str]:
    """Return names as a rule has them: `vm*` for all that begin so, and no others."""
    left, words = [*names], list[str]()
    stems = Counter(re.sub(r"[0-9]+$", "", name) for name in names)
    for stem, count in stems.items():
        pattern = f"{stem}*"
        matching = {name for name in endpoints if fnmatchcase(name, pattern)}
        if count > 1 and matching <= set(left):
            words.append(pattern)
            left = [name for name in left if name not in matching]
    every = [*words, *left]
    return every[0] if len(every) == 1 else every


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case str() if _PLAIN.fullmatch(value) and value.lower() not in _NO_TEXT:
            return value
        case _:
            return '"' + str(value) + '"'
