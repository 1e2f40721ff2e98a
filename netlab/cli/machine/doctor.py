"""`doctor`: what this machine has and lacks."""

from __future__ import annotations

import click

from netlab import report
from netlab.cli.arguments import examples, json_option, pass_output
from netlab.cli.output import Output
from netlab.errors import SystemRefused
from netlab.kernel.host.doctor import Health, examine


@click.command(epilog=examples("sudo netlab doctor"))
@json_option
@pass_output
def doctor(output: Output) -> None:
    """Say what this machine lacks, and what that costs."""
    checks = examine()
    output.result({"checks": report.data.checks(checks)}, lambda: report.text.checks(checks))
    if any(check.health is Health.MISSING for check in checks):
        raise click.exceptions.Exit(SystemRefused.exit_code)
