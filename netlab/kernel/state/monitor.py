"""Tables over time: what changes in a set of namespaces, told by the kernel as it happens.

Notifications do not say what was there before, and some things go without
one (routes, when an interface goes down): so the tables are kept here, and a
change is a difference between two rows.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from enum import StrEnum
from typing import Any

from netlab.frozen import frozen
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink import notifications
from netlab.kernel.netlink.channel import Overflow
from netlab.kernel.netlink.objects.addresses import InterfaceAddress
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.objects.neighbours import ForwardingEntry, KernelNeighbour
from netlab.kernel.netlink.objects.routes import KernelRoute
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.netlink.snapshot import Snapshot
from netlab.kernel.rows import Connection, NextHop, RouteRow
from netlab.kernel.state import tables
from netlab.kernel.state.tables import KernelTable, TableRow


class What(StrEnum):
    """What happened to a row."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@frozen
class TableEvent:
    """A row that is new, different or gone (then it is the last that was known of it)."""

    at: int
    """Nanoseconds, by the clock of sightings, when it was read: the change itself was just before."""
    namespace: str
    table: KernelTable
    what: What
    row: TableRow


@frozen
class Lost:
    """The kernel has thrown messages away: changes are missing before this. The tables were read anew."""

    at: int
    namespace: str


def _one_of_several(route: RouteRow) -> tuple[NextHop, ...]:
    """What tells an IPv6 route from others with its destination and metric."""
    return route.hops if route.destination.version == 6 else ()


_KEYS: dict[KernelTable, Callable[[Any], object]] = {
    KernelTable.INTERFACES: lambda row: row.index,
    KernelTable.ADDRESSES: lambda row: row,
    KernelTable.NEIGHBOURS: lambda row: (row.interface, row.address),
    KernelTable.FDB: lambda row: (row.bridge, row.vlan, row.mac),
    KernelTable.ROUTES: lambda row: (row.destination, row.metric, _one_of_several(row)),
    KernelTable.CONNECTIONS: lambda row: row.id,
}


class TableMonitor:
    """A context manager: listens in every namespace from one process, and never waits.

    The end of a connection that is older than this goes unheard: the kernel
    tells only of those that began while somebody listened
    (nf_conntrack_events=2). Raises KernelError if a namespace is gone.
    """

    def __init__(self, namespaces: Sequence[str]) -> None:
        self._namespaces = namespaces
        self._selector = selectors.DefaultSelector()
        self._rows: dict[tuple[str, KernelTable], dict[object, TableRow]] = {}

    def __enter__(self) -> TableMonitor:
        with ExitStack() as stack:
            stack.enter_context(closing(self._selector))
            self._pool = stack.enter_context(NamespacePool(2 * len(self._namespaces)))
            for name in self._namespaces:
                with netns.inside(name):
                    for icmp_socket in notifications.subscribe():
                        stack.enter_context(closing(icmp_socket))
                        self._selector.register(
                            icmp_socket.socket, selectors.EVENT_READ, (name, icmp_socket)
                        )
                # After the subscription: a change in between is heard of twice, instead of never.
                self._rows |= self._read(name, *KernelTable)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def sockets(self) -> list[int]:
        """File descriptors that become readable when there are changes, for a selector of the caller's."""
        return [key.fd for key in self._selector.get_map().values()]

    def rows(self, namespace: str, table: KernelTable) -> tuple[TableRow, ...]:
        """A table as it is after the changes that have been read."""
        return tuple(self._rows[namespace, table].values())

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read; False after `seconds`."""
        return bool(self._selector.select(seconds))

    def changes(self) -> list[TableEvent | Lost]:
        """Everything that has happened since the last call, in order within a namespace."""
        return list(self._changes())

    def _changes(self) -> Iterator[TableEvent | Lost]:
        for key, _ in self._selector.select(0):
            namespace, icmp_socket = key.data
            try:
                # All at once: where much happens, more comes while one message is decoded.
                for kind, data in list(icmp_socket.messages()):
                    yield from self._heard(namespace, kind, data)
            except Overflow:
                yield Lost(time.time_ns(), namespace)
                yield from self._reread(namespace, *KernelTable)

    def _heard(self, namespace: str, kind: int, data: bytes) -> Iterator[TableEvent]:
        found = self._decoded(namespace, kind, data)
        if found is None:
            return
        table, row = found
        if isinstance(row, RouteRow) and row.destination.version == 6:
            # Which of several with one destination and metric it replaces is not said.
            yield from self._reread(namespace, table)
            return
        yield from self._put(namespace, table, row, gone=kind in notifications.GONE)
        if table is KernelTable.INTERFACES:
            # IPv4 routes over an interface that goes down vanish without a word.
            yield from self._reread(namespace, KernelTable.ROUTES)

    def _decoded(
        self, namespace: str, kind: int, message: bytes
    ) -> tuple[KernelTable, TableRow] | None:
        """None for what is in no table: a route of another table, a switch port's settings."""
        names = self._names(namespace)
        row: TableRow | None
        match told := notifications.decoded(kind, message):
            case None:
                return None
            case InterfaceAddress():
                table, row = KernelTable.ADDRESSES, tables.address_row(told, names)
            case KernelNeighbour():
                table, row = KernelTable.NEIGHBOURS, tables.neighbour_row(told, names)
            case ForwardingEntry():
                table, row = KernelTable.FDB, tables.fdb_row(told, names)
            case KernelRoute():
                table, row = KernelTable.ROUTES, tables.route_row(told, names)
            case Interface():
                table, row = KernelTable.INTERFACES, told
            case Connection():
                table, row = KernelTable.CONNECTIONS, told
        return (table, row) if row else None

    def _put(
        self, namespace: str, table: KernelTable, row: TableRow, gone: bool
    ) -> Iterator[TableEvent]:
        known = self._rows[namespace, table]
        key = _KEYS[table](row)
        old = known.get(key)
        if gone:
            if old is not None:
                del known[key]
                yield TableEvent(time.time_ns(), namespace, table, What.REMOVED, old)
            return
        if isinstance(row, Connection) and row.timeout is None and isinstance(old, Connection):
            row = replace(row, timeout=old.timeout)
        known[key] = row
        if row != old:
            what = What.ADDED if old is None else What.CHANGED
            yield TableEvent(time.time_ns(), namespace, table, what, row)

    def _reread(self, namespace: str, *wanted: KernelTable) -> Iterator[TableEvent]:
        for (_, table), fresh in self._read(namespace, *wanted).items():
            known = self._rows[namespace, table]
            for gone in [row for key, row in known.items() if key not in fresh]:
                yield from self._put(namespace, table, gone, gone=True)
            for row in fresh.values():
                yield from self._put(namespace, table, row, gone=False)

    def _read(
        self, namespace: str, *wanted: KernelTable
    ) -> dict[tuple[str, KernelTable], dict[object, TableRow]]:
        """Tables of one moment: their rows by what identifies each."""
        found = Snapshot(self._pool.netlink(namespace))
        names = found.names if KernelTable.INTERFACES in wanted else self._names(namespace)
        return {
            (namespace, table): {
                _KEYS[table](row): row for row in tables.rows(namespace, table, found, names)
            }
            for table in wanted
        }

    def _names(self, namespace: str) -> dict[int, str]:
        interfaces = self._rows.get((namespace, KernelTable.INTERFACES), {}).values()
        return {one.index: one.name for one in interfaces if isinstance(one, Interface)}
