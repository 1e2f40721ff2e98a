"""Services for VMs: DHCP's ranges and reservations, and room for all who come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from netlab.scenario.addresses import mac, pools
from netlab.scenario.checks.lookup import adapter_path, adapters, lan_path
from netlab.scenario.model import LanDhcp
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Network, Topology


def dhcp(topology: Topology) -> Iterator[PathProblem]:
    """Yield ranges and reservations that do not fit into their networks."""
    asking = {
        (vm, nic.network) for vm, _, nic in adapters(topology.scenario) if nic.address is None
    }
    for network in topology.vmnets:
        if network.dhcp is None:
            continue
        path: DataPath = ("vmnets", network.name, "dhcp")
        subnet = f"{network.name}'s {network.subnet}"
        server = pools.dhcp_server(network.subnet)
        ends = network.dhcp.range or ()
        for address in ends:
            if address not in network.subnet:
                yield PathProblem(
                    (*path, "range"),
                    f"the DHCP range's {address} is outside {subnet}",
                    "use addresses of the subnet, or remove `range`",
                )
        if ends and ends[0] <= server <= ends[1]:
            message = f"the DHCP range leases {server}, which is the DHCP server's own"
            yield PathProblem((*path, "range"), message, f"let it end at {server - 1}")
        if network.dhcp.lease > network.dhcp.max_lease:
            message = f"a lease of {network.dhcp.lease} s is longer than `max_lease`"
            yield PathProblem((*path, "lease"), message, "make it shorter, or `max_lease` longer")
        yield from _reservations(asking, network, (*path, "reservations"))


def without_address(topology: Topology) -> Iterator[PathProblem]:
    """Yield adapters that DHCP will give no address."""
    for node in topology.nodes.values():
        for adapter in node.adapters:
            if in_vain := adapter.in_vain:
                message = f"DHCP gives {node.name} no address on {adapter.interface}: {in_vain.why}"
                yield PathProblem(
                    adapter_path(topology, adapter), message, in_vain.fix, is_warning=True
                )


def _reservations(
    asking: set[tuple[str, str]], network: Network, path: DataPath
) -> Iterator[PathProblem]:
    """Yield reservations for nobody; `asking` are VMs that ask DHCP, and their networks."""
    assert network.dhcp
    for client, address in network.dhcp.reservations.items():
        if (client, network.name) not in asking and not mac.plain(client):
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
        chosen = at_lan and isinstance(scenario.all_lans[name].dhcp, LanDhcp)
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
