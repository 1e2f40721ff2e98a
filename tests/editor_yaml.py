"""YAML as editors read it, which check a scenario by the schema: with PyYAML, and YAML 1.2's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml


def as_editors_read(file: Path) -> Any:
    """A file's data, with numbers that netlab leaves to pydantic."""
    return yaml.load(file.read_text(), Editor)


class Editor(yaml.SafeLoader):
    """Reads words as editors do: by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar = {}


for tag, words, first in (
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?([.][0-9]+|[0-9]+([.][0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    resolver = re.compile(f"^(?:{words})$")
    Editor.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", resolver, first)
