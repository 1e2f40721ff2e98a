"""Everything that rtnetlink tells of a set of namespaces, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from netlab.frozen import frozen
from netlab.kernel.events import Table, snapshot
from netlab.kernel.links import Interface
from netlab.kernel.owners import Owners
from netlab.kernel.owners import owners as whose
from netlab.kernel.rows import AddressRow, FdbEntry, Neighbour, RouteRow


@frozen
class Space:
    """One namespace."""

    interfaces: tuple[Interface, ...]
    addresses: tuple[AddressRow, ...]
    """Without the loopback's own."""
    routes: tuple[RouteRow, ...]
    neighbours: tuple[Neighbour, ...]
    fdb: tuple[FdbEntry, ...]

    @property
    def names(self) -> dict[int, str]:
        """Of its interfaces, by number."""
        return {one.index: one.name for one in self.interfaces}


def owners(namespaces: Mapping[str, str]) -> Owners:
    """Whose every address is now; `namespaces` with their nodes. Raises KernelError if one is gone."""
    found: dict[tuple[str, Table], Any] = dict(snapshot(namespaces, _OWN))
    return whose(
        (node, *(found[name, table] for table in _OWN)) for name, node in namespaces.items()
    )


def look(namespaces: Iterable[str]) -> dict[str, Space]:
    """Read each namespace. Raises KernelError if one is gone."""
    names = list(namespaces)
    found: dict[tuple[str, Table], Any] = dict(snapshot(names, _TABLES))
    return {name: Space(*(found[name, table] for table in _TABLES)) for name in names}


_OWN = (Table.INTERFACES, Table.ADDRESSES)
_TABLES = (Table.INTERFACES, Table.ADDRESSES, Table.ROUTES, Table.NEIGHBOURS, Table.FDB)
"""In the order of the fields of `Space`."""
