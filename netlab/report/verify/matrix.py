"""A measured matrix for people: the grid in the most telling form that has room, and all that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from string import ascii_lowercase

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.report.styled import Styled
from netlab.report.table import Table, listing, paragraph
from netlab.report.verify.groups import PairBlock, PairGroup, groups, shortened
from netlab.scenario.model import Family
from netlab.scenario.topology import natural
from netlab.verify.matrix import Result

_FAMILIES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
_MOST_CELLS = 40_000
"""More of them nobody reads, and nobody waits for."""
_MOST_GROUPS = 20
_MOST_BLOCKS = 5
_MOST_NAMES = 6
_TEN = 10
"""Columns of signs that stand together."""
_ROOM_FOR_NAMES = 2 * _TEN
"""So many columns of signs have room beside the names of the rows, or the names stand below."""
_OWN, _OTHER = "=", "*"
_SIGNS = ("✘ not reached", "? not known", "– the same machine")
_MARKED = "a ! marks what is not as expected"


@frozen
class Matrix:
    """Who reaches whom, as it was measured."""

    results: Sequence[Result]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        width = options.max_width
        yield from self._drawn(width)
        yield from _failures(groups(self.results), width)
        passed = sum(result.passed for result in self.results)
        style = "green" if passed == len(self.results) else "red"
        yield Text(f"{passed} of {len(self.results)} pairs are as expected", style)

    @cached_property
    def _grids(self) -> list[_FamilyGrid]:
        """One for each family of addresses."""
        families = dict.fromkeys(result.expectation.over for result in self.results)
        return [
            _FamilyGrid(tuple(one for one in self.results if one.expectation.over is family))
            for family in families
        ]

    def _drawn(self, width: int) -> Iterator[RenderableType]:
        if (size := max((grid.size for grid in self._grids), default=0)) > _MOST_CELLS:
            said = f"A matrix of {size} cells is too large to be drawn: --from and --to choose some"
            yield _line(paragraph(f"{said} of it, and --json has every pair.", width))
            return
        addresses = [grid.of(_address) for grid in self._grids]
        names = [grid.of(_machine) for grid in self._grids]
        if all(grid.fits(width) for grid in addresses):
            yield from self._titled([[grid] for grid in addresses])
            told = ["Rows send, columns receive; a cell has the source that the receiver saw."]
        elif all(grid.fits(width) for grid in names):
            yield from self._titled([[grid] for grid in names])
            told = [
                "Rows send, columns receive; a cell says whose address the receiver saw.",
                "(A wider terminal, or a pipe, shows the addresses themselves.)",
            ]
        else:
            yield from self._titled([grid.of_signs(width) for grid in self._grids])
            return
        for sentence in told:
            yield _line(paragraph(sentence, width))
        yield _line(listing([*_SIGNS, _MARKED], width))

    def _titled(
        self, grids: Sequence[Iterator[RenderableType] | list[Table]]
    ) -> Iterator[RenderableType]:
        for grid, parts in zip(self._grids, grids, strict=True):
            if len(self._grids) > 1:
                yield Text(f"over {_FAMILIES[grid.family]}", style="bold")
            yield from parts


@frozen
class _FamilyGrid:
    """The pairs of one family."""

    results: tuple[Result, ...]

    @property
    def family(self) -> Family:
        return self.results[0].expectation.over

    @property
    def size(self) -> int:
        return len(self.rows) * len(self.columns)

    @cached_property
    def rows(self) -> dict[str, dict[str, Result]]:
        """Source to target to what was measured."""
        found: dict[str, dict[str, Result]] = {}
        for result in self.results:
            ends = result.expectation
            found.setdefault(ends.source.name, {})[ends.target.name] = result
        return found

    @cached_property
    def columns(self) -> list[str]:
        """Targets in the order of all rows: each row has all but its own machine."""
        columns: list[str] = []
        known: set[str] = set()
        for row in self.rows.values():
            before = ""
            for target in row:
                if target not in known:
                    known.add(target)
                    columns.insert(columns.index(before) + 1 if before else 0, target)
                before = target
        return columns

    def of(self, seen: Callable[[Result], str]) -> Table:
        """A table whose cells say by what address a receiver saw the sender."""
        same = Styled("–", "dim")
        rows: list[list[str]] = [
            [source, *(_cell(row[name], seen) if name in row else same for name in self.columns)]
            for source, row in self.rows.items()
        ]
        return Table(("", *self.columns), rows, closest=1)

    def of_signs(self, width: int) -> Iterator[RenderableType]:
        """Cells are single signs below numbers, in as many pieces as the width asks for."""
        numbers = {
            name: str(n) for n, name in enumerate(dict.fromkeys([*self.columns, *self.rows]), 1)
        }
        digits = len(str(len(numbers)))
        named = {name: f"{number:>{digits}} {name}" for name, number in numbers.items()}
        below = [name for name in self.columns if name not in self.rows]
        labels = [named[name] for name in self.rows]
        if width - max(map(len, labels)) < _ROOM_FOR_NAMES + 2:
            labels, below = [f"{numbers[name]:>{digits}}" for name in self.rows], list(numbers)
        margin = max(map(len, labels)) + 2
        for piece in _pieces(self.columns, width - margin):
            for place in range(digits):  # Read downwards: a column is as wide as its sign.
                heads = [f"{numbers[name]:>{digits}}"[place] for name in piece]
                yield _line(" " * margin + _in_tens(heads).plain, "bold")
            for label, row in zip(labels, self.rows.values(), strict=True):
                signs = [self._sign(row.get(name)) for name in piece]
                yield _line(Text(label.ljust(margin)) + _in_tens(signs))
        said = "Rows send, columns receive; the number of a column is read downwards."
        yield _line(paragraph(said, width))
        if below:
            yield _line(listing([named[name].strip() for name in below], width))
        seen = [f"{sign} as {name}" for name, sign in self._letters.items() if sign != _OTHER]
        seen += [f"{_OTHER} as others"] * (_OTHER in self._letters.values())
        reached = [f"{_OWN} reached, and seen as itself", *seen]
        yield _line(listing([*reached, *_SIGNS, "! not as expected: see below"], width))

    def _sign(self, result: Result | None) -> Text:
        if result is None:
            return Text("–", "dim")
        if not result.passed:
            return Text("!", "red")
        if result.outcome.verdict is not Verdict.ANSWERED:
            return Text("✘", "green")
        return Text(_OWN if _is_own(result) else self._letters[_whose(result)], "green")

    @cached_property
    def _letters(self) -> dict[str, str]:
        """Whose address was seen, if not the sender's, to a sign for it."""
        seen = dict.fromkeys(
            _whose(result)
            for result in self.results
            if result.passed and result.outcome.verdict is Verdict.ANSWERED and not _is_own(result)
        )
        return dict(zip(seen, [*ascii_lowercase, *_OTHER * len(seen)], strict=False))


def _failures(found: Sequence[PairGroup], width: int) -> Iterator[Text]:
    """What is not as expected, in so many lines as a person reads."""
    for group in found[:_MOST_GROUPS]:
        yield _line("\n".join(_told(group, width)), "red")
    if left := found[_MOST_GROUPS:]:
        pairs = sum(len(group.results) for group in left)
        yield _line(
            paragraph(
                f"! … and {pairs} pairs more, that ended in {len(left)} other ways", width, 2
            ),
            "red",
        )
    if any(len(group.results) > 1 for group in found):
        yield _line(paragraph("(Every pair is told by --json and --junit.)", width))


def _told(group: PairGroup, width: int) -> Iterator[str]:
    """What became of some pairs, and which: in a line, or in one for each block of them."""
    over = " over IPv6" * (group.over is Family.IPV6)
    first, *others = group.blocks
    count = f", {len(group.results)} pairs" * (len(group.results) > 1)
    pairs = f"{len(group.results)} pairs" if others else f"{_named(first)}"
    yield paragraph(f"! {pairs}{over}{'' if others else count}: {group.what}", width, 4)
    if others:
        for block in group.blocks[:_MOST_BLOCKS]:
            yield "    " + paragraph(f"{_named(block)} ({block.pairs})", width - 4, 6)
        if left := group.blocks[_MOST_BLOCKS:]:
            yield f"    … and {sum(block.pairs for block in left)} more"
    asked = {
        f"{one.expectation.target.name} at {one.address}" for one in group.results if _chose(one)
    }
    if asked:
        said = f"of several addresses, asked: {shortened(sorted(asked, key=natural), _MOST_NAMES)}"
        yield "    " + paragraph(said, width - 4, 6)
    if group.example:
        ends = group.results[0].expectation
        said = f"for example {ends.source.name} → {ends.target.name}: {group.example}"
        yield "    " + paragraph(said, width - 4, 6)


def _chose(result: Result) -> bool:
    return result.address is not None and result.expectation.chose


def _named(block: PairBlock) -> str:
    return f"{shortened(block.sources, _MOST_NAMES)} → {shortened(block.targets, _MOST_NAMES)}"


def _pieces(columns: Sequence[str], room: int) -> Iterator[Sequence[str]]:
    """So many columns as there is room for, with a space after every ten."""
    most = max(room - max(room - 1, 0) // (_TEN + 1), 1)
    if most < len(columns) and most > _TEN:
        most -= most % _TEN
    for start in range(0, len(columns), most):
        yield columns[start : start + most]


def _in_tens(signs: Sequence[str | Text]) -> Text:
    return Text(" ").join(
        Text.assemble(*signs[start : start + _TEN]) for start in range(0, len(signs), _TEN)
    )


def _line(text: str | Text, style: str = "") -> Text:
    """What is broken already, if it has to be."""
    line = Text(text, style) if isinstance(text, str) else text
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _cell(result: Result, seen: Callable[[Result], str]) -> Styled:
    match result.outcome.verdict:
        case Verdict.ANSWERED:
            shown = seen(result)
        case Verdict.UNKNOWN:
            shown = "?"
        case _:
            shown = "✘"
    return Styled(shown if result.passed else f"! {shown}", "green" if result.passed else "red")


def _address(result: Result) -> str:
    return result.outcome.seen_as or ""


def _whose(result: Result) -> str:
    """The endpoint whose address was seen, or an address that is none's."""
    return result.seen_as or _address(result)


def _machine(result: Result) -> str:
    return _whose(result).partition("@")[0]


def _is_own(result: Result) -> bool:
    return _machine(result) == result.expectation.source.node.name
