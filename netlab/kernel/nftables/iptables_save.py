"""Rules as iptables-save(8) writes them, of the legacy tables and of iptables-nft alike. Pure.

No match or option is left out, whether it is understood or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netlab.frozen import frozen

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPED = re.compile(r"\\(.)")
_POLICY = re.compile(r":(\S+) (\S+)(?: \[(\d+):\d+\])?")
_RULE = re.compile(r"(?:\[(\d+):\d+\] )?-A (\S+) ?(.*)")
_OF_PACKETS = ("-s", "-d", "-i", "-o", "-p", "-f")
"""Options of iptables(8) itself; all others belong to a match or a target."""
HOOKS = {
    name.upper(): name for name in ("prerouting", "input", "forward", "output", "postrouting")
} | {"BROUTING": "prerouting"}
"""The hooks of the chains that the kernel calls."""
_OF_ANY_TEXT = ("--comment", "--log-prefix", "--nflog-prefix", "--string", "--name")
"""Options whose value may look like an option: iptables-save does not quote `-x`."""


@frozen
class XtOption:
    """An option with its value."""

    name: str
    value: str = ""
    """Several words are separated by spaces."""
    negated: bool = False


@frozen
class XtMatch:
    """A match, all of whose options a packet has to fulfil."""

    module: str
    """The word after `-m`; empty for the options of iptables itself, such as `-s`."""
    options: tuple[XtOption, ...] = ()


@frozen
class XtRule:
    """A rule of a chain."""

    table: str
    chain: str
    matches: tuple[XtMatch, ...]
    target: str
    """The word after `-j` or `-g`; empty for a rule that only counts."""
    goto: bool
    options: tuple[XtOption, ...]
    """The target's."""
    packets: int | None
    """Packets that met it until now; None if the text has no counters."""
    text: str
    """Without its chain: `-s 10.0.0.0/24 -j DROP`."""


@frozen
class XtChain:
    """A chain of a table."""

    table: str
    name: str
    hook: str
    """Empty for a chain that only rules lead to."""
    policy: str
    """ACCEPT or DROP; empty for a chain that only rules lead to."""
    packets: int | None
    """Packets that met the policy; None if the text has no counters."""


@frozen
class XtRuleset:
    """The tables of one tool in one namespace."""

    tool: str
    """iptables-legacy, ip6tables-nft, …"""
    version: int | None
    """4 or 6; None for rules of ARP or frames."""
    chains: tuple[XtChain, ...]
    rules: tuple[XtRule, ...]

    def hooks(self, table: str, chain: str) -> frozenset[str]:
        """Return the hooks from which packets come into a chain, as far as jumps tell."""
        reached = {chain}
        while callers := self._callers(table, reached) - reached:
            reached |= callers
        return frozenset(
            entry.hook
            for entry in self.chains
            if entry.table == table and entry.name in reached and entry.hook
        )

    def _callers(self, table: str, chains: set[str]) -> set[str]:
        return {rule.chain for rule in self.rules if rule.table == table and rule.target in chains}

    def leads_on(self, rule: XtRule) -> bool:
        """Return whether a rule's target is another chain of its table."""
        return any(chain.name == rule.target and chain.table == rule.table for chain in self.chains)


def version_of(tool: str) -> int | None:
    """Return the version of IP whose packets a tool's rules meet; None for ARP and frames."""
    return {"iptables": 4, "ip6tables": 6}.get(tool.partition("-")[0])


def parse(text: str, tool: str) -> XtRuleset:
    """Parse the output of a tool's `-save -c`; the tool is named as in XtRuleset."""
    table, chains, rules = "", [], []
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif match := _POLICY.match(line):
            name, policy, packets = match.groups()
            user = policy == "-"
            chains.append(
                XtChain(
                    table,
                    name,
                    "" if user else HOOKS.get(name, name.lower()),
                    "" if user else policy,
                    None if packets is None else int(packets),
                )
            )
        elif match := _RULE.match(line):
            packets, chain, words = match.groups()
            rules.append(_rule(table, chain, None if packets is None else int(packets), words))
    return XtRuleset(tool, version_of(tool), tuple(chains), tuple(rules))


class _Word(NamedTuple):
    """A word of a rule; one in quotes is never an option."""

    text: str
    is_plain: bool

    @property
    def is_option(self) -> bool:
        """True for an option, and for the negation before one."""
        return self.is_plain and (self.text == "!" or (self.text[:1] == "-" and len(self.text) > 1))


def _rule(table: str, chain: str, packets: int | None, text: str) -> XtRule:
    matches: list[tuple[str, list[XtOption]]] = [("", [])]
    target, goto = "", False
    options: list[XtOption] = []
    for option in _options(list(_words(text))):
        if option.name == "-m":
            matches.append((option.value, []))
        elif option.name in ("-j", "-g"):
            target, goto = option.value, option.name == "-g"
        elif option.name in _OF_PACKETS:
            matches[0][1].append(option)
        else:
            (options if target else matches[-1][1]).append(option)
    present = (XtMatch(module, tuple(items)) for module, items in matches if module or items)
    return XtRule(table, chain, tuple(present), target, goto, tuple(options), packets, text)


def _words(text: str) -> Iterator[_Word]:
    for match in _WORD.finditer(text):
        quoted, plain = match.groups()
        yield _Word(_ESCAPED.sub(r"\1", quoted), False) if plain is None else _Word(plain, True)


def _options(words: Sequence[_Word]) -> Iterator[XtOption]:
    """Yield the options, each with the words up to the next one."""
    position, negated = 0, False
    while position < len(words):
        name = words[position].text
        end = position + 1
        if name == "!" and words[position].is_plain:
            position, negated = end, True
            continue
        if name in _OF_ANY_TEXT:
            end += 1
        else:
            while end < len(words) and not words[end].is_option:
                end += 1
        value = " ".join(word.text for word in words[position + 1 : end])
        yield XtOption(name, value, negated)
        position, negated = end, False
