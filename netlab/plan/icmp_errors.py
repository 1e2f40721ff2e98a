"""ICMP errors that get lost, so that no sender learns that its packets are too large: path MTU black holes.

RFC 2923, 2.1. A router drops all errors, its own too. A tunnel drops those that come through it, and its host
says nothing of packets that are too large for it; refusals of the host's own it sends, and rejected packets.
"""

from __future__ import annotations

from collections.abc import Iterable

FILTERED = "ICMP errors are filtered"
"""The comment of the rules."""

_ERRORS = (
    "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
    "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
)
_TOO_LARGE = (
    "icmp type destination-unreachable icmp code frag-needed",
    "icmpv6 type packet-too-big",
)


def filtered_at_router() -> str:
    """Rules of a router that neither sends ICMP errors nor passes them on."""
    return _table(_chain("forward", _ERRORS), _chain("output", _ERRORS))


def filtered_in_tunnels(tunnels: Iterable[str]) -> str:
    """Rules of a host whose tunnels, by their interfaces, let no ICMP errors through."""
    names = ", ".join(f'"{tunnel}"' for tunnel in tunnels)
    from_tunnels = [f"iifname {{ {names} }} {error}" for error in _ERRORS]
    return _table(_chain("prerouting", from_tunnels), _chain("output", _TOO_LARGE))


def _table(*chains: str) -> str:
    return f"table inet icmp_filter {{\n{''.join(chains)}}}\n"


def _chain(hook: str, matches: Iterable[str]) -> str:
    rules = "".join(f'\t\t{match} drop comment "{FILTERED}"\n' for match in matches)
    return f"""\
	chain {hook} {{
		type filter hook {hook} priority filter - 1; policy accept;
{rules}	}}
"""
