"""Everything that rtnetlink tells of a set of namespaces, read once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netlab.kernel import links, tables
from netlab.kernel.handles import Handles
from netlab.kernel.links import Interface
from netlab.kernel.netlink import Netlink
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


def look(namespaces: Iterable[str]) -> dict[str, Space]:
    """Read each namespace. Raises KernelError if one is gone."""
    names = list(namespaces)
    with Handles(len(names)) as handles:
        return {name: _space(handles.netlink(name), name) for name in names}


def _space(netlink: Netlink, namespace: str) -> Space:
    interfaces = tuple(links.read_interfaces(netlink))
    names = {one.index: one.name for one in interfaces}
    addresses = links.read_addresses(netlink, namespace, names)
    return Space(
        interfaces,
        tuple((one.interface, one.address) for one in addresses),
        tuple(tables.read_routes(netlink, names)),
        tuple(tables.read_neighbours(netlink, names)),
        tuple(tables.read_fdb(netlink, names)),
    )
