"""Custom vmnets and LAN segments: a switch, and beside it only what was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan import dhcp
from netlab.plan.machine import switch
from netlab.plan.nouns import Noun
from netlab.scenario.topology import Network, Topology


def network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Noun]:
    """The switch, with a DHCP server if it has one; a host adapter is plugged in by the host."""
    yield from switch(lab, vmnet)
    yield from dhcp.server(lab, topology, vmnet)
