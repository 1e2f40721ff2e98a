"""The kernel's own counts of what happened to packets in a namespace: /proc/net/snmp, netstat and snmp6."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from netlab.kernel import netns

Counts = dict[str, int]
"""`Ip.InAddrErrors`, `Ip6.InAddrErrors`, …: a count that has never been needed may be missing."""

_FILES = ("snmp", "netstat")


def read(namespaces: Sequence[str]) -> dict[str, Counts]:
    """The counts of each namespace."""
    found = {}
    for name in namespaces:
        with netns.inside(name):
            texts = [Path("/proc/thread-self/net", file).read_text() for file in _FILES]
            six = Path("/proc/thread-self/net/snmp6")
            lines = six.read_text().splitlines() if six.exists() else []
        found[name] = dict(entry for text in texts for entry in _entries(text))
        found[name] |= dict(map(_of_ipv6, lines))
    return found


def increases(before: Counts, after: Counts) -> Counts:
    """What has grown, and by how much."""
    return {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)}


def _entries(text: str) -> Iterator[tuple[str, int]]:
    rows = text.splitlines()
    for names, values in zip(rows[::2], rows[1::2], strict=True):
        group, *keys = names.split()
        for key, value in zip(keys, values.split()[1:], strict=True):
            yield f"{group}{key}".replace(":", "."), int(value)


def _of_ipv6(row: str) -> tuple[str, int]:
    """`Ip6InAddrErrors 1` as the others are called."""
    name, value = row.split()
    return name.replace("6", "6.", 1), int(value)
