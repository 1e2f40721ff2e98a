"""NAT (vmnet8): a switch with the host adapter `.1`, the NAT device `.2` and the DHCP server `.254`.

The NAT device is a machine of its own. VMware's runs in user space and uses
the host's own sockets (VMware Server guide, p. 190-192); here it is a router
with a cable to the host's stack. Its packets are translated twice: by the
device to its end of that cable, so that answers come back to the device and
not over the host adapter, and by the host to the LAN address that it uses itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface

from netlab.plan import dhcp, dnsmasq
from netlab.plan.machine import machine, plug, switch
from netlab.plan.names import interface_name, namespace
from netlab.plan.nouns import (
    DEFAULT_ROUTE,
    Address,
    Cable,
    End,
    Listening,
    Noun,
    Route,
    Ruleset,
    Service,
)
from netlab.scenario import addressing
from netlab.scenario.model import VmnetService
from netlab.scenario.topology import HOST, Leg, Network, Role, Topology

UPLINK = "uplink"


def network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Noun]:
    """The switch, the NAT device and the DHCP server; the host plugs its adapter in itself."""
    yield from switch(lab, vmnet)
    yield from dhcp.server(lab, topology, vmnet)
    yield from device(lab, topology, vmnet)


def host_end(vmnet: Network) -> str:
    """The host's interface on the cable to the NAT device."""
    return interface_name(f"{vmnet.name}-nat")


def plumbing(topology: Topology) -> dict[tuple[str, str], str]:
    """(node, interface) of both ends of each such cable, and the NAT device to which it belongs."""
    found = {}
    for node in topology.nodes.values():
        if node.role is Role.NAT_DEVICE:
            found[node.name, UPLINK] = found[HOST, host_end(node.primary.network)] = node.name
    return found


def device_outside(vmnet: Network) -> IPv4Interface:
    """The NAT device's address on the cable to the host."""
    cable = addressing.uplink(vmnet.number)
    return IPv4Interface((int(cable[2]), cable.prefixlen))


def device(lab: str, topology: Topology, vmnet: Network) -> Iterator[Noun]:
    """The NAT device, its cable to the host, and what it serves."""
    node = topology.node(Role.NAT_DEVICE, vmnet)
    here, host = namespace(lab, node.name), namespace(lab, HOST)
    outside = device_outside(vmnet)
    host_side = IPv4Interface((int(outside.network[1]), outside.network.prefixlen))
    yield from machine(lab, node, forwards=True)
    yield plug(lab, node.primary, vmnet)
    yield Cable(End(here, UPLINK), End(host, host_end(vmnet)), vmnet.mtu)
    yield Address(here, UPLINK, outside)
    yield Address(host, host_end(vmnet), host_side)
    yield Route(here, DEFAULT_ROUTE, host_side.ip)
    yield Ruleset(here, _rules(node.primary, host_side))
    # The DNS proxy asks the server that the host asks (Workstation 10 help, "NAT device").
    gateway = topology.scenario.all_lans[topology.uplink.network.name].gateway
    mode, lines = vmnet.mode, [f"server={gateway}"]
    assert mode
    for place in mode.aliases:
        alias = IPv4Interface((int(place(vmnet.subnet)), vmnet.subnet.prefixlen))
        yield Address(here, node.primary.interface, alias)
    leases = mode.serves_itself and VmnetService.DHCP not in vmnet.stopped
    if leases:
        lines += dhcp.served(topology, vmnet)
    config = dnsmasq.configuration(node.primary.interface, lines)
    if node.primary.enabled:
        yield Service(here, "dns", dnsmasq.PROGRAM, config)
        yield Listening(here, "dns", "udp", 53)
        if leases:
            yield Listening(here, "dns", "udp", 67)


def _rules(leg: Leg, host: IPv4Interface) -> str:
    mode, subnet = leg.network.mode, leg.network.subnet
    assert mode
    client, redirected = "", ""
    if mode.host_adapter:
        why = "the host adapter is no client of the NAT device"
        client = f"""
		ip saddr {mode.host_adapter(subnet)} drop comment "{why}\""""
    if mode.host_at:
        redirected = f"""
	chain prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		udp dport {{ 53, 67 }} accept
		ip daddr {mode.host_at(subnet)} dnat to {host.ip} comment "the host's loopback"
	}}"""
    return f"""\
table ip nat_device {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept{client}
		iifname "{leg.interface}" oifname "{UPLINK}" meta l4proto {{ icmp, tcp, udp }} accept
	}}{redirected}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname "{UPLINK}" masquerade
	}}
}}
"""
