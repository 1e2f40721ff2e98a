"""IPsec policies that block packets, or let only protected ones pass."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.kernel.netlink.objects import policies
from netlab.kernel.obstacles import drop_counters
from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site

_HOOKS = {"in": "input", "fwd": "forward", "out": "postrouting"}
_IN = ("XfrmInPolBlock", "XfrmInTmplMismatch", "XfrmInNoPols", "XfrmInPolError")
_OUT = ("XfrmOutPolBlock", "XfrmOutPolError", "XfrmOutPolDead", "XfrmOutNoStates")
_COUNTERS = {"in": _IN, "fwd": _IN, "out": _OUT}
"""Counters of /proc/net/xfrm_stat that grow when a policy of that direction ends a packet (xfrm_proc.rst)."""


def read(site: Site) -> Iterator[Obstacle]:
    """Yield the policies; one that is alone in its direction has the kernel's count of that direction."""
    present = policies.read()
    counts = drop_counters.xfrm() if present else {}
    for policy in present:
        counters = _COUNTERS[policy.direction]
        is_alone = sum(_COUNTERS[entry.direction] is counters for entry in present) == 1
        yield Obstacle(
            ObstacleKind.XFRM,
            f"xfrm policy {policy.text}",
            hook=_HOOKS[policy.direction],
            version=policy.version,
            count=sum(counts.get(name, 0) for name in counters) if is_alone and counts else None,
        )
