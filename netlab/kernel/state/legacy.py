"""Rules of iptables-legacy, as far as they may reject packets: x_tables of the kernel, beside nftables."""

from __future__ import annotations

from netlab.kernel.namespaces import netns
from netlab.kernel.obstacles import iptables

_REJECTING = "filter"
"""The only table in which a rule may reject (iptables-extensions(8), REJECT)."""
_TOOLS = {4: "iptables-legacy", 6: "ip6tables-legacy"}


def rejecting_tool(namespace: str, version: int) -> str:
    """Return the tool by whose rules a namespace may reject packets of a version of IP; empty if it has
    none. Raises KernelError if the namespace is gone."""
    tool = _TOOLS[version]
    with netns.inside(namespace):
        return tool if _REJECTING in iptables.tables(tool) else ""
