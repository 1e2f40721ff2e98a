"""YAML text in, plain data with positions out.

The nodes of a text (`yaml_nodes`) become dicts, lists and words, and stay beside
them: so every key and value is found in its line and column. Duplicate keys
are all found, and aliases are expanded under a budget (a "YAML bomb" of a few
hundred bytes would otherwise become gigabytes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from netlab.errors import Problem, ScenarioError
from netlab.scenario.text import yaml_nodes
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.text.yaml_nodes import YamlMapping, YamlNode, YamlScalar, YamlSequence
from netlab.visible import visible

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
_LONGEST = 1_000
"""Letters of a message: the file may have words of any length."""


@dataclass(frozen=True, order=True)
class Position:
    """A position in the file, counted from 1."""

    line: int
    column: int


@dataclass
class Document:
    """A parsed file: its data, and the nodes that know the position of each key and value."""

    file: str
    data: Any = None
    text: bytes = b""
    root: YamlNode | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def key(self, path: DataPath) -> Position:
        """Return the position of the key at `path`, or of the nearest thing around it."""
        around, remaining = self._nearest(path[:-1])
        pair = around and path and not remaining and yaml_nodes.entry(around, path[-1])
        return _position(pair[0]) if pair else self.value(path)

    def value(self, path: DataPath) -> Position:
        """Return the position of the value at `path`, or of the nearest thing around it."""
        node, _ = self._nearest(path)
        return _position(node) if node else Position(1, 1)

    def _nearest(self, path: DataPath) -> tuple[YamlNode | None, DataPath]:
        """Return the innermost node on `path`, and how the path goes on where there is none."""
        node = self.root and yaml_nodes.follow_alias(self.root)
        while node and path and (pair := yaml_nodes.entry(node, path[0])):
            node, path = yaml_nodes.follow_alias(pair[1]), path[1:]
        return node, path

    def report(self, problem: PathProblem) -> None:
        """Note a problem or a warning at the position of its path."""
        position = self.key(problem.path) if problem.on_key else self.value(problem.path)
        notes = self.warnings if problem.is_warning else self.problems
        notes.append(self._located(position, problem.what, problem.fix))

    def complain(self, position: Position, message: str, fix: str) -> None:
        """Note a problem at a position."""
        self.problems.append(self._located(position, message, fix))

    def _located(self, position: Position, message: str, fix: str) -> Problem:
        """Quotations from the file lose their control characters."""
        line, column = position.line, position.column
        return Problem(visible(self.file), line, column, _shown(message), _shown(fix))


def parse(text: bytes, file: str) -> Document:
    """Read one YAML 1.2 document; `file` is for messages.

    Raises ScenarioError when the text is no YAML at all; duplicate keys and
    oversized structures are left in `problems` of the result.
    """
    document = Document(file, text=text)
    document.root = _compose(text, document)
    if document.root is None:
        document.complain(
            Position(1, 1), "the file is empty", "start from `netlab scenarios --show nat`"
        )
        raise ScenarioError(document.problems)
    try:
        document.data = _Builder(document).read(document.root, 0)
    except _TooBig as too_big:
        document.complain(
            _position(too_big.node), str(too_big), "a scenario is a small file; remove the aliases"
        )
        raise ScenarioError(document.problems) from None
    return document


def decoded(text: bytes) -> str:
    """Return the text without its byte order mark. Raises UnicodeDecodeError."""
    return text.decode("utf-8-sig")


def _compose(text: bytes, document: Document) -> YamlNode | None:
    if len(text) > MAX_BYTES:
        _refuse(
            document,
            Position(1, 1),
            f"the file has more than the {MAX_BYTES:,} bytes that a scenario may have",
            "check that this is the file you meant",
        )
    try:
        return yaml_nodes.compose(decoded(text))
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        _refuse(
            document,
            Position(line, 1),
            f"byte 0x{text[error.start]:02x} is not UTF-8 text",
            "save the scenario as a UTF-8 text file",
        )
    except yaml_nodes.Unreadable as error:
        _refuse(document, Position(*error.position), error.what, error.fix)


def _refuse(document: Document, position: Position, message: str, fix: str) -> NoReturn:
    document.complain(position, message, fix)
    raise ScenarioError(document.problems) from None


def _shown(text: str) -> str:
    """Remove what a terminal would obey, and cut to what anybody would read."""
    return visible(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _position(node: YamlNode) -> Position:
    return Position(*yaml_nodes.position(node.start))


class _TooBig(Exception):
    def __init__(self, message: str, node: YamlNode) -> None:
        super().__init__(message)
        self.node = node


class _Builder:
    """A reader that turns nodes into data, spending the budget of values."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.budget = MAX_VALUES

    def read(self, node: YamlNode, depth: int) -> Any:
        node = yaml_nodes.follow_alias(node)
        self.budget -= 1
        if self.budget < 0:
            raise _TooBig(f"more than {MAX_VALUES:,} values after expanding aliases", node)
        if depth > yaml_nodes.MAX_DEPTH:
            raise _TooBig(f"nested more than {yaml_nodes.MAX_DEPTH} levels deep", node)
        match node:
            case YamlScalar():
                return node.value
            case YamlSequence():
                return [self.read(item, depth + 1) for item in node.items]
            case YamlMapping():
                return self._mapping(node, depth)

    def _mapping(self, node: YamlMapping, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.entries:
            key = yaml_nodes.key_text(key_node)
            if key is None:
                self.document.complain(
                    _position(key_node), "a key must be a plain word", "remove this key"
                )
            elif key in result:
                self.document.complain(
                    _position(key_node),
                    f"'{key}' was already given on line {lines[key]}",
                    "keep only one of them",
                )
            else:
                lines[key] = key_node.start.line + 1
                result[key] = self.read(value_node, depth + 1)
        return result
