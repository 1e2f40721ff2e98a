"""DHCP servers and what they hand out; the router option is decided here (`options`).

Text for dnsmasq, one server per network, as VMware runs one vmnet-dhcpd per
vmnet. Values from generated dhcpd.conf files; see `scenario/addresses/pools.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from itertools import islice

from netlab.plan.names import namespace
from netlab.plan.node import lease_network, machine, plug
from netlab.plan.resources import ANYWHERE, Listening, Resource, Service
from netlab.plan.services import dnsmasq
from netlab.scenario.addresses import pools
from netlab.scenario.mode import AddressPicker
from netlab.scenario.model import Dhcp, VmnetService
from netlab.scenario.topology import Adapter, Network, Role, Topology


def options(topology: Topology, network: Network) -> dict[str, str | None]:
    """DHCP options of a network. `router` is None where no default gateway is handed out: on host-only."""
    mode, settings = network.mode, network.dhcp
    assert settings, f"{network.name} has no DHCP server of its own"
    handed_out: dict[str, str | None] = {}
    router: IPv4Address | None
    dns: IPv4Address | None
    if mode is None or mode.on_lan:
        router = dns = topology.scenario.all_lans[network.lan or network.name].gateway
        domain, netbios = "", None
    else:
        router, dns, netbios = (
            _address(network, picker) for picker in (mode.router, mode.dns, mode.netbios)
        )
        domain = mode.domain
    own_router = None if settings.router == "none" else settings.router or router
    handed_out["router"] = str(own_router) if own_router else None
    servers = settings.dns or ([dns] if dns else [])
    handed_out["dns-server"] = ",".join(map(str, servers)) or None
    if domain := settings.domain or domain:
        handed_out["domain-name"] = domain
    return handed_out | ({"netbios-ns": str(netbios)} if netbios else {})


def _address(network: Network, picker: AddressPicker | None) -> IPv4Address | None:
    """The address that a picker picks, or that is set in its place."""
    mode = network.mode
    assert mode
    set_there = {mode.nat_device: network.gateway, mode.host_adapter: network.host_address}
    return set_there.get(picker, picker(network.subnet)) if picker else None


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


def served(topology: Topology, network: Network) -> Iterator[str]:
    """dnsmasq lines of a network's DHCP server, whoever runs it."""
    handed_out = options(topology, network)
    yield from pool(topology.neighbours(network), network, handed_out, seconds(network))


def seconds(network: Network) -> tuple[int, int]:
    """The seconds of a lease: without a wish, and at most."""
    mode, settings = network.mode, network.dhcp
    assert settings
    usual, longest = (
        (pools.HOME_ROUTER_LEASE_SECONDS,) * 2
        if mode is None or mode.on_lan
        else mode.lease_seconds
    )
    return times(settings, usual, longest)


def times(settings: Dhcp, usual: int, longest: int) -> tuple[int, int]:
    """The seconds of a lease by a server whose `usual` and `longest` are these where none are set."""
    lease = settings.lease or min(usual, settings.max_lease or usual)
    # Where a product has one time for all, that is what is set.
    return lease, settings.max_lease or (lease if usual == longest else max(lease, longest))


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
    if not network.serves:
        return ()
    handed_out, times = options(topology, network), seconds(network)
    if network.lan:
        network = topology.networks[network.lan]
    reservation = [reserved[name] for name in (adapter.node, adapter.mac) if name in reserved]
    option_texts = (f"{name} {value}" for name, value in handed_out.items())
    return (
        *map(str, reservation or network.pool),
        *option_texts,
        f"seconds {times[0]} {times[1]}",
    )


def pool(
    adapters: tuple[Adapter, ...],
    network: Network,
    handed_out: dict[str, str | None],
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
    if network.dhcp:
        yield from reply_delay(network.dhcp.delay)
    for client, address in reservations(adapters, network).items():
        yield f"dhcp-host={client},{address}"


def reply_delay(seconds: int) -> Iterator[str]:
    """A dnsmasq line that lets another server answer first, if it is to."""
    if seconds:
        yield f"dhcp-reply-delay={seconds}"


def reservations(adapters: tuple[Adapter, ...], network: Network) -> dict[str, IPv4Address]:
    """Client to address: what is reserved, then from the pool's first upward, in the order of the names.

    VMware leases in the order in which VMs ask. All VMs of a lab ask in the same
    instant, and dnsmasq then offers one address to two of them: the loser is
    refused and waits 3 s (udhcpc). So the order is written down beforehand.
    """
    first, last = network.pool
    configured = network.dhcp.reservations if network.dhcp else {}
    macs = {adapter.node: adapter.mac for adapter in reversed(adapters)}
    reserved = {macs.get(client, client): address for client, address in configured.items()}
    known = {client_of(adapter) for adapter in adapters if adapter.mac in reserved}
    static = {address.ip for adapter in adapters for address in adapter.static}
    taken = static | set(reserved.values())
    free = (
        address
        for address in map(IPv4Address, range(int(first), int(last) + 1))
        if address not in taken
    )
    # Two VMs with one identifier, or one MAC, are one client to the server.
    asking = list(
        dict.fromkeys(
            client_of(adapter) for adapter in adapters if adapter.by_dhcp and not adapter.denied
        )
    )
    numbered = list(islice(free, len(asking)))
    if len(numbered) < len(asking):
        asking = [client for client in asking if client not in known]
    # Who has a reservation keeps its place in the row, or a new one would move all the others.
    pairs = zip(asking, numbered, strict=False)
    return reserved | {client: address for client, address in pairs if client not in known}


def leased(
    adapters: tuple[Adapter, ...], network: Network
) -> Callable[[Adapter], IPv4Address | None]:
    """The address that each adapter gets; None: the server has none for it."""
    addresses = reservations(adapters, network)
    return lambda adapter: addresses.get(adapter.mac) or addresses.get(client_of(adapter))


def client_of(adapter: Adapter) -> str:
    """A DHCP client as dnsmasq's `dhcp-host` names it: by its identifier, or by its MAC address."""
    return f"id:{adapter.client_id}" if adapter.client_id else adapter.mac
