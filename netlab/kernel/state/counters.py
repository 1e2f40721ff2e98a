"""The kernel's counters of packets in a namespace: /proc/net/snmp, netstat and snmp6."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.frozen import frozen
from netlab.kernel import files
from netlab.kernel.namespaces import netns

Counts = dict[str, int]
"""`Ip.InAddrErrors`, `Ip6.InAddrErrors`, …: a count that has never been needed may be missing."""


@frozen
class Reading:
    """The kernel's files as they were, parsed only where they differ: most of a lab's machines are idle."""

    tables: tuple[str, ...]
    """snmp and netstat: names and values, a line each."""
    snmp6: str
    """A count a line."""

    def counts(self) -> Counts:
        """Parse the files."""
        counts = dict(entry for text in self.tables for entry in _entries(text))
        return counts | dict(map(_ipv6_entry, self.snmp6.splitlines()))


def read(namespaces: Sequence[str]) -> dict[str, Reading]:
    """Read the counters of each namespace. Raises KernelError if one is gone."""
    readings = {}
    for name in namespaces:
        with netns.inside(name):
            readings[name] = Reading((_text("snmp"), _text("netstat")), _text("snmp6"))
    return readings


def increases(before: Reading, after: Reading) -> Counts:
    """Return the counters that have grown, and by how much."""
    return {} if before == after else grown(before.counts(), after.counts())


def grown(before: Counts, after: Counts) -> Counts:
    """Return the counts that are higher in `after`, and by how much."""
    return {
        name: count - before.get(name, 0)
        for name, count in after.items()
        if count > before.get(name, 0)
    }


def _text(file: str) -> str:
    """Read a file of /proc/net; empty where the kernel has none (without IPv6, snmp6)."""
    return files.read(f"/proc/thread-self/net/{file}") or ""


def _entries(text: str) -> Iterator[tuple[str, int]]:
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        group, *keys = names.split()
        for key, value in zip(keys, values.split()[1:], strict=True):
            yield f"{group}{key}".replace(":", "."), int(value)


def _ipv6_entry(line: str) -> tuple[str, int]:
    """Parse a line of snmp6: `Ip6InAddrErrors 1` is the counter Ip6.InAddrErrors."""
    name, value = line.split()
    return name.replace("6", "6.", 1), int(value)
