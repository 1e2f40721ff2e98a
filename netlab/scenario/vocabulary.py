"""The words of a scenario file, by its schema: the keys that are known at a path, and their values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from netlab.scenario.model import json_schema
from netlab.scenario.text.paths import DataPath


def keys(path: DataPath) -> list[str]:
    """Return the keys that may stand below `path`."""
    return sorted(_inside(path).get("properties", {}))


def values(path: DataPath) -> list[str]:
    """Return a key's values, where there are few: words, true and false, lists of one word."""
    *holder, key = path
    part = _inside(tuple(holder)).get("properties", {}).get(key, {})
    return list(dict.fromkeys(_words(part)))


def _words(part: Any) -> Iterator[str]:
    for option in _options(part):
        match option:
            case {"enum": words}:
                yield from (str(word) for word in words)
            case {"const": word}:
                yield str(word)
            case {"type": "boolean"}:
                yield from ("true", "false")
            case {"type": "array", "items": item}:
                yield from (f"[{word}]" for word in _words(item))


def _inside(path: DataPath) -> Any:
    """Return the schema of the mapping at `path`."""
    part = _schema()
    for step in path:
        names = part.get("patternProperties") or {}
        inner = part.get("items") if isinstance(step, int) else part.get("properties", {}).get(step)
        options = _options(inner or next(iter(names.values()), {}))
        part = next((option for option in options if option.get("type") in ("object", "array")), {})
    return part


def _options(part: Any) -> list[Any]:
    """Return the alternatives, references followed."""
    definitions = _schema()["$defs"]
    return [
        definitions.get(option.get("$ref", "")[8:], option) for option in part.get("anyOf", [part])
    ]


@cache
def _schema() -> dict[str, Any]:
    return json_schema()
