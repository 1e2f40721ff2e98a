"""Arguments in, text out, exit code. Decides nothing: the verbs are in `netlab.lab`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from netlab import __version__
from netlab.cli import ctrl_c
from netlab.cli.arguments import CommandGroup, examples, lab_of_group_option
from netlab.cli.output import Output, discard
from netlab.errors import Interrupted, KernelError, NetlabError, UsageError

_COMMANDS = {
    "up": ("labs.up.up", "Build a lab and show it."),
    "verify": (
        "packets.verify.verify",
        "Measure who reaches whom, and compare it with the scenario.",
    ),
    "status": ("labs.status.status", "Show labs; of one, its nodes, leases and drift."),
    "trace": (
        "packets.trace.trace",
        "Send one packet, and say where it went, or where and why it was dropped.",
    ),
    "explain": (
        "packets.explain.explain",
        "Say where a packet would go, and why, without sending it.",
    ),
    "show": ("labs.show.show", "Show a table of the lab as it is now."),
    "watch": (
        "packets.watch.watch",
        "Tell what is said in the lab, live: a line for each question with its reply, or connection.",
    ),
    "view": (
        "packets.view.view",
        "Serve a page with the lab's live traffic to a browser on this machine.",
    ),
    "capture": (
        "packets.capture.capture",
        "Capture packets at several points at once, in the order of time.",
    ),
    "graph": (
        "labs.graph.graph",
        "Draw a lab: VMs, switches, the host, NAT and DHCP, the LAN, the Internet.",
    ),
    "set": (
        "changing.settings.assign",
        "Change a value of a running lab's scenario, and the lab with it.",
    ),
    "add": ("changing.vms.add", "Add a VM to a running lab, with an adapter on each network."),
    "clone": ("changing.vms.clone", "Add a copy of a VM to a running lab."),
    "remove": ("changing.vms.remove", "Remove a VM from a running lab."),
    "forward": (
        "changing.forwards.forward",
        "Ports of the host that lead to VMs behind NAT, as in the editor's NAT settings.",
    ),
    "dhcp": (
        "changing.dhcp.dhcp",
        "Leases of a running lab's machines: given back, asked for anew.",
    ),
    "apply": ("changing.apply.apply", "Bring a running lab to an edited scenario."),
    "repair": ("changing.repair.repair", "Undo what was changed in a running lab by hand."),
    "exec": ("labs.nodes.execute", "Run a command on a node."),
    "shell": ("labs.nodes.shell", "Open a root shell on a node."),
    "down": ("labs.down.down", "End labs and everything that runs in them."),
    "run": ("packets.run.run", "For each scenario: up, verify, down."),
    "scenarios": ("scenarios.scenarios.scenarios", "List the scenarios that come with netlab."),
    "validate": (
        "scenarios.validate.validate",
        "Check scenario files; report every problem at once.",
    ),
    "plan": ("scenarios.plan.plan", "Print everything that `up` would create, in order."),
    "schema": (
        "scenarios.schema.schema",
        "Print the JSON Schema of scenario files, for editors.",
    ),
    "doctor": ("machine.doctor.doctor", "Say what this machine lacks, and what that costs."),
    "unshare": ("machine.unshare.unshare", "Open a shell in which netlab works without root."),
    "completion": ("machine.completion.completion", "Print the completion script for a shell."),
}
"""Module and function of each, and the first sentence of its help, in the order in which a newcomer needs
them. Only what is asked for is imported, for a quick start; help and completion have the sentences here."""


class _Commands(CommandGroup):
    """Imports only the command that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, function = _COMMANDS[cmd_name][0].rpartition(".")
        command: click.Command = getattr(import_module(f"netlab.cli.{module}"), function)
        return command

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        return {name: summary for name, (_, summary) in _COMMANDS.items()}

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Do as `click.Group` does, without importing every command."""
        commands = [
            click.Command(name, help=summary)
            for name, summary in self.summaries(ctx).items()
            if name.startswith(incomplete)
        ]
        names = [
            CompletionItem(command.name, help=command.get_short_help_str()) for command in commands
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


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
    """Return whether a command, or every one of its subcommands, works on a running lab."""
    return any(option.opts == ["--lab"] for option in command.params) if command else False


def run(arguments: Sequence[str], name: str = "netlab") -> int:
    """Run a command line, and return the exit code. `name` is what the user typed for netlab."""
    output = Output()
    if any(variable.endswith("_COMPLETE") for variable in os.environ):
        from netlab.cli.completion import answer_shells  # Only shells ask.

        answer_shells()
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
        if ctrl_c.has_come():
            return _fail_in_haste(output, Interrupted("interrupted"))
        if os.environ.get("NETLAB_DEBUG"):
            sys.excepthook(type(error), error, error.__traceback__)
        fix = "please report it with the output of the same command under NETLAB_DEBUG=1"
        return _fail(
            output, NetlabError(f"a fault in netlab: {type(error).__name__}: {error}", fix)
        )
    return code if isinstance(code, int) else 0


def _fail_in_haste(output: Output, error: Interrupted) -> int:
    """Fail after a signal: no reader is waited for, and a second one changes nothing."""
    # What works on files only needs nothing of the kernel's, and no Linux.
    from netlab.kernel.signals import hurry

    hurry()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _fail(output, error)


def _fail(output: Output, error: NetlabError) -> int:
    try:
        output.failure(error)
    except OSError:  # Nobody can be told: a full disk behind stdout, for example.
        discard(sys.stdout)
    return error.exit_code
