"""A socket that sees every frame in a namespace, on all interfaces, with the kernel's time."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from netlab.kernel import netns
from netlab.probe.ear import ETH_P_ALL, drops, listening

_SO_TIMESTAMPNS = 35
_TIMESPEC = "qq"
_OUTGOING = 4  # PACKET_OUTGOING
_OTHERHOST = 3  # PACKET_OTHERHOST


@dataclass(frozen=True)
class Sighting:
    """One frame on one interface."""

    at: int
    """Nanoseconds, by the kernel's clock, which all namespaces share."""
    namespace: str
    interface: str
    outgoing: bool
    foreign: bool
    """Received, but addressed to another MAC: a machine drops it, a switch carries it on."""
    data: bytes
    """The frame, from its Ethernet header on."""


class Tap:
    """Opened inside the namespace, read from outside; no process runs in the namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        with netns.inside(namespace):
            self._names = dict(socket.if_nameindex())
            self.socket = listening(
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            )
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def close(self) -> None:
        """Let go of the socket, and with it of the namespace."""
        self.socket.close()

    def sightings(self) -> Iterator[Sighting]:
        """Everything seen since the last call."""
        while True:
            try:
                data, ancillary, _, address = self.socket.recvmsg(1 << 16, 128)
            except BlockingIOError:
                return
            name, _, kind = address[:3]
            if name != "lo":
                yield Sighting(
                    _time(ancillary),
                    self.namespace,
                    name,
                    kind == _OUTGOING,
                    kind == _OTHERHOST,
                    data,
                )

    def lost(self) -> int:
        """Frames that found the buffer full."""
        return drops(self.socket)


def _time(ancillary: list[tuple[int, int, bytes]]) -> int:
    """SO_TIMESTAMPNS, in nanoseconds."""
    (stamp,) = (
        data
        for level, kind, data in ancillary
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS)
    )
    seconds, nanoseconds = struct.unpack(_TIMESPEC, stamp)
    return int(seconds * 1_000_000_000 + nanoseconds)
