"""IPsec policies, by netlink's own family for them (ip-xfrm(8))."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from socket import ntohs

from pyroute2.netlink import NETLINK_XFRM

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink, Refused
from netlab.kernel.netlink.codec import VERSIONS, Reader, Template
from netlab.kernel.netlink.missing import (
    XFRM_MSG_GETDEFAULT,
    XFRM_MSG_GETPOLICY,
    XFRM_POLICY_BLOCK,
    XFRM_USERPOLICY_BLOCK,
    default_policy_msg,
    policy_id_msg,
    policy_msg,
)

_FIELDS = (
    *("daddr", "saddr", "dport", "dport_mask", "sport", "sport_mask", "family"),
    *("prefixlen_d", "prefixlen_s", "proto", "priority", "dir", "action"),
)
_POLICY = Reader(policy_msg, _FIELDS, ("XFRMA_TMPL",))
_DEFAULT = Reader(default_policy_msg, ("in", "fwd", "out"))
_EVERY_POLICY = Template(policy_id_msg, {})
_EVERY_DEFAULT = Template(default_policy_msg, {})
_DIRECTIONS = ("in", "out", "fwd")


@frozen
class Policy:
    """A policy that blocks packets, or demands that they are protected."""

    direction: str
    """in, out or fwd, as in ip-xfrm(8)."""
    version: int | None
    """None: of both."""
    text: str
    """As ip-xfrm(8) shows it."""


def read() -> list[Policy]:
    """Read the present namespace's policies, without those that let packets pass as they are.

    A kernel without IPsec has none. Raises Refused.
    """
    try:
        netlink = Netlink(NETLINK_XFRM)
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return []
        raise
    with closing(netlink):
        messages = netlink.dump(_EVERY_POLICY.fill(), XFRM_MSG_GETPOLICY)
        policies = (_decoded(message) for message in messages)
        return [*(policy for policy in policies if policy), *_defaults(netlink)]


def _defaults(netlink: Netlink) -> Iterator[Policy]:
    """Yield what becomes of packets without a policy, where they are blocked (Linux 5.14)."""
    try:
        answer = netlink.ask(_EVERY_DEFAULT.fill(), XFRM_MSG_GETDEFAULT)
    except Refused as error:
        if error.errno != errno.EINVAL:
            raise
        return
    for direction, action in zip(("in", "fwd", "out"), _DEFAULT.fields(answer), strict=True):
        if action == XFRM_USERPOLICY_BLOCK:
            yield Policy(direction, None, f"default {direction} block")


def _decoded(message: bytes) -> Policy | None:
    policy = dict(zip(_FIELDS, _POLICY.fields(message), strict=True))
    is_blocking = policy["action"] == XFRM_POLICY_BLOCK
    if not is_blocking and "XFRMA_TMPL" not in _POLICY.attributes(message):
        return None
    direction = _DIRECTIONS[policy["dir"] % len(_DIRECTIONS)]
    version = VERSIONS.get(policy["family"])
    words = [
        f"src {_network(policy['saddr'], policy['prefixlen_s'], version)}",
        f"dst {_network(policy['daddr'], policy['prefixlen_d'], version)}",
        f"proto {policy['proto']}" if policy["proto"] else "",
        f"sport {ntohs(policy['sport'])}" if policy["sport_mask"] else "",
        f"dport {ntohs(policy['dport'])}" if policy["dport_mask"] else "",
        f"{'dir' if policy['dir'] < len(_DIRECTIONS) else 'socket'} {direction}",
        "action block" if is_blocking else "tmpl",
        f"priority {policy['priority']}",
    ]
    return Policy(direction, version, " ".join(filter(None, words)))


def _network(packed: bytes, length: int, version: int | None) -> str:
    address = packed[:4] if version == 4 else packed
    return f"{ip_address(address)}/{length}" if version else "any"
