"""`show`: the lab's tables as they are now."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from netlab import lab
from netlab.cli.arguments import (
    CommandGroup,
    NodeArgument,
    examples,
    json_option,
    lab_of_group_option,
    lab_option,
    pass_output,
)
from netlab.cli.output import Output, as_json, say, terminal
from netlab.errors import Interrupted, KernelError

if TYPE_CHECKING:
    from rich.console import Console

    from netlab.lab import Lab
    from netlab.show import View

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
_UNHEARD_SECONDS = 1.0
"""How often to look for what the kernel does not tell of: leases, processes, rules."""
_BREATH_SECONDS = 0.1
"""Between two looks, however much happens."""
_CHANGE_SECONDS = 10.0
"""How long nothing can be read while another command changes or ends the lab."""


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
    """A command that shows one table."""

    @click.command(name, help=about, short_help=about, epilog=examples(f"sudo netlab show {name}"))
    @click.argument("place", required=False, type=NodeArgument(), metavar="[NODE|NETWORK]")
    @lab_option
    @click.option("--watch", is_flag=True, help="Show it again whenever it changes, until Ctrl-C.")
    @json_option
    @pass_output
    def table(output: Output, place: str | None, lab_name: str | None, watch: bool) -> None:
        from netlab.report import data, text
        from netlab.show import view

        running = lab.attach(lab.find_lab(lab_name))
        # Also if it is to be watched: what is wrong is said first.
        found = view(running, name, place)
        if watch:
            _watch(output, running, name, place)
            return
        output.result(data.view(running.name, name, found), lambda: text.view(found))

    return table


for _name, _about in _TABLES.items():
    show.add_command(table_command(_name, _about))


def _watch(output: Output, running: Lab, name: str, place: str | None) -> None:
    """Until the reader leaves, Ctrl-C or another signal, or the lab's end."""
    from netlab.kernel.patience import postponed_signals

    watcher = lab.LabWatcher(running)
    # On a terminal the seconds may count down; a pipe is told of changes only.
    counting = sys.stdout.isatty() and not output.json
    drawn = None
    with suppress(Interrupted), postponed_signals() as interruption, interruption.at_once():
        for found in _views(watcher, name, place):
            if counting or found.steady != drawn:
                drawn = found.steady
                if not _draw(output, running, name, found):
                    return
        say("netlab: the lab has ended", to_stderr=True)


def _views(watcher: lab.LabWatcher, name: str, place: str | None) -> Iterator[View]:
    """The table again and again, for as long as there is the lab."""
    from netlab.kernel.state.monitor import TableMonitor
    from netlab.show import view

    since = time.monotonic()
    while not watcher.ended:
        running = watcher()
        try:
            with TableMonitor(running.plan.namespaces) as events:
                while not watcher.ended and watcher() is running:
                    found = view(running, name, place)
                    since = time.monotonic()
                    yield found
                    time.sleep(_BREATH_SECONDS)
                    events.wait(_UNHEARD_SECONDS)
                    events.changes()
        except (
            KernelError,
            OSError,
        ):  # What was to be read has gone: an interface, a machine, the lab.
            if time.monotonic() > since + _CHANGE_SECONDS:
                raise
            time.sleep(_BREATH_SECONDS)


def _draw(output: Output, running: Lab, name: str, found: View) -> bool:
    """False if nobody reads any more."""
    from netlab.report import data, text

    if output.json:
        document = data.view(running.name, name, found)
        return say(as_json(document))
    if not sys.stdout.isatty():
        return say(text.plain(text.view(found)) + "\n")
    console = terminal(sys.stdout)
    title = f"{running.name}: {name}   {time.strftime('%H:%M:%S')}   Ctrl-C ends\n"
    # The cursor stands in the last line.
    shown = _fitting(console, found, console.height - len(title.splitlines()) - 2)
    console.clear()
    console.print(title)
    console.print(text.view(shown), crop=False)
    if more := len(found.rows) - len(shown.rows):
        console.print(f"… and {more} more", end="")
    return True


def _fitting(console: Console, found: View, lines: int) -> View:
    """With as many rows, one at least, as there are lines for."""
    from netlab.report import text

    def height(count: int) -> int:
        return len(console.render_lines(text.view(replace(found, rows=found.rows[:count]))))

    every = len(found.rows)
    if every <= lines and height(every) <= lines:
        return found
    most = bisect_right(range(min(every, lines)), lines, key=lambda count: height(count + 1))
    return replace(found, rows=found.rows[: max(most, 1)])
