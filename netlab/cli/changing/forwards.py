"""`forward`: ports of the host that lead to VMs."""

from __future__ import annotations

import click

from netlab import lab
from netlab.cli.arguments import (
    CommandGroup,
    NetworkName,
    VmPort,
    examples,
    json_option,
    lab_of_group_option,
    lab_option,
    pass_output,
)
from netlab.cli.changing.changing import carry_out, dry_run_option
from netlab.cli.labs.show import table_command
from netlab.cli.output import Output
from netlab.errors import UsageError

_network_option = click.option(
    "--network",
    type=NetworkName(),
    metavar="NETWORK",
    help="Whose NAT: a vmnet's device, or a LAN's router; default: that of the machine.",
)


@click.group(
    cls=CommandGroup,
    epilog=examples(
        "sudo netlab forward add 8080 vm1:80       # the host's port 8080 leads to vm1's web server",
        "sudo netlab forward add 5353/udp vm1:53",
        "sudo netlab forward add 127.0.0.1:2222 vm1:22    # only the host's own programs reach it",
        "sudo netlab forward add 8000-8010 vm1:8000",
        "sudo netlab forward add 8080 host:8080 --network lan    # the home router's port 8080",
        "sudo netlab forward list",
        "sudo netlab forward remove 8080",
    ),
)
@lab_of_group_option
def forward() -> None:
    """Ports of the host that lead to VMs behind NAT, as in the editor's NAT settings.

    Also those of home routers that lead to machines of their LANs.
    """


@forward.command("add", epilog=examples("sudo netlab forward add 8080 vm1:80"))
@click.argument("port", metavar="[ADDRESS:]PORT[-PORT][/udp]")
@click.argument("target", type=VmPort(), metavar="VM:PORT")
@_network_option
@lab_option
@dry_run_option
@json_option
@pass_output
def forward_add(
    output: Output,
    port: str,
    target: str,
    network: str | None,
    lab_name: str | None,
    dry_run: bool,
) -> None:
    """Let a port of the host lead to a VM's, or one of a home router to a machine's of its LAN."""
    running = lab.attach(lab.find_lab(lab_name))
    number, protocol = _port(port)
    source = lab.add_forward(running, protocol, number, target, network)
    carry_out(output, running, source, dry_run)


@forward.command("remove", epilog=examples("sudo netlab forward remove 8080"))
@click.argument("port", metavar="[ADDRESS:]PORT[-PORT][/udp]")
@_network_option
@lab_option
@dry_run_option
@json_option
@pass_output
def forward_remove(
    output: Output, port: str, network: str | None, lab_name: str | None, dry_run: bool
) -> None:
    """Give a port back."""
    running = lab.attach(lab.find_lab(lab_name))
    number, protocol = _port(port)
    carry_out(output, running, lab.remove_forward(running, protocol, number, network), dry_run)


forward.add_command(table_command("forwards", "Ports that lead to a machine behind NAT."), "list")


def _port(word: str) -> tuple[str, str]:
    ports, _, protocol = word.partition("/")
    if protocol not in ("", "tcp", "udp"):
        raise UsageError(f"'{word}' is no port", "write 8080 or 5353/udp")
    return ports, protocol or "tcp"
