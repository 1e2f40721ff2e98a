"""What happened, for people: tables and drawings as rich renderables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from netlab.plan.nouns import Bridge, Namespace
from netlab.plan.plan import Difference, line
from netlab.report.drawing import draw
from netlab.report.graph import Addresses, addresses_of

if TYPE_CHECKING:
    from netlab.kernel.preflight import Check
    from netlab.kernel.rundir import Record
    from netlab.lab import Interface, Killed, Machine, Repair, Status
    from netlab.plan.change import Change
    from netlab.probe.matrix import Result
    from netlab.scenario.topology import Topology
    from netlab.views import View

PIPE_WIDTH = 400
_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
_MANY_COLUMNS = 12
"""A wider matrix is printed as a list of its failures only."""


def labs(records: Sequence[Record]) -> RenderableType:
    """The list of labs."""
    table = _table("lab", "state", "scenario", "up since", "file")
    for record in records:
        since = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
        state = "up" if record.ready else "incomplete"
        table.add_row(record.lab, state, record.scenario, since, record.file)
    return table


def scenarios(titles: Mapping[str, str]) -> RenderableType:
    """The shipped scenarios."""
    table = _table("scenario", "what it shows")
    for name, title in titles.items():
        table.add_row(name, title)
    return table


def lab_status(status: Status, width: int) -> RenderableType:
    """A lab: its picture, every address, and drift."""
    found = machines(status.machines, width)
    drawn = picture(status.lab.topology, addresses_of(status), width)
    return Group(drawn, "", found, "", drift(status.drift))


def picture(
    topology: Topology, addresses: Addresses, width: int, language: str = "en"
) -> RenderableType:
    """The drawing; `addresses` are those of now (none: as planned)."""
    return Text(draw(topology, addresses, width, language), no_wrap=True, overflow="ignore")


_COLUMNS = ("node", "adapter", "network", "state", "address", "from", "MAC", "gateway", "DNS")
_NARROW = ("node", "adapter", "network", "state", "address")


def machines(found: Sequence[Machine], width: int) -> RenderableType:
    """Every adapter of every node; on a narrow terminal without what can be looked up elsewhere."""
    rows = [_row(machine.name, interface) for machine in found for interface in machine.interfaces]
    whole = _columns_of(rows, _COLUMNS)
    return whole if _needs(whole) <= width else _columns_of(rows, _NARROW)


def _row(node: str, interface: Interface) -> dict[str, str]:
    lease = interface.lease or {}
    return {
        "node": node,
        "adapter": f"{interface.name} {interface.model}" if interface.model else interface.name,
        "network": interface.network,
        "state": interface.state,
        "address": "\n".join(interface.addresses) or ("released" if interface.released else "none"),
        "MAC": interface.mac,
        "from": "static" if interface.lease is None else f"DHCP {lease.get('server', '–')}",
        "gateway": lease.get("router", ""),
        "DNS": lease.get("dns", ""),
    }


def _columns_of(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> Text:
    """In columns, the headings bold. By hand: rich's Table takes 1.5 ms a row, and labs have 1,000."""
    lines = [columns, *(line for row in rows for line in _lines(row, columns))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first, *others = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return Text.assemble((first, "bold"), *(f"\n{line}" for line in others), no_wrap=True)


def _lines(row: dict[str, str], columns: Sequence[str]) -> Iterator[Sequence[str]]:
    """More than one where a cell has several."""
    return zip_longest(*(row[column].split("\n") for column in columns), fillvalue="")


def view(shown: View) -> RenderableType:
    """One of the tables of `show`."""
    if not shown.rows:
        return Text("nothing to show")
    table = _table(*shown.columns)
    for row in shown.rows:
        table.add_row(*("–" if value is None else str(value) for value in row.values))
    return table


def drift(found: Difference) -> RenderableType:
    """What differs from the plan."""
    if not found:
        return Text("no drift: everything is as planned", style="green")
    return Group(
        Text("drift from the plan, which `netlab repair` ends:", style="yellow"), difference(found)
    )


def change(wanted: Change, done: bool) -> RenderableType:
    """What was changed, or would be."""
    lines = [f"- {_first(line(noun))}" for noun in wanted.removed]
    lines += [f"~ {_first(line(new))}" for _, new in wanted.altered]
    lines += [f"+ {_first(line(noun))}" for noun in wanted.created]
    if not lines:
        return Text("nothing differs: the lab is as wanted")
    counts = (len(wanted.removed), len(wanted.altered), len(wanted.created))
    words = "{} removed, {} altered, {} made" if done else "{} to remove, {} to alter, {} to make"
    return Text("\n".join([*lines, words.format(*counts)]))


def repair(done: Repair) -> RenderableType:
    """What was mended, and to which scenario after a change that was killed."""
    return Group(change(done.change, done=True), *(_killed(one) for one in (done.killed,) if one))


def _killed(found: Killed) -> Text:
    wanted = f"A change to the scenario '{found.wanted}' had been killed before its end"
    if found.done:
        return Text(f"{wanted}, with all of it done: '{found.now}' is the lab's scenario now.")
    return Text(f"{wanted}: the lab is what it was before, by the scenario '{found.now}'.")


def unmended(done: Repair, lab: str) -> RenderableType:
    """What `repair` could not mend, and why."""
    return Group(
        Text(f"netlab: the lab '{lab}' could not be mended completely:"),
        difference(done.left, _SHOWN_LEFT),
        *(Text(f"  ({error.told})") for error in done.failures),
    )


_SHOWN_LEFT = 20


def difference(found: Difference, shown: int | None = None) -> RenderableType:
    """What is missing, what is odd, what is there without being planned; at most `shown` lines."""
    odd = [one for one in found.unplanned if isinstance(one, Namespace | Bridge) and one.oddities]
    usual = {replace(one, oddities=()) for one in odd}
    lines = [f"- missing    {_first(line(one))}" for one in found.missing if one not in usual]
    lines += [f"~ changed    {_first(line(one))}" for one in odd]
    lines += [f"+ unplanned  {_first(line(one))}" for one in found.unplanned if one not in odd]
    if shown is not None and len(lines) > shown:
        lines = [*lines[:shown], f"  … and {len(lines) - shown} more: --json has them all"]
    return Text("\n".join(lines), style="yellow")


def matrix(results: Sequence[Result], width: int) -> RenderableType:
    """The matrix, what the signs mean, and every failure with its reason."""
    families = {
        family: [result for result in results if result.expectation.over is family]
        for family in dict.fromkeys(result.expectation.over for result in results)
    }
    parts: list[RenderableType] = []
    if len(_columns(results)) <= _MANY_COLUMNS:
        grids, fits = _grids(list(families.values()), _address), True
        if any(_needs(grid) > width for grid in grids):
            grids, fits = _grids(list(families.values()), _name), False
        for family, grid in zip(families, grids, strict=True):
            if len(families) > 1:
                parts.append(Text(f"over {_FAMILIES[family.value]}", style="bold"))
            parts.append(grid)
        shown = "has the source that" if fits else "says whose address"
        parts.append(Text(f"Rows send, columns receive; a cell {shown} the receiver saw."))
        if not fits:
            parts.append(Text("(A wider terminal, or a pipe, shows the addresses themselves.)"))
        parts.append(
            Text(
                "✘ not reached   ? not known   – the same machine   a ! marks what is not as expected"
            )
        )
    parts += _failures(results)
    passed = sum(result.passed for result in results)
    style = "green" if passed == len(results) else "red"
    parts.append(Text(f"{passed} of {len(results)} pairs are as expected", style=style))
    return Group(*parts)


def checks(found: Sequence[Check]) -> RenderableType:
    """What `doctor` found."""
    signs = {"fine": "✔", "warning": "!", "missing": "✘"}
    table = _table("", "what", "found", "what it costs, what to do")
    for check in found:
        table.add_row(signs[check.health], check.name, check.found, check.cost)
    return table


def console(stream: TextIO, width: int | None = None) -> Console:
    """A rich console that takes texts as they are: a MAC's `:ab:` is no emoji, `[x]` no markup."""
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def plain(renderable: RenderableType) -> str:
    """For a pipe: no colour, no line cut."""
    stream = StringIO()
    console(stream, PIPE_WIDTH).print(renderable)
    return "\n".join(row.rstrip() for row in stream.getvalue().splitlines())


def _needs(renderable: RenderableType) -> int:
    """Columns that it takes without a line folded."""
    wide = console(StringIO(), PIPE_WIDTH)
    return Measurement.get(wide, wide.options, renderable).maximum


def _columns(results: Sequence[Result]) -> list[str]:
    """Targets in the order of all rows: each row has all but its own machine."""
    columns: list[str] = []
    known: set[str] = set()
    row = before = ""
    for result in results:
        source, target = result.expectation.source.name, result.expectation.target.name
        if source != row:
            row, before = source, ""
        if target not in known:
            known.add(target)
            columns.insert(columns.index(before) + 1 if before else 0, target)
        before = target
    return columns


def _grids(families: Sequence[Sequence[Result]], seen: Callable[[Result], str]) -> list[Table]:
    return [_grid(results, _columns(results), seen) for results in families]


def _grid(
    results: Sequence[Result], columns: Sequence[str], seen: Callable[[Result], str]
) -> Table:
    table = _table("", *columns)
    cells: dict[str, dict[str, Text]] = {}
    for result in results:
        row = cells.setdefault(result.expectation.source.name, {})
        row[result.expectation.target.name] = _cell(result, seen)
    for source, row in cells.items():
        table.add_row(source, *(row.get(column, Text("–", style="dim")) for column in columns))
    return table


def _cell(result: Result, seen: Callable[[Result], str]) -> Text:
    match result.outcome.verdict.value:
        case "answered":
            shown = seen(result)
        case "unknown":
            shown = "?"
        case _:
            shown = "✘"
    return Text(shown if result.passed else f"! {shown}", style="green" if result.passed else "red")


def _address(result: Result) -> str:
    return result.outcome.seen_as or ""


def _name(result: Result) -> str:
    """For a narrow terminal: the machine whose address was seen."""
    return (result.seen_as or _address(result)).partition("@")[0]


def _failures(results: Sequence[Result]) -> Iterator[Text]:
    for result in results:
        if result.failure:
            expected = result.expectation
            pair = f"{expected.source.name} → {expected.target.name}"
            over = " over IPv6" * (expected.over.value == "ipv6")
            yield Text(f"! {pair}{over}: {result.failure}", style="red")


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _first(text: str) -> str:
    return text.splitlines()[0]
