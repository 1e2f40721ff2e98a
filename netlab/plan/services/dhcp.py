"""DHCP servers and what they hand out; the router option is decided here (`options`).

Text for dnsmasq, one server per network, as VMware runs one vmnet-dhcpd per
vmnet. Values from generated dhcpd.conf files; see `scenario/addresses/pools.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import islice

from netlab.plan.names import namespace
from netlab.plan.node import lease_network, machine, plug
from netlab.plan.resources import ANYWHERE, Listening, Resource, Service
from netlab.plan.services import dnsmasq
from netlab.scenario.addresses import pools
from netlab.scenario.mode import AddressPicker
from netlab.scenario.model import VmnetService
from netlab.scenario.topology import Adapter, Network, Role, Topology


def options(network: Network) -> dict[str, IPv4Address | str | None]:
    """DHCP options of a vmnet. `router` is None on host-only: no default gateway is handed out."""
    mode, settings = network.mode, network.dhcp
    assert mode, f"{network.name} has no DHCP server of a product's"
    set_there = {mode.nat_device: network.gateway, mode.host_adapter: network.host_address}

    def address(picker: AddressPicker | None) -> IPv4Address | None:
        return set_there.get(picker, picker(network.subnet)) if picker else None

    own_dns = ",".join(map(str, settings.dns)) if settings else ""
    handed_out: dict[str, IPv4Address | str | None] = {
        "router": address(mode.router),
        "dns-server": own_dns or address(mode.dns),
        "domain-name": settings.domain if settings else mode.domain,
    }
    if not handed_out["domain-name"]:
        del handed_out["domain-name"]
    return handed_out | ({"netbios-ns": address(mode.netbios)} if mode.netbios else {})


def server(lab: str, topology: Topology, vmnet: Network) -> Iterator[Resource]:
    """VMware's virtual DHCP server of one vmnet, if it has one: a machine at the last address."""
    if not vmnet.has_dhcp_server:
        return
    node = topology.node(Role.DHCP_SERVER, vmnet)
    netns = namespace(lab, node.name)
    interface, prefix = node.primary.interface, vmnet.prefix if node.primary.ipv6 else None
    lines = [*served(topology, vmnet), *dnsmasq.advertises(interface, prefix, leads_on=False)]
    config = dnsmasq.configuration(interface, ["port=0", *lines])
    yield from machine(lab, node)
    yield plug(lab, node.primary, vmnet)
    if VmnetService.DHCP not in vmnet.stopped:
        yield Service(netns, "dhcp", dnsmasq.PROGRAM, config)
        yield Listening(netns, "dhcp", "udp", 67)


def served(topology: Topology, vmnet: Network) -> Iterator[str]:
    """dnsmasq lines of a vmnet's DHCP server, whoever runs it."""
    yield from pool(topology.neighbours(vmnet), vmnet, options(vmnet), _seconds(vmnet))


def _seconds(vmnet: Network) -> tuple[int, int]:
    mode, settings = vmnet.mode, vmnet.dhcp
    assert mode
    return (settings.lease, settings.max_lease) if settings else mode.lease_seconds


def home_router(
    topology: Topology, lan: str
) -> tuple[dict[str, IPv4Address | str | None], tuple[int, int]]:
    """Options that the router of a LAN hands out, and the seconds of its leases: usually, and at most."""
    gateway = topology.scenario.all_lans[lan].gateway
    return (
        {"router": gateway, "dns-server": gateway},
        (pools.HOME_ROUTER_LEASE_SECONDS,) * 2,
    )


def terms(topology: Topology, adapter: Adapter) -> tuple[str, ...]:
    """The terms of a DHCP client's lease: the address reserved for it or the range, options and time.

    Not the address that is written down for the start of the lab only: that depends on who else is
    there, and who has one keeps it when another VM comes.

    Empty where no server of the plan's is to give it anything, and for a bridged VM, which keeps its
    lease when its host's card comes to another LAN.
    """
    network = adapter.network
    reserved = network.dhcp.reservations if network.dhcp else {}
    if lease_network(adapter) == ANYWHERE or network.guest_dhcp:
        return ()
    if network.mode and not network.mode.on_lan:
        if not (network.has_dhcp_server or network.mode.serves_itself):
            return ()
        handed_out, seconds = options(network), _seconds(network)
    else:
        if not network.leases:
            return ()
        handed_out, seconds = home_router(topology, network.lan or network.name)
        network = topology.networks[network.lan or network.name]
    reservation = [reserved[name] for name in (adapter.node, adapter.mac) if name in reserved]
    option_texts = (f"{name} {value}" for name, value in handed_out.items())
    return (
        *map(str, reservation or network.pool),
        *option_texts,
        f"seconds {seconds[0]} {seconds[1]}",
    )


def pool(
    adapters: tuple[Adapter, ...],
    network: Network,
    handed_out: dict[str, IPv4Address | str | None],
    seconds: tuple[int, int],
) -> Iterator[str]:
    """dnsmasq lines that serve a network; `seconds` of a lease: without a wish, and at most."""
    subnet, (first, last) = network.subnet, network.pool
    yield "dhcp-authoritative"
    yield "no-ping"
    yield f"dhcp-lease-max={subnet.num_addresses}"
    usual, longest = seconds
    if longest > usual:
        # dnsmasq has one time a range, and gives no more: so a range of its own for who asks (51).
        yield "dhcp-match=set:asks-time,51"
        yield f"dhcp-range=tag:asks-time,{first},{last},{subnet.netmask},{longest}s"
    tag = "tag:!asks-time," if longest > usual else ""
    yield f"dhcp-range={tag}{first},{last},{subnet.netmask},{usual}s"
    for name, value in handed_out.items():
        # dnsmasq would offer itself as router; an option without a value suppresses that.
        yield f"dhcp-option=option:{name}" + (f",{value}" if value is not None else "")
    for mac, address in reservations(adapters, network).items():
        yield f"dhcp-host={mac},{address}"


def reservations(adapters: tuple[Adapter, ...], network: Network) -> dict[str, IPv4Address]:
    """MAC to address: what is reserved, then from the pool's first upward, in the order of the names.

    VMware leases in the order in which VMs ask. All VMs of a lab ask in the same
    instant, and dnsmasq then offers one address to two of them: the loser is
    refused and waits 3 s (udhcpc). So the order is written down beforehand.
    """
    first, last = network.pool
    configured = network.dhcp.reservations if network.dhcp else {}
    macs = {adapter.node: adapter.mac for adapter in reversed(adapters)}
    reserved = {macs.get(client, client): address for client, address in configured.items()}
    static = {address.ip for adapter in adapters for address in adapter.static}
    taken = static | set(reserved.values())
    free = (
        address
        for address in map(IPv4Address, range(int(first), int(last) + 1))
        if address not in taken
    )
    # Two VMs with one MAC are one client to the server.
    asking = list(
        dict.fromkeys(adapter.mac for adapter in adapters if adapter.by_dhcp and not adapter.denied)
    )
    numbered = list(islice(free, len(asking)))
    if len(numbered) < len(asking):
        asking = [mac for mac in asking if mac not in reserved]
    # Who has a reservation keeps its place in the row, or a new one would move all the others.
    pairs = zip(asking, numbered, strict=False)
    return reserved | {mac: address for mac, address in pairs if mac not in reserved}
