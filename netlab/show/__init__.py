"""What `show` shows: the lab's tables as they are now, one function a table.

Rows are facts with names beside them: whose MAC, whose address. What is
asked of the kernel is asked once a look (`look.Look`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from netlab.errors import UsageError
from netlab.frozen import frozen
from netlab.kernel.host import doctor
from netlab.lab import Lab
from netlab.show import machines, programs
from netlab.show.look import Look, Value, ViewRow
from netlab.suggest import instead


@frozen
class View:
    """A table for people and programs."""

    columns: tuple[str, ...]
    spare: tuple[str, ...]
    """Columns that can be left out where there is no room; the most telling first."""
    rows: tuple[ViewRow, ...]

    def of(self, place: str | None) -> View:
        """Only what concerns a node or network."""
        kept = tuple(row for row in self.rows if place is None or place in row.about)
        return replace(self, rows=kept)

    @property
    def steady(self) -> tuple[tuple[Value, ...], ...]:
        """The values without those that change by themselves, second by second."""
        still = [n for n, name in enumerate(self.columns) if name not in _COUNTING]
        return tuple(tuple(row.values[n] for n in still) for row in self.rows)


_COUNTING = ("seconds left",)


def view(running: Lab, name: str, place: str | None = None) -> View:
    """One of VIEWS of a running lab; only what concerns `place`, a node or network.

    Raises UsageError for a place that the lab does not have, NeedsRoot, KernelError.
    """
    doctor.require_root()
    look = Look(running)
    known = [*look.nodes.values(), *running.topology.networks]
    if place is not None and place not in known:
        what = f"the lab '{running.name}' has no node or network '{place}'"
        raise UsageError(what, instead(place, dict.fromkeys(known)))
    columns, spare, rows = VIEWS[name]
    return View(columns, spare, tuple(rows(look))).of(place)


Rows = Callable[[Look], Iterator[ViewRow]]

VIEWS: dict[str, tuple[tuple[str, ...], tuple[str, ...], Rows]] = {
    "addresses": (
        ("node", "adapter", "network", "state", "address", "MAC", "from", "gateway", "DNS",
         "seconds left"),
        ("MAC", "from", "gateway", "DNS", "seconds left"),
        machines.addresses,
    ),
    "routes": (
        ("node", "to", "via", "adapter", "source", "metric", "made by"),
        ("source", "made by", "metric"),
        machines.routes,
    ),
    "arp": (
        ("node", "adapter", "address", "address of", "MAC", "MAC of", "state"),
        ("state", "address of", "adapter"),
        machines.arp,
    ),
    "fdb": (("switch", "MAC", "MAC of", "port", "leads to"), ("port",), machines.fdb),
    "leases": (
        ("server", "gave", "MAC", "to", "seconds left", "client has", "gateway", "DNS"),
        ("client has", "MAC", "seconds left", "gateway", "DNS"),
        machines.leases,
    ),
    "nat": (
        ("node", "protocol", "from", "to", "seen as from", "seen as to", "state", "seconds left"),
        ("state", "seconds left"),
        programs.nat,
    ),
    "dns": (("node", "asks", "answers", "forwards to"), (), programs.dns),
    "forwards": (
        ("node", "protocol", "address", "port", "to", "to port", "rule"), ("rule",), programs.forwards
    ),
    "firewall": (("node", "hook", "chain", "rule"), ("hook",), programs.firewall),
    "services": (("node", "service", "program", "state", "waits on"), (), programs.waiting),
}  # fmt: skip
"""Name of a table to its columns, those of them that can be spared, and what fills them."""
