"""Commands about this machine."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from netlab.cli.arguments import examples, json_option, pass_output
from netlab.cli.output import Output, say
from netlab.errors import SystemRefused


@click.command(epilog=examples("sudo netlab doctor"))
@json_option
@pass_output
def doctor(output: Output) -> None:
    """Say what this machine lacks, and what that costs."""
    from netlab.kernel.preflight import Health, examine
    from netlab.report import data, text

    found = examine()
    output.result({"checks": data.checks(found)}, lambda: text.checks(found))
    if any(check.health is Health.MISSING for check in found):
        raise click.exceptions.Exit(SystemRefused.exit_code)


@click.command(
    epilog=examples(
        'eval "$(netlab completion bash)"     # in ~/.bashrc',
        "netlab completion fish > ~/.config/fish/completions/netlab.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    root = context.find_root()
    name = root.info_name or "netlab"
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    kind = get_completion_class(shell)
    assert kind is not None, shell
    say(kind(root.command, {}, name, variable).source())
