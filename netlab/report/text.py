"""Texts of results, for people: tables and drawings, and how they are printed."""

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
"""Lines of drift that could not be mended."""


def labs(records: Sequence[Record]) -> Shown:
    """Return the list of labs."""
    columns = ("lab", "state", "scenario", "up since", "file")
    return Table(columns, [_lab(record) for record in records], spare=("up since", "file"))


def _lab(record: Record) -> tuple[str, ...]:
    since = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
    state = "up" if record.ready else "incomplete"
    return (record.lab, state, record.scenario, since, record.file)


def scenarios(titles: Mapping[str, str]) -> Shown:
    """Return the shipped scenarios."""
    return Table(("scenario", "what it shows"), list(titles.items()))


def lab_status(status: Status, width: int) -> Shown:
    """Return a lab: its picture, of a width, every address, and drift."""
    table = machines(status.machines)
    drawn = picture(status.lab.topology, addresses_of(status), width)
    missing = [Styled(str(adapter), "yellow") for adapter in status.unleased]
    if not status.drift and missing:
        return Below((drawn, "", table, "", *missing, "no drift: nothing was changed by hand"))
    return Below((drawn, "", table, "", *missing, drift(status.drift)))


def picture(
    topology: Topology, addresses: ShownAddresses, width: int, language: str = "en"
) -> Shown:
    """Return the drawing; `addresses` are those of now (none: as planned)."""
    return Drawing(draw(topology, addresses, width, language))


_COLUMNS = ("node", "adapter", "network", "state", "address", "from", "MAC", "gateway", "DNS")
_SPARE = ("from", "MAC", "gateway", "DNS")


def machines(nodes: Sequence[NodeStatus]) -> Shown:
    """Return every adapter of every node."""
    rows = [_row(node.name, interface) for node in nodes for interface in node.interfaces]
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
    """Return a table of `show`."""
    if not shown.rows:
        return "nothing to show"
    rows = [
        ["–" if value is None else visible(str(value)) for value in view_row.values]
        for view_row in shown.rows
    ]
    return Table([*map(visible, shown.columns)], rows, shown.spare)


def drift(drifted: Drift) -> Shown:
    """Return the differences from the plan."""
    if not drifted:
        return Styled("no drift: everything is as planned", "green")
    heading = Styled("drift from the plan, which `sudo netlab repair` ends:", "yellow")
    return Below((heading, difference(drifted)))


def change(diff: Diff, done: bool) -> Shown:
    """Return what was changed, or would be."""
    lines = [f"- {_first(str(resource))}" for resource in diff.removed]
    lines += [f"~ {_first(str(new))}" for _, new in diff.altered]
    lines += [f"+ {_first(str(resource))}" for resource in diff.created]
    if not lines:
        return "nothing differs: the lab is as wanted"
    counts = (len(diff.removed), len(diff.altered), len(diff.created))
    words = "{} removed, {} altered, {} made" if done else "{} to remove, {} to alter, {} to make"
    return "\n".join([*lines, words.format(*counts)])


def repair(done: Repair) -> Shown:
    """Return what was mended, and the scenario after a change that was killed."""
    killed = (_killed(done.killed),) if done.killed else ()
    return Below((change(done.change, done=True), *killed))


def _killed(killed: Killed) -> str:
    beginning = f"A change to the scenario '{killed.wanted}' had been killed before its end"
    if killed.done:
        return f"{beginning}, with all of it done: '{killed.now}' is the lab's scenario now."
    return f"{beginning}: the lab is what it was before, by the scenario '{killed.now}'."


def unmended(done: Repair, lab: str) -> Shown:
    """Return what `repair` could not mend, and why."""
    heading = f"netlab: the lab '{lab}' could not be mended completely:"
    reasons = (f"  ({error.with_notes})" for error in done.failures)
    return Below((heading, difference(done.left, _SHOWN_LEFT), *reasons))


def difference(drifted: Drift, shown: int | None = None) -> Shown:
    """Return missing, odd and unplanned resources; at most `shown` lines."""
    odd = [
        resource
        for resource in drifted.unplanned
        if isinstance(resource, Namespace | Bridge) and resource.oddities
    ]
    as_planned = {replace(resource, oddities=()) for resource in odd}
    lines = [
        f"- missing    {_first(str(resource))}"
        for resource in drifted.missing
        if resource not in as_planned
    ]
    lines += [f"~ changed    {_first(str(resource))}" for resource in odd]
    lines += [
        f"+ unplanned  {_first(str(resource))}"
        for resource in drifted.unplanned
        if resource not in odd
    ]
    if shown is not None and len(lines) > shown:
        lines = [*lines[:shown], f"  … and {len(lines) - shown} more: --json has them all"]
    return Styled("\n".join(lines), "yellow")


def checks(results: Sequence[Check]) -> Shown:
    """Return the checks of `doctor`."""
    signs = {"fine": "✔", "warning": "!", "missing": "✘"}
    rows = [(signs[check.health], check.name, check.found, check.cost) for check in results]
    return Table(("", "what", "found", "what it costs, what to do"), rows)


def plain(shown: RenderableType, width: int = PIPE_WIDTH) -> str:
    """Return a text without colour; for a pipe, in which no line is cut."""
    match shown:
        case str() | Below() | Table():
            text = visible_lines(as_text(shown, width))
        case _:
            from netlab.report.console import console

            stream = StringIO()
            console(stream, width).print(shown, crop=False)
            text = stream.getvalue()
    return "\n".join(text_line.rstrip() for text_line in text.splitlines())


def _first(text: str) -> str:
    return text.splitlines()[0]
