"""Commands about scenario files; they need neither root nor Linux."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from netlab import lab
from netlab.cli.arguments import (
    ScenarioName,
    examples,
    json_option,
    pass_output,
    scenario_argument,
)
from netlab.cli.labs.up import print_plan
from netlab.cli.output import Output, say
from netlab.errors import Problem, ScenarioError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command(epilog=examples("netlab validate mine.yaml", "netlab validate *.yaml --json"))
@click.argument("files", nargs=-1, required=True, type=ScenarioName(), metavar="FILE...")
@json_option
@pass_output
def validate(output: Output, files: tuple[str, ...]) -> None:
    """Check scenario files; report every problem at once.

    Each problem comes with file, line, column, what is wrong and what to do. What works here and
    would not with VMware is a warning, and no error.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for file in files:
        try:
            warnings += lab.prepare(lab.load(file), "validated").source.warnings
        except ScenarioError as error:
            problems += error.problems
        except UsageError as error:
            problems.append(Problem(file, 1, 1, error.what, error.fix))
        else:
            if not output.json:
                say(f"{file}: fine")
    if output.json:
        rows, more = [vars(problem) for problem in problems], [vars(one) for one in warnings]
        output.document({"files": list(files), "problems": rows, "warnings": more})
    else:
        output.warn(warnings)
        for problem in sorted(problems):
            say(str(problem), to_stderr=True)
    if problems:
        raise click.exceptions.Exit(ScenarioError.exit_code)


@click.command(epilog=examples("netlab plan nat", "netlab plan mine.yaml --json"))
@scenario_argument
@click.option("--name", metavar="LAB", help="Name of the lab; default: the scenario's.")
@json_option
@pass_output
def plan(output: Output, scenario: str, name: str | None) -> None:
    """Print everything that `up` would create, in order."""
    print_plan(output, lab.prepare(lab.load(scenario), name))


@click.command(epilog=examples("netlab scenarios", "netlab scenarios --show nat > mine.yaml"))
@click.option("--show", type=ScenarioName(), metavar="SCENARIO", help="Print this scenario's file.")
@json_option
@pass_output
def scenarios(output: Output, show: str | None) -> None:
    """List the scenarios that come with netlab."""
    from netlab.scenario.files import shipped

    if show:
        text_of = lab.load(show).text.decode()
        output.result({"scenario": show, "text": text_of}, lambda: text_of.rstrip("\n"))
        return
    titles = {name: lab.load(name).scenario.title for name in shipped()}
    rows = [{"scenario": name, "title": title} for name, title in titles.items()]
    output.result({"scenarios": rows}, lambda: _table(titles))


def _table(titles: dict[str, str]) -> RenderableType:
    from netlab.report import text

    return text.scenarios(titles)


@click.command(epilog=examples("netlab schema > schema.json", "netlab schema --markdown"))
@click.option("--markdown", is_flag=True, help="A page for people instead: docs/format.md.")
def schema(markdown: bool) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from netlab.scenario.model import json_schema
    from netlab.scenario.reference import page

    if markdown:
        say(page(json_schema()).rstrip("\n"))
    else:
        say(json.dumps(json_schema(), indent=1, ensure_ascii=False))
