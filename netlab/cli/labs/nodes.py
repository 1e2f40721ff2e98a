"""`exec` and `shell`: commands on a node of a running lab."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from netlab import lab
from netlab.cli.arguments import examples, lab_option, node_argument
from netlab.cli.output import say
from netlab.errors import UsageError

_SHELL_START = Path(__file__).parents[2] / "programs" / "shell.rc"


@click.command(
    "exec",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=examples(
        "sudo netlab exec vm1 -- ping -c1 www.example.com",
        "sudo netlab exec host -- tcpdump -ni vmnet8",
        "sudo netlab exec vmnet8 -- bridge fdb",
    ),
)
@lab_option
@node_argument
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
def execute(lab_name: str | None, node: str, command: tuple[str, ...]) -> None:
    """Run a command on a node.

    Its exit code becomes netlab's. The command is the machine's program; it sees
    the node's network, host name, /etc/hosts and /etc/resolv.conf.
    """
    if command and command[0].startswith("-") and command[0] != "--":
        raise UsageError(f"'{command[0]}' stands behind the node", "options of netlab go before it")
    words = command[1:] if command[:1] == ("--",) else command
    if not words or not words[0]:
        raise UsageError("there is no command", f"sudo netlab exec {node} -- COMMAND")
    name, node = _of_lab(lab_name, node)
    lab.execute(name, node, words, {})


@click.command(epilog=examples("sudo netlab shell vm1"))
@lab_option
@node_argument
def shell(lab_name: str | None, node: str) -> None:
    """Open a root shell on a node."""
    name, node = _of_lab(lab_name, node)
    lab.require_root()
    lab.namespace_of(name, node)
    if sys.stdin.isatty():
        say(f"You are on {node}, in the lab {name}. `exit` brings you back.", to_stderr=True)
    bash = shutil.which("bash")
    command = [bash, "--rcfile", str(_SHELL_START)] if bash else ["/bin/sh"]
    home = {"HOME": os.environ.get("HOME", "/root")}
    lab.execute(name, node, command, {"NETLAB_LAB": name, **home})


def _of_lab(lab_name: str | None, node: str) -> tuple[str, str]:
    """Return lab and node; the node may be written as its namespace, LAB.NODE."""
    if lab_name is None and "." in node:
        lab_name, _, node = node.partition(".")
    return lab.find_lab(lab_name), node
