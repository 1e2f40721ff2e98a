"""`apply`: a running lab is brought to an edited scenario."""

from __future__ import annotations

import click

from netlab import lab
from netlab.cli.arguments import (
    LabName,
    examples,
    json_option,
    lab_option,
    pass_output,
    same_lab,
    scenario_argument,
)
from netlab.cli.changing.changing import carry_out, dry_run_option
from netlab.cli.output import Output


@click.command(
    epilog=examples("sudo netlab apply mine.yaml --dry-run", "sudo netlab apply mine.yaml")
)
@scenario_argument
@click.argument("name", required=False, type=LabName(), metavar="[LAB]")
@lab_option
@dry_run_option
@json_option
@pass_output
def apply(
    output: Output, scenario: str, name: str | None, lab_name: str | None, dry_run: bool
) -> None:
    """Bring a running lab to an edited scenario.

    Only what differs is touched; a change that fails on the way is taken back whole.
    """
    running = lab.attach(lab.find_lab(same_lab(name, lab_name)))
    carry_out(output, running, lab.load(scenario), dry_run)
