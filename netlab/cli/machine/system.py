"""Commands about this machine."""

from __future__ import annotations

import os
import sys

import click

from netlab import lab
from netlab.cli.arguments import examples, json_option, pass_output
from netlab.cli.output import Output, say
from netlab.errors import SystemRefused, UsageError


@click.command(epilog=examples("sudo netlab doctor"))
@json_option
@pass_output
def doctor(output: Output) -> None:
    """Say what this machine lacks, and what that costs."""
    from netlab.kernel.host.doctor import Health, examine
    from netlab.report import data, text

    found = examine()
    output.result({"checks": data.checks(found)}, lambda: text.checks(found))
    if any(check.health is Health.MISSING for check in found):
        raise click.exceptions.Exit(SystemRefused.exit_code)


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=examples(
        "netlab unshare                      # a shell; then: netlab up nat, and so on",
        "netlab unshare -- sh -c 'netlab up nat && netlab trace vm1 internet'",
    ),
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[--] [COMMAND]...")
def unshare(command: tuple[str, ...]) -> None:
    """Open a shell in which netlab works without root.

    Or run a command so; its exit code becomes netlab's. You are root there, of namespaces of
    your own: with your files, no network but the labs', and an end that ends all labs.
    """
    if command and command[0].startswith("-") and command[0] != "--":
        raise UsageError(f"there is no option '{command[0]}'", "netlab unshare -- COMMAND")
    words = command[1:] if command[:1] == ("--",) else command
    if not words and sys.stdin.isatty():
        say("Labs work here without sudo, and end with this shell. `exit` leaves.", to_stderr=True)
    lab.unshare(words or [os.environ.get("SHELL", "/bin/sh")])


@click.command(
    epilog=examples(
        'eval "$(netlab completion bash)"     # in ~/.bashrc',
        'eval "$(netlab completion zsh)"      # in ~/.zshrc, behind compinit',
        "netlab completion fish > ~/.config/fish/completions/netlab.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    from netlab.cli.completion import CLASSES, asking

    root = context.find_root()
    name = root.info_name or "netlab"
    say(CLASSES[shell](root.command, {}, name, asking(name)).source())
