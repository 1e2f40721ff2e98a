"""What the whole machine may run out of while packets are under way: then silence proves nothing."""

from __future__ import annotations

from netlab.kernel import files

_NEIGHBOURS = "/proc/net/stat/arp_cache"
_FRAMES = "/proc/net/softnet_stat"
_DROPPED = 1
"""The second number of a processor's row (net/core/net-procfs.c)."""
_SETTINGS = {
    "neighbours": "the kernel's table of neighbours was full (net.ipv4.neigh.default.gc_thresh3)",
    "frames": "a processor's queue of frames was full (net.core.netdev_max_backlog)",
}


class OverloadMonitor:
    """Since this was made, whoever's doing they are."""

    def __init__(self) -> None:
        self._before = _counts()

    def since(self) -> str:
        """The first of them in words, with the setting that ends it; empty if there were none."""
        now = _counts()
        return next((_SETTINGS[what] for what in now if now[what] > self._before[what]), "")


def _counts() -> dict[str, int]:
    """How often each has happened since the machine started; 0 if it cannot be seen."""
    return {"neighbours": _times_full(), "frames": _frames_dropped()}


def _times_full() -> int:
    rows = [row.split() for row in (files.read(_NEIGHBOURS) or "").splitlines()]
    if not rows:
        return 0
    column = rows[0].index("table_fulls")
    return sum(int(row[column], 16) for row in rows[1:])


def _frames_dropped() -> int:
    rows = (row.split() for row in (files.read(_FRAMES) or "").splitlines())
    return sum(int(row[_DROPPED], 16) for row in rows)
