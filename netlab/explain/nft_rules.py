"""An evaluator of nftables' rules, for the vocabulary of simple ones. Pure.

Works on libnftables' JSON (see libnftables-json(5)). A rule that uses a word
that the evaluator does not know, and could match, makes the outcome `unknown`.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, MutableMapping, Sequence
from enum import StrEnum
from functools import reduce
from ipaddress import ip_address, ip_network
from typing import Any

from netlab.frozen import frozen
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nft import RuleId
from netlab.kernel.rows import IPAddress

NOT_THERE = object()
"""The value of a field that the packet does not have: no comparison with it is true."""

Facts = MutableMapping[str, Any]
"""Fields by nftables' names (`meta iifname`, `ip saddr`, `ct state`, …); a missing one is not known.

Rules change the marks, `meta mark` and `ct mark`.

A header's bare name (`tcp`) stands for all of its fields: it is there only if the header is not."""

_HARMLESS = ("counter", "log")
_MARKS = ("meta mark", "ct mark")
"""Facts that rules may change."""
_BITWISE = {"&": operator.and_, "|": operator.or_, "^": operator.xor}
_COMPARE = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_OF_FRAMES = ("bridge", "netdev", "arp")
_ANY = "*"
"""The element of a set or map that every value equals that no other element does."""
_NAT = ("snat", "dnat", "masquerade", "redirect")


class HookVerdict(StrEnum):
    """The fate of a packet at a hook."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    UNKNOWN = "unknown"


@frozen
class Translation:
    """A NAT statement that the packet met."""

    kind: str
    """snat, dnat, masquerade or redirect."""
    address: IPAddress | None
    """None: the machine's own (masquerade, redirect), or it is left as it is."""
    port: int | None
    rule: str


@frozen
class HookOutcome:
    """The effect of one hook's rules on a packet."""

    end: HookVerdict
    by: str = ""
    """Table, chain, and the rule or policy that decided; empty if none had to."""
    translation: Translation | None = None


@frozen
class ParsedRuleset:
    """A machine's ruleset, to be asked what it does to packets."""

    document: Sequence[Mapping[str, Any]] = ()
    """libnftables' list of tables, chains, sets and rules."""
    texts: Mapping[RuleId, str] | None = None
    """Rules as `nft list ruleset` shows them."""
    dormant: frozenset[tuple[str, str]] = frozenset()
    """Family and name of the tables that are switched off."""

    def kinds(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the objects of a kind: `chain`, `rule`, `set`, …"""
        return [item[kind] for item in self.document if kind in item]

    @property
    def tracks(self) -> bool:
        """True if connection tracking is on: some rule needs it."""
        return any(chain.get("type") == "nat" for chain in self.kinds("chain")) or any(
            "'ct'" in str(rule["expr"]) for rule in self.kinds("rule")
        )

    def beyond(self) -> str:
        """Return a chain that sees frames before IP does, which is not worked out here; empty if there is
        none."""
        chains = [
            chain
            for chain in self.kinds("chain")
            if chain["family"] in _OF_FRAMES or chain.get("hook") in ("ingress", "egress")
        ]
        return f"{chains[0]['family']} {chains[0]['table']} {chains[0]['name']}" if chains else ""

    def at(self, hook: str, facts: Facts) -> HookOutcome:
        """Return the outcome of a hook: of all base chains there, in the order of their priorities."""
        result = HookOutcome(HookVerdict.ACCEPT)
        for chain in self.chains(hook, facts):
            outcome = self.met(chain, facts)
            if outcome and outcome.end is not HookVerdict.ACCEPT:
                return outcome
            if outcome:
                translation = outcome.translation or result.translation
                result = HookOutcome(HookVerdict.ACCEPT, outcome.by, translation)
        return result

    def chains(self, hook: str, facts: Facts) -> list[Mapping[str, Any]]:
        """Return the base chains that a packet meets at a hook, in the order of their priorities."""
        new = "new" in _several(facts.get("ct state"))
        version = "ip6" if facts.get("meta nfproto") == "ipv6" else "ip"
        chains = [
            chain
            for chain in self.kinds("chain")
            if chain.get("hook") == hook
            and chain["family"] in ("inet", version)
            and (new or chain["type"] != "nat")
            and (chain["family"], chain["table"]) not in self.dormant
        ]
        return sorted(chains, key=lambda chain: int(chain["prio"]))

    def met(self, chain: Mapping[str, Any], facts: Facts) -> HookOutcome | None:
        """Return the outcome of a base chain; None if no rule decides, and the packet goes on."""
        outcome = self._through(chain, facts, 0)
        policy = chain.get("policy", "accept")
        if outcome is None and policy != "accept":
            return HookOutcome(HookVerdict(policy), f"{_name(chain)}: policy {policy}")
        return outcome

    def _through(self, chain: Mapping[str, Any], facts: Facts, depth: int) -> HookOutcome | None:
        """Return the outcome of a chain's rules; None if the packet comes out at its end."""
        if depth > 16:
            return HookOutcome(HookVerdict.UNKNOWN, f"{_name(chain)}: jumps too deep")
        for rule in self.kinds("rule"):
            if all(rule[rule_key] == chain[chain_key] for rule_key, chain_key in _OF):
                outcome = self._meet(rule, facts, depth)
                if outcome is _RETURN:
                    return None
                if isinstance(outcome, HookOutcome):
                    return outcome
        return None

    def _meet(
        self, rule: Mapping[str, Any], facts: Facts, depth: int
    ) -> HookOutcome | object | None:
        """Return the outcome of a rule, or `_RETURN`; None if it does not decide about this packet."""
        sure = True
        for part in rule["expr"]:
            # A statement that has no JSON in a version of libnftables is there as text, or as nothing.
            ((word, value),) = part.items() if isinstance(part, dict) else (("", part),)
            if word == "match":
                holds = self._holds(value, facts, rule)
                if holds is False:
                    return None
                sure = sure and holds is not None
            elif word in _HARMLESS or _only_traces(word, value):
                continue
            elif word == "mangle" and (mark := _key(value["key"])) in _MARKS:
                to = _fact(value["value"], facts)
                facts[mark] = to if sure or to == facts.get(mark) else None
            else:
                text = self._text(rule)
                if not sure:
                    return HookOutcome(HookVerdict.UNKNOWN, text)
                outcome = self._verdict(word, value, rule, facts, depth)
                if outcome is not None:
                    return outcome
        return None

    def _verdict(
        self, word: str, value: Any, rule: Mapping[str, Any], facts: Facts, depth: int
    ) -> HookOutcome | object | None:
        """Return the outcome of a statement, or `_RETURN`; None if the rule goes on behind it."""
        text = self._text(rule)
        if word in ("accept", "drop", "reject"):
            return HookOutcome(HookVerdict(word), text)
        if word in _NAT:
            return _translated(word, value or {}, text, facts)
        if word == "return":
            return _RETURN
        if word == "continue":
            return None
        if word in ("jump", "goto") and (chain := self._of_table("chain", rule, value["target"])):
            outcome = self._through(chain, facts, depth + 1)
            return outcome if outcome or word == "jump" else _RETURN
        if word == "vmap":
            return self._mapped(value, rule, facts, depth)
        return HookOutcome(HookVerdict.UNKNOWN, text)

    def _mapped(
        self, value: Any, rule: Mapping[str, Any], facts: Facts, depth: int
    ) -> HookOutcome | object | None:
        """Return the outcome of a verdict map; None if it has no element for the packet."""
        fact = _fact(value["key"], facts)
        pairs = value["data"].get("set") if isinstance(value["data"], dict) else None
        if fact is NOT_THERE:
            return None
        if fact is None or pairs is None:
            return HookOutcome(HookVerdict.UNKNOWN, self._text(rule))
        for element, verdict in sorted(pairs, key=lambda pair: bool(pair[0] == _ANY)):
            equal = self._equal(fact, element, rule)
            if equal is None:
                return HookOutcome(HookVerdict.UNKNOWN, self._text(rule))
            if equal:
                ((word, argument),) = verdict.items()
                return self._verdict(word, argument, rule, facts, depth)
        return None

    def _holds(self, match: Any, facts: Facts, rule: Mapping[str, Any]) -> bool | None:
        """Return whether a comparison is true; None if that is not known."""
        fact, operation, right = _fact(match["left"], facts), match["op"], match["right"]
        if fact is None:
            return None
        if fact is NOT_THERE:
            return False
        compare = _COMPARE.get(operation)
        if compare:
            return bool(compare(fact, right)) if _is_number(fact, right) else None
        if isinstance(right, list) and operation == "==":
            return None  # Several flags at once.
        equal = self._equal(fact, right, rule)
        if equal is None or operation in ("==", "in"):
            return equal
        return not equal if operation == "!=" else None

    def _equal(self, fact: Any, right: Any, rule: Mapping[str, Any]) -> bool | None:
        """Return whether a fact is the right side of a comparison, or one of its elements; None if that is
        not known."""
        elements = self._elements(right, rule)
        if elements is not None:
            answers = [self._equal(fact, element, rule) for element in elements]
            return True if True in answers else None if None in answers else False
        if not isinstance(right, dict):
            return True if right == _ANY else _same(fact, right)
        if "elem" in right:  # With a comment, a counter or a time-out.
            return self._equal(fact, right["elem"].get("val"), rule)
        return _within(fact, right)

    def _elements(self, right: Any, rule: Mapping[str, Any]) -> list[Any] | None:
        """Return the elements of a set, written there or by its name; None for a single value."""
        if isinstance(right, list):
            return right
        if isinstance(right, dict) and "set" in right:
            return right["set"] if isinstance(right["set"], list) else [right["set"]]
        if isinstance(right, str) and right.startswith("@"):
            named = self._of_table("set", rule, right[1:])
            return list(named.get("elem", [])) if named else [None]  # Not known.
        return None

    def _of_table(self, kind: str, rule: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
        """Return the chain or set that a rule means by a name: it is of the rule's table."""
        key = (rule["family"], rule["table"], name)
        for item in self.kinds(kind):
            if (item["family"], item["table"], item["name"]) == key:
                return item
        return None

    def _text(self, rule: Mapping[str, Any]) -> str:
        """Return a rule with its table and chain, as `nft list ruleset` shows it."""
        words = (self.texts or {}).get(nft.rule_id(rule), "a rule")
        return f"{rule['table']} {rule['chain']}: {words}"


_OF = (("family", "family"), ("table", "table"), ("chain", "name"))
"""Keys of a rule, and the keys of its chain that have the same values."""
_RETURN = object()
"""The outcome of a rule that returns to the chain that jumped."""


def _name(chain: Mapping[str, Any]) -> str:
    return f"{chain['table']} {chain['name']}"


def _key(left: Any) -> str:
    """Return the key of a fact: `meta iifname`, `ip saddr`, …; empty, which no fact has, for anything
    else."""
    match left:
        case {"meta": {"key": str(field), **further}} if not further:
            return f"meta {field}"
        case {"ct": {"key": str(field), **further}} if not further:
            return f"ct {field}"
        case {"ct": {"key": str(field), "dir": str(direction), **further}} if not further:
            return f"ct {direction} {field}"
        case {"payload": {"protocol": str(header), "field": str(field), **further}} if not further:
            return f"{header} {field}"
        case {"fib": {"flags": str() | list() as flags, "result": str(result), **further}} if (
            not further
        ):
            # One flag alone is no list in newer versions of nft.
            return f"fib {flags if isinstance(flags, str) else ' '.join(flags)} {result}"
    return ""


def _fact(left: Any, facts: Facts) -> Any:
    if isinstance(left, int):
        return left
    for word, operation in _BITWISE.items() if isinstance(left, dict) else ():
        if word in left:
            parts = [_fact(part, facts) for part in left[word]]
            return reduce(operation, parts) if _is_number(*parts) else None
    key = _key(left)
    return facts.get(key, facts.get(key.partition(" ")[0]))


def _only_traces(word: str, value: Any) -> bool:
    return word == "mangle" and _key(value.get("key")) == "meta nftrace"


def _within(fact: Any, right: Mapping[str, Any]) -> bool | None:
    """Return whether a fact is in a subnet or a range; None of anything else."""
    match right:
        case {"prefix": {"addr": str(start), "len": int(length)}} if isinstance(fact, IPAddress):
            return fact in ip_network((start, length))
        case {"range": [str(low), str(high)]} if isinstance(fact, IPAddress):
            first, last = _address(low), _address(high)
            ordered = first and last and first.version == last.version == fact.version
            return int(first) <= int(fact) <= int(last) if first and last and ordered else None
        case {"range": [low, high]} if _is_number(fact, low) and _is_number(fact, high):
            return bool(low <= fact <= high)
    return None


def _same(fact: Any, value: Any) -> bool | None:
    """Return whether a fact is a single value; None if they are not of one kind, as a number and a name."""
    if isinstance(fact, IPAddress):
        address = _address(value)
        return address == fact if address and address.version == fact.version else None
    if isinstance(value, str) and isinstance(fact, frozenset):
        return value in fact
    if isinstance(value, str) and isinstance(fact, str):
        return fact.startswith(value[:-1]) if value.endswith("*") else fact == value
    if isinstance(value, bool) and isinstance(fact, bool):  # `fib … oif missing` is false.
        return fact == value
    return bool(fact == value) if _is_number(fact, value) else None


def _is_number(*values: Any) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def _address(text: Any) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _several(fact: Any) -> frozenset[str]:
    return fact if isinstance(fact, frozenset) else frozenset()


def _translated(word: str, value: Mapping[str, Any], text: str, facts: Facts) -> HookOutcome:
    """Return the outcome of a NAT statement: unknown if its address or port is."""
    address, port = value.get("addr"), value.get("port")
    if isinstance(address, dict):  # `snat to ip daddr`: a field of the packet itself.
        address = facts.get(_key(address))
    translated = _address(address)
    if ("addr" in value and translated is None) or not isinstance(port, int | None):
        return HookOutcome(HookVerdict.UNKNOWN, text)
    return HookOutcome(HookVerdict.ACCEPT, text, Translation(word, translated, port, text))
