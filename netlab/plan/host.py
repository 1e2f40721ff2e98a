"""The host: physical cards on LANs, a virtual adapter on each NAT and host-only network.

It is no router: it forwards what NAT devices send, and what Internet Connection Sharing is asked
to, to the LANs and back, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan import dnsmasq, nat
from netlab.plan.machine import forwarding_interface, machine, plug
from netlab.plan.names import namespace
from netlab.plan.nouns import Listening, Noun, Ruleset, Service
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
    shared = _shared(topology)
    if nat_networks or shared:
        cards = [leg.interface for leg in node.legs if leg.network.lan]
        uplinks = [nat.host_end(vmnet) for vmnet in nat_networks]
        for interface in (*cards, *uplinks, *(leg.interface for leg in shared)):
            yield forwarding_interface(here, interface)
        yield Ruleset(here, _rules(cards, nat_networks, shared))
    for leg in shared:
        yield Service(here, "sharing", dnsmasq.PROGRAM, _name_server(topology, leg))
        yield Listening(here, "sharing", "udp", 53)


def _shared(topology: Topology) -> tuple[Leg, ...]:
    """The adapter to which Internet Connection Sharing gives the Internet."""
    wanted = topology.scenario.host.shares
    return tuple(
        leg for leg in topology.nodes[HOST].legs if leg.interface == wanted and leg.enabled
    )


def _name_server(topology: Topology, leg: Leg) -> str:
    """It asks the server that the host asks."""
    gateway = topology.scenario.all_lans[topology.uplink.network.name].gateway
    return dnsmasq.configuration(leg.interface, [f"server={gateway}"])


def _switch_of(topology: Topology, leg: Leg) -> Network:
    """A bridged card's cable ends in the vmnet: host and VMs share the card behind it."""
    for vmnet in topology.vmnets:
        if vmnet.mode is Mode.BRIDGED and leg.network.lan and vmnet.nic == leg.interface:
            return vmnet
    return leg.network


def _rules(cards: list[str], nat_networks: list[Network], shared: tuple[Leg, ...]) -> str:
    uplinks = [nat.host_end(vmnet) for vmnet in nat_networks]
    from_nat = ", ".join(f'"{name}"' for name in uplinks)
    inside = ", ".join(f'"{name}"' for name in (*uplinks, *(leg.interface for leg in shared)))
    to_lan = ", ".join(f'"{name}"' for name in cards)
    sources = [str(nat.device_outside(vmnet).ip) for vmnet in nat_networks]
    sources += [str(leg.network.subnet) for leg in shared]
    as_itself = f"""\
	chain input {{
		type nat hook input priority 100; policy accept;
		iifname {{ {from_nat} }} snat to ip daddr comment "the NAT device is the host itself"
	}}
"""
    return f"""\
table ip host {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname {{ {inside} }} oifname {{ {to_lan} }} accept
	}}
{as_itself if nat_networks else ""}\
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {{ {", ".join(sources)} }} oifname {{ {to_lan} }} masquerade
	}}
}}
"""
