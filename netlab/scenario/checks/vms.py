"""Virtual machines: adapters, guests, copies, bridges, MAC addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from netlab.scenario.checks.lookup import adapters, subnets
from netlab.scenario.model import MACHINE_ID, MovedOrCopied, Nic, Scenario, Vm
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import LAN, Adapter, Role, Topology, installations, private_name
from netlab.suggest import instead

INTERFACE_LENGTH = 15


def nics(topology: Topology, declared: set[str]) -> Iterator[PathProblem]:
    """Yield adapters that are plugged in nowhere, or configured in vain."""
    scenario, subnet_of = topology.scenario, subnets(topology)
    for vm, index, nic in adapters(scenario):
        path: DataPath = ("vms", vm, "nics", index)
        if nic.network not in declared:
            yield PathProblem(
                path,
                f"nobody defined the network '{nic.network}'",
                f"define it under vmnets or segments; {instead(nic.network, sorted(declared))}",
            )
        for key in ("incoming", "outgoing"):
            transfer = getattr(nic, key)
            if transfer.jitter > transfer.latency:
                message = (
                    f"{transfer.jitter:g} ms more or less than {transfer.latency:g} ms cannot be"
                )
                yield PathProblem(
                    (*path, key, "jitter"), message, "give a `latency` that is not smaller"
                )
        if nic.address is None:
            for key in ("gateway", "dns", "mask", "addresses"):
                if getattr(nic, key):
                    yield PathProblem(
                        (*path, key),
                        f"`{key}` without `address`: DHCP gives it",
                        f"add `address`, or remove `{key}`",
                        on_key=True,
                        missing_key="address",
                    )
        elif nic.released:
            message = "a static adapter has no lease that could be given back"
            yield PathProblem(
                (*path, "released"), message, "remove `released`, or `address`", on_key=True
            )
        if not nic.default and (nic.gateway or nic.metric is not None):
            key = "metric" if nic.metric is not None else "gateway"
            message = f"{vm} takes no default route by eth{index} (`default: false`)"
            fix = f"remove `{key}`, or `default: false`"
            yield PathProblem((*path, key), message, fix, on_key=True)
        segment = scenario.segments.get(nic.network)
        if nic.address and segment and segment.subnet is None:
            yield PathProblem(
                (*path, "address"),
                f"nobody knows to which subnet of {nic.network} {nic.address} belongs",
                f"add `subnet: {IPv4Network((int(nic.address), 24), strict=False)}` to the segment",
            )
        vmnet = scenario.vmnets.get(nic.network)
        if vmnet and vmnet.mode.private:
            private = private_name(nic.network, vm, index)
            if len(private) > INTERFACE_LENGTH:
                yield PathProblem(
                    path,
                    f"{vm} has a network of its own, '{private}', and a name has {INTERFACE_LENGTH} letters",
                    "shorten the name of the network or of the VM",
                )
        if subnet := _own_subnet(nic) or subnet_of.get(nic.network):
            yield from _gateway(nic, subnet, (*path, "gateway"))


def _own_subnet(nic: Nic) -> IPv4Network | None:
    """Return what an adapter takes for its neighbours, if its mask is its own."""
    if nic.mask is None or nic.address is None:
        return None
    return IPv4Network((int(nic.address), nic.mask), strict=False)


def _gateway(nic: Nic, subnet: IPv4Network, path: DataPath) -> Iterator[PathProblem]:
    if not nic.address or not nic.gateway:
        return
    if nic.gateway not in subnet:
        yield PathProblem(
            path,
            f"the gateway {nic.gateway} is outside {'its mask' if nic.mask else nic.network}'s {subnet}",
            "a gateway must be a neighbour: use an address of the subnet",
        )
    elif nic.gateway in (subnet.network_address, subnet.broadcast_address, nic.address):
        yield PathProblem(
            path,
            f"{nic.gateway} cannot be the gateway: it is the subnet's first or last address, or the VM's own",
            "use another machine's address",
        )


def copies(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield copies of VMs that do not exist, or that go round in a circle."""
    installed = installations(scenario)
    for vm, machine in scenario.vms.items():
        path: DataPath = ("vms", vm)
        if machine.answer is MovedOrCopied.MOVED and machine.uuid:
            message, fix = "a VM that was moved keeps its original's UUID", "remove `uuid`"
            yield PathProblem((*path, "uuid"), message, fix, on_key=True)
        if machine.copy_of is None:
            if machine.answer is MovedOrCopied.MOVED:
                message = "VMware asks about a copy only, and this VM is none"
                yield PathProblem(
                    (*path, "answer"), message, "add `copy_of: VM`, or remove `answer`", on_key=True
                )
        elif machine.copy_of not in scenario.vms:
            fix = instead(machine.copy_of, (name for name in scenario.vms if name != vm))
            yield PathProblem((*path, "copy_of"), f"there is no VM '{machine.copy_of}'", fix)
        elif installed[vm] == vm:
            message, fix = f"the copies go round in a circle at {vm}", "one of them is the original"
            yield PathProblem((*path, "copy_of"), message, fix)


def clients(topology: Topology) -> Iterator[PathProblem]:
    """Warn of adapters of several VMs that are one client to a DHCP server, and get one address."""
    asking: dict[tuple[str, str], Adapter] = {}
    vms = topology.scenario.vms
    originals_first = sorted(
        (node for node in topology.nodes.values() if node.role is Role.VM),
        key=lambda node: vms[node.name].copy_of is not None,
    )
    for node in originals_first:
        for adapter in node.adapters:
            if not (adapter.client_id and adapter.by_dhcp and adapter.network.leases):
                continue
            first = asking.setdefault((adapter.network.segment, adapter.client_id), adapter)
            if first is not adapter and first.mac != adapter.mac:
                reason = (
                    "machine-id" if _is_copied(topology, first, adapter) else "client identifier"
                )
                message = (
                    f"{node.name} has the {reason} of {first.node}: to a DHCP server they are one client,"
                    f" and get one address on {adapter.network.name}"
                )
                fix = "add `client_id: mac` to one of them, unless that is what you want to see"
                yield PathProblem(("vms", node.name), message, fix, on_key=True, is_warning=True)


def _is_copied(topology: Topology, *adapters: Adapter) -> bool:
    vms = topology.scenario.vms
    return all(vms[adapter.node].client_id == MACHINE_ID for adapter in adapters)


def guests(scenario: Scenario) -> Iterator[PathProblem]:
    """Yield settings of a guest that it cannot have, or has twice."""
    for vm, machine in scenario.vms.items():
        path: DataPath = ("vms", vm)
        yield from _dhcp_servers(machine, vm, (*path, "dhcp_server"))
        yield from _nat(machine, vm, path)
        if machine.dhcp_delay and not machine.dhcp_server:
            message, fix = f"{vm} serves no DHCP", "add `dhcp_server: true`, or remove it"
            yield PathProblem((*path, "dhcp_delay"), message, fix, on_key=True)
        if machine.forwards and len(machine.nics) == 1:
            message, fix = f"{vm} has one adapter: there is nothing to forward to", "add an adapter"
            yield PathProblem((*path, "forwards"), message, fix, on_key=True)


def _dhcp_servers(machine: Vm, vm: str, path: DataPath) -> Iterator[PathProblem]:
    """Yield DHCP servers on adapters that do not exist, or have no address of their own."""
    for name, settings in machine.dhcp_server.items():
        index = int(name.removeprefix("eth"))
        if index >= len(machine.nics):
            yield _no_adapter(machine, vm, name, path)
            continue
        nic = machine.nics[index]
        address = machine.nics[0].address if machine.bridges else nic.address
        if settings.on and address is None:
            message = f"{vm} serves DHCP on {nic.network} and has no address there"
            fix = f"add `address` to {name}" if index else "add `address` to its first adapter"
            yield PathProblem(path, message, fix, on_key=True)
        if settings.server:
            message = f"{vm} serves DHCP at its own address"
            yield PathProblem((*path, name, "server"), message, "remove it", on_key=True)


def _nat(machine: Vm, vm: str, path: DataPath) -> Iterator[PathProblem]:
    """Yield NAT that has no outer or no inner side, and what is said of a NAT that is not there."""
    nat = machine.nat
    if nat is None:
        for key in ("keeps_in", "lets_out"):
            if getattr(machine, key):
                message = f"{vm} has no NAT, out of which it would let something"
                fix = "add `nat`: the adapter on its outer side"
                yield PathProblem((*path, key), message, fix, on_key=True)
        return
    if int(nat.adapter.removeprefix("eth")) >= len(machine.nics):
        yield _no_adapter(machine, vm, nat.adapter, (*path, "nat"))
    elif len(machine.nics) == 1:
        message = f"{vm} has one adapter: there is nobody behind its NAT"
        yield PathProblem((*path, "nat"), message, "add an adapter", on_key=True)
    if machine.bridges:
        message = (
            f"{vm} is a bridge between its adapters, or a router with NAT: one address, or one each"
        )
        yield PathProblem((*path, "nat"), message, "remove `bridges` or `nat`", on_key=True)


def _no_adapter(machine: Vm, vm: str, name: str, path: DataPath) -> PathProblem:
    names = [f"eth{index}" for index in range(len(machine.nics))]
    return PathProblem(path, f"{vm} has no adapter {name}", instead(name, names))


def bridges(topology: Topology) -> Iterator[PathProblem]:
    """Yield VMs whose bridges close a circle: without spanning tree, frames would go round for ever."""
    joined_to: dict[str, str] = {}

    def segment(name: str) -> str:
        while name in joined_to:
            name = joined_to[name]
        return name

    scenario, networks = topology.scenario, topology.networks
    for vm, machine in scenario.vms.items():
        if not machine.bridges:
            continue
        path: DataPath = ("vms", vm, "bridges")
        if len(machine.nics) == 1:
            message = f"{vm} has one adapter: there is nothing to bridge it with"
            yield PathProblem(path, message, "add an adapter", on_key=True)
        if machine.forwards:
            message = (
                f"{vm} is a bridge between its adapters, or a router: one address, or one each"
            )
            yield PathProblem(path, message, "remove `bridges` or `forwards`", on_key=True)
        for index, nic in enumerate(machine.nics):
            if index and nic.address:
                message = f"{vm}'s bridge has the address of eth0, and eth{index} has none"
                yield PathProblem(("vms", vm, "nics", index, "address"), message, "remove it")
            network = networks.get(nic.network)
            # Two LANs would be one with two routers and two DHCP servers.
            vm_segment = segment(vm)
            nic_segment = segment(LAN if network and network.lan else nic.network)
            if vm_segment == nic_segment:
                message = (
                    f"frames would go round in a circle between {vm} and {nic.network} for ever"
                )
                if nic_segment == segment(LAN):
                    message = f"{vm} would bridge a LAN with itself or another, over {nic.network}"
                fix = "plug it into another network, or let one VM less bridge"
                yield PathProblem(("vms", vm, "nics", index), message, fix)
            else:
                joined_to[vm_segment] = nic_segment


def macs(topology: Topology) -> Iterator[PathProblem]:
    """Yield MAC addresses that are taken twice."""
    owners: dict[str, tuple[str, str]] = {}
    """By MAC address: the owner, and the VM in which its guest was installed."""
    scenario = topology.scenario
    installed = installations(scenario)
    for node in topology.nodes.values():
        for adapter in node.adapters:
            who, guest = adapter.name, ""
            if node.role is Role.VM:
                who, guest = node.name, installed[node.name]
                owner, original = owners.get(adapter.mac, ("", guest))
                if owner == who or original != guest:
                    message = f"{adapter.mac} is taken twice: by {owner} and by {who}"
                    yield _duplicate_mac(scenario, node.name, adapter, message)
            owners.setdefault(adapter.mac, (who, guest))


def _duplicate_mac(scenario: Scenario, vm: str, adapter: Adapter, message: str) -> PathProblem:
    """Return the problem at what the address comes from: the adapter's MAC, or the VM's UUID."""
    machine, index = scenario.vms[vm], int(adapter.interface.removeprefix("eth"))
    if machine.nics[index].mac:
        fix = "give one of them another MAC, or leave it out"
        return PathProblem(("vms", vm, "nics", index, "mac"), message, fix)
    fix = f"give one of them another UUID, or make it a copy: `copy_of` and `answer: {MovedOrCopied.MOVED}`"
    return PathProblem(("vms", vm, "uuid") if machine.uuid else ("vms", vm), message, fix)
