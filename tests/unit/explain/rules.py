"""Rules in libnftables' JSON, and a hook's rules as a whole."""

from __future__ import annotations

from netlab.explain.nft_rules import HookOutcome, HookVerdict, ParsedRuleset
from netlab.explain.nft_values import Facts

IP = {"family": "ip", "table": "t"}


def chain(name: str = "c", **fields) -> dict:
    return {"chain": {**IP, "name": name, **fields}}


def base(
    name: str = "c", hook: str = "input", kind: str = "filter", prio: int = 0, policy="accept"
):
    return chain(name, type=kind, hook=hook, prio=prio, policy=policy)


def rule(*expr: dict, of: str = "c") -> dict:
    return {"rule": {**IP, "chain": of, "handle": 1, "expr": list(expr)}}


def match(left: dict, right, op: str = "==") -> dict:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str) -> dict:
    return {"meta": {"key": key}}


def payload(protocol: str, field: str) -> dict:
    return {"payload": {"protocol": protocol, "field": field}}


DROP, ACCEPT = {"drop": None}, {"accept": None}


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
