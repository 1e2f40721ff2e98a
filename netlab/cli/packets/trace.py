"""`trace`: one packet, followed through a running lab."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netlab import lab, report
from netlab.cli.arguments import (
    KINDS,
    STDOUT,
    EndpointName,
    LabName,
    NodeArgument,
    OutputFile,
    ProbeKind,
    SecondsArgument,
    examples,
    json_option,
    lab_option,
    language_option,
    pass_output,
)
from netlab.cli.output import Output, discard, say, show
from netlab.cli.packets.prediction import ask
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from netlab.trace.model import Trace

_ALL_STEPS = "all"
_NO_ANSWER = 1
_WAITS = ("tcp", "udp", "raw")
"""Kinds that netlab's own receiver answers late, if it is told to."""


def _table(summaries: Mapping[str, str]) -> str:
    width = max(map(len, summaries)) + 2
    return "\n".join(f"  {name:{width}}{summary}" for name, summary in summaries.items())


@click.command(
    epilog="\b\nKinds of probe:\n"
    + _table(KINDS)
    + "\n\n"
    + examples(
        "sudo netlab trace vm1 internet",
        "sudo netlab trace vm1 internet --by tcp:80 --reply",
        "sudo netlab trace vm1 --by dns:www.example.com",
        "sudo netlab trace vm1 internet --fields 3",
        "sudo netlab trace vm1 internet --compare host@lan",
        "sudo netlab trace vm1 internet --predict",
        "sudo netlab trace vm1 internet --mermaid",
        "sudo netlab trace vm1 internet --html journey.html",
        "sudo netlab trace vm1 internet --pcapng - | wireshark -k -i -",
    )
)
@click.argument("source", type=NodeArgument(), metavar="SRC")
@click.argument("target", type=EndpointName(), metavar="[DST]", required=False)
@lab_option
@click.option(
    "--by",
    type=ProbeKind(),
    default="icmp",
    metavar="KIND",
    help="What is sent: see below. Default: icmp.",
)
@click.option(
    "--wait",
    type=SecondsArgument(0, 600),
    metavar="SECONDS",
    help="netlab's own receiver answers only then (udp without a port, raw).",
)
@click.option("--reply", is_flag=True, help="Tell the reply step by step too.")
@click.option(
    "--fields",
    is_flag=False,
    flag_value=_ALL_STEPS,
    metavar="[STEP]",
    help="Every header field, in and out; of one step, or of all.",
)
@click.option(
    "--compare",
    "other_target",
    type=EndpointName(),
    metavar="DST2",
    help="Side by side with the journey to DST2.",
)
@click.option(
    "--compare-from",
    "other_source",
    type=NodeArgument(),
    metavar="SRC2",
    help="Side by side with the journey from SRC2.",
)
@click.option(
    "--compare-lab",
    "other_lab",
    type=LabName(),
    metavar="LAB2",
    help="Side by side with the journey in LAB2.",
)
@click.option("--predict", is_flag=True, help="Ask where it will go, before that is shown.")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid sequence diagram.")
@click.option(
    "--pcapng",
    "file",
    type=OutputFile(or_stdout=True),
    metavar="FILE|-",
    help="Also write every sighting, for Wireshark; with -, the text goes to stderr.",
)
@click.option(
    "--html",
    "html",
    type=OutputFile(),
    metavar="FILE",
    help="Also write a page that steps through the journey, or through both.",
)
@language_option
@json_option
@pass_output
def trace(
    output: Output,
    source: str,
    target: str | None,
    lab_name: str | None,
    by: str,
    wait: float | None,
    reply: bool,
    fields: str | None,
    other_target: str | None,
    other_source: str | None,
    other_lab: str | None,
    predict: bool,
    mermaid: bool,
    file: str | None,
    html: str | None,
    language: str,
) -> int:
    """Send one packet, and say where it went, or where and why it was dropped.

    SRC is a node, DST a node, an adapter of one (host@lan) or an IP address, also a group's
    or a subnet's. Exit code 1 if no reply came back, or nobody heard what is for all.
    """
    compared = {
        "--compare": other_target,
        "--compare-from": other_source,
        "--compare-lab": other_lab,
    }
    comparison = next((name for name, value in compared.items() if value is not None), None)
    views = {
        "--fields": fields is not None,
        "--predict": predict,
        "--mermaid": mermaid,
        comparison or "--compare": comparison is not None,
    }
    additions = {"--json": output.json, "--pcapng": file is not None}
    _refuse_two(views, additions)
    _check_files(file, html, {**views, "--json": output.json})
    number = _step_number(fields)
    _check_wait(by, wait)
    running = lab.attach(lab.find_lab(lab_name))
    traced = lab.trace(running, source, target, by, wait or 0.0)
    if comparison:
        second_lab = lab.attach(lab.find_lab(other_lab)) if other_lab else running
        second = lab.trace(
            second_lab, other_source or source, other_target or target, by, wait or 0.0
        )
        if html:
            journeys = (
                report.data.trace(traced, running.name),
                report.data.trace(second, second_lab.name),
            )
            _write_page((running, second_lab), journeys, language, html)
        return _compare(output, (traced, second), (running.name, second_lab.name), reply, language)
    if file:
        _record(traced, file)
    if html:
        _write_page([running], [report.data.trace(traced, running.name)], language, html)
    if fields is not None:
        _show_fields(traced, number, language)
    elif mermaid:
        say(report.mermaid.sequence(traced, language))
    else:
        if predict:
            ask(traced, language)
        document = report.data.trace(traced, running.name)
        to_stderr = file == STDOUT

        def text() -> RenderableType:
            return _journey(traced, reply, language, to_stderr)

        if to_stderr:
            show(text(), to_stderr=True)
        else:
            output.result(document, text)
    return _code(traced)


def _journey(traced: Trace, reply: bool, language: str, to_stderr: bool) -> RenderableType:
    width = report.steps.WIDTH
    terminal = (sys.stderr if to_stderr else sys.stdout).isatty()
    if terminal:
        width = min(width, shutil.get_terminal_size().columns)
    return report.steps.journey(traced, reply, language, hint=terminal, width=width)


def _code(*traces: Trace) -> int:
    good = (Verdict.ANSWERED, Verdict.HEARD)
    return 0 if all(traced.diagnosis.verdict in good for traced in traces) else _NO_ANSWER


def _refuse_two(views: Mapping[str, bool], additions: Mapping[str, bool]) -> None:
    """Raise UsageError for two views at a time, or for a view with what it has no room for."""
    chosen = [name for name, on in views.items() if on]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} exclude each other", "leave one of them out")
    if not chosen:
        return
    view = chosen[0]
    if additions["--json"] and not view.startswith("--compare"):
        raise UsageError(f"{view} and --json exclude each other", "--json has every field")
    if additions["--pcapng"] and view.startswith("--compare"):
        raise UsageError("--pcapng writes one journey", f"leave out {view}")


def _check_files(file: str | None, html: str | None, prints: Mapping[str, bool]) -> None:
    """Raise UsageError if two outputs would go to one file; `prints` are options that write to stdout."""
    if file and html and Path(file).resolve() == Path(html).resolve():
        raise UsageError(f"--pcapng and --html would both write '{html}'", "name two files")
    if file != STDOUT:
        return
    if also := next((name for name, on in prints.items() if on), None):
        raise UsageError(f"--pcapng - and {also} would both write to stdout", "name a file")
    if sys.stdout.isatty():
        raise UsageError("this would write binary data to the terminal", "pipe it, or name a file")


def _step_number(fields: str | None) -> int | None:
    """Return the step of `--fields 3`; None for all steps. Raises UsageError."""
    if fields is None or fields == _ALL_STEPS:
        return None
    if not fields.isdecimal() or int(fields) == 0:
        raise UsageError(f"'{fields}' is no step's number", "write --fields 3, or --fields alone")
    return int(fields)


def _check_wait(by: str, wait: float | None) -> None:
    """Raise UsageError where nobody would wait."""
    word, _, detail = by.partition(":")
    if wait is not None and (word not in _WAITS or (detail and word != "raw")):
        raise UsageError(
            f"--wait: with --by {by} it is not netlab's own receiver that answers",
            "use --by tcp, udp or raw:N",
        )


def _show_fields(traced: Trace, number: int | None, language: str) -> None:
    count = report.fields.count(traced)
    if number is not None and number > count:
        fix = f"this journey has steps 1 to {count}" if count else "nothing was sent"
        raise UsageError(f"there is no step {number}", fix)
    show(report.fields.fields(traced, number, language))


def _compare(
    output: Output, traces: tuple[Trace, Trace], labs: tuple[str, str], reply: bool, language: str
) -> int:
    several = len(set(labs)) > 1
    documents = [report.data.trace(*traced) for traced in zip(traces, labs, strict=True)]
    output.result(
        {"compared": documents},
        lambda: report.comparison.side_by_side(
            *traces, labs if several else ("", ""), reply, language
        ),
    )
    return _code(*traces)


def _write_page(
    labs: Sequence[lab.Lab], journeys: Sequence[dict[str, Any]], language: str, file: str
) -> None:
    from netlab.cli.packets import page  # Most journeys are read in the terminal.

    page.write(labs, journeys, language, file)


def _record(traced: Trace, file: str) -> None:
    try:
        if file == STDOUT:
            count = report.pcap_comments.record(traced, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with report.pcapng.written(Path(file)) as stream:
                count = report.pcap_comments.record(traced, stream)
    except BrokenPipeError:  # The reader has enough.
        discard(sys.stdout)
        return
    name = "stdout" if file == STDOUT else file
    say(f"{name}: {count} sightings", to_stderr=True)
