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

from netlab.node_interface import NodeInterface
from netlab.plan import forwards
from netlab.plan.forwards import Forward
from netlab.plan.names import interface_name, namespace
from netlab.plan.node import machine, plug, switch
from netlab.plan.resources import (
    DEFAULT_ROUTE,
    Address,
    Cable,
    CableEnd,
    Listening,
    Resource,
    Route,
    Ruleset,
    Service,
    Sysctl,
)
from netlab.plan.services import dhcp, dnsmasq
from netlab.plan.untranslated import drop_untranslated
from netlab.scenario.addresses import pools
from netlab.scenario.model import Nat, NatBehaviour, NatPorts
from netlab.scenario.topology import HOST, Adapter, Network, Role, Topology

UPLINK = "uplink"


def network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Resource]:
    """The switch, the NAT device and the DHCP server; the host plugs its adapter in itself."""
    yield from switch(lab, vmnet)
    yield from dhcp.server(lab, topology, vmnet)
    yield from device(lab, topology, vmnet)


def host_end(vmnet: Network) -> str:
    """The host's interface on the cable to the NAT device."""
    return interface_name(f"{vmnet.name}-nat")


def nat_uplinks(topology: Topology) -> dict[NodeInterface, str]:
    """Return both ends of each such cable, and the NAT device to which it belongs."""
    return {
        end: device.name
        for device in topology.nodes.values()
        if device.role is Role.NAT_DEVICE
        for end in (
            NodeInterface(device.name, UPLINK),
            NodeInterface(HOST, host_end(device.primary.network)),
        )
    }


def device_outside(vmnet: Network) -> IPv4Interface:
    """The NAT device's address on the cable to the host."""
    cable = pools.uplink(vmnet.number)
    return IPv4Interface((int(cable[2]), cable.prefixlen))


def host_inside(vmnet: Network) -> IPv4Interface:
    """The host's address on the cable to the NAT device."""
    cable = pools.uplink(vmnet.number)
    return IPv4Interface((int(cable[1]), cable.prefixlen))


def device(lab: str, topology: Topology, vmnet: Network) -> Iterator[Resource]:
    """The NAT device, its cable to the host, and what it serves."""
    node = topology.node(Role.NAT_DEVICE, vmnet)
    netns, host = namespace(lab, node.name), namespace(lab, HOST)
    settings, outside, host_side = vmnet.nat or Nat(), device_outside(vmnet), host_inside(vmnet)
    yield from machine(lab, node, forwards=True)
    yield plug(lab, node.primary, vmnet)
    yield Cable(CableEnd(netns, UPLINK), CableEnd(host, host_end(vmnet)), vmnet.mtu)
    yield Address(netns, UPLINK, outside)
    yield Address(host, host_end(vmnet), host_side)
    yield Route(netns, DEFAULT_ROUTE, host_side.ip)
    yield Ruleset(netns, _rules(node.primary, host_side, forwards.of_vmnet(topology, vmnet)))
    yield from timeouts(netns, settings.udp_timeout, settings.time_wait_timeout)
    yield from idle_timeout(netns, settings.tcp_timeout)
    # The DNS proxy asks the server that the host asks (Workstation 10 help, "NAT device").
    gateway = topology.scenario.all_lans[topology.uplink.network.name].gateway
    mode = vmnet.mode
    lines = [f"server={server}" for server in settings.dns or [gateway]]
    assert mode
    for pick_address in mode.aliases:
        alias = IPv4Interface((int(pick_address(vmnet.subnet)), vmnet.subnet.prefixlen))
        yield Address(netns, node.primary.interface, alias)
    leases = mode.serves_itself and vmnet.serves
    if leases:
        lines += dhcp.served(topology, vmnet)
    lines += dnsmasq.advertises(node.primary.interface, vmnet.prefix)
    config = dnsmasq.configuration(node.primary.interface, lines)
    if node.primary.enabled:
        yield Service(netns, "dns", dnsmasq.PROGRAM, config)
        yield Listening(netns, "dns", "udp", 53)
        if leases:
            yield Listening(netns, "dns", "udp", 67)


def timeouts(namespace: str, udp: int | None, time_wait: int | None) -> Iterator[Sysctl]:
    """Settings of how long NAT remembers a silent UDP conversation, and a finished TCP one, in seconds.

    These two are what vmnetnat.conf has ([udp] timeout, [tcp] timeWaitTimeout). An idle TCP connection
    VMware's device keeps for as long as its sockets live; the kernel's five days stay as they are.
    """
    if udp is not None:
        yield _connection_tracking(namespace, "udp_timeout", udp, 30)
        yield _connection_tracking(namespace, "udp_timeout_stream", udp, 120)
    if time_wait is not None:
        yield _connection_tracking(namespace, "tcp_timeout_time_wait", time_wait, 120)


def idle_timeout(namespace: str, tcp: int | None) -> Iterator[Sysctl]:
    """Settings of how long NAT remembers an idle TCP connection, in seconds, and that it takes none up in its
    middle then."""
    if tcp is not None:
        yield _connection_tracking(namespace, "tcp_timeout_established", tcp, 432_000)
        yield _connection_tracking(namespace, "tcp_loose", 0, 1)


def _connection_tracking(namespace: str, name: str, value: int, usual: int) -> Sysctl:
    """A setting of the kernel's connection tracking (nf_conntrack-sysctl.rst), which has a usual value."""
    return Sysctl(namespace, f"net.netfilter.nf_conntrack_{name}", str(value), usual=str(usual))


def masquerade(settings: NatBehaviour) -> str:
    """The statement by which a NAT translates what leaves it."""
    return "masquerade fully-random" if settings.ports is NatPorts.RANDOM else "masquerade"


_ERRORS = "{ destination-unreachable, time-exceeded }"
"""ICMP errors of the host about packets that the device has sent on: VMs get them from the device."""


def _rules(adapter: Adapter, host: IPv4Interface, forwards: tuple[Forward, ...]) -> str:
    mode = adapter.network.mode
    assert mode and adapter.address
    translates = masquerade(adapter.network.nat or Nat())
    drop_host_adapter = ""
    if mode.host_adapter:
        why = "the host adapter is no client of the NAT device"
        drop_host_adapter = f"""
		ip saddr {adapter.network.host_address} drop comment "{why}\""""
    accept_rules = "".join(
        f'\t\tiifname "{UPLINK}" {accepted} accept\n'
        for accepted in dict.fromkeys(forward.accepted for forward in forwards)
    )
    dnat_rules = "".join(
        f'\t\tiifname "{UPLINK}" {leads}\n'
        for leads in dict.fromkeys(
            f"{forward.match} dnat to {forward.target}" for forward in forwards
        )
    )
    masquerade_host = ""
    if forwards:
        why = "the host itself calls"
        masquerade_host = f"""
		ip saddr {host.ip} oifname "{adapter.interface}" masquerade comment "{why}\""""
    input_chain = ""
    if adapter.network.reaches_loopback:
        dnat_rules += _at_loopback(
            adapter.network, f'dnat to {host.ip} comment "the host\'s loopback"'
        )
    elif adapter.network.loopback:
        hook = "type filter hook input priority filter; policy accept;"
        rows = _at_loopback(adapter.network, 'drop comment "localhost_reachable is off"')
        input_chain = f"\n\tchain input {{\n\t\t{hook}\n{rows}\t}}"
    return f"""\
table ip nat_device {{{input_chain}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		iifname "{UPLINK}" ip saddr {host.ip} icmp type {_ERRORS} ip saddr set {adapter.address.ip}
		ct state established,related accept{drop_host_adapter}
		iifname "{adapter.interface}" oifname "{UPLINK}" meta l4proto {{ icmp, tcp, udp }} accept
{accept_rules}	}}{_prerouting(dnat_rules)}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {adapter.network.subnet} oifname "{UPLINK}" {translates}{masquerade_host}
	}}
{drop_untranslated("saddr . oif", f'oifname "{UPLINK}"')}}}
"""


def _at_loopback(vmnet: Network, verdict: str) -> str:
    """Rules for the address here of the host's loopback; the engine itself answers ping and DHCP."""
    dhcp_rule = f"\t\tip daddr {vmnet.loopback} udp dport 67 accept\n"
    other_rules = f"\t\tip daddr {vmnet.loopback} meta l4proto {{ tcp, udp }} {verdict}\n"
    return dhcp_rule * bool(vmnet.mode and vmnet.mode.serves_itself) + other_rules


def _prerouting(rules: str) -> str:
    if not rules:
        return ""
    hook = "\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
    return f"\n\tchain prerouting {{\n{hook}{rules}\t}}"
