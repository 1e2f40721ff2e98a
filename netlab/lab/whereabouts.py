"""What is where in a running lab: its machines and switches, and whose each address is."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from netlab.errors import KernelError
from netlab.lab.life import require_root

if TYPE_CHECKING:
    from netlab.kernel.owners import Owners
    from netlab.lab.life import Lab
    from netlab.probe.journey import Map


def where(lab: Lab) -> Map:
    """The lab as a packet meets it."""
    from netlab.plan.names import node as node_of
    from netlab.plan.nat import plumbing
    from netlab.plan.nouns import Bridge
    from netlab.plan.quality import LOSS
    from netlab.plan.world import ADMISSION
    from netlab.probe.cause import Cause
    from netlab.probe.journey import BridgeInside, Map
    from netlab.scenario.topology import HOST

    translates = any(
        network.mode and (network.mode.nat_device or network.mode.routing)
        for network in lab.topology.vmnets
    )
    cards = [leg for leg in lab.topology.nodes[HOST].legs if leg.network.lan]
    switches = frozenset(node_of(n.namespace) for n in lab.plan.nouns if isinstance(n, Bridge))
    return Map(
        nodes={place: node_of(place) for place in lab.plan.namespaces},
        switches=switches - set(lab.topology.nodes),
        bridges={
            name: BridgeInside(node.primary.holder, node.primary.mac)
            for name, node in lab.topology.nodes.items()
            if name in switches
        },
        peers={
            (node_of(place), interface): node_of(other.namespace)
            for (place, interface), other in lab.plan.peers.items()
        },
        plumbing=plumbing(lab.topology),
        doors=frozenset((HOST, card.interface) for card in cards if translates),
        tables={f"bridge {ADMISSION}": Cause.NOT_ADMITTED, f"bridge {LOSS}": Cause.LOST},
    )


def owners(lab: Lab) -> Owners:
    """Whose every IP and MAC address of the lab is now. Raises KernelError."""
    from netlab.kernel import spaces
    from netlab.plan.names import node as node_of

    require_root()
    return spaces.owners({place: node_of(place) for place in lab.plan.namespaces})


def following_owners(lab: Lab) -> Callable[[], Owners]:
    """`owners` for whatever goes on for long: asked anew if the last answer is a second old."""
    known, since = owners(lab), time.monotonic()

    def latest() -> Owners:
        nonlocal known, since
        if time.monotonic() - since > 1:
            with suppress(KernelError):  # The lab has ended: its last packets are still to be told.
                known = owners(lab)
            since = time.monotonic()
        return known

    return latest
