"""Rules of routing (`ip rule`), which choose the table for a packet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from socket import AF_INET, AF_INET6
from typing import Any

from pyroute2.netlink.rtnl import RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE, rt_proto
from pyroute2.netlink.rtnl.fibmsg import (
    FR_ACT_BLACKHOLE,
    FR_ACT_GOTO,
    FR_ACT_NOP,
    FR_ACT_PROHIBIT,
    FR_ACT_TO_TBL,
    FR_ACT_UNREACHABLE,
)

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import HEADER, VERSIONS, Reader, Template, encode, packing
from netlab.kernel.netlink.missing import (
    RT_TABLE_DEFAULT,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    rule_msg,
)
from netlab.kernel.netlink.objects.links import NEW
from netlab.kernel.rows import IPNetwork, table_name

_MESSAGE = Reader(
    rule_msg, ("family", "dst_len", "src_len", "tos", "table", "action", "flags"), None
)
_RANGES = {
    "FRA_UID_RANGE": packing(rule_msg.uid_range.fields),
    "FRA_SPORT_RANGE": packing(rule_msg.port_range.fields),
    "FRA_DPORT_RANGE": packing(rule_msg.port_range.fields),
}
_EVERY = Template(rule_msg, {"family": 0})
_UNSELECTIVE = {"FRA_PRIORITY", "FRA_SUPPRESS_PREFIXLEN", "FRA_TABLE", "FRA_PROTOCOL"}
"""Attributes that choose no packets."""
_UNDERSTOOD = {
    *_UNSELECTIVE,
    *("FRA_DST", "FRA_SRC", "FRA_IIFNAME", "FRA_OIFNAME", "FRA_L3MDEV", "FRA_GOTO", "FRA_FLOW"),
    *("FRA_FWMARK", "FRA_FWMASK", "FRA_UID_RANGE", "FRA_IP_PROTO", "FRA_SPORT_RANGE"),
    *("FRA_DPORT_RANGE", "FRA_SPORT_MASK", "FRA_DPORT_MASK", "FRA_DSCP", "FRA_DSCP_MASK"),
    *("FRA_SUPPRESS_IFGROUP", "FRA_PAD"),
}
_ACTIONS = {
    FR_ACT_TO_TBL: "lookup",
    FR_ACT_GOTO: "goto",
    FR_ACT_NOP: "nop",
    FR_ACT_BLACKHOLE: "blackhole",
    FR_ACT_UNREACHABLE: "unreachable",
    FR_ACT_PROHIBIT: "prohibit",
}
_INVERTED = 0x2
"""FIB_RULE_INVERT of linux/fib_rules.h."""
_NOTHING = 0xFFFFFFFF
"""Instead of a prefix length: none."""
_EVERY_BIT, _EVERY_PORT, _DSCP = 0xFFFFFFFF, 0xFFFF, 0x3F
"""Masks of a whole mark, port and DSCP."""
_LEGACY_TOS: dict[int, int] = {AF_INET: 0x1C, AF_INET6: 0xFC}
"""Bits of the TOS that a rule by `tos` looks at (fib4_rule_match, fib6_rule_match)."""
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "ipv6-icmp", 132: "sctp"}


@frozen
class RuleKey:
    """A rule's effect on all packets: they are looked up in a table, in the order of the priorities."""

    family: int
    priority: int
    table: int

    @property
    def version(self) -> int:
        """The version of IP."""
        return VERSIONS[self.family]

    def __str__(self) -> str:
        return f"rule {self.priority} of IPv{self.version} (table {self.table})"


@frozen
class Bits:
    """A number of which only some bits count."""

    value: int
    mask: int

    def fits(self, number: int) -> bool:
        """Return whether a number has these bits."""
        return not (number ^ self.value) & self.mask


@frozen
class Span:
    """Numbers from one to another."""

    first: int
    last: int

    def fits(self, number: int) -> bool:
        """Return whether a number is one of these."""
        return self.first <= number <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@frozen
class Selector:
    """A packet as a rule wants it: None of everything that it does not look at."""

    inverted: bool = False
    """It wants all others."""
    source: IPNetwork | None = None
    target: IPNetwork | None = None
    came_in: str | None = None
    """An interface; `lo` of the machine's own packets."""
    out: str | None = None
    """The interface to which the packet's socket is bound."""
    mark: Bits | None = None
    tos: Bits | None = None
    dscp: Bits | None = None
    """The upper six bits of the TOS."""
    uids: Span | None = None
    protocol: int | None = None
    source_ports: Span | Bits | None = None
    target_ports: Span | Bits | None = None
    others: tuple[str, ...] = ()
    """Further fields that it looks at, in the words of ip-rule(8)."""


@frozen
class KernelRule:
    """A rule as rtnetlink(7) describes it."""

    key: RuleKey
    for_all: bool
    """True if it sends all packets to a table."""
    selector: Selector
    action: str
    """lookup, goto, nop, blackhole, unreachable or prohibit; a number if it has no name."""
    goto: int
    """The priority at which `goto` goes on; 0 for other actions."""
    suppressed: int | None
    """Routes that its table has with a prefix of this length, or a shorter one, do not count."""
    opaque: bool
    """True if only the kernel knows what it does: it looks at VRFs or groups of interfaces."""
    text: str
    """Formatted as by `ip rule`, without the priority."""
    body: bytes
    """The message, without its header: as a request, it removes the rule."""

    @property
    def kind(self) -> str:
        """The action, by the name that a route of this kind has too."""
        return self.action

    def __str__(self) -> str:
        return f"ip rule {self.key.priority}: {self.text}"


OWN = frozenset((
    RuleKey(AF_INET, 0, RT_TABLE_LOCAL),
    RuleKey(AF_INET, 32766, RT_TABLE_MAIN),
    RuleKey(AF_INET, 32767, RT_TABLE_DEFAULT),
    RuleKey(AF_INET6, 0, RT_TABLE_LOCAL),
    RuleKey(AF_INET6, 32766, RT_TABLE_MAIN),
))  # fmt: skip
"""The rules of a new namespace."""


def read(netlink: Netlink) -> list[KernelRule]:
    """Read every rule of IPv4 and IPv6. Raises Refused."""
    messages = netlink.dump(_EVERY.fill(), RTM_GETRULE)
    return [rule for message in messages if (rule := decode(message))]


def decode(message: bytes) -> KernelRule | None:
    """Decode a rule from a message with its header; None for a rule of multicast."""
    family, _, _, tos, table, action, flags = _MESSAGE.fields(message)
    if family not in VERSIONS:
        return None
    attributes = _MESSAGE.attributes(message)
    key = RuleKey(family, attributes.get("FRA_PRIORITY", 0), attributes.get("FRA_TABLE", table))
    selector = _selector(message, attributes)
    word = _ACTIONS.get(action, str(action))
    suppressed = attributes.get("FRA_SUPPRESS_PREFIXLEN", _NOTHING)
    selects = tos or flags or attributes.keys() - _UNSELECTIVE
    effect = _effect(word, key.table, attributes)
    return KernelRule(
        key,
        not selects and action == FR_ACT_TO_TBL,
        selector,
        word,
        attributes.get("FRA_GOTO", 0),
        None if suppressed == _NOTHING else suppressed,
        bool(attributes.keys() & {"FRA_L3MDEV", "FRA_SUPPRESS_IFGROUP"}),
        " ".join([*_selecting(selector), *effect]),
        message[HEADER.size :],
    )


def _selector(message: bytes, attributes: Mapping[str, Any]) -> Selector:
    family, target, source, tos, _, _, flags = _MESSAGE.fields(message)

    def network(name: str, length: int) -> IPNetwork | None:
        return ip_network((attributes[name], length)) if name in attributes else None

    mark = attributes.get("FRA_FWMARK", 0), attributes.get("FRA_FWMASK", 0)
    others = attributes.keys() - _UNDERSTOOD
    return Selector(
        bool(flags & _INVERTED),
        network("FRA_SRC", source),
        network("FRA_DST", target),
        attributes.get("FRA_IIFNAME"),
        attributes.get("FRA_OIFNAME"),
        Bits(*mark) if any(mark) else None,
        Bits(tos, _LEGACY_TOS[family]) if tos else None,
        Bits(attributes["FRA_DSCP"], attributes.get("FRA_DSCP_MASK", _DSCP))
        if "FRA_DSCP" in attributes
        else None,
        _span("FRA_UID_RANGE", attributes),
        attributes.get("FRA_IP_PROTO"),
        _ports("FRA_SPORT", attributes),
        _ports("FRA_DPORT", attributes),
        tuple(sorted(name.removeprefix("FRA_").lower() for name in others)),
    )


def _span(name: str, attributes: Mapping[str, Any]) -> Span | None:
    return Span(*_RANGES[name].unpack(attributes[name])) if name in attributes else None


def _ports(name: str, attributes: Mapping[str, Any]) -> Span | Bits | None:
    """Return the ports of a rule: a range, or one with a mask (Linux 6.15)."""
    ports, mask = _span(f"{name}_RANGE", attributes), attributes.get(f"{name}_MASK", _EVERY_PORT)
    return ports if ports is None or mask == _EVERY_PORT else Bits(ports.first, mask)


def _selecting(selector: Selector) -> Iterator[str]:
    """Yield the words by which `ip rule` describes the packets that a rule wants."""
    if selector.inverted:
        yield "not"
    for word, value in {
        "from": _network(selector.source) if selector.source else "all",
        "to": selector.target and _network(selector.target),
        "tos": selector.tos and f"{selector.tos.value:#04x}",
        "fwmark": selector.mark and _mark(selector.mark),
        "iif": selector.came_in,
        "oif": selector.out,
        "uidrange": selector.uids and f"{selector.uids.first}-{selector.uids.last}",
        "ipproto": selector.protocol and _PROTOCOLS.get(selector.protocol, selector.protocol),
        "sport": selector.source_ports and _port(selector.source_ports),
        "dport": selector.target_ports and _port(selector.target_ports),
        "dscp": selector.dscp and _number(selector.dscp, _DSCP),
    }.items():
        if value:
            yield f"{word} {value}"
    yield from selector.others


def _effect(action: str, table: int, attributes: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words by which `ip rule` describes what becomes of these packets."""
    if action == "lookup":
        yield f"lookup {'[l3mdev-table]' if 'FRA_L3MDEV' in attributes else table_name(table)}"
        length = attributes.get("FRA_SUPPRESS_PREFIXLEN", _NOTHING)
        if length != _NOTHING:
            yield f"suppress_prefixlength {length}"
    else:
        yield f"goto {attributes['FRA_GOTO']}" if action == "goto" else action


def _network(network: IPNetwork) -> str:
    return str(network).removesuffix(f"/{network.max_prefixlen}")


def _mark(bits: Bits) -> str:
    value = f"{bits.value:#x}"
    return value if bits.mask == _EVERY_BIT else f"{value}/{bits.mask:#x}"


def _port(ports: Span | Bits) -> str:
    return str(ports) if isinstance(ports, Span) else _number(ports, _EVERY_PORT)


def _number(bits: Bits, whole: int) -> str:
    return str(bits.value) if bits.mask == whole else f"{bits.value}/{bits.mask:#x}"


def create(netlink: Netlink, key: RuleKey) -> None:
    """Add a rule for all packets, as the kernel's own are. Raises Refused."""
    body = {
        "family": key.family,
        "table": key.table,
        "action": FR_ACT_TO_TBL,
        "attrs": [("FRA_PRIORITY", key.priority), ("FRA_PROTOCOL", rt_proto["kernel"])],
    }
    netlink.request(encode(rule_msg, body), RTM_NEWRULE, NEW)


def delete(netlink: Netlink, rule: KernelRule) -> None:
    """Remove a rule. Raises Refused."""
    netlink.request(rule.body, RTM_DELRULE)
