"""A full table of connections."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.kernel.netlink.objects import connections
from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site

_COUNT, _MOST = "net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max"


def read(site: Site) -> Iterator[Obstacle]:
    """Yield the table if it has no room for another connection; its count are packets that found none."""
    values = {key: int(value) for key, value in site.values(_COUNT, _MOST).items()}
    count, most = values.get(_COUNT, 0), values.get(_MOST, 0)
    if most and count >= most:
        text = f"nf_conntrack_count = {count}, nf_conntrack_max = {most}"
        drops = connections.counters().get("drop")
        yield Obstacle(ObstacleKind.CONNTRACK_FULL, text, count=drops)
