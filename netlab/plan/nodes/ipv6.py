"""IPv6, where a scenario has it: addresses, routes and rules of every machine that takes part.

It stands beside IPv4 and changes nothing there. Each LAN's router, NAT device or
DHCP server advertises a prefix (dnsmasq, see `dnsmasq.advertises`), machines make
addresses of it. The home router translates nothing; VMware's NAT device does, as
in IPv4 twice: to its end of the cable to the host, and there to the host's address.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from netlab.plan.modes import nat
from netlab.plan.names import namespace
from netlab.plan.nodes.firewall import NEIGHBOURS, firewall_6, opened, policy_rules, rows
from netlab.plan.nodes.guest import server, trusted
from netlab.plan.nodes.host import bridged_frames
from netlab.plan.resources import (
    DEFAULT_ROUTE_6,
    Address,
    Advertised,
    Ipv6,
    Listening,
    Resource,
    Route,
    Ruleset,
    Service,
    Sysctl,
)
from netlab.plan.untranslated import drop_untranslated
from netlab.scenario.addresses import ipv6 as addressing
from netlab.scenario.firewall import Firewall
from netlab.scenario.topology import HOST, INTERNET, Adapter, Network, Node, Role, Topology

_ICMPV6 = 58


def ipv6(lab: str, topology: Topology) -> Iterator[Resource]:
    """Everything that IPv6 adds to a lab; nothing where no network has a prefix."""
    for node in topology.nodes.values():
        adapters = [
            adapter for adapter in node.adapters if adapter.ipv6 or adapter.listens_to_router
        ]
        if adapters:
            yield from _machine(lab, node, adapters)
    if topology.nodes[INTERNET].primary.ipv6:
        yield from _internet(lab, topology)
    for router, provider in zip(topology.routers, topology.nodes[INTERNET].adapters, strict=True):
        if provider.ipv6:
            yield from _router(lab, router, provider)
    devices = [
        node
        for node in topology.nodes.values()
        if node.role is Role.NAT_DEVICE and node.primary.ipv6
    ]
    for device in devices:
        yield from _nat_device(lab, device)
    for node in topology.nodes.values():
        if node.role is Role.DHCP_SERVER and node.primary.network.advertises and node.primary.ipv6:
            yield Listening(namespace(lab, node.name), "dhcp", "raw6", _ICMPV6)
    yield from _host(lab, topology, [device.primary.network for device in devices])


def _machine(lab: str, node: Node, adapters: list[Adapter]) -> Iterator[Resource]:
    netns = namespace(lab, node.name)
    yield Ipv6(netns, "lo")
    for adapter in adapters:
        if not adapter.listens_to_router:
            is_vmwares = node.role is Role.NAT_DEVICE
            yield Ipv6(netns, adapter.holder, local=not is_vmwares)
            if is_vmwares:
                yield Address(netns, adapter.holder, addressing.NAT_DEVICE)
            assert adapter.ipv6
            yield Address(netns, adapter.holder, adapter.ipv6)
            continue
        yield Ipv6(netns, adapter.holder, adapter.network.prefix, adapter.metric)
        if adapter.ipv6:
            yield Advertised(netns, adapter.holder, adapter.ipv6, adapter.leads_out_ipv6)
    if node.firewall.blocks and node.role is not Role.HOST:
        yield Ruleset(netns, firewall_6(node.firewall, trusted(node), opened(node)))
    if node.forwards:
        yield _forwards(netns)
    everywhere = [port for port in node.listens if not (port.address or port.interface)]
    if everywhere and adapters[0].ipv6:
        # Servers start before a router has told the address.
        yield Sysctl(netns, "net.ipv6.ip_nonlocal_bind", "1")
        for port in everywhere:
            yield from server(netns, port, adapters[0].ipv6)


def _forwards(netns: str) -> Sysctl:
    # An interface's own setting says only that it is a router's, not that packets go through.
    return Sysctl(netns, "net.ipv6.conf.all.forwarding", "1")


def _internet(lab: str, topology: Topology) -> Iterator[Resource]:
    """Routes back to each LAN, and the web server once more."""
    netns, address = namespace(lab, INTERNET), topology.nodes[INTERNET].primary.ipv6
    assert address
    pairs = zip(topology.routers, topology.nodes[INTERNET].adapters, strict=True)
    reached = [router for router, provider in pairs if provider.ipv6]
    for router in reached:
        inside, outside = router.adapters
        assert inside.network.prefix and outside.ipv6
        yield Route(netns, inside.network.prefix, outside.ipv6.ip)
    if len(reached) > 1:
        yield _forwards(netns)
    web = ("busybox", "httpd", "-f", "-p", f"[{address.ip}]:80", "-h", "{package}/programs/www")
    yield Service(netns, "http6", web)
    yield Listening(netns, "http6", "tcp6", 80)


def _router(lab: str, node: Node, provider: Adapter) -> Iterator[Resource]:
    """A home router: it forwards, and lets nobody in who was not asked."""
    netns, (inside, outside) = namespace(lab, node.name), node.adapters
    assert provider.ipv6
    yield _forwards(netns)
    yield Route(netns, DEFAULT_ROUTE_6, provider.ipv6.ip)
    yield Ruleset(netns, _router_rules(inside, outside, node))
    yield Listening(netns, "dhcp-dns", "raw6", _ICMPV6)


def _router_rules(inside: Adapter, outside: Adapter, node: Node) -> str:
    outward = f'iifname "{inside.interface}" oifname "{outside.interface}"'
    let_in = rows(policy_rules(Firewall(allows=node.firewall.allows), is_ipv6=True))
    kept_in = rows(f"{outward} {rule}" for rule in policy_rules(node.outgoing, is_ipv6=True))
    return f"""\
table ip6 home_router {{
	chain input {{
		type filter hook input priority filter; policy drop;
		iifname {{ "lo", "{inside.interface}" }} accept
		{NEIGHBOURS} accept
		ct state established,related accept
		icmpv6 type echo-request accept
{let_in}	}}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
{kept_in}		{outward} accept
	}}
}}
"""


def _nat_device(lab: str, node: Node) -> Iterator[Resource]:
    """A NAT device, whose cable to the host has a prefix of its own, which nobody else sees."""
    netns, host, adapter = namespace(lab, node.name), namespace(lab, HOST), node.primary
    vmnet = adapter.network
    end = nat.host_end(vmnet)
    yield _forwards(netns)
    yield Ipv6(netns, nat.UPLINK)
    yield Ipv6(host, end)
    yield Address(netns, nat.UPLINK, addressing.at(_uplink(vmnet), 2))
    yield Address(host, end, addressing.at(_uplink(vmnet), 1))
    yield Route(netns, DEFAULT_ROUTE_6, addressing.at(_uplink(vmnet), 1).ip)
    yield Ruleset(netns, _nat_rules(adapter))
    yield Listening(netns, "dns", "raw6", _ICMPV6)


def _uplink(vmnet: Network) -> IPv6Network:
    return addressing.uplink(vmnet.number)


_ERRORS = "{ destination-unreachable, packet-too-big, time-exceeded }"
"""As `nat._ERRORS`."""


def _nat_rules(adapter: Adapter) -> str:
    vmnet = adapter.network
    assert vmnet.prefix
    host_end, device = addressing.at(_uplink(vmnet), 1).ip, adapter.ipv6
    assert device
    host_adapter = addressing.numbered(vmnet.prefix, vmnet.host_address, vmnet.subnet)
    return f"""\
table ip6 nat_device {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		iifname "{nat.UPLINK}" ip6 saddr {host_end} icmpv6 type {_ERRORS} ip6 saddr set {device.ip}
		ct state established,related accept
		ip6 saddr {host_adapter.ip} drop comment "the host adapter is no client of the NAT device"
		iifname "{adapter.interface}" oifname "{nat.UPLINK}" meta l4proto {{ icmpv6, tcp, udp }} accept
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip6 saddr {vmnet.prefix} oifname "{nat.UPLINK}" masquerade
	}}
{drop_untranslated("saddr . oif", f'iifname "{adapter.interface}" oifname "{nat.UPLINK}"')}}}
"""


def _host(lab: str, topology: Topology, translated: list[Network]) -> Iterator[Resource]:
    """The host, which forwards what NAT devices send to its cards, what a scenario wants, and no more."""
    node, netns = topology.nodes[HOST], namespace(lab, HOST)
    adapters = [adapter for adapter in node.adapters if adapter.ipv6 or adapter.listens_to_router]
    if not adapters:
        return
    cards = [adapter.holder for adapter in adapters if adapter.network.lan]
    ends = [nat.host_end(vmnet) for vmnet in translated]
    forwarding = topology.host_interfaces(topology.scenario.host.forwards)
    routed = [adapter.holder for adapter in adapters if adapter.holder in forwarding]
    forward = [f"iifname {_set(ends)} oifname {_set(cards)} accept"] if ends and cards else []
    if routed:
        forward.append(f"iifname {_set(routed)} oifname {_set(routed)} accept")
    if forward:
        yield _forwards(netns)
    if forward or ends:
        rows = [*bridged_frames(node), *forward]
        yield Ruleset(netns, _host_rules(rows, _host_nat(cards, ends)))
    if node.firewall.blocks:
        yield Ruleset(netns, firewall_6(node.firewall, ("lo", *ends)))


def _host_rules(forward: list[str], chains: str) -> str:
    rows = "".join(f"\t\t{rule}\n" for rule in forward)
    return f"""\
table ip6 host {{
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
{rows}	}}
{chains}}}
"""


def _host_nat(cards: list[str], ends: list[str]) -> str:
    if not ends:
        return ""
    out = f"\t\tiifname {_set(ends)} oifname {_set(cards)} masquerade\n" if cards else ""
    last = (
        drop_untranslated("saddr", f"iifname {_set(ends)} oifname {_set(cards)}") if cards else ""
    )
    return f"""\
	chain input {{
		type nat hook input priority 100; policy accept;
		iifname {_set(ends)} snat to ip6 daddr comment "the NAT device is the host itself"
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
{out}	}}
{last}"""


def _set(interfaces: list[str]) -> str:
    names = ", ".join(f'"{name}"' for name in interfaces)
    return f"{{ {names} }}"
