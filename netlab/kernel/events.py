"""Tables over time: what changes in a set of namespaces, told by the kernel as it happens.

Notifications do not say what was there before, and some things go without
one (routes, when an interface goes down): so the tables are kept here, and a
change is a difference between two rows.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from enum import StrEnum
from typing import Any

from netlab.frozen import frozen
from netlab.kernel import links, netns, tables
from netlab.kernel.handles import Handles
from netlab.kernel.links import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    Interface,
)
from netlab.kernel.netlink import NETFILTER, ROUTE, Netlink, Overflow, Subscription
from netlab.kernel.rows import AddressRow, Connection, FdbEntry, Hop, Names, Neighbour, RouteRow

_LINK, _NEIGHBOUR = 1, 3  # RTNLGRP_*
_ADDRESS, _ROUTE_CHANGE = (5, 9), (7, 11)  # of IPv4, of IPv6
_NEW, _UPDATE, _DESTROY = 1, 2, 3  # NFNLGRP_CONNTRACK_*
_CT_NEW, _CT_GONE = 1 << 8, 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW and _DELETE


class Table(StrEnum):
    """What is kept."""

    INTERFACES = "interfaces"
    ADDRESSES = "addresses"
    NEIGHBOURS = "neighbours"
    FDB = "fdb"
    ROUTES = "routes"
    CONNECTIONS = "connections"


Row = Interface | AddressRow | Neighbour | FdbEntry | RouteRow | Connection


class What(StrEnum):
    """What happened to a row."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@frozen
class Change:
    """A row that is new, different or gone (then it is the last that was known of it)."""

    at: int
    """Nanoseconds, by the clock of sightings, when it was read: the change itself was just before."""
    namespace: str
    table: Table
    what: What
    row: Row


@frozen
class Lost:
    """The kernel has thrown messages away: changes are missing before this. The tables were read anew."""

    at: int
    namespace: str


def _one_of_several(route: RouteRow) -> tuple[Hop, ...]:
    """What tells an IPv6 route from others with its destination and metric."""
    return route.hops if route.destination.version == 6 else ()


_KEYS: dict[Table, Callable[[Any], object]] = {
    Table.INTERFACES: lambda row: row.index,
    Table.ADDRESSES: lambda row: row,
    Table.NEIGHBOURS: lambda row: (row.interface, row.address),
    Table.FDB: lambda row: (row.bridge, row.vlan, row.mac),
    Table.ROUTES: lambda row: (row.destination, row.metric, _one_of_several(row)),
    Table.CONNECTIONS: lambda row: row.id,
}

_ABOUT = {
    RTM_NEWLINK: Table.INTERFACES,
    RTM_DELLINK: Table.INTERFACES,
    RTM_NEWADDR: Table.ADDRESSES,
    RTM_DELADDR: Table.ADDRESSES,
    RTM_NEWNEIGH: Table.NEIGHBOURS,
    RTM_DELNEIGH: Table.NEIGHBOURS,
    RTM_NEWROUTE: Table.ROUTES,
    RTM_DELROUTE: Table.ROUTES,
    _CT_NEW: Table.CONNECTIONS,
    _CT_GONE: Table.CONNECTIONS,
}
_GONE = {RTM_DELLINK, RTM_DELADDR, RTM_DELNEIGH, RTM_DELROUTE, _CT_GONE}


class Events:
    """A context manager: listens in every namespace from one process, and never waits.

    The end of a connection that is older than this goes unheard: the kernel
    tells only of those that began while somebody listened
    (nf_conntrack_events=2). Raises KernelError if a namespace is gone.
    """

    def __init__(self, namespaces: Sequence[str]) -> None:
        self._namespaces = namespaces
        self._selector = selectors.DefaultSelector()
        self._rows: dict[tuple[str, Table], dict[object, Row]] = {}

    def __enter__(self) -> Events:
        with ExitStack() as stack:
            stack.enter_context(closing(self._selector))
            self._handles = stack.enter_context(Handles(2 * len(self._namespaces)))
            for name in self._namespaces:
                with netns.inside(name):
                    for protocol, groups in (
                        (ROUTE, (_LINK, _NEIGHBOUR, *_ADDRESS, *_ROUTE_CHANGE)),
                        (NETFILTER, (_NEW, _UPDATE, _DESTROY)),
                    ):
                        ear = stack.enter_context(closing(Subscription(protocol, groups)))
                        self._selector.register(ear.socket, selectors.EVENT_READ, (name, ear))
                # After the subscription: a change in between is heard of twice, instead of never.
                for table in Table:
                    self._rows[name, table] = self._read(name, table)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def sockets(self) -> list[int]:
        """File descriptors that become readable when there are changes, for a selector of the caller's."""
        return [key.fd for key in self._selector.get_map().values()]

    def rows(self, namespace: str, table: Table) -> tuple[Row, ...]:
        """A table as it is after the changes that have been read."""
        return tuple(self._rows[namespace, table].values())

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read; False after `seconds`."""
        return bool(self._selector.select(seconds))

    def changes(self) -> list[Change | Lost]:
        """Everything that has happened since the last call, in order within a namespace."""
        return list(self._changes())

    def _changes(self) -> Iterator[Change | Lost]:
        for key, _ in self._selector.select(0):
            namespace, ear = key.data
            try:
                # All at once: where much happens, more comes while one message is decoded.
                for kind, data in list(ear.messages()):
                    yield from self._heard(namespace, kind, data)
            except Overflow:
                yield Lost(time.time_ns(), namespace)
                for table in Table:
                    yield from self._reread(namespace, table)

    def _heard(self, namespace: str, kind: int, data: bytes) -> Iterator[Change]:
        found = self._decoded(namespace, kind, data)
        if found is None:
            return
        table, row = found
        if isinstance(row, RouteRow) and row.destination.version == 6:
            # Which of several with one destination and metric it replaces is not said.
            yield from self._reread(namespace, table)
            return
        yield from self._put(namespace, table, row, gone=kind in _GONE)
        if table is Table.INTERFACES:
            # IPv4 routes over an interface that goes down vanish without a word.
            yield from self._reread(namespace, Table.ROUTES)

    def _decoded(self, namespace: str, kind: int, message: bytes) -> tuple[Table, Row] | None:
        """None for what is in no table: a route of another table, a switch port's settings."""
        table, names = _ABOUT[kind], self._names(namespace)
        of_bridge = tables.family_of(message) == tables.BRIDGE_FAMILY
        row: Row | None
        match table:
            case Table.INTERFACES:
                # A port's interface is told of once more, with its settings in the switch.
                row = None if of_bridge else links.interface(message)
            case Table.ADDRESSES:
                row = tables.address(message, names)
            case Table.NEIGHBOURS if of_bridge:
                table, row = Table.FDB, tables.fdb_entry(message, names)
            case Table.NEIGHBOURS:
                row = tables.neighbour(message, names)
            case Table.ROUTES:
                row = tables.route(message, names)
            case _:
                row = tables.connection(message)
        return (table, row) if row else None

    def _put(self, namespace: str, table: Table, row: Row, gone: bool) -> Iterator[Change]:
        known = self._rows[namespace, table]
        key = _KEYS[table](row)
        old = known.get(key)
        if gone:
            if old is not None:
                del known[key]
                yield Change(time.time_ns(), namespace, table, What.REMOVED, old)
            return
        if isinstance(row, Connection) and row.timeout is None and isinstance(old, Connection):
            row = replace(row, timeout=old.timeout)
        known[key] = row
        if row != old:
            what = What.ADDED if old is None else What.CHANGED
            yield Change(time.time_ns(), namespace, table, what, row)

    def _reread(self, namespace: str, table: Table) -> Iterator[Change]:
        fresh = self._read(namespace, table)
        for key in [key for key in self._rows[namespace, table] if key not in fresh]:
            yield from self._put(namespace, table, self._rows[namespace, table][key], gone=True)
        for row in fresh.values():
            yield from self._put(namespace, table, row, gone=False)

    def _read(self, namespace: str, table: Table) -> dict[object, Row]:
        netlink = self._handles.netlink(namespace)
        return _read(namespace, table, netlink, self._names(namespace))

    def _names(self, namespace: str) -> dict[int, str]:
        interfaces = self._rows.get((namespace, Table.INTERFACES), {}).values()
        return {one.index: one.name for one in interfaces if isinstance(one, Interface)}


def snapshot(
    namespaces: Iterable[str], wanted: Sequence[Table] = tuple(Table)
) -> dict[tuple[str, Table], tuple[Row, ...]]:
    """The tables of each namespace as they are now."""
    found: dict[tuple[str, Table], tuple[Row, ...]] = {}
    places = tuple(namespaces)
    with Handles(len(places)) as handles:
        for name in places:
            netlink = handles.netlink(name)
            names = {one.index: one.name for one in links.read_interfaces(netlink)}
            for table in wanted:
                rows = _read(name, table, netlink, names)
                found[name, table] = tuple(rows.values())
    return found


def _read(namespace: str, table: Table, netlink: Netlink, names: Names) -> dict[object, Row]:
    """A table's rows by what identifies each."""
    rows: Iterable[Row]
    match table:
        case Table.INTERFACES:
            rows = links.read_interfaces(netlink)
        case Table.ADDRESSES:
            rows = tables.read_addresses(netlink, names)
        case Table.NEIGHBOURS:
            rows = tables.read_neighbours(netlink, names)
        case Table.FDB:
            rows = tables.read_fdb(netlink, names)
        case Table.ROUTES:
            rows = tables.read_routes(netlink, names)
        case Table.CONNECTIONS:
            rows = tables.read_connections(namespace)
    return {_KEYS[table](row): row for row in rows}
