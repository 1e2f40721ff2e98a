"""Asking the kernel where it would send a packet, or what it would do with one that came in."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from pyroute2.netlink.rtnl import RTM_GETROUTE, rt_type
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netlab.kernel.netlink import Netlink, Refused
from netlab.kernel.rows import IPAddress


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
    message = rtmsg()
    message["family"] = socket.AF_INET if question.target.version == 4 else socket.AF_INET6
    message["dst_len"] = question.target.max_prefixlen
    attributes: list[tuple[str, Any]] = [("RTA_DST", str(question.target))]
    if question.source:
        message["src_len"] = question.source.max_prefixlen
        attributes.append(("RTA_SRC", str(question.source)))
    if question.came_in:
        indexes = {name: index for index, name in names.items()}
        attributes.append(("RTA_IIF", indexes[question.came_in]))
    message["attrs"] = attributes
    try:
        found = netlink.ask(message, RTM_GETROUTE)
    except Refused as refused:
        return Answer(error=refused.errno or 0)
    gateway, source = found.get_attr("RTA_GATEWAY"), found.get_attr("RTA_PREFSRC")
    return Answer(
        rt_type.get(found["type"], str(found["type"])),
        names.get(found.get_attr("RTA_OIF"), ""),
        ip_address(gateway) if gateway else None,
        ip_address(source) if source else None,
    )
