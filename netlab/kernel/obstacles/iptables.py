"""Legacy tables of iptables, ip6tables, arptables and ebtables: x_tables of the kernel, beside nftables.

The kernel names the tables that a namespace has; their rules are shown by the tools that made them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from netlab.frozen import frozen
from netlab.kernel import files
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables.iptables_save import HOOKS, XtRuleset, parse
from netlab.kernel.process.output import output

_LEGACY = ("iptables-legacy", "ip6tables-legacy")
_OF_VERSION = dict(zip((4, 6), _LEGACY, strict=True))
_NFT = ("iptables-nft", "ip6tables-nft")
_ARP, _FRAMES = "arptables-legacy", "ebtables-legacy"
_NAMES = {
    "iptables-legacy": "ip_tables_names",
    "ip6tables-legacy": "ip6_tables_names",
    "arptables-legacy": "arp_tables_names",
}
"""Files of /proc/net with the names of the tables that the namespace has."""
_TABLES_OF_FRAMES = ("broute", "nat", "filter")
_CHAIN = re.compile(
    r"(?:Bridge chain: (?P<of_frames>\S+), entries: \d+, policy: (?P<end>\S+)"
    r"|Chain (?P<of_arp>\S+) \((?:policy (?P<policy>\S+)(?: (?P<packets>\d+) packets)?)?.*)"
)
_RULE = re.compile(r"(?P<text>-.*?) ?, pcnt ?= ?(?P<packets>\d+) -- bcnt ?= ?(?P<bytes>\d+)")
_EVERY_INTERFACE = re.compile(r"-[io] \* ?")


@frozen
class LegacyTables:
    """The tables of one tool."""

    tool: str
    names: tuple[str, ...]
    ruleset: XtRuleset | None
    """None if the tool is not installed, and nobody can show their rules."""

    @property
    def decide(self) -> bool:
        """True if there is a rule, or a policy other than ACCEPT, or nobody knows."""
        return self.ruleset is None or bool(
            self.ruleset.rules
            or any(chain.policy not in ("", "ACCEPT") for chain in self.ruleset.chains)
        )


def legacy(namespace: str, pool: NamespacePool) -> tuple[XtRuleset, ...]:
    """Read the rules of iptables-legacy and ip6tables-legacy, as far as the tools are installed.

    Raises KernelError if the namespace is gone.
    """
    with pool.inside(namespace):
        tools = [tool for tool in _LEGACY if tables(tool)]
        return tuple(ruleset for tool in tools if (ruleset := _saved(tool)))


def of_nftables(namespace: str, pool: NamespacePool) -> tuple[XtRuleset, ...]:
    """Read the rules of nftables that iptables-nft made, in its words, as far as it is installed.

    Raises KernelError if the namespace is gone.
    """
    with pool.inside(namespace):
        return tuple(ruleset for tool in _NFT if (ruleset := _saved(tool)))


def tables(tool: str) -> list[str]:
    """Return the legacy tables of a tool that the present namespace has, though they may be empty."""
    try:
        return (files.read(f"/proc/thread-self/net/{_NAMES[tool]}") or "").split()
    except PermissionError:  # Only the owner of the namespace may know.
        return []


def rejecting_tool(namespace: str, version: int) -> str:
    """Return the tool by whose rules a namespace may reject packets of a version of IP; empty if it has
    none. Raises KernelError if the namespace is gone.

    Only the table `filter` has rules that reject (iptables-extensions(8), REJECT).
    """
    tool = _OF_VERSION[version]
    with netns.inside(namespace):
        return tool if "filter" in tables(tool) else ""


def tables_of_frames() -> list[str]:
    """Return the tables of ebtables-legacy that the kernel has loaded.

    It does not tell which of them a namespace has, and makes one there when it is asked for.
    """
    return [name for name in _TABLES_OF_FRAMES if Path(f"/sys/module/ebtable_{name}").exists()]


def read(with_frames: bool) -> Iterator[LegacyTables]:
    """Yield the present namespace's legacy tables by their tools, `with_frames` those of ebtables too."""
    for tool in (*_LEGACY, _ARP):
        if names := tables(tool):
            ruleset = _listed(tool, names) if tool == _ARP else _saved(tool)
            yield LegacyTables(tool, tuple(names), ruleset)
    names = tables_of_frames() if with_frames else []
    if names and (ruleset := _listed(_FRAMES, names)):
        yield LegacyTables(_FRAMES, tuple(names), ruleset)


def _saved(tool: str) -> XtRuleset | None:
    text = output([f"{tool}-save", "-c"])
    return None if text is None else parse(text, tool)


def _listed(tool: str, names: Sequence[str]) -> XtRuleset | None:
    """Read the tables of a tool whose listing is another than iptables-save's."""
    options = ["-n", "-v", "-L"] if tool == _ARP else ["-L", "--Lc"]
    listings = [(name, output([tool, "-t", name, *options])) for name in names]
    if any(text is None for _, text in listings):
        return None
    return parse("\n".join(f"*{name}\n{as_saved(text or '')}" for name, text in listings), tool)


def as_saved(listing: str) -> str:
    """Return a listing of arptables-legacy or ebtables-legacy as iptables-save would write it."""
    lines, chain = [], ""
    for line in listing.splitlines():
        if match := _CHAIN.match(line):
            chain = match["of_frames"] or match["of_arp"]
            policy = (match["end"] or match["policy"] or "-") if chain in HOOKS else "-"
            counts = f" [{match['packets']}:0]" if match["packets"] else ""
            lines.append(f":{chain} {policy}{counts}")
        elif match := _RULE.match(line):
            text = _EVERY_INTERFACE.sub("", match["text"])
            lines.append(f"[{match['packets']}:{match['bytes']}] -A {chain} {text}")
    return "\n".join(lines)
