"""The reference page of the scenario format is whole: each key is explained, and shown in a valid example."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from pydantic import TypeAdapter

from netlab import cli
from netlab.scenario import model, reference
from netlab.scenario.model import json_schema
from tests.editor_yaml import as_editors_read

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "format.md"
SCHEMA = json_schema()
KINDS = {name: kind for name, kind in SCHEMA["$defs"].items() if "properties" in kind}
EXAMPLES = as_editors_read(Path(reference.__file__).with_name("examples.yaml"))


def test_the_page_is_up_to_date(capsys):
    assert cli.run(["schema", "--markdown"]) == 0
    assert PAGE.read_text() == capsys.readouterr().out


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_right(name):
    kind = name.split()[0]
    part = SCHEMA if kind == "Scenario" else {**SCHEMA, **KINDS[kind], "required": []}
    jsonschema.validate(EXAMPLES[name], part, jsonschema.Draft202012Validator)
    TypeAdapter(getattr(model, kind)).validate_python(EXAMPLES[name])


@pytest.mark.parametrize("kind", ["Scenario", *KINDS])
def test_every_key_is_shown(kind):
    shown = {
        key for name, example in EXAMPLES.items() if name.split()[0] == kind for key in example
    }
    schema = SCHEMA if kind == "Scenario" else KINDS[kind]
    assert shown == set(schema["properties"])


def test_every_kind_has_its_section():
    page = reference.page(SCHEMA)
    assert page.count("\n## ") == 1 + len(KINDS)
