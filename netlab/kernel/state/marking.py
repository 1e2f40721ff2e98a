"""Sources of the mark (fwmark) by which rules of routing choose."""

from __future__ import annotations

import re

from netlab.frozen import frozen
from netlab.kernel import files
from netlab.kernel.netlink.objects import traffic_control
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nftrace import FIRST_PRIORITY

_MARKS = re.compile(r"\bmark set\b|\bxt target\b|\bMARK\b")
"""Words of nftables' rules that set the mark, or may: those of `iptables-nft` that nft does not know."""
_LEGACY = ("ip_tables_names", "ip6_tables_names")
"""Files in /proc/net: the tables of iptables-legacy, of which each may have rules that set marks."""


@frozen
class Marking:
    """Sources of marks on a machine, before its routing decides, besides programs (SO_MARK)."""

    traced: bool
    """Rules of nftables that its trace shows."""
    untraced: bool
    """Others: iptables-legacy, filters of `tc`, rules of nftables that come before the trace."""


def read(pool: NamespacePool, namespace: str) -> Marking:
    """Look for it. Raises KernelError."""
    with pool.inside(namespace):
        legacy = any(files.read(f"/proc/thread-self/net/{name}") for name in _LEGACY)
        listing = nft.read_current()
    by_rules = bool(_MARKS.search(listing))
    early = any(
        chain.hook in ("ingress", "egress") or chain.priority < FIRST_PRIORITY
        for chain in nft.base_chains(listing).values()
    )
    queues = traffic_control.read_queues(pool.netlink(namespace))
    filtered = any(queue.holds_filters_only for queue in queues)
    return Marking(by_rules, legacy or filtered or (by_rules and early))
