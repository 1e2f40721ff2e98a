"""`validate`: scenario files are checked."""

from __future__ import annotations

import click

from netlab import lab
from netlab.cli.arguments import ScenarioName, examples, json_option, pass_output
from netlab.cli.output import Output, say
from netlab.errors import Problem, ScenarioError, UsageError


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
        output.document(
            {
                "files": list(files),
                "problems": [vars(problem) for problem in problems],
                "warnings": [vars(warning) for warning in warnings],
            }
        )
    else:
        output.warn(warnings)
        for problem in sorted(problems):
            say(str(problem), to_stderr=True)
    if problems:
        raise click.exceptions.Exit(ScenarioError.exit_code)
