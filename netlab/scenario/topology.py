"""Scenario in, topology out: every machine, network and adapter with VMware's defaults filled in.

This is what the rest of netlab works on. Switches are networks here, not
nodes; the cable between a NAT device and the host is plumbing that only the
plan knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from uuid import UUID

from netlab.scenario import addressing, ipv6, mac
from netlab.scenario.mode import VMWARE, Mode
from netlab.scenario.model import (
    AUTOMATIC,
    Adapter,
    Answer,
    Dhcp,
    FurtherLan,
    HostAdapter,
    LanDhcp,
    Nat,
    Nic,
    Peer,
    Proxy,
    Scenario,
    Switching,
    Transfer,
    Vmnet,
    VmnetService,
)

LAN = "lan"
HOTSPOT = "hotspot"
WAN = "wan"
HOST = "host"
ROUTER = "router"
INTERNET = "internet"
WIFI = "wlan"
"""How the names of Wi-Fi cards begin."""
BRIDGE = "br0"
"""The bridge inside a VM that bridges its adapters."""
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
    """None for LANs and WANs, which are not VMware's."""
    nic: str | None = None
    """The host's card that a bridged network is bridged to; None: automatic finds none."""
    lan: str | None = None
    """The LAN that it is, or that it is bridged to."""
    linked: bool = True
    """False: the host's card that it is bridged to has no link."""
    mtu: int = 1500
    hub: bool = False
    """It learns nothing, and every frame goes everywhere."""
    promiscuous: bool = True
    """Its VMs may listen to frames for others."""
    adapter: HostAdapter = _NO_ADAPTER
    """How the host has set it up: never None where VMware knows a host adapter."""
    dhcp: Dhcp | None = field(default=None, hash=False)
    """VMware's server; None: there is none."""
    nat: Nat | None = field(default=None, hash=False)
    stopped: frozenset[VmnetService] = frozenset()
    guest_dhcp: bool = False
    """A VM serves DHCP here, or lets it in from another network."""
    joined: str = ""
    """The segment of all networks that VMs have bridged with this one; empty: there are none."""
    leased: tuple[IPv4Address, IPv4Address] | None = None
    """First and last address that DHCP leases, where the scenario says it."""
    prefix: IPv6Network | None = None
    """Of IPv6; a bridged network has its LAN's."""

    @property
    def advertises(self) -> bool:
        """Its router, NAT device or DHCP server tells machines the prefix."""
        if self.prefix is None or self.mode is None or self.mode.on_lan:
            return self.prefix is not None and self.linked
        if self.mode.nat_device:
            return VmnetService.NAT not in self.stopped
        return self.has_dhcp_server and VmnetService.DHCP not in self.stopped

    @property
    def leases(self) -> bool:
        """Who asks for an address here gets one: from VMware's server, a VM, or on the LAN."""
        mode = self.mode
        there = mode is None or mode.on_lan or mode.serves_itself or self.has_dhcp_server
        return self.guest_dhcp or (there and VmnetService.DHCP not in self.stopped)

    @property
    def has_dhcp_server(self) -> bool:
        """There is one, a machine of its own."""
        mode = self.mode
        if mode is None or mode.dhcp_server is None:
            return False
        return mode.product is not VMWARE or self.dhcp is not None

    @property
    def outside(self) -> bool:
        """Its machines are not inside the host's computer: a LAN, a WAN, the host's hot spot."""
        return self.mode is None or self.mode.outside

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
        return self.leased or pool(self.subnet)

    @property
    def segment(self) -> str:
        """The name of the network whose machines hear each other: a bridged vmnet is on its LAN."""
        return self.joined or self.lan or self.name

    @property
    def number(self) -> int:
        """N of vmnetN; other products' networks get one of netlab's."""
        digits = self.name.removeprefix("vmnet")
        return int(digits) if digits.isdigit() else mac.number(self.name)


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
    bridge: str | None = None
    """The bridge inside its machine that it is a port of."""
    bare: bool = False
    """It is a port without an address of its own: the first has the bridge's."""
    leased: bool = True
    """False: it asks DHCP, and will get nothing: it is not admitted, or no address is left."""
    released: bool = False
    """Its guest has given the lease back, and asks for none."""
    replicates: bool = False
    """Its link and its lease follow the host's card that its network is bridged to."""
    promiscuous: bool = True
    """It may listen to frames for others."""
    model: str | None = None
    """What kind of card a guest sees: a label."""
    incoming: Transfer = PERFECT
    outgoing: Transfer = PERFECT
    ipv6: IPv6Interface | None = None
    """The address that it has, or makes of its router's advertisement."""
    listens_to_router: bool = False
    """It makes its IPv6 address of what a router advertises, if one does."""

    @property
    def holder(self) -> str:
        """The interface that has its address: itself, or the bridge that it is a port of."""
        return self.bridge or self.interface

    @property
    def by_dhcp(self) -> bool:
        """It is configured by DHCP."""
        return self.address is None and not self.bare

    @property
    def asks(self) -> bool:
        """A DHCP client runs on it."""
        return self.by_dhcp and not self.released

    @property
    def gets_lease(self) -> bool:
        """It is configured by DHCP, and a server that it reaches has an address for it."""
        return self.asks and self.connected and self.leased and self.network.leases

    @property
    def speaks(self) -> bool:
        """By the scenario, it is up, plugged in, and has an address."""
        return self.connected and self.enabled and (self.address is not None or self.gets_lease)

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
    bridges: bool = False
    """It is a switch between its adapters."""
    listens: tuple[str, ...] = ()
    """Ports that a server answers on, as `tcp:80`."""
    hosts: tuple[tuple[str, IPv4Address], ...] = ()
    """Lines of its /etc/hosts."""
    proxy: Proxy | None = None
    """The HTTP proxy that runs on it."""
    dhcp_server: bool = False
    """It serves DHCP on its first adapter's network."""
    ipv6: bool = True
    """False: IPv6 is disabled."""

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
        """This node's first leg on a network that `other` is on too."""
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

    @cached_property
    def uplink(self) -> Leg:
        """The host's card with the default route: the first that is connected, else the first."""
        cards = [leg for leg in self.nodes[HOST].legs if leg.interface in self.scenario.cards]
        return next((card for card in cards if card.connected), cards[0])

    @cached_property
    def routers(self) -> tuple[Node, ...]:
        """The routers of the LANs, the home router first."""
        return tuple(node for node in self.nodes.values() if node.role is Role.ROUTER)

    def admitted(self, lan: str) -> tuple[str, ...]:
        """The MAC addresses that a LAN lets in."""
        return _admitted(self.scenario, lan, self.nodes.values())

    def mac_on_the_lan(self, leg: Leg) -> str:
        """The MAC address that a LAN sees of an adapter: over Wi-Fi, the host's card's."""
        return _mac_on_the_lan(leg, self.nodes.values())

    def node(self, role: Role, network: Network) -> Node:
        """The NAT device or DHCP server of `network`."""
        return next(
            node
            for node in self.nodes.values()
            if node.role is role and node.primary.network == network
        )

    def neighbours(self, network: Network) -> tuple[Leg, ...]:
        """Every leg that hears what is said on `network`, in the order of the nodes.

        Also those on other networks that VMs have bridged with it.
        """
        legs = (leg for node in self.nodes.values() for leg in node.legs)
        return tuple(leg for leg in legs if leg.network.segment == network.segment)

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
    """Fill in VMware's defaults. Never fails; nonsense is for `checks` to find."""
    networks = {network.name: network for network in _networks(scenario)}
    networks |= _joined(scenario, networks)
    nodes = tuple(_nodes(scenario, networks))
    without = {leg for lan in scenario.all_lans for leg in _without_lease(scenario, lan, nodes)}
    for network in networks.values():
        without |= set(_left_over(network, nodes))
    marked = {
        node.name: replace(
            node,
            legs=tuple(
                replace(_with_ipv6(scenario, node, leg, nodes), leased=leg not in without)
                for leg in node.legs
            ),
        )
        for node in nodes
    }
    return Topology(scenario, networks, marked)


def _with_ipv6(scenario: Scenario, node: Node, leg: Leg, nodes: Iterable[Node]) -> Leg:
    """The leg with what it has of IPv6. A disabled adapter has none, as a host's card without a link."""
    network = leg.network
    unplugged = node.role is Role.HOST and not leg.connected
    if network.prefix is None or not node.ipv6 or not leg.enabled or unplugged or leg.bare:
        return leg
    listens = node.role in (Role.VM, Role.PEER) or (node.role is Role.HOST and bool(network.lan))
    if not listens:
        # A NAT device advertises by itself; there, the DHCP server has no part in IPv6.
        idle = node.role is Role.DHCP_SERVER and network.nat is not None
        address = leg.address.ip if leg.address else network.subnet[1]
        own = ipv6.numbered(network.prefix, address, network.subnet)
        return leg if idle else replace(leg, ipv6=own)
    hears = network.advertises and leg.connected and _may_join(scenario, leg, nodes)
    made = ipv6.made(network.prefix, leg.mac) if hears else None
    return replace(leg, ipv6=made, listens_to_router=True)


def _may_join(scenario: Scenario, leg: Leg, nodes: Iterable[Node]) -> bool:
    lan = leg.network.lan
    return lan is None or _mac_on_the_lan(leg, nodes) in _admitted(scenario, lan, nodes)


def _stations(lan: str, nodes: Iterable[Node]) -> list[Leg]:
    """The adapters on a LAN in the order in which they come: the host's, its peers', bridged VMs'."""
    order = (Role.HOST, Role.PEER, Role.VM)
    known = sorted(
        (node for node in nodes if node.role in order), key=lambda n: order.index(n.role)
    )
    return [
        leg for node in known for leg in node.legs if leg.network.segment == lan and leg.connected
    ]


def _mac_on_the_lan(leg: Leg, nodes: Iterable[Node]) -> str:
    nic = leg.network.nic or ""
    cards = (card for node in nodes if node.role is Role.HOST for card in node.legs)
    return next((c.mac for c in cards if nic.startswith(WIFI) and c.interface == nic), leg.mac)


def _admitted(scenario: Scenario, lan: str, nodes: Iterable[Node]) -> tuple[str, ...]:
    nodes = tuple(nodes)
    macs = dict.fromkeys(_mac_on_the_lan(leg, nodes) for leg in _stations(lan, nodes))
    return tuple(macs)[: scenario.all_lans[lan].admits]


def _without_lease(scenario: Scenario, lan: str, nodes: Iterable[Node]) -> Iterator[Leg]:
    """Adapters that ask the LAN's DHCP in vain."""
    nodes = tuple(nodes)
    admitted = _admitted(scenario, lan, nodes)
    stations = _stations(lan, nodes)
    asking = [leg for leg in stations if leg.by_dhcp]
    yield from (leg for leg in asking if _mac_on_the_lan(leg, nodes) not in admitted)
    dhcp = scenario.all_lans[lan].dhcp
    if isinstance(dhcp, LanDhcp):
        first, last = dhcp.range
        fixed = {leg.address.ip for leg in stations if leg.address}
        left = int(last) - int(first) + 1 - sum(first <= address <= last for address in fixed)
        served = [leg for leg in asking if _mac_on_the_lan(leg, nodes) in admitted]
        yield from served[max(left, 0) :]


def _left_over(network: Network, nodes: Iterable[Node]) -> Iterator[Leg]:
    """Adapters for which a vmnet's DHCP server has no address left."""
    if network.dhcp is None:
        return
    legs = [leg for node in nodes for leg in node.legs if leg.network.segment == network.segment]
    reserved = network.dhcp.reservations
    fixed = {leg.address.ip for leg in legs if leg.address} | set(reserved.values())
    first, last = network.pool
    room = int(last) - int(first) + 1 - sum(first <= address <= last for address in fixed)
    asking = [leg for leg in legs if leg.by_dhcp and not {leg.node, leg.mac} & set(reserved)]
    served = list(dict.fromkeys(leg.mac for leg in asking))[: max(room, 0)]
    yield from (leg for leg in asking if leg.mac not in served)


def _networks(scenario: Scenario) -> Iterator[Network]:
    served = {vm.nics[0].network for vm in scenario.vms.values() if vm.dhcp_server}
    yield Network(WAN, scenario.lan.internet, prefix=scenario.lan.ipv6 and ipv6.INTERNET)
    lans = {name: _lan(name, lan) for name, lan in scenario.all_lans.items()}
    for number, lan in enumerate(lans.values()):
        yield lan
        if number:
            upstream = lan.prefix and ipv6.provider(number - 1)
            yield Network(wan_of(lan.name), addressing.provider(number - 1), prefix=upstream)
    for name, vmnet in sorted(scenario.vmnets.items(), key=lambda item: natural(item[0])):
        if vmnet.mode.on_lan:
            yield _bridged(name, vmnet, scenario, lans)
        elif subnet := vmnet.own_subnet:
            own = _virtual(name, vmnet, subnet, name in served)
            yield from _private(scenario, own) if vmnet.mode.private else (own,)
    if scenario.host.hotspot is not None:
        yield Network(HOTSPOT, addressing.SHARED, Mode.HOTSPOT, adapter=HostAdapter())
    for index, (name, segment) in enumerate(sorted(scenario.segments.items())):
        subnet = segment.subnet or addressing.unnumbered(index)
        yield Network(
            name,
            subnet,
            Mode.SEGMENT,
            mtu=segment.mtu,
            hub=segment.switching is Switching.HUB,
            promiscuous=segment.promiscuous,
            guest_dhcp=name in served,
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
        promiscuous=vmnet.promiscuous,
        adapter=vmnet.adapter or usual,
        dhcp=dhcp if dhcp.on and is_vmware else None,
        leased=dhcp.range,
        nat=(vmnet.nat or Nat()) if mode.nat_device else None,
        stopped=frozenset(vmnet.stopped),
        guest_dhcp=served,
        prefix=_prefix(name, vmnet),
    )


def _prefix(name: str, vmnet: Vmnet) -> IPv6Network | None:
    """A network's own, or VMware's for NAT networks."""
    if isinstance(vmnet.ipv6, IPv6Network):
        return vmnet.ipv6
    digits = name.removeprefix("vmnet")
    return ipv6.nat(int(digits)) if vmnet.ipv6 and digits.isdigit() else None


def _private(scenario: Scenario, network: Network) -> Iterator[Network]:
    """One such network for each adapter; a VM's second adapter is in the next /24, as in VirtualBox."""
    for vm, machine in sorted(scenario.vms.items(), key=lambda item: natural(item[0])):
        for index, nic in enumerate(machine.nics):
            if nic.network == network.name:
                first = IPv4Address(int(network.subnet[0]) + 256 * index)
                subnet = IPv4Network((int(first), network.subnet.prefixlen))
                yield replace(network, name=private_name(network.name, vm, index), subnet=subnet)


def _joined(scenario: Scenario, networks: dict[str, Network]) -> dict[str, Network]:
    """Networks that are one because VMs bridge them; one with a LAN is that LAN."""
    groups: list[set[str]] = []
    for vm in scenario.vms.values():
        if vm.bridges:
            group = {nic.network for nic in vm.nics if nic.network in networks}
            group |= {
                name
                for name, one in networks.items()
                if one.lan and one.lan in _lans(group, networks)
            }
            for other in [one for one in groups if one & group]:
                groups.remove(other)
                group |= other
            groups.append(group)
    found = {}
    for group in groups:
        members = sorted((networks[name] for name in group), key=lambda one: natural(one.name))
        segment = next((one.lan for one in members if one.lan), members[0].name if members else "")
        leases = any(one.leases for one in members)
        for one in members:
            found[one.name] = replace(
                one, joined=segment, guest_dhcp=one.guest_dhcp or (leases and not one.leases)
            )
    return found


def _lans(names: Iterable[str], networks: dict[str, Network]) -> set[str]:
    return {lan for name in names if (lan := networks[name].lan)}


def private_name(network: str, vm: str, index: int) -> str:
    """The network that an adapter has for itself: `vboxnat-vm1`."""
    return f"{network}-{vm}" + f"-{index}" * bool(index)


def _lan(name: str, lan: FurtherLan) -> Network:
    stopped = frozenset[VmnetService]() if lan.dhcp else frozenset((VmnetService.DHCP,))
    leased = lan.dhcp.range if isinstance(lan.dhcp, LanDhcp) else None
    return Network(name, lan.subnet, lan=name, stopped=stopped, leased=leased, prefix=lan.ipv6)


def wan_of(lan: str) -> str:
    """The name of the network between a LAN's router and the Internet."""
    return WAN if lan == LAN else f"{lan}-{WAN}"


def router_of(lan: str) -> str:
    """The name of a LAN's router."""
    return ROUTER if lan == LAN else f"{lan}-{ROUTER}"


def _bridged(name: str, vmnet: Vmnet, scenario: Scenario, lans: dict[str, Network]) -> Network:
    """It is on the LAN of its card; while that has no link, nobody gives addresses there."""
    chosen = bridged_to(name, scenario)
    card = scenario.host.nics.get(chosen or "")
    lan = lans.get(card.lan if card else LAN, lans[LAN])
    linked = card is not None and card.connected
    return Network(
        name,
        lan.subnet,
        vmnet.mode,
        chosen,
        lan=lan.name if card else None,
        linked=linked,
        mtu=vmnet.mtu,
        hub=vmnet.switching is Switching.HUB,
        promiscuous=vmnet.promiscuous,
        stopped=lan.stopped if linked else frozenset((VmnetService.DHCP,)),
        prefix=lan.prefix if card else None,
    )


def bridged_to(name: str, scenario: Scenario) -> str | None:
    """The host's card that a bridged vmnet is bridged to; None: automatic finds none.

    Automatic takes the first connected card, as that has the default route, but none that
    another vmnet is pinned to, or that is excluded.
    """
    vmnet, cards = scenario.vmnets[name], scenario.host.nics
    first = next(iter(scenario.cards), None)
    if vmnet.nic != AUTOMATIC:
        return vmnet.nic or first
    others = (one for one in scenario.vmnets.values() if one.mode.on_lan)
    pinned = {one.nic or first for one in others}
    usable = sorted(set(scenario.cards) - pinned - set(vmnet.excluded))
    return next((card for card in usable if cards[card].connected), None)


def _nodes(scenario: Scenario, networks: dict[str, Network]) -> Iterator[Node]:
    yield _internet(scenario, networks)
    for lan in scenario.all_lans:
        yield _router(scenario, lan, networks)
    for lan, its in scenario.all_lans.items():
        for name, peer in sorted(its.peers.items(), key=lambda item: natural(item[0])):
            leg = _lan_leg(scenario, networks[lan], name, "eth0", peer.address)
            yield Node(name, Role.PEER, (leg,))
    for name, peer in sorted(hotspot(scenario).items(), key=lambda item: natural(item[0])):
        leg = _lan_leg(scenario, networks[HOTSPOT], name, f"{WIFI}0", peer.address)
        yield Node(name, Role.PEER, (leg,))
    yield Node(
        HOST,
        Role.HOST,
        tuple(_host_legs(scenario, networks)),
        firewall=tuple(scenario.host.firewall),
        hosts=tuple(scenario.host.hosts.items()),
        proxy=scenario.host.proxy,
    )
    for network in networks.values():
        yield from _services(network)
    uuids = _uuids(scenario)
    for name, vm in sorted(scenario.vms.items(), key=lambda item: natural(item[0])):
        legs = tuple(
            _vm_leg(name, index, nic, plugged, uuids[name], vm.bridges)
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
                vm.bridges,
                tuple(vm.listens),
                tuple(vm.hosts.items()),
                vm.proxy,
                vm.dhcp_server,
                vm.ipv6,
            )


def hotspot(scenario: Scenario) -> dict[str, Peer]:
    """The devices on the host's hot spot."""
    return scenario.host.hotspot or {}


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


def _internet(scenario: Scenario, networks: dict[str, Network]) -> Node:
    """It has a cable to each router."""
    first = next(iter(scenario.internet.servers.values()))
    hardware = mac.physical(INTERNET)
    wan = networks[WAN]
    gateway = scenario.lan.public
    legs = [Leg(INTERNET, "eth0", wan, hardware, _interface(first, wan), gateway, first)]
    for number, lan in enumerate(scenario.lans, 1):
        wan, name = networks[wan_of(lan)], f"eth{number}"
        hardware = mac.physical(f"{INTERNET} {name}")
        legs.append(Leg(INTERNET, name, wan, hardware, _interface(wan.subnet[1], wan)))
    return Node(INTERNET, Role.INTERNET, tuple(legs))


def _router(scenario: Scenario, name: str, networks: dict[str, Network]) -> Node:
    lan, wan, node = networks[name], networks[wan_of(name)], router_of(name)
    first = next(iter(scenario.internet.servers.values()))
    at_home = name == LAN
    far = first if at_home else wan.subnet[1]
    public = scenario.lan.public if at_home else wan.subnet[2]
    gateway = _interface(scenario.all_lans[name].gateway, lan)
    inside = Leg(node, "lan0", lan, mac.physical(f"{node} lan0"), gateway, dns=first)
    outside = mac.physical(f"{node} wan0")
    return Node(
        node,
        Role.ROUTER,
        (inside, Leg(node, "wan0", wan, outside, _interface(public, wan), gateway=far, dns=first)),
    )


def _host_legs(scenario: Scenario, networks: dict[str, Network]) -> Iterator[Leg]:
    seen: set[str] = set()
    for name, nic in sorted(scenario.host.nics.items()):
        lan = networks.get(nic.lan, networks[LAN])
        leg = replace(_lan_leg(scenario, lan, HOST, name, nic.address), connected=nic.connected)
        # One default route for a LAN: the first card's, as an operating system prefers one. None for
        # a VPN: only packets to its subnet take it.
        no_exit = name not in scenario.cards or lan.name in seen
        yield replace(leg, gateway=None, dns=None) if no_exit else leg
        if nic.connected:
            seen.add(lan.name)
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
    gateway = lan.host_address if lan.mode else scenario.all_lans[lan.name].gateway
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


def _vm_leg(vm: str, index: int, nic: Nic, network: Network, uuid: UUID, bridges: bool) -> Leg:
    vendor = (network.mode or Mode.BRIDGED).product.adapter_mac
    return Leg(
        vm,
        f"eth{index}",
        network,
        nic.mac or mac.vm_adapter(uuid, index, vendor),
        _interface(nic.address, network) if nic.address else None,
        nic.gateway,
        nic.dns,
        nic.connected and (network.linked or not nic.replicate),
        bridge=BRIDGE if bridges else None,
        bare=bridges and index > 0,
        released=nic.released,
        replicates=nic.replicate,
        promiscuous=network.promiscuous if nic.promiscuous is None else nic.promiscuous,
        model=nic.model,
        incoming=nic.incoming,
        outgoing=nic.outgoing,
    )


def _interface(address: IPv4Address, network: Network) -> IPv4Interface:
    return IPv4Interface((int(address), network.subnet.prefixlen))
