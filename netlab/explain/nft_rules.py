"""What nftables' rules would do to a packet: an evaluator for the vocabulary of simple rules. Pure.

Works on libnftables' JSON (see libnftables-json(5)). A rule that uses a word
that is not known here, and could match, makes the outcome `unknown`.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Any

from netlab.frozen import frozen
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nft import RuleId
from netlab.kernel.rows import IPAddress

NOT_THERE = object()
"""The value of a field that the packet does not have: no comparison with it is true."""

Facts = Mapping[str, Any]
"""Fields by nftables' names (`meta iifname`, `ip saddr`, `ct state`, …); a missing one is not known.

A header's bare name (`tcp`) stands for all of its fields: it is there only if the header is not."""

_HARMLESS = ("counter", "log")
_COMPARE = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_OF_FRAMES = ("bridge", "netdev", "arp")
_ANY = "*"
"""The element of a set or map for whatever no other element is."""
_NAT = ("snat", "dnat", "masquerade", "redirect")


class HookVerdict(StrEnum):
    """What becomes of the packet at a hook."""

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
    """What the rules of one hook do."""

    end: HookVerdict
    by: str = ""
    """Table, chain, and the rule or policy that decided; empty if none had to."""
    translation: Translation | None = None


@frozen
class ParsedRuleset:
    """A machine's ruleset."""

    document: Sequence[Mapping[str, Any]] = ()
    """libnftables' list of tables, chains, sets and rules."""
    texts: Mapping[RuleId, str] | None = None
    """Rules as `nft list ruleset` shows them."""
    dormant: frozenset[tuple[str, str]] = frozenset()
    """Family and name of the tables that are switched off."""

    def kinds(self, kind: str) -> list[Mapping[str, Any]]:
        return [one[kind] for one in self.document if kind in one]

    @property
    def tracks(self) -> bool:
        """Whether connection tracking is on: some rule needs it."""
        return any(chain.get("type") == "nat" for chain in self.kinds("chain")) or any(
            "'ct'" in str(rule["expr"]) for rule in self.kinds("rule")
        )

    def beyond(self) -> str:
        """A chain that sees frames before IP does, which is not worked out here; empty if there is none."""
        chains = [
            chain
            for chain in self.kinds("chain")
            if chain["family"] in _OF_FRAMES or chain.get("hook") in ("ingress", "egress")
        ]
        return f"{chains[0]['family']} {chains[0]['table']} {chains[0]['name']}" if chains else ""

    def at(self, hook: str, facts: Facts) -> HookOutcome:
        """What the packet meets at a hook: all base chains there, in the order of their priorities."""
        found: HookOutcome = HookOutcome(HookVerdict.ACCEPT)
        for chain in self.chains(hook, facts):
            met = self.met(chain, facts)
            if met and met.end is not HookVerdict.ACCEPT:
                return met
            if met:
                found = HookOutcome(
                    HookVerdict.ACCEPT, met.by, met.translation or found.translation
                )
        return found

    def chains(self, hook: str, facts: Facts) -> list[Mapping[str, Any]]:
        """The base chains that a packet meets at a hook, in the order of their priorities."""
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
        """What the packet meets in a base chain; None: nothing, and it goes on."""
        met = self._through(chain, facts, 0)
        policy = chain.get("policy", "accept")
        if met is None and policy != "accept":
            return HookOutcome(HookVerdict(policy), f"{_name(chain)}: policy {policy}")
        return met

    def _through(self, chain: Mapping[str, Any], facts: Facts, depth: int) -> HookOutcome | None:
        """None: the packet comes out at the chain's end."""
        if depth > 16:
            return HookOutcome(HookVerdict.UNKNOWN, f"{_name(chain)}: jumps too deep")
        for rule in self.kinds("rule"):
            if all(rule[key] == chain[own] for key, own in _OF):
                met = self._meet(rule, facts, depth)
                if met is _RETURN:
                    return None
                if isinstance(met, HookOutcome):
                    return met
        return None

    def _meet(
        self, rule: Mapping[str, Any], facts: Facts, depth: int
    ) -> HookOutcome | object | None:
        """None: the rule says nothing about this packet."""
        sure = True
        for part in rule["expr"]:
            # What has no JSON in a version of libnftables is there as text, or as nothing.
            ((word, value),) = part.items() if isinstance(part, dict) else (("", part),)
            if word == "match":
                holds = self._holds(value, facts, rule)
                if holds is False:
                    return None
                sure = sure and holds is not None
            elif word in _HARMLESS or _only_traces(word, value):
                continue
            else:
                text = self._text(rule)
                if not sure:
                    return HookOutcome(HookVerdict.UNKNOWN, text)
                met = self._verdict(word, value, rule, facts, depth)
                if met is not None:
                    return met
        return None

    def _verdict(
        self, word: str, value: Any, rule: Mapping[str, Any], facts: Facts, depth: int
    ) -> HookOutcome | object | None:
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
            met = self._through(chain, facts, depth + 1)
            return met if met or word == "jump" else _RETURN
        if word == "vmap":
            return self._mapped(value, rule, facts, depth)
        return HookOutcome(HookVerdict.UNKNOWN, text)

    def _mapped(
        self, value: Any, rule: Mapping[str, Any], facts: Facts, depth: int
    ) -> HookOutcome | object | None:
        fact = _fact(value["key"], facts)
        pairs = value["data"].get("set") if isinstance(value["data"], dict) else None
        if fact is NOT_THERE:
            return None
        if fact is None or pairs is None:
            return HookOutcome(HookVerdict.UNKNOWN, self._text(rule))
        for wanted, verdict in sorted(pairs, key=lambda pair: bool(pair[0] == _ANY)):
            equal = self._equal(fact, wanted, rule)
            if equal is None:
                return HookOutcome(HookVerdict.UNKNOWN, self._text(rule))
            if equal:
                ((word, argument),) = verdict.items()
                return self._verdict(word, argument, rule, facts, depth)
        return None

    def _holds(self, match: Any, facts: Facts, rule: Mapping[str, Any]) -> bool | None:
        """Whether a comparison is true; None if that is not known."""
        fact, operation, wanted = _fact(match["left"], facts), match["op"], match["right"]
        if fact is None:
            return None
        if fact is NOT_THERE:
            return False
        compare = _COMPARE.get(operation)
        if compare:
            return bool(compare(fact, wanted)) if _is_number(fact, wanted) else None
        if isinstance(wanted, list) and operation == "==":
            return None  # Several flags at once.
        equal = self._equal(fact, wanted, rule)
        if equal is None or operation in ("==", "in"):
            return equal
        return not equal if operation == "!=" else None

    def _equal(self, fact: Any, wanted: Any, rule: Mapping[str, Any]) -> bool | None:
        """Whether a fact is what is wanted, or one of several; None if that is not known."""
        several = self._elements(wanted, rule)
        if several is not None:
            answers = [self._equal(fact, one, rule) for one in several]
            return True if True in answers else None if None in answers else False
        if not isinstance(wanted, dict):
            return True if wanted == _ANY else _same(fact, wanted)
        if "elem" in wanted:  # With a comment, a counter or a time-out.
            return self._equal(fact, wanted["elem"].get("val"), rule)
        return _within(fact, wanted)

    def _elements(self, wanted: Any, rule: Mapping[str, Any]) -> list[Any] | None:
        """The members of a set, written there or by its name; None for a single value."""
        if isinstance(wanted, list):
            return wanted
        if isinstance(wanted, dict) and "set" in wanted:
            return wanted["set"] if isinstance(wanted["set"], list) else [wanted["set"]]
        if isinstance(wanted, str) and wanted.startswith("@"):
            known = self._of_table("set", rule, wanted[1:])
            return list(known.get("elem", [])) if known else [None]  # Not known.
        return None

    def _of_table(self, kind: str, rule: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
        """The chain or set that a rule means by a name: it is of its own table."""
        own = (rule["family"], rule["table"], name)
        for one in self.kinds(kind):
            if (one["family"], one["table"], one["name"]) == own:
                return one
        return None

    def _text(self, rule: Mapping[str, Any]) -> str:
        words = (self.texts or {}).get(nft.rule_id(rule), "a rule")
        return f"{rule['table']} {rule['chain']}: {words}"


_OF = (("family", "family"), ("table", "table"), ("chain", "name"))
_RETURN = object()


def _name(chain: Mapping[str, Any]) -> str:
    return f"{chain['table']} {chain['name']}"


def _key(left: Any) -> str:
    """`meta iifname`, `ip saddr`, …; anything else is a key that no fact has."""
    match left:
        case {"meta": {"key": str(field), **more}} if not more:
            return f"meta {field}"
        case {"ct": {"key": str(field), **more}} if not more:
            return f"ct {field}"
        case {"ct": {"key": str(field), "dir": str(direction), **more}} if not more:
            return f"ct {direction} {field}"
        case {"payload": {"protocol": str(header), "field": str(field), **more}} if not more:
            return f"{header} {field}"
        case {"fib": {"flags": str() | list() as flags, "result": str(result), **more}} if not more:
            # One flag alone is no list in newer versions of nft.
            return f"fib {flags if isinstance(flags, str) else ' '.join(flags)} {result}"
    return ""


def _fact(left: Any, facts: Facts) -> Any:
    key = _key(left)
    return facts.get(key, facts.get(key.partition(" ")[0]))


def _only_traces(word: str, value: Any) -> bool:
    return word == "mangle" and _key(value.get("key")) == "meta nftrace"


def _within(fact: Any, wanted: Mapping[str, Any]) -> bool | None:
    """Whether it is in a subnet or a range; None of anything else."""
    match wanted:
        case {"prefix": {"addr": str(start), "len": int(length)}} if isinstance(fact, IPAddress):
            return fact in ip_network((start, length))
        case {"range": [str(low), str(high)]} if isinstance(fact, IPAddress):
            first, last = _address(low), _address(high)
            ordered = first and last and first.version == last.version == fact.version
            return int(first) <= int(fact) <= int(last) if first and last and ordered else None
        case {"range": [low, high]} if _is_number(fact, low) and _is_number(fact, high):
            return bool(low <= fact <= high)
    return None


def _same(fact: Any, wanted: Any) -> bool | None:
    """Whether a fact is a single value; None if they are not of one kind, as a number and a name."""
    if isinstance(fact, IPAddress):
        address = _address(wanted)
        return address == fact if address and address.version == fact.version else None
    if isinstance(wanted, str) and isinstance(fact, frozenset):
        return wanted in fact
    if isinstance(wanted, str) and isinstance(fact, str):
        return fact.startswith(wanted[:-1]) if wanted.endswith("*") else fact == wanted
    return bool(fact == wanted) if _is_number(fact, wanted) else None


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
    address, port = value.get("addr"), value.get("port")
    if isinstance(address, dict):  # `snat to ip daddr`: a field of the packet itself.
        address = facts.get(_key(address))
    known = _address(address)
    if ("addr" in value and known is None) or not isinstance(port, int | None):
        return HookOutcome(HookVerdict.UNKNOWN, text)
    return HookOutcome(HookVerdict.ACCEPT, text, Translation(word, known, port, text))
