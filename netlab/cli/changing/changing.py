"""The one way of all commands that change a running lab. What does not differ is not touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netlab import lab, report
from netlab.cli.output import Output

if TYPE_CHECKING:
    from netlab.scenario.loaded import LoadedScenario

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be removed, altered and made; change nothing."
)


def carry_out(output: Output, running: lab.Lab, source: LoadedScenario, dry_run: bool) -> None:
    """Bring a lab to a scenario and print the change; with `dry_run`, only print it."""
    # `up` has given these; line numbers may have changed.
    given = {warning.what for warning in running.source.warnings}
    fresh = [warning for warning in source.warnings if warning.what not in given]
    output.warn(fresh)
    unleased: list[lab.Unleased] = []
    target, difference = lab.change(running, source)
    if dry_run:
        lab.refuse_busy_ports(running, target)
    elif difference or source.text != running.source.text:  # Also if only what is expected differs.
        with output.changing(target, difference) as progress:
            lab.apply_change(running, target, difference, progress, unleased.append)
    output.warn(unleased)
    output.result(
        report.data.change(difference, running.name, unleased, fresh),
        lambda: report.text.change(difference, done=not dry_run),
    )
