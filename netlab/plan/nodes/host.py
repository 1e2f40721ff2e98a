"""The host: physical cards on LANs, a virtual adapter on each NAT and host-only network.

It is no router: it forwards what NAT devices send, to the LANs and back, what Internet Connection
Sharing lets out, and otherwise only what the scenario says that it forwards.
Other products make it a router for their networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from netlab.frozen import frozen
from netlab.plan import forwards
from netlab.plan.forwards import Forward
from netlab.plan.icmp_errors import filtered_in_tunnels
from netlab.plan.modes import nat
from netlab.plan.names import namespace
from netlab.plan.node import forwarding_interface, machine, plug
from netlab.plan.nodes.firewall import Opened, firewall
from netlab.plan.nodes.forward_rules import rules_of_programs
from netlab.plan.nodes.guest import proxy
from netlab.plan.resources import Listening, Resource, Ruleset, Service, Sysctl
from netlab.plan.services import dnsmasq
from netlab.plan.untranslated import drop_untranslated
from netlab.scenario.mode import SHARING_OPENS, WINDOWS, HostRouting
from netlab.scenario.topology import HOST, Adapter, Network, Node, Topology


def host(lab: str, topology: Topology) -> Iterator[Resource]:
    """The host, plugged into LANs (or the switch that bridges its card) and its vmnets."""
    node = topology.nodes[HOST]
    netns = namespace(lab, HOST)
    yield from machine(lab, node)
    for adapter in node.adapters:
        yield plug(lab, adapter, _switch_of(topology, adapter))
    nat_networks = [vmnet for vmnet in topology.vmnets if vmnet.mode and vmnet.mode.nat_device]
    products = [vmnet for vmnet in topology.vmnets if vmnet.mode and vmnet.mode.routing]
    cards = [adapter.holder for adapter in node.adapters if adapter.network.lan]
    uplinks = [nat.host_end(vmnet) for vmnet in nat_networks]
    routed = topology.host_interfaces(topology.scenario.host.forwards)
    shared = _shared(topology)
    forward_paths = [
        _Path(nat.host_end(vmnet), nat.device_outside(vmnet).ip, vmnet.hairpin, forward)
        for vmnet in nat_networks
        for forward in forwards.of_vmnet(topology, vmnet)
    ]
    rules = ""
    if nat_networks or routed or products or shared:
        incoming = [*cards, *uplinks] if nat_networks or products or shared else []
        incoming += [vmnet.name for vmnet in products]
        incoming += [adapter.interface for adapter in shared]
        for interface in dict.fromkeys((*incoming, *routed)):
            yield forwarding_interface(netns, interface)
        networks = [adapter.network for adapter in shared]
        bridged = bridged_frames(node)
        rules += _rules(cards, nat_networks, routed, products, networks, forward_paths, bridged)
    if node.firewall.blocks:
        # What the NAT device sends to the host comes from the host's own sockets.
        trusted, ports = ["lo", *uplinks], [path.forward for path in forward_paths]
        rules += firewall(node.firewall, trusted, _opened(node, shared), ports)
    if rules:
        yield Ruleset(netns, rules)
    yield from rules_of_programs(netns, topology, uplinks)
    silent = [tunnel.interface for tunnel in topology.tunnels if not tunnel.icmp_errors]
    if silent:
        yield Ruleset(netns, filtered_in_tunnels(silent))
    # The host may call a forwarded port at its loopback, and a NAT engine the loopback.
    for end in uplinks:
        yield Sysctl(netns, f"net.ipv4.conf.{end}.route_localnet", "1")
    if nat_networks:
        # VMware's NAT device has a socket of the host's for each conversation, and forgets first.
        settings = [vmnet.nat for vmnet in nat_networks if vmnet.nat]
        yield from nat.timeouts(
            netns,
            max(_KERNEL_SECONDS, *(setting.udp_timeout for setting in settings)),
            max(_KERNEL_SECONDS, *(setting.time_wait_timeout for setting in settings)),
        )
    yield from proxy(netns, node)
    for adapter in shared:
        yield Service(netns, "sharing", dnsmasq.PROGRAM, _name_server(topology, adapter))
        yield Listening(netns, "sharing", "udp", 53)


def bridged_frames(node: Node) -> list[str]:
    """Rules that let frames between ports of the host's bridge through: there, it is no router.

    Where br_netfilter calls the rules for forwarding, they see the bridge on both sides.
    """
    return [
        f'iifname "{adapter.bridge}" oifname "{adapter.bridge}" accept'
        for adapter in node.adapters
        if any(network.br_netfilter for network in adapter.beside)
    ]


def _shared(topology: Topology) -> tuple[Adapter, ...]:
    """The adapter to which Internet Connection Sharing gives the Internet."""
    shared_interface = topology.scenario.host.shares
    return tuple(
        adapter
        for adapter in topology.nodes[HOST].adapters
        if adapter.interface == shared_interface and adapter.enabled
    )


def _opened(node: Node, shared: Iterable[Adapter]) -> Opened:
    """Ports that products open on the host for the services that they run on it."""
    opened = {
        adapter.interface: (adapter.network.mode.product.name, adapter.network.mode.opens)
        for adapter in node.adapters
        if adapter.network.mode and adapter.network.mode.opens
    }
    return opened | {adapter.interface: (WINDOWS.name, SHARING_OPENS) for adapter in shared}


def _name_server(topology: Topology, adapter: Adapter) -> str:
    """Configuration of a name server that asks the server that the host asks."""
    gateway = topology.scenario.all_lans[topology.uplink.network.name].gateway
    return dnsmasq.configuration(adapter.interface, [f"server={gateway}"])


def _switch_of(topology: Topology, adapter: Adapter) -> Network:
    """The switch of a host's adapter; a bridged card's is the vmnet, whose VMs share the card."""
    for vmnet in topology.vmnets:
        if (
            vmnet.mode
            and vmnet.mode.on_lan
            and not vmnet.mode.in_host
            and adapter.network.lan
            and vmnet.nic == adapter.interface
        ):
            return vmnet
    return adapter.network


@frozen
class _Path:
    """The way of a forward: over a NAT device."""

    uplink: str
    """The interface to the device."""
    device: IPv4Address
    """The device's address there."""
    hairpin: bool
    """True: those behind the device may take it, too."""
    forward: Forward


def _rules(
    cards: list[str],
    nat_networks: list[Network],
    routed: list[str],
    products: list[Network],
    shared: list[Network],
    paths: list[_Path],
    bridged: list[str],
) -> str:
    rules = [*bridged]
    if nat_networks:
        nat_uplinks = _set(nat.host_end(vmnet) for vmnet in nat_networks)
        rules.append(f"iifname {nat_uplinks} oifname {_set(cards)} accept")
    for vmnet in (*products, *shared):
        if vmnet.mode and vmnet.mode.rejects_foreign:
            rules.append(f'iifname "{vmnet.name}" ip saddr != {vmnet.subnet} reject')
        rules.append(f'iifname "{vmnet.name}" oifname {_set(cards)} accept')
        if vmnet.mode and vmnet.mode.routing is HostRouting.OPEN:
            rules.append(f'iifname {_set(cards)} oifname "{vmnet.name}" accept')
    if routed:
        rules.append(f"iifname {_set(routed)} oifname {_set(routed)} accept")
    rules += dict.fromkeys(
        f'oifname "{path.uplink}" ip daddr {path.device} {path.forward.match} accept'
        for path in paths
    )
    rows = "".join(f"\t\t{rule}\n" for rule in rules)
    translated = [
        vmnet for vmnet in products if vmnet.mode and vmnet.mode.routing is HostRouting.TRANSLATED
    ]
    translated += shared
    chains = ""
    if nat_networks or translated:
        own_calls = _own_calls(nat_networks, paths)
        chains = _nat_chains(cards, nat_networks, routed, translated, own_calls)
    return f"""\
table ip host {{{_forwarded_ports(paths, _into_loopback(nat_networks))}{_not_for_those_inside(paths)}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
{rows}	}}
{chains}}}
"""


def _nat_chains(
    cards: list[str],
    nat_networks: list[Network],
    routed: list[str],
    translated: list[Network],
    own_calls: str,
) -> str:
    chains, matches = "", [f"ip saddr {vmnet.subnet}" for vmnet in translated]
    if nat_networks:
        nat_uplinks = _set(nat.host_end(vmnet) for vmnet in nat_networks)
        matches[:0] = [f"iifname {nat_uplinks}"]
        chains = f"""\
	chain input {{
		type nat hook input priority 100; policy accept;
		iifname {nat_uplinks} snat to ip daddr comment "the NAT device is the host itself"
	}}
"""
    rows = "".join(f"\t\t{match} oifname {_set(cards)} masquerade\n" for match in matches)
    if own_calls:
        rows += f"\t\tiifname {nat_uplinks} oifname {nat_uplinks} snat to ct original ip daddr\n"
        rows += own_calls
    inside = [*map(nat.host_end, nat_networks), *(vmnet.name for vmnet in translated)]
    return f"""\
{chains}	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
{rows}	}}
{drop_untranslated("saddr", *_ways_out(inside, cards, routed))}"""


def _ways_out(inside: list[str], cards: list[str], routed: list[str]) -> Iterator[str]:
    """Matches of what leaves a translated network by a card, except where the host is a plain router."""
    plain = [interface for interface in inside if interface in routed]
    ways = (
        ([interface for interface in inside if interface not in routed], cards),
        (plain, [card for card in cards if card not in routed]),
    )
    for entrances, exits in ways:
        if entrances and exits:
            yield f"iifname {_set(entrances)} oifname {_set(exits)}"


def _into_loopback(nat_networks: list[Network]) -> str:
    """Rules for what a NAT engine sends to the host itself, past all of its addresses."""
    return "".join(
        f'\t\tiifname "{nat.host_end(vmnet)}" ip daddr {nat.host_inside(vmnet).ip}'
        " meta l4proto { tcp, udp } dnat to 127.0.0.1\n"
        for vmnet in nat_networks
        if vmnet.reaches_loopback
    )


def _forwarded_ports(paths: list[_Path], inward: str) -> str:
    """Chains for the ports that lead to VMs: from the LAN, other VMs of this host, and the host itself.

    `inward` are rules for what comes from NAT engines.
    """
    from_outside = "".join(
        f"\t\t{_not_from_behind(path)}{_leads_to_device(path)}\n"
        for path in paths
        if not path.forward.ports.own_only
    )
    own = "".join(f"\t\t{_leads_to_device(path)}\n" for path in paths)
    return "".join(
        f"\n\tchain {hook} {{\n\t\ttype nat hook {hook} priority -100; policy accept;\n{rows}\t}}"
        for hook, rows in (("prerouting", inward + from_outside), ("output", own))
        if rows
    )


def _leads_to_device(path: _Path) -> str:
    forward = path.forward
    port = f":{forward.ports.first}" if forward.ports.count == 1 else ""
    return f"{forward.place} {forward.match} dnat to {path.device}{port}"


def _not_from_behind(path: _Path) -> str:
    return "" if path.hairpin else f'iifname != "{path.uplink}" '


def _not_for_those_inside(paths: list[_Path]) -> str:
    """A chain that refuses who calls a forwarded port from behind a NAT that does not lead back."""
    rules = [
        rule
        for path in paths
        if not path.hairpin
        for rule in forwards.shut_to_those_inside(path.uplink, [path.forward])
    ]
    if not rules:
        return ""
    rows = "".join(f"\t\t{rule}\n" for rule in rules)
    hook = "type filter hook input priority filter; policy accept;"
    return f"\n\tchain own_ports {{\n\t\t{hook}\n{rows}\t}}"


def _own_calls(nat_networks: list[Network], paths: list[_Path]) -> str:
    """A rule for the host's own calls of forwarded ports, which get the address of the cable to the device.

    The host calls such a port at its loopback or its adapter there, whose addresses no VM could answer:
    VirtualBox's engine calls in its own name then (slirp's tcp_subr.c), and so does the device here.
    """
    if not paths:
        return ""
    addresses = (
        str(network.host_address)
        for network in nat_networks
        if network.mode and network.mode.host_adapter
    )
    ends = _set(dict.fromkeys(path.uplink for path in paths))
    sources = ", ".join(("127.0.0.0/8", *addresses))
    return f"\t\toifname {ends} ip saddr {{ {sources} }} masquerade\n"


_KERNEL_SECONDS = 120
"""nf_conntrack_udp_timeout_stream and nf_conntrack_tcp_timeout_time_wait of the kernel."""


def _set(interfaces: Iterable[str]) -> str:
    names = ", ".join(f'"{name}"' for name in interfaces)
    return f"{{ {names} }}"
