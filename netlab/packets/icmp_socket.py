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
"""Protocol of a packet socket that sees what leaves, too: no other one does."""
_BUFFER_BYTES = 32 << 20
_SO_ATTACH_FILTER = 26
_SO_MEMINFO = 55
_MEMINFO = "9I"
_MEMINFO_DROPS = 8
_SMALL_PACKET_BYTES = 1280
"""Memory that a small packet takes up in a buffer, the kernel's own bookkeeping included."""
_IPV4_ADDRESS = struct.Struct("=H2x4s8x")
"""struct sockaddr_in: family, address."""
_IPV6_ADDRESS = struct.Struct("=H6x16s4x")
STEP = struct.Struct("HBBI")
"""struct sock_filter: code, jump if true, jump if false, operand."""
_SO_TIMESTAMPING = 37
_ON_ITS_WAY = 1 << 1 | 1 << 4  # SOF_TIMESTAMPING_TX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE
NOTHING = STEP.pack(0x06, 0, 0, 0)
"""Classic BPF that takes no packet."""
_NO_MACS = bytes(12)
"""First bytes of a frame on `lo`."""


class IcmpSocket:
    """A raw socket, `icmp`, that sends and sees what the stack delivers: ICMP, or with `is_ipv6` ICMPv6.

    The kernel reports to a socket each packet of its own that it has handed to a driver
    (SO_TIMESTAMPING), and again where a switch forwards it. A packet socket, which sees what leaves as
    well, would also have to look at each ARP request that a switch gives to all its ports.
    """

    def __init__(self, namespace: str, is_ipv6: bool = False, program: bytes = b"") -> None:
        """Open the socket. `program`: a filter of what is delivered."""
        self.is_ipv6 = is_ipv6
        self.namespace = namespace
        with netns.inside(namespace):
            self.icmp = _raw_icmp(is_ipv6)
        if program:
            attach(self.icmp, program)
        self._bound: dict[str, socket.socket] = {}

    def close(self) -> None:
        """Let go of the sockets, and with them of the namespace."""
        for sock in (self.icmp, *self._bound.values()):
            sock.close()

    def sender(self, source: str | None) -> socket.socket:
        """Return the socket that sends from an address, or one of the kernel's choice. Raises OSError."""
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
        """Yield what has reached the ICMP layer since the last call, with the sender's address.

        IP packets; with `is_ipv6`, ICMPv6 messages without the IP header.
        """
        for data, sender in mmsg.receive_messages(self.icmp.fileno()):
            if self.is_ipv6:
                yield data, socket.inet_ntop(socket.AF_INET6, sender[8:24])
            else:
                yield data, socket.inet_ntoa(sender[4:8])

    def departures(self) -> Iterator[bytes]:
        """Yield the frames that have left since the last call."""
        for sock in self._bound.values():  # What came in before its filter was there.
            deque(mmsg.receive_messages(sock.fileno()), maxlen=0)
        for sock in (self.icmp, *self._bound.values()):
            for data, _ in mmsg.receive_messages(sock.fileno(), errors=True):
                if data[: len(_NO_MACS)] != _NO_MACS:
                    yield data

    def lost(self) -> int:
        """Return the number of packets that were delivered and found the buffer full."""
        return drops(self.icmp)

    def capacity(self) -> int:
        """Return how many small packets find room in a buffer."""
        buffer = self.icmp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        return max(buffer // _SMALL_PACKET_BYTES, 1)


def sockaddr(address: str) -> bytes:
    """Return an IP address as a raw socket takes it as destination (struct sockaddr)."""
    if ":" in address:
        return _IPV6_ADDRESS.pack(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address))
    return _IPV4_ADDRESS.pack(socket.AF_INET, socket.inet_aton(address))


def _raw_icmp(is_ipv6: bool) -> socket.socket:
    family, protocol = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6)
        if is_ipv6
        else (socket.AF_INET, socket.IPPROTO_ICMP)
    )
    sock = configure(socket.socket(family, socket.SOCK_RAW, protocol))
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _ON_ITS_WAY)
    return sock


def attach(sock: socket.socket, program: bytes) -> None:
    """Let a filter in the kernel decide what the socket receives. `program`: steps of classic BPF."""
    keep = ctypes.create_string_buffer(program)
    descriptor = struct.pack("HP", len(program) // STEP.size, ctypes.addressof(keep))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, descriptor)


def configure(sock: socket.socket) -> socket.socket:
    """Make a socket non-blocking, and enlarge its receive buffer."""
    sock.setblocking(False)
    enlarge(sock, _BUFFER_BYTES)
    return sock


def drops(sock: socket.socket) -> int:
    """Return how many packets have found the socket's buffer full."""
    information = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, struct.calcsize(_MEMINFO))
    return int(struct.unpack(_MEMINFO, information)[_MEMINFO_DROPS])
