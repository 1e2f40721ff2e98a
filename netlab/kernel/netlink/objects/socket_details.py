"""Listening sockets' settings that /proc/net does not show (sock_diag(7))."""

from __future__ import annotations

from collections.abc import Iterator
from socket import AF_INET6, IPPROTO_TCP

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import FAMILIES, Reader, encode
from netlab.kernel.netlink.missing import (
    INET_DIAG_SKMEMINFO,
    SOCK_DIAG_BY_FAMILY,
    socket_msg,
    socket_question,
)

_MESSAGE = Reader(
    socket_msg,
    ("family", "interface", "receive_queue", "send_queue", "inode"),
    ("INET_DIAG_SKMEMINFO", "INET_DIAG_SKV6ONLY"),
)
_MEMORY = Reader(socket_msg.memory, ("received", "receive_limit"))
_LISTEN, _CLOSE = 1 << 10, 1 << 7
"""Bits of the states (net/tcp_states.h) in which a socket of TCP, or of another protocol, waits."""


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


def read(netlink: Netlink, protocol: int, version: int) -> Iterator[SocketDetails]:
    """Read the waiting sockets of a protocol, by its number, and a version of IP.

    Raises Refused, also where the kernel is built without it.
    """
    is_tcp = protocol == IPPROTO_TCP
    question = {
        "family": FAMILIES[version],
        "protocol": protocol,
        "extensions": 1 << INET_DIAG_SKMEMINFO - 1,
        "states": _LISTEN if is_tcp else _CLOSE,
        "id": bytes(48),
    }
    for message in netlink.dump(encode(socket_question, question), SOCK_DIAG_BY_FAMILY):
        family, interface, waiting, most, inode = _MESSAGE.fields(message)
        attributes = _MESSAGE.attributes(message)
        # Of a listening socket, the queues are the connections that wait, and how many may.
        full = waiting > most
        if not is_tcp:
            received, limit = _MEMORY.fields(attributes["INET_DIAG_SKMEMINFO"])
            full = received + _LEAST_BYTES > limit
        only_ipv6 = family == AF_INET6 and bool(attributes.get("INET_DIAG_SKV6ONLY"))
        yield SocketDetails(inode, interface, only_ipv6, full)
