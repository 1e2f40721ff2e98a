"""Asking the kernel where it would send a packet, or what it would do with one that came in."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from netlab.frozen import frozen
from netlab.kernel import links
from netlab.kernel.handles import Handles
from netlab.kernel.links import ROUTE, RTM_GETROUTE
from netlab.kernel.netlink import HEADER_BYTES, Netlink, Refused, attribute, attributes
from netlab.kernel.rows import IPAddress
from netlab.kernel.tables import KINDS

_RTA_DST, _RTA_SRC, _RTA_IIF, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 2, 3, 4, 5, 7
_RTM_GETRULE = 34
_RULE = struct.Struct("8BI")
"""fib_rule_hdr: family, lengths of destination and source, TOS, table, two unused, action, flags."""
_NOT_ASKED_FOR = {10, 12, 16, 20, 22, 23, 24, 25, 26}
"""FRA_FWMARK, TUN_ID, FWMASK, UID_RANGE, IP_PROTO, SPORT_RANGE, DPORT_RANGE, DSCP, FLOWLABEL: no `Question`
has them."""
UNCERTAIN = errno.ENODATA
"""An `Answer.error` of netlab's own: rules of the machine (`ip rule`) look at more than was asked."""


@frozen
class Question:
    """A packet."""

    target: IPAddress
    source: IPAddress | None = None
    """None: the machine's own packet, and it has not chosen an address yet."""
    came_in: str | None = None
    """The interface; None for the machine's own packets."""


@frozen
class Answer:
    """The kernel's word. With `error`, nothing else counts."""

    kind: str = ""
    """unicast: pass it on; local: it is for this machine; broadcast, …"""
    interface: str = ""
    gateway: IPAddress | None = None
    """None: the target itself is the next hop."""
    source: IPAddress | None = None
    """The address that the machine takes for packets of its own."""
    error: int = 0
    """errno: ENETUNREACH no route; EHOSTUNREACH no router, or a route that says unreachable; EACCES one
    that says prohibit; EINVAL one that says blackhole. A source that the interface does not admit:
    EXDEV (before Linux 6.14) or EINVAL."""


class Routing:
    """The routing decisions of machines, each asked for once; `names` are those of their interfaces."""

    def __init__(self, handles: Handles, names: Callable[[str], Mapping[int, str]]) -> None:
        self._handles = handles
        self._names = names
        self._known: dict[tuple[str, Question], Answer] = {}
        self._plain: dict[tuple[str, int], bool] = {}

    def ask(self, namespace: str, question: Question) -> Answer:
        """What a machine would do with a packet. Raises KernelError."""
        key = namespace, question
        if key not in self._known:
            self._known[key] = self._ask(namespace, question)
        return self._known[key]

    def _ask(self, namespace: str, question: Question) -> Answer:
        netlink, names = self._handles.netlink(namespace), self._names(namespace)
        family = namespace, question.target.version
        if family not in self._plain:
            self._plain[family] = _is_plain(netlink, question.target.version)
        if not self._plain[family]:
            return Answer(error=UNCERTAIN)
        if question.came_in is not None and question.came_in not in names.values():
            return Answer(error=errno.ENODEV)
        return ask(netlink, names, question)


def _is_plain(netlink: Netlink, version: int) -> bool:
    """Whether the rules (`ip rule`) look at nothing but what a question says."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    for message in netlink.dump(_RULE.pack(family, *bytes(8)), _RTM_GETRULE):
        tos = _RULE.unpack_from(message, HEADER_BYTES)[3]
        if tos or attributes(message, HEADER_BYTES + _RULE.size).keys() & _NOT_ASKED_FOR:
            return False
    return True


def ask(netlink: Netlink, names: Mapping[int, str], question: Question) -> Answer:
    """The routing decision, by the rules and tables of the socket's namespace."""
    target, source = question.target, question.source
    family = socket.AF_INET if target.version == 4 else socket.AF_INET6
    body = ROUTE.pack(
        family, target.max_prefixlen, source.max_prefixlen if source else 0, *bytes(6)
    )
    body += attribute(_RTA_DST, target.packed)
    if source:
        body += attribute(_RTA_SRC, source.packed)
    if question.came_in:
        indexes = {name: index for index, name in names.items()}
        body += attribute(_RTA_IIF, struct.pack("I", indexes[question.came_in]))
    try:
        message = netlink.ask(body, RTM_GETROUTE)
    except Refused as refused:
        return Answer(error=refused.errno or 0)
    kind = ROUTE.unpack_from(message, HEADER_BYTES)[7]
    found = attributes(message, HEADER_BYTES + ROUTE.size)
    gateway, chosen = found.get(_RTA_GATEWAY), found.get(_RTA_PREFSRC)
    return Answer(
        KINDS.get(kind, str(kind)),
        names.get(links.number(found.get(_RTA_OIF)), ""),
        ip_address(gateway) if gateway else None,
        ip_address(chosen) if chosen else None,
    )
