"""Commands that follow packets through a running lab."""

from __future__ import annotations

import click

from netlab import lab
from netlab.cli import view
from netlab.cli.arguments import NodeName, examples, json_option, lab_option, pass_output
from netlab.cli.output import Output


@click.command(
    epilog=examples(
        "sudo netlab trace vm1 internet",
        "sudo netlab trace vm1 host@lan --reply",
        "sudo netlab trace vm1 10.0.0.99 --lang zh",
        "sudo netlab trace vm1 internet --html journey.html",
    )
)
@click.argument("source", type=NodeName(), metavar="SRC")
@click.argument("target", type=NodeName(), metavar="DST", required=False)
@lab_option
@click.option("--by", default="icmp", help="icmp tcp…")
@click.option("--reply", is_flag=True, help="Show the way of the answer too, step by step.")
@click.option(
    "--lang",
    "language",
    type=click.Choice(["en", "zh"]),
    default="en",
    help="Language of the text.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Also write a page that steps through the journey.",
)
@json_option
@pass_output
def trace(
    output: Output,
    source: str,
    target: str | None,
    by: str,
    lab_name: str | None,
    reply: bool,
    language: str,
    page: str | None,
) -> int:
    """Send one packet, and say where it went, or where and why it died.

    SRC is a node, DST a node, a leg of one (host@lan) or an IPv4 address. Exit code 1
    if no answer came back.
    """
    from netlab.probe.verdict import Verdict
    from netlab.report import data
    from netlab.report.journey import journey

    running = lab.attach(lab.pick(lab_name))
    traced = lab.trace(running, source, target, by)
    document = data.trace(traced, running.name)
    if page:
        view.write(running, [document], language, page)
    output.result(document, lambda: journey(traced, reply, language))
    return 0 if traced.finding.verdict is Verdict.ANSWERED else 1
