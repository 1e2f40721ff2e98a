"""An evaluator of nftables' rules, for the vocabulary of simple ones. Pure.

Works on libnftables' JSON (see libnftables-json(5)). Where it is not known whether a packet meets a rule,
both ways are followed: only if they end alike is the outcome certain, otherwise it is `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from netlab.explain import nft_values
from netlab.explain.nft_values import NOT_THERE, Elements, Facts
from netlab.frozen import frozen
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nft import RuleId
from netlab.kernel.rows import IPAddress

_HARMLESS = ("counter", "log")
_BY_CHANCE = ("limit", "quota", "ct count")
"""Statements that let some packets on: which ones, what came before has decided."""
_TRANSLATIONS = ("snat", "dnat", "masquerade", "redirect")
_RANDOM = frozenset({"random", "fully-random"})
_UNKNOWN = object()
_VERDICTS = (
    "accept",
    "drop",
    "reject",
    "return",
    "continue",
    "jump",
    "goto",
    "vmap",
    *_TRANSLATIONS,
)
SOURCES = ("ip saddr", "ip6 saddr")
"""Sources that a rule may set."""
_KEPT = (
    *("meta mark", "ct mark"),
    *("ether saddr", "ether daddr", "arp saddr ether", "arp daddr ether"),
    *SOURCES,
)
"""Fields whose change is kept in mind."""
_OF_NO_ACCOUNT = ("meta nftrace", "meta priority", "tcp option")
"""Fields that decide about no packet of a probe."""
_UPDATE = re.compile(r"(?:add|update) (@\S+) \{ (.+?) : (.+) \}")
"""A statement for which libnftables 1.0 has no JSON, but its text."""
_FIELD = re.compile(r"(\w+) (\S.*)")
_NAT_PRIORITIES = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
_DEEPEST = 16
"""The jumps that the kernel allows (NFT_JUMP_STACK_SIZE)."""


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
    is_random: bool
    """It takes any free port."""
    rule: str = field(compare=False)


@frozen
class HookOutcome:
    """The effect of one base chain's rules on a packet."""

    end: HookVerdict
    by: str = ""
    """Table, chain, and the rule or policy that decided; empty if none had to."""
    translation: Translation | None = None
    changes: Facts = field(default_factory=dict)
    """Fields that rules have set; None: it is not known to what."""
    doubt: str = ""
    """A rule of which it is not known whether the packet meets it, if that has led here."""


@frozen
class _Course:
    """A packet under way in a chain."""

    changes: Facts = field(default_factory=dict)
    doubt: str = ""

    def at(self, end: HookVerdict, by: str, translation: Translation | None = None) -> HookOutcome:
        """Return the outcome if the packet's way ends here."""
        return HookOutcome(end, by, translation, self.changes, self.doubt)


@frozen
class _Result:
    """All that may become of a packet by a rule or a chain."""

    ends: tuple[HookOutcome, ...] = ()
    on: _Course | None = None
    """The way of a packet that goes on behind it; None if none does."""
    back: _Course | None = None
    """The way of one that returns to the chain that jumped."""


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

    @cached_property
    def tracks(self) -> bool:
        """True if connection tracking is on: some rule needs it."""
        return any(chain.get("type") == "nat" for chain in self.kinds("chain")) or any(
            "'ct'" in str(rule["expr"]) for rule in self.kinds("rule")
        )

    @cached_property
    def _base_chains(self) -> list[Mapping[str, Any]]:
        """The chains that the kernel calls, in its order: of one priority, the newest comes first
        (nf_hook_entries_grow)."""
        newest_first = [
            chain
            for chain in self.kinds("chain")[::-1]
            if "hook" in chain and (chain["family"], chain["table"]) not in self.dormant
        ]
        return sorted(newest_first, key=lambda chain: (priority_of(chain), int(chain["prio"])))

    @cached_property
    def _rules(self) -> Mapping[tuple[str, str, str], list[Mapping[str, Any]]]:
        """Family, table and name of each chain to its rules."""
        rules: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for rule in self.kinds("rule"):
            rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule)
        return rules

    def chain(self, text: str) -> Mapping[str, Any] | None:
        """Return the base chain that is written `FAMILY TABLE NAME`."""
        return next((chain for chain in self._base_chains if _whole_name(chain) == text), None)

    def at(self, hook: str, version: int) -> list[Mapping[str, Any]]:
        """Return the base chains that packets of a version of IP meet at a hook, in their order."""
        return self.of_family(hook, "inet", "ip6" if version == 6 else "ip")

    def of_family(self, hook: str, *families: str) -> list[Mapping[str, Any]]:
        """Return the base chains of some families at a hook, in their order."""
        return [
            chain
            for chain in self._base_chains
            if chain["hook"] == hook and chain["family"] in families
        ]

    def met(self, chain: Mapping[str, Any], facts: Facts) -> HookOutcome:
        """Return the outcome of a base chain, its policy included."""
        result = self._through(chain, _Course(), facts, 0)
        ends = [*result.ends]
        if remaining := _merged(result.on, result.back, facts):
            policy = HookVerdict(chain.get("policy", "accept"))
            by = "" if policy is HookVerdict.ACCEPT else f"{_name(chain)}: policy {policy}"
            ends.append(remaining.at(policy, by))
        return _certain(ends, facts)

    def _through(self, chain: Mapping[str, Any], way: _Course, facts: Facts, depth: int) -> _Result:
        """Return all that may become of a packet by a chain's rules."""
        if depth > _DEEPEST:
            text = f"{_name(chain)}: jumps too deep"
            return _Result((way.at(HookVerdict.UNKNOWN, text),))
        ends: list[HookOutcome] = []
        on: _Course | None = way
        back: _Course | None = None
        for rule in self._rules.get((chain["family"], chain["table"], chain["name"]), ()):
            if on is None:
                break
            result = self._meet(rule, on, facts, depth)
            ends += result.ends
            on, back = result.on, _merged(back, result.back, facts)
        return _Result(tuple(ends), on, back)

    def _meet(self, rule: Mapping[str, Any], way: _Course, facts: Facts, depth: int) -> _Result:
        """Return all that may become of a packet by a rule."""
        passed, by_the_side = way, None
        """The packet's way if all has fitted until now, and if something may not have."""
        for part in rule["expr"]:
            # A statement that has no JSON in a version of libnftables is there as text, or as nothing.
            ((word, value),) = part.items() if isinstance(part, dict) else (("", part),)
            known = {**facts, **passed.changes}
            fits: bool | None = True
            if word == "match":
                fits = nft_values.holds(value, known, self._elements_for(rule, known))
            elif word in _BY_CHANCE:
                fits = None
            elif word in _VERDICTS:
                result = self._verdict(word, value, rule, passed, facts, depth)
                return self._with_side_way(result, by_the_side, rule, facts)
            elif word not in _HARMLESS:
                changes = self._changes(word, value, rule, known)
                if changes is None:
                    unknown = passed.at(HookVerdict.UNKNOWN, self._text(rule))
                    return self._with_side_way(_Result((unknown,)), by_the_side, rule, facts)
                fits = NOT_THERE not in changes.values()
                if fits:
                    passed = replace(passed, changes={**passed.changes, **changes})
            if fits is False:
                return _Result(on=_merged(by_the_side, passed, facts))
            if fits is None:
                by_the_side = _merged(by_the_side, passed, facts)
        return _Result(on=_merged(by_the_side, passed, facts))

    def _with_side_way(
        self,
        result: _Result,
        by_the_side: _Course | None,
        rule: Mapping[str, Any],
        facts: Facts,
    ) -> _Result:
        """Return a result to which comes that the packet may not have met the rule."""
        if by_the_side is None:
            return result
        text = self._text(rule)
        doubtful = tuple(replace(end, doubt=end.doubt or text) for end in result.ends)
        side_way = replace(by_the_side, doubt=by_the_side.doubt or text)
        return _Result(doubtful, _merged(side_way, result.on, facts), result.back)

    def _verdict(
        self,
        word: str,
        value: Any,
        rule: Mapping[str, Any],
        way: _Course,
        facts: Facts,
        depth: int,
    ) -> _Result:
        """Return all that may become of a packet by a statement that decides."""
        text = self._text(rule)
        if word in ("accept", "drop", "reject"):
            return _Result((way.at(HookVerdict(word), text),))
        if word in _TRANSLATIONS:
            known = {**facts, **way.changes}
            return _Result((_translated(word, value or {}, text, known, way),))
        if word == "return":
            return _Result(back=way)
        if word == "continue":
            return _Result(on=way)
        if word == "vmap":
            return self._mapped(value, rule, way, facts, depth)
        chain = self._of_table("chain", rule, value["target"])
        if chain is None:
            return _Result((way.at(HookVerdict.UNKNOWN, text),))
        result = self._through(chain, way, facts, depth + 1)
        remaining = _merged(result.on, result.back, facts)
        if word == "goto":
            return _Result(result.ends, back=remaining)
        return _Result(result.ends, on=remaining)

    def _mapped(
        self, value: Any, rule: Mapping[str, Any], way: _Course, facts: Facts, depth: int
    ) -> _Result:
        """Return all that may become of a packet by a verdict map."""
        known = {**facts, **way.changes}
        elements = self._elements_for(rule, known)
        found = nft_values.value(value["key"], known, elements)
        data = value["data"]
        pairs = data.get("set") if isinstance(data, dict) else elements(data)
        if found is NOT_THERE:
            return _Result(on=way)
        pair = None
        if found is not None and pairs is not None:
            field_name = nft_values.key(value["key"])
            pair = nft_values.chosen(field_name, found, pairs, elements)
        if pair is None:
            return _Result((way.at(HookVerdict.UNKNOWN, self._text(rule)),))
        if pair is NOT_THERE:
            return _Result(on=way)
        ((word, argument),) = pair[1].items()
        return self._verdict(word, argument, rule, way, facts, depth)

    def _changes(
        self, word: str, value: Any, rule: Mapping[str, Any], facts: Facts
    ) -> Facts | None:
        """Return what a statement sets, by its key: `NOT_THERE` if it finds nothing, and the rule ends with
        it. None for a statement that is not understood."""
        if word == "" and isinstance(value, str) and (update := _UPDATE.fullmatch(value)):
            name, source, data = update.groups()
            pair = [_expression(text) for text in (source, data)]
            return self._put(name, pair, rule, facts)
        if word in ("set", "map") and not value.get("stmt") and value.get("op") != "delete":
            sources = [value["elem"], *([value["data"]] if word == "map" else [])]
            return self._put(value[word], sources, rule, facts)
        if word == "notrack":
            return {"ct state": frozenset({"untracked"})}
        if word != "mangle":
            return None
        name = nft_values.key(value["key"])
        if name in _OF_NO_ACCOUNT or "tcp option" in value["key"]:
            return {}
        if name not in _KEPT:
            return None
        return {name: nft_values.value(value["value"], facts, self._elements_for(rule, facts))}

    def _put(
        self, name: str, sources: Sequence[Any], rule: Mapping[str, Any], facts: Facts
    ) -> Facts:
        """Return a named set or map with an element that a rule puts into it."""
        elements = self._elements_for(rule, facts)
        element = [nft_values.value(_bare(source), facts, elements) for source in sources]
        if NOT_THERE in element:
            return {"": NOT_THERE}
        key = _set_key(rule, name)
        learnt = facts.get(key, ())
        unknown = learnt is None or None in element
        return {key: None if unknown else (*learnt, element if len(element) > 1 else element[0])}

    def _elements_for(self, rule: Mapping[str, Any], facts: Facts) -> Elements:
        """Return the function that has the elements of the sets and maps of a rule's table."""

        def elements(name: str) -> Sequence[Any] | None:
            learnt = facts.get(_set_key(rule, name), ())
            named = self._of_table("set", rule, name[1:]) or self._of_table("map", rule, name[1:])
            if learnt is None or named is None:
                return None
            return [*reversed(learnt), *named.get("elem", ())]

        return elements

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


def _merged(first: _Course | None, second: _Course | None, facts: Facts) -> _Course | None:
    """Return a way that is one of two: what they do not agree about is not known."""
    if first is None or second is None:
        return first or second
    keys = first.changes.keys() | second.changes.keys()
    changes = {
        key: value
        if (value := first.changes.get(key, facts.get(key)))
        == second.changes.get(key, facts.get(key))
        else None
        for key in keys
    }
    return _Course(changes, first.doubt or second.doubt)


def _certain(ends: Sequence[HookOutcome], facts: Facts) -> HookOutcome:
    """Return the one outcome that several possible ones come to; an unknown one if they differ."""
    for end in ends:
        if end.end is HookVerdict.UNKNOWN:
            return end
    first, *others = ends
    if not others:
        return first
    if any((end.end, end.translation) != (first.end, first.translation) for end in others):
        doubt = next((end.doubt for end in ends if end.doubt), first.by)
        return HookOutcome(HookVerdict.UNKNOWN, doubt)
    way: _Course | None = None
    for end in ends:
        way = _merged(way, _Course(end.changes), facts)
    texts = dict.fromkeys(end.by for end in ends)
    by = "" if first.end is HookVerdict.ACCEPT else " / ".join(texts)
    return replace(first, by=by, changes=way.changes if way else {}, doubt="")


def priority_of(chain: Mapping[str, Any]) -> int:
    """Return the priority at which the kernel calls a base chain. All NAT of a hook has the same
    (nf_nat_ipv4_ops), whatever the chain says."""
    if chain["type"] == "nat":
        return _NAT_PRIORITIES.get(chain["hook"], 0)
    return int(chain["prio"])


def _name(chain: Mapping[str, Any]) -> str:
    return f"{chain['table']} {chain['name']}"


def _whole_name(chain: Mapping[str, Any]) -> str:
    return f"{chain['family']} {chain['table']} {chain['name']}"


def _set_key(rule: Mapping[str, Any], name: str) -> str:
    return f"@{rule['family']} {rule['table']} {name.removeprefix('@')}"


def _bare(element: Any) -> Any:
    """Return an element without its time-out, comment or counter."""
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element


def _expression(text: str) -> Any:
    """Return a field that is written as text, such as `ip saddr`, as JSON has it."""
    match = _FIELD.fullmatch(text.strip())
    if not match:
        return text.strip()
    header, name = match.groups()
    if header == "meta":
        return {"meta": {"key": name}}
    return {"payload": {"protocol": header, "field": name}}


def _translated(
    word: str, value: Mapping[str, Any], text: str, facts: Facts, way: _Course
) -> HookOutcome:
    """Return the outcome of a NAT statement: unknown if its address or port is."""
    address, port = value.get("addr"), value.get("port")
    if isinstance(address, dict):  # `snat to ip daddr`: a field of the packet itself.
        address = nft_values.value(address, facts, lambda _: None)
    if isinstance(port, dict):  # `dnat to ADDRESS : tcp dport map { … }`: that of each port.
        port = nft_values.value(port, facts, lambda _: None) or _UNKNOWN
    translated = nft_values.address(address)
    if ("addr" in value and translated is None) or not isinstance(port, int | None):
        return way.at(HookVerdict.UNKNOWN, text)
    flags = value.get("flags", ())
    is_random = not _RANDOM.isdisjoint([flags] if isinstance(flags, str) else flags)
    translation = Translation(word, translated, port, is_random, text)
    return way.at(HookVerdict.ACCEPT, text, translation)
