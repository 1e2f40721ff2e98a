"""`up`: a lab is built, and shown."""

from __future__ import annotations

import click

from netlab import lab, report
from netlab.cli.arguments import examples, json_option, pass_output, scenario_argument
from netlab.cli.labs.status import show_status
from netlab.cli.output import Output, say, show
from netlab.errors import LabExists, SystemRefused
from netlab.kernel.host import rootless
from netlab.plan.plan import drift_between

_SHOWN_CHANGES = 10


@click.command(
    epilog=examples(
        "sudo netlab up nat",
        "sudo netlab up mine.yaml --name test1",
        "netlab up three-modes --dry-run",
    )
)
@scenario_argument
@click.option("--name", metavar="LAB", help="Name of the lab; default: the scenario's.")
@click.option("--dry-run", is_flag=True, help="Print what would be created, and stop.")
@json_option
@pass_output
def up(output: Output, scenario: str, name: str | None, dry_run: bool) -> None:
    """Build a lab and show it."""
    planned = lab.prepare(lab.load(scenario), name)
    output.warn(planned.source.warnings)
    if dry_run:
        from netlab.cli.scenarios.plan import print_plan  # Another command's, and rarely asked for.

        print_plan(output, planned)
        return
    output.warn(lab.warnings(planned))
    unleased: list[lab.Unleased] = []
    try:
        with lab.undone_by_signals(planned):
            with output.building(planned) as progress:
                lab.up(planned, progress, unleased.append)
            output.warn(unleased)
            show_status(output, lab.status(planned, unleased))
            for hint in _hints(planned):
                output.note(hint)
    except LabExists as error:
        _explain_existing(output, planned, error)
        raise click.exceptions.Exit(error.exit_code) from None


def _hints(planned: lab.Lab) -> list[str]:
    """Return three things to try next; none of a lab that ends with this command."""
    from netlab.scenario.expectation import reaches  # Help and completion do without the model.

    if rootless.ends_with_this_process():
        return []
    node = next(iter(planned.source.scenario.vms), "host")
    option = f"--lab {planned.name} " if len(lab.names()) > 1 else ""
    online = reaches(planned.topology, node, "internet")
    command = "curl -s http://www.example.com/" if online else "ip route"
    comment = "as whom the Internet sees it" if online else "no way out"
    # tcpdump wants more users than there are without root.
    tools = "ip address, ping" if rootless.is_inside() else "ip address, ping, tcpdump"
    return [
        "",
        "Try next:",
        f"  sudo netlab verify {planned.name}    # who reaches whom, on real packets",
        f"  sudo netlab exec {option}{node} -- {command}    # {comment}",
        f"  sudo netlab shell {option}{node}    # look around: {tools}",
    ]


def _explain_existing(output: Output, planned: lab.Lab, error: LabExists) -> None:
    """Say how a running lab differs from the one that was to be built: `up` changes nothing of it."""
    try:
        running = lab.attach(planned.name)
    except SystemRefused as incomplete:
        output.failure(incomplete)
        return
    edited = drift_between(planned.plan.resources, running.plan.resources)
    drifted = lab.status(running).drift
    output.failure(
        error,
        {
            "scenario_changes": report.data.difference(edited),
            "drift": report.data.difference(drifted),
        },
    )
    if edited:
        say("\nThis scenario differs from the one that the lab was built from:", to_stderr=True)
        show(report.text.difference(edited, _SHOWN_CHANGES), to_stderr=True)
    if drifted:
        say("\nThe lab has drifted from its plan:", to_stderr=True)
        show(report.text.difference(drifted, _SHOWN_CHANGES), to_stderr=True)
    if not edited and not drifted:
        say("It runs this very scenario, and nothing in it has changed.", to_stderr=True)
