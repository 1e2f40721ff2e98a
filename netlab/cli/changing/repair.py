"""`repair`: what was changed in a running lab by hand is undone."""

from __future__ import annotations

import click

from netlab import lab, report
from netlab.cli.arguments import (
    LabName,
    examples,
    json_option,
    lab_option,
    pass_output,
    same_lab,
)
from netlab.cli.changing.changing import dry_run_option
from netlab.cli.output import Output, show
from netlab.errors import KernelError


@click.command(epilog=examples("sudo netlab repair --dry-run", "sudo netlab repair"))
@click.argument("name", required=False, type=LabName(), metavar="[LAB]")
@lab_option
@dry_run_option
@json_option
@pass_output
def repair(output: Output, name: str | None, lab_name: str | None, dry_run: bool) -> int | None:
    """Undo what was changed in a running lab by hand.

    Addresses, routes, rules, settings, interfaces and services become what the scenario says, and
    what `status` calls drift is gone. What cannot be mended keeps nothing else from it, and is told in
    the end (exit code 3).
    """
    running = lab.attach(lab.find_lab(same_lab(name, lab_name)))
    unleased: list[lab.Unleased] = []
    difference = lab.plan_repair(running)
    if dry_run:
        output.result(
            report.data.change(difference, running.name),
            lambda: report.text.change(difference, done=False),
        )
        return None
    with output.changing(running, difference) as progress:
        done = lab.repair(running, progress, unleased.append)
    output.warn(unleased)
    output.result(
        report.data.repair(done, running.name, unleased), lambda: report.text.repair(done)
    )
    if not done.left:
        return None
    show(report.text.unmended(done, running.name), to_stderr=True)
    return KernelError.exit_code
