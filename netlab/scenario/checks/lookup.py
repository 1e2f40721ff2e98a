"""Look-ups that several checks share: adapters, subnets, the path of a LAN in the file."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Protocol

from netlab.scenario.model import Nic, Scenario
from netlab.scenario.text.paths import DataPath
from netlab.scenario.topology import LAN, Topology


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
