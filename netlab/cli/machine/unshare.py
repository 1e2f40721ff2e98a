"""`unshare`: labs without root."""

from __future__ import annotations

import os
import sys

import click

from netlab import lab
from netlab.cli.arguments import examples
from netlab.cli.output import say
from netlab.errors import UsageError


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
