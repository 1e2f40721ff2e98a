"""Services for VMs: DHCP's ranges and reservations, and room for all who come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address

from netlab.scenario.addresses import mac
from netlab.scenario.checks.lookup import adapter_path, lan_path, network_path, written_name
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Network, Topology


def dhcp(topology: Topology) -> Iterator[PathProblem]:
    """Yield settings of DHCP servers that do not fit into their networks, or that come to nothing."""
    scenario = topology.scenario
    # Adapters' private networks are one in the file, and a bridged one has its LAN's server.
    written = {
        written_name(scenario, network): network
        for network in topology.networks.values()
        if network.dhcp and not (network.mode and network.mode.on_lan)
    }
    for name, network in written.items():
        yield from _dhcp(topology, network, (*network_path(scenario, name), "dhcp"))


def _dhcp(topology: Topology, network: Network, path: DataPath) -> Iterator[PathProblem]:
    settings = network.dhcp
    assert settings
    subnet = f"{network.name}'s {network.subnet}"
    ends = settings.range or ()
    for address in ends:
        if address not in network.subnet:
            yield PathProblem(
                (*path, "range"),
                f"the DHCP range's {address} is outside {subnet}",
                "use addresses of the subnet, or remove `range`",
            )
    server = network.dhcp_server
    if server and server not in network.subnet:
        message = f"the DHCP server's {server} is outside {subnet}"
        yield PathProblem((*path, "server"), message, f"use an address of {network.subnet}")
    elif server and ends and ends[0] <= server <= ends[1]:
        message = (
            f"the DHCP range has {server}, which is the DHCP server's own: it leases all but that"
        )
        yield PathProblem((*path, "range"), message, f"let it end at {server - 1}", is_warning=True)
    if settings.lease and settings.max_lease and settings.lease > settings.max_lease:
        message = f"a lease of {settings.lease} s is longer than `max_lease`"
        yield PathProblem((*path, "lease"), message, "make it shorter, or `max_lease` longer")
    if isinstance(settings.router, IPv4Address) and settings.router not in network.subnet:
        message = (
            f"DHCP tells clients of the gateway {settings.router}, which is outside {subnet}:"
            " no neighbour of theirs, so they have no default route"
        )
        fix = f"use an address of {network.subnet}, or none"
        yield PathProblem((*path, "router"), message, fix, is_warning=True)
    for index, address in enumerate(settings.dns):
        if address.is_loopback:
            message = f"the name server {address} is each client itself, and none runs there"
            fix = "name a server that they reach, unless that is what you want to see"
            yield PathProblem((*path, "dns", index), message, fix, is_warning=True)
    yield from _reservations(topology, network, (*path, "reservations"))


def several_servers(topology: Topology) -> Iterator[PathProblem]:
    """Warn of networks on which several DHCP servers answer: clients take the first offer."""
    servers: dict[str, list[tuple[int, str, DataPath]]] = {}
    for network in topology.networks.values():
        own = network.lan == network.name or not (network.mode and network.mode.on_lan)
        if network.serves and own and network.dhcp and network.numbered:
            path = network_path(topology.scenario, network.name)
            server = (network.dhcp.delay, f"the server of {network.name}", path)
            servers.setdefault(network.segment, []).append(server)
    for node in topology.nodes.values():
        for adapter, settings in node.dhcp_servers:
            if adapter.plugged_into:
                server = (settings.delay, node.name, ("vms", node.name, "dhcp_server"))
                servers.setdefault(adapter.network.segment, []).append(server)
    for segment, answering in servers.items():
        if len(answering) == 1:
            continue
        (first, name, _), (second, *_), *_ = sorted(answering, key=lambda server: server[0])
        names = " and ".join(name for _, name, _ in answering)
        chosen = f"clients take the offer of {name}, the first"
        if first == second:
            chosen = "clients take the first offer, which may be of either"
        message = f"{len(answering)} DHCP servers answer on {segment}, {names}: {chosen}"
        fix = "stop one of them, or say by a `delay` or `dhcp_delay` who is late"
        yield PathProblem(answering[-1][2], message, fix, on_key=True, is_warning=True)


def without_address(topology: Topology) -> Iterator[PathProblem]:
    """Yield adapters that DHCP will give no address."""
    for node in topology.nodes.values():
        for adapter in node.adapters:
            if in_vain := adapter.in_vain:
                message = f"DHCP gives {node.name} no address on {adapter.interface}: {in_vain.why}"
                yield PathProblem(
                    adapter_path(topology, adapter), message, in_vain.fix, is_warning=True
                )


def _reservations(topology: Topology, network: Network, path: DataPath) -> Iterator[PathProblem]:
    """Yield reservations for nobody, and addresses that cannot be reserved."""
    assert network.dhcp
    asking = {adapter.node for adapter in topology.neighbours(network) if adapter.by_dhcp}
    for client, address in network.dhcp.reservations.items():
        if client not in asking and not mac.plain(client):
            message = f"no VM '{client}' asks {network.name}'s DHCP for an address"
            fix = "name a VM with an adapter there and no static address, or a MAC"
            yield PathProblem((*path, client), message, fix, on_key=True)
        if address not in network.subnet:
            message = f"{client}'s address {address} is outside {network.name}'s {network.subnet}"
            yield PathProblem((*path, client), message, f"use an address of {network.subnet}")


BRIDGE_PORTS = 1023
"""A Linux bridge takes no more ports (BR_MAX_PORTS - 1)."""


def sizes(topology: Topology) -> Iterator[PathProblem]:
    """Yield networks with more adapters than a switch has ports, or DHCP has addresses."""
    scenario = topology.scenario
    yield from _too_few_ports(topology)
    clients = Counter(_asked(topology))
    for network in topology.networks.values():
        name, asking = network.name, clients[network.segment]
        of_vmnet = name in scenario.vmnets and not (network.mode and network.mode.on_lan)
        at_lan = name in scenario.all_lans
        if not (network.serves and (of_vmnet or at_lan)):
            continue
        first, last = network.pool
        room = int(last) - int(first) + 1
        chosen = at_lan and scenario.all_lans[name].dhcp.range is not None
        if asking > room and not chosen:
            path: DataPath = (*lan_path(name), "subnet") if at_lan else ("vmnets", name)
            yield PathProblem(
                path,
                f"{asking} adapters ask DHCP on {network.subnet}, which leases {room} addresses"
                f" ({first} to {last})",
                "give some of them an address, or use a larger subnet",
                on_key=True,
                is_warning=True,
            )


def _too_few_ports(topology: Topology) -> Iterator[PathProblem]:
    """Count the ports of each switch: every machine takes one, and so does a cable to another switch."""
    taken = Counter(
        adapter.network.name for node in topology.nodes.values() for adapter in node.adapters
    )
    for vmnet in topology.networks.values():
        if vmnet.lan and vmnet.lan != vmnet.name:
            taken.update((vmnet.name, vmnet.lan))
    for name, ports in taken.items():
        if ports > BRIDGE_PORTS:
            at_lan = name in topology.scenario.all_lans
            section = "vmnets" if name in topology.scenario.vmnets else "segments"
            yield PathProblem(
                lan_path(name) if at_lan else (section, name),
                f"{ports:,} cables to {name}: a switch, which is a Linux bridge, has {BRIDGE_PORTS:,} ports",
                "spread the machines over several LANs"
                if at_lan
                else "spread the VMs over several vmnets",
                on_key=True,
            )


def _asked(topology: Topology) -> Iterator[str]:
    """Yield, for each adapter that asks a DHCP server, the segment that it is plugged into."""
    for node in topology.nodes.values():
        for adapter in node.adapters:
            if adapter.by_dhcp and adapter.network.leases:
                yield adapter.network.segment
