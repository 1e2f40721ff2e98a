"""Commands that build, look at, test and end labs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netlab import lab
from netlab.cli.arguments import (
    LabName,
    MatrixEnd,
    ScenarioName,
    examples,
    json_option,
    junit_option,
    lab_option,
    language_option,
    pass_output,
    same_lab,
    scenario_argument,
)
from netlab.cli.called import typed
from netlab.cli.output import DRAWING_WIDTH, Output, columns, say, show
from netlab.errors import (
    KernelError,
    LabExists,
    NetlabError,
    SystemRefused,
    UsageError,
)
from netlab.frozen import frozen
from netlab.messages import N_, translator

if TYPE_CHECKING:
    from netlab.lab import Lab, Status, Unleased
    from netlab.report.verify.junit import Suite
    from netlab.scenario.expectation import Expectation
    from netlab.scenario.loaded import LoadedScenario
    from netlab.verify.matrix import Result

EXIT_NOT_AS_EXPECTED = 1
_SHOWN_CHANGES = 10


@click.command(
    epilog=examples(
        "sudo netlab up nat",
        "sudo netlab up mine.yaml --name test1",
        "netlab up three-modes --dry-run",
    )
)
@scenario_argument
@click.option("--name", metavar="LAB", help="Name of the lab; default: the scenario's.")
@click.option("--dry-run", is_flag=True, help="Print what would be created, and stop.")
@json_option
@pass_output
def up(output: Output, scenario: str, name: str | None, dry_run: bool) -> None:
    """Build a lab and show it."""
    planned = lab.prepare(lab.load(scenario), name)
    output.warn(planned.source.warnings)
    if dry_run:
        print_plan(output, planned)
        return
    output.warn(lab.warnings(planned))
    unleased: list[lab.Unleased] = []
    try:
        with lab.undone_by_signals(planned):
            with output.building(planned) as progress:
                lab.up(planned, progress, unleased.append)
            output.warn(unleased)
            _show(output, lab.status(planned, unleased))
            for hint in _hints(planned):
                output.note(hint)
    except LabExists as error:
        _explain_existing(output, planned, error)
        raise click.exceptions.Exit(error.exit_code) from None


@click.command(epilog=examples("sudo netlab down nat", "sudo netlab down --all"))
@click.argument("labs", nargs=-1, type=LabName(), metavar="[LAB]...")
@lab_option
@click.option("--all", "every", is_flag=True, help="End all labs.")
@json_option
@pass_output
def down(output: Output, labs: tuple[str, ...], lab_name: str | None, every: bool) -> None:
    """End labs and everything that runs in them.

    Also labs that are broken. --all sweeps up what a reboot has left as well.
    """
    if lab_name:
        labs = tuple(dict.fromkeys([*labs, lab_name]))
    if every and labs:
        raise UsageError("--all and names exclude each other", "leave one of them out")
    chosen = lab.names() if every else [lab.find_lab(name, "down LAB") for name in labs or (None,)]
    if every:
        lab.sweep()
    ended: list[str] = []
    failed: list[SystemRefused] = []
    for name in chosen:
        try:
            lab.down(name)
        except SystemRefused as error:
            failed.append(error)
            continue
        ended.append(name)
        if not output.json:
            output.note(f"lab {name} is down")
    if output.json and not failed:
        output.document({"down": ended})
    elif not chosen:
        output.note("no lab is running")
    for one in failed:
        output.failure(one, {"down": ended})
    if failed:
        raise click.exceptions.Exit(SystemRefused.exit_code)


@click.command(epilog=examples("sudo netlab status", "sudo netlab status nat --json"))
@click.argument("name", required=False, type=LabName(), metavar="[LAB]")
@lab_option
@json_option
@pass_output
def status(output: Output, name: str | None, lab_name: str | None) -> None:
    """Show labs; of one, its nodes, leases and drift.

    Drift is what differs from the plan: missing, or there without being planned.
    """
    name = same_lab(name, lab_name)
    records = lab.records()
    if name is not None or (len(records) == 1 and records[0].ready):
        _show(output, lab.status(lab.attach(lab.find_lab(name))), alone=name is not None)
        return
    if not records and not output.json:
        output.note("no lab is running; `sudo netlab up nat` starts one")
        return
    from netlab.report import data, text

    output.result(
        {"labs": [data.lab_record(record) for record in records]}, lambda: text.labs(records)
    )


@click.command(
    epilog=examples(
        "sudo netlab verify",
        "sudo netlab verify nat --junit nat.xml",
        "sudo netlab verify --from 'vm*' --to internet --to router",
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
    "--answers-only",
    is_flag=True,
    help="Look at the ends of each way only: faster, and says not where and why a packet died.",
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
    answers_only: bool,
    junit: str | None,
    language: str,
) -> None:
    """Measure who reaches whom, and compare it with the scenario.

    Probes are sent between all endpoints at the same time, and followed through every machine
    and switch. Reached means that an ICMP echo request (a ping) arrived and was answered; for a
    port, see `netlab trace --by tcp:80`. Exit code 1 if a pair is not as expected, or not known;
    3 if there is no such lab.
    """
    running = lab.attach(lab.find_lab(same_lab(name, lab_name)))
    wanted = lab.pairs(running, sources, targets)
    _report(output, [_measure(output, running, wanted, answers_only)], junit, language)


@click.command(
    epilog=examples("netlab run nat bridged hostonly --junit results.xml"),
)
@click.argument("scenarios", nargs=-1, required=True, type=ScenarioName(), metavar="SCENARIO...")
@junit_option
@language_option
@json_option
@pass_output
def run(output: Output, scenarios: tuple[str, ...], junit: str | None, language: str) -> None:
    """For each scenario: up, verify, down. Goes on after a failure; made for CI.

    The labs are called run-SCENARIO, so that they do not meet labs of yours. Needs no
    root where user namespaces are allowed.
    """
    planned = [_prepare_run(lab.load(scenario)) for scenario in scenarios]
    if len({one.name for one in planned}) < len(planned):
        raise UsageError("two of these scenarios have the same name", "give each once")
    lab.ensure_root()
    _report(output, [_run_one(output, one) for one in planned], junit, language)


def print_plan(output: Output, planned: Lab) -> None:
    """The nouns of a plan, line by line."""
    from netlab.plan.plan import line
    from netlab.report import data

    if output.json:
        output.document(data.plan(planned.plan))
        return
    for resource in planned.plan.resources:
        say(line(resource))


@frozen
class _Measured:
    """A lab and its matrix, or the error that kept it from being measured."""

    lab: Lab
    results: tuple[Result, ...] = ()
    seconds: float = 0.0
    error: NetlabError | None = None
    unleased: tuple[Unleased, ...] = ()

    @property
    def failed(self) -> bool:
        return any(not result.passed for result in self.results)

    def suite(self) -> Suite:
        from netlab.report.verify.junit import Suite

        message = str(self.error) if self.error else None
        return Suite(self.lab.name, self.results, self.seconds, message)


def _measure(
    output: Output, running: Lab, pairs: Sequence[Expectation], answers_only: bool = False
) -> _Measured:
    started = time.monotonic()
    with output.measuring(running, len(pairs)) as progress:
        results = tuple(lab.verify(running, progress, answers_only, pairs))
    return _Measured(running, results, time.monotonic() - started)


def _prepare_run(source: LoadedScenario) -> Lab:
    from netlab.scenario.names import lab_name_after

    return lab.prepare(source, lab_name_after(f"run-{source.name}"))


def _run_one(output: Output, planned: Lab) -> _Measured:
    output.warn(planned.source.warnings)
    unleased: list[lab.Unleased] = []
    try:
        with ExitStack() as stack:
            with output.building(planned) as progress:
                stack.enter_context(lab.running(planned, progress, unleased.append))
            output.warn(unleased)
            measured = _measure(output, planned, planned.expectations)
            return replace(measured, unleased=tuple(unleased))
    except OSError as error:
        return _Measured(planned, error=KernelError(f"the system said no: {error}"))
    except SystemRefused as error:
        return _Measured(planned, error=error)


def _report(output: Output, measured: list[_Measured], junit: str | None, language: str) -> None:
    """Print matrices, write JUnit, and end with the exit code that they deserve."""
    from rich.text import Text

    from netlab.report import data
    from netlab.report.verify.matrix import Matrix

    documents = []
    for one in measured:
        if one.error:
            documents.append({"lab": one.lab.name, **data.error(one.error)})
            say(typed(f"netlab: lab {one.lab.name}: {one.error}"), to_stderr=True)
            continue
        documents.append(data.matrix(one.lab, one.results, one.unleased))
        if not output.json:
            heading = translator(language)(N_("lab {lab}: {title}"))
            show(Text(heading.format(lab=one.lab.name, title=one.lab.source.scenario.title) + "\n"))
            show(Matrix(one.results, language))
    if output.json:
        output.document(documents[0] if len(documents) == 1 else {"labs": documents})
    if junit:
        from netlab.report.verify.junit import render

        try:
            Path(junit).write_text(render([one.suite() for one in measured]), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write '{junit}': {error.strerror}") from error
    if any(one.error for one in measured):
        raise click.exceptions.Exit(SystemRefused.exit_code)
    if any(one.failed for one in measured):
        raise click.exceptions.Exit(EXIT_NOT_AS_EXPECTED)


def _show(output: Output, found: Status, alone: bool = True) -> None:
    from netlab.report import data, text

    document = data.lab_status(found)
    width = columns(DRAWING_WIDTH)
    output.result(
        document if alone else {"labs": [document]}, lambda: text.lab_status(found, width)
    )


def _hints(planned: Lab) -> list[str]:
    """Three things to try next; none of a lab that ends with this command."""
    from netlab.kernel.host import rootless
    from netlab.scenario.expectation import reaches

    if rootless.ends_with_this_process():
        return []
    node = next(iter(planned.source.scenario.vms), "host")
    which = f"--lab {planned.name} " if len(lab.names()) > 1 else ""
    online = reaches(planned.topology, node, "internet")
    command = "curl -s http://www.example.com/" if online else "ip route"
    what = "as whom the Internet sees it" if online else "no way out"
    inside = rootless.is_inside()
    tools = "ip address, ping" if inside else "ip address, ping, tcpdump"  # It wants more users.
    return [
        "",
        "Try next:",
        f"  sudo netlab verify {planned.name}    # who reaches whom, on real packets",
        f"  sudo netlab exec {which}{node} -- {command}    # {what}",
        f"  sudo netlab shell {which}{node}    # look around: {tools}",
    ]


def _explain_existing(output: Output, planned: Lab, error: LabExists) -> None:
    """`up` on a running lab changes nothing: it says how the lab differs from what is wanted."""
    from netlab.plan.plan import drift_between
    from netlab.report import data, text

    try:
        running = lab.attach(planned.name)
    except SystemRefused as incomplete:
        output.failure(incomplete)
        return
    edited = drift_between(planned.plan.resources, running.plan.resources)
    drifted = lab.status(running).drift
    output.failure(
        error,
        {"scenario_changes": data.difference(edited), "drift": data.difference(drifted)},
    )
    if edited:
        say("\nThis scenario differs from the one that the lab was built from:", to_stderr=True)
        show(text.difference(edited, _SHOWN_CHANGES), to_stderr=True)
    if drifted:
        say("\nThe lab has drifted from its plan:", to_stderr=True)
        show(text.difference(drifted, _SHOWN_CHANGES), to_stderr=True)
    if not edited and not drifted:
        say("It runs this very scenario, and nothing in it has changed.", to_stderr=True)
