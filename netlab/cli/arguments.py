"""Arguments and options that several commands share, with their completion."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from netlab import lab
from netlab.cli.output import Output
from netlab.errors import NetlabError, UsageError
from netlab.messages import ENGLISH, languages
from netlab.suggest import near

Command = Callable[..., Any]

KINDS = {
    "icmp": "ICMP echo, as ping sends it; IPv4 or IPv6",
    "tcp[:PORT]": "a TCP connection; without PORT to a receiver of netlab's own, and bytes compared",
    "udp[:PORT]": "a UDP datagram and its reply; without PORT to a receiver of netlab's own",
    "dns:NAME": "which name servers answer what; without DST the one in SRC's resolv.conf",
    "dhcp": "who offers which address and options; nothing is taken; DST: a network of SRC",
    "http[:PORT]": "a web page: whom the server takes SRC for",
    "arp": "whose MAC address DST has; asks everybody on SRC's network",
    "raw:N": "IP protocol N, 47 for GRE: what NAT does not translate",
    "route": "traceroute: every router on the way",
    "mtu[:BYTES]": "the longest packet that arrives whole; or whether one of BYTES does",
}
"""How the kinds of probe are written, and what each is good for."""

STDOUT = "-"
"""The name of the file that is standard output."""
_WHOLE = 1000
"""Letters of a sentence that click does not cut."""
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class CommandGroup(click.Group):
    """A group that suggests the subcommand that a wrong word may mean."""

    what = "command"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        names = self.list_commands(ctx)
        if word not in names and not word.startswith("-") and not ctx.resilient_parsing:
            fix = near(word, names) or f"`{ctx.command_path} --help` lists them"
            raise UsageError(f"there is no {self.what} '{word}'", fix)
        return super().resolve_command(ctx, args)

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """Return the first sentence of each subcommand's help, whole."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        return {
            name: command.get_short_help_str(_WHOLE)
            for name, command in commands.items()
            if command
        }

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx).items()))


class LabName(click.ParamType[str]):
    """The name of a lab that exists."""

    name = "lab"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in lab.names() if name.startswith(incomplete)]


class OfLab(click.ParamType[str]):
    """A word whose meaning depends on the lab."""

    name = "word"

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        """List the words that are proposed where one was `begun`."""
        raise NotImplementedError

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            lab_name = lab.find_lab(ctx.params.get("lab_name") or ctx.params.get("name"))
            words = list(self.words(lab_name, ctx, incomplete))
        except NetlabError:
            return []
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


class NodeArgument(OfLab):
    """A node or switch of the lab."""

    name = "node"

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        return lab.node_names(lab_name)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if ctx and not ctx.resilient_parsing and _is_lab_alone(value):
            fix = f"did you mean `{ctx.command_path} --lab {value} …`?"
            raise UsageError(f"'{value}' is a lab, and no node of one", fix)
        return value


class EndpointName(NodeArgument):
    """A machine, an adapter of one (`host@lan`), or a server's name on the lab's Internet."""

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        running = lab.attach(lab_name)
        for node in running.topology.endpoints:
            yield from (node.name, *node.named_adapters)
        yield from running.source.scenario.internet.addresses


class MatrixKind(OfLab):
    """A kind of probe in the rules of the lab's matrix."""

    name = "kind"

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        return dict.fromkeys(pair.by for pair in lab.attach(lab_name).expectations)


class MatrixEnd(NodeArgument):
    """An endpoint of the lab's matrix."""

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        pairs = lab.attach(lab_name).expectations
        return dict.fromkeys(end.name for pair in pairs for end in (pair.source, pair.target))


class PointName(NodeArgument):
    """A node, one of its adapters (`vm1:eth0`), or a network."""

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        node, colon, _ = begun.partition(":")
        if not colon:
            return lab.node_names(lab_name)
        nodes = lab.attach(lab_name).topology.nodes
        return (
            [f"{node}:{adapter.interface}" for adapter in nodes[node].adapters]
            if node in nodes
            else []
        )


class ClientName(NodeArgument):
    """A machine that DHCP configures, or one of its adapters (`vm1.eth0`)."""

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        for node in lab.attach(lab_name).topology.endpoints:
            adapters = [
                f"{node.name}.{adapter.interface}" for adapter in node.adapters if adapter.by_dhcp
            ]
            yield from (node.name, *adapters) if adapters else ()


class VmName(OfLab):
    """A VM of the lab."""

    name = "vm"

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        return lab.attach(lab_name).source.scenario.vms


class VmPort(VmName):
    """A VM and a port of it: the VM is proposed."""

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        return [f"{vm}:" for vm in super().words(lab_name, context, begun)]


class NetworkName(OfLab):
    """A network that VMs can be plugged into."""

    name = "network"

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        return lab.networks(lab.attach(lab_name))


class Target(OfLab):
    """A thing of which `set` can change something."""

    name = "what"

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        return lab.set_targets(lab.attach(lab_name))


class Setting(OfLab):
    """A KEY=VALUE of a target; values are proposed where there are few."""

    name = "setting"

    def words(self, lab_name: str, context: click.Context, begun: str) -> Iterable[str]:
        key, equals, _ = begun.partition("=")
        running, target = lab.attach(lab_name), context.params.get("target") or ""
        if not equals:
            return [f"{key}=" for key in lab.keys(running, target)]
        return [f"{key}={value}" for value in lab.values(running, target, key)]


def _is_lab_alone(name: str) -> bool:
    """Return whether it is a lab's name, and no lab has a node of that name."""
    labs = lab.names()
    return name in labs and not any(name in lab.node_names(existing) for existing in labs)


class ProbeKind(click.ParamType[str]):
    """A kind of probe; which details it takes is checked where it is made."""

    name = "kind"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        words = {re.sub(r"\[.*|NAME|N$", "", kind): summary for kind, summary in KINDS.items()}
        return [
            CompletionItem(word, help=summary)
            for word, summary in words.items()
            if word.startswith(incomplete)
        ]


class ScenarioName(click.ParamType[str]):
    """A shipped scenario or a file."""

    name = "scenario"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from netlab.scenario.files import shipped  # Only completion asks.

        names = [CompletionItem(name) for name in shipped() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="scenario")]


class LabOrScenario(click.ParamType[str]):
    """A running lab, a shipped scenario or a file."""

    name = "lab"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        labs = LabName().shell_complete(ctx, param, incomplete)
        names = {item.value for item in labs}
        scenarios = ScenarioName().shell_complete(ctx, param, incomplete)
        return [*labs, *(item for item in scenarios if item.value not in names)]


class OutputFile(click.ParamType[str]):
    """A file that will be written: what is in the way is said before anything is done."""

    name = "file"

    def __init__(self, or_stdout: bool = False) -> None:
        self._or_stdout = or_stdout

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == STDOUT and not self._or_stdout:
            option = param.opts[-1] if param else "this"
            raise UsageError(f"{option} writes a file, and '{STDOUT}' is none", "name a file")
        if value != STDOUT and (obstacle := _obstacle(Path(value))):
            raise UsageError(f"cannot write '{value}': {obstacle}")
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


def _obstacle(file: Path) -> str:
    """Say why a file cannot be written; empty if it can."""
    if file.is_dir():
        return "it is a folder"
    if not file.parent.is_dir():
        return f"there is no folder '{file.parent}'"
    file = file.resolve()  # A link may lead to a file that is not there yet.
    if file.exists():  # It may be a pipe, and whoever reads it is to see no end of it yet.
        return "" if os.access(file, os.W_OK) else os.strerror(errno.EACCES)
    try:
        file.touch(exist_ok=False)
        file.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


class Size(click.ParamType[int]):
    """A number of bytes: 500000, 500k, 10M, 1G."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value).lower().removesuffix("b")
        number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "")
        if not number.isdecimal() or int(number) == 0:
            self.fail(f"'{value}' is no size; write 500000, 500k, 10M or 1G", param, ctx)
        return int(number) * _UNITS[unit]


class SecondsArgument(click.FloatRange):
    """A span of time; not `nan`, which is in every range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds: float = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value} is no span of time.", param, ctx)
        return seconds


def _want_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Output).json = True


json_option = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_want_json,
    help="Print the result as JSON.",
)


def _chosen_lab(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Return what `--lab` says behind the subcommand, or has said before it."""
    output = ctx.ensure_object(Output)
    output.lab = same_lab(output.lab, value)
    return output.lab


def same_lab(name: str | None, again: str | None) -> str | None:
    """Return the lab that is named once, or twice. Raises UsageError if two are named."""
    if name and again and name != again:
        raise UsageError(f"'{name}' and '{again}' are two labs", "name one of them")
    return name or again


lab_option = click.option(
    "--lab",
    "lab_name",
    type=LabName(),
    metavar="LAB",
    callback=_chosen_lab,
    help="Which lab, if several run.",
)

lab_of_group_option = click.option(
    "--lab",
    type=LabName(),
    metavar="LAB",
    expose_value=False,
    callback=_chosen_lab,
    help="Which lab, if several run; it may stand behind the subcommand too.",
)


def spoken() -> str:
    """Return the language that the environment asks for, as locale(7) has it."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            codes = [code for code in languages() if value.startswith(code)]
            return max(codes, key=len, default=ENGLISH)
    return ENGLISH


language_option = click.option(
    "--lang",
    "language",
    type=click.Choice(languages()),
    default=spoken,
    help="Language of the text; default: that of LC_ALL, LC_MESSAGES or LANG, otherwise en.",
)

scenario_argument = click.argument("scenario", type=ScenarioName(), metavar="SCENARIO|FILE")

node_argument = click.argument("node", type=NodeArgument())

junit_option = click.option(
    "--junit",
    type=OutputFile(),
    metavar="FILE",
    help="Also write the matrix as JUnit XML, a case per pair.",
)

pass_output = click.make_pass_decorator(Output, ensure=True)


def examples(*lines: str) -> str:
    """Return the end of a command's help: what to type."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
