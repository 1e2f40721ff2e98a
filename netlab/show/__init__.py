"""Tables of `show`: the lab's tables as they are now, one function a table.

Rows are facts with names beside them: the owner of a MAC, of an address. The
kernel is asked once a look (`look.Look`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from netlab.errors import UsageError
from netlab.frozen import frozen
from netlab.kernel.host import doctor
from netlab.kernel.namespaces import netns
from netlab.lab import Lab
from netlab.plan.names import node as node_of
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

    def concerning(self, name: str | None) -> View:
        """Return the view with only the rows that concern a node or network; None: all."""
        kept = tuple(row for row in self.rows if name is None or name in row.about)
        return replace(self, rows=kept)

    @property
    def steady(self) -> tuple[tuple[Value, ...], ...]:
        """Values without the columns that change by themselves, second by second."""
        steady = [n for n, name in enumerate(self.columns) if name not in _COUNTING]
        return tuple(tuple(row.values[n] for n in steady) for row in self.rows)


_COUNTING = ("seconds left",)


def view(running: Lab, name: str, concerned: str | None = None) -> View:
    """Return a table of VIEWS of a running lab; only the rows that concern `concerned`, a node or network.

    Raises UsageError for a name that the lab does not have, NeedsRoot, KernelError.
    """
    doctor.require_root()
    names = [*map(node_of, running.plan.namespaces), *running.topology.networks]
    if concerned is not None and concerned not in names:
        problem = f"the lab '{running.name}' has no node or network '{concerned}'"
        raise UsageError(problem, instead(concerned, dict.fromkeys(names)))
    columns, spare, rows = VIEWS[name]
    with netns.held(running.plan.namespaces):
        return View(columns, spare, tuple(rows(Look(running)))).concerning(concerned)


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
"""Name of a table to its columns, the columns that can be spared, and the function that makes its rows."""
