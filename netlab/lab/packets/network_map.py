"""What is where in a running lab: its machines and switches, and whose each address is."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from functools import reduce
from typing import TYPE_CHECKING

from netlab.errors import KernelError, NetlabError, NoSuchLab
from netlab.lab.lifecycle import attach, record, require_root, run_directory

if TYPE_CHECKING:
    from netlab.diagnosis.journey import NetworkMap
    from netlab.kernel.state.owners import Owners
    from netlab.lab.lifecycle import Lab


_REMEMBERED = 8
"""Changes of a lab for which what has gone is still known: its last packets may be under way."""


class LabWatcher:
    """A running lab as its last change has left it, for whatever goes on for long: call it."""

    def __init__(self, lab: Lab) -> None:
        """Raises NoSuchLab."""
        self._lab = self._mapped = lab
        self._begun = record(lab.name).created
        self._stamp: object = None
        stamp, run = self._read_stamp(), run_directory(lab.name)
        with suppress(FileNotFoundError):
            if run.scenario.read_bytes() == lab.source.text:  # Else it was changed just now.
                self._stamp = stamp
        self._netmap = netmap(lab)
        self._maps = deque([self._netmap], maxlen=_REMEMBERED)
        self._owners: Owners | None = None
        self._asked = 0.0

    def __call__(self) -> Lab:
        """The lab; of one that has ended, or is being changed, as it was last."""
        stamp = self._read_stamp()
        if stamp != self._stamp and not self.ended:
            with suppress(NetlabError, OSError):  # In the middle of a change, or of its end.
                now = attach(self._lab.name)
                self._stamp = stamp
                if (now.source.text, now.plan) != (self._lab.source.text, self._lab.plan):
                    self._lab = now
        return self._lab

    def netmap(self) -> NetworkMap:
        """`netmap`, with what has come, and with what has gone meanwhile: it may still be told of."""
        if (now := self()) is not self._mapped:
            self._mapped = now
            self._maps.append(netmap(now))
            self._netmap = reduce(lambda former, later: later.after(former), self._maps)
        return self._netmap

    def owners(self) -> Owners:
        """`owners`, asked anew if the last answer is a second old. Raises KernelError the first time."""
        if self._owners is None or time.monotonic() - self._asked > 1:
            try:
                self._owners = owners(self())
            except KernelError:  # The lab has ended: its last packets are still to be told.
                if self._owners is None:
                    raise
            self._asked = time.monotonic()
        return self._owners

    @property
    def ended(self) -> bool:
        """It is down, or another one has its name."""
        try:
            return record(self._lab.name).created != self._begun
        except NoSuchLab:
            return True

    def _read_stamp(self) -> object:
        return run_directory(self._lab.name).stamp


def netmap(lab: Lab) -> NetworkMap:
    """The lab as a packet meets it."""
    from netlab.diagnosis.cause import Cause
    from netlab.diagnosis.journey import BridgeInside, NetworkMap
    from netlab.plan.modes.nat import nat_uplinks
    from netlab.plan.names import node as node_of
    from netlab.plan.nodes.outside import ADMISSION
    from netlab.plan.resources import Bridge
    from netlab.plan.switches.quality import LOSS
    from netlab.scenario.topology import HOST

    translates = any(
        network.mode and (network.mode.nat_device or network.mode.routing)
        for network in lab.topology.vmnets
    )
    cards = [adapter for adapter in lab.topology.nodes[HOST].adapters if adapter.network.lan]
    macs = {node_of(n.namespace): n.mac for n in lab.plan.resources if isinstance(n, Bridge)}
    switches = macs.keys() - lab.topology.nodes.keys()
    return NetworkMap(
        nodes={place: node_of(place) for place in lab.plan.namespaces},
        switches=frozenset(switches),
        bridges={
            name: BridgeInside(node.primary.holder, node.primary.mac)
            for name, node in lab.topology.nodes.items()
            if name in macs
        },
        peers={
            (node_of(place), interface): node_of(other.namespace)
            for (place, interface), other in lab.plan.peers.items()
        },
        nat_uplinks=nat_uplinks(lab.topology),
        macs={name: macs[name] for name in switches},
        forwarded_ports=frozenset((HOST, card.interface) for card in cards if translates),
        tables={f"bridge {ADMISSION}": Cause.NOT_ADMITTED, f"bridge {LOSS}": Cause.LOST},
    )


def owners(lab: Lab) -> Owners:
    """Whose every IP and MAC address of the lab is now. Raises KernelError."""
    from netlab.kernel.state import spaces
    from netlab.plan.names import node as node_of

    require_root()
    return spaces.owners({place: node_of(place) for place in lab.plan.namespaces})
