"""IPv4 addresses: of their subnets, and taken once."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address

from netlab.frozen import frozen
from netlab.scenario.addresses import pools
from netlab.scenario.checks.lookup import adapters, lan_path, network_path, subnets
from netlab.scenario.mode import AddressPicker
from netlab.scenario.model import HostAdapterState
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOST, HOTSPOT, WAN, Topology, hotspot, installations, router_of


class _Kind(Enum):
    """The part of the lab that an address is of."""

    PRODUCT = auto()
    ROUTER = auto()
    LED_BY_ROUTER = auto()
    """The router's address is its default gateway, which no machine can be itself."""
    RESERVATION = auto()
    GUEST = auto()


_IMPOSSIBLE = (
    # Rules tell the parts of one network apart by their addresses; dnsmasq refuses two reservations.
    {_Kind.PRODUCT},
    {_Kind.RESERVATION},
    {_Kind.ROUTER, _Kind.LED_BY_ROUTER},
)
"""Kinds of owners that cannot have one address."""


@frozen
class _Claim:
    """A claim to an address: the file's, or VMware's by itself (`path` is then the network's)."""

    path: DataPath
    owner: str
    address: IPv4Address
    network: str
    guest: str = ""
    """The VM in which a VM's guest was installed: its copies may share addresses, as they do."""
    kind: _Kind = _Kind.GUEST


def host_twice(topology: Topology) -> Iterator[PathProblem]:
    """Yield machines that the host cannot reach, since one of its own adapters has their address."""
    inside = [adapter for adapter in topology.nodes[HOST].adapters if not adapter.network.outside]
    network_of: dict[IPv4Address | IPv6Address, str] = {
        address.ip: adapter.network.name
        for adapter in inside
        for address in (adapter.address, adapter.ipv6)
        if address
    }
    lans = topology.scenario.all_lans
    owners: list[tuple[str, IPv4Address | IPv6Address, bool]] = [
        (claim.owner, claim.address, claim.kind is _Kind.ROUTER)
        for claim in _claims(topology)
        if claim.network in lans and claim.kind is not _Kind.RESERVATION
    ]
    owners += [
        (router.name, router.primary.ipv6.ip, True)
        for router in topology.routers
        if router.primary.ipv6
    ]
    for owner, address, is_gateway in owners:
        if name := network_of.get(address):
            unless = "" if is_gateway else ", unless that is what you want to see"
            yield PathProblem(
                ("vmnets", name),
                f"{address} is taken twice: by {owner} and by the host adapter of {name}",
                f"give one of them another address: the host would talk to itself{unless}",
                on_key=True,
                is_warning=not is_gateway,
            )


def addresses(topology: Topology) -> Iterator[PathProblem]:
    """Yield addresses that are outside of their subnets, or taken twice."""
    subnet_of = subnets(topology)
    segments = {name: network.segment for name, network in topology.networks.items()}
    taken: dict[tuple[str, IPv4Address], _Claim] = {}
    for claim in _claims(topology):
        subnet = subnet_of.get(claim.network)
        segment = segments.get(claim.network, claim.network)
        if subnet is None:
            continue
        if claim.address not in subnet:
            yield PathProblem(
                claim.path,
                f"{claim.owner}'s address {claim.address} is outside {claim.network}'s {subnet}",
                f"use an address of {subnet}",
            )
        elif claim.address in (subnet.network_address, subnet.broadcast_address):
            kind = "network" if claim.address == subnet.network_address else "broadcast"
            yield PathProblem(
                claim.path,
                f"{claim.address} is the {kind} address of {subnet}",
                f"use {subnet[1]} to {subnet[-2]}",
            )
        elif (earlier := taken.get((segment, claim.address))) and not (
            _twins(earlier, claim) or _apart(topology, earlier, claim)
        ):
            yield _twice(earlier, claim)
        taken.setdefault((segment, claim.address), claim)


def _twice(earlier: _Claim, claim: _Claim) -> PathProblem:
    """Return the warning of an address that two have, or the error where netlab itself needs it."""
    message = f"{claim.address} is taken twice: by {earlier.owner} and by {claim.owner}"
    if claim.network in (WAN, HOTSPOT) or {earlier.kind, claim.kind} in _IMPOSSIBLE:
        return PathProblem(claim.path, message, "give one of them another address")
    # Whether a reserved address is leased while another has it, is the server's affair.
    is_held = _Kind.RESERVATION not in (earlier.kind, claim.kind)
    effect = ": who asks for it gets the answer of either, and keeps it" * is_held
    return PathProblem(
        claim.path,
        message + effect,
        "give one of them another address, unless that is what you want to see",
        is_warning=True,
    )


def _apart(topology: Topology, first: _Claim, second: _Claim) -> bool:
    """Return whether two guests have an address in networks of their own."""
    vmnet = topology.scenario.vmnets.get(second.network)
    is_private = vmnet is not None and vmnet.mode.private
    return is_private and {first.kind, second.kind} == {_Kind.GUEST} and first.owner != second.owner


def _twins(first: _Claim, second: _Claim) -> bool:
    return bool(first.guest) and first.guest == second.guest and first.owner != second.owner


def _claims(topology: Topology) -> Iterator[_Claim]:
    """Yield every claim; VMware's own first, so that a clash is reported at the file's."""
    scenario = topology.scenario
    yield from _product_claims(topology)
    for name, lan in scenario.all_lans.items():
        path: DataPath = (*lan_path(name), "router")
        yield _Claim(path, router_of(name), lan.gateway, name, kind=_Kind.ROUTER)
    yield _Claim(("lan", "public"), "the router's public side", scenario.lan.public, WAN)
    servers = scenario.internet.addresses
    first_of = {address: name for name, address in reversed(servers.items())}
    for address in dict.fromkeys(servers.values()):
        name = first_of[address]
        if address in scenario.lan.internet or address == next(iter(servers.values())):
            yield _Claim(("internet", "servers", name), name, address, WAN)
    for name, lan in scenario.all_lans.items():
        for peer, machine in lan.peers.items():
            if machine.address:
                path = (*lan_path(name), "peers", peer)
                yield _Claim(path, peer, machine.address, name, kind=_Kind.LED_BY_ROUTER)
    if scenario.host.hotspot is not None:
        address = pools.host_adapter(pools.SHARED)
        yield _Claim(("host", HOTSPOT), "the host adapter of the hot spot", address, HOTSPOT)
    for device, machine in hotspot(scenario).items():
        if machine.address:
            yield _Claim(("host", HOTSPOT, device), device, machine.address, HOTSPOT)
    for nic, card in scenario.host.nics.items():
        if card.address:
            path, owner = ("host", "nics", nic), f"the host's {nic}"
            yield _Claim(path, owner, card.address, card.lan, kind=_Kind.LED_BY_ROUTER)
    yield from _reserved_claims(topology)
    installed = installations(scenario)
    for vm, index, adapter in adapters(scenario):
        if adapter.address:
            path = ("vms", vm, "nics", index, "address")
            yield _Claim(path, vm, adapter.address, adapter.network, installed[vm])


def _product_claims(topology: Topology) -> Iterator[_Claim]:
    """Yield the addresses that a product takes by itself, or that are set in their place."""
    for name, vmnet in topology.scenario.vmnets.items():
        mode, subnet, adapter = vmnet.mode, vmnet.own_subnet, vmnet.adapter
        if subnet is None:
            continue
        has_adapter = adapter.state is not HostAdapterState.NONE if adapter else not mode.bare
        has_dhcp = vmnet.dhcp.on if vmnet.dhcp else not mode.bare
        server = vmnet.dhcp.server if vmnet.dhcp else None
        parts: list[tuple[str, AddressPicker | None, IPv4Address | None, DataPath]] = [
            ("DHCP server", mode.dhcp_server if has_dhcp else None, server, ("dhcp", "server")),
            ("address of the host", mode.host_at, None, ()),
        ]
        if has_adapter:
            address = adapter.address if adapter else None
            pick_address = mode.host_adapter and _picks(topology.networks[name].host_address)
            parts.insert(0, ("host adapter", pick_address, address, ("adapter", "address")))
        gateway = vmnet.nat.gateway if vmnet.nat else None
        parts.insert(-2, ("NAT device", mode.nat_device, gateway, ("nat", "gateway")))
        if mode.dns not in (mode.host_adapter, mode.nat_device):
            parts.insert(-1, ("name server", mode.dns, None, ()))
        taken = set()
        for part, pick_address, written, key in parts:
            if pick_address is None:
                continue
            address = written or pick_address(subnet)
            if address not in taken or written:
                taken.add(address)
                path: DataPath = ("vmnets", name, *(key if written else ("subnet",)))
                yield _Claim(path, f"the {part} of {name}", address, name, kind=_Kind.PRODUCT)


def _picks(address: IPv4Address) -> AddressPicker:
    return lambda _: address


def _reserved_claims(topology: Topology) -> Iterator[_Claim]:
    for network in topology.networks.values():
        # A bridged network has its LAN's server.
        if network.dhcp and not (network.mode and network.mode.on_lan):
            for client, address in network.dhcp.reservations.items():
                if address in network.subnet:
                    path = network_path(topology.scenario, network.name)
                    yield _Claim(
                        (*path, "dhcp", "reservations", client),
                        f"the reservation for {client}",
                        address,
                        network.name,
                        kind=_Kind.RESERVATION,
                    )
