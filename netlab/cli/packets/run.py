"""`run`: scenarios are built, verified and ended, for CI."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from netlab import lab
from netlab.cli.arguments import (
    ScenarioName,
    examples,
    json_option,
    junit_option,
    language_option,
    pass_output,
)
from netlab.cli.output import Output
from netlab.cli.packets.measured import Measured, measure, report_measured
from netlab.cli.packets.side_by_side import side_by_side
from netlab.errors import KernelError, SystemRefused, UsageError
from netlab.scenario.names import lab_name_after

if TYPE_CHECKING:
    from netlab.scenario.loaded import LoadedScenario


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

    As many run at the same time as there are processors. The labs are called run-SCENARIO, so
    that they do not meet labs of yours. Needs no root where user namespaces are allowed.
    """
    planned = [prepare_run(lab.load(scenario)) for scenario in scenarios]
    if len({chosen.name for chosen in planned}) < len(planned):
        raise UsageError("two of these scenarios have the same name", "give each once")
    lab.ensure_root()
    report_measured(output, _measured(output, planned), junit, language)


def prepare_run(source: LoadedScenario) -> lab.Lab:
    """Plan the lab of a scenario, called run-SCENARIO."""
    return lab.prepare(source, lab_name_after(f"run-{source.name}"))


def _measured(output: Output, planned: Sequence[lab.Lab]) -> list[Measured]:
    """Run the labs, several at the same time where there are processors for them."""
    workers = min(len(planned), len(os.sched_getaffinity(0)))
    if workers < 2:
        return [_run(output, chosen) for chosen in planned]
    quiet = Output(json=output.json, quiet=True)
    measured: dict[int, Measured] = {}
    with output.running(len(planned)) as progress:
        for number, done in side_by_side(lambda chosen: _run(quiet, chosen), planned, workers):
            measured[number] = done
            progress(done.running.name)
    for number in range(len(planned)):
        output.warn(planned[number].source.warnings)
        output.warn(measured[number].unleased)
    return [measured[number] for number in range(len(planned))]


def _run(output: Output, planned: lab.Lab) -> Measured:
    output.warn(planned.source.warnings)
    unleased: list[lab.Unleased] = []
    try:
        with ExitStack() as stack:
            with output.building(planned) as progress:
                stack.enter_context(lab.running(planned, progress, unleased.append))
            output.warn(unleased)
            measured = measure(output, planned, planned.expectations)
            return replace(measured, unleased=tuple(unleased))
    except OSError as error:
        return Measured(planned, error=KernelError(f"the system said no: {error}"))
    except SystemRefused as error:
        return Measured(planned, error=error)
