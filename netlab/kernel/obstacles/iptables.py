"""Legacy tables of iptables, ip6tables and arptables: x_tables of the kernel, beside nftables."""

from __future__ import annotations

from netlab.kernel import files

_NAMES = {
    "iptables-legacy": "ip_tables_names",
    "ip6tables-legacy": "ip6_tables_names",
    "arptables-legacy": "arp_tables_names",
}
"""Files of /proc/net with the names of the tables that the namespace has."""


def tables(tool: str) -> list[str]:
    """Return the legacy tables of a tool that the present namespace has, though they may be empty."""
    try:
        return (files.read(f"/proc/thread-self/net/{_NAMES[tool]}") or "").split()
    except PermissionError:  # Only the owner of the namespace may know.
        return []
