"""`scenarios`: those that come with netlab."""

from __future__ import annotations

import click

from netlab import lab, report
from netlab.cli.arguments import ScenarioName, examples, json_option, pass_output
from netlab.cli.output import Output
from netlab.scenario.files import shipped


@click.command(epilog=examples("netlab scenarios", "netlab scenarios --show nat > mine.yaml"))
@click.option("--show", type=ScenarioName(), metavar="SCENARIO", help="Print this scenario's file.")
@json_option
@pass_output
def scenarios(output: Output, show: str | None) -> None:
    """List the scenarios that come with netlab."""
    if show:
        text = lab.load(show).text.decode()
        output.result({"scenario": show, "text": text}, lambda: text.rstrip("\n"))
        return
    titles = {name: lab.load(name).scenario.title for name in shipped()}
    entries = [{"scenario": name, "title": title} for name, title in titles.items()]
    output.result({"scenarios": entries}, lambda: report.text.scenarios(titles))
