"""Chains of nftables where IP's hooks do not see packets, or not yet: at interfaces, and of ARP."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.kernel.nftables.nftrace import TRACE_TABLE
from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site

_FAMILIES = ("netdev", "arp")
_HOOKS = ("ingress", "egress")


def read(site: Site) -> Iterator[Obstacle]:
    """Yield the chains of families netdev and arp, and of inet at ingress; one for each interface."""
    for chain in site.chains:
        if chain.table.startswith(TRACE_TABLE):
            continue
        if chain.family in _FAMILIES or chain.hook in _HOOKS:
            for device in chain.devices or ("",):
                yield Obstacle(ObstacleKind.NETDEV_RULES, str(chain), device, chain.hook)
