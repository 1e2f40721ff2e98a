"""Asking the kernel where it would send a packet, or what it would do with one that came in."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

from netlab.kernel import links
from netlab.kernel.links import ROUTE, RTM_GETROUTE
from netlab.kernel.netlink import HEADER_BYTES, Netlink, Refused, attribute, attributes
from netlab.kernel.rows import IPAddress
from netlab.kernel.tables import KINDS

_RTA_DST, _RTA_SRC, _RTA_IIF, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 2, 3, 4, 5, 7


@dataclass(frozen=True)
class Question:
    """A packet."""

    target: IPAddress
    source: IPAddress | None = None
    """None: the machine's own packet, and it has not chosen an address yet."""
    came_in: str | None = None
    """The interface; None for the machine's own packets."""


@dataclass(frozen=True)
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


def ask(netlink: Netlink, names: dict[int, str], question: Question) -> Answer:
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
