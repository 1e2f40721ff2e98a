"""The sockets of one namespace: they send probes and see what leaves and what arrives.

Opened inside the namespace and used from outside: a socket stays where it was
made. No process runs in the namespace.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections import deque
from collections.abc import Iterator

from netlab.kernel.buffers import enlarge
from netlab.kernel.namespaces import netns
from netlab.packets import mmsg

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
STEP = struct.Struct("HBBI")
"""struct sock_filter: code, jump if true, jump if false, operand."""
_SO_TIMESTAMPING = 37
_ON_ITS_WAY = 1 << 1 | 1 << 4  # SOF_TIMESTAMPING_TX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE
NOTHING = STEP.pack(0x06, 0, 0, 0)
"""Classic BPF that takes no packet."""
_NO_MACS = bytes(12)
"""How a frame on `lo` begins."""


class IcmpSocket:
    """`icmp` sends, and sees what the stack delivers: ICMP's messages, or with `is_ipv6` ICMPv6's.

    The kernel tells a socket of each packet of its own that it has handed to a card: it does so for who
    wants to know when (SO_TIMESTAMPING), and again where a switch hands it on. A packet socket, which
    sees what leaves as well, would also have to look at each ARP question that a switch gives to all
    its ports.
    """

    def __init__(self, namespace: str, is_ipv6: bool = False, program: bytes = b"") -> None:
        """`program`: a filter of what is delivered."""
        self.is_ipv6 = is_ipv6
        self.namespace = namespace
        with netns.inside(namespace):
            self.icmp = _raw_icmp(is_ipv6)
        if program:
            attach(self.icmp, program)
        self._bound: dict[str, socket.socket] = {}

    def close(self) -> None:
        """Let go of the sockets, and with them of the namespace."""
        for one in (self.icmp, *self._bound.values()):
            one.close()

    def sender(self, source: str | None) -> socket.socket:
        """The socket that sends from an address, or from one of the kernel's choice. Raises OSError."""
        if source is None:
            return self.icmp
        if source not in self._bound:
            with netns.inside(self.namespace):
                bound = _raw_icmp(self.is_ipv6)
            attach(bound, NOTHING)  # What comes in is `icmp`'s.
            try:
                bound.bind((source, 0))
            except OSError:
                bound.close()
                raise
            self._bound[source] = bound
        return self._bound[source]

    def delivered(self) -> Iterator[tuple[bytes, str]]:
        """What has reached the ICMP layer since the last call, and from which address.

        IP packets; with `is_ipv6`, ICMPv6 messages without the IP header.
        """
        for data, sender in mmsg.receive_messages(self.icmp.fileno()):
            if self.is_ipv6:
                yield data, socket.inet_ntop(socket.AF_INET6, sender[8:24])
            else:
                yield data, socket.inet_ntoa(sender[4:8])

    def departures(self) -> Iterator[bytes]:
        """Frames that have left since the last call."""
        for one in self._bound.values():  # What came in before its filter was there.
            deque(mmsg.receive_messages(one.fileno()), maxlen=0)
        for one in (self.icmp, *self._bound.values()):
            for data, _ in mmsg.receive_messages(one.fileno(), errors=True):
                if data[: len(_NO_MACS)] != _NO_MACS:
                    yield data

    def lost(self) -> int:
        """Packets that were delivered and found the buffer full."""
        return drops(self.icmp)

    def room(self) -> int:
        """How many small packets find room in a buffer."""
        buffer = self.icmp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        return max(buffer // _SMALL_PACKET_BYTES, 1)


def address(to: str) -> bytes:
    """An IP address as a raw socket is told where to send (struct sockaddr)."""
    if ":" in to:
        return _ADDRESS_OF_SIX.pack(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, to))
    return _ADDRESS.pack(socket.AF_INET, socket.inet_aton(to))


def _raw_icmp(is_ipv6: bool) -> socket.socket:
    family, protocol = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6)
        if is_ipv6
        else (socket.AF_INET, socket.IPPROTO_ICMP)
    )
    one = listening(socket.socket(family, socket.SOCK_RAW, protocol))
    one.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _ON_ITS_WAY)
    return one


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
