"""A hook's rules as a whole, as a packet meets them that no rule changes."""

from __future__ import annotations

from netlab.explain.nft_rules import HookOutcome, HookVerdict, ParsedRuleset
from netlab.explain.nft_values import Facts


def at(rules: ParsedRuleset, hook: str, facts: Facts) -> HookOutcome:
    """The outcome of all base chains at a hook, in the order of their priorities."""
    result = HookOutcome(HookVerdict.ACCEPT)
    for chain in rules.at(hook, 6 if facts.get("meta nfproto") == "ipv6" else 4):
        if chain["type"] == "nat" and "new" not in facts["ct state"]:
            continue
        outcome = rules.met(chain, {**facts, **result.changes})
        if outcome.end is not HookVerdict.ACCEPT:
            return outcome
        by, translation = outcome.by or result.by, outcome.translation or result.translation
        changes = {**result.changes, **outcome.changes}
        result = HookOutcome(HookVerdict.ACCEPT, by, translation, changes)
    return result
