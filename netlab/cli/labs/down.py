"""`down`: labs are ended."""

from __future__ import annotations

import click

from netlab import lab
from netlab.cli.arguments import LabName, examples, json_option, lab_option, pass_output
from netlab.cli.output import Output
from netlab.errors import SystemRefused, UsageError


@click.command(epilog=examples("sudo netlab down nat", "sudo netlab down --all"))
@click.argument("labs", nargs=-1, type=LabName(), metavar="[LAB]...")
@lab_option
@click.option("--all", "every", is_flag=True, help="End all labs.")
@json_option
@pass_output
def down(output: Output, labs: tuple[str, ...], lab_name: str | None, every: bool) -> None:
    """End labs and everything that runs in them.

    Also labs that are broken. --all sweeps up what a reboot has left as well.
    """
    if lab_name:
        labs = tuple(dict.fromkeys([*labs, lab_name]))
    if every and labs:
        raise UsageError("--all and names exclude each other", "leave one of them out")
    chosen = lab.names() if every else [lab.find_lab(name, "down LAB") for name in labs or (None,)]
    if every:
        lab.sweep()
    ended: list[str] = []
    failed: list[SystemRefused] = []
    for name in chosen:
        try:
            lab.down(name)
        except SystemRefused as refusal:
            failed.append(refusal)
            continue
        ended.append(name)
        if not output.json:
            output.note(f"lab {name} is down")
    if output.json and not failed:
        output.document({"down": ended})
    elif not chosen:
        output.note("no lab is running")
    for error in failed:
        output.failure(error, {"down": ended})
    if failed:
        raise click.exceptions.Exit(SystemRefused.exit_code)
