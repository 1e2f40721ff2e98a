"""`schema`: the shape of a scenario file."""

from __future__ import annotations

import json

import click

from netlab.cli.arguments import examples
from netlab.cli.output import say
from netlab.scenario.model import json_schema
from netlab.scenario.reference import page


@click.command(epilog=examples("netlab schema > schema.json", "netlab schema --markdown"))
@click.option("--markdown", is_flag=True, help="A page for people instead: docs/format.md.")
def schema(markdown: bool) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    if markdown:
        say(page(json_schema()).rstrip("\n"))
    else:
        say(json.dumps(json_schema(), indent=1, ensure_ascii=False))
