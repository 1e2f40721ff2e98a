"""`add`, `clone` and `remove`: VMs of a running lab."""

from __future__ import annotations

import click

from netlab import lab
from netlab.cli.arguments import (
    NetworkName,
    VmName,
    examples,
    json_option,
    lab_option,
    pass_output,
)
from netlab.cli.changing.changing import carry_out, dry_run_option
from netlab.cli.output import Output


@click.command(epilog=examples("sudo netlab add vm3 vmnet8", "sudo netlab add vm3 vmnet8 vmnet1"))
@click.argument("vm")
@click.argument("networks", nargs=-1, required=True, type=NetworkName(), metavar="NETWORK...")
@lab_option
@dry_run_option
@json_option
@pass_output
def add(
    output: Output, vm: str, networks: tuple[str, ...], lab_name: str | None, dry_run: bool
) -> None:
    """Add a VM to a running lab, with an adapter on each network."""
    running = lab.attach(lab.find_lab(lab_name))
    carry_out(output, running, lab.add_vm(running, vm, list(networks)), dry_run)


@click.command(
    epilog=examples(
        "sudo netlab clone vm1 vm3                # VMware's Clone: a MAC of its own",
        "sudo netlab clone vm1 vm3 --as moved     # a copy of its files, answered with I moved it",
    )
)
@click.argument("vm", type=VmName())
@click.argument("new")
@click.option(
    "--as",
    "way",
    type=click.Choice(["clone", "moved", "copied"]),
    default="clone",
    show_default=True,
    help="VMware's Clone command, or a copy of the files and what was answered about it.",
)
@lab_option
@dry_run_option
@json_option
@pass_output
def clone(output: Output, vm: str, new: str, way: str, lab_name: str | None, dry_run: bool) -> None:
    """Add a copy of a VM to a running lab.

    Clone and copied give it a UUID and MACs of its own, moved leaves it the original's. What is set
    in the guest is the same in all: static addresses, static MACs and /etc/machine-id.
    """
    running = lab.attach(lab.find_lab(lab_name))
    carry_out(output, running, lab.clone_vm(running, vm, new, way == "moved"), dry_run)


@click.command(epilog=examples("sudo netlab remove vm3"))
@click.argument("vm", type=VmName())
@lab_option
@dry_run_option
@json_option
@pass_output
def remove(output: Output, vm: str, lab_name: str | None, dry_run: bool) -> None:
    """Remove a VM from a running lab."""
    running = lab.attach(lab.find_lab(lab_name))
    carry_out(output, running, lab.remove_vm(running, vm), dry_run)
