"""Pages that are made of the program: `make pages` writes them anew.

Commands and scenarios of the reference, and the rooms of the architecture.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from textwrap import wrap

import click

from netlab import lab
from netlab.cli import netlab
from netlab.scenario.files import shipped
from netlab.scenario.topology import Role
from tests.documents import ROOT
from tests.language import PACKAGE
from tests.rooms import ALLOWED

_ROOMS = re.compile(r"<!-- rooms -->\n.*?<!-- end -->", re.DOTALL)
_OF_ALL = {"--help", "--json", "--lab"}
"""Options of which the page's beginning tells."""


@cache
def pages() -> dict[Path, str]:
    """Each file that is made, with the text that it should have."""
    docs = ROOT / "docs"
    architecture = docs / "architecture.md"
    listed = f"<!-- rooms -->\n{rooms()}<!-- end -->"
    return {
        docs / "reference" / "commands.md": commands(),
        docs / "reference" / "scenarios.md": scenarios(),
        docs / "reference" / "python.md": python(),
        docs / "images" / "rooms.svg": picture(),
        architecture: _ROOMS.sub(lambda _: listed, architecture.read_text()),
    }


def commands() -> str:
    """The page of all commands: usage, help, options, examples."""
    context = click.Context(netlab, info_name="netlab")
    named = {name: netlab.get_command(context, name) for name in netlab.list_commands(context)}
    listed = {name: command for name, command in named.items() if command}
    contents = "".join(
        f"| [`{name}`](#{name}) | {_cell(command.get_short_help_str(1000))} |\n"
        for name, command in listed.items()
    )
    sections = "".join(_command(command, name, context, 2) for name, command in listed.items())
    return (
        f"{_COMMANDS}\n| command | what it does |\n|---|---|\n{contents}\n{sections}".rstrip()
        + "\n"
    )


def python() -> str:
    """The page of the Python API: what `netlab.lab` offers, with the first sentence of each."""
    rows = "".join(f"| `{_called(name)}` | {_cell(_sentence(name))} |\n" for name in lab.__all__)
    return f"{_PYTHON}\n| name | what it is |\n|---|---|\n{rows}"


def _called(name: str) -> str:
    """A name of the API, with its arguments if it is a function."""
    value = getattr(lab, name)
    if inspect.isclass(value):
        return name
    names = inspect.signature(value).parameters.values()
    return f"{name}({', '.join(p.name + '=…' * (p.default is not p.empty) for p in names)})"


def _sentence(name: str) -> str:
    """The first sentence of a docstring."""
    text = inspect.getdoc(getattr(lab, name)) or ""
    return " ".join(text.split("\n\n")[0].split())


_PYTHON = """\
# Python

`netlab.lab` is the public Python API: what stands here may be imported, all else may change.
It is typed, and the functions do what the commands of their names do.
Every function raises errors of `netlab.errors`, which have an exit code and, most of them, a way out.
This page is made of the docstrings (`make pages`); `help(netlab.lab)` groups the names by purpose.

```python
from netlab import lab

with lab.running(lab.prepare(lab.load("nat"))) as running:
    results = lab.verify(running)
    assert all(result.passed for result in results)
    print(lab.trace(running, "vm1", "internet").diagnosis.verdict)
```
"""


_COMMANDS = """\
# Commands

This page is made of `netlab COMMAND --help` (`make pages`).
What works on a running lab needs `sudo`, but inside [`netlab unshare`](../platform/rootless.md).

* `--json` prints [data instead of text](json.md).
* `--lab LAB` says which lab is meant where several run; it stands before or behind the command.
  `verify`, `status`, `repair`, `apply` and `down` also take LAB alone.
* A FILE may be a pipe, or `-` for standard input.
* `eval "$(netlab completion bash)"` completes commands, names and files; so do `zsh` and `fish`.

| exit code | meaning |
|---|---|
| 0 | fine |
| 1 | an expectation was not met, a packet was not answered, or a verdict is unknown |
| 2 | the scenario or the command line is wrong |
| 3 | the system said no: not root, no such lab, something is missing |
| 130 | interrupted |
"""


def _command(command: click.Command, name: str, parent: click.Context, level: int) -> str:
    context = click.Context(command, parent, info_name=name)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = f"{'#' * level} {context.command_path.removeprefix('netlab ')}\n\n`{usage}`\n\n"
    text += "".join(f"{paragraph}\n\n" for paragraph in _paragraphs(command.help or ""))
    options = [
        "| `{}` | {} |\n".format(*map(_cell, option.get_help_record(context) or ()))
        for option in command.get_params(context)
        if isinstance(option, click.Option) and not _OF_ALL & {*option.opts}
    ]
    if options:
        text += f"| option | meaning |\n|---|---|\n{''.join(options)}\n"
    for block in (command.epilog or "").split("\n\n"):
        title, _, lines = block.removeprefix("\b\n").partition("\n")
        if lines:
            text += f"{title}\n\n```\n{_dedented(lines)}\n```\n\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            if part := command.get_command(context, below):
                text += _command(part, below, context, level + 1)
    return text


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.replace("\b\n", "").split("\n\n"):
        yield " ".join(paragraph.split())


def _dedented(lines: str) -> str:
    return "\n".join(line.removeprefix("  ") for line in lines.rstrip().splitlines())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def scenarios() -> str:
    """The page of the scenarios that come with netlab."""
    rows = []
    for name in shipped():
        loaded = lab.load(name)
        networks = ", ".join(
            f"{one.name} ({one.mode.title})"
            for one in loaded.topology.networks.values()
            if one.mode
        )
        vms = sum(node.role is Role.VM for node in loaded.topology.nodes.values())
        rows.append(f"| `{name}` | {_cell(loaded.scenario.title)} | {networks} | {vms} |\n")
    return f"{_SCENARIOS}{''.join(rows)}"


_SCENARIOS = """\
# The scenarios that come with netlab

Each is an example, and a test: `netlab run NAME` builds it and measures every pair of machines.
`sudo netlab up NAME` starts one, and `netlab graph NAME` draws it.
`netlab scenarios --show NAME > mine.yaml` begins [one of your own](../guide/scenarios.md).
This page is made of their files (`make pages`).

| scenario | what it shows | virtual networks | VMs |
|---|---|---|---|
"""


def rooms() -> str:
    """A line a room, in the order in which data goes through them; rooms within a room below it."""
    lines = []
    for name in _in_order():
        lines.append(f"* `{name}`: {_purpose(PACKAGE / name)}\n")
        lines += [
            f"    * `{name}/{inner.name}`: {_purpose(inner)}\n"
            for inner in sorted((PACKAGE / name).glob("*/"))
            if (inner / "__init__.py").exists()
        ]
    return "".join(lines)


def _in_order() -> list[str]:
    return [name for floor in _floors() for name in floor if name != "__main__"]


def _floors() -> list[list[str]]:
    """Rooms by how many others stand below them: each imports from lower floors only."""
    heights: dict[str, int] = {}
    while len(heights) < len(ALLOWED):
        for name, below in ALLOWED.items():
            if name not in heights and below <= heights.keys():
                heights[name] = 1 + max((heights[one] for one in below), default=-1)
    return [
        [name for name in ALLOWED if heights[name] == floor]
        for floor in range(max(heights.values()) + 1)
    ]


def _purpose(room: Path) -> str:
    """The first sentence of a room's docstring."""
    file = room / "__init__.py" if room.is_dir() else room.with_suffix(".py")
    paragraph, *_ = (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n\n")
    return re.split(r"(?<=\.)\s+(?=[A-Z])", paragraph)[0].replace("\n", " ")


_WIDTH, _GAP, _LETTERS, _LINE = 960, 10, 6.6, 14
_STYLE = """\
text{font:13px sans-serif;fill:#1b1f24}.name{font-weight:bold}.what{font-size:12px}
rect{fill:#eef3f8;stroke:#5b7083}.ground{fill:#f6f6f6}
@media (prefers-color-scheme:dark){text{fill:#e6e6e6}rect{fill:#22303c;stroke:#8aa0b3}.ground{fill:#2a2a2a}}
"""


def picture() -> str:
    """The rooms as floors: what is above imports what is below, and never the other way round."""
    parts, y = [], _GAP
    for floor in reversed(_floors()):
        names = [name for name in floor if name != "__main__"]
        width = (_WIDTH - _GAP) // max(len(names), 1) - _GAP
        letters = int((width - 20) / _LETTERS)
        texts = {name: wrap(_purpose(PACKAGE / name).replace("`", ""), letters) for name in names}
        height = 30 + _LINE * max(map(len, texts.values()), default=0)
        for place, (name, lines) in enumerate(texts.items()):
            parts += _box(_GAP + place * (width + _GAP), y, width, height, name, lines)
        y += height + _GAP if names else 0
    title = "The rooms of netlab: each imports only what stands below it"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n{''.join(parts)}</svg>\n"
    )


def _box(x: int, y: int, width: int, height: int, name: str, lines: list[str]) -> Iterator[str]:
    ground = "" if ALLOWED[name] else ' class="ground"'
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4"{ground}/>\n'
    yield f'<text class="name" x="{x + 10}" y="{y + 19}">{name}</text>\n'
    for number, line in enumerate(lines):
        below = y + 36 + _LINE * number
        yield f'<text class="what" x="{x + 10}" y="{below}">{escape(line)}</text>\n'


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text)
