"""Rules of which it is not known whether a packet meets them, and rules that change what later ones see."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netlab.explain.nft_rules import HookVerdict, ParsedRuleset
from netlab.explain.nft_values import NOT_THERE, holds
from tests.unit.explain.rules import (
    ACCEPT,
    DROP,
    IP,
    at,
    base,
    chain,
    match,
    meta,
    payload,
    rule,
)

FACTS = {
    "ip saddr": IPv4Address("10.0.0.5"),
    "ip daddr": IPv4Address("10.0.0.6"),
    "icmp type": 8,
    "tcp": NOT_THERE,
    "tcp flags": frozenset({"syn"}),
    "th sport": range(32768, 61000),
    "meta mark": 0,
    "ether daddr": "01:00:5e:00:00:01",
    "ct status": {"dnat": True},
    "ct state": frozenset({"new"}),
}
LIMIT, REJECT, RETURN = {"limit": {"rate": 1}}, {"reject": None}, {"return": None}
UNKNOWN = match(meta("length"), 84)


def end(*items: dict, **facts) -> HookVerdict:
    return at(ParsedRuleset(items), "input", {**FACTS, **facts}).end


@pytest.mark.parametrize(
    ("rules", "policy", "expected"),
    [
        ([rule(LIMIT, ACCEPT)], "accept", HookVerdict.ACCEPT),
        ([rule(LIMIT, ACCEPT)], "drop", HookVerdict.UNKNOWN),
        ([rule(LIMIT, DROP)], "drop", HookVerdict.DROP),
        ([rule(UNKNOWN, DROP), rule(DROP)], "accept", HookVerdict.DROP),
        ([rule(UNKNOWN, REJECT), rule(DROP)], "accept", HookVerdict.UNKNOWN),
        ([rule(UNKNOWN, {"queue": None}), rule(DROP)], "accept", HookVerdict.UNKNOWN),
        ([rule(UNKNOWN, RETURN), rule(ACCEPT)], "drop", HookVerdict.UNKNOWN),
        ([rule(UNKNOWN, RETURN), rule(DROP)], "drop", HookVerdict.DROP),
        ([rule(UNKNOWN, match(payload("icmp", "type"), 0), DROP)], "accept", HookVerdict.ACCEPT),
    ],
)
def test_both_ways_are_followed(rules, policy, expected):
    assert end(base(policy=policy), *rules) is expected


def test_the_rule_in_doubt_is_named():
    outcome = at(ParsedRuleset([base(policy="drop"), rule(LIMIT, ACCEPT)]), "input", FACTS)
    assert outcome.by == "t c: a rule"


def test_both_ways_through_a_chain():
    sub = [chain("sub"), rule(UNKNOWN, RETURN, of="sub"), rule(DROP, of="sub")]
    to_sub = rule({"jump": {"target": "sub"}})
    assert end(base(), *sub, to_sub) is HookVerdict.UNKNOWN
    assert end(base(), *sub, to_sub, rule(DROP)) is HookVerdict.DROP


def set_mark(value: object) -> dict:
    return {"mangle": {"key": meta("mark"), "value": value}}


def masked(mask: int) -> dict:
    return {"&": [meta("mark"), mask]}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule(set_mark(7)), rule(match(meta("mark"), 7), DROP)], HookVerdict.DROP),
        ([rule(UNKNOWN, set_mark(7)), rule(match(meta("mark"), 7), DROP)], HookVerdict.UNKNOWN),
        ([rule(UNKNOWN, set_mark(0)), rule(match(meta("mark"), 0), DROP)], HookVerdict.DROP),
        (
            [rule(set_mark({"|": [meta("mark"), 6]})), rule(match(masked(2), 2), DROP)],
            HookVerdict.DROP,
        ),
    ],
)
def test_a_mark_is_what_rules_make_it(rules, expected):
    assert end(base(), *rules) is expected


def test_a_set_has_what_rules_put_into_it():
    seen = {"set": {**IP, "name": "seen", "flags": ["dynamic"]}}
    put = rule({"set": {"op": "add", "elem": payload("ip", "saddr"), "set": "@seen"}})
    in_it = rule(match(payload("ip", "saddr"), "@seen"), DROP)
    assert end(base(), seen, put, in_it) is HookVerdict.DROP
    assert end(base(), seen, in_it, put) is HookVerdict.ACCEPT


def test_a_map_gives_what_rules_put_into_it():
    learned = {"map": {**IP, "name": "learned", "flags": ["dynamic"]}}
    put = rule("update @learned { ip saddr : ether daddr }")
    found = {"map": {"key": payload("ip", "saddr"), "data": "@learned"}}
    take = rule({"mangle": {"key": payload("ether", "saddr"), "value": found}})
    chains = [base(), learned, put, take]
    changes = at(ParsedRuleset(chains), "input", FACTS).changes
    assert changes["ether saddr"] == FACTS["ether daddr"]
    without = at(ParsedRuleset([base(), learned, take, rule(DROP)]), "input", FACTS)
    assert "ether saddr" not in without.changes
    assert without.end is HookVerdict.DROP


def test_of_one_priority_the_newest_chain_comes_first():
    old, new = base("old", policy="drop"), base("new")
    rules = ParsedRuleset([old, new, rule({"reject": None}, of="new")])
    assert at(rules, "input", FACTS).end is HookVerdict.REJECT


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (match(payload("icmp", "type"), "echo-request"), True),
        (match(payload("icmp", "type"), {"range": ["echo-reply", "redirect"]}), False),
        (match(payload("th", "sport"), {"range": [1, 1023]}), False),
        (match(payload("th", "sport"), {"range": [1024, 65535]}), True),
        (match(payload("th", "sport"), 40000), None),
        (match(payload("th", "sport"), 22, "!="), True),
        (match(payload("tcp", "flags"), "syn", "in"), True),
        (match({"&": [payload("tcp", "flags"), ["syn", "ack"]]}, "syn"), True),
        (match({"&": [payload("tcp", "flags"), ["syn", "ack"]]}, ["syn", "ack"]), False),
        (
            match({"&": [payload("ether", "daddr"), "01:00:00:00:00:00"]}, "01:00:00:00:00:00"),
            True,
        ),
        (match({"ct": {"key": "status"}}, "dnat", "in"), True),
        (match({"ct": {"key": "status"}}, "snat", "in"), None),
        (match({"ct": {"key": "state"}}, ["new", "related"], "in"), True),
        (
            match(
                {"concat": [payload("ip", "saddr"), payload("icmp", "type")]},
                {"set": [{"concat": ["10.0.0.5", 8]}]},
            ),
            True,
        ),
        (match({"concat": [payload("ip", "saddr"), meta("length")]}, {"set": []}), None),
    ],
)
def test_comparisons(comparison, expected):
    assert holds(comparison["match"], FACTS, lambda _: None) is expected
