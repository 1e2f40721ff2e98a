"""The words of a scenario file, by its schema: which keys are known at a place, and which values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from netlab.scenario.model import json_schema
from netlab.scenario.text.paths import DataPath


def keys(path: DataPath) -> list[str]:
    """The keys that may stand below `path`."""
    return sorted(_inside(path).get("properties", {}))


def values(path: DataPath) -> list[str]:
    """The values of the key at `path`, where there are few: words, true and false, lists of one word."""
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
    """The schema of the mapping at `path`."""
    part = _schema()
    for step in path:
        names = part.get("patternProperties") or {}
        inner = part.get("items") if isinstance(step, int) else part.get("properties", {}).get(step)
        options = _options(inner or next(iter(names.values()), {}))
        part = next((one for one in options if one.get("type") in ("object", "array")), {})
    return part


def _options(part: Any) -> list[Any]:
    """The alternatives, references followed."""
    definitions = _schema()["$defs"]
    return [definitions.get(one.get("$ref", "")[8:], one) for one in part.get("anyOf", [part])]


@cache
def _schema() -> dict[str, Any]:
    return json_schema()
