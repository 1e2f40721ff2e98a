"""`completion`: the shells' scripts."""

from __future__ import annotations

import click

from netlab.cli.arguments import examples
from netlab.cli.completion import CLASSES, asking
from netlab.cli.output import say


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
    root = context.find_root()
    name = root.info_name or "netlab"
    say(CLASSES[shell](root.command, {}, name, asking(name)).source())
