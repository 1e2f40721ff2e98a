"""The kernel's tables as rows for people: names instead of numbers, and without what nobody asks for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from netlab.kernel.netlink.missing import RT_TABLE_MAIN
from netlab.kernel.netlink.objects import connections
from netlab.kernel.netlink.objects.addresses import InterfaceAddress
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.objects.neighbours import ForwardingEntry, KernelNeighbour
from netlab.kernel.netlink.objects.routes import KernelRoute
from netlab.kernel.netlink.snapshot import Snapshot
from netlab.kernel.rows import (
    AddressRow,
    Connection,
    FdbEntry,
    Names,
    Neighbour,
    NextHop,
    RouteRow,
    table_name,
)


class KernelTable(StrEnum):
    """A table that the kernel keeps of a namespace."""

    INTERFACES = "interfaces"
    ADDRESSES = "addresses"
    NEIGHBOURS = "neighbours"
    FDB = "fdb"
    ROUTES = "routes"
    CONNECTIONS = "connections"


TableRow = Interface | AddressRow | Neighbour | FdbEntry | RouteRow | Connection

_EVERYWHERE = "universe"
"""rtnetlink's word for a scope that `ip route` calls global."""


def rows(
    namespace: str, table: KernelTable, snapshot: Snapshot, names: Names
) -> Iterable[TableRow]:
    """Return the rows of a namespace's table; `names` are its interfaces'."""
    entries: Iterable[TableRow | None]
    match table:
        case KernelTable.INTERFACES:
            entries = snapshot.interfaces
        case KernelTable.ADDRESSES:
            entries = (address_row(address, names) for address in snapshot.addresses)
        case KernelTable.NEIGHBOURS:
            entries = (neighbour_row(neighbour, names) for neighbour in snapshot.neighbours)
        case KernelTable.FDB:
            entries = (fdb_row(entry, names) for entry in snapshot.fdb)
        case KernelTable.ROUTES:
            entries = (route_row(route, names) for route in snapshot.routes if route.main)
        case KernelTable.CONNECTIONS:
            entries = connections.read(namespace)
    return (entry for entry in entries if entry)


def neighbour_row(neighbour: KernelNeighbour, names: Names) -> Neighbour | None:
    """Return a neighbour's row; None for an address that needs no asking: loopback, multicast."""
    if neighbour.state == "none" or (neighbour.state == "noarp" and not _is_one_machine(neighbour)):
        return None
    name = _name(neighbour.index, names)
    return Neighbour(name, neighbour.address, neighbour.mac, neighbour.state)


def _is_one_machine(neighbour: KernelNeighbour) -> bool:
    """Return whether an entry leads to one machine, and not to a group or to the loopback."""
    return bool(neighbour.mac.strip("0:")) and not int(neighbour.mac[:2], 16) & 1


def fdb_row(entry: ForwardingEntry, names: Names) -> FdbEntry:
    """Return the row of a MAC address that a switch knows."""
    return FdbEntry(
        _name(entry.bridge, names),
        entry.mac,
        _name(entry.index, names),
        entry.learnt,
        entry.vlan,
        entry.sticky,
    )


def address_row(address: InterfaceAddress, names: Names) -> AddressRow | None:
    """Return an address' row; None for an address that the machine does not use, or not yet."""
    return (_name(address.index, names), address.address) if address.usable else None


def route_row(route: KernelRoute, names: Names) -> RouteRow:
    """Return a route's row."""
    return RouteRow(
        route.destination,
        tuple(NextHop(hop.gateway, _name(hop.index, names), hop.dead) for hop in route.hops),
        route.kind,
        route.source,
        route.metric,
        route.protocol,
        "global" if route.scope == _EVERYWHERE else route.scope,
        route.dead,
        "" if route.table == RT_TABLE_MAIN else table_name(route.table),
        route.tos,
    )


def _name(index: int, names: Names) -> str:
    """Return an interface's name; it may have come or gone between two dumps."""
    return names.get(index, f"if{index}")
