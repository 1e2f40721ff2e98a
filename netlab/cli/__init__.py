"""Arguments in, text out, exit code. Decides nothing: the verbs are in `netlab.lab`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from netlab import __version__
from netlab.cli.arguments import CommandGroup, examples, lab_of_group_option
from netlab.cli.output import Output, discard
from netlab.errors import Interrupted, KernelError, NetlabError, UsageError

_COMMANDS = {
    "up": "labs.up.up",
    "verify": "labs.up.verify",
    "status": "labs.up.status",
    "trace": "packets.trace.trace",
    "explain": "packets.explain.explain",
    "show": "labs.show.show",
    "watch": "packets.watch.watch",
    "view": "packets.view.view",
    "capture": "packets.capture.capture",
    "graph": "labs.graph.graph",
    "set": "changing.changing.assign",
    "add": "changing.changing.add",
    "clone": "changing.changing.clone",
    "remove": "changing.changing.remove",
    "forward": "changing.changing.forward",
    "dhcp": "changing.changing.dhcp",
    "apply": "changing.changing.apply",
    "repair": "changing.changing.repair",
    "exec": "labs.nodes.execute",
    "shell": "labs.nodes.shell",
    "down": "labs.up.down",
    "run": "labs.up.run",
    "scenarios": "scenarios.files.scenarios",
    "validate": "scenarios.files.validate",
    "plan": "scenarios.files.plan",
    "schema": "scenarios.files.schema",
    "doctor": "machine.system.doctor",
    "unshare": "machine.system.unshare",
    "completion": "machine.system.completion",
}
"""Module and function of each. Only what is asked for is imported, for a quick start."""


class _Commands(CommandGroup):
    """Lists commands in the order in which a newcomer needs them, and imports those that it has to."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module, _, function = _COMMANDS.get(cmd_name, "").rpartition(".")
        if not module:
            return None
        command: click.Command = getattr(import_module(f"netlab.cli.{module}"), function)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "sudo netlab up nat",
        "sudo netlab verify",
        "sudo netlab exec vm1 -- curl http://www.example.com/",
        "sudo netlab down",
    )
    + "\n\n\b\nExit codes:\n"
    "  0    fine\n"
    "  1    an expectation was not met, or a verdict is unknown\n"
    "  2    the scenario or the command line is wrong\n"
    "  3    the system said no: not root, no such lab, something is missing\n"
    "  130  interrupted",
)
@click.version_option(__version__, prog_name="netlab")
@lab_of_group_option
@click.pass_context
def netlab(context: click.Context) -> None:
    """VMware's virtual networks as real packets: bridged, NAT and host-only."""
    output = context.ensure_object(Output)
    verb = context.invoked_subcommand or ""
    if output.lab and not takes_lab(netlab.get_command(context, verb)):
        raise UsageError(f"`{verb}` works on no running lab", "leave --lab out")


def takes_lab(command: click.Command | None) -> bool:
    """Whether a command, or every one of its subcommands, works on a running lab."""
    return any(option.opts == ["--lab"] for option in command.params) if command else False


def run(arguments: Sequence[str], name: str = "netlab") -> int:
    """Run a command line; returns the exit code. `name` is what the user typed for netlab."""
    output = Output()
    if any(name.endswith("_COMPLETE") for name in os.environ):
        from netlab.cli.completion import answers

        answers()
    try:
        # Without click's own ending, errors and exit codes are decided here.
        code = netlab.main(list(arguments), prog_name=name, obj=output, standalone_mode=False)
    except click.ClickException as error:
        if not output.json:
            error.show()
            return UsageError.exit_code
        return _fail(output, UsageError(error.format_message()))
    except (KeyboardInterrupt, click.Abort):
        return _fail_in_haste(output, Interrupted("interrupted"))
    except Interrupted as error:
        return _fail_in_haste(output, error)
    except NetlabError as error:
        return _fail(output, error)
    except OSError as error:
        return _fail(output, KernelError(f"the system said no: {error}"))
    except Exception as error:
        if os.environ.get("NETLAB_DEBUG"):
            import traceback

            traceback.print_exc()
        fix = "please report it with the output of the same command under NETLAB_DEBUG=1"
        return _fail(
            output, NetlabError(f"a fault in netlab: {type(error).__name__}: {error}", fix)
        )
    return code if isinstance(code, int) else 0


def _fail_in_haste(output: Output, error: Interrupted) -> int:
    """After a signal: no reader is waited for, and a second one changes nothing."""
    from netlab.kernel.patience import hurry

    hurry()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _fail(output, error)


def _fail(output: Output, error: NetlabError) -> int:
    try:
        output.failure(error)
    except OSError:  # Nobody can be told: a full disk behind stdout, for example.
        discard(sys.stdout)
    return error.exit_code
