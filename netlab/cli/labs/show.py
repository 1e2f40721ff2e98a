"""`show`: the lab's tables as they are now."""

from __future__ import annotations

import click

from netlab import lab, report
from netlab.cli.arguments import (
    CommandGroup,
    NodeArgument,
    examples,
    json_option,
    lab_of_group_option,
    lab_option,
    pass_output,
)
from netlab.cli.output import Output

_TABLES = {
    "addresses": "Adapters with everything of `ipconfig /all`.",
    "routes": "Where each machine sends packets: `ip route`.",
    "arp": "Whose MAC a machine knows for an address, by ARP or IPv6's neighbour discovery: `ip neigh`.",
    "fdb": "Which MAC is behind which switch port: `bridge fdb`.",
    "leases": "What DHCP servers gave, and what clients have.",
    "nat": "What is translated just now: `conntrack -L`.",
    "dns": "Whom machines ask for names, and who answers.",
    "forwards": "Ports that lead to a machine behind NAT.",
    "firewall": "Every rule of every machine: `nft list ruleset`.",
    "services": "Servers, and all that wait for packets: `ss -ltup`.",
}


class _Tables(CommandGroup):
    what = "table"


@click.group(
    cls=_Tables,
    epilog=examples(
        "sudo netlab show addresses",
        "sudo netlab show arp vm1 --watch",
        "sudo netlab show nat --json",
    ),
)
@lab_of_group_option
def show() -> None:
    """Show a table of the lab as it is now.

    With a NODE (a machine or switch) or NETWORK, only what concerns it.
    """


def table_command(name: str, about: str) -> click.Command:
    """Make a command that shows one table."""

    @click.command(name, help=about, short_help=about, epilog=examples(f"sudo netlab show {name}"))
    @click.argument("subject", required=False, type=NodeArgument(), metavar="[NODE|NETWORK]")
    @lab_option
    @click.option("--watch", is_flag=True, help="Show it again whenever it changes, until Ctrl-C.")
    @json_option
    @pass_output
    def table(output: Output, subject: str | None, lab_name: str | None, watch: bool) -> None:
        # Help and completion know the tables' names, and ask the kernel for nothing.
        from netlab.show import view

        running = lab.attach(lab.find_lab(lab_name))
        # Also if it is to be watched: what is wrong is said first.
        shown = view(running, name, subject)
        if watch:
            from netlab.cli.labs import table_watch  # Who looks once hears no events.

            table_watch.watch(output, running, name, subject)
            return
        output.result(report.data.view(running.name, name, shown), lambda: report.text.view(shown))

    return table


for _name, _about in _TABLES.items():
    show.add_command(table_command(_name, _about))
