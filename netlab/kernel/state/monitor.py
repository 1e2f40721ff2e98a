"""Tables over time: changes in a set of namespaces, by the kernel's notifications.

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


class EventKind(StrEnum):
    """A row's change."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@frozen
class TableEvent:
    """A row that is new, different or gone (then as it was last)."""

    at: int
    """Nanoseconds, by the clock of sightings, when it was read: the change itself was just before."""
    namespace: str
    table: KernelTable
    what: EventKind
    row: TableRow


@frozen
class Lost:
    """A mark that the kernel has lost messages: changes before it are missing; the tables were read anew."""

    at: int
    namespace: str


def _sibling_key(route: RouteRow) -> tuple[NextHop, ...]:
    """Return what tells an IPv6 route from others with its destination and metric."""
    return route.hops if route.destination.version == 6 else ()


_KEYS: dict[KernelTable, Callable[[Any], object]] = {
    KernelTable.INTERFACES: lambda interface: interface.index,
    KernelTable.ADDRESSES: lambda address: address,
    KernelTable.NEIGHBOURS: lambda neighbour: (neighbour.interface, neighbour.address),
    KernelTable.FDB: lambda entry: (entry.bridge, entry.vlan, entry.mac),
    KernelTable.ROUTES: lambda route: (route.destination, route.metric, _sibling_key(route)),
    KernelTable.CONNECTIONS: lambda connection: connection.id,
}
"""By table: the identity of a row, which stays when the row changes."""


class TableMonitor:
    """A context manager that listens in every namespace from one process, and never waits.

    The end of a connection that is older than the monitor goes unheard: the kernel
    notifies only of those that began while somebody listened
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
                    for subscription in notifications.subscribe():
                        stack.enter_context(closing(subscription))
                        self._selector.register(
                            subscription.socket, selectors.EVENT_READ, (name, subscription)
                        )
                # After the subscription: a change in between is notified, too, instead of missed.
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
        """Return a table as it is after the changes that have been read."""
        return tuple(self._rows[namespace, table].values())

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read; return False after `seconds` without."""
        return bool(self._selector.select(seconds))

    def changes(self) -> list[TableEvent | Lost]:
        """Return all changes since the last call, in order within a namespace."""
        return list(self._changes())

    def _changes(self) -> Iterator[TableEvent | Lost]:
        for key, _ in self._selector.select(0):
            namespace, subscription = key.data
            try:
                # All at once: where much happens, more comes while a message is decoded.
                for kind, message in list(subscription.messages()):
                    yield from self._events(namespace, kind, message)
            except Overflow:
                yield Lost(time.time_ns(), namespace)
                yield from self._reread(namespace, *KernelTable)

    def _events(self, namespace: str, kind: int, message: bytes) -> Iterator[TableEvent]:
        decoded = self._decoded(namespace, kind, message)
        if decoded is None:
            return
        table, entry = decoded
        if isinstance(entry, RouteRow) and entry.destination.version == 6:
            # The message does not say which route of its destination and metric it replaces.
            yield from self._reread(namespace, table)
            return
        if kind in notifications.GONE:
            yield from self._remove(namespace, table, entry)
        else:
            yield from self._put(namespace, table, entry)
        if table is KernelTable.INTERFACES:
            # IPv4 routes over an interface that goes down vanish without a word.
            yield from self._reread(namespace, KernelTable.ROUTES)

    def _decoded(
        self, namespace: str, kind: int, message: bytes
    ) -> tuple[KernelTable, TableRow] | None:
        """Return a message's table and row; None if no table has it: a cached route, a port's settings."""
        names = self._names(namespace)
        entry: TableRow | None
        match notification := notifications.decoded(kind, message):
            case None:
                return None
            case InterfaceAddress():
                table, entry = KernelTable.ADDRESSES, tables.address_row(notification, names)
            case KernelNeighbour():
                table, entry = KernelTable.NEIGHBOURS, tables.neighbour_row(notification, names)
            case ForwardingEntry():
                table, entry = KernelTable.FDB, tables.fdb_row(notification, names)
            case KernelRoute():
                row = tables.route_row(notification, names) if notification.main else None
                table, entry = KernelTable.ROUTES, row
            case Interface():
                table, entry = KernelTable.INTERFACES, notification
            case Connection():
                table, entry = KernelTable.CONNECTIONS, notification
        return (table, entry) if entry else None

    def _put(self, namespace: str, table: KernelTable, entry: TableRow) -> Iterator[TableEvent]:
        entries = self._rows[namespace, table]
        key = _KEYS[table](entry)
        old = entries.get(key)
        if isinstance(entry, Connection) and entry.timeout is None and isinstance(old, Connection):
            entry = replace(entry, timeout=old.timeout)
        entries[key] = entry
        if entry != old:
            change = EventKind.ADDED if old is None else EventKind.CHANGED
            yield TableEvent(time.time_ns(), namespace, table, change, entry)

    def _remove(self, namespace: str, table: KernelTable, entry: TableRow) -> Iterator[TableEvent]:
        old = self._rows[namespace, table].pop(_KEYS[table](entry), None)
        if old is not None:
            yield TableEvent(time.time_ns(), namespace, table, EventKind.REMOVED, old)

    def _reread(self, namespace: str, *selected: KernelTable) -> Iterator[TableEvent]:
        for (_, table), fresh in self._read(namespace, *selected).items():
            entries = self._rows[namespace, table]
            for entry in [old for key, old in entries.items() if key not in fresh]:
                yield from self._remove(namespace, table, entry)
            for entry in fresh.values():
                yield from self._put(namespace, table, entry)

    def _read(
        self, namespace: str, *selected: KernelTable
    ) -> dict[tuple[str, KernelTable], dict[object, TableRow]]:
        """Read tables as they are at one moment: their rows by identity."""
        snapshot = Snapshot(self._pool.netlink(namespace))
        names = snapshot.names if KernelTable.INTERFACES in selected else self._names(namespace)
        return {
            (namespace, table): {
                _KEYS[table](entry): entry
                for entry in tables.rows(namespace, table, snapshot, names)
            }
            for table in selected
        }

    def _names(self, namespace: str) -> dict[int, str]:
        interfaces = self._rows.get((namespace, KernelTable.INTERFACES), {}).values()
        return {
            interface.index: interface.name
            for interface in interfaces
            if isinstance(interface, Interface)
        }
