"""Settings and queues of sockets that wait (sock_diag(7)): /proc/net does not tell them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import product

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink, Refused
from netlab.kernel.netlink.codec import Reader, packing
from netlab.kernel.netlink.missing import (
    INET_DIAG_SKMEMINFO,
    NETLINK_SOCK_DIAG,
    SOCK_DIAG_BY_FAMILY,
    TCP_CLOSE,
    TCP_LISTEN,
    inet_diag_msg,
    inet_diag_req,
)

_REQUEST = packing(inet_diag_req.fields)
_MESSAGE = Reader(
    inet_diag_msg,
    ("interface", "rqueue", "wqueue", "inode"),
    ("INET_DIAG_SKMEMINFO", "INET_DIAG_SKV6ONLY"),
)
_MEMORY = Reader(inet_diag_msg.memory, ("received", "receive_limit"))
_WAITING = {socket.IPPROTO_TCP: TCP_LISTEN, socket.IPPROTO_UDP: TCP_CLOSE}
"""By protocol, the state of a socket that waits for packets."""
_LEAST_BYTES = 768
"""What the kernel counts for the smallest datagram (skb->truesize)."""


@frozen
class SocketDetails:
    """Settings of a socket that waits."""

    inode: int
    interface: int
    """The number of the only interface whose packets it takes; 0: of every one."""
    only_ipv6: bool
    full: bool
    """Its queue has no room: of connections that the program is to accept, or of datagrams."""


def read() -> list[SocketDetails]:
    """Read the details of the present namespace's TCP and UDP sockets that wait.

    None where the kernel has no module that tells (tcp_diag, udp_diag).
    """
    with closing(Netlink(NETLINK_SOCK_DIAG)) as netlink:
        return list(_details(netlink))


def _details(netlink: Netlink) -> Iterator[SocketDetails]:
    families = (socket.AF_INET, socket.AF_INET6)
    memory = 1 << INET_DIAG_SKMEMINFO - 1
    for family, (protocol, state) in product(families, _WAITING.items()):
        ends = bytes(4), bytes(32), 0, bytes(8)
        request = _REQUEST.pack(family, protocol, memory, 0, 1 << state, *ends)
        with suppress(Refused):
            for message in netlink.dump(request, SOCK_DIAG_BY_FAMILY):
                index, waiting, most, inode = _MESSAGE.fields(message)
                attributes = _MESSAGE.attributes(message)
                # Of a listening socket, the queues are the connections that wait, and how many may.
                full = waiting > most
                if protocol == socket.IPPROTO_UDP:
                    received, limit = _MEMORY.fields(attributes["INET_DIAG_SKMEMINFO"])
                    full = received + _LEAST_BYTES > limit
                only_ipv6 = bool(attributes.get("INET_DIAG_SKV6ONLY", 0))
                yield SocketDetails(inode, index, only_ipv6, full)
