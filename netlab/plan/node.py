"""The parts that every node and every switch of a lab has: namespace, settings, files, adapters, cables.

`nodes/` adds what one kind of node has besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from netlab.plan.names import namespace, port
from netlab.plan.resources import (
    ANYWHERE,
    DEFAULT_ROUTE,
    Address,
    Bridge,
    Cable,
    CableEnd,
    DhcpClient,
    EtcFile,
    FurtherAddress,
    Lease,
    Namespace,
    Resource,
    Route,
    Sysctl,
)
from netlab.scenario.addresses import mac, pools
from netlab.scenario.topology import Adapter, Network, Node

_NAME_SERVICE = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
"""Names come from the lab's DNS: the machine's own file may ask systemd-resolved over a socket."""


def machine(lab: str, node: Node, forwards: bool = False) -> Iterator[Resource]:
    """A node with its adapters' addresses, but not plugged in (see `plug`)."""
    netns = namespace(lab, node.name)
    yield Namespace(netns)
    yield from _kernel_settings(netns, forwards or node.is_router)
    yield from _etc(netns, node)
    for adapter in node.adapters:
        if adapter.bridge and not adapter.bare:
            inside = [network for network in adapter.beside if network.switch == node.name]
            yield from _rules_for_frames(netns, any(network.br_netfilter for network in inside))
            is_hub = any(network.hub for network in inside)
            yield Bridge(netns, adapter.bridge, adapter.mac, is_hub)
    for adapter in _configured(node):
        if adapter.asks:
            servers = _static_name_servers(node)
            network, client_id = lease_network(adapter), adapter.client_id
            yield DhcpClient(
                netns,
                adapter.holder,
                node.name,
                network,
                adapter.metric,
                servers,
                client_id=client_id,
            )
            if adapter.gets_lease:
                yield Lease(netns, adapter.holder)
        if adapter.address is None or adapter.bare:
            continue
        yield Address(netns, adapter.holder, adapter.address)
        for further in adapter.further:
            yield FurtherAddress(netns, adapter.holder, further, adapter.address)
        if adapter.enabled:
            if adapter.gateway and adapter.metric is not None:
                yield Route(netns, DEFAULT_ROUTE, adapter.gateway, adapter.metric)
            for subnet, gateway in adapter.routes:
                yield Route(netns, subnet, gateway)


def plug(lab: str, adapter: Adapter, into: Network) -> Cable:
    """The cable from a machine's adapter to a switch port."""
    switch_end = CableEnd(
        namespace(lab, into.switch),
        port(adapter.node, adapter.interface),
        bridge=into.name,
        up=adapter.connected,
    )
    netns = namespace(lab, adapter.node)
    machine_end = CableEnd(netns, adapter.interface, adapter.mac, adapter.bridge, adapter.enabled)
    return Cable(switch_end, machine_end, adapter.mtu or adapter.network.mtu)


def switch(lab: str, network: Network) -> Iterator[Resource]:
    """An empty switch, in a namespace of its own: no firewall of the machine's sees its frames."""
    netns = namespace(lab, network.name)
    yield Namespace(netns)
    yield from _rules_for_frames(netns, False)
    yield from _no_ipv6(netns)
    yield Bridge(netns, network.name, mac.physical(f"switch {network.name}"), network.hub)


def _rules_for_frames(netns: str, called: bool) -> Iterator[Resource]:
    """Let IP rules and connection tracking see the frames of a bridge, or keep them away.

    br_netfilter's setting is per namespace, and on by default in each new one.
    """
    for family in ("arp", "ip", "ip6"):
        key = f"net.bridge.bridge-nf-call-{family}tables"
        yield Sysctl(netns, key, "1" if called else "0", optional=not called)


def forwarding_interface(namespace: str, interface: str) -> Sysctl:
    """Let packets that come in by `interface` be forwarded, while the machine as a whole is no router."""
    return Sysctl(namespace, f"net.ipv4.conf.{interface}.forwarding", "1")


def _kernel_settings(netns: str, forwards: bool) -> Iterator[Resource]:
    # A new namespace inherits IPv4 settings from the machine (net.core.devconf_inherit_init_net=0
    # does not stop that): on a Docker host every VM would be a router.
    yield Sysctl(netns, "net.ipv4.ip_forward", "1" if forwards else "0")
    for scope in ("all", "default"):
        yield Sysctl(netns, f"net.ipv4.conf.{scope}.rp_filter", "0")
    yield from _no_ipv6(netns)


def _no_ipv6(netns: str) -> Iterator[Resource]:
    for scope in ("all", "default"):
        yield Sysctl(netns, f"net.ipv6.conf.{scope}.disable_ipv6", "1", optional=True)


def _etc(netns: str, node: Node) -> Iterator[Resource]:
    full = f"{node.name}.{pools.DOMAIN}"
    yield EtcFile(netns, "hostname", f"{node.name}\n")
    entries = "".join(f"{address} {name}\n" for name, address in node.hosts)
    loopback = f"127.0.0.1 localhost\n127.0.1.1 {full} {node.name}\n"
    yield EtcFile(netns, "hosts", loopback + entries)
    yield EtcFile(netns, "nsswitch.conf", _NAME_SERVICE)
    if node.guest:
        yield EtcFile(netns, "machine-id", f"{node.guest.hex}\n")
    if not any(adapter.asks for adapter in _configured(node)):
        text = "".join(f"nameserver {server}\n" for server in _static_name_servers(node))
        yield EtcFile(netns, "resolv.conf", text or "# no name server\n")


def _configured(node: Node) -> tuple[Adapter, ...]:
    """Adapters with addresses: operating systems with media sense take them off one that is unplugged."""
    return tuple(adapter for adapter in node.adapters if adapter.plugged_into)


def lease_network(adapter: Adapter) -> IPv4Network:
    """The subnet in which a lease is good: a bridged VM does not notice which its host's card is on."""
    follows = not (adapter.network.mode and adapter.network.mode.on_lan) or adapter.replicates
    return adapter.network.subnet if follows else ANYWHERE


def _static_name_servers(node: Node) -> tuple[IPv4Address, ...]:
    """Name servers of static adapters: first those of the default route's, as systems ask them."""
    adapters = sorted(
        _configured(node), key=lambda adapter: (adapter.metric is None, adapter.metric or 0)
    )
    return tuple(dict.fromkeys(adapter.dns for adapter in adapters if adapter.dns))
