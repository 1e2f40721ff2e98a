"""Everything that rtnetlink tells of a set of namespaces, read once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from netlab.kernel import netns
from netlab.kernel.events import Table, snapshot
from netlab.kernel.links import Interface
from netlab.kernel.rows import AddressRow, FdbEntry, Neighbour, RouteRow


@dataclass(frozen=True)
class Space:
    """One namespace."""

    interfaces: tuple[Interface, ...]
    addresses: tuple[AddressRow, ...]
    """Without the loopback's own."""
    routes: tuple[RouteRow, ...]
    neighbours: tuple[Neighbour, ...]
    fdb: tuple[FdbEntry, ...]


def ipv6_owners(namespaces: Iterable[str], address: str) -> list[str]:
    """The namespaces that have an IPv6 address (proc(5), /proc/net/if_inet6)."""
    digits = IPv6Address(address).packed.hex()
    found = []
    for name in namespaces:
        with netns.inside(name):
            table = Path("/proc/thread-self/net/if_inet6")
            rows = table.read_text().splitlines() if table.exists() else []
        if any(row.split()[0] == digits for row in rows):
            found.append(name)
    return found


def look(namespaces: Iterable[str]) -> dict[str, Space]:
    """Read each namespace. Raises KernelError if one is gone."""
    names = list(namespaces)
    found: dict[tuple[str, Table], Any] = dict(snapshot(names, _TABLES))
    return {name: Space(*(found[name, table] for table in _TABLES)) for name in names}


_TABLES = (Table.INTERFACES, Table.ADDRESSES, Table.ROUTES, Table.NEIGHBOURS, Table.FDB)
"""In the order of the fields of `Space`."""
