"""The page in which packets are looked at: written to a file, or served while the lab runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

import click

from netlab import lab
from netlab.cli.arguments import examples, json_option, lab_option, language_option, pass_output
from netlab.cli.capture import say_end
from netlab.cli.output import Output, say
from netlab.errors import Interrupted, NetlabError, UsageError

if TYPE_CHECKING:
    from netlab.packets.stream import Stream
    from netlab.report.traffic.page import Traffic
    from netlab.report.web.page import Pictures
    from netlab.report.web.server import Wish

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
    from netlab.report.traffic.page import Traffic
    from netlab.report.web.page import html
    from netlab.report.web.server import PageServer

    running = lab.attach(lab.find_lab(lab_name))
    watcher = lab.LabWatcher(running)
    watcher.owners()  # While it is there: it may end at once.
    kinds = _KINDS if allow_send else ()

    def page(now: lab.Lab) -> str:
        return html([], _pictures(now), language, live=True, send=kinds)

    wishes: Queue[Wish] = Queue(_MOST_WISHES)
    server = PageServer(port, page(running), wishes if allow_send else None)
    traffic = Traffic(server.audience.tell)
    server.journey = traffic.journey
    with lab.watching(running) as stream, server.serving():
        if output.json:
            output.document({"lab": running.name, "url": server.url})
        else:
            say(server.url)
        for now in _watch(watcher, stream, traffic, wishes):
            with suppress(
                NetlabError, OSError
            ):  # It is being changed again, and will be drawn then.
                server.page = page(now)
        say_end(stream, sum(stream.lost().values()), "some packets were not shown")


def write(
    labs: Sequence[lab.Lab], journeys: Sequence[dict[str, Any]], language: str, file: str
) -> None:
    """Write journeys as a page, with the pictures of their labs. Raises UsageError."""
    from netlab.report.web.page import html

    page = html(journeys, _pictures(*labs), language)
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write '{file}': {error.strerror}") from error


def _pictures(*labs: lab.Lab) -> Pictures:
    """Of each lab as it is now, in every language."""
    from netlab.messages import languages
    from netlab.report.topology import graph, svg

    found = {}
    for running in {one.name: one for one in labs}.values():
        status = lab.status(running)
        found[running.name] = {one: svg.render(graph.running(status, one)) for one in languages()}
    return found


def _watch(
    watcher: lab.LabWatcher, stream: Stream, traffic: Traffic, wishes: Queue[Wish]
) -> Iterator[lab.Lab]:
    """Tell the page of what is seen, and send what it wishes, until Ctrl-C or the lab's end.

    Yields the lab whenever it has been changed.
    """
    from netlab.packets.stream import WINDOW_NS
    from netlab.report.traffic.page import journey
    from netlab.traffic import conversations

    running = watcher()
    tracker = conversations.ConversationTracker(watcher.netmap, conversations.FOLDED, stream.since)
    for found in conversations.live(stream.portions(), tracker, WINDOW_NS):
        if stream.late:
            stream.abandon()
            return
        for told in found:
            traffic.add(journey(told, watcher.owners().names, running.name), sum(told.packets))
        traffic.count()
        traffic.lose(sum(stream.lost().values()))
        if (now := watcher()) is not running:
            running = now
            yield running
        with suppress(Empty):
            _fulfil(running, wishes.get_nowait())


def _fulfil(running: lab.Lab, wish: Wish) -> None:
    from netlab.report import data

    try:
        traced = lab.trace(running, wish.source, wish.target or None, wish.by)
        wish.answer.set_result(data.trace(traced, running.name))
    except Interrupted as error:
        wish.answer.set_exception(error)
        raise
    except NetlabError as error:
        wish.answer.set_exception(error)
