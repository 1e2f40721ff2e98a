"""A socket that sees every frame in a namespace, on all interfaces, with the kernel's time.

It belongs to no interface: they may go down and up, be renamed, removed and made anew while it listens.
"""

from __future__ import annotations

import math
import os
import socket
import struct
import time
from collections.abc import Collection, Iterator
from fcntl import ioctl
from typing import NamedTuple

from netlab.kernel.namespaces import netns
from netlab.packets import mmsg
from netlab.packets.icmp_socket import ETH_P_ALL, NOTHING, attach, configure, drops

_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_PACKET_AUXDATA = 8
_STATISTICS = 6  # PACKET_STATISTICS
_SIOCGIFNAME = 0x8910
_MOST_NAMES = 1000
"""Names of interfaces to remember, removed ones included."""
_OUTGOING = 4  # PACKET_OUTGOING
_OTHERHOST = 3  # PACKET_OTHERHOST


_WORTH_READING = 5_000
"""Frames that an expendable tap gives at one look."""
SIGHTING_BYTES = 256
"""Memory that a sighting takes up besides its frame."""


class Sighting(NamedTuple):
    """A frame on an interface. A tuple, because there are hundreds of thousands a second."""

    at: int
    """Nanoseconds since 1970, by the kernel's clock, which all namespaces share."""
    namespace: str
    interface: str
    outgoing: bool
    foreign: bool
    """Received, but addressed to another MAC: a machine drops it, a switch forwards it."""
    data: bytes
    """The frame, from its Ethernet header on."""
    length: int = 0
    """Bytes of the frame: more than `data` has if only its beginning was asked for."""


class Tap:
    """A packet socket, opened inside the namespace and read from outside; no process runs inside."""

    def __init__(
        self,
        namespace: str,
        only: Collection[str] = (),
        but: Collection[str] = ("lo",),
        program: bytes = b"",
        expendable: bool = False,
    ) -> None:
        """Open it for `only` these interfaces, or if none is named, all `but` these. `program`: a filter.

        An `expendable` one sees nothing more once more comes than is worth to be read.
        """
        self.namespace = namespace
        self.only, self._but = frozenset(only), frozenset(but)
        self._home = netns.inode(namespace)
        with netns.inside(namespace):
            self.socket = configure(
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            )
            self._names = dict(socket.if_nameindex())
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        if program:
            # What came in before the filter. With nothing coming after it, that has an end.
            attach(self.socket, NOTHING)
            while mmsg.receive(self.socket.fileno()):
                pass
            attach(self.socket, program)
        self.expendable = expendable
        self.flooded = False
        """It is expendable, and has seen too much."""
        self._received_count()
        self.behind = math.inf
        """Nanoseconds since 1970: read until then, and more is waiting; infinite if all is read."""
        self._read = self._seen = 0
        self.since = time.time_ns()
        """Nanoseconds since 1970: from then on, it sees everything."""

    @property
    def dead(self) -> bool:
        """True if its namespace is gone, or another one has its name."""
        return netns.inode(self.namespace) != self._home

    def close(self) -> None:
        """Let go of the socket, and with it of the namespace."""
        self.socket.close()

    def sightings(self, until: float = math.inf, most: float = math.inf) -> Iterator[Sighting]:
        """Yield everything seen since the last call; `until` then (ns), if it comes faster than it is read.

        Not much more than `most` bytes of memory at once; `behind` tells whether that was all.
        """
        latest, size, most_read = 0, 0, self._read + _WORTH_READING
        self.behind = math.inf
        if self.expendable and self.lost():
            self._give_up()
        may_wait = not self.flooded
        while may_wait and latest < until and (received := mmsg.receive(self.socket.fileno())):
            latest, may_wait = received[-1][0], len(received) == mmsg.AT_ONCE
            self._read += len(received)
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
            size += sum(len(frame[3]) + SIGHTING_BYTES for frame in received)
            if may_wait and size >= most:
                self.behind = latest
                return
            if self.expendable and self._read > most_read:
                self._give_up()
                return

    def _give_up(self) -> None:
        self.flooded = True
        self.stop()

    def stop(self) -> None:
        """See nothing more from now on; what was seen can still be read."""
        attach(self.socket, NOTHING)

    def waiting(self) -> int:
        """Return the number of frames that were seen, and have not been read."""
        self._seen += self._received_count()
        return max(self._seen - self._read, 0)

    def _received_count(self) -> int:
        """Return the number of frames that have found room since the last call."""
        packets, dropped = struct.unpack("II", self.socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))
        return int(packets - dropped)

    def lost(self) -> int:
        """Return the number of frames that found the buffer full."""
        return drops(self.socket)

    def _name(self, index: int) -> str:
        """Return the name that an interface has now, or had last if it is gone."""
        try:
            answer = ioctl(self.socket, _SIOCGIFNAME, struct.pack("16xi20x", index))
        except OSError:
            return self._names.get(index, f"#{index}")
        if len(self._names) > _MOST_NAMES:
            self._names.clear()
        self._names[index] = name = os.fsdecode(answer[:16].partition(b"\0")[0])
        return name
