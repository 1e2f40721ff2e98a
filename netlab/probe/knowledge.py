"""What the lab's machines know, at one moment: whose an address is, and what is on which network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from netlab.kernel.events import Row, Table
from netlab.kernel.links import Interface
from netlab.probe.decision import Tables, is_about
from netlab.probe.journey import Map, Step


@dataclass(frozen=True)
class Knowledge:
    """Every table of every node."""

    where: Map
    rows: Mapping[tuple[str, Table], Sequence[Row]]
    """(node, table) to its rows."""

    def of(self, node: str, table: Table) -> Sequence[Any]:
        """One table of one node."""
        return self.rows.get((node, table), ())

    def tables(self, box: str) -> Tables:
        """What decides about packets on a machine, or on a NAT device with its host."""

        def together(table: Table) -> tuple[Any, ...]:
            return tuple(row for node in self.where.parts(box) for row in self.of(node, table))

        return Tables(
            together(Table.ROUTES),
            together(Table.NEIGHBOURS),
            together(Table.FDB),
            together(Table.CONNECTIONS),
        )

    @cached_property
    def owners(self) -> dict[str, frozenset[str]]:
        """IP or MAC address to the machines that have it. Switches and plumbing have nothing to say here."""
        found: dict[str, frozenset[str]] = {}
        for (node, table), rows in self.rows.items():
            if node in self.where.switches:
                continue
            for row in rows:
                address = _own_address(row) if table in (Table.INTERFACES, Table.ADDRESSES) else ""
                if address:
                    found[address] = found.get(address, frozenset()) | {node}
        return found

    @cached_property
    def names(self) -> dict[str, str]:
        """IP or MAC address to the name of the machine that has it."""
        return {address: " and ".join(sorted(nodes)) for address, nodes in self.owners.items()}

    @cached_property
    def isolated(self) -> frozenset[tuple[str, str]]:
        """(switch, port) of ports that reach no other such port."""
        return frozenset(
            (node, one.name)
            for node in self.where.switches
            for one in self.of(node, Table.INTERFACES)
            if one.isolated
        )

    def carriers(self, node: str) -> frozenset[str]:
        """Interfaces of a machine that are up with a cable that is up."""
        found = self.of(node, Table.INTERFACES)
        return frozenset(one.name for one in found if one.running and one.name != "lo")

    def elsewhere(self, node: str, address: str) -> str | None:
        """The machine that has an address, if it hears no question that `node` asks."""
        heard = self.where.neighbourhood(node)
        for owner in self.owners.get(address, ()):
            for interface, known in self.of(owner, Table.ADDRESSES):
                if (
                    str(known.ip) == address
                    and self.where.peers.get((owner, interface)) not in heard
                ):
                    return owner
        return None

    def translates(self, box: str, step: Step) -> bool:
        """Whether a machine still has an entry for the translation that was seen on it."""
        return any(is_about(one, step) for one in self.tables(box).connections)


def _own_address(row: Row) -> str:
    """An interface's MAC, or the IP of an interface with its address."""
    if isinstance(row, Interface):
        return row.mac if row.name != "lo" else ""
    return str(row[1].ip) if isinstance(row, tuple) else ""
