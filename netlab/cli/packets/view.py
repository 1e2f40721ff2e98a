"""`view`: a page with the live traffic of a running lab, served while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue
from typing import TYPE_CHECKING

import click

from netlab import lab, report
from netlab.cli.arguments import examples, json_option, lab_option, language_option, pass_output
from netlab.cli.output import Output, say
from netlab.cli.packets.page import pictures
from netlab.cli.packets.stream_end import say_end
from netlab.errors import Interrupted, NetlabError
from netlab.packets.stream import WINDOW_NS
from netlab.report.traffic.page import Traffic, journey
from netlab.report.web.page import html
from netlab.report.web.server import PageServer
from netlab.traffic import conversations

if TYPE_CHECKING:
    from netlab.packets.stream import Stream
    from netlab.report.web.server import PageRequest

_MOST_WISHES = 16
"""To send, that wait for each other; more are refused."""
_KINDS = ("icmp", "tcp:80", "http", "dns:www.example.com", "dhcp", "arp", "route", "mtu")
"""Kinds of probe that the page proposes; every other one can be written."""


@click.command(epilog=examples("sudo netlab view", "sudo netlab view --port 8080 --allow-send"))
@lab_option
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: a free one.")
@click.option("--allow-send", is_flag=True, help="Let the page send probes too.")
@language_option
@json_option
@pass_output
def view(output: Output, lab_name: str | None, port: int, allow_send: bool, language: str) -> None:
    """Serve a page with the lab's live traffic to a browser on this machine.

    Prints the page's address, which holds a secret: who knows it sees the lab's packets. Ctrl-C
    ends it.
    """
    running = lab.attach(lab.find_lab(lab_name))
    watcher = lab.LabWatcher(running)
    watcher.owners()  # While it is there: it may end at once.
    kinds = _KINDS if allow_send else ()

    def page(current: lab.Lab) -> str:
        return html([], pictures(current), language, live=True, send=kinds)

    wishes: Queue[PageRequest] = Queue(_MOST_WISHES)
    server = PageServer(port, page(running), wishes if allow_send else None)
    traffic = Traffic(server.audience.tell)
    server.journey = traffic.journey
    with lab.watching(running) as stream, server.serving():
        if output.json:
            output.document({"lab": running.name, "url": server.url})
        else:
            say(server.url)
        for changed in _watch(watcher, stream, traffic, wishes):
            # It may be changed again just now, and will be drawn then.
            with suppress(NetlabError, OSError):
                server.page = page(changed)
        say_end(stream, sum(stream.lost().values()), "some packets were not shown")


def _watch(
    watcher: lab.LabWatcher, stream: Stream, traffic: Traffic, wishes: Queue[PageRequest]
) -> Iterator[lab.Lab]:
    """Tell the page of what is seen, and send what it wishes, until Ctrl-C or the lab's end.

    Yields the lab whenever it has been changed.
    """
    running = watcher.current()
    tracker = conversations.ConversationTracker(
        watcher.netmap, conversations.BACKGROUND, stream.since
    )
    for ended in conversations.live(stream.portions(), tracker, WINDOW_NS):
        if stream.late:
            stream.abandon()
            return
        for exchange in ended:
            names = watcher.owners().names
            traffic.add(journey(exchange, names, running.name), sum(exchange.packets))
        traffic.count()
        traffic.lose(sum(stream.lost().values()))
        if (current := watcher.current()) is not running:
            running = current
            yield running
        with suppress(Empty):
            _fulfil(running, wishes.get_nowait())


def _fulfil(running: lab.Lab, wish: PageRequest) -> None:
    try:
        traced = lab.trace(running, wish.source, wish.target or None, wish.by)
        wish.answer.set_result(report.data.trace(traced, running.name))
    except Interrupted as error:
        wish.answer.set_exception(error)
        raise
    except NetlabError as error:
        wish.answer.set_exception(error)
