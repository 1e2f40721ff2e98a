"""Virtual machines: adapters, guests, copies, bridges, MAC addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network

from netlab.scenario.checks.lookup import adapters, subnets
from netlab.scenario.model import MovedOrCopied, Nic, Scenario
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import LAN, Adapter, Role, Topology, installations, private_name
from netlab.suggest import instead

INTERFACE_LENGTH = 15


def nics(topology: Topology, declared: set[str]) -> Iterator[PathProblem]:
    """Adapters that are plugged in nowhere, or configured in vain."""
    scenario, known = topology.scenario, subnets(topology)
    for vm, index, nic in adapters(scenario):
        path: DataPath = ("vms", vm, "nics", index)
        if nic.network not in declared:
            yield PathProblem(
                path,
                f"nobody defined the network '{nic.network}'",
                f"define it under vmnets or segments; {instead(nic.network, sorted(declared))}",
            )
        for key in ("incoming", "outgoing"):
            way = getattr(nic, key)
            if way.jitter > way.latency:
                what = f"{way.jitter:g} ms more or less than {way.latency:g} ms cannot be"
                yield PathProblem(
                    (*path, key, "jitter"), what, "give a `latency` that is not smaller"
                )
        if nic.address is None:
            for key in ("gateway", "dns"):
                if getattr(nic, key) is not None:
                    yield PathProblem(
                        (*path, key),
                        f"`{key}` without `address`: DHCP gives it",
                        f"add `address`, or remove `{key}`",
                        True,
                        missing_key="address",
                    )
        elif nic.released:
            what = "a static adapter has no lease that could be given back"
            yield PathProblem((*path, "released"), what, "remove `released`, or `address`", True)
        segment = scenario.segments.get(nic.network)
        if nic.address and segment and segment.subnet is None:
            yield PathProblem(
                (*path, "address"),
                f"nobody knows to which subnet of {nic.network} {nic.address} belongs",
                f"add `subnet: {IPv4Network((int(nic.address), 24), strict=False)}` to the segment",
            )
        vmnet = scenario.vmnets.get(nic.network)
        if vmnet and vmnet.mode.private:
            own = private_name(nic.network, vm, index)
            if len(own) > INTERFACE_LENGTH:
                what = f"{vm} has a network of its own, '{own}', and a name has {INTERFACE_LENGTH} letters"
                yield PathProblem(path, what, "shorten the name of the network or of the VM")
        if subnet := known.get(nic.network):
            yield from _gateway(nic, subnet, (*path, "gateway"))


def _gateway(nic: Nic, subnet: IPv4Network, path: DataPath) -> Iterator[PathProblem]:
    if not nic.address or not nic.gateway:
        return
    if nic.gateway not in subnet:
        yield PathProblem(
            path,
            f"the gateway {nic.gateway} is outside {nic.network}'s {subnet}",
            "a gateway must be a neighbour: use an address of the subnet",
        )
    elif nic.gateway in (subnet.network_address, subnet.broadcast_address, nic.address):
        yield PathProblem(
            path,
            f"{nic.gateway} cannot be the gateway: it is the subnet's first or last address, or the VM's own",
            "use another machine's address",
        )


def copies(scenario: Scenario) -> Iterator[PathProblem]:
    """Copies of VMs that there are not, or that go round in a circle."""
    installed = installations(scenario)
    for vm, machine in scenario.vms.items():
        path: DataPath = ("vms", vm)
        if machine.answer is MovedOrCopied.MOVED and machine.uuid:
            what, fix = "a VM that was moved keeps its original's UUID", "remove `uuid`"
            yield PathProblem((*path, "uuid"), what, fix, True)
        if machine.copy_of is None:
            if machine.answer is MovedOrCopied.MOVED:
                what = "VMware asks about a copy only, and this VM is none"
                yield PathProblem(
                    (*path, "answer"), what, "add `copy_of: VM`, or remove `answer`", True
                )
        elif machine.copy_of not in scenario.vms:
            fix = instead(machine.copy_of, (other for other in scenario.vms if other != vm))
            yield PathProblem((*path, "copy_of"), f"there is no VM '{machine.copy_of}'", fix)
        elif installed[vm] == vm:
            what, fix = f"the copies go round in a circle at {vm}", "one of them is the original"
            yield PathProblem((*path, "copy_of"), what, fix)


def guests(scenario: Scenario) -> Iterator[PathProblem]:
    """What a guest cannot do, or does twice."""
    for vm, machine in scenario.vms.items():
        path: DataPath = ("vms", vm)
        if machine.dhcp_server and machine.nics[0].address is None:
            what = f"{vm} serves DHCP on {machine.nics[0].network} and has no address there"
            yield PathProblem(
                (*path, "dhcp_server"), what, "add `address` to its first adapter", True
            )
        if machine.forwards and len(machine.nics) == 1:
            what, fix = f"{vm} has one adapter: there is nothing to forward to", "add an adapter"
            yield PathProblem((*path, "forwards"), what, fix, True)
        for port in (port for port, times in Counter(machine.listens).items() if times > 1):
            yield PathProblem((*path, "listens"), f"{port} is there twice", "keep only one of them")
        if machine.proxy and f"tcp:{machine.proxy.port}" in machine.listens:
            what = f"tcp:{machine.proxy.port} is the proxy's"
            yield PathProblem((*path, "listens"), what, "remove it, or give the proxy another port")
        if machine.dhcp_server and "udp:67" in machine.listens:
            what = "udp:67 is the DHCP server's"
            yield PathProblem((*path, "listens"), what, "remove it, or `dhcp_server`")


def bridges(topology: Topology) -> Iterator[PathProblem]:
    """Nobody speaks spanning tree: frames would go round in a circle for ever."""
    segments: dict[str, str] = {}

    def segment(name: str) -> str:
        while name in segments:
            name = segments[name]
        return name

    scenario, networks = topology.scenario, topology.networks
    for vm, machine in scenario.vms.items():
        if not machine.bridges:
            continue
        path: DataPath = ("vms", vm, "bridges")
        if len(machine.nics) == 1:
            what = f"{vm} has one adapter: there is nothing to bridge it with"
            yield PathProblem(path, what, "add an adapter", True)
        if machine.forwards:
            what = f"{vm} is a bridge between its adapters, or a router: one address, or one each"
            yield PathProblem(path, what, "remove `bridges` or `forwards`", True)
        for index, nic in enumerate(machine.nics):
            if index and nic.address:
                what = f"{vm}'s bridge has the address of eth0, and eth{index} has none"
                yield PathProblem(("vms", vm, "nics", index, "address"), what, "remove it")
            there = networks.get(nic.network)
            # Two LANs would be one with two routers and two DHCP servers.
            here, name = segment(vm), segment(LAN if there and there.lan else nic.network)
            if here == name:
                what = f"frames would go round in a circle between {vm} and {nic.network} for ever"
                if name == segment(LAN):
                    what = f"{vm} would bridge a LAN with itself or another, over {nic.network}"
                fix = "plug it into another network, or let one VM less bridge"
                yield PathProblem(("vms", vm, "nics", index), what, fix)
            else:
                segments[here] = name


def macs(topology: Topology) -> Iterator[PathProblem]:
    """MAC addresses that are taken twice."""
    owner: dict[str, tuple[str, str]] = {}
    """MAC to whose it is, and the VM in which its guest was installed."""
    scenario = topology.scenario
    installed = installations(scenario)
    for node in topology.nodes.values():
        for adapter in node.adapters:
            who, guest = adapter.name, ""
            if node.role is Role.VM:
                who, guest = node.name, installed[node.name]
                other, original = owner.get(adapter.mac, ("", guest))
                if other == who or original != guest:
                    what = f"{adapter.mac} is taken twice: by {other} and by {who}"
                    yield _duplicate_mac(scenario, node.name, adapter, what)
            owner.setdefault(adapter.mac, (who, guest))


def _duplicate_mac(scenario: Scenario, vm: str, adapter: Adapter, what: str) -> PathProblem:
    """At what it comes from: the adapter's own MAC, or the VM's UUID."""
    machine, index = scenario.vms[vm], int(adapter.interface.removeprefix("eth"))
    if machine.nics[index].mac:
        fix = "give one of them another MAC, or leave it out"
        return PathProblem(("vms", vm, "nics", index, "mac"), what, fix)
    fix = f"give one of them another UUID, or make it a copy: `copy_of` and `answer: {MovedOrCopied.MOVED}`"
    return PathProblem(("vms", vm, "uuid") if machine.uuid else ("vms", vm), what, fix)
