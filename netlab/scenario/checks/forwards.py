"""Port forwards: ports that are taken, addresses that nobody has, machines that are not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import groupby

from netlab.frozen import frozen
from netlab.scenario.checks.lookup import lan_path
from netlab.scenario.mode import VMWARE
from netlab.scenario.model import Forwards, Listen
from netlab.scenario.ports import LAST_PORT, ForwardedPorts
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import HOST, Adapter, Node, Topology, router_of

_LOOPBACK = IPv4Address("127.0.0.1")


@frozen
class _Entry:
    """An entry of a file's forwards."""

    path: DataPath
    owner: str
    """The network, or the program, whose ports they are."""
    protocol: str
    ports: ForwardedPorts
    target: str = ""

    @property
    def called(self) -> str:
        """The ports in a sentence."""
        return f"{self.protocol} {'port' if self.ports.count == 1 else 'ports'} {self.ports}"


def forwards(topology: Topology) -> Iterator[PathProblem]:
    """Yield forwards of ports that are taken, and those that lead to no machine behind their NAT."""
    yield from _of_the_host(topology)
    yield from _of_vms(topology)
    for name, lan in topology.scenario.all_lans.items():
        entries = list(_entries((*lan_path(name), "forwards"), name, lan.forwards))
        yield from _taken("the router", entries)
        for entry in entries:
            yield from _last_port(entry)
            yield from _nobody_s(entry, topology.nodes[router_of(name)].adapters[1:])
            yield from _on_lan(topology, entry)


def _of_the_host(topology: Topology) -> Iterator[PathProblem]:
    scenario = topology.scenario
    entries = [
        entry
        for name, vmnet in scenario.vmnets.items()
        if vmnet.nat and vmnet.own_subnet
        for entry in _entries(("vmnets", name, "nat", "forwards"), name, vmnet.nat.forwards)
    ]
    taken = []
    if proxy := scenario.host.proxy:
        place = _LOOPBACK if proxy.listen is Listen.LOOPBACK else None
        ports = ForwardedPorts(proxy.port, proxy.port, place)
        taken.append(_Entry((), "its proxy", "tcp", ports))
    yield from _taken("the host", [*taken, *entries])
    for entry in entries:
        vmnet = scenario.vmnets[entry.owner]
        assert vmnet.own_subnet
        yield from _last_port(entry)
        yield from _nobody_s(entry, topology.nodes[HOST].adapters)
        yield from _shut(topology, entry)
        if entry.ports.address and vmnet.mode.product is VMWARE:
            message = (
                "VMware's NAT forwards a port at each address of the host: vmnetnat.conf has no place for"
                f" {entry.ports.address}"
            )
            fix = "leave the address out if it shall work there"
            yield PathProblem(entry.path, message, fix, on_key=True, is_warning=True)
        yield from _behind_nat(topology, entry, vmnet.own_subnet)
    yield from _at_two_addresses(topology, entries)


def _of_vms(topology: Topology) -> Iterator[PathProblem]:
    for name, vm in topology.scenario.vms.items():
        node = topology.nodes.get(name)  # None: none of its networks are defined.
        if vm.nat is None or node is None or node.outer is None:
            continue
        entries = list(_entries(("vms", name, "nat", "forwards"), name, vm.nat.forwards))
        yield from _taken(name, entries)
        for entry in entries:
            yield from _last_port(entry)
            yield from _nobody_s(entry, (node.outer,))
            yield from _behind_vm(topology, entry, node)


def _entries(path: DataPath, owner: str, forwards: Forwards) -> Iterator[_Entry]:
    for protocol, targets in (("tcp", forwards.tcp), ("udp", forwards.udp)):
        for ports, target in targets.items():
            yield _Entry((*path, protocol, str(ports)), owner, protocol, ports, target)


def _taken(whose: str, entries: list[_Entry]) -> Iterator[PathProblem]:
    """Yield ports that somebody before in the list has."""
    clashes = (pair for pair in _meeting(entries) if pair[0].ports.overlaps(pair[1].ports))
    for earlier, entry in _first_of_each(clashes):
        owners = f"{earlier.owner} and {entry.owner}"
        verb = "is" if entry.ports.count == 1 else "are"
        message = f"{whose}'s {entry.called} {verb} taken twice: by {owners}"
        yield PathProblem(entry.path, message, f"use another port of {whose}", on_key=True)


def _at_two_addresses(topology: Topology, entries: list[_Entry]) -> Iterator[PathProblem]:
    """Yield ports that lead elsewhere at another address of the host: the NAT device is not told which."""
    clashes = (
        (earlier, entry)
        for earlier, entry in _meeting(entries)
        if _at_one_device(topology, earlier, entry) and not _leads_alike(earlier, entry)
    )
    for earlier, entry in _first_of_each(clashes):
        ports = f"{earlier.ports} and {entry.ports}"
        message = f"{entry.protocol} {ports} of the host lead to different places on {entry.owner}"
        fix = "use another port: netlab's NAT device is not told at which address it was called"
        yield PathProblem(entry.path, message, fix, on_key=True)


_Clash = tuple[_Entry, _Entry]


def _meeting(entries: list[_Entry]) -> list[_Clash]:
    """Return pairs of entries that have a port of one protocol in common, at whatever addresses.

    In the order of the file, in each pair and of the later ones.
    """
    pairs: list[tuple[int, int]] = []
    open_ranges: dict[str, list[int]] = {}
    for number in sorted(range(len(entries)), key=lambda number: entries[number].ports.first):
        entry = entries[number]
        reaching = [
            other
            for other in open_ranges.get(entry.protocol, [])
            if entries[other].ports.last >= entry.ports.first
        ]
        pairs += [(max(number, other), min(number, other)) for other in reaching]
        open_ranges[entry.protocol] = [*reaching, number]
    return [(entries[earlier], entries[later]) for later, earlier in sorted(pairs)]


def _first_of_each(pairs: Iterable[_Clash]) -> Iterator[_Clash]:
    """Yield of the pairs with one later entry the first."""
    for _, group in groupby(pairs, key=lambda pair: id(pair[1])):
        yield next(group)


def _at_one_device(topology: Topology, first: _Entry, second: _Entry) -> bool:
    """Return whether ports that have the same numbers, at two addresses, come to one NAT device."""
    if (first.owner, first.protocol) != (second.owner, second.protocol):
        return False
    machines = {entry.target.partition(":")[0] for entry in (first, second)}
    if topology.scenario.vmnets[first.owner].mode.private and len(machines) > 1:
        return False
    return not first.ports.overlaps(second.ports)  # Those are taken twice.


def _leads_alike(first: _Entry, second: _Entry) -> bool:
    machine, _, port = first.target.partition(":")
    shifted = int(port) + second.ports.first - first.ports.first
    return f"{machine}:{shifted}" == second.target


def _last_port(entry: _Entry) -> Iterator[PathProblem]:
    port = int(entry.target.partition(":")[2])
    last = port + entry.ports.count - 1
    if last > LAST_PORT:
        yield PathProblem(entry.path, f"there is no port {last}", f"use 1 to {LAST_PORT}")


def _nobody_s(entry: _Entry, adapters: tuple[Adapter, ...]) -> Iterator[PathProblem]:
    """Warn of an address that the machine whose ports these are does not have: nobody reaches them."""
    address = entry.ports.address
    if address is None:
        return
    machine = adapters[0].node
    own = [interface.ip for adapter in adapters for interface in adapter.static]
    leased = [adapter.network.subnet for adapter in adapters if adapter.by_dhcp]
    is_loopback = machine == HOST and address.is_loopback
    may_have = is_loopback or any(address in net for net in leased)
    if address not in own and not may_have:
        whose = "the host" if machine == HOST else machine
        message = f"{whose} has no address {address}: nobody reaches {entry.called}"
        fix = f"use one of {', '.join(map(str, own))}, or leave the address out"
        yield PathProblem(entry.path, message, fix, on_key=True, is_warning=True)


def _shut(topology: Topology, entry: _Entry) -> Iterator[PathProblem]:
    """Warn that the host's firewall keeps callers from a program at a forwarded port."""
    ports, firewall = entry.ports, topology.nodes[HOST].firewall
    numbers = range(ports.first, ports.last + 1)
    if ports.own_only or all(firewall.lets_in(entry.protocol, port) for port in numbers):
        return
    called = f"{entry.protocol} {ports.numbers}"
    message = f"the host's firewall does not let {called} in: the LAN will not reach the VM"
    word = entry.protocol if ports.count > 1 else f"{entry.protocol}:{ports.first}"
    fix = f"add `allows: [{word}]` to the host"
    yield PathProblem(entry.path, message, fix, on_key=True, is_warning=True)


def _behind_nat(topology: Topology, entry: _Entry, subnet: IPv4Network) -> Iterator[PathProblem]:
    name, machine = entry.owner, entry.target.partition(":")[0]
    private = topology.scenario.vmnets[name].mode.private
    if private and machine[0].isdigit():
        message = f"each VM on {name} has a network of its own, and each may be {machine}"
        yield PathProblem(entry.path, message, "name a VM")
        return
    if machine[0].isdigit():
        if not _is_in(machine, (subnet,)):
            message = f"{machine} is no address of {name}'s {subnet}"
            yield PathProblem(entry.path, message, "name a VM, or an address of the subnet")
        return
    vm = topology.scenario.vms.get(machine)
    served = private or topology.networks[name].leases
    if not vm or not any(nic.network == name and (nic.address or served) for nic in vm.nics):
        message = f"no VM '{machine}' has an address on {name}"
        yield PathProblem(entry.path, message, "name a VM with an adapter there, or an address")


def _on_lan(topology: Topology, entry: _Entry) -> Iterator[PathProblem]:
    name, machine = entry.owner, entry.target.partition(":")[0]
    lan = topology.scenario.all_lans[name]
    if machine[0].isdigit():
        if not _is_in(machine, (lan.subnet, *lan.routes)) or machine == str(lan.gateway):
            message = f"{machine} is no address to which {router_of(name)} could lead"
            fix = f"name a machine of the LAN, or an address of {lan.subnet}"
            yield PathProblem(entry.path, message, fix)
        return
    neighbours = topology.neighbours(topology.networks[name])
    reached = {adapter.node for adapter in neighbours if adapter.address or adapter.gets_lease}
    if machine not in reached - {router_of(name)}:
        message = f"no machine '{machine}' has an address on {name}"
        yield PathProblem(entry.path, message, "name one that is plugged in there, or an address")


def _behind_vm(topology: Topology, entry: _Entry, node: Node) -> Iterator[PathProblem]:
    machine, inside = entry.target.partition(":")[0], {each.network.name for each in node.inner}
    if machine[0].isdigit():
        if not _is_in(machine, (IPv4Network("0.0.0.0/0"),)):
            yield PathProblem(entry.path, f"{machine} is no address", "name a VM, or an address")
        return
    vm = topology.scenario.vms.get(machine)
    if not vm or not any(nic.network in inside for nic in vm.nics):
        message = f"no VM '{machine}' is on {' or '.join(sorted(inside))}, behind this NAT"
        yield PathProblem(entry.path, message, "name a VM with an adapter there, or an address")


def _is_in(text: str, subnets: tuple[IPv4Network, ...]) -> bool:
    try:
        address = IPv4Address(text)
    except ValueError:
        return False
    return any(address in subnet for subnet in subnets)
