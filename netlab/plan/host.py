"""The host: physical cards on the LAN, a virtual adapter on each NAT and host-only network.

It is no router: it forwards what NAT devices send, to the LAN and back, and nothing else.
Other products make it one, for their networks.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan import nat
from netlab.plan.machine import forwarding_interface, machine, plug
from netlab.plan.names import namespace
from netlab.plan.nouns import Noun, Ruleset
from netlab.scenario.mode import Routing
from netlab.scenario.topology import HOST, LAN, Leg, Network, Topology


def host(lab: str, topology: Topology) -> Iterator[Noun]:
    """The host, plugged into the LAN (or the switch that bridges its card) and its vmnets."""
    node = topology.nodes[HOST]
    here = namespace(lab, HOST)
    yield from machine(lab, node)
    for leg in node.legs:
        yield plug(lab, leg, _switch_of(topology, leg))
    nat_networks = [vmnet for vmnet in topology.vmnets if vmnet.mode and vmnet.mode.nat_device]
    routed = [vmnet for vmnet in topology.vmnets if vmnet.mode and vmnet.mode.routing]
    if nat_networks or routed:
        cards = [leg.interface for leg in node.legs if leg.network.name == LAN]
        uplinks = [nat.host_end(vmnet) for vmnet in nat_networks]
        for interface in (*cards, *uplinks, *(vmnet.name for vmnet in routed)):
            yield forwarding_interface(here, interface)
        yield Ruleset(here, _rules(cards, uplinks, nat_networks, routed))


def _switch_of(topology: Topology, leg: Leg) -> Network:
    """A bridged card's cable ends in the vmnet: host and VMs share the card behind it."""
    for vmnet in topology.vmnets:
        if (
            vmnet.mode
            and vmnet.mode.on_lan
            and leg.network.name == LAN
            and vmnet.nic == leg.interface
        ):
            return vmnet
    return leg.network


def _rules(
    cards: list[str], uplinks: list[str], nat_networks: list[Network], routed: list[Network]
) -> str:
    from_nat = ", ".join(f'"{name}"' for name in uplinks)
    to_lan = ", ".join(f'"{name}"' for name in cards)
    devices = ", ".join(str(nat.device_outside(vmnet).ip) for vmnet in nat_networks)
    forward, own, translated = [], [], []
    if nat_networks:
        forward.append(f"iifname {{ {from_nat} }} oifname {{ {to_lan} }} accept")
        comment = 'comment "the NAT device is the host itself"'
        own.append(f"iifname {{ {from_nat} }} snat to ip daddr {comment}")
        translated.append(f"ip saddr {{ {devices} }} oifname {{ {to_lan} }} masquerade")
    for vmnet in routed:
        assert vmnet.mode
        forward.append(f'iifname "{vmnet.name}" oifname {{ {to_lan} }} accept')
        if vmnet.mode.routing is Routing.OPEN:
            forward.append(f'iifname {{ {to_lan} }} oifname "{vmnet.name}" accept')
        else:
            translated.append(f"ip saddr {vmnet.subnet} oifname {{ {to_lan} }} masquerade")
    return f"""\
table ip host {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		{_lines(forward)}
	}}
	chain input {{
		type nat hook input priority 100; policy accept;
		{_lines(own)}
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		{_lines(translated)}
	}}
}}
"""


def _lines(rules: list[str]) -> str:
    return "\n\t\t".join(rules)
