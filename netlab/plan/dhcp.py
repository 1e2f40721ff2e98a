"""DHCP: who hands out what. This is where the router option is decided (`options`).

Text for dnsmasq, one server per network, as VMware runs one vmnet-dhcpd per
vmnet. Values from generated dhcpd.conf files; see `scenario/addressing.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from netlab.plan import dnsmasq
from netlab.plan.machine import machine, plug
from netlab.plan.names import namespace
from netlab.plan.nouns import Listening, Noun, Service
from netlab.scenario import addressing
from netlab.scenario.model import VmnetService
from netlab.scenario.topology import Leg, Network, Role, Topology

Room = tuple[IPv4Address, IPv4Address]
"""First and last address of a pool."""


def options(network: Network) -> dict[str, IPv4Address | str | None]:
    """DHCP options of a vmnet. `router` is None on host-only: no default gateway is handed out."""
    mode, subnet = network.mode, network.subnet
    assert mode, f"{network.name} has no DHCP server of a product's"
    handed_out: dict[str, IPv4Address | str | None] = {
        "router": mode.router(subnet) if mode.router else None,
        "dns-server": mode.dns(subnet) if mode.dns else None,
        "domain-name": mode.domain,
    }
    if not mode.domain:
        del handed_out["domain-name"]
    return handed_out | ({"netbios-ns": mode.netbios(subnet)} if mode.netbios else {})


def server(lab: str, topology: Topology, vmnet: Network) -> Iterator[Noun]:
    """VMware's virtual DHCP server of one vmnet: a machine at the last address of the subnet."""
    node = topology.node(Role.DHCP_SERVER, vmnet)
    here = namespace(lab, node.name)
    config = dnsmasq.configuration(node.primary.interface, ["port=0", *served(topology, vmnet)])
    yield from machine(lab, node)
    yield plug(lab, node.primary, vmnet)
    if VmnetService.DHCP not in vmnet.stopped:
        yield Service(here, "dhcp", dnsmasq.PROGRAM, config)
        yield Listening(here, "dhcp", "udp", 67)


def served(topology: Topology, vmnet: Network) -> Iterator[str]:
    """dnsmasq lines of a vmnet's DHCP server, whoever runs it."""
    mode = vmnet.mode
    assert mode
    room, legs = mode.pool(vmnet.subnet), topology.legs_on(vmnet)
    yield from pool(legs, vmnet.subnet, options(vmnet), mode.lease_seconds, room)


def pool(
    legs: tuple[Leg, ...],
    subnet: IPv4Network,
    handed_out: dict[str, IPv4Address | str | None],
    lease_seconds: int,
    room: Room | None = None,
) -> Iterator[str]:
    """dnsmasq lines that serve `subnet`, by default with VMware's pool."""
    first, last = room = room or addressing.dhcp_pool(subnet)
    yield "dhcp-authoritative"
    yield "no-ping"
    yield f"dhcp-lease-max={subnet.num_addresses}"
    yield f"dhcp-range={first},{last},{subnet.netmask},{lease_seconds}s"
    for name, value in handed_out.items():
        # dnsmasq would offer itself as router; an option without a value suppresses that.
        yield f"dhcp-option=option:{name}" + (f",{value}" if value is not None else "")
    for leg, address in reservations(legs, room):
        yield f"dhcp-host={leg.mac},{address}"


def reservations(legs: tuple[Leg, ...], room: Room) -> Iterator[tuple[Leg, IPv4Address]]:
    """Addresses from the pool's first upward, in the order of the names.

    VMware leases in the order in which VMs ask. All VMs of a lab ask in the same
    instant, and dnsmasq then offers one address to two of them: the loser is
    refused and waits 3 s (udhcpc). So the order is written down beforehand.
    """
    first, last = room
    taken = {leg.address.ip for leg in legs if leg.address}
    free = (
        address
        for address in map(IPv4Address, range(int(first), int(last) + 1))
        if address not in taken
    )
    given: dict[str, IPv4Address] = {}
    for leg in legs:
        # Two VMs with one MAC are one client to the server.
        if (
            leg.address is None
            and leg.leased
            and leg.mac not in given
            and (address := next(free, None))
        ):
            given[leg.mac] = address
            yield leg, address
