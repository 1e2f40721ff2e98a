"""A scenario's text with other data: only what differs is written anew, all else stays as it is.

The data as they are and as they shall be are compared along the text's nodes: a value is replaced
where it stands, an entry is added in its mapping's own style, one that goes takes its lines or its
piece along. The result is read again, and must have the new data. Where it does not (a value
that is shared by an alias, a rare form), aliases are written out, and larger and larger parts are
written anew, at last the whole document. Pure.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from netlab.errors import ScenarioError
from netlab.scenario.text.document import Document, decoded, parse
from netlab.scenario.text.yaml_nodes import (
    MAX_DEPTH,
    YamlAlias,
    YamlMapping,
    YamlNode,
    YamlSequence,
    key_text,
    resolve_scalar,
)

_NEWLINE = re.compile(r"\r\n|\r|\n")
_REST_OF_LINE = re.compile(r"[ \t]*(#[^\r\n]*)?(?=[\r\n]|\Z)")
_DASH = re.compile(r"^[ \t]*(-)(?=\s)", re.MULTILINE)
_PLAIN = re.compile(r"[\w./](?:[\w./@+*%-]|:(?=[\w:/.])| +(?=[\w./]))*")
"""Words that mean themselves without quotes wherever they stand, numbers and the like apart."""


def rewrite(document: Document, data: Any) -> Document:
    """Return the document with other data. Raises ScenarioError if it becomes larger than one may be."""
    text = decoded(document.text)
    mark = codecs.BOM_UTF8 if document.text.startswith(codecs.BOM_UTF8) else b""
    tried = set()
    for finest, has_aliases in _attempts():
        changed = _Text(text, finest, has_aliases).with_data(document, data)
        if changed in tried:
            continue
        tried.add(changed)
        try:
            result = parse(mark + changed.encode(), document.file)
        except ScenarioError:
            if finest == 0:
                raise
            continue
        if not result.problems and _is_same(result.data, data):
            return result
    raise AssertionError("a document that was written whole says something else")


def _attempts() -> Iterator[tuple[int, bool]]:
    """Yield the depth down to which parts are changed by parts of theirs, and whether aliases stay."""
    yield MAX_DEPTH, True
    for finest in range(MAX_DEPTH, -1, -1):
        yield finest, False


def _is_same(first: Any, second: Any) -> bool:
    """Return whether values are equal, and of the same types: 1 is not true."""
    return first == second and repr(first) == repr(second)


class _Text:
    """A text, and the replacements of its pieces."""

    def __init__(self, text: str, finest: int, has_aliases: bool) -> None:
        self.text = text
        self.finest = finest
        self.has_aliases = has_aliases
        newline = _NEWLINE.search(text)
        self.newline = newline[0] if newline else "\n"
        self.splices: list[tuple[int, int, str]] = []

    def with_data(self, document: Document, data: Any) -> str:
        assert document.root
        self._change(document.root, document.data, data, 0)
        pieces, done = [], 0
        # Of several at one place the inner one was noted first, and the order of equals is kept.
        for start, end, text in sorted(self.splices, key=lambda splice: splice[0]):
            pieces += [self.text[done:start], text]
            done = max(done, end)
        return "".join((*pieces, self.text[done:]))

    def _change(
        self, node: YamlNode, old: Any, new: Any, depth: int, key: YamlNode | None = None
    ) -> None:
        if self.has_aliases and _is_same(old, new):
            return
        match node:
            case YamlMapping() if isinstance(new, dict) and depth < self.finest and {*old} & {*new}:
                self._change_mapping(node, old, new, depth)
            case YamlSequence() if isinstance(new, list) and depth < self.finest and old and new:
                self._change_sequence(node, old, new, depth)
            case _ if isinstance(node, YamlAlias) or not _is_same(old, new):
                self._replace(node, _written(new), key)

    def _change_mapping(self, node: YamlMapping, old: Any, new: Any, depth: int) -> None:
        names = [key_text(key) for key, _ in node.entries]
        for name, (key, value) in zip(names, node.entries, strict=True):
            if name in new:
                self._change(value, old[name], new[name], depth + 1, key)
        parts = [(key.start.index, self._end(value)) for key, value in node.entries]
        added = [f"{_key(name)}: {_written(new[name])}" for name in new if name not in old]
        self._change_parts(node, parts, [name in new for name in names], added)

    def _change_sequence(self, node: YamlSequence, old: Any, new: Any, depth: int) -> None:
        stay = _staying(old, new)
        new_items = iter(new)
        for item, old_item, stays in zip(node.items, old, stay, strict=True):
            if stays:
                self._change(item, old_item, next(new_items), depth + 1)
        if node.is_flow:
            parts = [(item.start.index, self._end(item)) for item in node.items]
            added = [_written(item) for item in new_items]
        else:
            ends = map(self._end, node.items)
            parts = list(zip(self._dashes(node), ends, strict=True))
            added = [f"- {_written(item)}" for item in new_items]
        self._change_parts(node, parts, stay, added)

    def _change_parts(
        self,
        node: YamlMapping | YamlSequence,
        parts: list[tuple[int, int]],
        stay: list[bool],
        added: list[str],
    ) -> None:
        """Take parts of a collection out, and add others behind the last one that stays."""
        remove = self._remove_from_flow if node.is_flow else self._remove_lines
        for stays, group in groupby(range(len(parts)), stay.__getitem__):
            if not stays:
                run = list(group)
                remove(parts, run[0], run[-1])
        _, last = [part for part, stays in zip(parts, stay, strict=True) if stays][-1]
        if node.is_flow:
            self._note(last, last, "".join(f", {text}" for text in added))
        else:
            indent = self.newline + " " * (parts[0][0] - self._line_start(parts[0][0]))
            at = self._line_end(last)
            self._note(at, at, "".join(indent + text for text in added))

    def _remove_from_flow(self, parts: list[tuple[int, int]], first: int, last: int) -> None:
        start, end = parts[first][0], parts[last][1]
        comma = re.compile(r"\s*,").match(self.text, end)
        behind = comma.end() if comma else end
        if self._begins_line(start) and _REST_OF_LINE.match(self.text, behind):
            self._note(self._line_start(start), self._next_line(behind), "")
        elif last + 1 < len(parts):
            self._note(start, parts[last + 1][0], "")
        else:
            self._note(parts[first - 1][1], end, "")

    def _remove_lines(self, parts: list[tuple[int, int]], first: int, last: int) -> None:
        start, end = parts[first][0], parts[last][1]
        if self._begins_line(start):
            self._note(self._line_start(start), self._next_line(end), "")
        else:  # It stands behind a dash, where the next one takes its place.
            self._note(start, parts[last + 1][0] if last + 1 < len(parts) else end, "")

    def _replace(self, node: YamlNode, text: str, key: YamlNode | None) -> None:
        start, end = node.start.index, self._end(node)
        if start == end:
            is_apart = self.text[start - 1 : start].isspace()
            self._note(start, end, text if is_apart else f" {text}")
        elif key and _has_lines(node) and self._begins_line(start):
            colon = self.text.index(":", key.end.index) + 1
            self._note(colon, colon, f" {text}")
            self._note(self._line_end_before(start), self._line_end(end), "")
        else:
            self._note(start, end, text)

    def _note(self, start: int, end: int, text: str) -> None:
        self.splices.append((start, end, text))

    def _end(self, node: YamlNode) -> int:
        """Return where a value's last word ends; libyaml's lines end where something else begins."""
        match node:
            case YamlMapping(is_flow=False):
                return self._end(node.entries[-1][1])
            case YamlSequence(is_flow=False):
                return self._end(node.items[-1])
        start = node.start.index
        return start + len(self.text[start : node.end.index].rstrip())

    def _dashes(self, node: YamlSequence) -> Iterator[int]:
        """Yield where the items of lines with dashes begin. A comment between may have dashes too."""
        behind = node.start.index
        for item in node.items:
            if self.text.startswith("-", behind):
                yield behind
            elif line := _DASH.search(self.text, behind, item.start.index):
                yield line.start(1)
            else:
                yield self.text.rindex("-", 0, item.start.index)
            behind = self._end(item)

    def _line_start(self, index: int) -> int:
        return max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1

    def _begins_line(self, index: int) -> bool:
        return not self.text[self._line_start(index) : index].strip()

    def _line_end(self, index: int) -> int:
        newline = _NEWLINE.search(self.text, index)
        return newline.start() if newline else len(self.text)

    def _line_end_before(self, index: int) -> int:
        before = self.text[: self._line_start(index)]
        return len(before) - (2 if before.endswith("\r\n") else 1)

    def _next_line(self, index: int) -> int:
        newline = _NEWLINE.search(self.text, index)
        return newline.end() if newline else len(self.text)


def _has_lines(node: YamlNode) -> bool:
    return isinstance(node, YamlMapping | YamlSequence) and not node.is_flow


def _staying(old: list[Any], new: list[Any]) -> list[bool]:
    """Return which items of a list become those of another, in order; behind them it may go on.

    Where there are fewer, each becomes the item that is most like it.
    """
    spare = max(len(old) - len(new), 0)
    stay: list[bool] = []
    for item in new[: len(old)]:
        near = old[len(stay) : len(stay) + spare + 1]
        likeness = [_likeness(candidate, item) for candidate in near]
        skipped = likeness.index(max(likeness))
        stay += [False] * skipped + [True]
        spare -= skipped
    return stay + [False] * (len(old) - len(stay))


def _likeness(first: Any, second: Any) -> tuple[bool, int]:
    shared = 0
    if isinstance(first, dict) and isinstance(second, dict):
        shared = sum(key in second and _is_same(first[key], second[key]) for key in first)
    return _is_same(first, second), shared


def _written(value: Any) -> str:
    """Return a value as text that fits into a line, within brackets or not."""
    match value:
        case dict():
            entries = (f"{_key(name)}: {_written(item)}" for name, item in value.items())
            return f"{{{', '.join(entries)}}}"
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case _:
            return (
                value
                if _PLAIN.fullmatch(value) and resolve_scalar(value) == value
                else _quoted(value)
            )


def _key(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    shown = (char if char.isprintable() else ascii(char)[1:-1] for char in escaped)
    return f'"{"".join(shown)}"'
