"""`capture`: packets of a running lab, as they are."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

import click

from netlab import lab
from netlab.cli.arguments import (
    STDOUT,
    OutputFile,
    PointName,
    SecondsArgument,
    Size,
    examples,
    json_option,
    lab_option,
    pass_output,
)
from netlab.cli.output import Output, discard, say
from netlab.cli.packets.stream_end import say_end
from netlab.errors import SystemRefused, UsageError
from netlab.report.pcapng import LEAST_BYTES
from netlab.report.traffic.packet_lines import Files, Lines

if TYPE_CHECKING:
    from netlab.packets.stream import Stream


@click.command(
    epilog=examples(
        "sudo netlab capture vm1",
        "sudo netlab capture vm1:eth0 router -f 'icmp or port 53'",
        "sudo netlab capture --all -w lab.pcapng",
        "sudo netlab capture vmnet8 -w - | wireshark -k -i -",
        "sudo netlab capture host -w host.pcapng --bytes 10M --files 5",
    )
)
@click.argument("points", nargs=-1, type=PointName(), metavar="[NODE[:IF]|NETWORK]...")
@click.option("--all", "everywhere", is_flag=True, help="At every node and network.")
@lab_option
@click.option(
    "-w",
    "--write",
    "file",
    type=OutputFile(or_stdout=True),
    metavar="FILE|-",
    help="Write pcapng to a file or stdout.",
)
@click.option(
    "-f", "--filter", "expression", default="", metavar="EXPR", help="Only these, as for tcpdump."
)
@click.option("-c", "--count", type=click.IntRange(1), help="End after so many packets.")
@click.option(
    "--seconds", type=SecondsArgument(0, min_open=True), help="End after so many seconds."
)
@click.option("--bytes", "size", type=Size(), help="A file of that size is full: 500k, 10M, 1G.")
@click.option(
    "--files", "ring", type=click.IntRange(1), help="Go on in another file, and keep the last N."
)
@click.option(
    "--snaplen", type=click.IntRange(14, 1 << 18), help="Only the first so many bytes of each."
)
@json_option
@pass_output
def capture(
    output: Output,
    points: tuple[str, ...],
    everywhere: bool,
    lab_name: str | None,
    file: str | None,
    expression: str,
    count: int | None,
    seconds: float | None,
    size: int | None,
    ring: int | None,
    snaplen: int | None,
) -> None:
    """Capture packets at several points at once, in the order of time.

    A point is a node, one of its adapters (vm1:eth0) or a network (all ports of its switch). Prints a
    line for each packet, or writes pcapng. Ctrl-C ends it.
    """
    if points and everywhere:
        raise UsageError("--all and points exclude each other", "leave one of them out")
    if not points and not everywhere:
        raise UsageError("where?", "name nodes, adapters or networks, or say --all")
    if ring and not (size and file and file != STDOUT):
        raise UsageError("--files needs full files", "say -w FILE and --bytes SIZE as well")
    if size and not file:
        raise UsageError("--bytes is a file's size", "say -w FILE as well")
    if size and size < LEAST_BYTES:
        fix = f"say --bytes {LEAST_BYTES >> 10}k or more"
        raise UsageError(f"{size} bytes have no room for the headers and a packet", fix)
    if file and output.json:
        raise UsageError("--json prints, -w writes", "take one of them")
    if file == STDOUT and sys.stdout.isatty():
        raise UsageError("this would write binary data to the terminal", "pipe it, or name a file")
    running = lab.attach(lab.find_lab(lab_name))
    with lab.capture(running, points, expression, snaplen) as stream:
        sink = Files(file, snaplen or 0, size or inf, ring or 0) if file else Lines(output.json)
        say(f"capturing at {', '.join(points) or 'every node'}; Ctrl-C ends it", to_stderr=True)
        try:
            with _uncollected():
                taken = _pour(stream, sink, seconds, count)
            lost = stream.lost()
            sink.finish(lost)
        except BrokenPipeError:  # The reader has enough.
            discard(sys.stdout)
            return
        except SystemRefused:
            if file == STDOUT:  # What is left in its buffer is refused too.
                discard(sys.stdout)
            raise
        say(f"{taken} packets captured", to_stderr=True)
        say_end(stream, sum(lost.values()), "a filter (-f) or a smaller --snaplen helps")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Search for no cycles, which takes a seventh of the time and finds none among sightings."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _pour(stream: Stream, sink: Files | Lines, seconds: float | None, count: int | None) -> int:
    """Pour packets from the taps to the file or the screen; return how many."""
    taken = 0
    for portion in stream.portions(seconds):
        taken += sink.take(portion if count is None else portion[: count - taken])
        if sink.full or taken == count:
            break
    return taken
