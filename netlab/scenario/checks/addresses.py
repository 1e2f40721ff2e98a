"""IPv4 addresses: of their subnets, and taken once."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from netlab.frozen import frozen
from netlab.scenario.addresses import pools
from netlab.scenario.checks.lookup import adapters, lan_path, subnets
from netlab.scenario.mode import AddressPicker
from netlab.scenario.model import HostAdapterState, Scenario
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOST, HOTSPOT, WAN, Topology, hotspot, installations, router_of


@frozen
class _Claim:
    """A claim to an address: the file's, or VMware's by itself (`path` is then the network's)."""

    path: DataPath
    owner: str
    address: IPv4Address
    network: str
    guest: str = ""
    """The VM in which a VM's guest was installed: its copies may share addresses, as they do."""


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
    owners: list[tuple[str, IPv4Address | IPv6Address]] = [
        (claim.owner, claim.address) for claim in _claims(topology) if claim.network in lans
    ]
    owners += [
        (router.name, router.primary.ipv6.ip) for router in topology.routers if router.primary.ipv6
    ]
    for owner, address in owners:
        if name := network_of.get(address):
            yield PathProblem(
                ("vmnets", name),
                f"{address} is taken twice: by {owner} and by the host adapter of {name}",
                "give one of them another address: the host would talk to itself",
                on_key=True,
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
        elif (earlier := taken.get((segment, claim.address))) and not _twins(earlier, claim):
            yield PathProblem(
                claim.path,
                f"{claim.address} is taken twice: by {earlier.owner} and by {claim.owner}",
                "give one of them another address",
            )
        taken.setdefault((segment, claim.address), claim)


def _twins(first: _Claim, second: _Claim) -> bool:
    return bool(first.guest) and first.guest == second.guest and first.owner != second.owner


def _claims(topology: Topology) -> Iterator[_Claim]:
    """Yield every claim; VMware's own first, so that a clash is reported at the file's."""
    scenario = topology.scenario
    yield from _product_claims(scenario)
    for name, lan in scenario.all_lans.items():
        yield _Claim((*lan_path(name), "router"), router_of(name), lan.gateway, name)
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
                yield _Claim((*lan_path(name), "peers", peer), peer, machine.address, name)
    if scenario.host.hotspot is not None:
        address = pools.host_adapter(pools.SHARED)
        yield _Claim(("host", HOTSPOT), "the host adapter of the hot spot", address, HOTSPOT)
    for device, machine in hotspot(scenario).items():
        if machine.address:
            yield _Claim(("host", HOTSPOT, device), device, machine.address, HOTSPOT)
    for nic, card in scenario.host.nics.items():
        if card.address:
            yield _Claim(("host", "nics", nic), f"the host's {nic}", card.address, card.lan)
    yield from _reserved_claims(topology)
    installed = installations(scenario)
    for vm, index, adapter in adapters(scenario):
        if adapter.address:
            path = ("vms", vm, "nics", index, "address")
            yield _Claim(path, vm, adapter.address, adapter.network, installed[vm])


def _product_claims(scenario: Scenario) -> Iterator[_Claim]:
    """Yield the addresses that a product takes by itself, or that are set in their place."""
    for name, vmnet in scenario.vmnets.items():
        mode, subnet, adapter = vmnet.mode, vmnet.own_subnet, vmnet.adapter
        if subnet is None:
            continue
        has_adapter = adapter.state is not HostAdapterState.NONE if adapter else not mode.bare
        has_dhcp = vmnet.dhcp.on if vmnet.dhcp else not mode.bare
        parts: list[tuple[str, AddressPicker | None, IPv4Address | None, DataPath]] = [
            ("DHCP server", mode.dhcp_server if has_dhcp else None, None, ()),
            ("address of the host", mode.host_at, None, ()),
        ]
        if has_adapter:
            address = adapter.address if adapter else None
            parts.insert(0, ("host adapter", mode.host_adapter, address, ("adapter", "address")))
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
                yield _Claim(path, f"the {part} of {name}", address, name)


def _reserved_claims(topology: Topology) -> Iterator[_Claim]:
    for network in topology.vmnets:
        if network.dhcp:
            for client, address in network.dhcp.reservations.items():
                if address in network.subnet:
                    path = ("vmnets", network.name, "dhcp", "reservations", client)
                    yield _Claim(path, f"the reservation for {client}", address, network.name)
