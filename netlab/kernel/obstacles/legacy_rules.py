"""Rules and policies of legacy tables that can end packets; or their tables, where nobody can show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.kernel.nftables import xt
from netlab.kernel.nftables.iptables_save import XtRule, XtRuleset, version_of
from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site

_PASSING = (
    *("ACCEPT", "RETURN", "CONTINUE", "SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP", "MARK"),
    *("CONNMARK", "CONNSECMARK", "SECMARK", "TCPMSS", "TCPOPTSTRIP", "NOTRACK", "CT", "TOS"),
    *("DSCP", "ECN", "snat", "dnat", "redirect", "mark", "arpreply"),
)
"""Targets that end no packet by themselves; ebtables writes its own in lower case."""


def read(site: Site) -> Iterator[Obstacle]:
    """Yield the rules and policies, and the tables that are closed."""
    for tables in site.legacy:
        if tables.ruleset:
            yield from _obstacles(tables.ruleset)
        else:
            yield _closed(tables.tool, tables.names)


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
    package = "arptables" if tool == "arptables-legacy" else "iptables"
    text = f"{tool} {', '.join(names)}: its rules are shown by the package {package}"
    return Obstacle(ObstacleKind.IPTABLES, text, version=version_of(tool))
