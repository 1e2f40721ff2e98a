"""`plan`: all that `up` would create."""

from __future__ import annotations

import click

from netlab import lab, report
from netlab.cli.arguments import examples, json_option, pass_output, scenario_argument
from netlab.cli.output import Output, say


@click.command(epilog=examples("netlab plan nat", "netlab plan mine.yaml --json"))
@scenario_argument
@click.option("--name", metavar="LAB", help="Name of the lab; default: the scenario's.")
@json_option
@pass_output
def plan(output: Output, scenario: str, name: str | None) -> None:
    """Print everything that `up` would create, in order."""
    print_plan(output, lab.prepare(lab.load(scenario), name))


def print_plan(output: Output, planned: lab.Lab) -> None:
    """Print the resources of a plan, line by line."""
    if output.json:
        output.document(report.data.plan(planned.plan))
        return
    for resource in planned.plan.resources:
        say(str(resource))
