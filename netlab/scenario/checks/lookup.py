"""Look-ups that several checks share: adapters, subnets, names and paths of the file."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Protocol

from netlab.scenario.model import Nic, Scenario
from netlab.scenario.text.paths import DataPath
from netlab.scenario.topology import HOTSPOT, LAN, Adapter, Network, Role, Topology


class KeysAt(Protocol):
    """A function of a path that returns the keys that the file has there, right or wrong."""

    def __call__(self, *path: str) -> set[str]: ...


def adapters(scenario: Scenario) -> Iterator[tuple[str, int, Nic]]:
    """Yield every adapter: its VM, its index in the VM's list, and its entry in the file."""
    for vm, machine in scenario.vms.items():
        for index, nic in enumerate(machine.nics):
            yield vm, index, nic


def lan_path(lan: str) -> DataPath:
    """Return the path of a LAN in the file."""
    return (LAN,) if lan == LAN else ("lans", lan)


def network_path(scenario: Scenario, name: str) -> DataPath:
    """Return the path in the file of a network that it names."""
    if name in scenario.all_lans:
        return lan_path(name)
    if name == HOTSPOT:
        return ("host", HOTSPOT)
    return ("segments" if name in scenario.segments else "vmnets", name)


def adapter_path(topology: Topology, adapter: Adapter) -> DataPath:
    """Return the path in the file of an adapter of a machine that the file names, or of the host."""
    network = adapter.network
    match topology.nodes[adapter.node].role:
        case Role.VM:
            return ("vms", adapter.node, "nics", int(adapter.interface.removeprefix("eth")))
        case Role.HOST if network.lan:
            return ("host", "nics", adapter.interface)
        case Role.HOST:
            return (*network_path(topology.scenario, network.name), "adapter")
        case _ if network.lan:
            return (*lan_path(network.lan), "peers", adapter.node)
        case _:
            return ("host", HOTSPOT, adapter.node)


def written_name(scenario: Scenario, network: Network) -> str:
    """Return the name that the file has of a network: adapters' private ones are of one vmnet."""
    if network.mode is None or not network.mode.private:
        return network.name
    return max((name for name in scenario.vmnets if network.name.startswith(f"{name}-")), key=len)


def called(scenario: Scenario, network: str) -> str:
    """Return what a network of the file is called in a sentence: `the LAN`, `vmnet8`."""
    lans = {name: f"the LAN {name}" for name in scenario.lans}
    names = {LAN: "the LAN", HOTSPOT: "the host's hot spot"} | lans
    return names.get(network, network)


def subnets(topology: Topology) -> dict[str, IPv4Network]:
    """Return every network's subnet, the bridged ones' being that of their card's LAN.

    VirtualBox's NAT makes a network for each adapter; all have the subnet that the file names.
    """
    scenario = topology.scenario
    by_name = {
        name: vmnet.own_subnet
        for name, vmnet in scenario.vmnets.items()
        if vmnet.own_subnet and name not in scenario.segments
    }
    networks = topology.networks.items()
    return by_name | {name: network.subnet for name, network in networks if network.numbered}
