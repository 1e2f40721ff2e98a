"""`status`: labs as they are now."""

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
from netlab.cli.output import DRAWING_WIDTH, Output, columns


@click.command(epilog=examples("sudo netlab status", "sudo netlab status nat --json"))
@click.argument("name", required=False, type=LabName(), metavar="[LAB]")
@lab_option
@json_option
@pass_output
def status(output: Output, name: str | None, lab_name: str | None) -> None:
    """Show labs; of one, its nodes, leases and drift.

    Drift is what differs from the plan: missing, or there without being planned.
    """
    name = same_lab(name, lab_name)
    records = lab.records()
    if name is not None or (len(records) == 1 and records[0].ready):
        show_status(output, lab.status(lab.attach(lab.find_lab(name))), alone=name is not None)
        return
    if not records and not output.json:
        output.note("no lab is running; `sudo netlab up nat` starts one")
        return
    output.result(
        {"labs": [report.data.lab_record(record) for record in records]},
        lambda: report.text.labs(records),
    )


def show_status(output: Output, status: lab.Status, alone: bool = True) -> None:
    """Print one lab; in the JSON document, as the only one of several unless it was asked for `alone`."""
    document = report.data.lab_status(status)
    width = columns(DRAWING_WIDTH)
    output.result(
        document if alone else {"labs": [document]}, lambda: report.text.lab_status(status, width)
    )
