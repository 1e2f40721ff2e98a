"""The host: physical cards on LANs, a virtual adapter on each NAT and host-only network.

It is no router: it forwards what NAT devices send, to the LANs and back, what Internet Connection
Sharing lets out, and otherwise only what the scenario says that it forwards.
Other products make it a router for their networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from netlab.plan.modes import nat
from netlab.plan.names import namespace
from netlab.plan.node import forwarding_interface, machine, plug
from netlab.plan.nodes.firewall import Opened, firewall
from netlab.plan.nodes.guest import proxy
from netlab.plan.resources import Listening, Resource, Ruleset, Service, Sysctl
from netlab.plan.services import dnsmasq
from netlab.plan.untranslated import leaving
from netlab.scenario.mode import SHARING_OPENS, WINDOWS, HostRouting
from netlab.scenario.topology import HOST, Adapter, Network, Node, Topology


def host(lab: str, topology: Topology) -> Iterator[Resource]:
    """The host, plugged into LANs (or the switch that bridges its card) and its vmnets."""
    node = topology.nodes[HOST]
    here = namespace(lab, HOST)
    yield from machine(lab, node)
    for adapter in node.adapters:
        yield plug(lab, adapter, _switch_of(topology, adapter))
    nat_networks = [vmnet for vmnet in topology.vmnets if vmnet.mode and vmnet.mode.nat_device]
    products = [vmnet for vmnet in topology.vmnets if vmnet.mode and vmnet.mode.routing]
    cards = [adapter.interface for adapter in node.adapters if adapter.network.lan]
    uplinks = [nat.host_end(vmnet) for vmnet in nat_networks]
    between = topology.scenario.host.forwards
    routed = [adapter.interface for adapter in node.adapters if adapter.network.name in between]
    shared = _shared(topology)
    forwards = [(vmnet, one) for vmnet in nat_networks for one in nat.forwards(topology, vmnet)]
    led = [(nat.host_end(vmnet), nat.device_outside(vmnet).ip, one) for vmnet, one in forwards]
    rules = ""
    if nat_networks or routed or products or shared:
        inward = [*cards, *uplinks] if nat_networks or products or shared else []
        inward += [*(vmnet.name for vmnet in products), *(adapter.interface for adapter in shared)]
        for interface in dict.fromkeys((*inward, *routed)):
            yield forwarding_interface(here, interface)
        networks = [adapter.network for adapter in shared]
        rules += _rules(cards, nat_networks, routed, products, networks, led)
    if node.firewall.blocks:
        # What the NAT device sends to the host comes from the host's own sockets.
        trusted, ports = ["lo", *uplinks], [one for _, one in forwards]
        rules += firewall(node.firewall, trusted, _opened(node, shared), ports)
    if rules:
        yield Ruleset(here, rules)
    # The host may call a forwarded port at its loopback, and a NAT engine the loopback.
    for end in uplinks:
        yield Sysctl(here, f"net.ipv4.conf.{end}.route_localnet", "1")
    if nat_networks:
        # VMware's NAT device has a socket of the host's for each conversation, and forgets first.
        settings = [vmnet.nat for vmnet in nat_networks if vmnet.nat]
        yield from nat.timeouts(
            here,
            max(_KERNEL_SECONDS, *(one.udp_timeout for one in settings)),
            max(_KERNEL_SECONDS, *(one.time_wait_timeout for one in settings)),
        )
    yield from proxy(here, node)
    for adapter in shared:
        yield Service(here, "sharing", dnsmasq.PROGRAM, _name_server(topology, adapter))
        yield Listening(here, "sharing", "udp", 53)


def _shared(topology: Topology) -> tuple[Adapter, ...]:
    """The adapter to which Internet Connection Sharing gives the Internet."""
    wanted = topology.scenario.host.shares
    return tuple(
        adapter
        for adapter in topology.nodes[HOST].adapters
        if adapter.interface == wanted and adapter.enabled
    )


def _opened(node: Node, shared: Iterable[Adapter]) -> Opened:
    """Where products open ports of the host for the services that they run on it."""
    opened = {
        adapter.interface: (adapter.network.mode.product.name, adapter.network.mode.opens)
        for adapter in node.adapters
        if adapter.network.mode and adapter.network.mode.opens
    }
    return opened | {adapter.interface: (WINDOWS.name, SHARING_OPENS) for adapter in shared}


def _name_server(topology: Topology, adapter: Adapter) -> str:
    """It asks the server that the host asks."""
    gateway = topology.scenario.all_lans[topology.uplink.network.name].gateway
    return dnsmasq.configuration(adapter.interface, [f"server={gateway}"])


def _switch_of(topology: Topology, adapter: Adapter) -> Network:
    """A bridged card's cable ends in the vmnet: host and VMs share the card behind it."""
    for vmnet in topology.vmnets:
        if (
            vmnet.mode
            and vmnet.mode.on_lan
            and adapter.network.lan
            and vmnet.nic == adapter.interface
        ):
            return vmnet
    return adapter.network


ForwardPath = tuple[str, IPv4Address, nat.Forward]
"""The interface to a NAT device, the device's address there, and a forward of it."""


def _rules(
    cards: list[str],
    nat_networks: list[Network],
    routed: list[str],
    products: list[Network],
    shared: list[Network],
    forwards: list[ForwardPath],
) -> str:
    forward = []
    if nat_networks:
        from_nat = _set(nat.host_end(vmnet) for vmnet in nat_networks)
        forward.append(f"iifname {from_nat} oifname {_set(cards)} accept")
    for vmnet in (*products, *shared):
        if vmnet.mode and vmnet.mode.rejects_foreign:
            forward.append(f'iifname "{vmnet.name}" ip saddr != {vmnet.subnet} reject')
        forward.append(f'iifname "{vmnet.name}" oifname {_set(cards)} accept')
        if vmnet.mode and vmnet.mode.routing is HostRouting.OPEN:
            forward.append(f'iifname {_set(cards)} oifname "{vmnet.name}" accept')
    if routed:
        forward.append(f"iifname {_set(routed)} oifname {_set(routed)} accept")
    forward += [
        f'oifname "{end}" ip daddr {device} {one.protocol} dport {one.port} accept'
        for end, device, one in forwards
    ]
    rows = "".join(f"\t\t{rule}\n" for rule in forward)
    translated = [
        vmnet for vmnet in products if vmnet.mode and vmnet.mode.routing is HostRouting.TRANSLATED
    ]
    translated += shared
    chains = ""
    if nat_networks or translated:
        chains = _nat_chains(cards, nat_networks, translated, _own_calls(nat_networks, forwards))
    return f"""\
table ip host {{{_forwarded_ports(forwards, _into_loopback(nat_networks))}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
{rows}	}}
{chains}}}
"""


def _nat_chains(
    cards: list[str], nat_networks: list[Network], translated: list[Network], called: str
) -> str:
    chains, masked = "", [f"ip saddr {vmnet.subnet}" for vmnet in translated]
    if nat_networks:
        from_nat = _set(nat.host_end(vmnet) for vmnet in nat_networks)
        masked[:0] = [f"iifname {from_nat}"]
        chains = f"""\
	chain input {{
		type nat hook input priority 100; policy accept;
		iifname {from_nat} snat to ip daddr comment "the NAT device is the host itself"
	}}
"""
    rows = "".join(f"\t\t{one} oifname {_set(cards)} masquerade\n" for one in masked)
    if called:
        rows += f"\t\tiifname {from_nat} oifname {from_nat} snat to ct original ip daddr\n"
        rows += called
    inside = _set([*map(nat.host_end, nat_networks), *(vmnet.name for vmnet in translated)])
    return f"""\
{chains}	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
{rows}	}}
{leaving(f"iifname {inside} oifname {_set(cards)}", "saddr")}"""


def _into_loopback(nat_networks: list[Network]) -> str:
    """What a NAT engine sends to the host itself, past all of its addresses."""
    return "".join(
        f'\t\tiifname "{nat.host_end(vmnet)}" ip daddr {nat.host_inside(vmnet).ip}'
        " meta l4proto { tcp, udp } dnat to 127.0.0.1\n"
        for vmnet in nat_networks
        if vmnet.reaches_loopback
    )


def _forwarded_ports(forwards: list[ForwardPath], inward: str) -> str:
    """The ports that lead to VMs: for the LAN, for other VMs of this host, and for the host itself.

    `inward` are rules for what comes from NAT engines.
    """
    rules = "".join(
        f"\t\tfib daddr type local {one.protocol} dport {one.port} dnat to {device}:{one.port}\n"
        for _, device, one in forwards
    )
    return "".join(
        f"\n\tchain {hook} {{\n\t\ttype nat hook {hook} priority -100; policy accept;\n{rows}\t}}"
        for hook, rows in (("prerouting", inward + rules), ("output", rules))
        if rows
    )


def _own_calls(nat_networks: list[Network], forwards: list[ForwardPath]) -> str:
    """The host calls such a port at its loopback or its adapter there, whose addresses no VM could answer:
    VirtualBox's engine calls in its own name then (slirp's tcp_subr.c), and so does the device here."""
    if not forwards:
        return ""
    own = (str(one.host_address) for one in nat_networks if one.mode and one.mode.host_adapter)
    ends = _set(dict.fromkeys(end for end, _, _ in forwards))
    sources = ", ".join(("127.0.0.0/8", *own))
    return f"\t\toifname {ends} ip saddr {{ {sources} }} masquerade\n"


_KERNEL_SECONDS = 120
"""nf_conntrack_udp_timeout_stream and nf_conntrack_tcp_timeout_time_wait of the kernel."""


def _set(interfaces: Iterable[str]) -> str:
    names = ", ".join(f'"{name}"' for name in interfaces)
    return f"{{ {names} }}"
