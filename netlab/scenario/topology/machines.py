"""Machines and their adapters: the world's, the host, VMware's own, and VMs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from uuid import UUID

from netlab.scenario import model
from netlab.scenario.addresses import client_id, ipv6, mac
from netlab.scenario.firewall import Firewall
from netlab.scenario.listening import ListeningPort, listening_port
from netlab.scenario.mode import Mode
from netlab.scenario.model import (
    Dhcp,
    FurtherLan,
    Host,
    HostAdapterState,
    MovedOrCopied,
    Nic,
    Peer,
    Scenario,
    Server,
    Vm,
    VmnetService,
)
from netlab.scenario.names import WIFI
from netlab.scenario.topology.metrics import card_metrics, has_link, host_adapter_metric, vm_metric
from netlab.scenario.topology.names import (
    BRIDGE,
    HOST,
    HOTSPOT,
    INTERNET,
    LAN,
    WAN,
    natural,
    private_name,
    router_of,
    wan_of,
)
from netlab.scenario.topology.parts import Adapter, Network, Node, Role


def all_nodes(scenario: Scenario, networks: dict[str, Network]) -> Iterator[Node]:
    """Yield every machine, without what depends on other machines: leases, and IPv6 by advertisements."""
    yield _internet(scenario, networks)
    for name in scenario.all_lans:
        yield _router(scenario, name, networks)
    for name, lan in scenario.all_lans.items():
        for peer_name, peer in sorted(lan.peers.items(), key=lambda item: natural(item[0])):
            adapter = _lan_adapter(scenario, networks[name], peer_name, "eth0", peer.address)
            yield _peer(peer_name, adapter, peer)
    for peer_name, peer in sorted(hotspot(scenario).items(), key=lambda item: natural(item[0])):
        adapter = _lan_adapter(scenario, networks[HOTSPOT], peer_name, f"{WIFI}0", peer.address)
        yield _peer(peer_name, adapter, peer)
    yield Node(
        HOST,
        Role.HOST,
        tuple(_host_adapters(scenario, networks)),
        firewall=_firewall(scenario.host),
        hosts=tuple(scenario.host.hosts.items()),
        proxy=scenario.host.proxy,
    )
    for network in networks.values():
        yield from _services(network)
    uuids, installed = _uuids(scenario), installations(scenario)
    for name, vm in sorted(scenario.vms.items(), key=lambda item: natural(item[0])):
        adapters = tuple(
            replace(
                _vm_adapter(
                    name,
                    index,
                    nic,
                    plugged,
                    uuids[name],
                    _beside(vm, index, networks),
                    _client_id(vm, uuids[installed[name]], index),
                ),
                metric=vm_metric(vm, index),
            )
            for index, nic in enumerate(vm.nics)
            if (plugged := networks.get(nic.network))
            or (plugged := networks.get(private_name(nic.network, name, index)))
        )
        if adapters:
            yield Node(
                name,
                Role.VM,
                adapters,
                uuids[name],
                uuids[installed[name]],
                firewall=_firewall(vm),
                forwards=vm.forwards,
                bridges=vm.bridges,
                listens=_listens(vm),
                hosts=tuple(vm.hosts.items()),
                proxy=vm.proxy,
                dhcp_servers=tuple(_dhcp_servers(vm, adapters)),
                nat=vm.nat,
                outgoing=_outgoing(vm),
                ipv6=vm.ipv6,
            )


def _peer(name: str, adapter: Adapter, peer: Peer) -> Node:
    return Node(name, Role.PEER, (adapter,), firewall=_firewall(peer), listens=_listens(peer))


def _firewall(machine: Vm | Peer | Server | Host | FurtherLan) -> Firewall:
    return Firewall(tuple(machine.firewall), tuple(machine.allows))


def _outgoing(machine: Vm | FurtherLan) -> Firewall:
    return Firewall(tuple(machine.keeps_in), tuple(machine.lets_out))


def _listens(machine: Vm | Peer) -> tuple[ListeningPort, ...]:
    return tuple(map(listening_port, machine.listens))


def hotspot(scenario: Scenario) -> dict[str, Peer]:
    """Return the devices on the host's hot spot, by name."""
    return scenario.host.hotspot or {}


def installations(scenario: Scenario) -> dict[str, str]:
    """Return, for each VM, the one in which its guest was installed: the first of a chain of copies."""
    return _origins(scenario, tuple(MovedOrCopied))


def _origins(scenario: Scenario, answers: tuple[MovedOrCopied, ...]) -> dict[str, str]:
    """Follow chains of copies that were so answered back to their first VM; a circle leads nowhere."""
    copied_from = {
        name: vm.copy_of
        for name, vm in scenario.vms.items()
        if vm.answer in answers and vm.copy_of in scenario.vms
    }
    origins: dict[str, str | None] = {}
    for vm in scenario.vms:
        chain: dict[str, None] = {}
        last = vm
        while last in copied_from and last not in chain and last not in origins:
            chain[last] = None
            last = copied_from[last]
        origin = None if last in chain else origins.get(last, last)
        origins |= dict.fromkeys((vm, *chain), origin)
    return {vm: origin or vm for vm, origin in origins.items()}


def _uuids(scenario: Scenario) -> dict[str, UUID]:
    """Return every VM's UUID. One that is made from a name leads to no MAC that is taken."""
    uuids = {name: vm.uuid for name, vm in scenario.vms.items() if vm.uuid}
    taken = {nic.mac for vm in scenario.vms.values() for nic in vm.nics if nic.mac}

    def take(name: str) -> None:
        nics = range(len(scenario.vms[name].nics))
        taken.update(mac.vm_adapter(uuids[name], index) for index in nics)

    for name in uuids:
        take(name)
    names = sorted(scenario.vms, key=natural)
    origins = _origins(scenario, (MovedOrCopied.MOVED,))
    for name in names:
        if name not in uuids and origins[name] == name:
            uuids[name] = mac.vm_uuid(name, len(scenario.vms[name].nics), taken)
            take(name)
    return {name: uuids.get(name) or uuids[origins[name]] for name in names}


def _internet(scenario: Scenario, networks: dict[str, Network]) -> Node:
    """Return the Internet's node, which has a cable to each router."""
    first = next(iter(scenario.internet.addresses.values()))
    hardware = mac.physical(INTERNET)
    wan = networks[WAN]
    gateway = scenario.lan.public
    adapters = [
        Adapter(INTERNET, "eth0", wan, hardware, _interface(first, wan), gateway, dns=first)
    ]
    for number, lan in enumerate(scenario.lans, 1):
        wan, name = networks[wan_of(lan)], f"eth{number}"
        hardware = mac.physical(f"{INTERNET} {name}")
        adapters.append(Adapter(INTERNET, name, wan, hardware, _interface(wan.subnet[1], wan)))
    server = next(iter(scenario.internet.servers.values()))
    return Node(INTERNET, Role.INTERNET, tuple(adapters), firewall=_firewall(server))


def _router(scenario: Scenario, name: str, networks: dict[str, Network]) -> Node:
    lan, wan, node = networks[name], networks[wan_of(name)], router_of(name)
    first = next(iter(scenario.internet.addresses.values()))
    at_home = name == LAN
    upstream = first if at_home else wan.subnet[1]
    public = scenario.lan.public if at_home else wan.subnet[2]
    gateway = _interface(scenario.all_lans[name].gateway, lan)
    inside = Adapter(node, "lan0", lan, mac.physical(f"{node} lan0"), gateway, dns=first)
    outside = mac.physical(f"{node} wan0")
    return Node(
        node,
        Role.ROUTER,
        (
            inside,
            Adapter(
                node, "wan0", wan, outside, _interface(public, wan), gateway=upstream, dns=first
            ),
        ),
        firewall=_firewall(scenario.all_lans[name]),
        outgoing=_outgoing(scenario.all_lans[name]),
    )


def _host_adapters(scenario: Scenario, networks: dict[str, Network]) -> Iterator[Adapter]:
    metrics, exits = card_metrics(scenario), _exits(scenario)
    for name, nic in sorted(scenario.host.nics.items()):
        lan = networks.get(nic.lan, networks[LAN])
        adapter = _lan_adapter(scenario, lan, HOST, name, nic.address)
        for bridge in networks.values():
            if bridge.switch == HOST and bridge.nic == name:
                adapter = replace(adapter, bridge=bridge.name, beside=(bridge,))
        asks_router = name in exits or (name in scenario.cards and name not in metrics)
        yield replace(
            adapter,
            gateway=adapter.gateway if name in exits else None,
            metric=metrics.get(name),
            routes=tuple((subnet, scenario.all_lans[lan.name].gateway) for subnet in nic.routes),
            mtu=nic.mtu,
            icmp_errors=nic.icmp_errors,
            dns=adapter.dns if asks_router else None,
            connected=has_link(scenario, name),
        )
    for network in networks.values():
        settings = network.adapter
        if settings.state is not HostAdapterState.NONE:
            yield Adapter(
                HOST,
                network.name,
                network,
                _host_mac(network),
                _interface(network.host_address, network),
                settings.gateway,
                host_adapter_metric(scenario, network.name),
                dns=settings.dns,
                enabled=settings.state is HostAdapterState.ON,
            )


def _exits(scenario: Scenario) -> set[str]:
    """Return the host's cards with a default route: a LAN's first one, as an operating system prefers it."""
    exits: set[str] = set()
    routed: set[str] = set()
    metrics = card_metrics(scenario)
    for name in sorted(metrics, key=lambda name: (metrics[name], name)):
        card = scenario.host.nics[name]
        if card.lan not in routed:
            exits.add(name)
        if has_link(scenario, name):
            routed.add(card.lan)
    return exits


def _host_mac(network: Network) -> str:
    first = network.mode.product.host_mac if network.mode else None
    if first is None:
        return mac.physical(f"{HOST} {network.name}")
    return mac.host_adapter(first, network.number)


def _lan_adapter(
    scenario: Scenario, lan: Network, node: str, interface: str, address: IPv4Address | None
) -> Adapter:
    hardware = mac.physical(f"{node} {interface}")
    if address is None:
        return Adapter(node, interface, lan, hardware)
    gateway = lan.host_address if lan.mode else scenario.all_lans[lan.name].gateway
    return Adapter(node, interface, lan, hardware, _interface(address, lan), gateway, dns=gateway)


def _services(network: Network) -> Iterator[Node]:
    mode = network.mode
    if mode and mode.nat_device:
        name = f"{network.name}-nat"
        address = _interface(network.gateway, network)
        runs = VmnetService.NAT not in network.stopped
        fixed, macs = mode.nat_mac, mode.product.service_macs
        hardware = mac.fixed(fixed) if fixed else mac.service(name, macs)
        adapter = Adapter(name, "eth0", network, hardware, address, enabled=runs)
        yield Node(name, Role.NAT_DEVICE, (adapter,))
    if network.dhcp_server and mode:
        name = f"{network.name}-dhcp"
        address = _interface(network.dhcp_server, network)
        hardware = mac.service(name, mode.product.service_macs)
        adapter = Adapter(name, "eth0", network, hardware, address)
        yield Node(name, Role.DHCP_SERVER, (adapter,))


def _beside(vm: Vm, index: int, networks: dict[str, Network]) -> tuple[Network, ...] | None:
    """Return the networks of the further ports of a VM's bridge; None if it has no bridge."""
    if not vm.bridges:
        return None
    further = (nic for number, nic in enumerate(vm.nics) if number != index)
    plugged = ((nic, networks[nic.network]) for nic in further if nic.network in networks)
    return tuple(network for nic, network in plugged if network.connects(nic))


def _vm_adapter(
    vm: str,
    index: int,
    nic: Nic,
    network: Network,
    uuid: UUID,
    beside: tuple[Network, ...] | None,
    identifier: str,
) -> Adapter:
    vendor = (network.mode or Mode.BRIDGED).product.adapter_mac
    return Adapter(
        vm,
        f"eth{index}",
        network,
        nic.mac or mac.vm_adapter(uuid, index, vendor),
        _interface(nic.address, network, nic.mask) if nic.address else None,
        nic.gateway if nic.default else None,
        mtu=nic.mtu,
        dns=nic.dns,
        connected=network.connects(nic),
        bridge=None if beside is None else BRIDGE,
        bare=beside is not None and index > 0,
        beside=beside or (),
        released=nic.released,
        replicates=nic.replicate,
        promiscuous=network.permits_promiscuous(nic),
        mac_spoofing=network.permits_mac_spoofing(nic),
        model=nic.model,
        incoming=nic.incoming,
        outgoing=nic.outgoing,
        further=tuple(_further(nic, network)),
        client_id=identifier,
    )


def _dhcp_servers(vm: Vm, adapters: tuple[Adapter, ...]) -> Iterator[tuple[Adapter, Dhcp]]:
    for adapter in adapters:
        settings = vm.dhcp_server.get(adapter.interface)
        if settings and settings.on:
            yield adapter, replace(settings, delay=settings.delay or vm.dhcp_delay)


def _further(nic: Nic, network: Network) -> Iterator[IPv4Interface]:
    for address in nic.addresses:
        yield address if isinstance(address, IPv4Interface) else _interface(address, network)


def _interface(address: IPv4Address, network: Network, mask: int | None = None) -> IPv4Interface:
    return IPv4Interface((int(address), mask or network.subnet.prefixlen))


def _client_id(vm: Vm, guest: UUID, index: int) -> str:
    """Return the identifier by which a VM asks DHCP; empty: it is known by its MAC address."""
    match vm.client_id:
        case "mac":
            return ""
        case model.MACHINE_ID:
            return client_id.of_machine_id(guest.hex, f"eth{index}")
        case word:
            return client_id.of_text(word)


def with_ipv6(node: Node, adapter: Adapter, joins: bool) -> Adapter:
    """Return the adapter with its IPv6 address, if it `joins` its LAN.

    A disabled adapter has none, nor has one without a link.
    """
    network = adapter.network
    is_off = not (node.ipv6 and adapter.enabled and adapter.plugged_into)
    if network.prefix is None or is_off or adapter.bare:
        return adapter
    listens = node.role in (Role.VM, Role.PEER) or (node.role is Role.HOST and bool(network.lan))
    if not listens:
        # A NAT device advertises by itself; there, the DHCP server has no part in IPv6.
        idle = node.role is Role.DHCP_SERVER and network.nat is not None
        address = adapter.address.ip if adapter.address else network.subnet[1]
        numbered = ipv6.numbered(network.prefix, address, network.subnet)
        return adapter if idle else replace(adapter, ipv6=numbered)
    hears = network.advertises and adapter.connected and joins
    by_slaac = ipv6.slaac_address(network.prefix, adapter.mac) if hears else None
    return replace(adapter, ipv6=by_slaac, listens_to_router=True)
