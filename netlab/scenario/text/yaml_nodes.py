"""YAML text in, nodes with their positions out: libyaml finds them, YAML 1.2 says what words mean.

libyaml is a parser of YAML 1.1, where `on` is a truth and `52:54:00:12:34:56` may be a number. It is
asked for its events only; what a word means is for `resolve_scalar` to say, by the core schema of
YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), but that only decimal numbers are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError

from netlab.errors import Missing

if TYPE_CHECKING:
    from yaml._yaml import CParser

MAX_DEPTH = 20
_LONGEST_NUMBER = 19
"""Digits. Python takes quadratic time for a number's, and nothing here is counted so high."""
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(r"[-+]?[0-9]+")
_TOO_DEEP_FOR_LIBYAML = "exceeded maximum nesting depth"
_NO_BRACKETS = str.maketrans("[{", ",,")


class Mark(Protocol):
    """A position in a text, in characters and from 0."""

    index: int
    line: int
    column: int


class YamlScalar(NamedTuple):
    """A word; `start` is where its anchor or its tag begins, if it has one."""

    start: Mark
    end: Mark
    text: str
    value: Any
    """The value that it stands for: None, a truth, a number, text."""


class YamlSequence(NamedTuple):
    """`[a, b]`, or lines with dashes."""

    start: Mark
    end: Mark
    items: list[YamlNode]
    is_flow: bool


@dataclass(frozen=True, eq=False)
class YamlMapping:
    """`{a: b}`, or lines."""

    start: Mark
    end: Mark
    entries: list[tuple[YamlNode, YamlNode]]
    is_flow: bool

    @cached_property
    def by_key(self) -> dict[str | int | None, tuple[YamlNode, YamlNode]]:
        """Return the entries by key; of those with one key, the first."""
        return {key_text(key): (key, value) for key, value in reversed(self.entries)}


class YamlAlias(NamedTuple):
    """`*name`: `node` once more."""

    start: Mark
    end: Mark
    node: YamlScalar | YamlSequence | YamlMapping


YamlNode: TypeAlias = YamlScalar | YamlSequence | YamlMapping | YamlAlias


class Unreadable(Exception):
    """A text is no YAML; `position` is its line and column, from 1."""

    def __init__(self, message: str, position: tuple[int, int], fix: str) -> None:
        super().__init__(message)
        self.what, self.position, self.fix = message, position, fix


def compose(text: str) -> YamlNode | None:
    """Return the root node of a text's only document; None if it has none. Raises Unreadable, Missing."""
    try:
        from yaml._yaml import CParser  # Not in a PyYAML that was built without libyaml.
    except ImportError as error:
        raise Missing(
            "PyYAML was built without libyaml",
            "install its wheel (`pip install --force-reinstall pyyaml`) or Debian's python3-yaml",
        ) from error
    try:
        try:
            return _Composer(CParser(text)).document()
        except MarkedYAMLError as error:
            if error.problem != _TOO_DEEP_FOR_LIBYAML or error.problem_mark is None:
                raise
            return _Composer(CParser(_shallower(text, error.problem_mark))).document()
    except MarkedYAMLError as error:
        message = " ".join(part for part in (error.context, error.problem) if part)
        raise _refusal(
            text, f"not YAML: {message}", error.problem_mark or error.context_mark
        ) from None
    except ReaderError as error:
        before = text.encode()[: error.position].decode()
        message = f"not YAML: the control character {ascii(text[len(before)])[1:-1]}"
        raise Unreadable(message, _end(before), "save the scenario as plain text") from None


def _shallower(text: str, mark: Mark) -> str:
    """Return the text nested no deeper than before a mark, with everything else where it was.

    From 0.2.6 on, libyaml refuses what is a thousand deep by itself, and looks so far ahead before it
    tells of the first bracket. Without those that are too many for it, it tells of all before, as
    older ones do.
    """
    return text[: mark.index] + text[mark.index :].translate(_NO_BRACKETS)


def _refusal(text: str, message: str, mark: Mark | None) -> Unreadable:
    fix = "correct the syntax here or just above"
    if mark is None or mark.index >= len(text):  # Behind the last line, where no editor goes.
        return Unreadable(message, _end(text.rstrip("\r\n")), fix)
    char = text[mark.index]
    if char == ":":
        fix = "put quotes around a text with ':' at its beginning, at its end or before a space"
    message = message.replace("found character that", f"found the character '{char}' that")
    return Unreadable(message, position(mark), fix)


def _end(text: str) -> tuple[int, int]:
    lines = text.splitlines(keepends=True) or [""]
    if lines[-1].endswith(("\r", "\n")):
        return len(lines) + 1, 1
    return len(lines), len(lines[-1]) + 1


def position(mark: Mark) -> tuple[int, int]:
    """Return line and column, counted from 1."""
    return mark.line + 1, mark.column + 1


def follow_alias(node: YamlNode) -> YamlScalar | YamlSequence | YamlMapping:
    """Return the node itself, or the node that it stands for if it is an alias."""
    return node.node if isinstance(node, YamlAlias) else node


def key_text(key: YamlNode) -> str | None:
    """Return a key as it is written; None if it is no word but a list or a mapping."""
    node = follow_alias(key)
    return node.text if isinstance(node, YamlScalar) else None


def entry(node: YamlNode, step: str | int) -> tuple[YamlNode, YamlNode] | None:
    """Return key and value of a mapping's key, or a list's item at an index twice; None if there is none."""
    match node:
        case YamlMapping():
            return node.by_key.get(step)
        case YamlSequence() if isinstance(step, int) and step < len(node.items):
            return node.items[step], node.items[step]
    return None


class _Composer:
    """A builder of nodes from libyaml's events, no deeper than a scenario goes: nesting cannot crash it."""

    def __init__(self, parser: CParser) -> None:
        # Any: PyYAML's stubs are less certain of events than they are.
        self._next: Callable[[], Any] = parser.get_event
        self.anchors: dict[str | None, YamlScalar | YamlSequence | YamlMapping] = {}

    def document(self) -> YamlNode | None:
        self._next()  # The stream begins.
        if isinstance(self._next(), StreamEndEvent):
            return None
        root = self._node(self._next(), 0)
        self._next()  # The document ends.
        after = self._next()
        if not isinstance(after, StreamEndEvent):
            message = "not YAML: expected one document, but found another"
            raise Unreadable(message, position(after.start_mark), "write one scenario in a file")
        return root

    def _node(self, event: Any, depth: int) -> YamlNode:
        kind = type(event)  # Most are words: a large file has thousands.
        node: YamlScalar | YamlSequence | YamlMapping
        if kind is ScalarEvent:
            node = YamlScalar(event.start_mark, event.end_mark, event.value, _value(event))
        elif kind is AliasEvent:
            return self._alias(event)
        elif depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} levels deep"
            raise Unreadable(message, position(event.start_mark), "a scenario is a few levels deep")
        elif kind is SequenceStartEvent:
            self.anchors.pop(event.anchor, None)
            items, end = self._until(SequenceEndEvent, depth)
            node = YamlSequence(event.start_mark, end, items, bool(event.flow_style))
        else:
            self.anchors.pop(event.anchor, None)
            nodes, end = self._until(MappingEndEvent, depth)
            entries = list(zip(nodes[::2], nodes[1::2], strict=True))
            node = YamlMapping(event.start_mark, end, entries, bool(event.flow_style))
        self.anchors[event.anchor] = node
        return node

    def _until(self, last: object, depth: int) -> tuple[list[YamlNode], Mark]:
        nodes = []
        while type(event := self._next()) is not last:
            nodes.append(self._node(event, depth + 1))
        return nodes, event.end_mark

    def _alias(self, event: Any) -> YamlAlias:
        if event.anchor not in self.anchors:
            message = f"not YAML: the alias '*{event.anchor}' stands for nothing above it"
            raise Unreadable(
                message, position(event.start_mark), "name what has `&` and this name above"
            )
        return YamlAlias(event.start_mark, event.end_mark, self.anchors[event.anchor])


def resolve_scalar(text: str) -> Any:
    """Return the value of a word without quotes, by YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in "+-0123456789" else text


def _value(event: ScalarEvent) -> Any:
    if event.tag is not None:
        return _tagged(event.value, event.tag)
    return event.value if event.style else resolve_scalar(event.value)


def _number(text: str) -> int | str:
    is_number = len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text)
    return int(text) if is_number else text


def _tagged(text: str, tag: str) -> Any:
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _number(text)
        case _:
            return text
