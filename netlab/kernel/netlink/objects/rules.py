"""Rules of routing (`ip rule`), which choose the table for a packet."""

from __future__ import annotations

from socket import AF_INET, AF_INET6

from pyroute2.netlink.rtnl import RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE, rt_proto
from pyroute2.netlink.rtnl.fibmsg import FR_ACT_TO_TBL

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import HEADER, VERSIONS, Reader, Template, encode
from netlab.kernel.netlink.missing import (
    RT_TABLE_DEFAULT,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    rule_msg,
)
from netlab.kernel.netlink.objects.links import NEW

_MESSAGE = Reader(
    rule_msg, ("family", "dst_len", "src_len", "tos", "table", "action", "flags"), None
)
_EVERY = Template(rule_msg, {"family": 0})
_UNSELECTIVE = {"FRA_PRIORITY", "FRA_SUPPRESS_PREFIXLEN", "FRA_TABLE", "FRA_PROTOCOL"}
"""Attributes that choose no packets."""
_PLAIN = {
    *_UNSELECTIVE,
    *("FRA_DST", "FRA_SRC", "FRA_IIFNAME", "FRA_OIFNAME", "FRA_L3MDEV"),
    *("FRA_GOTO", "FRA_FLOW", "FRA_SUPPRESS_IFGROUP"),
}
"""Attributes that choose no packets, or choose by addresses and interfaces."""


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
class KernelRule:
    """A rule as rtnetlink(7) describes it."""

    key: RuleKey
    for_all: bool
    """True if it sends all packets to a table."""
    plain: bool
    """True if it chooses by nothing but addresses and interfaces."""
    body: bytes
    """The message, without its header: as a request, it removes the rule."""


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
    family, target, source, tos, table, action, flags = _MESSAGE.fields(message)
    if family not in VERSIONS:
        return None
    attributes = _MESSAGE.attributes(message)
    key = RuleKey(family, attributes.get("FRA_PRIORITY", 0), attributes.get("FRA_TABLE", table))
    selects = target or source or tos or flags or attributes.keys() - _UNSELECTIVE
    return KernelRule(
        key,
        not selects and action == FR_ACT_TO_TBL,
        not tos and attributes.keys() <= _PLAIN,
        message[HEADER.size :],
    )


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
