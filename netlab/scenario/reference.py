"""The reference page of the scenario format, written from the JSON Schema: `netlab schema --markdown`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from textwrap import dedent
from typing import Any

from netlab.scenario.names import EXAMPLES

Schema = dict[str, Any]

_INTRODUCTION = """\
# The scenario format

A scenario is a YAML file: networks, machines, and who must reach whom. This page is written by
`netlab schema --markdown`; `netlab schema` prints the same as a JSON Schema, with which an editor
completes and checks a file. `netlab validate FILE` checks also what concerns several values together.

"""


def page(schema: Schema) -> str:
    """Return the page, from `model.json_schema`'s result: each kind of mapping once, as a reader meets it."""
    kinds = {"Scenario": schema, **schema["$defs"]}
    sections = (_section(kind, kinds) for kind in _reading_order("Scenario", kinds))
    return "\n".join((_INTRODUCTION, *sections))


def _reading_order(kind: str, kinds: dict[str, Schema]) -> list[str]:
    """Return a mapping before those below it, which follow in the order of its keys."""
    order = [kind]
    for value in kinds[kind]["properties"].values():
        for child in _references(value):
            if "properties" in kinds[child]:
                order += [
                    descendant
                    for descendant in _reading_order(child, kinds)
                    if descendant not in order
                ]
    return list(dict.fromkeys(order))


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield _kind(part)
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def _kind(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _section(kind: str, kinds: dict[str, Schema]) -> str:
    schema = kinds[kind]
    rows = (
        f"| `{key}` | {_values(value, kinds)} | {_default(key, schema)} | {_meaning(value, kinds)} |\n"
        for key, value in schema["properties"].items()
    )
    examples = "\n".join(f"```yaml\n{text}```\n" for text in _examples(kind))
    return (
        f"## {_heading(kind)}\n\n{schema['description']}\n\n"
        f"| key | value | default | meaning |\n|---|---|---|---|\n{''.join(rows)}\n{examples}"
    )


def _heading(kind: str) -> str:
    """Return words of a class's name: `HostNic` becomes Host nic."""
    return re.sub("(?<!^)([A-Z])", r" \1", kind).capitalize()


def _link(kind: str) -> str:
    heading = _heading(kind)
    return f"[{heading.lower()}](#{heading.lower().replace(' ', '-')})"


def _meaning(value: Schema, kinds: dict[str, Schema]) -> str:
    """Return the schema's description of a key, or of the only kind of mapping that it holds."""
    description = value.get("description") or kinds[next(_references(value))]["description"]
    return str(description).replace("|", "\\|")


def _default(key: str, schema: Schema) -> str:
    """Return a key's default; a dash where there is none, or where the key's meaning tells it."""
    value = schema["properties"][key].get("default")
    if isinstance(value, dict) or value in (None, "", []):
        return "needed" if key in schema.get("required", ()) else "–"
    return f"`{json.dumps(value) if not isinstance(value, str) else value}`"


def _values(value: Schema, kinds: dict[str, Schema]) -> str:
    """Return the values that may be written, in a few words."""
    match value:
        case {"$ref": _}:
            definition = kinds[_kind(value)]
            return _link(_kind(value)) if "properties" in definition else _values(definition, kinds)
        case {"anyOf": choices}:
            words = [_values(choice, kinds) for choice in choices if choice != {"type": "null"}]
            return " or ".join(dict.fromkeys(words))
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words)
        case {"const": word}:
            return f"`{word}`"
        case {"type": "boolean"}:
            return "`true`, `false`"
        case {"type": "integer" | "number", "minimum": low}:
            return f"{low:,} to {value['maximum']:,}" if "maximum" in value else f"{low:,} or more"
        case {"type": "array", "prefixItems": items}:
            return " and ".join(_values(item, kinds) for item in items)
        case {"type": "array", "items": items}:
            return f"list: {_values(items, kinds)}"
        case {"type": "object"}:
            return _map(value, kinds)
        case {"format": "ipv4"}:
            return "IPv4 address"
        case {"examples": examples}:
            return "like " + ", ".join(f"`{example}`" for example in examples)
        case {"pattern": pattern}:
            return f"like `{EXAMPLES[pattern]}`"
        case _:
            return "text"


def _map(value: Schema, kinds: dict[str, Schema]) -> str:
    match value:
        case {"patternProperties": patterns}:
            ((pattern, inner),) = patterns.items()
            name = EXAMPLES[pattern]
        case {"additionalProperties": inner}:
            name = value.get("propertyNames", {}).get("examples", ["…"])[0]
    return f"`{name}`: {_values(inner, kinds)}"


def _examples(kind: str) -> Iterator[str]:
    """Yield the examples of a kind of mapping as they are written, with their comments."""
    file = files("netlab.scenario").joinpath("examples.yaml").read_text(encoding="utf-8")
    for name, text in re.findall(r"^(\w.*):\n((?: .*\n)+)", file, re.MULTILINE):
        if name.split()[0] == kind:
            yield dedent(text)
