"""Sources of the mark (fwmark) by which rules of routing choose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.objects import hooks, traffic_control
from netlab.kernel.netlink.objects.traffic_control import Filter
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables import nft
from netlab.kernel.obstacles import iptables
from netlab.kernel.state.routing import MarkSource

_MARKS = re.compile(r"\bmark set\b|\bxt target\b|\bMARK\b")
"""Words of nftables' rules that set the mark, or may: those of `iptables-nft` that nft does not know."""
_LEGACY_TARGETS = ("MARK", "CONNMARK", "HMARK", "NFQUEUE")
_REFLECTED = ("net.ipv4.fwmark_reflect", "net.ipv6.fwmark_reflect", "net.ipv4.tcp_fwmark_accept")
"""Settings by which a reply has the mark of what it replies to."""
_WITHOUT_MARKS = ("gact", "mirred", "police")
"""Actions of `tc` that leave the mark alone."""


def read(pool: NamespacePool, namespace: str) -> frozenset[MarkSource]:
    """Read which of them there are on a machine. Raises KernelError."""
    with pool.inside(namespace):
        sources = {*_rules(), *_legacy()}
        if "1" in pool.settings.values(namespace, _REFLECTED).values():
            sources.add(MarkSource.SETTINGS)
    if any(map(_may_mark, _filters(pool.netlink(namespace)))):
        sources.add(MarkSource.FILTERS)
    return frozenset(sources)


def _rules() -> Iterator[MarkSource]:
    if not _MARKS.search(nft.read_current()):
        return
    yield MarkSource.RULES
    if any(chain.hook == "ingress" for chain in hooks.base_chains()):
        yield MarkSource.AT_INTERFACES


def _legacy() -> Iterator[MarkSource]:
    for tables in iptables.read(with_frames=False):
        rules = tables.ruleset.rules if tables.ruleset else ()
        if tables.ruleset is None or any(rule.target in _LEGACY_TARGETS for rule in rules):
            yield MarkSource.LEGACY


def _filters(netlink: Netlink) -> Iterator[Filter]:
    """Yield the filters of what comes in."""
    for queue in traffic_control.read_queues(netlink):
        if parent := queue.filter_parents.get("ingress"):
            yield from traffic_control.read_filters(netlink, queue.index, parent)


def _may_mark(entry: Filter) -> bool:
    kinds = (action.partition(" ")[0] for action in entry.actions)
    return entry.kind == "bpf" or any(kind not in _WITHOUT_MARKS for kind in kinds)
