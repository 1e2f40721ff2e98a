"""Permission to listen to frames for others, which VMware gives: to enter promiscuous mode.

A guest can switch it on all the same; without the permission, its adapter is given what is for its own
MAC address and for several (VNetPacketMatch of VMware's vmnet module, which is asked for each frame on
its way to an adapter). So it is a rule of the switch's port, and the guest has no say in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.names import namespace, port
from netlab.plan.resources import Resource, Ruleset
from netlab.scenario.topology import Adapter

_GROUP = "01:00:00:00:00:00"
"""The bit of broadcast and multicast addresses."""


def permission(lab: str, adapter: Adapter) -> Iterator[Resource]:
    """The rule of an adapter that has no such permission."""
    if not adapter.promiscuous:
        yield Ruleset(
            namespace(lab, adapter.network.switch),
            _rule(port(adapter.node, adapter.interface), adapter),
        )


def _rule(plug: str, adapter: Adapter) -> str:
    foreign = f"ether daddr != {adapter.mac} ether daddr & {_GROUP} != {_GROUP}"
    return f"""\
table bridge own-{plug} {{
	chain postrouting {{
		type filter hook postrouting priority 10; policy accept;
		oifname "{plug}" {foreign} drop comment "not permitted to enter promiscuous mode"
	}}
}}
"""
