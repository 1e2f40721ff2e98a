"""YAML text in, plain data with positions out.

The document is composed, not constructed: ruamel gives the node graph with
the mark of every node, and this module turns it into dicts, lists and
scalars itself. So every key and value keeps its line and column, duplicate
keys are all found, and aliases are expanded under a budget (a "YAML bomb" of
a few hundred bytes would otherwise become gigabytes).
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from netlab.errors import Problem, ScenarioError

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 20

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Position:
    """A place in the file, counted from 1."""

    line: int
    column: int


@dataclass
class Document:
    """A parsed file: its data, and where each key and value stands."""

    file: str
    data: Any = None
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def key(self, path: Path) -> Position:
        """Position of the key at `path`, or of the nearest thing around it."""
        return self.keys.get(path) or self.value(path)

    def value(self, path: Path) -> Position:
        """Position of the value at `path`, or of the nearest thing around it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Position(1, 1))

    def complain(self, position: Position, what: str, fix: str) -> None:
        """Note one problem at `position`. What the file says is shown without control characters."""
        self.problems.append(self._problem(position, what, fix))

    def warn(self, position: Position, what: str, fix: str) -> None:
        """Note what is no problem here, but would be one elsewhere."""
        self.warnings.append(self._problem(position, what, fix))

    def _problem(self, position: Position, what: str, fix: str) -> Problem:
        line, column = position.line, position.column
        return Problem(self.file, line, column, _visible(what), _visible(fix))


def parse(text: bytes, file: str) -> Document:
    """Read one YAML 1.2 document.

    Raises ScenarioError when the text is no YAML at all; duplicate keys and
    oversized structures are left in `problems` of the result.
    """
    document = Document(file)
    node = _compose(text, document)
    if node is None:
        document.complain(
            Position(1, 1), "the file is empty", "start from `netlab scenarios --show nat`"
        )
        raise ScenarioError(document.problems)
    try:
        document.data = _Reader(document).read(node, (), 0)
    except _TooBig as too_big:
        document.complain(
            _position(too_big.node), str(too_big), "a scenario is a small file; remove the aliases"
        )
        raise ScenarioError(document.problems) from None
    return document


def _compose(text: bytes, document: Document) -> Node | None:
    if len(text) > MAX_BYTES:
        _refuse(
            document,
            Position(1, 1),
            f"the file has {len(text):,} bytes, more than the {MAX_BYTES:,} a scenario may have",
            "check that this is the file you meant",
        )
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        _refuse(
            document,
            Position(line, 1),
            f"byte 0x{text[error.start]:02x} is not UTF-8 text",
            "save the scenario as a UTF-8 text file",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML 1.2 allows it.
            return YAML(typ="safe", pure=True).compose(io.StringIO(decoded))  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        what = " ".join(part for part in (error.context, error.problem) if part)
        _refuse(document, position, f"not YAML: {what}", "correct the syntax here or just above")
    except YAMLError as error:
        what = str(error).splitlines()[0]
        _refuse(document, Position(1, 1), f"not YAML: {what}", "save the scenario as plain text")
    except RecursionError:
        _refuse(document, Position(1, 1), "nested too deeply", f"stay below {MAX_DEPTH} levels")


def _refuse(document: Document, position: Position, what: str, fix: str) -> NoReturn:
    document.complain(position, what, fix)
    raise ScenarioError(document.problems) from None


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _position(node: Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


class _TooBig(Exception):
    def __init__(self, what: str, node: Node) -> None:
        super().__init__(what)
        self.node = node


class _Reader:
    """Turns nodes into data, noting positions and spending the budget."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.budget = MAX_VALUES

    def read(self, node: Node, path: Path, depth: int) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise _TooBig(f"more than {MAX_VALUES:,} values after expanding aliases", node)
        if depth > MAX_DEPTH:
            raise _TooBig(f"nested more than {MAX_DEPTH} levels deep", node)
        self.document.values[path] = _position(node)
        match node:
            case MappingNode():
                return self._mapping(node, path, depth)
            case SequenceNode():
                return [self.read(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
            case _:
                return _scalar(node)

    def _mapping(self, node: MappingNode, path: Path, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            position = _position(key_node)
            if not isinstance(key_node, ScalarNode):
                self.document.complain(position, "a key must be a plain word", "remove this key")
                continue
            key = str(key_node.value)
            if key in result:
                first = self.document.keys[(*path, key)].line
                self.document.complain(
                    position, f"'{key}' was already given on line {first}", "keep only one of them"
                )
                continue
            self.document.keys[(*path, key)] = position
            result[key] = self.read(value_node, (*path, key), depth + 1)
        return result


def _scalar(node: Node) -> Any:
    """A scalar by its YAML 1.2 core-schema tag; what is neither null, bool nor integer is text."""
    text = node.value
    match str(node.tag).rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if text.lstrip("+-").isdecimal():
            return int(text) if len(text) < 20 else text
        case _:
            return text
