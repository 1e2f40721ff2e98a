"""`verify`: the matrix of a running lab."""

from __future__ import annotations

import click

from netlab import lab, report
from netlab.cli.arguments import (
    LabName,
    MatrixEnd,
    MatrixKind,
    examples,
    json_option,
    junit_option,
    lab_option,
    language_option,
    pass_output,
    same_lab,
)
from netlab.cli.output import Output, say
from netlab.cli.packets.measured import measure, report_measured
from netlab.errors import UsageError


@click.command(
    epilog=examples(
        "sudo netlab verify",
        "sudo netlab verify nat --junit nat.xml",
        "sudo netlab verify --from 'vm*' --to internet --to router",
        "sudo netlab verify --by tcp --strict",
        "sudo netlab verify --learn",
    )
)
@click.argument("name", required=False, type=LabName(), metavar="[LAB]")
@lab_option
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=MatrixEnd(),
    metavar="ENDPOINT",
    help="Only pairs from it, for example vm1, 'vm*' or host@lan. Can be repeated.",
)
@click.option(
    "--to",
    "targets",
    multiple=True,
    type=MatrixEnd(),
    metavar="ENDPOINT",
    help="Only pairs to it. Can be repeated.",
)
@click.option(
    "--by",
    "kinds",
    multiple=True,
    type=MatrixKind(),
    metavar="KIND",
    help="Only by it, of the kinds of probes in the scenario's rules: icmp, tcp, tcp:80. Can be repeated.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="A blocked pair is as expected only if a rule says why: `because: firewall`.",
)
@click.option(
    "--learn",
    is_flag=True,
    help="Print the rules that would say what is, to be read and pasted into a scenario.",
)
@click.option(
    "--replies-only",
    is_flag=True,
    help="Look at the ends of each way only: faster, and says not where and why a packet was dropped.",
)
@junit_option
@language_option
@json_option
@pass_output
def verify(
    output: Output,
    name: str | None,
    lab_name: str | None,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    kinds: tuple[str, ...],
    strict: bool,
    learn: bool,
    replies_only: bool,
    junit: str | None,
    language: str,
) -> None:
    """Measure who reaches whom, and compare it with the scenario.

    Probes are sent between all endpoints at the same time, and followed through every machine
    and switch. Reached means that an ICMP echo request (a ping) arrived and was answered; for a
    port, a name, an address by DHCP, give the scenario a rule with `by`. The scenario's facts
    (leases, routes, names) are measured before, unless some pairs are chosen. Exit code 1 if a pair
    or a fact is not as expected, or not known; 3 if there is no such lab.
    """
    if learn and junit:
        raise UsageError("--learn prints rules, and writes no JUnit XML", "leave one of them out")
    running = lab.attach(lab.find_lab(same_lab(name, lab_name)))
    pairs = lab.pairs(running, sources, targets, kinds)
    measured = measure(output, running, pairs, replies_only, strict)
    if learn:
        if output.json:
            output.document(report.learnt.rules(measured.results))
        else:
            say(report.learnt.text(measured.results))
        return
    report_measured(output, [measured], junit, language)
