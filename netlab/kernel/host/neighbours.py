"""The machine's room for neighbours, and the time after which ARP asks again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netlab.errors import KernelError
from netlab.kernel import files
from netlab.kernel.namespaces import netns

STOCK_ROOM = 1024
"""Linux' own net.ipv4.neigh.default.gc_thresh3, which distributions leave as it is."""
_LIMIT = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
_COUNT = Path("/proc/net/stat/arp_cache")
_SETTINGS = {False: "/proc/sys/net/ipv4/neigh", True: "/proc/sys/net/ipv6/neigh"}
_RETRANSMISSION = "retrans_time_ms"
_UNTOUCHED = "lo"
"""The interface that keeps the usual setting."""


def limit() -> int | None:
    """Return how many neighbours all namespaces together may have; None if it cannot be seen."""
    try:
        return int(_LIMIT.read_text())
    except FileNotFoundError:
        return None


def taken() -> int:
    """Return how many neighbours all namespaces together have now; 0 if it cannot be seen."""
    counts = _COUNT.read_text().splitlines()[1] if _COUNT.exists() else "0"
    return int(counts.split()[0], 16)


def room() -> int:
    """Return how many more neighbours there is room for now."""
    return (limit() or STOCK_ROOM) - taken()


@contextmanager
def impatient(
    namespaces: Iterable[str], milliseconds: int, is_ipv6: bool = False
) -> Iterator[None]:
    """Let ARP (`is_ipv6`: neighbour discovery) repeat its questions that soon, for the length of a block.

    Afterwards interfaces have the setting of `lo`, as new ones do: another block may have begun before this
    one and still be going on, so the settings at the start say nothing.
    """
    names, folder = list(namespaces), _SETTINGS[is_ipv6]
    try:
        for name in names:
            with netns.inside(name):
                _repeat_every(folder, str(milliseconds))
        yield
    finally:
        for name in names:
            with suppress(KernelError), netns.inside(name):  # The namespace has gone meanwhile.
                usual = files.read(f"{folder}/{_UNTOUCHED}/{_RETRANSMISSION}")
                if usual is not None:
                    _repeat_every(folder, usual)


def _repeat_every(folder: str, milliseconds: str) -> None:
    for interface in os.listdir(folder) if Path(folder).is_dir() else ():
        if interface not in (_UNTOUCHED, "default"):
            with suppress(FileNotFoundError):
                files.write(f"{folder}/{interface}/{_RETRANSMISSION}", milliseconds)
