"""`graph`: the picture of a lab, in the formats that people and other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netlab import lab, report
from netlab.cli.arguments import (
    STDOUT,
    LabOrScenario,
    OutputFile,
    examples,
    json_option,
    lab_option,
    language_option,
    pass_output,
)
from netlab.cli.output import DRAWING_WIDTH, Output, columns, say, show
from netlab.errors import UsageError
from netlab.scenario.files import is_path

if TYPE_CHECKING:
    from rich.console import RenderableType

    from netlab.report.topology.graph import Graph

_SUFFIXES = {
    ".txt": "text",
    ".svg": "svg",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".html": "html",
}
"""The format of a file whose name tells it."""
_NOT_BUILT = "drawing"
"""The name of the lab that is drawn and not built: a file's own name may be none for a lab."""


@click.command(
    epilog=examples(
        "sudo netlab graph",
        "netlab graph mine.yaml",
        "netlab graph three-modes -o three-modes.svg",
        "netlab graph ./nat.yaml --format dot | dot -Tpdf > nat.pdf",
        "netlab graph nat --lang zh -o nat.svg",
    )
)
@click.argument("name", required=False, type=LabOrScenario(), metavar="[LAB|SCENARIO|FILE]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "svg", "dot", "mermaid", "html"]),
    help="Default: what the name of -o FILE ends in, or text.",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=OutputFile(or_stdout=True),
    metavar="FILE|-",
    help="Write to a file instead of the terminal; - is the terminal or pipe.",
)
@lab_option
@language_option
@json_option
@pass_output
def graph(
    output: Output,
    name: str | None,
    form: str | None,
    file: str | None,
    lab_name: str | None,
    language: str,
) -> None:
    """Draw a lab: VMs, switches, the host, NAT and DHCP, the LAN, the Internet.

    Of a lab that runs, with the addresses that its machines have now; without a name, of the only
    one. Of a scenario or file, as planned: that needs neither root nor a lab. A lab
    that runs is preferred to a scenario of its name; a name with / or .yaml is a file's.
    """
    if output.json and (form or file):
        raise UsageError("--json excludes --format and -o", "write `--json > FILE`")
    file = None if file == STDOUT else file
    drawn = _graph(name, lab_name, "en" if output.json else language)
    if output.json:
        output.document(report.data.graph(drawn))
        return
    suffix = Path(file or "").suffix.lower()
    if suffix and not form and suffix not in _SUFFIXES:
        suffixes = ", ".join(_SUFFIXES)
        raise UsageError(
            f"'{file}' does not say which format", f"end it in {suffixes}, or say --format"
        )
    form = form or _SUFFIXES.get(suffix, "text")
    if form == "text" and not file:
        show(_text(drawn))
        return
    content = _content(drawn, form)
    if file:
        _write(file, content)
    else:
        say(content.rstrip("\n"))


def _graph(name: str | None, lab_name: str | None, language: str) -> Graph:
    if name and lab_name:
        raise UsageError(f"'{name}' and --lab exclude each other", "leave one of them out")
    is_file = name is not None and is_path(name)
    if name is None or (not is_file and name in lab.names()):
        return report.graph.running(
            lab.status(lab.attach(lab.find_lab(name or lab_name))), language
        )
    try:
        source = lab.load(name)
    except UsageError as error:
        if is_file:
            raise
        raise UsageError(f"no lab '{name}' is running, and {error.what}", error.fix) from error
    return report.graph.planned(lab.prepare(source, _NOT_BUILT), language)


def _text(drawn: Graph) -> RenderableType:
    width = columns(DRAWING_WIDTH)
    return report.text.picture(drawn.topology, drawn.addresses, width, drawn.language)


def _content(drawn: Graph, form: str) -> str:
    match form:
        case "svg":
            return report.svg.render(drawn)
        case "html":
            return report.svg.page(drawn)
        case "dot":
            return report.diagrams.dot(drawn)
        case "mermaid":
            return report.diagrams.mermaid(drawn)
    return report.text.plain(_text(drawn)) + "\n"


def _write(file: str, content: str) -> None:
    try:
        Path(file).write_text(content, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write '{file}': {error.strerror}") from error
