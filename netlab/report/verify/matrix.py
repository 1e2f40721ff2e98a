"""A measured matrix for people: the grid in the fullest form that has room, and all that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from string import ascii_lowercase

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.messages import ENGLISH, N_, render, translator
from netlab.report.styled import Styled
from netlab.report.table import Table, listing, paragraph
from netlab.report.verify.groups import PairBlock, PairGroup, groups, shortened
from netlab.scenario.expectation import WHATEVER
from netlab.scenario.model import ICMP, Family
from netlab.scenario.topology import natural
from netlab.verify.matrix import Result

_FAMILIES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
_MOST_CELLS = 40_000
"""Larger matrices are not drawn: nobody reads them, and nobody waits for them."""
_FEW = 24
"""Pairs of a kind of probe that are shown by a line each."""
_MOST_GROUPS = 20
_MOST_BLOCKS = 5
_MOST_NAMES = 6
_TEN = 10
"""How many columns of signs stand together."""
_ROOM_FOR_NAMES = 2 * _TEN
"""With room for fewer columns of signs beside the names of the rows, the names stand below."""
_OWN, _OTHER = "=", "*"
_SIGNS = (N_("✘ not reached"), N_("? not known"), N_("– the same machine"))

_PORT = re.compile(r"((?:tcp|udp|http):)([0-9]+)(.*)")
_LEAST_RANGE = 3


@frozen
class Matrix:
    """The measured pairs of a lab, to be shown in a language."""

    results: Sequence[Result]
    language: str = ENGLISH

    def gettext(self, text: str) -> str:
        """Return a text in the matrix's language."""
        return translator(self.language)(text)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        width = options.max_width
        yield from self._drawn(width)
        yield from _OtherKinds(self._others, self.language).drawn(width)
        yield from _Failures(groups(self.results), width, self.language).lines()
        passed = sum(result.passed for result in self.results)
        style = "green" if passed == len(self.results) else "red"
        if all(result.expectation.verdict == WHATEVER for result in self.results):
            text = self.gettext(
                "{reached} of {count} pairs are reached; the scenario expects nothing"
            )
            reached = sum(r.outcome.verdict is Verdict.ANSWERED for r in self.results)
            yield Text(text.format(reached=reached, count=len(self.results)))
            return
        text = self.gettext("{passed} of {count} pairs are as expected")
        yield Text(text.format(passed=passed, count=len(self.results)), style)

    @cached_property
    def _grids(self) -> list[_FamilyGrid]:
        """A grid of pings for each family of addresses."""
        pings = [result for result in self.results if result.expectation.by == ICMP]
        return _by_family(pings, self.language)

    @property
    def _others(self) -> list[Result]:
        """The pairs that were measured by other kinds of probes."""
        return [result for result in self.results if result.expectation.by != ICMP]

    def _drawn(self, width: int) -> Iterator[RenderableType]:
        if not self._grids:
            return
        if (size := max((grid.size for grid in self._grids), default=0)) > _MOST_CELLS:
            text = self.gettext(
                "A matrix of {size} cells is too large to be drawn: --from and --to choose some of it, "
                "and --json has every pair."
            )
            yield _line(paragraph(text.format(size=size), width))
            return
        addresses = [grid.of(_source_address) for grid in self._grids]
        names = [grid.of(_machine) for grid in self._grids]
        if all(grid.fits(width) for grid in addresses):
            yield from self._titled([[grid] for grid in addresses])
            legend = [
                self.gettext(
                    "Rows send, columns receive; a cell has the source that the receiver saw."
                )
            ]
        elif all(grid.fits(width) for grid in names):
            yield from self._titled([[grid] for grid in names])
            legend = [
                self.gettext(
                    "Rows send, columns receive; a cell says whose address the receiver saw."
                ),
                self.gettext("(A wider terminal, or a pipe, shows the addresses themselves.)"),
            ]
        else:
            yield from self._titled([grid.of_signs(width) for grid in self._grids])
            return
        for sentence in legend:
            yield _line(paragraph(sentence, width))
        signs = [*_SIGNS, N_("a ! marks what is not as expected")]
        yield _line(listing(list(map(self.gettext, signs)), width))

    def _titled(
        self, grids: Sequence[Iterator[RenderableType] | list[Table]]
    ) -> Iterator[RenderableType]:
        for grid, parts in zip(self._grids, grids, strict=True):
            if len(self._grids) > 1:
                over = self.gettext("over {family}").format(family=_FAMILIES[grid.family])
                yield Text(over, style="bold")
            yield from parts


def _by_family(results: Sequence[Result], language: str) -> list[_FamilyGrid]:
    """Return a grid for each family of addresses."""
    families = dict.fromkeys(result.expectation.over for result in results)
    return [
        _FamilyGrid(tuple(r for r in results if r.expectation.over is family), language)
        for family in families
    ]


@frozen
class _OtherKinds:
    """The pairs that other kinds of probes than pings have measured: a line each, or where they are many, a
    grid for each kind."""

    results: Sequence[Result]
    language: str

    def drawn(self, width: int) -> Iterator[RenderableType]:
        """Yield lines, and grids of signs."""
        by_kind: dict[str, list[Result]] = {}
        for result in self.results:
            by_kind.setdefault(result.expectation.by, []).append(result)
        gettext = translator(self.language)
        few = [result for results in by_kind.values() if len(results) <= _FEW for result in results]
        if few:
            heads = tuple(gettext(word) for word in (N_("from"), N_("to"), N_("by"), N_("end")))
            yield Text()
            yield Table(heads, list(self._lines(few)), closest=2)
        for by, results in by_kind.items():
            if len(results) > _FEW:
                yield Text()
                yield Text(gettext("by {kind}").format(kind=by), style="bold")
                for grid in _by_family(results, self.language):
                    yield from grid.of_signs(width)

    def _lines(self, results: Sequence[Result]) -> Iterator[list[str]]:
        """Yield a row for the kinds of probes by which a pair ended in the same way."""
        alike: dict[tuple[str, str, Styled], list[str]] = {}
        for result in results:
            ends = result.expectation
            over = " (IPv6)" * (ends.over is Family.IPV6)
            alike.setdefault((ends.source.name, ends.target.name, self._end(result)), []).append(
                f"{ends.by}{over}"
            )
        for (source, target, end), kinds in alike.items():
            yield [source, target, ", ".join(with_ranges(kinds)), end]

    def _end(self, result: Result) -> Styled:
        gettext, outcome = translator(self.language), result.outcome
        words = {
            Verdict.ANSWERED: N_("answered"),
            Verdict.REFUSED: N_("refused"),
            Verdict.DROPPED: N_("dropped"),
            Verdict.UNKNOWN: N_("not known"),
        }
        word = gettext(words[outcome.verdict])
        where = f" ({outcome.cause})" if outcome.cause else ""
        text = f"{word}{where}"
        return Styled(text if result.passed else f"! {text}", "green" if result.passed else "red")


def with_ranges(kinds: Sequence[str]) -> Iterator[str]:
    """Yield kinds of probes, of which three and more ports in a row are one range: `tcp:80-99`."""
    runs: list[list[str]] = []
    for kind in kinds:
        if runs and _next_port(runs[-1][-1]) == kind:
            runs[-1].append(kind)
        else:
            runs.append([kind])
    for run in runs:
        if len(run) < _LEAST_RANGE:
            yield from run
        else:
            yield f"{run[0].partition(' ')[0]}-{run[-1].partition(':')[2]}"


def _next_port(kind: str) -> str:
    """Return the kind of probe to the next port, `tcp:81 (IPv6)` after `tcp:80 (IPv6)`; empty if none."""
    match = _PORT.fullmatch(kind)
    return f"{match[1]}{int(match[2]) + 1}{match[3]}" if match else ""


@frozen
class _FamilyGrid:
    """The pairs of one family."""

    results: tuple[Result, ...]
    language: str

    @property
    def family(self) -> Family:
        return self.results[0].expectation.over

    @property
    def size(self) -> int:
        return len(self.rows) * len(self.columns)

    @cached_property
    def rows(self) -> dict[str, dict[str, Result]]:
        """Source to target to what was measured."""
        rows: dict[str, dict[str, Result]] = {}
        for result in self.results:
            ends = result.expectation
            rows.setdefault(ends.source.name, {})[ends.target.name] = result
        return rows

    @cached_property
    def columns(self) -> list[str]:
        """Targets in the order of all rows: each row has all but its own machine."""
        columns: list[str] = []
        placed: set[str] = set()
        for results in self.rows.values():
            before = ""
            for target in results:
                if target not in placed:
                    placed.add(target)
                    columns.insert(columns.index(before) + 1 if before else 0, target)
                before = target
        return columns

    def of(self, sender: Callable[[Result], str]) -> Table:
        """Return a table whose cells say as whom a receiver saw the sender."""
        same = Styled("–", "dim")
        rows: list[list[str]] = [
            [
                source,
                *(
                    _cell(results[name], sender) if name in results else same
                    for name in self.columns
                ),
            ]
            for source, results in self.rows.items()
        ]
        return Table(("", *self.columns), rows, closest=1)

    def of_signs(self, width: int) -> Iterator[RenderableType]:
        """Yield single signs below numbers, in as many pieces as the width asks for."""
        gettext = translator(self.language)
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
            for digit in range(digits):  # Read downwards: a column is as wide as its sign.
                heads = [f"{numbers[name]:>{digits}}"[digit] for name in piece]
                yield _line(" " * margin + _in_tens(heads).plain, "bold")
            for label, results in zip(labels, self.rows.values(), strict=True):
                signs = [self._sign(results.get(name)) for name in piece]
                yield _line(Text(label.ljust(margin)) + _in_tens(signs))
        legend = gettext("Rows send, columns receive; the number of a column is read downwards.")
        yield _line(paragraph(legend, width))
        if below:
            yield _line(listing([named[name].strip() for name in below], width))
        senders = [
            gettext("{sign} as {name}").format(sign=sign, name=name)
            for name, sign in self._letters.items()
            if sign != _OTHER
        ]
        if _OTHER in self._letters.values():
            senders.append(gettext("* as others"))
        explained = [gettext(text) for text in (*_SIGNS, N_("! not as expected: see below"))]
        yield _line(
            listing([gettext("= reached, and seen as itself"), *senders, *explained], width)
        )

    def _sign(self, result: Result | None) -> Text:
        if result is None:
            return Text("–", "dim")
        if not result.passed:
            return Text("!", "red")
        if result.outcome.verdict is not Verdict.ANSWERED:
            return Text("✘", "green")
        return Text(_OWN if _is_own(result) else self._letters[_sender(result)], "green")

    @cached_property
    def _letters(self) -> dict[str, str]:
        """Owners of addresses that were seen, but for senders themselves, to a sign for each."""
        senders = dict.fromkeys(
            _sender(result)
            for result in self.results
            if result.passed and result.outcome.verdict is Verdict.ANSWERED and not _is_own(result)
        )
        return dict(zip(senders, [*ascii_lowercase, *_OTHER * len(senders)], strict=False))


@frozen
class _Failures:
    """The pairs that are not as expected, in so many lines as a person reads."""

    groups: Sequence[PairGroup]
    width: int
    language: str

    def lines(self) -> Iterator[Text]:
        """Yield the largest groups, and how many pairs are left."""
        for group in self.groups[:_MOST_GROUPS]:
            yield _line("\n".join(self._group(group)), "red")
        if left := self.groups[_MOST_GROUPS:]:
            pairs = sum(len(group.results) for group in left)
            text = self._text(
                N_("! … and {pairs} pairs more, that ended in {ways} other ways"),
                pairs=pairs,
                ways=len(left),
            )
            yield _line(paragraph(text, self.width, 2), "red")
        if any(len(group.results) > 1 for group in self.groups):
            yield _line(
                paragraph(self._text(N_("(Every pair is told by --json and --junit.)")), self.width)
            )

    def _group(self, group: PairGroup) -> Iterator[str]:
        """Yield what became of a group's pairs, and which: in a line, or in one for each block of them."""
        what = self._render(group.what)
        text = self._text(N_("! {pairs}: {what}"), pairs=self._pairs(group), what=what)
        yield paragraph(text, self.width, 4)
        if len(group.blocks) > 1:
            for block in group.blocks[:_MOST_BLOCKS]:
                yield self._indented(f"{self._named(block)} ({block.pairs})")
            if left := group.blocks[_MOST_BLOCKS:]:
                count = sum(block.pairs for block in left)
                yield "    " + self._text(N_("… and {count} more"), count=count)
        asked = {
            self._text(
                N_("{node} at {address}"),
                node=result.expectation.target.name,
                address=result.address,
            )
            for result in group.results
            if _is_chosen(result)
        }
        if asked:
            names = self._render(shortened(sorted(asked, key=natural), _MOST_NAMES))
            yield self._indented(
                self._text(N_("of several addresses, asked: {names}"), names=names)
            )
        if group.example:
            ends = group.results[0].expectation
            text = self._text(
                N_("for example {source} → {target}: {failure}"),
                source=ends.source.name,
                target=ends.target.name,
                failure=self._render(group.example),
            )
            yield self._indented(text)

    def _pairs(self, group: PairGroup) -> str:
        """Which pairs, or only how many where they are several blocks; and the family if it is IPv6."""
        count = len(group.results)
        pairs = self._text(N_("{count} pairs"), count=count)
        names = pairs if len(group.blocks) > 1 else self._named(group.blocks[0])
        if group.over is Family.IPV6:
            names = self._text(N_("{pairs} over IPv6"), pairs=names)
        if group.by != ICMP:
            names = self._text(N_("{pairs} by {kind}"), pairs=names, kind=group.by)
        if len(group.blocks) > 1 or count == 1:
            return names
        return self._text(N_("{names}, {count} pairs"), names=names, count=count)

    def _named(self, block: PairBlock) -> str:
        sources, targets = (
            self._render(shortened(names, _MOST_NAMES)) for names in (block.sources, block.targets)
        )
        return f"{sources} → {targets}"

    def _indented(self, text: str) -> str:
        return "    " + paragraph(text, self.width - 4, 6)

    def _text(self, text: str, **arguments: object) -> str:
        return translator(self.language)(text).format(**arguments)

    def _render(self, text: str) -> str:
        return render(text, self.language)


def _is_chosen(result: Result) -> bool:
    """Return whether the target has several addresses, and one was chosen."""
    return result.address is not None and result.expectation.chose


def _pieces(columns: Sequence[str], room: int) -> Iterator[Sequence[str]]:
    """Yield as many columns as there is room for, with a space after every ten."""
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
    """Return a line that is broken already, if it has to be."""
    line = Text(text, style) if isinstance(text, str) else text
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _cell(result: Result, sender: Callable[[Result], str]) -> Styled:
    match result.outcome.verdict:
        case Verdict.ANSWERED:
            shown = sender(result)
        case Verdict.UNKNOWN:
            shown = "?"
        case _:
            shown = "✘"
    return Styled(shown if result.passed else f"! {shown}", "green" if result.passed else "red")


def _source_address(result: Result) -> str:
    return result.outcome.seen_as or ""


def _sender(result: Result) -> str:
    """Return the endpoint whose address was seen, or an address that no endpoint has."""
    return result.seen_as or _source_address(result)


def _machine(result: Result) -> str:
    return _sender(result).partition("@")[0]


def _is_own(result: Result) -> bool:
    return _machine(result) == result.expectation.source.node.name
