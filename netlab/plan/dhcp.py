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
from netlab.scenario.model import Mode, VmnetService
from netlab.scenario.topology import Leg, Network, Role, Topology


def options(network: Network) -> dict[str, IPv4Address | str | None]:
    """DHCP options of a vmnet. `router` is None on host-only: no default gateway is handed out."""
    subnet = network.subnet
    match network.mode:
        case Mode.NAT:
            device = addressing.nat_device(subnet)
            return {
                "router": device,
                "dns-server": device,
                "domain-name": addressing.DOMAIN,
                "netbios-ns": device,
            }
        case Mode.HOSTONLY | Mode.CUSTOM:
            return {
                "router": None,
                "dns-server": network.host_address,
                "domain-name": addressing.DOMAIN,
            }
    raise AssertionError(f"{network.name} has no DHCP server of VMware's")


def server(lab: str, topology: Topology, vmnet: Network) -> Iterator[Noun]:
    """VMware's virtual DHCP server of one vmnet, if it has one: a machine at the last address."""
    if not vmnet.dhcp:
        return
    node = topology.node(Role.DHCP_SERVER, vmnet)
    here = namespace(lab, node.name)
    legs = topology.legs_on(vmnet)
    served = pool(legs, vmnet.subnet, options(vmnet), addressing.LEASE_SECONDS)
    config = dnsmasq.configuration(node.primary.interface, ["port=0", *served])
    yield from machine(lab, node)
    yield plug(lab, node.primary, vmnet)
    if VmnetService.DHCP not in vmnet.stopped:
        yield Service(here, "dhcp", dnsmasq.PROGRAM, config)
        yield Listening(here, "dhcp", "udp", 67)


def pool(
    legs: tuple[Leg, ...],
    subnet: IPv4Network,
    handed_out: dict[str, IPv4Address | str | None],
    lease_seconds: int,
) -> Iterator[str]:
    """dnsmasq lines that serve `subnet` with VMware's pool."""
    first, last = addressing.dhcp_pool(subnet)
    yield "dhcp-authoritative"
    yield "no-ping"
    yield f"dhcp-lease-max={subnet.num_addresses}"
    yield f"dhcp-range={first},{last},{subnet.netmask},{lease_seconds}s"
    for name, value in handed_out.items():
        # dnsmasq would offer itself as router; an option without a value suppresses that.
        yield f"dhcp-option=option:{name}" + (f",{value}" if value is not None else "")
    for leg, address in reservations(legs, subnet):
        yield f"dhcp-host={leg.mac},{address}"


def reservations(legs: tuple[Leg, ...], subnet: IPv4Network) -> Iterator[tuple[Leg, IPv4Address]]:
    """Addresses from the pool's first upward, in the order of the names.

    VMware leases in the order in which VMs ask. All VMs of a lab ask in the same
    instant, and dnsmasq then offers one address to two of them: the loser is
    refused and waits 3 s (udhcpc). So the order is written down beforehand.
    """
    first, last = addressing.dhcp_pool(subnet)
    taken = {leg.address.ip for leg in legs if leg.address}
    free = (
        address
        for address in map(IPv4Address, range(int(first), int(last) + 1))
        if address not in taken
    )
    yield from zip((leg for leg in legs if leg.address is None), free, strict=False)
