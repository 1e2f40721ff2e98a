"""Shortages of the whole machine while packets are under way, after which silence proves nothing."""

from __future__ import annotations

from netlab.kernel import files

_NEIGHBOURS = "/proc/net/stat/arp_cache"
_FRAMES = "/proc/net/softnet_stat"
_DROPPED = 1
"""Column of a processor's line (net/core/net-procfs.c)."""
_SENTENCES = {
    "neighbours": "the kernel's table of neighbours was full (net.ipv4.neigh.default.gc_thresh3)",
    "frames": "a processor's queue of frames was full (net.core.netdev_max_backlog)",
}


class OverloadMonitor:
    """Watches for shortages from its making on, whoever causes them."""

    def __init__(self) -> None:
        self._before = _counts()

    def since(self) -> str:
        """Return a sentence about a shortage, with the setting that ends it; empty if there was none."""
        now = _counts()
        return next((_SENTENCES[name] for name in now if now[name] > self._before[name]), "")


def _counts() -> dict[str, int]:
    """Count each shortage since the machine started; 0 if it cannot be seen."""
    return {"neighbours": _times_full(), "frames": _frames_dropped()}


def _times_full() -> int:
    lines = [line.split() for line in (files.read(_NEIGHBOURS) or "").splitlines()]
    if not lines:
        return 0
    column = lines[0].index("table_fulls")
    return sum(int(fields[column], 16) for fields in lines[1:])


def _frames_dropped() -> int:
    lines = (line.split() for line in (files.read(_FRAMES) or "").splitlines())
    return sum(int(fields[_DROPPED], 16) for fields in lines)
