"""What happened, for people: tables and drawings, and how they are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from io import StringIO
from typing import TYPE_CHECKING

from netlab.plan.plan import Drift
from netlab.plan.resources import Bridge, Namespace
from netlab.report.styled import Below, Drawing, Shown, Styled, as_text
from netlab.report.table import Table
from netlab.report.topology.drawing import draw
from netlab.report.topology.graph import ShownAddresses, addresses_of
from netlab.visible import visible, visible_lines

if TYPE_CHECKING:
    from rich.console import RenderableType

    from netlab.kernel.host.doctor import Check
    from netlab.kernel.rundir import Record
    from netlab.lab import AdapterStatus, Killed, NodeStatus, Repair, Status
    from netlab.plan.diff import Diff
    from netlab.scenario.topology import Topology
    from netlab.show import View

PIPE_WIDTH = 1_000_000
"""A pipe has room for everything."""
_SHOWN_LEFT = 20
"""Lines of what could not be mended."""


def labs(records: Sequence[Record]) -> Shown:
    """The list of labs."""
    columns = ("lab", "state", "scenario", "up since", "file")
    return Table(columns, [_lab(record) for record in records], spare=("up since", "file"))


def _lab(record: Record) -> tuple[str, ...]:
    since = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
    state = "up" if record.ready else "incomplete"
    return (record.lab, state, record.scenario, since, record.file)


def scenarios(titles: Mapping[str, str]) -> Shown:
    """The shipped scenarios."""
    return Table(("scenario", "what it shows"), list(titles.items()))


def lab_status(status: Status, width: int) -> Shown:
    """A lab: its picture, of a width, every address, and drift."""
    found = machines(status.machines)
    drawn = picture(status.lab.topology, addresses_of(status), width)
    missing = [Styled(str(one), "yellow") for one in status.unleased]
    if not status.drift and missing:
        return Below((drawn, "", found, "", *missing, "no drift: nothing was changed by hand"))
    return Below((drawn, "", found, "", *missing, drift(status.drift)))


def picture(
    topology: Topology, addresses: ShownAddresses, width: int, language: str = "en"
) -> Shown:
    """The drawing; `addresses` are those of now (none: as planned)."""
    return Drawing(draw(topology, addresses, width, language))


_COLUMNS = ("node", "adapter", "network", "state", "address", "from", "MAC", "gateway", "DNS")
_SPARE = ("from", "MAC", "gateway", "DNS")


def machines(found: Sequence[NodeStatus]) -> Shown:
    """Every adapter of every node."""
    rows = [_row(machine.name, one) for machine in found for one in machine.interfaces]
    return Table(_COLUMNS, rows, spare=_SPARE)


def _row(node: str, interface: AdapterStatus) -> tuple[str, ...]:
    lease = interface.lease or {}
    return (
        node,
        f"{interface.name} {interface.model}" if interface.model else interface.name,
        interface.network,
        interface.state,
        "\n".join(interface.addresses) or ("released" if interface.released else "none"),
        "static" if interface.lease is None else f"DHCP {lease.get('server', '–')}",
        interface.mac,
        lease.get("router", ""),
        lease.get("dns", ""),
    )


def view(shown: View) -> Shown:
    """One of the tables of `show`."""
    if not shown.rows:
        return "nothing to show"
    rows = [
        ["–" if value is None else visible(str(value)) for value in row.values]
        for row in shown.rows
    ]
    return Table([*map(visible, shown.columns)], rows, shown.spare)


def drift(found: Drift) -> Shown:
    """What differs from the plan."""
    if not found:
        return Styled("no drift: everything is as planned", "green")
    told = Styled("drift from the plan, which `sudo netlab repair` ends:", "yellow")
    return Below((told, difference(found)))


def change(wanted: Diff, done: bool) -> Shown:
    """What was changed, or would be."""
    lines = [f"- {_first(str(resource))}" for resource in wanted.removed]
    lines += [f"~ {_first(str(new))}" for _, new in wanted.altered]
    lines += [f"+ {_first(str(resource))}" for resource in wanted.created]
    if not lines:
        return "nothing differs: the lab is as wanted"
    counts = (len(wanted.removed), len(wanted.altered), len(wanted.created))
    words = "{} removed, {} altered, {} made" if done else "{} to remove, {} to alter, {} to make"
    return "\n".join([*lines, words.format(*counts)])


def repair(done: Repair) -> Shown:
    """What was mended, and to which scenario after a change that was killed."""
    return Below((change(done.change, done=True), *(_killed(one) for one in (done.killed,) if one)))


def _killed(found: Killed) -> str:
    wanted = f"A change to the scenario '{found.wanted}' had been killed before its end"
    if found.done:
        return f"{wanted}, with all of it done: '{found.now}' is the lab's scenario now."
    return f"{wanted}: the lab is what it was before, by the scenario '{found.now}'."


def unmended(done: Repair, lab: str) -> Shown:
    """What `repair` could not mend, and why."""
    what = f"netlab: the lab '{lab}' could not be mended completely:"
    why = (f"  ({error.told})" for error in done.failures)
    return Below((what, difference(done.left, _SHOWN_LEFT), *why))


def difference(found: Drift, shown: int | None = None) -> Shown:
    """What is missing, what is odd, what is there without being planned; at most `shown` lines."""
    odd = [one for one in found.unplanned if isinstance(one, Namespace | Bridge) and one.oddities]
    usual = {replace(one, oddities=()) for one in odd}
    lines = [f"- missing    {_first(str(one))}" for one in found.missing if one not in usual]
    lines += [f"~ changed    {_first(str(one))}" for one in odd]
    lines += [f"+ unplanned  {_first(str(one))}" for one in found.unplanned if one not in odd]
    if shown is not None and len(lines) > shown:
        lines = [*lines[:shown], f"  … and {len(lines) - shown} more: --json has them all"]
    return Styled("\n".join(lines), "yellow")


def checks(found: Sequence[Check]) -> Shown:
    """What `doctor` found."""
    signs = {"fine": "✔", "warning": "!", "missing": "✘"}
    rows = [(signs[check.health], check.name, check.found, check.cost) for check in found]
    return Table(("", "what", "found", "what it costs, what to do"), rows)


def plain(shown: RenderableType, width: int = PIPE_WIDTH) -> str:
    """Without colour; for a pipe, in which no line is cut."""
    match shown:
        case str() | Below() | Table():
            text = visible_lines(as_text(shown, width))
        case _:
            from netlab.report.console import console

            stream = StringIO()
            console(stream, width).print(shown, crop=False)
            text = stream.getvalue()
    return "\n".join(row.rstrip() for row in text.splitlines())


def _first(text: str) -> str:
    return text.splitlines()[0]
