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

ETH_P_ALL = 0x0003
"""Only a socket for all protocols sees what leaves."""
_BUFFER_BYTES = 32 << 20
_SO_ATTACH_FILTER = 26
_SO_MEMINFO = 55
_MEMINFO = "9I"
_MEMINFO_DROPS = 8
_SMALL_PACKET_BYTES = 1280
"""What one takes up in a buffer, the kernel's own bookkeeping included."""
STEP = struct.Struct("HBBI")
"""struct sock_filter: code, jump if true, jump if false, operand."""
_DEPARTING_ICMP = (
    # Classic BPF, as `tcpdump -dd 'outbound and icmp'` prints it.
    (0x28, 0, 0, 0xFFFFF004),  # the packet's type (SKF_AD_PKTTYPE)
    (0x15, 0, 5, 4),  # outgoing?
    (0x28, 0, 0, 12),  # the frame's protocol
    (0x15, 0, 3, 0x0800),  # IPv4?
    (0x30, 0, 0, 23),  # the packet's protocol
    (0x15, 0, 1, 1),  # ICMP?
    (0x06, 0, 0, 0x40000),  # take it whole
    (0x06, 0, 0, 0),  # leave it
)


_DEPARTING_ICMPV6 = (
    # `tcpdump -dd 'outbound and icmp6'`, without extension headers.
    (0x28, 0, 0, 0xFFFFF004),
    (0x15, 0, 5, 4),
    (0x28, 0, 0, 12),
    (0x15, 0, 3, 0x86DD),  # IPv6?
    (0x30, 0, 0, 20),  # the next header
    (0x15, 0, 1, 58),  # ICMPv6?
    (0x06, 0, 0, 0x40000),
    (0x06, 0, 0, 0),
)


class Ear:
    """`icmp` sends and sees what the stack delivers; `wire` sees departing frames, of ICMP only.

    With `six`, both are ICMPv6's.
    """

    def __init__(self, namespace: str, six: bool = False) -> None:
        self.six = six
        with netns.inside(namespace):
            self.icmp, self.wire = _raw_icmp(six), _departing_icmp(six)
        self._bound: dict[str, socket.socket] = {}
        self._namespace = namespace

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

    def delivered(self) -> Iterator[tuple[bytes, str]]:
        """What has reached the ICMP layer since the last call, and from which address.

        IP packets; with `six`, ICMPv6 messages without the IP header.
        """
        while (received := _receive(self.icmp)) is not None:
            yield received[0], received[1][0]

    def departures(self) -> Iterator[bytes]:
        """Frames that have left since the last call."""
        while (received := _receive(self.wire)) is not None:
            data, address = received
            if address[0] != "lo":
                yield data

    def lost(self) -> int:
        """Packets that found the buffers full."""
        return sum(drops(one) for one in (self.icmp, self.wire))

    def room(self) -> int:
        """How many small packets find room in a buffer."""
        buffer = self.icmp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        return max(buffer // _SMALL_PACKET_BYTES, 1)

    def _sender(self, source: str | None) -> socket.socket:
        if source is None:
            return self.icmp
        if source not in self._bound:
            with netns.inside(self._namespace):
                bound = _raw_icmp(self.six)
            try:
                bound.bind((source, 0))
            except OSError:
                bound.close()
                raise
            self._bound[source] = bound
        return self._bound[source]


def _raw_icmp(six: bool) -> socket.socket:
    family, protocol = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    )
    return listening(socket.socket(family, socket.SOCK_RAW, protocol))


def _departing_icmp(six: bool) -> socket.socket:
    """A filter in the kernel keeps other traffic of the lab from filling the buffer."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    steps = _DEPARTING_ICMPV6 if six else _DEPARTING_ICMP
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


def _receive(one: socket.socket) -> tuple[bytes, tuple[str, int, int]] | None:
    try:
        return one.recvfrom(2048)
    except BlockingIOError:
        return None


def drops(one: socket.socket) -> int:
    information = one.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, struct.calcsize(_MEMINFO))
    return int(struct.unpack(_MEMINFO, information)[_MEMINFO_DROPS])
