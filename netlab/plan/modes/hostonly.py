"""Host-only (vmnet1): a switch with the host adapter `.1` and the DHCP server `.254`, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.node import switch
from netlab.plan.resources import Resource
from netlab.plan.services import dhcp
from netlab.scenario.topology import Network, Topology


def network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Resource]:
    """The switch and its DHCP server; the host plugs its adapter in itself."""
    yield from switch(lab, vmnet)
    yield from dhcp.server(lab, topology, vmnet)
