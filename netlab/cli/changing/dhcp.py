"""`dhcp`: leases of a running lab's machines."""

from __future__ import annotations

import click

from netlab import lab, report
from netlab.cli.arguments import (
    ClientName,
    CommandGroup,
    SecondsArgument,
    examples,
    json_option,
    lab_of_group_option,
    lab_option,
    pass_output,
)
from netlab.cli.changing.changing import carry_out, dry_run_option
from netlab.cli.output import Output


@click.group(
    cls=CommandGroup,
    epilog=examples(
        "sudo netlab dhcp release vm1        # as ipconfig /release, dhclient -r",
        "sudo netlab dhcp renew vm1          # as ipconfig /renew",
        "sudo netlab dhcp renew host.eth0",
    ),
)
@lab_of_group_option
def dhcp() -> None:
    """Leases of a running lab's machines: given back, asked for anew.

    MACHINE is a machine, or one adapter of it: vm1, vm1.eth0.
    """


@dhcp.command("release", epilog=examples("sudo netlab dhcp release vm1"))
@click.argument("machine", type=ClientName())
@lab_option
@dry_run_option
@json_option
@pass_output
def dhcp_release(output: Output, machine: str, lab_name: str | None, dry_run: bool) -> None:
    """Let a VM give its lease back; it has no address until it renews.

    As ipconfig /release and dhclient -r: the server is told, and the client ends.
    """
    running = lab.attach(lab.find_lab(lab_name))
    carry_out(output, running, lab.release_lease(running, machine), dry_run)


@dhcp.command("renew", epilog=examples("sudo netlab dhcp renew vm1"))
@click.argument("machine", type=ClientName())
@lab_option
@click.option(
    "--wait",
    type=SecondsArgument(min=0, min_open=True),
    default=15,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait at most; who has asked in vain is waited for no longer.",
)
@dry_run_option
@json_option
@pass_output
def dhcp_renew(
    output: Output, machine: str, lab_name: str | None, wait: float, dry_run: bool
) -> None:
    """Let a machine ask its DHCP server anew, and wait until it has an address.

    As ipconfig /renew. Who gets no reply gives up its address after 4 s, and asks everybody.
    """
    running = lab.attach(lab.find_lab(lab_name))
    if dry_run:
        carry_out(output, running, lab.renew_lease(running, machine), dry_run)
        return
    name = machine.partition(".")[0]
    status = lab.status(lab.renew(running, machine, wait))
    machines = [node for node in status.machines if node.name == name]
    output.result(
        report.data.machines(machines, running.name), lambda: report.text.machines(machines)
    )
