"""IPv4 addresses: of their subnets, and taken once."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from netlab.frozen import frozen
from netlab.scenario.addresses import pools
from netlab.scenario.checks.lookup import adapters, lan_path, subnets
from netlab.scenario.mode import AddressPicker
from netlab.scenario.model import HostAdapterState, Scenario
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOST, HOTSPOT, WAN, Topology, hotspot, installations, router_of


@frozen
class _Claim:
    """An address of the file, or one that VMware takes by itself (`path` is then the network's)."""

    path: DataPath
    who: str
    address: IPv4Address
    network: str
    guest: str = ""
    """The VM in which a VM's guest was installed: its copies may share addresses, as they do."""


def host_twice(topology: Topology) -> Iterator[PathProblem]:
    """What has the address of a host adapter is out of the host's reach, wherever it is: it is itself."""
    adapters = topology.nodes[HOST].adapters
    own = {
        adapter.address.ip: adapter.network
        for adapter in adapters
        if adapter.address and not adapter.network.outside
    }
    for claim in _claims(topology):
        if claim.network in topology.scenario.all_lans and (there := own.get(claim.address)):
            yield PathProblem(
                ("vmnets", there.name),
                f"{claim.address} is taken twice: by {claim.who} and by the host adapter of {there.name}",
                "give one of them another address: the host would talk to itself",
                True,
            )


def addresses(topology: Topology) -> Iterator[PathProblem]:
    """Addresses outside of their subnets, or taken twice."""
    known = subnets(topology)
    segments = {name: one.segment for name, one in topology.networks.items()}
    taken: dict[tuple[str, IPv4Address], _Claim] = {}
    for claim in _claims(topology):
        subnet = known.get(claim.network)
        segment = segments.get(claim.network, claim.network)
        if subnet is None:
            continue
        if claim.address not in subnet:
            yield PathProblem(
                claim.path,
                f"{claim.who}'s address {claim.address} is outside {claim.network}'s {subnet}",
                f"use an address of {subnet}",
            )
        elif claim.address in (subnet.network_address, subnet.broadcast_address):
            which = "network" if claim.address == subnet.network_address else "broadcast"
            yield PathProblem(
                claim.path,
                f"{claim.address} is the {which} address of {subnet}",
                f"use {subnet[1]} to {subnet[-2]}",
            )
        elif (owner := taken.get((segment, claim.address))) and not _twins(owner, claim):
            yield PathProblem(
                claim.path,
                f"{claim.address} is taken twice: by {owner.who} and by {claim.who}",
                "give one of them another address",
            )
        taken.setdefault((segment, claim.address), claim)


def _twins(one: _Claim, other: _Claim) -> bool:
    return bool(one.guest) and one.guest == other.guest and one.who != other.who


def _claims(topology: Topology) -> Iterator[_Claim]:
    """Who has which address; VMware's own first, so that a clash is reported at the file's."""
    scenario = topology.scenario
    yield from _own_claims(scenario)
    for lan, its in scenario.all_lans.items():
        yield _Claim((*lan_path(lan), "router"), router_of(lan), its.gateway, lan)
    yield _Claim(("lan", "public"), "the router's public side", scenario.lan.public, WAN)
    servers = scenario.internet.servers
    first_of = {address: name for name, address in reversed(servers.items())}
    for address in dict.fromkeys(servers.values()):
        name = first_of[address]
        if address in scenario.lan.internet or address == next(iter(servers.values())):
            yield _Claim(("internet", "servers", name), name, address, WAN)
    for lan, its in scenario.all_lans.items():
        for peer, machine in its.peers.items():
            if machine.address:
                yield _Claim((*lan_path(lan), "peers", peer), peer, machine.address, lan)
    if scenario.host.hotspot is not None:
        own = pools.host_adapter(pools.SHARED)
        yield _Claim(("host", HOTSPOT), "the host adapter of the hot spot", own, HOTSPOT)
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


def _own_claims(scenario: Scenario) -> Iterator[_Claim]:
    """Addresses that a product takes by itself, or that are set in their place."""
    for name, vmnet in scenario.vmnets.items():
        mode, subnet, adapter = vmnet.mode, vmnet.own_subnet, vmnet.adapter
        if subnet is None:
            continue
        has_adapter = adapter.state is not HostAdapterState.NONE if adapter else not mode.bare
        has_dhcp = vmnet.dhcp.on if vmnet.dhcp else not mode.bare
        wanted: list[tuple[str, AddressPicker | None, IPv4Address | None, DataPath]] = [
            ("DHCP server", mode.dhcp_server if has_dhcp else None, None, ()),
            ("address of the host", mode.host_at, None, ()),
        ]
        if has_adapter:
            own = adapter.address if adapter else None
            wanted.insert(0, ("host adapter", mode.host_adapter, own, ("adapter", "address")))
        own = vmnet.nat.gateway if vmnet.nat else None
        wanted.insert(-2, ("NAT device", mode.nat_device, own, ("nat", "gateway")))
        if mode.dns not in (mode.host_adapter, mode.nat_device):
            wanted.insert(-1, ("name server", mode.dns, None, ()))
        taken = set()
        for what, place, own, key in wanted:
            if place is None:
                continue
            address = own or place(subnet)
            if address not in taken or own:
                taken.add(address)
                path: DataPath = ("vmnets", name, *(key if own else ("subnet",)))
                yield _Claim(path, f"the {what} of {name}", address, name)


def _reserved_claims(topology: Topology) -> Iterator[_Claim]:
    for network in topology.vmnets:
        if network.dhcp:
            for who, address in network.dhcp.reservations.items():
                if address in network.subnet:
                    path = ("vmnets", network.name, "dhcp", "reservations", who)
                    yield _Claim(path, f"the reservation for {who}", address, network.name)
