"""Where things stand in the file, for all checks."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from netlab.scenario.model import Nic, Scenario
from netlab.scenario.text.document import Path
from netlab.scenario.topology import LAN, Topology


def adapters(scenario: Scenario) -> Iterator[tuple[str, int, Nic]]:
    """Every adapter: its VM, its place in the VM's list, and what the file says of it."""
    for vm, machine in scenario.vms.items():
        for index, nic in enumerate(machine.nics):
            yield vm, index, nic


def lan_path(lan: str) -> Path:
    """Where a LAN stands in the file."""
    return (LAN,) if lan == LAN else ("lans", lan)


def subnets(topology: Topology) -> dict[str, IPv4Network]:
    """Every network's subnet, the bridged ones' being that of their card's LAN.

    VirtualBox's NAT makes a network for each adapter; all have the subnet that the file names.
    """
    scenario = topology.scenario
    own = {
        name: vmnet.own_subnet
        for name, vmnet in scenario.vmnets.items()
        if vmnet.own_subnet and name not in scenario.segments
    }
    networks = topology.networks.items()
    return own | {name: network.subnet for name, network in networks if network.numbered}
