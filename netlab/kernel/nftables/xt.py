"""Rules of iptables in the words of nftables: libnftables' JSON (see libnftables-json(5)). Pure.

A match or target that has no such words here stays `xt`, with its name: nobody knows what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias, TypeVar

from netlab.kernel.nftables.iptables_save import XtChain, XtMatch, XtOption, XtRule, XtRuleset
from netlab.kernel.nftables.nft import PROTOCOLS, RuleId

Item = TypeVar("Item")
Expression: TypeAlias = dict[str, Any]
"""A statement of a rule."""

_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_NAT_PRIORITIES = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
"""The kernel's own (linux/netfilter_ipv4.h), also of iptables-nft."""
_NUMBERS = {word: number for number, word in PROTOCOLS.items()} | {
    "ipv6-icmp": 58, "ipencap": 4, "ipv6": 41, "gre": 47, "ospf": 89, "vrrp": 112, "mh": 135,
}  # fmt: skip
"""Protocols by the words of iptables and of /etc/protocols."""
_ICMP = {
    0: "echo-reply", 3: "destination-unreachable", 4: "source-quench", 5: "redirect",
    8: "echo-request", 9: "router-advertisement", 10: "router-solicitation", 11: "time-exceeded",
    12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply", 15: "info-request",
    16: "info-reply", 17: "address-mask-request", 18: "address-mask-reply",
}  # fmt: skip
_ICMPV6 = {
    1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem",
    128: "echo-request", 129: "echo-reply", 130: "mld-listener-query", 131: "mld-listener-report",
    132: "mld-listener-done", 133: "nd-router-solicit", 134: "nd-router-advert",
    135: "nd-neighbor-solicit", 136: "nd-neighbor-advert", 137: "nd-redirect",
    138: "router-renumbering", 141: "ind-neighbor-solicit", 142: "ind-neighbor-advert",
    143: "mld2-listener-report",
}  # fmt: skip
"""Types of messages by nftables' words, which `explain` has for those of its packets."""
_STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")
_STATUS = {"SNAT": "snat", "DNAT": "dnat"}
_ADDRESS_TYPES = (
    *("UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE"),
    *("UNREACHABLE", "PROHIBIT"),
)
_FLAGS_OF_NAT = {
    "--random": "random", "--random-fully": "fully-random", "--persistent": "persistent",
}  # fmt: skip
_HARMLESS_TARGETS = (
    *("", "AUDIT", "CHECKSUM", "CLASSIFY", "IDLETIMER", "LED", "LOG", "NFLOG", "RATEEST", "SET"),
    *("TEE", "TRACE", "ULOG"),
)
"""Targets behind which the next rule follows, and which leave the packet as it is."""
_WITH_PORTS = ("tcp", "udp", "udplite", "sctp", "dccp")
_ALWAYS = ("comment", "tcp", "udp", "icmp", "icmp6", "ipv6-icmp", "sctp")
"""Matches that demand nothing without an option."""


class _Unknown(Exception):
    """There are no words for a match or a target."""


def as_nftables(rulesets: Iterable[XtRuleset]) -> list[dict[str, Any]]:
    """Return tables, chains and rules as libnftables lists them.

    A table is called by its tool, too, for it may have the name of one of nftables' own.
    """
    return [entry for ruleset in rulesets for entry in _entries(ruleset)]


def texts(rulesets: Iterable[XtRuleset]) -> dict[RuleId, str]:
    """Return the rules of `as_nftables` as their tool shows them: `-s 10.0.0.0/24 -j DROP`."""
    return {
        (_family(ruleset), table_name(ruleset, rule.table), rule.chain, handle): rule.text
        for ruleset in rulesets
        for handle, rule in enumerate(ruleset.rules, 1)
    }


def instead_of_xt(
    document: Iterable[Mapping[str, Any]], rulesets: Sequence[XtRuleset]
) -> list[Mapping[str, Any]]:
    """Return a ruleset of libnftables in which iptables-nft's chains are those of its own rules."""
    translated = {
        (_family(ruleset), chain.table, chain.name)
        for ruleset in rulesets
        for chain in ruleset.chains
    }

    def is_translated(item: Mapping[str, Any]) -> bool:
        chain, rule = item.get("chain", {}), item.get("rule", {})
        key = (chain or rule).get("family"), (chain or rule).get("table")
        return (*key, chain.get("name") or rule.get("chain")) in translated

    remaining = [item for item in document if not is_translated(item)]
    return [*remaining, *as_nftables(rulesets)]


def table_name(ruleset: XtRuleset, table: str) -> str:
    """Return the name of a translated table: `iptables-legacy filter`."""
    return f"{ruleset.tool} {table}"


def is_harmless(rule: XtRule) -> bool:
    """Return whether a rule leaves every packet as it is, and the next rule follows."""
    return rule.target in _HARMLESS_TARGETS


def _family(ruleset: XtRuleset) -> str:
    return "ip" if ruleset.version == 4 else "ip6"


def _entries(ruleset: XtRuleset) -> Iterator[dict[str, Any]]:
    family = _family(ruleset)
    for table in dict.fromkeys(chain.table for chain in ruleset.chains):
        yield {"table": {"family": family, "name": table_name(ruleset, table)}}
    for chain in ruleset.chains:
        table = table_name(ruleset, chain.table)
        base = _base(chain) if chain.hook else {}
        yield {"chain": {"family": family, "table": table, "name": chain.name, **base}}
    for handle, rule in enumerate(ruleset.rules, 1):
        table = table_name(ruleset, rule.table)
        place = {"family": family, "table": table, "chain": rule.chain, "handle": handle}
        for alternative in _alternatives(rule):
            statements = [*_matches(alternative, family), *_target(rule, ruleset)]
            yield {"rule": {**place, "expr": statements}}


def _base(chain: XtChain) -> dict[str, Any]:
    is_nat = chain.table == "nat"
    return {
        "type": "nat" if is_nat else "filter",
        "hook": chain.hook,
        "prio": (_NAT_PRIORITIES if is_nat else _PRIORITIES).get(
            chain.hook if is_nat else chain.table, 0
        ),
        "policy": chain.policy.lower(),
    }


def _alternatives(rule: XtRule) -> list[XtRule]:
    """Return the rules that a rule stands for whose options mean one or the other, each without `or`."""
    for number, match in enumerate(rule.matches):
        for place, option in enumerate(match.options):
            if split := () if option.negated else _split(option):
                return [
                    replace(
                        rule, matches=_with(rule.matches, number, _with_option(match, place, part))
                    )
                    for part in split
                ]
    return [rule]


def _split(option: XtOption) -> Sequence[XtOption]:
    """Return the options that one with `or` stands for; none for any other."""
    if option.name == "--ports":
        return [replace(option, name=name) for name in ("--sports", "--dports")]
    words = option.value.split(",")
    states = [word for word in words if word in _STATES]
    if option.name == "--ctstate" and 0 < len(states) < len(words):
        status = [word for word in words if word not in _STATES]
        return [replace(option, value=",".join(part)) for part in (states, status)]
    return ()


def _with_option(match: XtMatch, place: int, option: XtOption) -> XtMatch:
    return replace(match, options=_with(match.options, place, option))


def _with(items: tuple[Item, ...], place: int, item: Item) -> tuple[Item, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _matches(rule: XtRule, family: str) -> Iterator[Expression]:
    """Yield the comparisons of a rule: all have to be true."""
    protocol = _header_of_ports(rule)
    for match in rule.matches:
        if not match.options and match.module in _ALWAYS:
            continue
        try:
            yield from _MATCHES[match.module](match.options, family, protocol)
        except (LookupError, ValueError, _Unknown):
            name = match.module or " ".join(option.name for option in match.options)
            yield _equal({"xt": {"type": "match", "name": name}}, True)


def _header_of_ports(rule: XtRule) -> str:
    """Return the header that a rule's ports are in, by nftables' word."""
    for option in (option for match in rule.matches for option in match.options):
        if option.name == "-p" and not option.negated and option.value in _WITH_PORTS:
            return option.value
    return "th"


def _equal(left: Expression, right: Any, negated: bool = False) -> Expression:
    return {"match": {"op": "!=" if negated else "==", "left": left, "right": right}}


def _payload(protocol: str, field: str) -> Expression:
    return {"payload": {"protocol": protocol, "field": field}}


def _meta(key: str) -> Expression:
    return {"meta": {"key": key}}


def _packet(options: Sequence[XtOption], family: str, _: str) -> list[Expression]:
    """Translate iptables' own options."""
    return [_of_packet(option, family) for option in options]


def _of_packet(option: XtOption, family: str) -> Expression:
    left: Expression
    right: Any
    match option.name:
        case "-s" | "-d":
            left = _payload(family, "saddr" if option.name == "-s" else "daddr")
            right = _network(option.value)
        case "-i" | "-o":
            left = _meta("iifname" if option.name == "-i" else "oifname")
            right = option.value.removesuffix("+") + "*" * option.value.endswith("+")
        case "-p":
            left, right = _meta("l4proto"), _number_of_protocol(option.value)
        case _:
            raise _Unknown
    return _equal(left, right, option.negated)


def _network(text: str) -> Any:
    """Translate an address with its mask. Raises ValueError if the mask is no prefix."""
    network = ip_network(text)
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def _number_of_protocol(word: str) -> int:
    return _NUMBERS[word] if word in _NUMBERS else int(word)


def _number(text: str) -> int:
    return int(text, 0)


def _span(text: str, separator: str = ":") -> Any:
    """Translate a number, or two that bound a range."""
    first, divided, last = text.partition(separator)
    if not divided:
        return _number(text)
    return {"range": [_number(first or "0"), _number(last or "65535")]}


def _several(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else {"set": list(values)}


def _ports(options: Sequence[XtOption], _: str, protocol: str) -> list[Expression]:
    """Translate the matches tcp and udp."""
    return [_of_segment(option, protocol) for option in options]


def _of_segment(option: XtOption, protocol: str) -> Expression:
    match option.name:
        case "--sport" | "--dport":
            field = _payload(protocol, option.name[2:])
            return _equal(field, _span(option.value), option.negated)
        case "--tcp-flags":
            mask, flags = (words.lower().split(",") for words in option.value.split())
            return _flags(mask, flags, option.negated)
        case "--syn":
            return _flags(["fin", "syn", "rst", "ack"], ["syn"], option.negated)
    raise _Unknown


def _flags(mask: list[str], flags: list[str], negated: bool) -> Expression:
    if not {*mask, *flags} <= {"fin", "syn", "rst", "psh", "ack", "urg"}:
        raise _Unknown  # ALL or NONE, which iptables-save does not write.
    left = {"&": [_payload("tcp", "flags"), mask]}
    return _equal(left, flags[0] if len(flags) == 1 else flags, negated)


def _multiport(options: Sequence[XtOption], _: str, protocol: str) -> list[Expression]:
    fields = {"--sports": "sport", "--dports": "dport"}
    return [
        _equal(
            _payload(protocol, fields[option.name]),
            _several([_span(part) for part in option.value.split(",")]),
            option.negated,
        )
        for option in options
    ]


def _icmp(options: Sequence[XtOption], family: str, _: str) -> list[Expression]:
    header, types = ("icmp", _ICMP) if family == "ip" else ("icmpv6", _ICMPV6)
    (option,) = options
    if option.value == "any":
        return []
    kind, divided, code = option.value.partition("/")
    if divided and option.negated:
        raise _Unknown
    word = types.get(int(kind), int(kind)) if kind.isdecimal() else kind
    if isinstance(word, str) and word not in types.values():
        raise _Unknown
    expression = _equal(_payload(header, "type"), word, option.negated)
    return [expression, _equal(_payload(header, "code"), int(code))] if divided else [expression]


def _conntrack(options: Sequence[XtOption], family: str, _: str) -> list[Expression]:
    return [_of_connection(option, family) for option in options]


def _of_connection(option: XtOption, family: str) -> Expression:
    match option.name:
        case "--ctstate" | "--state":
            words = option.value.split(",")
            if all(word in _STATES for word in words):
                states = _several([word.lower() for word in words])
                return _equal({"ct": {"key": "state"}}, states, option.negated)
            status = _several([_STATUS[word] for word in words])
            return _equal({"ct": {"key": "status"}}, status, option.negated)
        case "--ctorigsrc" | "--ctorigdst":
            key = f"{family} {'saddr' if option.name == '--ctorigsrc' else 'daddr'}"
            return _equal(_original(key), _network(option.value), option.negated)
        case "--ctorigsrcport" | "--ctorigdstport":
            key = "proto-src" if option.name == "--ctorigsrcport" else "proto-dst"
            return _equal(_original(key), _span(option.value), option.negated)
    raise _Unknown


def _original(key: str) -> Expression:
    return {"ct": {"key": key, "dir": "original"}}


def _addrtype(options: Sequence[XtOption], _: str, __: str) -> list[Expression]:
    limits = {"--limit-iface-in": "iif", "--limit-iface-out": "oif"}
    scopes = [limits[option.name] for option in options if option.name in limits]
    ends = {"--src-type": "saddr", "--dst-type": "daddr"}
    expressions = []
    for option in options:
        if option.name in limits:
            continue
        words = option.value.split(",")
        if not {*words} <= {*_ADDRESS_TYPES}:
            raise _Unknown
        field = {"fib": {"result": "type", "flags": [ends[option.name], *scopes]}}
        types = _several([word.lower() for word in words])
        expressions.append(_equal(field, types, option.negated))
    return expressions


def _comment(*_: object) -> list[Expression]:
    return []


def _mark(key: Expression) -> _Translation:
    def translated(options: Sequence[XtOption], _: str, __: str) -> list[Expression]:
        (option,) = options
        if option.name != "--mark":
            raise _Unknown
        value, _, mask = option.value.partition("/")
        left = {"&": [key, _number(mask)]} if mask else key
        return [_equal(left, _number(value), option.negated)]

    return translated


def _of_one(name: str, left: Expression, right: Callable[[str], Any]) -> _Translation:
    """Return the translation of a match with one option."""

    def translated(options: Sequence[XtOption], _: str, __: str) -> list[Expression]:
        (option,) = options
        if option.name != name:
            raise _Unknown
        return [_equal(left, right(option.value), option.negated)]

    return translated


def _iprange(options: Sequence[XtOption], family: str, _: str) -> list[Expression]:
    fields = {"--src-range": "saddr", "--dst-range": "daddr"}
    return [
        _equal(
            _payload(family, fields[option.name]),
            {"range": [str(ip_address(end)) for end in option.value.split("-")]},
            option.negated,
        )
        for option in options
    ]


def _hops(options: Sequence[XtOption], family: str, _: str) -> list[Expression]:
    field = _payload(family, "ttl" if family == "ip" else "hoplimit")
    expressions = [_equal(field, _number(option.value), option.negated) for option in options]
    for option, expression in zip(options, expressions, strict=True):
        end = option.name.rpartition("-")[2]
        if end != "eq":
            expression["match"]["op"] = {"lt": "<", "gt": ">"}[end]
    return expressions


def _rpfilter(options: Sequence[XtOption], _: str, __: str) -> list[Expression]:
    names = {option.name for option in options}
    if not names <= {"--loose", "--validmark", "--invert"}:
        raise _Unknown
    flags = ["saddr", *["mark"] * ("--validmark" in names), *["iif"] * ("--loose" not in names)]
    return [_equal({"fib": {"result": "oif", "flags": flags}}, "--invert" not in names)]


def _policy(options: Sequence[XtOption], _: str, __: str) -> list[Expression]:
    values = {option.name: option.value for option in options}
    protected = {"none": False, "ipsec": True}[values.pop("--pol")]
    direction = values.pop("--dir")
    if values or any(option.negated for option in options):
        raise _Unknown
    left = {"in": _meta("secpath"), "out": {"rt": {"key": "ipsec"}}}[direction]
    return [_equal(left, protected)]


def _recent(options: Sequence[XtOption], _: str, __: str) -> list[Expression]:
    names = {option.name for option in options}
    if "--set" in names and not names & {"--rcheck", "--update", "--remove"}:
        return []  # It only takes a note.
    raise _Unknown


_Translation: TypeAlias = Callable[[Sequence[XtOption], str, str], list[Expression]]
_MATCHES: Mapping[str, _Translation] = {
    "": _packet,
    **dict.fromkeys(("tcp", "udp", "sctp", "dccp"), _ports),
    "multiport": _multiport,
    **dict.fromkeys(("icmp", "icmp6", "ipv6-icmp"), _icmp),
    **dict.fromkeys(("conntrack", "state"), _conntrack),
    "addrtype": _addrtype,
    "comment": _comment,
    "mark": _mark(_meta("mark")),
    "connmark": _mark({"ct": {"key": "mark"}}),
    "mac": _of_one("--mac-source", _payload("ether", "saddr"), str.lower),
    "pkttype": _of_one(
        "--pkt-type", _meta("pkttype"), lambda word: "host" if word == "unicast" else word
    ),
    "iprange": _iprange,
    **dict.fromkeys(("ttl", "hl"), _hops),
    "rpfilter": _rpfilter,
    "policy": _policy,
    "recent": _recent,
}
"""Translations of a match's options, for a family and the header that has ports. They raise LookupError,
ValueError or _Unknown where there are no words."""


def _target(rule: XtRule, ruleset: XtRuleset) -> list[Expression]:
    if ruleset.leads_on(rule):
        return [{"goto" if rule.goto else "jump": {"target": rule.target}}]
    if is_harmless(rule):
        return []
    try:
        return [_TARGETS[rule.target](rule.options)]
    except (LookupError, ValueError, _Unknown):
        return [{"xt": {"type": "target", "name": rule.target}}]


def _word(word: str) -> Callable[[Sequence[XtOption]], Expression]:
    """Return the translation of a target without options."""

    def translated(options: Sequence[XtOption]) -> Expression:
        if options:
            raise _Unknown
        return {word: None}

    return translated


def _reject(options: Sequence[XtOption]) -> Expression:
    (option,) = options
    if option.value == "tcp-reset":
        return {"reject": {"type": "tcp reset"}}
    kind, _, reason = option.value.partition("-")
    return {"reject": {"type": {"icmp": "icmp", "icmp6": "icmpv6"}[kind], "expr": reason}}


def _nat(
    word: str, address: str = "", port: str = ""
) -> Callable[[Sequence[XtOption]], Expression]:
    """Return the translation of a target of NAT, with the name of its option for an address or ports."""

    def translated(options: Sequence[XtOption]) -> Expression:
        values: dict[str, Any] = {}
        flags = []
        for option in options:
            if option.name == address and not values:
                values |= _destination(option.value)
            elif option.name == port:
                values["port"] = _span(option.value, "-")
            else:
                flags.append(_FLAGS_OF_NAT[option.name])
        if flags:
            values["flags"] = _one_or_more(flags)
        return {word: values or None}

    return translated


def _one_or_more(words: list[str]) -> Any:
    return words[0] if len(words) == 1 else words


def _destination(text: str) -> dict[str, Any]:
    """Translate `ADDRESS[-ADDRESS][:PORT[-PORT]]`; an IPv6 address with a port is in brackets."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") > 1:
        address, port = text, ""
    else:
        address, _, port = text.partition(":")
    values: dict[str, Any] = {}
    if address:
        ends = [str(ip_address(end)) for end in address.split("-")]
        values["addr"] = ends[0] if len(ends) == 1 else {"range": ends}
    if port:
        values["port"] = _span(port, "-")  # `80-90/8080` is no number.
    return values


def _set_mark(options: Sequence[XtOption]) -> Expression:
    (option,) = options
    value, _, mask = option.value.partition("/")
    if option.name not in ("--set-xmark", "--set-mark") or _number(mask or _EVERY_BIT) != _number(
        _EVERY_BIT
    ):
        raise _Unknown
    return _mangled(_meta("mark"), _number(value))


def _connmark(options: Sequence[XtOption]) -> Expression:
    mark, kept = _meta("mark"), {"ct": {"key": "mark"}}
    values = {option.name: option.value for option in options}
    if any(values.get(name, _EVERY_BIT) != _EVERY_BIT for name in ("--nfmask", "--ctmask")):
        raise _Unknown
    (name,) = values.keys() - {"--nfmask", "--ctmask"}
    if name == "--set-xmark":
        value, _, mask = values[name].partition("/")
        if mask not in ("", _EVERY_BIT):
            raise _Unknown
        return _mangled(kept, _number(value))
    return {"--restore-mark": _mangled(mark, kept), "--save-mark": _mangled(kept, mark)}[name]


_EVERY_BIT = "0xffffffff"


def _mangled(key: Expression, value: Any) -> Expression:
    return {"mangle": {"key": key, "value": value}}


def _segment_size(options: Sequence[XtOption]) -> Expression:
    (option,) = options
    size: Any = {"rt": {"key": "mtu"}}
    if option.name == "--set-mss":
        size = _number(option.value)
    elif option.name != "--clamp-mss-to-pmtu":
        raise _Unknown
    return _mangled({"tcp option": {"name": "maxseg", "field": "size"}}, size)


def _untracked(options: Sequence[XtOption]) -> Expression:
    if [option.name for option in options] != ["--notrack"]:
        raise _Unknown
    return {"notrack": None}


_TARGETS: Mapping[str, Callable[[Sequence[XtOption]], Expression]] = {
    "ACCEPT": _word("accept"),
    "DROP": _word("drop"),
    "RETURN": _word("return"),
    "NOTRACK": _word("notrack"),
    "CT": _untracked,
    "REJECT": _reject,
    "SNAT": _nat("snat", address="--to-source"),
    "DNAT": _nat("dnat", address="--to-destination"),
    "MASQUERADE": _nat("masquerade", port="--to-ports"),
    "REDIRECT": _nat("redirect", port="--to-ports"),
    "MARK": _set_mark,
    "CONNMARK": _connmark,
    "TCPMSS": _segment_size,
}
"""Translations of targets' options; they raise as those of matches do."""
