"""The parts of a topology: machines, their adapters, and the networks between them."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from uuid import UUID

from netlab.frozen import frozen
from netlab.scenario.addresses import mac, pools
from netlab.scenario.firewall import NO_FIREWALL, Firewall
from netlab.scenario.listening import ListeningPort
from netlab.scenario.mode import Mode
from netlab.scenario.model import (
    Dhcp,
    HostAdapter,
    HostAdapterState,
    Nat,
    Nic,
    Proxy,
    Transfer,
    VmNat,
    VmnetService,
)
from netlab.scenario.topology.names import HOST


class Role(StrEnum):
    """The role of a node in the lab."""

    INTERNET = "internet"
    ROUTER = "router"
    PEER = "peer"
    HOST = "host"
    NAT_DEVICE = "nat device"
    DHCP_SERVER = "dhcp server"
    VM = "vm"


class Denial(StrEnum):
    """A reason for which a DHCP server that is asked gives an adapter nothing."""

    NOT_ADMITTED = "not admitted"
    POOL_EMPTY = "pool empty"


@frozen
class InVain:
    """The reason for which an adapter will get no address by DHCP, and the fix."""

    cause: str
    """The cause's name in `trace --by dhcp`."""
    why: str
    fix: str


PERFECT = Transfer()
NO_ADAPTER = HostAdapter(state=HostAdapterState.NONE)


@frozen
class Network:
    """A switch (or, for the WAN, a cable) and the subnet on it."""

    name: str
    subnet: IPv4Network
    mode: Mode | None = None
    """The network's mode; None for LANs and WANs, which are not VMware's."""
    nic: str | None = None
    """The host's card that a bridged network is bridged to; None: automatic finds none."""
    lan: str | None = None
    """The LAN that it is, or that it is bridged to; None: neither."""
    linked: bool = True
    """False: the host's card that it is bridged to has no link."""
    mtu: int = 1500
    hub: bool = False
    """True: the switch learns no addresses, and every frame goes everywhere."""
    promiscuous: bool = True
    """True: VMs may listen to frames for others."""
    mac_spoofing: bool = True
    """True: VMs may send with MAC addresses that are not their adapters'."""
    br_netfilter: bool = False
    """True: frames between its ports meet the host's rules for forwarding."""
    adapter: HostAdapter = NO_ADAPTER
    """The host adapter, as the host has set it up."""
    dhcp: Dhcp | None = field(default=None, hash=False)
    """Settings of its DHCP server, which is no VM's; a bridged network has its LAN's. None: there is none."""
    nat: Nat | None = field(default=None, hash=False)
    stopped: frozenset[VmnetService] = frozenset()
    guest_dhcp: bool = False
    """True: a VM serves DHCP here, or lets it in from another network."""
    barred: InVain | None = None
    """The reason for which a bridging VM's adapter keeps DHCP out; None: none does."""
    joined: str = ""
    """The segment of all networks that VMs have bridged with this one; empty: there are none."""
    prefix: IPv6Network | None = None
    """The IPv6 prefix; a bridged network has its LAN's."""

    @property
    def switch(self) -> str:
        """The node whose bridge it is: itself, or the host."""
        return HOST if self.mode and self.mode.in_host else self.name

    @property
    def advertises(self) -> bool:
        """True if its router, NAT device or DHCP server advertises the prefix."""
        if self.prefix is None or self.mode is None or self.mode.on_lan:
            return self.prefix is not None and self.linked
        if self.mode.nat_device:
            return VmnetService.NAT not in self.stopped
        return self.has_dhcp_server and VmnetService.DHCP not in self.stopped

    @property
    def leases(self) -> bool:
        """True if a DHCP server answers here: VMware's, a VM's, or the LAN's."""
        return self.guest_dhcp or self.serves

    @property
    def serves(self) -> bool:
        """True if a DHCP server that is no VM's answers here."""
        return self.dhcp is not None and VmnetService.DHCP not in self.stopped

    @property
    def unserved(self) -> str:
        """The reason for which no DHCP server but a VM's answers here, where none does."""
        mode = self.mode
        if mode is None or mode.on_lan:
            return f"the router of {self.lan or self.name} serves no DHCP"
        if self.dhcp:
            return "it is stopped"
        if mode.dhcp_keys:
            return "it is switched off"
        return f"{mode.value} has none" if mode is not Mode.SEGMENT else "a LAN segment has none"

    @property
    def leads_on_ipv6(self) -> bool:
        """True if the node that advertises the prefix is a router too; a host-only network has none."""
        return self.mode is None or self.mode.on_lan or self.mode.nat_device is not None

    @property
    def has_dhcp_server(self) -> bool:
        """True if it has a DHCP server that is a machine of its own."""
        return self.dhcp is not None and self.mode is not None and self.mode.dhcp_server is not None

    @property
    def outside(self) -> bool:
        """True if its machines are outside of the host: a LAN, a WAN, the host's hot spot."""
        return self.mode is None or self.mode.outside

    @property
    def numbered(self) -> bool:
        """True if it has a subnet: a scenario need not name that of a LAN segment."""
        return self.subnet.prefixlen < 32

    @property
    def host_address(self) -> IPv4Address:
        """The host adapter's address, where there is one; it makes room for a NAT device at its usual one."""
        if self.adapter.address:
            return self.adapter.address
        mode = self.mode
        usual = ((mode and mode.host_adapter) or pools.host_adapter)(self.subnet)
        if mode and mode.nat_device and self.gateway == usual:
            return mode.nat_device(self.subnet)
        return usual

    @property
    def gateway(self) -> IPv4Address:
        """The NAT device's address, where there is one."""
        pick_address = self.mode and self.mode.nat_device
        return (self.nat and self.nat.gateway) or (pick_address or pools.nat_device)(self.subnet)

    @property
    def hairpin(self) -> bool:
        """True if those behind its NAT device reach each other by forwarded ports of the host."""
        return self.nat is None or self.nat.hairpin

    @property
    def loopback(self) -> IPv4Address | None:
        """The address that stands for the host's loopback, where one does."""
        pick_address = self.mode and self.mode.host_at
        return pick_address(self.subnet) if pick_address else None

    @property
    def reaches_loopback(self) -> bool:
        """True if TCP and UDP to that address reach the host's loopback."""
        if self.loopback is None or self.mode is None:
            return False
        chosen = self.nat.localhost_reachable if self.nat else None
        return self.mode.loopback if chosen is None else chosen

    @property
    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """First and last address that DHCP leases."""
        pool = self.mode.pool if self.mode else pools.dhcp_pool
        return (self.dhcp and self.dhcp.range) or pool(self.subnet)

    @property
    def dhcp_server(self) -> IPv4Address | None:
        """The address of the DHCP server that is a machine of its own; None: there is none."""
        if not (self.dhcp and self.mode and self.mode.dhcp_server):
            return None
        return self.dhcp.server or self.mode.dhcp_server(self.subnet)

    @property
    def tells_router(self) -> bool:
        """True if its DHCP server tells clients of a default gateway."""
        if self.dhcp and self.dhcp.router:
            return self.dhcp.router != "none"
        return self.mode is None or self.mode.on_lan or self.mode.router is not None

    @property
    def segment(self) -> str:
        """The name of the network whose machines hear each other: a bridged vmnet is on its LAN."""
        return self.joined or self.lan or self.name

    def connects(self, nic: Nic) -> bool:
        """Return whether a VM's adapter on this network is plugged in."""
        return nic.connected and (self.linked or not nic.replicate)

    def permits_promiscuous(self, nic: Nic) -> bool:
        """Return whether a VM's adapter on this network may listen to frames for others."""
        return self.promiscuous if nic.promiscuous is None else nic.promiscuous

    def permits_mac_spoofing(self, nic: Nic) -> bool:
        """Return whether a VM's adapter on this network may send with other MAC addresses."""
        return self.mac_spoofing if nic.mac_spoofing is None else nic.mac_spoofing

    @property
    def number(self) -> int:
        """N of vmnetN; other products' networks get one of netlab's."""
        digits = self.name.removeprefix("vmnet")
        return int(digits) if digits.isdigit() else mac.number(self.name)


@frozen
class Adapter:
    """A node's adapter on one network."""

    node: str
    interface: str
    network: Network
    mac: str
    address: IPv4Interface | None = None
    """None: configured by DHCP."""
    gateway: IPv4Address | None = None
    metric: int | None = 0
    """The metric of its default route; None: its machine takes none by it."""
    routes: tuple[tuple[IPv4Network, IPv4Address], ...] = ()
    """Further subnets, and the gateways by which it leads there."""
    mtu: int | None = None
    """Bytes of an IP packet; None: as its network has."""
    icmp_errors: bool = True
    """False: ICMP errors do not come through it."""
    dns: IPv4Address | None = None
    connected: bool = True
    """False: its cable is pulled out of the switch."""
    enabled: bool = True
    """False: the adapter itself is switched off."""
    bridge: str | None = None
    """The bridge inside its machine that it is a port of; None: it is no port."""
    bare: bool = False
    """True: a bridge's port without an address of its own; the first port has the bridge's."""
    beside: tuple[Network, ...] = ()
    """The networks into which further ports of its bridge are plugged."""
    denied: Denial | None = None
    """The reason for which it asks DHCP and will get nothing, though a server hears it."""
    released: bool = False
    """True: its guest has given the lease back, and asks for none."""
    replicates: bool = False
    """True: its link and its lease follow the host's card that its network is bridged to."""
    promiscuous: bool = True
    """True: it may listen to frames for others."""
    mac_spoofing: bool = True
    """True: it may send with MAC addresses that are not its own."""
    model: str | None = None
    """The kind of card that a guest sees: a label."""
    incoming: Transfer = PERFECT
    outgoing: Transfer = PERFECT
    further: tuple[IPv4Interface, ...] = ()
    """Static addresses beside the first."""
    client_id: str = ""
    """The identifier by which it asks DHCP (option 61), as `ff:12:…`; empty: it is known by its MAC."""
    ipv6: IPv6Interface | None = None
    """The IPv6 address that it has, or makes of its router's advertisement."""
    listens_to_router: bool = False
    """True: it makes its IPv6 address of what a router advertises, if one does."""

    @property
    def holder(self) -> str:
        """The interface that has its address: itself, or the bridge that it is a port of."""
        return self.bridge or self.interface

    @property
    def static(self) -> tuple[IPv4Interface, ...]:
        """All of its static addresses."""
        return (*filter(None, (self.address,)), *self.further)

    @property
    def client(self) -> str:
        """The identity that a DHCP server knows it by: its identifier, or its MAC address."""
        return self.client_id or self.mac

    @property
    def by_dhcp(self) -> bool:
        """True if it is configured by DHCP."""
        return self.address is None and not self.bare

    @property
    def plugged_into(self) -> tuple[Network, ...]:
        """The networks that hear it; if none, it has no carrier, and its machine takes its addresses off."""
        return (self.network, *self.beside) if self.connected else self.beside

    @property
    def asks(self) -> bool:
        """True if a DHCP client runs on it."""
        return self.by_dhcp and bool(self.plugged_into) and not self.released

    @property
    def gets_lease(self) -> bool:
        """True if a DHCP server that it asks has an address for it."""
        return (
            self.asks and not self.denied and any(network.leases for network in self.plugged_into)
        )

    @property
    def leads_out_ipv6(self) -> bool:
        """True if it brings its machine a default route of IPv6."""
        makes_address = self.listens_to_router and self.ipv6 is not None
        return makes_address and self.network.leads_on_ipv6 and self.metric is not None

    @property
    def in_vain(self) -> InVain | None:
        """The reason for which DHCP gives it no address; None if it gets one, or wants none."""
        if not self.by_dhcp or self.released or self.gets_lease:
            return None
        network = self.network
        if not self.plugged_into:
            return InVain("nic-down", "the adapter has no cable", "plug it in: `connected: true`")
        if self.denied is Denial.NOT_ADMITTED:
            why = f"{network.segment} does not admit its MAC address"
            return InVain("mac-not-allowed", why, "let more devices in: `admits`")
        if any(plugged.leases for plugged in self.plugged_into):
            why = f"the DHCP server of {network.segment} has no address left"
            return InVain(
                "dhcp-pool-exhausted", why, "give it an `address`, or the server a larger `range`"
            )
        if network.barred:
            return network.barred
        if not network.linked or (network.mode and network.mode.on_lan and not network.lan):
            card = f"the host's {network.nic}, which has no link" if network.nic else "no card"
            why = f"no DHCP server answers: {network.name} is bridged to {card}"
            return InVain("dhcp-no-offer", why, "plug the card in, or choose another: `nic`")
        why = f"no DHCP server answers on {network.name}: {network.unserved}"
        return InVain("dhcp-no-offer", why, "give it an `address`, or let a server run there")

    @property
    def speaks(self) -> bool:
        """True if by the scenario it is up, plugged in, and has an address."""
        has_address = self.address is not None or self.gets_lease
        return bool(self.plugged_into) and self.enabled and has_address

    @property
    def name(self) -> str:
        """Node and network: `host@vmnet8`."""
        return f"{self.node}@{self.network.name}"


@frozen
class Node:
    """A machine of the lab."""

    name: str
    role: Role
    adapters: tuple[Adapter, ...]
    uuid: UUID | None = None
    """A VM's BIOS UUID."""
    guest: UUID | None = None
    """The UUID of the VM in which a VM's guest was installed."""
    firewall: Firewall = NO_FIREWALL
    forwards: bool = False
    """True: it is a router between its adapters."""
    bridges: bool = False
    """True: it is a switch between its adapters."""
    listens: tuple[ListeningPort, ...] = ()
    """Ports that a server answers on."""
    hosts: tuple[tuple[str, IPv4Address], ...] = ()
    """Lines of its /etc/hosts."""
    proxy: Proxy | None = None
    """The HTTP proxy that runs on it."""
    dhcp_servers: tuple[tuple[Adapter, Dhcp], ...] = field(default=(), hash=False)
    """The adapters on whose networks it serves DHCP and DNS, with the settings of each server."""
    nat: VmNat | None = field(default=None, hash=False)
    """A VM's NAT; None: it translates nothing."""
    outgoing: Firewall = NO_FIREWALL
    """The firewall for what leaves by its NAT."""
    ipv6: bool = True
    """False: IPv6 is disabled."""

    @property
    def is_router(self) -> bool:
        """True if it passes on what others send by way of it."""
        return self.forwards or self.nat is not None

    @property
    def outer(self) -> Adapter | None:
        """The adapter on the outer side of its NAT, if it has both."""
        outer_name = self.nat and self.nat.adapter
        return next((each for each in self.adapters if each.interface == outer_name), None)

    @property
    def inner(self) -> tuple[Adapter, ...]:
        """The adapters on the inner side of its NAT; none without NAT."""
        return tuple(each for each in self.adapters if self.nat and each is not self.outer)

    @property
    def primary(self) -> Adapter:
        """The first adapter."""
        return self.adapters[0]

    @property
    def named_adapters(self) -> dict[str, Adapter]:
        """Adapters by endpoint name: `host@vmnet8`; a second one on the same network is `host@eth1`."""
        names: dict[str, Adapter] = {}
        for adapter in self.adapters:
            name = adapter.name if adapter.name not in names else f"{self.name}@{adapter.interface}"
            names[name] = adapter
        return names

    @cached_property
    def segments(self) -> frozenset[str]:
        """The names of the segments that it is on."""
        return frozenset(adapter.network.segment for adapter in self.adapters)

    @cached_property
    def plugged_segments(self) -> frozenset[str]:
        """The segments that it is on by a cable; if there is no cable, those that it would be on."""
        plugged = frozenset(
            adapter.network.segment for adapter in self.adapters if adapter.connected
        )
        return plugged or self.segments

    @cached_property
    def callable_adapters(self) -> tuple[Adapter, ...]:
        """The adapters that its bare name may stand for: with a cable and an address, if there are any."""
        plugged = tuple(adapter for adapter in self.adapters if adapter.connected) or self.adapters
        return (
            tuple(adapter for adapter in plugged if adapter.address or adapter.gets_lease)
            or plugged
        )
