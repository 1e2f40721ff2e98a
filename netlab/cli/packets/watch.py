"""`watch`: the exchanges of a running lab, as they end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING

import click

from netlab import lab
from netlab.cli.arguments import (
    NodeArgument,
    SecondsArgument,
    examples,
    json_option,
    lab_option,
    pass_output,
)
from netlab.cli.output import Output, as_json, discard, say
from netlab.cli.packets.stream_end import say_end
from netlab.packets.stream import WINDOW_NS
from netlab.report.traffic import conversation_lines
from netlab.traffic import conversations
from netlab.visible import visible

if TYPE_CHECKING:
    from netlab.kernel.state.owners import Owners
    from netlab.traffic.conversations import Conversation

_FOLD_SECONDS = 10
"""How often what is only counted is said."""


@click.command(
    epilog=examples(
        "sudo netlab watch",
        "sudo netlab watch vm1 router",
        "sudo netlab watch vmnet8 --arp",
        "sudo netlab watch --json | jq 'select(.kind) | .what'",
    )
)
@click.argument("nodes", nargs=-1, type=NodeArgument(), metavar="[NODE|NETWORK]...")
@lab_option
@click.option(
    "--arp", is_flag=True, help="Tell ARP and neighbour discovery too, instead of counting them."
)
@click.option("--all", "everything", is_flag=True, help="Tell everything: ARP, DHCP, the rest.")
@click.option("-c", "--count", type=click.IntRange(1), help="End after so many lines.")
@click.option(
    "--seconds", type=SecondsArgument(0, min_open=True), help="End after so many seconds."
)
@json_option
@pass_output
def watch(
    output: Output,
    nodes: tuple[str, ...],
    lab_name: str | None,
    arp: bool,
    everything: bool,
    count: int | None,
    seconds: float | None,
) -> None:
    """Tell what is said in the lab, live: a line for each question with its reply, or connection.

    With nodes or networks, only what passes there. A `*` marks a node that has rewritten the
    packet. Ctrl-C ends it.
    """
    running = lab.attach(lab.find_lab(lab_name))
    passes = lab.exchange_filter(running, nodes)
    watcher = lab.LabWatcher(running)
    watcher.owners()  # While it is there: it may end at once.
    shown = conversations.BACKGROUND if everything else {"arp", "ndp"} if arp else ()
    with lab.watching(running) as stream:
        tracker = conversations.ConversationTracker(watcher.netmap, shown, stream.since)
        printer = _Printer(output.json, watcher.owners, tracker.counted, count)
        say("watching; Ctrl-C ends it", to_stderr=True)
        try:
            for ended in conversations.live(stream.portions(seconds), tracker, WINDOW_NS):
                printer.tell(exchange for exchange in ended if passes(exchange))
                if printer.full:
                    break
                if stream.late:
                    stream.abandon()
                    tracker.abandon()
                    break
            printer.tell_folded()
        except BrokenPipeError:  # The reader has enough.
            discard(sys.stdout)
            return
        say_end(stream, sum(stream.lost().values()), "some lines may be missing or wrong")


class _Printer:
    """A printer of exchanges, and now and then of those that are only counted."""

    def __init__(
        self, as_json: bool, owners: Callable[[], Owners], folded: Counter[str], count: int | None
    ) -> None:
        self._json = as_json
        self._owners = owners
        self._folded = folded
        self._left = inf if count is None else count
        self._fold_at = time.monotonic() + _FOLD_SECONDS

    @property
    def full(self) -> bool:
        """True if there were as many lines as were asked for."""
        return self._left <= 0

    def tell(self, exchanges: Iterable[Conversation]) -> None:
        """Print exchanges. Raises BrokenPipeError."""
        for exchange in exchanges:
            if not self.full:
                self._left -= 1
                names = self._owners().names
                if self._json:
                    print(as_json(conversation_lines.document(exchange, names)))
                else:
                    print(visible(conversation_lines.line(exchange, names)))
        if time.monotonic() > self._fold_at:
            self.tell_folded()
        sys.stdout.flush()

    def tell_folded(self) -> None:
        """Say what was only counted since the last time."""
        self._fold_at = time.monotonic() + _FOLD_SECONDS
        if self._folded and self._json:
            print(as_json({"at": time.time_ns(), "folded": self._folded}))
        elif self._folded:
            print(conversation_lines.counts_line(self._folded, time.time_ns()))
        self._folded.clear()
        sys.stdout.flush()
