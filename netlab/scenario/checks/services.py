"""What serves VMs: DHCP's ranges and reservations, NAT's forwards, and room for all who come."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from netlab.scenario.addresses import pools
from netlab.scenario.checks.lookup import adapters, lan_path, subnets
from netlab.scenario.model import LanDhcp
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOST, HOTSPOT, Adapter, Network, Node, Role, Topology


def dhcp(topology: Topology) -> Iterator[PathProblem]:
    """Ranges and reservations that do not fit into their networks."""
    asking = {
        (vm, nic.network) for vm, _, nic in adapters(topology.scenario) if nic.address is None
    }
    for network in topology.vmnets:
        if network.dhcp is None:
            continue
        path: DataPath = ("vmnets", network.name, "dhcp")
        where = f"{network.name}'s {network.subnet}"
        server = pools.dhcp_server(network.subnet)
        ends = network.dhcp.range or ()
        for address in ends:
            if address not in network.subnet:
                yield PathProblem(
                    (*path, "range"),
                    f"the DHCP range's {address} is outside {where}",
                    "use addresses of the subnet, or remove `range`",
                )
        if ends and ends[0] <= server <= ends[1]:
            what = f"the DHCP range leases {server}, which is the DHCP server's own"
            yield PathProblem((*path, "range"), what, f"let it end at {server - 1}")
        if network.dhcp.lease > network.dhcp.max_lease:
            what = f"a lease of {network.dhcp.lease} s is longer than `max_lease`"
            yield PathProblem((*path, "lease"), what, "make it shorter, or `max_lease` longer")
        yield from _reservations(asking, network, (*path, "reservations"))


def without_address(topology: Topology) -> Iterator[PathProblem]:
    """Adapters that DHCP gives no address: it is known here already."""
    for node in topology.nodes.values():
        for adapter in node.adapters:
            if in_vain := adapter.in_vain:
                what = f"DHCP gives {node.name} no address on {adapter.interface}: {in_vain.why}"
                yield PathProblem(_adapter(node, adapter), what, in_vain.fix, is_warning=True)


def _adapter(node: Node, adapter: Adapter) -> DataPath:
    """Where the file speaks of an adapter that DHCP configures."""
    match node.role:
        case Role.VM:
            return ("vms", node.name, "nics", int(adapter.interface.removeprefix("eth")))
        case Role.HOST:
            return ("host", "nics", adapter.interface)
        case _ if adapter.network.lan:
            return (*lan_path(adapter.network.lan), "peers", node.name)
        case _:
            return ("host", HOTSPOT, node.name)


def _reservations(
    asking: set[tuple[str, str]], network: Network, path: DataPath
) -> Iterator[PathProblem]:
    """`asking` are VMs that ask DHCP, and on which network."""
    assert network.dhcp
    for who, address in network.dhcp.reservations.items():
        is_mac = re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", who)
        if (who, network.name) not in asking and not is_mac:
            what = f"no VM '{who}' asks {network.name}'s DHCP for an address"
            fix = "name a VM with an adapter there and no static address, or a MAC"
            yield PathProblem((*path, who), what, fix, True)
        if address not in network.subnet:
            what = f"{who}'s address {address} is outside {network.name}'s {network.subnet}"
            yield PathProblem((*path, who), what, f"use an address of {network.subnet}")


def forwards(topology: Topology) -> Iterator[PathProblem]:
    """A port of the host is one program's, and a forward leads to a VM behind that NAT device."""
    scenario = topology.scenario
    taken: dict[tuple[str, int], str] = {}
    if scenario.host.proxy:
        taken["tcp", scenario.host.proxy.port] = "its proxy"
    for name, vmnet in scenario.vmnets.items():
        if vmnet.nat is None or vmnet.own_subnet is None:
            continue
        for protocol, forwards in (
            ("tcp", vmnet.nat.forwards.tcp),
            ("udp", vmnet.nat.forwards.udp),
        ):
            for port, target in forwards.items():
                path: DataPath = ("vmnets", name, "nat", "forwards", protocol, str(port))
                if owner := taken.get((protocol, port)):
                    what = (
                        f"the host's {protocol} port {port} is taken twice: by {owner} and {name}"
                    )
                    yield PathProblem(path, what, "use another port of the host", True)
                taken.setdefault((protocol, port), name)
                if not topology.nodes[HOST].firewall.lets_in(protocol, port):
                    yield _shut(protocol, port, path)
                yield from _forward_target(topology, name, vmnet.own_subnet, target, path)


def _shut(protocol: str, port: int, path: DataPath) -> PathProblem:
    """A program of the host's waits at a forwarded port, so the host's firewall says who calls it."""
    what = f"the host's firewall does not let {protocol} {port} in: the LAN will not reach the VM"
    fix = f"add `allows: [{protocol}:{port}]` to the host"
    return PathProblem(path, what, fix, True, is_warning=True)


def _forward_target(
    topology: Topology, name: str, subnet: IPv4Network, target: str, path: DataPath
) -> Iterator[PathProblem]:
    who, _, port = target.partition(":")
    if int(port) > 65535:
        yield PathProblem(path, f"there is no port {port}", "use 1 to 65535")
    private = topology.scenario.vmnets[name].mode.private
    if private and who[0].isdigit():
        what = f"each VM on {name} has a network of its own, and each may be {who}"
        yield PathProblem(path, what, "name a VM")
        return
    if who[0].isdigit():
        try:
            inside = IPv4Address(who) in subnet
        except ValueError:
            inside = False
        if not inside:
            what = f"{who} is no address of {name}'s {subnet}"
            yield PathProblem(path, what, "name a VM, or an address of the subnet")
        return
    vm = topology.scenario.vms.get(who)
    served = private or topology.networks[name].leases
    if not vm or not any(nic.network == name and (nic.address or served) for nic in vm.nics):
        what = f"no VM '{who}' has an address on {name}"
        yield PathProblem(path, what, "name a VM with an adapter there, or an address")


BRIDGE_PORTS = 1023
"""A Linux bridge takes no more ports (BR_MAX_PORTS - 1)."""


def sizes(topology: Topology) -> Iterator[PathProblem]:
    """More adapters than a switch has ports, or DHCP has addresses."""
    scenario, known = topology.scenario, subnets(topology)
    yield from _too_few_ports(topology)
    clients: dict[IPv4Network, int] = {}
    for network in _asked(topology):
        vmnet = scenario.vmnets.get(network)
        if vmnet and (vmnet.mode.private or not vmnet.mode.leases):
            continue
        if subnet := known.get(network):
            clients[subnet] = clients.get(subnet, 0) + 1
    for name, subnet in known.items():
        vmnet = scenario.vmnets.get(name)
        if vmnet and vmnet.mode.private:
            continue
        first, last = topology.networks[name].pool
        room = int(last) - int(first) + 1
        at_lan = name in scenario.all_lans
        chosen = at_lan and isinstance(scenario.all_lans[name].dhcp, LanDhcp)
        if clients.get(subnet, 0) > room and not chosen:
            path: DataPath = (*lan_path(name), "subnet") if at_lan else ("vmnets", name)
            yield PathProblem(
                path,
                f"{clients.pop(subnet)} adapters ask DHCP on {subnet}, which leases {room} addresses"
                f" ({first} to {last})",
                "give some of them an address, or use a larger subnet",
                True,
                is_warning=True,
            )


def _too_few_ports(topology: Topology) -> Iterator[PathProblem]:
    """Every machine on a network takes a port of its switch, and so does a cable to another switch."""
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
                True,
            )


def _asked(topology: Topology) -> Iterator[str]:
    """The network that it is plugged into, for each adapter that asks DHCP."""
    scenario = topology.scenario
    for lan, its in scenario.all_lans.items():
        yield from (lan for peer in its.peers.values() if not peer.address)
    yield from (nic.lan for nic in scenario.host.nics.values() if not nic.address)
    served = {network.name for network in topology.networks.values() if network.leases}
    for _, _, nic in adapters(scenario):
        if not nic.address and nic.network in served:
            yield nic.network
