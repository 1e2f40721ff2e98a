"""The sockets of one namespace: they send probes and see what leaves and what arrives.

Opened inside the namespace and used from outside: a socket stays where it was
made. No process runs in the namespace.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from netlab.kernel import netns

_ETH_P_ALL = 0x0003
"""Only a socket for all protocols sees what leaves."""
_PACKET_OUTGOING = 4
_BUFFER_BYTES = 4 << 20
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = "9I"
_MEMINFO_DROPS = 8


class Ear:
    """`icmp` sends and sees what the stack delivers; `wire` sees frames on all interfaces."""

    def __init__(self, namespace: str) -> None:
        with netns.inside(namespace):
            self.icmp = _raw_icmp()
            self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._bound: dict[str, socket.socket] = {}
        self._namespace = namespace
        for one in (self.icmp, self.wire):
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)

    def close(self) -> None:
        """Let go of the sockets, and with them of the namespace."""
        for one in (self.icmp, self.wire, *self._bound.values()):
            one.close()

    def send(self, message: bytes, to: str, source: str | None) -> int | None:
        """Send one ICMP message, from the address `source` if given; returns errno, or None."""
        try:
            self._sender(source).sendto(message, (to, 0))
        except OSError as error:
            return error.errno or -1
        return None

    def delivered(self) -> Iterator[bytes]:
        """IP packets that have reached the ICMP layer since the last call."""
        while (received := _receive(self.icmp)) is not None:
            yield received[0]

    def departures(self) -> Iterator[bytes]:
        """Frames that have left since the last call."""
        while (received := _receive(self.wire)) is not None:
            data, address = received
            if address[2] == _PACKET_OUTGOING and address[0] != "lo":
                yield data

    def lost(self) -> int:
        """Packets that found the buffers full."""
        return sum(_drops(one) for one in (self.icmp, self.wire))

    def _sender(self, source: str | None) -> socket.socket:
        if source is None:
            return self.icmp
        if source not in self._bound:
            with netns.inside(self._namespace):
                self._bound[source] = _raw_icmp()
            self._bound[source].bind((source, 0))
        return self._bound[source]


def _raw_icmp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _receive(one: socket.socket) -> tuple[bytes, tuple[str, int, int]] | None:
    try:
        return one.recvfrom(2048)
    except BlockingIOError:
        return None


def _drops(one: socket.socket) -> int:
    information = one.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, struct.calcsize(_MEMINFO))
    return int(struct.unpack(_MEMINFO, information)[_MEMINFO_DROPS])
