"""nftables by netlink: whether there are tables, and which rules packets meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from pyroute2.netlink import NETLINK_NETFILTER
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, NFNLGRP_NFTRACE, nfgen_msg

from netlab.kernel.netlink.channel import Netlink, Subscription
from netlab.kernel.netlink.codec import Reader, Template
from netlab.kernel.netlink.missing import NFT_MSG_GETTABLE, NFT_MSG_TRACE, trace_msg

_GET_TABLE = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE
_TRACE = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE
_EVERY_TABLE = Template(nfgen_msg, {})
_EVENT = Reader(trace_msg, ("nfgen_family",), [name for name, _ in trace_msg.nla_map])
_VERDICT = Reader(trace_msg.verdict, attributes=("NFTA_VERDICT_CODE",))


def has_tables() -> bool:
    """Return whether the present namespace has tables: many have none, and libnftables needs 2 ms."""
    with closing(Netlink(NETLINK_NETFILTER)) as netlink:
        return any(netlink.dump(_EVERY_TABLE.fill(), _GET_TABLE))


def traces() -> Subscription:
    """Subscribe to the events of packets that are traced in the present namespace."""
    return Subscription(NETLINK_NETFILTER, [NFNLGRP_NFTRACE])


def trace_events(subscription: Subscription) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield events since the last call: NFPROTO_*, and the attributes NFTA_TRACE_*. Raises Overflow."""
    for kind, message in subscription.messages():
        if kind == _TRACE:
            (family,) = _EVENT.fields(message)
            yield family, _EVENT.attributes(message)


def verdict(attributes: dict[str, Any]) -> int | None:
    """Return an event's verdict (NF_DROP, NF_ACCEPT, …); None if it has none."""
    code: int | None = _VERDICT.attributes(attributes.get("NFTA_TRACE_VERDICT", b"")).get(
        "NFTA_VERDICT_CODE"
    )
    return code
