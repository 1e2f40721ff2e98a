"""`explain`: a packet's way, worked out from tables and rules."""

from __future__ import annotations

import click

from netlab import lab, report
from netlab.cli.arguments import (
    EndpointName,
    NodeArgument,
    examples,
    json_option,
    lab_option,
    language_option,
    pass_output,
)
from netlab.cli.output import Output
from netlab.diagnosis.verdict import Verdict

_NOT_ANSWERED = 1


@click.command(
    epilog=examples(
        "sudo netlab explain vm1 internet",
        "sudo netlab explain vm1 host@lan --by tcp:80 --reply",
        "sudo netlab explain pc 10.0.0.128 --lang zh",
    )
)
@click.argument("source", type=NodeArgument(), metavar="SRC")
@click.argument("target", type=EndpointName(), metavar="DST")
@lab_option
@click.option(
    "--by",
    default="icmp",
    metavar="icmp|tcp:PORT|udp:PORT",
    help="What kind of packet; default: an ICMP echo request.",
)
@click.option("--reply", is_flag=True, help="Show the way of the reply too, step by step.")
@language_option
@json_option
@pass_output
def explain(
    output: Output,
    source: str,
    target: str,
    lab_name: str | None,
    by: str,
    reply: bool,
    language: str,
) -> int:
    """Say where a packet would go, and why, without sending it.

    SRC is a node, DST a node, an adapter of one (host@lan) or an IP address. From routes,
    ARP, switches' tables and nftables' rules as they are now. Exit code 1 if it would
    not be answered, or if that is not certain.
    """
    running = lab.attach(lab.find_lab(lab_name))
    explained = lab.explain(running, source, target, by)
    output.result(
        report.data.explanation(explained, running.name),
        lambda: report.explain.explanation(explained, reply, language),
    )
    return 0 if explained.diagnosis.verdict is Verdict.ANSWERED else _NOT_ANSWERED
