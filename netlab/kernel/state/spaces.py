"""The tables of a set of namespaces, read once by rtnetlink."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from netlab.frozen import frozen
from netlab.kernel.ipv6 import advertised_on
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.netlink.snapshot import Snapshot
from netlab.kernel.rows import AddressRow, FdbEntry, Neighbour, RouteRow
from netlab.kernel.state import tables
from netlab.kernel.state.owners import Owners
from netlab.kernel.state.owners import owners as owners_of
from netlab.kernel.state.tables import KernelTable, TableRow


@frozen
class Space:
    """A namespace's tables."""

    interfaces: tuple[Interface, ...]
    addresses: tuple[AddressRow, ...]
    """Without the loopback's own."""
    routes: tuple[RouteRow, ...]
    neighbours: tuple[Neighbour, ...]
    fdb: tuple[FdbEntry, ...]
    advertised: frozenset[str] = frozenset()
    """Interfaces with an address that stems from a router's advertisement."""

    @property
    def names(self) -> dict[int, str]:
        """The names of its interfaces, by number."""
        return {interface.index: interface.name for interface in self.interfaces}


def owners(namespaces: Mapping[str, str]) -> Owners:
    """Read the owners of all addresses; `namespaces` with their nodes. Raises KernelError if one is gone."""
    observed: dict[tuple[str, KernelTable], Any] = dict(rows(namespaces, _OWNERS_TABLES))
    return owners_of(
        (node, *(observed[name, table] for table in _OWNERS_TABLES))
        for name, node in namespaces.items()
    )


def look(namespaces: Iterable[str]) -> dict[str, Space]:
    """Read the tables of each namespace. Raises KernelError if one is gone."""
    return {name: _space(name, snapshot) for name, snapshot in _snapshots(namespaces)}


def _space(namespace: str, snapshot: Snapshot) -> Space:
    fields: Any = (_rows(namespace, table, snapshot) for table in _SPACE_TABLES)
    interfaces, addresses, routes, neighbours, fdb = fields
    return Space(interfaces, addresses, routes, neighbours, fdb, advertised_on(snapshot))


def rows(
    namespaces: Iterable[str], selected: Sequence[KernelTable] = tuple(KernelTable)
) -> dict[tuple[str, KernelTable], tuple[TableRow, ...]]:
    """Read tables of each namespace as they are now. Raises KernelError if one is gone."""
    return {
        (name, table): _rows(name, table, snapshot)
        for name, snapshot in _snapshots(namespaces)
        for table in selected
    }


def _rows(namespace: str, table: KernelTable, snapshot: Snapshot) -> tuple[TableRow, ...]:
    return tuple(tables.rows(namespace, table, snapshot, snapshot.names))


def _snapshots(namespaces: Iterable[str]) -> Iterator[tuple[str, Snapshot]]:
    names = list(namespaces)
    with NamespacePool(len(names)) as pool:
        for name in names:
            yield name, Snapshot(pool.netlink(name))


_OWNERS_TABLES = (KernelTable.INTERFACES, KernelTable.ADDRESSES)
_SPACE_TABLES = (
    KernelTable.INTERFACES,
    KernelTable.ADDRESSES,
    KernelTable.ROUTES,
    KernelTable.NEIGHBOURS,
    KernelTable.FDB,
)
"""In the order of the fields of `Space`."""
