"""`set`: values of a running lab's scenario."""

from __future__ import annotations

import click

from netlab import lab
from netlab.cli.arguments import (
    Setting,
    Target,
    examples,
    json_option,
    lab_option,
    pass_output,
)
from netlab.cli.changing.changing import carry_out, dry_run_option
from netlab.cli.output import Output
from netlab.errors import UsageError


@click.command(
    "set",
    epilog=examples(
        "sudo netlab set vm1.eth0 connected=false       # pull the cable",
        "sudo netlab set vm1.eth0 network=vmnet1        # move it to another network",
        "sudo netlab set vmnet8 adapter=off             # as Windows disables VMnet8",
        "sudo netlab set vmnet8 stopped=[nat]           # stop VMware's NAT service",
        "sudo netlab set vmnet8 stopped=                # start it again",
    ),
)
@click.argument("target", type=Target(), metavar="WHAT")
@click.argument("settings", nargs=-1, required=True, type=Setting(), metavar="KEY=VALUE...")
@lab_option
@dry_run_option
@json_option
@pass_output
def assign(
    output: Output, target: str, settings: tuple[str, ...], lab_name: str | None, dry_run: bool
) -> None:
    """Change a value of a running lab's scenario, and the lab with it.

    WHAT is a VM (vm1), an adapter of one (vm1.eth0), a vmnet, a card of the host (host.eth0),
    host, lan or internet. Keys and values are those of a scenario file; no value takes the key out.
    """
    changed = dict(_setting(word) for word in settings)
    running = lab.attach(lab.find_lab(lab_name))
    carry_out(output, running, lab.set_value(running, target, changed), dry_run)


def _setting(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not key or not equals:
        raise UsageError(f"'{word}' is no setting", "write KEY=VALUE, for example connected=false")
    return key, value
