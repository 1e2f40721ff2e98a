"""Legacy tables of iptables, ip6tables, arptables and ebtables: x_tables of the kernel, beside nftables.

The kernel names the tables that a namespace has; their rules are shown by the tools that made them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from netlab.kernel import files
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables import xt
from netlab.kernel.nftables.iptables_save import HOOKS, XtRule, XtRuleset, parse
from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site
from netlab.kernel.process.output import output

_LEGACY = ("iptables-legacy", "ip6tables-legacy")
_NFT = ("iptables-nft", "ip6tables-nft")
_ARP, _FRAMES = "arptables-legacy", "ebtables-legacy"
_NAMES = {
    "iptables-legacy": "ip_tables_names",
    "ip6tables-legacy": "ip6_tables_names",
    "arptables-legacy": "arp_tables_names",
}
"""Files of /proc/net with the names of the tables that the namespace has."""
_PACKAGES = dict.fromkeys(_LEGACY, "iptables") | {_ARP: "arptables"}
_TABLES_OF_FRAMES = ("broute", "nat", "filter")
_CHAIN = re.compile(
    r"(?:Bridge chain: (?P<of_frames>\S+), entries: \d+, policy: (?P<end>\S+)"
    r"|Chain (?P<of_arp>\S+) \((?:policy (?P<policy>\S+)(?: (?P<packets>\d+) packets)?)?.*)"
)
_RULE = re.compile(r"(?P<text>-.*?) ?, pcnt ?= ?(?P<packets>\d+) -- bcnt ?= ?(?P<bytes>\d+)")
_EVERY_INTERFACE = re.compile(r"-[io] \* ?")
_PASSING = (
    *("ACCEPT", "RETURN", "CONTINUE", "SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP", "MARK"),
    *("CONNMARK", "CONNSECMARK", "SECMARK", "TCPMSS", "TCPOPTSTRIP", "NOTRACK", "CT", "TOS"),
    *("DSCP", "ECN", "snat", "dnat", "redirect", "mark", "arpreply"),
)
"""Targets that end no packet by themselves; ebtables writes its own in lower case."""


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


def read(site: Site) -> Iterator[Obstacle]:
    """Yield the rules and policies that can end packets; whole tables where nobody can show their rules."""
    for tool in (*_LEGACY, _ARP):
        if names := tables(tool):
            ruleset = _listed(tool, names) if tool == _ARP else _saved(tool)
            yield from _obstacles(ruleset) if ruleset else [_closed(tool, names)]
    if any(link.kind == "bridge" for link in site.links):
        names = [name for name in _TABLES_OF_FRAMES if Path(f"/sys/module/ebtable_{name}").exists()]
        if names and (ruleset := _listed(_FRAMES, names)):
            yield from _obstacles(ruleset)


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


def _obstacles(ruleset: XtRuleset) -> Iterator[Obstacle]:
    for chain in ruleset.chains:
        if chain.policy not in ("", "ACCEPT"):
            yield Obstacle(
                ObstacleKind.IPTABLES,
                f"{ruleset.tool} {chain.table} {chain.name}: policy {chain.policy}",
                hook=chain.hook,
                version=ruleset.version,
                count=chain.packets,
            )
    for rule in ruleset.rules:
        hooks = ruleset.hooks(rule.table, rule.chain)
        if hooks and _can_end(rule, ruleset):
            yield Obstacle(
                ObstacleKind.IPTABLES,
                f"{ruleset.tool} {rule.table} {rule.chain}: {rule.text}",
                _interface(rule),
                next(iter(hooks)) if len(hooks) == 1 else "",
                ruleset.version,
                rule.packets,
                rule.target == "REJECT",
            )


def _can_end(rule: XtRule, ruleset: XtRuleset) -> bool:
    is_passing = rule.target in _PASSING or xt.is_harmless(rule)
    return not is_passing and not ruleset.leads_on(rule)


def _interface(rule: XtRule) -> str:
    """Return the only interface whose packets a rule meets; empty if there may be several."""
    names = [
        option.value
        for match in rule.matches
        for option in match.options
        if option.name in ("-i", "-o") and not option.negated and not option.value.endswith("+")
    ]
    return names[0] if names else ""


def _closed(tool: str, names: Sequence[str]) -> Obstacle:
    text = f"{tool} {', '.join(names)}: its rules are shown by the package {_PACKAGES[tool]}"
    version = {"iptables-legacy": 4, "ip6tables-legacy": 6}.get(tool)
    return Obstacle(ObstacleKind.IPTABLES, text, version=version)
