"""The host: physical cards on the LAN, a virtual adapter on each NAT and host-only network.

It is no router: it forwards what NAT devices send, to the LAN and back, and otherwise only what the
scenario says that it forwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netlab.plan import nat
from netlab.plan.guest import firewall
from netlab.plan.machine import forwarding_interface, machine, plug
from netlab.plan.names import namespace
from netlab.plan.nouns import Noun, Ruleset
from netlab.scenario.model import Mode
from netlab.scenario.topology import HOST, LAN, Leg, Network, Topology


def host(lab: str, topology: Topology) -> Iterator[Noun]:
    """The host, plugged into the LAN (or the switch that bridges its card) and its vmnets."""
    node = topology.nodes[HOST]
    here = namespace(lab, HOST)
    yield from machine(lab, node)
    for leg in node.legs:
        yield plug(lab, leg, _switch_of(topology, leg))
    nat_networks = [vmnet for vmnet in topology.vmnets if vmnet.mode is Mode.NAT]
    cards = [leg.interface for leg in node.legs if leg.network.name == LAN]
    uplinks = [nat.host_end(vmnet) for vmnet in nat_networks]
    between = topology.scenario.host.forwards
    routed = [leg.interface for leg in node.legs if leg.network.name in between]
    rules = ""
    if nat_networks or routed:
        inward = [*cards, *uplinks] if nat_networks else []
        for interface in dict.fromkeys((*inward, *routed)):
            yield forwarding_interface(here, interface)
        rules += _rules(cards, nat_networks, routed)
    if node.firewall:
        # What the NAT device sends to the host comes from the host's own sockets.
        rules += firewall(node.firewall, ["lo", *uplinks])
    if rules:
        yield Ruleset(here, rules)


def _switch_of(topology: Topology, leg: Leg) -> Network:
    """A bridged card's cable ends in the vmnet: host and VMs share the card behind it."""
    for vmnet in topology.vmnets:
        if vmnet.mode is Mode.BRIDGED and leg.network.name == LAN and vmnet.nic == leg.interface:
            return vmnet
    return leg.network


def _rules(cards: list[str], nat_networks: list[Network], routed: list[str]) -> str:
    forward = []
    if nat_networks:
        from_nat = _set(nat.host_end(vmnet) for vmnet in nat_networks)
        forward.append(f"iifname {from_nat} oifname {_set(cards)} accept")
    if routed:
        forward.append(f"iifname {_set(routed)} oifname {_set(routed)} accept")
    rows = "".join(f"\t\t{rule}\n" for rule in forward)
    chains = _nat_chains(cards, nat_networks) if nat_networks else ""
    return f"""\
table ip host {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
{rows}	}}
{chains}}}
"""


def _nat_chains(cards: list[str], nat_networks: list[Network]) -> str:
    from_nat = _set(nat.host_end(vmnet) for vmnet in nat_networks)
    devices = ", ".join(str(nat.device_outside(vmnet).ip) for vmnet in nat_networks)
    return f"""\
	chain input {{
		type nat hook input priority 100; policy accept;
		iifname {from_nat} snat to ip daddr comment "the NAT device is the host itself"
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {{ {devices} }} oifname {_set(cards)} masquerade
	}}
"""


def _set(interfaces: Iterable[str]) -> str:
    names = ", ".join(f'"{name}"' for name in interfaces)
    return f"{{ {names} }}"
