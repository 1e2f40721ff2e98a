"""The sockets of one namespace: they send probes and see what leaves and what arrives.

Opened inside the namespace and used from outside: a socket stays where it was
made. No process runs in the namespace.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator

from netlab.kernel import netns
from netlab.kernel.buffers import enlarge
from netlab.probe import batch

ETH_P_ALL = 0x0003
"""Only a socket for all protocols sees what leaves."""
_BUFFER_BYTES = 32 << 20
_SO_ATTACH_FILTER = 26
_SO_MEMINFO = 55
_MEMINFO = "9I"
_MEMINFO_DROPS = 8
_SMALL_PACKET_BYTES = 1280
"""What one takes up in a buffer, the kernel's own bookkeeping included."""
_ADDRESS = struct.Struct("=H2x4s8x")
"""struct sockaddr_in: family, address."""
_ADDRESS_OF_SIX = struct.Struct("=H6x16s4x")
_INTERFACE = struct.Struct("=4xi")
"""Of struct sockaddr_ll."""
STEP = struct.Struct("HBBI")
"""struct sock_filter: code, jump if true, jump if false, operand."""
_DEPARTING_REQUESTS = (
    # Classic BPF, as `tcpdump -dd 'outbound and icmp[0] == 8'` prints it.
    (0x28, 0, 0, 0xFFFFF004),  # the packet's type (SKF_AD_PKTTYPE)
    (0x15, 0, 8, 4),  # outgoing?
    (0x28, 0, 0, 12),  # the frame's protocol
    (0x15, 0, 6, 0x0800),  # IPv4?
    (0x30, 0, 0, 23),  # the packet's protocol
    (0x15, 0, 4, 1),  # ICMP?
    (0xB1, 0, 0, 14),  # the IP header's length
    (0x50, 0, 0, 14),  # behind it, the message's type
    (0x15, 0, 1, 8),  # a request?
    (0x06, 0, 0, 0x40000),  # take it whole
    (0x06, 0, 0, 0),  # leave it
)
_DEPARTING_REQUESTS_OF_SIX = (
    # `tcpdump -dd 'outbound and ip6[40] == 128'`, without extension headers.
    (0x28, 0, 0, 0xFFFFF004),
    (0x15, 0, 7, 4),
    (0x28, 0, 0, 12),
    (0x15, 0, 5, 0x86DD),  # IPv6?
    (0x30, 0, 0, 20),  # the next header
    (0x15, 0, 3, 58),  # ICMPv6?
    (0x30, 0, 0, 54),  # its type
    (0x15, 0, 1, 128),
    (0x06, 0, 0, 0x40000),
    (0x06, 0, 0, 0),
)


class Ear:
    """`icmp` sends and sees what the stack delivers; `wire` sees echo requests that leave, if it is wanted.

    With `six`, both are ICMPv6's.
    """

    def __init__(self, namespace: str, six: bool = False, wired: bool = True) -> None:
        self.six = six
        self.namespace = namespace
        self.wire: socket.socket | None = None
        with netns.inside(namespace):
            self.icmp = _raw_icmp(six)
            if wired:
                self.wire = _departing_requests(six)
                self._loopback = socket.if_nametoindex("lo")
        self._bound: dict[str, socket.socket] = {}

    def close(self) -> None:
        """Let go of the sockets, and with them of the namespace."""
        for one in (*self._own(), *self._bound.values()):
            one.close()

    def sender(self, source: str | None) -> socket.socket:
        """The socket that sends from an address, or from one of the kernel's choice. Raises OSError."""
        if source is None:
            return self.icmp
        if source not in self._bound:
            with netns.inside(self.namespace):
                bound = _raw_icmp(self.six)
            try:
                bound.bind((source, 0))
            except OSError:
                bound.close()
                raise
            self._bound[source] = bound
        return self._bound[source]

    def delivered(self) -> Iterator[tuple[bytes, str]]:
        """What has reached the ICMP layer since the last call, and from which address.

        IP packets; with `six`, ICMPv6 messages without the IP header.
        """
        for data, sender in batch.receive_messages(self.icmp.fileno()):
            if self.six:
                yield data, socket.inet_ntop(socket.AF_INET6, sender[8:24])
            else:
                yield data, socket.inet_ntoa(sender[4:8])

    def departures(self) -> Iterator[bytes]:
        """Frames that have left since the last call."""
        if self.wire:
            for data, place in batch.receive_messages(self.wire.fileno()):
                if _INTERFACE.unpack_from(place)[0] != self._loopback:
                    yield data

    def lost(self) -> int:
        """Packets that found the buffers full."""
        return sum(map(drops, self._own()))

    def room(self) -> int:
        """How many small packets find room in a buffer."""
        buffer = self.icmp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        return max(buffer // _SMALL_PACKET_BYTES, 1)

    def _own(self) -> tuple[socket.socket, ...]:
        return (self.icmp, self.wire) if self.wire else (self.icmp,)


def address(to: str) -> bytes:
    """An IP address as a raw socket is told where to send (struct sockaddr)."""
    if ":" in to:
        return _ADDRESS_OF_SIX.pack(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, to))
    return _ADDRESS.pack(socket.AF_INET, socket.inet_aton(to))


def _raw_icmp(six: bool) -> socket.socket:
    family, protocol = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    )
    return listening(socket.socket(family, socket.SOCK_RAW, protocol))


def _departing_requests(six: bool) -> socket.socket:
    """A filter in the kernel keeps other traffic of the lab from filling the buffer."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    steps = _DEPARTING_REQUESTS_OF_SIX if six else _DEPARTING_REQUESTS
    attach(one, b"".join(STEP.pack(*step) for step in steps))
    return listening(one)


def attach(one: socket.socket, program: bytes) -> None:
    """Let a filter in the kernel decide what the socket receives. `program`: steps of classic BPF."""
    keep = ctypes.create_string_buffer(program)
    descriptor = struct.pack("HP", len(program) // STEP.size, ctypes.addressof(keep))
    one.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, descriptor)


def listening(one: socket.socket) -> socket.socket:
    one.setblocking(False)
    enlarge(one, _BUFFER_BYTES)
    return one


def drops(one: socket.socket) -> int:
    information = one.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, struct.calcsize(_MEMINFO))
    return int(struct.unpack(_MEMINFO, information)[_MEMINFO_DROPS])
