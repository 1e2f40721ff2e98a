"""Evidence of a probe that was sent anew because a first one ended without a proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from netlab.frozen import frozen
from netlab.kernel.obstacles import Obstacle
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Packet


@frozen
class PlacedDrop:
    """A drop of the probe's that the kernel tells of, with the node where it happened."""

    node: str
    reason: str
    """SKB_DROP_REASON_… without its beginning; empty before Linux 5.17."""
    function: str
    """The kernel's function; empty on older kernels."""
    interface: str = ""
    """The interface that the packet was at last; empty: none yet."""
    packet: Packet | None = None
    """The packet, as it was seen last; None: it was seen nowhere yet."""
    made: bool = False
    """It is a packet that the node made of the one that was seen: a reply, an error, a question."""
    is_arp: bool = False


@frozen
class SecondLook:
    """Evidence that is looked for only when something is left to explain."""

    drops: tuple[PlacedDrop, ...] = ()
    followed: frozenset[Packet] = frozenset()
    """Packets of which every departure was recorded: of a drop of theirs, the reason is among `drops`."""
    obstacles: Mapping[str, tuple[Obstacle, ...]] = field(default_factory=dict)
    """Node to what can end packets there besides rules, routes and neighbours."""
    grown: Mapping[str, Mapping[Obstacle, int]] = field(default_factory=dict)
    """Node to those of them that packets met while the probe was under way, and how many."""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Node to its further counters that have grown, and by how much: `conntrack.insert_failed`, …"""
    leading: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """(switch, IP or MAC address) to the ports of cables behind which its owner is."""
    unbridged: frozenset[NodeInterface] = frozenset()
    """Ports of switches that belong to no bridge."""
    mtus: Mapping[NodeInterface, int] = field(default_factory=dict)
    """Interface to the bytes that it can send or take."""
    cables: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """(node, its neighbour) to the node's interfaces at the ends of cables between them."""
    outlet: str = ""
    """The interface by which the source's routing sends to the probe's address."""
    broadcast: bool = False
    """The source's routing takes the probe's address for a broadcast address."""
    recorded: bool = False
    """The kernel's drops were recorded."""
    seconds: float = 0.0
    """How long an answer was waited for, if that was longer than usual."""
