"""Who reaches whom."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from netlab.scenario.model.common import Model
from netlab.scenario.model.values import Family, Patterns

MAX_PATTERNS = 500
"""Each is compared with every machine."""
_WILDCARDS = frozenset("*?[")


def is_pattern(name: str) -> bool:
    """Whether a name in a rule may be several endpoints'."""
    return not _WILDCARDS.isdisjoint(name)


class Rule(Model):
    """Who reaches whom. The first rule that names a pair decides it."""

    source: Patterns = Field(alias="from", description="Endpoints or patterns: vm1, vm*, host.")
    target: Patterns = Field(
        alias="to", description="Endpoints or patterns; a leg is written host@vmnet8."
    )
    verdict: Literal["reachable", "blocked"] = Field(
        default="reachable",
        alias="is",
        description="What must be true of these pairs. Reached means that an ICMP echo request (a ping)"
        " arrived and was answered: a machine whose firewall drops pings is not, though its web"
        " server answers.",
    )
    seen_as: str | None = Field(
        default=None,
        alias="as",
        description="Whose address the target sees as source; default: the sender's own.",
    )
    over: Family = Field(
        default=Family.IPV4,
        description="ipv6: from IPv6 address to IPv6 address. Once a rule says so, all pairs are measured"
        " over IPv6 too.",
    )


class Expectations(Model):
    """The matrix of who reaches whom; it must cover every ordered pair of endpoints."""

    default: Literal["reachable", "blocked"] | None = Field(
        default=None, description="For pairs that no rule names."
    )
    rules: list[Rule] = Field(default=[])

    @model_validator(mode="after")
    def _has_few_patterns(self) -> Expectations:
        sides = (side for rule in self.rules for side in (rule.source, rule.target))
        patterns = {name for side in sides for name in side if is_pattern(name)}
        if len(patterns) > MAX_PATTERNS:
            raise ValueError(f"has {len(patterns):,} patterns, and {MAX_PATTERNS} are possible")
        return self
