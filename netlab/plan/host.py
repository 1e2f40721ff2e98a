"""The host: physical cards on LANs, a virtual adapter on each NAT and host-only network.

It is no router: it forwards what NAT devices send, to the LAN and back, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan import nat
from netlab.plan.machine import forwarding_interface, machine, plug
from netlab.plan.names import namespace
from netlab.plan.nouns import Noun, Ruleset
from netlab.scenario.model import Mode
from netlab.scenario.topology import HOST, Leg, Network, Topology


def host(lab: str, topology: Topology) -> Iterator[Noun]:
    """The host, plugged into LANs (or the switch that bridges its card) and its vmnets."""
    node = topology.nodes[HOST]
    here = namespace(lab, HOST)
    yield from machine(lab, node)
    for leg in node.legs:
        yield plug(lab, leg, _switch_of(topology, leg))
    nat_networks = [vmnet for vmnet in topology.vmnets if vmnet.mode is Mode.NAT]
    if nat_networks:
        cards = [leg.interface for leg in node.legs if leg.network.lan]
        uplinks = [nat.host_end(vmnet) for vmnet in nat_networks]
        for interface in (*cards, *uplinks):
            yield forwarding_interface(here, interface)
        yield Ruleset(here, _rules(cards, uplinks, nat_networks))


def _switch_of(topology: Topology, leg: Leg) -> Network:
    """A bridged card's cable ends in the vmnet: host and VMs share the card behind it."""
    for vmnet in topology.vmnets:
        if vmnet.mode is Mode.BRIDGED and leg.network.lan and vmnet.nic == leg.interface:
            return vmnet
    return leg.network


def _rules(cards: list[str], uplinks: list[str], nat_networks: list[Network]) -> str:
    from_nat = ", ".join(f'"{name}"' for name in uplinks)
    to_lan = ", ".join(f'"{name}"' for name in cards)
    devices = ", ".join(str(nat.device_outside(vmnet).ip) for vmnet in nat_networks)
    return f"""\
table ip host {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname {{ {from_nat} }} oifname {{ {to_lan} }} accept
	}}
	chain input {{
		type nat hook input priority 100; policy accept;
		iifname {{ {from_nat} }} snat to ip daddr comment "the NAT device is the host itself"
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {{ {devices} }} oifname {{ {to_lan} }} masquerade
	}}
}}
"""
