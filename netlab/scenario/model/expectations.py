"""Expectations: the rules of who reaches whom."""

from __future__ import annotations

from typing import Annotated, Literal

from netlab.scenario.model.facts import CheckedFact
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.values import Family, Patterns

MAX_PATTERNS = 500
"""Patterns in a file: each is compared with every machine."""
_WILDCARDS = frozenset("*?[")


def is_pattern(name: str) -> bool:
    """Return whether a name in a rule may be several endpoints'."""
    return not _WILDCARDS.isdisjoint(name)


@mapping
class Rule:
    """A rule of who reaches whom. The first rule that names a pair decides it."""

    source: Patterns = key(alias="from", description="Endpoints or patterns: vm1, vm*, host.")
    target: Patterns = key(
        alias="to", description="Endpoints or patterns; an adapter is written host@vmnet8."
    )
    verdict: Literal["reachable", "blocked"] = key(
        default="reachable",
        alias="is",
        description="What must be true of these pairs. Reached means that an ICMP echo request (a ping)"
        " arrived and was answered: a machine whose firewall drops pings is not, though its web"
        " server answers.",
    )
    seen_as: str | None = key(
        default=None,
        alias="as",
        description="Whose address the target sees as source; default: the sender's own.",
    )
    over: Family = key(
        default=Family.IPV4,
        description="ipv6: from IPv6 address to IPv6 address. Once a rule says so, all pairs are measured"
        " over IPv6 too.",
    )


@mapping
class Expectations:
    """The matrix of who reaches whom; it must cover every ordered pair of endpoints."""

    default: Literal["reachable", "blocked"] | None = key(
        default=None, description="For pairs that no rule names."
    )
    rules: list[Rule] = key(default=[], description="The first rule that names a pair decides it.")
    facts: list[CheckedFact] = key(
        default=[], description="What must be true of machines: leases, routes, names."
    )


def _with_few_patterns(expect: Expectations) -> Expectations:
    sides = [side for rule in expect.rules for side in (rule.source, rule.target)]
    sides += [fact.on for fact in expect.facts]
    patterns = {name for side in sides for name in side if is_pattern(name)}
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"has {len(patterns):,} patterns, and {MAX_PATTERNS} are possible")
    return expect


Expected = Annotated[Expectations, Valid(after=_with_few_patterns)]
