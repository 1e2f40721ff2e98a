"""A table for any width, in which nothing is ever broken but at a space: no address, MAC, port or name.

What has no room is set closer; then headings take several lines, columns that can be spared are left out
(which is said), texts are broken at spaces, and at last every row is told as `key value` lines.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len

from netlab.frozen import frozen
from netlab.report.styled import Styled, style_of

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_GAP = 2
_LEAST_BROKEN = 16
"""Columns below which a text is not made narrower by breaking it."""
_IDEOGRAPH, _CLOSING = r"\u3400-\u9fff", "，。：；、）"
_WORD = re.compile(rf"\s*（*(?:[{_IDEOGRAPH}]|[^\s{_IDEOGRAPH}（{_CLOSING}]+)[{_CLOSING}]*|\s*\S")
"""Piece of a text between breaks, with the space before it: a word, or a Chinese character, which no space
parts, each with the punctuation that may not begin a line."""
_PART = re.compile(r"\s*@?[^\s@]+")
"""Piece of a heading: it may be broken before the `@` of an endpoint too."""
_NOTHING = ("", "–")


@frozen
class Table:
    """Rows below headings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Several lines in a cell are possible."""
    spare: Sequence[str] = ()
    """Columns that are left out where there is no room; the most telling first."""
    gap: int = _GAP
    """Spaces between two columns."""
    closest: int = _GAP
    """Spaces between two columns where there is no room. One is enough only for cells without a space."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        parts = ((str(part), style_of(part)) for part in self._parts(options.max_width))
        yield Text.assemble(*parts, no_wrap=True, overflow="ignore")

    def as_text(self, width: int) -> str:
        """Return the lines without styles."""
        return "".join(self._parts(width))

    def fits(self, width: int) -> bool:
        """Return whether all columns have room with no cell broken."""
        return self._whole(range(len(self.columns)), width) is not None

    def _parts(self, width: int) -> list[str]:
        every = range(len(self.columns))
        chosen = self._chosen(width)
        if setting := self._whole(chosen, width) or self._broken(chosen, width):
            missing = [self.columns[n] for n in every if n not in chosen]
            return [*self._set(chosen, *setting), *_missing_note(missing, width)]
        return list(self._as_pairs(width))

    def _chosen(self, width: int) -> list[int]:
        """Return the columns for which there is room; all that cannot be spared are among them."""
        every = range(len(self.columns))
        if self._whole(every, width):
            return list(every)
        chosen = {n for n in every if self.columns[n] not in self.spare}
        for name in self.spare:
            extended = {*chosen, self.columns.index(name)}
            if self._whole(sorted(extended), width):
                chosen = extended
        return sorted(chosen)

    @cached_property
    def _texts(self) -> list[list[list[str]]]:
        """The lines of every cell, column by column."""
        return [[str(row[n]).split("\n") for row in self.rows] for n in range(len(self.columns))]

    @cached_property
    def _cells(self) -> list[int]:
        """Width of each column's cells."""
        return [_widest(line for cell in column for line in cell) for column in self._texts]

    @cached_property
    def _words(self) -> list[int]:
        """Least width of each column's cells, if they are broken at spaces."""
        return [
            max(
                _widest(word for cell in column for line in cell for word in line.split()),
                min(whole, _LEAST_BROKEN),
            )
            for column, whole in zip(self._texts, self._cells, strict=True)
        ]

    def _whole(self, chosen: Sequence[int], width: int) -> tuple[int, list[int]] | None:
        """Return gap and widths if no cell is to be broken, and headings only where nothing else helps."""
        most = [max(self._cells[n], cell_len(self.columns[n])) for n in chosen]
        least = [max(self._cells[n], _head(self.columns[n])) for n in chosen]
        for gap, narrowest in ((self.gap, most), (self.closest, most), (self.closest, least)):
            if widths := _shared(narrowest, most, width - gap * (len(chosen) - 1)):
                return gap, widths
        return None

    def _broken(self, chosen: Sequence[int], width: int) -> tuple[int, list[int]] | None:
        """Return gap and widths if cells are broken at spaces."""
        most = [max(self._cells[n], cell_len(self.columns[n])) for n in chosen]
        least = [max(self._words[n], _head(self.columns[n])) for n in chosen]
        widths = _shared(least, most, width - _GAP * (len(chosen) - 1))
        return (_GAP, widths) if widths else None

    def _set(self, chosen: Sequence[int], gap: int, widths: Sequence[int]) -> Iterator[str]:
        heads = [
            _broken(self.columns[n], width, _PART) for n, width in zip(chosen, widths, strict=True)
        ]
        deepest = max(map(len, heads), default=0)
        # At the foot, over its column.
        heads = [[""] * (deepest - len(head)) + head for head in heads]
        yield Styled(
            "\n".join(_joined(line, widths, gap) for line in zip(*heads, strict=True)), "bold"
        )
        for number, row in enumerate(self.rows):
            cells = [
                [part for line in self._texts[n][number] for part in _broken(line, width)]
                for n, width in zip(chosen, widths, strict=True)
            ]
            styles = [style_of(row[n]) for n in chosen]
            for line in zip_longest(*cells, fillvalue=""):
                yield "\n"
                if any(styles):
                    yield from _styled(line, widths, gap, styles)
                else:
                    yield _joined(line, widths, gap)

    def _as_pairs(self, width: int) -> Iterator[str]:
        """Yield every row as lines of key and value; without keys that have no value."""
        short = [name for name in self.columns if cell_len(name) + _GAP <= width // 2]
        keys = _widest(short) + _GAP
        for number, row in enumerate(self.rows):
            yield "\n\n" if number else ""
            pairs = [
                (name, _value(column[number], keys if name in short else width, width))
                for name, column, cell in zip(self.columns, self._texts, row, strict=True)
                if str(cell) not in _NOTHING
            ]
            for n, (name, value) in enumerate(pairs):
                yield "\n" if n else ""
                yield Styled(name.ljust(keys) if value[0] else name, "" if n else "bold")
                yield "\n".join(value)


def paragraph(text: str, width: int, indent: int = 0) -> str:
    """Return a text broken at spaces, every line but the first moved to the right."""
    first, *_ = _broken(text, width)
    remaining = text[len(first) :].strip()
    lines = _broken(remaining, width - indent) if remaining else []
    return f"\n{' ' * indent}".join([first, *lines])


def listing(items: Sequence[str], width: int, between: str = "   ") -> str:
    """Return items in as many lines as they take, each of them whole."""
    return "\n".join(_filled([between * bool(n) + item for n, item in enumerate(items)], width))


def _missing_note(names: Sequence[str], width: int) -> Iterator[str]:
    if names:
        note = f"(left out: {', '.join(names)}; a wider terminal, a pipe or --json has all)"
        yield Styled("\n" + paragraph(note, width), "dim")


def _value(lines: Sequence[str], keys: int, width: int) -> list[str]:
    """Return a value behind its key, or below it (then the first line is empty) if it has no room there."""
    longest = _widest(word for line in lines for word in line.split())
    if keys + longest <= width:
        room, margin, start = width - keys, " " * keys, []
    else:
        margin = "  " if longest + _GAP <= width else ""
        room, start = width - len(margin), [""]
    broken = [part for line in lines for part in _broken(line, room)]
    return [*start, *(f"{margin if n or start else ''}{part}" for n, part in enumerate(broken))]


def _shared(least: Sequence[int], most: Sequence[int], room: int) -> list[int] | None:
    """Return widths between `least` and `most` that have room, the widest of them as even as possible."""
    if sum(least) > room:
        return None

    def under(cap: int) -> list[int]:
        return [min(high, max(low, cap)) for low, high in zip(least, most, strict=True)]

    caps = range(max(most, default=0) + 1)
    return under(bisect_right(caps, room, key=lambda cap: sum(under(cap))) - 1)


def _broken(text: str, width: int, piece: re.Pattern[str] = _WORD) -> list[str]:
    return [text] if cell_len(text) <= width else _filled(piece.findall(text), width)


def _filled(parts: Sequence[str], width: int) -> list[str]:
    """Return lines of parts, no longer than `width` unless a single part is."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1] + part) <= width:
            lines[-1] += part
        else:
            lines.append(part.lstrip() if lines else part)
    return lines


def _head(name: str) -> int:
    """Return the least width of a heading."""
    return _widest(part.strip() for part in _PART.findall(name))


def _joined(line: Sequence[str], widths: Sequence[int], gap: int) -> str:
    return (" " * gap).join(map(_padded, line, widths)).rstrip()


def _styled(
    line: Sequence[str], widths: Sequence[int], gap: int, styles: Sequence[str]
) -> Iterator[str]:
    end = max((n for n, part in enumerate(line, 1) if part), default=0)
    for n, part in enumerate(line[:end]):
        yield Styled(part, styles[n])
        if n + 1 < end:
            yield " " * (widths[n] - cell_len(part) + gap)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _widest(texts: Iterator[str] | Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0)
