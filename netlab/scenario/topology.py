"""Scenario in, topology out: every machine, network and adapter with VMware's defaults filled in.

This is what the rest of netlab works on. Switches are networks here, not
nodes; the cable between a NAT device and the host is plumbing that only the
plan knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from uuid import UUID

from netlab.scenario import addressing, mac
from netlab.scenario.mode import VMWARE, Mode
from netlab.scenario.model import (
    Adapter,
    Answer,
    Dhcp,
    HostAdapter,
    Nat,
    Nic,
    Scenario,
    Switching,
    Transfer,
    Vmnet,
    VmnetService,
)

LAN = "lan"
WAN = "wan"
HOST = "host"
ROUTER = "router"
INTERNET = "internet"
PERFECT = Transfer()


class Role(StrEnum):
    """What a node stands for."""

    INTERNET = "internet"
    ROUTER = "router"
    PEER = "peer"
    HOST = "host"
    NAT_DEVICE = "nat device"
    DHCP_SERVER = "dhcp server"
    VM = "vm"


_NO_ADAPTER = HostAdapter(state=Adapter.NONE)


@dataclass(frozen=True)
class Network:
    """A switch (or, for the WAN, a cable) and the subnet on it."""

    name: str
    subnet: IPv4Network
    mode: Mode | None = None
    """None for the LAN and the WAN, which are not VMware's."""
    nic: str | None = None
    """The host's card that a bridged network is bridged to."""
    mtu: int = 1500
    hub: bool = False
    """It learns nothing, and every frame goes everywhere."""
    adapter: HostAdapter = _NO_ADAPTER
    """How the host has set it up: never None where VMware knows a host adapter."""
    dhcp: Dhcp | None = field(default=None, hash=False)
    """VMware's server; None: there is none."""
    nat: Nat | None = field(default=None, hash=False)
    stopped: frozenset[VmnetService] = frozenset()
    guest_dhcp: bool = False
    """A VM serves DHCP here."""

    @property
    def leases(self) -> bool:
        """Who asks for an address here gets one: from VMware's server, a VM, or on the LAN."""
        if self.mode is None or self.mode.on_lan:
            return True
        there = self.has_dhcp_server or self.mode.serves_itself
        return self.guest_dhcp or (there and VmnetService.DHCP not in self.stopped)

    @property
    def has_dhcp_server(self) -> bool:
        """There is one, a machine of its own."""
        mode = self.mode
        if mode is None or mode.dhcp_server is None:
            return False
        return mode.product is not VMWARE or self.dhcp is not None

    @property
    def numbered(self) -> bool:
        """It has a subnet: nobody need have told that of a LAN segment."""
        return self.subnet.prefixlen < 32

    @property
    def host_address(self) -> IPv4Address:
        """The host adapter's, where there is one."""
        place = self.mode and self.mode.host_adapter
        return self.adapter.address or (place or addressing.host_adapter)(self.subnet)

    @property
    def gateway(self) -> IPv4Address:
        """The NAT device's address, where there is one."""
        place = self.mode and self.mode.nat_device
        return (self.nat and self.nat.gateway) or (place or addressing.nat_device)(self.subnet)

    @property
    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """First and last address that DHCP leases."""
        pool = self.mode.pool if self.mode else addressing.dhcp_pool
        return (self.dhcp and self.dhcp.range) or pool(self.subnet)

    @property
    def number(self) -> int:
        """N of vmnetN; other products' networks get one of netlab's."""
        digits = self.name.removeprefix("vmnet")
        return int(digits) if digits.isdigit() else mac.number(self.name)

    @property
    def segment(self) -> tuple[IPv4Network, str]:
        """Equal for two networks if what is on them is in one subnet, and not just alike."""
        return self.subnet, self.name if self.mode and self.mode.private else ""


@dataclass(frozen=True)
class Leg:
    """A node's adapter on one network."""

    node: str
    interface: str
    network: Network
    mac: str
    address: IPv4Interface | None = None
    """None: configured by DHCP."""
    gateway: IPv4Address | None = None
    dns: IPv4Address | None = None
    connected: bool = True
    """False: its cable is pulled out of the switch."""
    enabled: bool = True
    """False: the adapter itself is switched off."""
    model: str | None = None
    """What kind of card a guest sees: a label."""
    incoming: Transfer = PERFECT
    outgoing: Transfer = PERFECT

    @property
    def name(self) -> str:
        """Node and network: `host@vmnet8`."""
        return f"{self.node}@{self.network.name}"


@dataclass(frozen=True)
class Node:
    """A machine of the lab."""

    name: str
    role: Role
    legs: tuple[Leg, ...]
    uuid: UUID | None = None
    """A VM's, as its BIOS has it."""
    guest: UUID | None = None
    """A VM's installed guest: the UUID of the VM in which it was installed."""
    firewall: tuple[str, ...] = ()
    """What does not come in (`model.Firewall`)."""
    forwards: bool = False
    """It is a router between its adapters."""
    listens: tuple[str, ...] = ()
    """Ports that a server answers on, as `tcp:80`."""
    hosts: tuple[tuple[str, IPv4Address], ...] = ()
    """Lines of its /etc/hosts."""
    dhcp_server: bool = False
    """It serves DHCP on its first adapter's network."""

    @property
    def primary(self) -> Leg:
        """The leg that the bare name stands for where no network is shared."""
        return self.legs[0]

    @property
    def named_legs(self) -> dict[str, Leg]:
        """Legs as endpoints: `host@vmnet8`; a second one on the same network is `host@eth1`."""
        names: dict[str, Leg] = {}
        for leg in self.legs:
            name = leg.name if leg.name not in names else f"{self.name}@{leg.interface}"
            names[name] = leg
        return names

    def shared_with(self, other: Node) -> Leg | None:
        """This node's first leg in a subnet that `other` is in too."""
        segments = {leg.network.segment for leg in other.legs}
        return next((leg for leg in self.legs if leg.network.segment in segments), None)


@dataclass(frozen=True)
class Topology:
    """A resolved scenario."""

    scenario: Scenario
    networks: dict[str, Network]
    nodes: dict[str, Node]

    @cached_property
    def endpoints(self) -> tuple[Node, ...]:
        """The nodes between which reachability is defined: all but VMware's service boxes."""
        services = (Role.NAT_DEVICE, Role.DHCP_SERVER)
        return tuple(node for node in self.nodes.values() if node.role not in services)

    @cached_property
    def vmnets(self) -> tuple[Network, ...]:
        """VMware's networks, by number, then LAN segments."""
        return tuple(network for network in self.networks.values() if network.mode)

    def node(self, role: Role, network: Network) -> Node:
        """The NAT device or DHCP server of `network`."""
        return next(
            node
            for node in self.nodes.values()
            if node.role is role and node.primary.network == network
        )

    def legs_on(self, network: Network) -> tuple[Leg, ...]:
        """Every leg plugged into `network`, in the order of the nodes."""
        return tuple(
            leg for node in self.nodes.values() for leg in node.legs if leg.network == network
        )


def natural(name: str) -> tuple[object, ...]:
    """Sorting key that puts vm2 before vm10."""
    parts = re.split(r"(\d+)", name)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


def resolve(scenario: Scenario) -> Topology:
    """Fill in VMware's defaults. Never fails; nonsense is `check.py`'s to find."""
    networks = {network.name: network for network in _networks(scenario)}
    nodes = {node.name: node for node in _nodes(scenario, networks)}
    return Topology(scenario, networks, nodes)


def _networks(scenario: Scenario) -> Iterator[Network]:
    served = {vm.nics[0].network for vm in scenario.vms.values() if vm.dhcp_server}
    yield Network(WAN, scenario.lan.internet)
    yield Network(LAN, scenario.lan.subnet)
    for name, vmnet in sorted(scenario.vmnets.items(), key=lambda item: natural(item[0])):
        if vmnet.mode.on_lan:
            nic = vmnet.nic or min(scenario.host.nics)
            hub = vmnet.switching is Switching.HUB
            yield Network(name, scenario.lan.subnet, vmnet.mode, nic, vmnet.mtu, hub)
        elif subnet := vmnet.own_subnet:
            own = _virtual(name, vmnet, subnet, name in served)
            yield from _private(scenario, own) if vmnet.mode.private else (own,)
    for index, (name, segment) in enumerate(sorted(scenario.segments.items())):
        subnet = segment.subnet or addressing.unnumbered(index)
        hub = segment.switching is Switching.HUB
        yield Network(
            name, subnet, Mode.SEGMENT, mtu=segment.mtu, hub=hub, guest_dhcp=name in served
        )


def _virtual(name: str, vmnet: Vmnet, subnet: IPv4Network, served: bool) -> Network:
    """A network with a subnet of its own; a bare one has only what is asked for."""
    mode = vmnet.mode
    usual = _NO_ADAPTER if mode.bare or not mode.host_adapter else HostAdapter()
    dhcp = vmnet.dhcp or Dhcp(on=not mode.bare)
    is_vmware = mode.product is VMWARE and mode.dhcp_server is not None
    return Network(
        name,
        subnet,
        mode,
        mtu=vmnet.mtu,
        hub=vmnet.switching is Switching.HUB,
        adapter=vmnet.adapter or usual,
        dhcp=dhcp if dhcp.on and is_vmware else None,
        nat=(vmnet.nat or Nat()) if mode.nat_device else None,
        stopped=frozenset(vmnet.stopped),
        guest_dhcp=served,
    )


def _private(scenario: Scenario, network: Network) -> Iterator[Network]:
    """One such network for each adapter; a VM's second adapter is in the next /24, as in VirtualBox."""
    for vm, machine in sorted(scenario.vms.items(), key=lambda item: natural(item[0])):
        for index, nic in enumerate(machine.nics):
            if nic.network == network.name:
                first = IPv4Address(int(network.subnet[0]) + 256 * index)
                subnet = IPv4Network((int(first), network.subnet.prefixlen))
                yield replace(network, name=private_name(network.name, vm, index), subnet=subnet)


def private_name(network: str, vm: str, index: int) -> str:
    """The network that an adapter has for itself: `vboxnat-vm1`."""
    return f"{network}-{vm}" + f"-{index}" * bool(index)


def _nodes(scenario: Scenario, networks: dict[str, Network]) -> Iterator[Node]:
    yield _internet(scenario, networks[WAN])
    yield _router(scenario, networks)
    for name, peer in sorted(scenario.lan.peers.items(), key=lambda item: natural(item[0])):
        leg = _lan_leg(scenario, networks[LAN], name, "eth0", peer.address)
        yield Node(name, Role.PEER, (leg,))
    yield Node(
        HOST,
        Role.HOST,
        tuple(_host_legs(scenario, networks)),
        firewall=tuple(scenario.host.firewall),
        hosts=tuple(scenario.host.hosts.items()),
    )
    for network in networks.values():
        yield from _services(network)
    uuids = _uuids(scenario)
    for name, vm in sorted(scenario.vms.items(), key=lambda item: natural(item[0])):
        legs = tuple(
            _vm_leg(name, index, nic, plugged, uuids[name])
            for index, nic in enumerate(vm.nics)
            if (plugged := networks.get(nic.network))
            or (plugged := networks.get(private_name(nic.network, name, index)))
        )
        if legs:
            yield Node(
                name,
                Role.VM,
                legs,
                uuids[name],
                uuids[installation(scenario, name)],
                tuple(vm.firewall),
                vm.forwards,
                tuple(vm.listens),
                tuple(vm.hosts.items()),
                vm.dhcp_server,
            )


def installation(scenario: Scenario, vm: str) -> str:
    """The VM in which the guest of `vm` was installed: the first of a chain of copies."""
    return _origin(scenario, vm, tuple(Answer))


def _origin(scenario: Scenario, vm: str, answers: tuple[Answer, ...]) -> str:
    """Back along a chain of copies that were so answered; one that is a circle leads nowhere."""
    chain = [vm]
    while (copy := scenario.vms[chain[-1]]).answer in answers and copy.copy_of in scenario.vms:
        if copy.copy_of in chain:
            return vm
        chain.append(copy.copy_of)
    return chain[-1]


def _uuids(scenario: Scenario) -> dict[str, UUID]:
    """Every VM's. One that is made from a name leads to no MAC that another has."""
    uuids = {name: vm.uuid for name, vm in scenario.vms.items() if vm.uuid}
    taken = {nic.mac for vm in scenario.vms.values() for nic in vm.nics if nic.mac}

    def take(name: str) -> None:
        nics = range(len(scenario.vms[name].nics))
        taken.update(mac.vm_adapter(uuids[name], index) for index in nics)

    for name in uuids:
        take(name)
    names = sorted(scenario.vms, key=natural)
    origins = {name: _origin(scenario, name, (Answer.MOVED,)) for name in names}
    for name in names:
        if name not in uuids and origins[name] == name:
            uuids[name] = mac.vm_uuid(name, len(scenario.vms[name].nics), taken)
            take(name)
    return {name: uuids.get(name) or uuids[origins[name]] for name in names}


def _internet(scenario: Scenario, wan: Network) -> Node:
    first = next(iter(scenario.internet.servers.values()))
    return Node(
        INTERNET,
        Role.INTERNET,
        (
            Leg(
                INTERNET,
                "eth0",
                wan,
                mac.physical(INTERNET),
                _interface(first, wan),
                gateway=scenario.lan.public,
                dns=first,
            ),
        ),
    )


def _router(scenario: Scenario, networks: dict[str, Network]) -> Node:
    lan, wan = networks[LAN], networks[WAN]
    first = next(iter(scenario.internet.servers.values()))
    inside = Leg(
        ROUTER,
        "lan0",
        lan,
        mac.physical("router lan0"),
        _interface(scenario.lan.gateway, lan),
        dns=first,
    )
    outside = Leg(
        ROUTER,
        "wan0",
        wan,
        mac.physical("router wan0"),
        _interface(scenario.lan.public, wan),
        gateway=first,
        dns=first,
    )
    return Node(ROUTER, Role.ROUTER, (inside, outside))


def _host_legs(scenario: Scenario, networks: dict[str, Network]) -> Iterator[Leg]:
    for index, (name, nic) in enumerate(sorted(scenario.host.nics.items())):
        leg = _lan_leg(scenario, networks[LAN], HOST, name, nic.address)
        # One default route: the first card's, as an operating system prefers one.
        yield leg if index == 0 else Leg(HOST, name, leg.network, leg.mac, leg.address)
    for network in networks.values():
        adapter = network.adapter
        if adapter.state is not Adapter.NONE:
            yield Leg(
                HOST,
                network.name,
                network,
                mac.host_adapter(network.number),
                _interface(network.host_address, network),
                adapter.gateway,
                adapter.dns,
                enabled=adapter.state is Adapter.ON,
            )


def _lan_leg(
    scenario: Scenario, lan: Network, node: str, interface: str, address: IPv4Address | None
) -> Leg:
    hardware = mac.physical(f"{node} {interface}")
    if address is None:
        return Leg(node, interface, lan, hardware)
    gateway = scenario.lan.gateway
    return Leg(node, interface, lan, hardware, _interface(address, lan), gateway, gateway)


def _services(network: Network) -> Iterator[Node]:
    mode = network.mode
    if mode and mode.nat_device:
        name = f"{network.name}-nat"
        address = _interface(network.gateway, network)
        runs = VmnetService.NAT not in network.stopped
        leg = Leg(name, "eth0", network, mac.service(name), address, enabled=runs)
        yield Node(name, Role.NAT_DEVICE, (leg,))
    if network.has_dhcp_server and mode and mode.dhcp_server:
        name = f"{network.name}-dhcp"
        address = _interface(mode.dhcp_server(network.subnet), network)
        leg = Leg(name, "eth0", network, mac.service(name), address)
        yield Node(name, Role.DHCP_SERVER, (leg,))


def _vm_leg(vm: str, index: int, nic: Nic, network: Network, uuid: UUID) -> Leg:
    vendor = (network.mode or Mode.BRIDGED).product.adapter_mac
    return Leg(
        vm,
        f"eth{index}",
        network,
        nic.mac or mac.vm_adapter(uuid, index, vendor),
        _interface(nic.address, network) if nic.address else None,
        nic.gateway,
        nic.dns,
        nic.connected,
        model=nic.model,
        incoming=nic.incoming,
        outgoing=nic.outgoing,
    )


def _interface(address: IPv4Address, network: Network) -> IPv4Interface:
    return IPv4Interface((int(address), network.subnet.prefixlen))
