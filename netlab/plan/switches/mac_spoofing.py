"""Permission to send in the name of other MAC addresses: what nested guests and bridges need.

Hyper-V's "Enable MAC address spoofing" (off unless it is set: Set-VMNetworkAdapter -MacAddressSpoofing) and
ESXi's "Forged transmits" are a port's: without the permission, the switch throws away what comes in there
with another source than the adapter's own MAC address.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.names import namespace, port
from netlab.plan.resources import Resource, Ruleset
from netlab.scenario.topology import Adapter

SENDERS = "sender-"
"""Prefix of the names of tables by which a switch throws away what is sent in the name of others."""


def own_name_only(lab: str, adapter: Adapter) -> Iterator[Resource]:
    """The rule of an adapter that has no such permission."""
    if not adapter.mac_spoofing:
        yield Ruleset(
            namespace(lab, adapter.network.switch),
            _rule(port(adapter.node, adapter.interface), adapter.mac),
        )


def _rule(plug: str, mac: str) -> str:
    return f"""\
table bridge {SENDERS}{plug} {{
	chain prerouting {{
		type filter hook prerouting priority -300; policy accept;
		iifname "{plug}" ether saddr != {mac} drop comment "not permitted to send with another MAC address"
	}}
}}
"""
