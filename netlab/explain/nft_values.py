"""Values of nftables' expressions for a packet, and comparisons with them. Pure.

A value that is not known is None, and so is a comparison that rests on it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

from netlab.kernel.rows import IPAddress

NOT_THERE = object()
"""The value of a field that the packet does not have: no comparison with it is true."""

Facts: TypeAlias = Mapping[str, Any]
"""Fields by nftables' names (`meta iifname`, `ip saddr`, `ct state`, …); a missing one is not known.

A header's bare name (`tcp`) stands for all of its fields: it is there only if the header is not. Flags of
which all are known are a frozenset; those of which some are, a mapping. `@FAMILY TABLE NAME` is what rules
have put into a named set or map."""

Elements: TypeAlias = Callable[[str], Sequence[Any] | None]
"""The elements of a set or map of the rule's table, by its name with `@`; None if nobody knows them."""

WORDS: Mapping[str, Mapping[str, int]] = {
    "ether type": {"ip": 0x0800, "arp": 0x0806, "8021q": 0x8100, "vlan": 0x8100, "ip6": 0x86DD},
    "arp operation": {"request": 1, "reply": 2, "rrequest": 3, "rreply": 4},
    "icmp type": {
        "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5,
        "echo-request": 8, "router-advertisement": 9, "router-solicitation": 10,
        "time-exceeded": 11, "parameter-problem": 12, "timestamp-request": 13,
        "timestamp-reply": 14, "info-request": 15, "info-reply": 16, "address-mask-request": 17,
        "address-mask-reply": 18,
    },
    "icmp code": {
        "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
        "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13,
    },
    "icmpv6 code": {
        "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4,
        "policy-fail": 5, "reject-route": 6,
    },
    "icmpv6 type": {
        "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3,
        "parameter-problem": 4, "echo-request": 128, "echo-reply": 129,
        "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132,
        "mld-listener-reduction": 132, "nd-router-solicit": 133, "nd-router-advert": 134,
        "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137,
        "router-renumbering": 138, "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142,
        "mld2-listener-report": 143,
    },
}  # fmt: skip
"""Numbers of fields by nftables' words for them."""
_WORDS = {**WORDS, "meta protocol": WORDS["ether type"], "arp ptype": WORDS["ether type"]}
_COMPARE = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_BITWISE = {"&": operator.and_, "|": operator.or_, "^": operator.xor}
_ANY = "*"
"""The element of a set or map that every value equals that no other element does."""
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_MISSING = object()


def key(expression: Any) -> str:
    """Return the key of a fact: `meta iifname`, `ip saddr`, …; empty, which no fact has, for anything
    else."""
    match expression:
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


def value(expression: Any, facts: Facts, elements: Elements) -> Any:
    """Return the value of an expression for a packet: a fact, a literal, or what is made of them."""
    match expression:
        case str() | int() | list():
            return expression
        case dict() if len(expression) == 1 and (word := next(iter(expression))) in _BITWISE:
            return _combined(word, *(value(side, facts, elements) for side in expression[word]))
        case {"concat": [*parts]}:
            values = [value(part, facts, elements) for part in parts]
            return NOT_THERE if NOT_THERE in values else None if None in values else tuple(values)
        case {"map": {"key": source, "data": data}}:
            return _looked_up(source, data, facts, elements)
    field = key(expression)
    fact = facts.get(field, _MISSING)
    if fact is _MISSING:
        return facts.get(field.partition(" ")[0])
    return _translated(field, fact)


def _looked_up(source: Any, data: Any, facts: Facts, elements: Elements) -> Any:
    """Return what a map has for a value: `NOT_THERE` if it has nothing."""
    pairs = elements(data) if isinstance(data, str) else data.get("set")
    found = value(source, facts, elements)
    if found is NOT_THERE:
        return NOT_THERE
    if found is None or pairs is None:
        return None
    element = chosen(key(source), found, pairs, elements)
    return element if element is None or element is NOT_THERE else element[1]


def chosen(field: str, found: Any, pairs: Iterable[Any], elements: Elements) -> Any:
    """Return the pair of a map that a value has; `NOT_THERE` if none, None if that is not known."""
    for pair in sorted(pairs, key=lambda pair: bool(pair[0] == _ANY)):
        equal = _equals(field, found, pair[0], elements)
        if equal is None:
            return None
        if equal:
            return pair
    return NOT_THERE


def holds(comparison: Any, facts: Facts, elements: Elements) -> bool | None:
    """Return whether a comparison is true; None if that is not known."""
    left, operation, right = comparison["left"], comparison["op"], comparison["right"]
    found = value(left, facts, elements) if isinstance(left, dict) else None
    if found is None:
        return None
    if found is NOT_THERE:
        return False
    field = key(left)
    if compare := _COMPARE.get(operation):
        number = _number(_translated(field, right))
        return bool(compare(found, number)) if _is_number(found, number) else None
    if isinstance(right, dict) and key(right):
        right = value(right, facts, elements)
        if right is None or right is NOT_THERE:
            return None if right is None else False
    equal = _equals(field, found, right, elements, any_flag=operation == "in")
    if equal is None or operation in ("==", "in"):
        return equal
    return not equal if operation == "!=" else None


def _equals(
    field: str, found: Any, right: Any, elements: Elements, any_flag: bool = False
) -> bool | None:
    """Return whether a value is the right side of a comparison, or one of its elements; None if that is
    not known. `any_flag`: of several flags, one is enough."""
    if isinstance(right, list) and (_is_flags(found) or any_flag):
        return _has_flags(found, right, any_flag)
    several = _several(right, elements)
    if several is not None:
        answers = [_equals(field, found, element, elements) for element in several]
        return True if True in answers else None if None in answers else False
    if isinstance(right, dict) and "elem" in right:  # With a comment, a counter or a time-out.
        return _equals(field, found, right["elem"].get("val"), elements)
    if isinstance(found, tuple):
        return _equal_parts(found, right, elements)
    translated = _translated(field, right)
    if isinstance(translated, dict):
        return _within(found, translated)
    return True if translated == _ANY else _same(found, translated)


def _equal_parts(found: tuple[Any, ...], right: Any, elements: Elements) -> bool | None:
    """Return whether each part of a concatenation is the one of an element."""
    parts = right.get("concat") if isinstance(right, dict) else None
    if not isinstance(parts, list) or len(parts) != len(found):
        return None
    pairs = zip(found, parts, strict=True)
    answers = [_equals("", part, element, elements) for part, element in pairs]
    return False if False in answers else None if None in answers else True


def _several(right: Any, elements: Elements) -> Sequence[Any] | None:
    """Return the elements of a set, written there or by its name; None for a single value."""
    if isinstance(right, list):
        return right
    if isinstance(right, dict) and "set" in right:
        return right["set"] if isinstance(right["set"], list) else [right["set"]]
    if isinstance(right, str) and right.startswith("@"):
        named = elements(right)
        return [None] if named is None else named
    return None


def _is_flags(found: Any) -> bool:
    return isinstance(found, frozenset | Mapping)


def _has_flags(found: Any, right: Sequence[Any], any_flag: bool) -> bool | None:
    """Return whether flags are exactly those of a list, or have one of them."""
    if not any_flag:
        return found == frozenset(right) if isinstance(found, frozenset) else None
    answers = [_same(found, flag) for flag in right]
    return True if True in answers else None if None in answers else False


def _combined(word: str, left: Any, right: Any) -> Any:
    """Return what a bitwise operation makes of two values."""
    if NOT_THERE in (left, right):
        return NOT_THERE
    if isinstance(left, frozenset) and word == "&":
        return left & frozenset([right] if isinstance(right, str) else right)
    numbers = _number(left), _number(right)
    return _BITWISE[word](*numbers) if _is_number(*numbers) else None


def _translated(field: str, right: Any) -> Any:
    """Return a value with numbers in place of the words of a field."""
    words = _WORDS.get(field, {})
    match right:
        case str():
            return words.get(right, right)
        case {"range": [low, high]}:
            return {"range": [_translated(field, low), _translated(field, high)]}
    return right


def _within(found: Any, right: Mapping[str, Any]) -> bool | None:
    """Return whether a value is in a subnet or a range; None of anything else."""
    match right:
        case {"prefix": {"addr": str(start), "len": int(length)}} if isinstance(found, IPAddress):
            return found in ip_network((start, length))
        case {"range": [str(low), str(high)]} if isinstance(found, IPAddress):
            first, last = address(low), address(high)
            ordered = first and last and first.version == last.version == found.version
            return int(first) <= int(found) <= int(last) if first and last and ordered else None
        case {"range": [low, high]} if isinstance(found, range) and _is_number(low, high):
            if high < found.start or low >= found.stop:
                return False
            return True if low <= found.start and found.stop - 1 <= high else None
        case {"range": [low, high]} if _is_number(found, low, high):
            return bool(low <= found <= high)
    return None


def _same(found: Any, right: Any) -> bool | None:
    """Return whether a value is a single other one; None if they are not of one kind, as a number and a
    name."""
    match found:
        case range():  # A port that is yet to be chosen, of these.
            return None if not _is_number(right) or right in found else False
        case Mapping():
            return found.get(right) if isinstance(right, str) else None
        case frozenset():
            return right in found if isinstance(right, str) else None
        case str() if isinstance(right, str):
            return found.startswith(right[:-1]) if right.endswith("*") else found == right
        case bool():
            return found == right if isinstance(right, bool) else None
    if isinstance(found, IPAddress):
        other = address(right)
        return other == found if other and other.version == found.version else None
    number = _number(right)
    return bool(found == number) if _is_number(found, number) else None


def _number(literal: Any) -> Any:
    """Return a number, a MAC address or an IP address as a number; anything else as it is."""
    if isinstance(literal, str):
        if _MAC.fullmatch(literal):
            return int(literal.replace(":", ""), 16)
        parsed = address(literal)
        return literal if parsed is None else int(parsed)
    return int(literal) if isinstance(literal, IPAddress) else literal


def _is_number(*values: Any) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def address(text: Any) -> IPAddress | None:
    """Return an IP address from its text; None for anything else."""
    if isinstance(text, IPAddress):
        return text
    try:
        return ip_address(text) if isinstance(text, str) else None
    except ValueError:
        return None
