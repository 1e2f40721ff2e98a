"""A socket that sees every frame in a namespace, on all interfaces, with the kernel's time.

It belongs to no interface: those may go down and up, be renamed, removed and made anew while it listens.
"""

from __future__ import annotations

import math
import socket
import struct
import time
from collections.abc import Collection, Iterator
from fcntl import ioctl
from typing import NamedTuple

from netlab.kernel import netns
from netlab.probe import batch
from netlab.probe.ear import ETH_P_ALL, attach, drops, listening

_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_PACKET_AUXDATA = 8
_SIOCGIFNAME = 0x8910
_OUTGOING = 4  # PACKET_OUTGOING
_OTHERHOST = 3  # PACKET_OTHERHOST


class Sighting(NamedTuple):
    """One frame on one interface. A tuple, because there are hundreds of thousands a second."""

    at: int
    """Nanoseconds since 1970, by the kernel's clock, which all namespaces share."""
    namespace: str
    interface: str
    outgoing: bool
    foreign: bool
    """Received, but addressed to another MAC: a machine drops it, a switch carries it on."""
    data: bytes
    """The frame, from its Ethernet header on."""
    length: int = 0
    """The frame's bytes: more than `data` has if only its beginning was wanted."""


class Tap:
    """Opened inside the namespace, read from outside; no process runs in the namespace."""

    def __init__(
        self,
        namespace: str,
        only: Collection[str] = (),
        but: Collection[str] = ("lo",),
        program: bytes = b"",
    ) -> None:
        """`only` these interfaces, or if none are named, all `but` these. `program`: see `bpf`."""
        self.namespace = namespace
        self.only, self._but = frozenset(only), frozenset(but)
        self._home = netns.inode(namespace)
        with netns.inside(namespace):
            self.socket = listening(
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            )
            self._names = dict(socket.if_nameindex())
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        if program:
            attach(self.socket, program)
            while batch.receive(self.socket.fileno()):  # What came in before the filter.
                pass
        self.since = time.time_ns()
        """Nanoseconds since 1970: from then on, it sees everything."""

    @property
    def dead(self) -> bool:
        """Its namespace is gone, or another one has its name."""
        return netns.inode(self.namespace) != self._home

    def close(self) -> None:
        """Let go of the socket, and with it of the namespace."""
        self.socket.close()

    def sightings(self, until: float = math.inf) -> Iterator[Sighting]:
        """Everything seen since the last call; `until` then (ns), if it comes faster than it is read."""
        latest, more = 0, True
        while more and latest < until and (received := batch.receive(self.socket.fileno())):
            latest, more = received[-1][0], len(received) == batch.AT_ONCE
            names: dict[int, str] = {}
            for at, index, kind, data, length in received:
                name = names.get(index)
                if name is None:
                    name = names[index] = self._name(index)
                if name in self.only if self.only else name not in self._but:
                    yield Sighting(
                        at,
                        self.namespace,
                        name,
                        kind == _OUTGOING,
                        kind == _OTHERHOST,
                        data,
                        length,
                    )

    def lost(self) -> int:
        """Frames that found the buffer full."""
        return drops(self.socket)

    def _name(self, index: int) -> str:
        """Of an interface as it is called now, or was last if it is gone."""
        try:
            answer = ioctl(self.socket, _SIOCGIFNAME, struct.pack("16xi20x", index))
        except OSError:
            return self._names.get(index, f"#{index}")
        self._names[index] = name = answer[:16].rstrip(b"\0").decode()
        return name
