"""The kernel's own counts of what happened to packets in a namespace: /proc/net/snmp, netstat and snmp6."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.frozen import frozen
from netlab.kernel import files
from netlab.kernel.namespaces import netns

Counts = dict[str, int]
"""`Ip.InAddrErrors`, `Ip6.InAddrErrors`, …: a count that has never been needed may be missing."""


@frozen
class Reading:
    """The kernel's files as they were: most of a lab's machines have nothing to do, and theirs stay so."""

    tables: tuple[str, ...]
    """snmp and netstat: names and values, a line each."""
    six: str
    """snmp6: a count a line."""

    def counts(self) -> Counts:
        """What the files say."""
        found = dict(entry for text in self.tables for entry in _entries(text))
        return found | dict(map(_of_ipv6, self.six.splitlines()))


def read(namespaces: Sequence[str]) -> dict[str, Reading]:
    """The counts of each namespace."""
    found = {}
    for name in namespaces:
        with netns.inside(name):
            found[name] = Reading((_text("snmp"), _text("netstat")), _text("snmp6"))
    return found


def increases(before: Reading, after: Reading) -> Counts:
    """What has grown, and by how much."""
    if before == after:
        return {}
    old, new = before.counts(), after.counts()
    return {name: n - old.get(name, 0) for name, n in new.items() if n > old.get(name, 0)}


def _text(file: str) -> str:
    """Empty where the kernel has no such file: without IPv6, snmp6."""
    return files.read(f"/proc/thread-self/net/{file}") or ""


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
