"""Bindings of sockets that wait, besides an address and a port: /proc/net does not tell them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import product

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink, Refused
from netlab.kernel.netlink.codec import Reader, packing
from netlab.kernel.netlink.missing import (
    NETLINK_SOCK_DIAG,
    SOCK_DIAG_BY_FAMILY,
    TCP_CLOSE,
    TCP_LISTEN,
    inet_diag_msg,
    inet_diag_req,
)

_REQUEST = packing(inet_diag_req.fields)
_MESSAGE = Reader(inet_diag_msg, ("family", "interface", "inode"), ("INET_DIAG_SKV6ONLY",))
_WAITING = {socket.IPPROTO_TCP: TCP_LISTEN, socket.IPPROTO_UDP: TCP_CLOSE}
"""By protocol, the state of a socket that waits for packets."""


@frozen
class Binding:
    """A socket's interface, and whether it is IPv6's alone."""

    inode: int
    index: int
    """Number of the interface; 0: any."""
    only_ipv6: bool


def read() -> list[Binding]:
    """Read the bindings of the present namespace's TCP and UDP sockets that wait.

    None where the kernel has no module that tells (tcp_diag, udp_diag).
    """
    with closing(Netlink(NETLINK_SOCK_DIAG)) as netlink:
        return list(_bindings(netlink))


def _bindings(netlink: Netlink) -> Iterator[Binding]:
    families = (socket.AF_INET, socket.AF_INET6)
    for family, (protocol, state) in product(families, _WAITING.items()):
        ends = bytes(4), bytes(32), 0, bytes(8)
        request = _REQUEST.pack(family, protocol, 0, 0, 1 << state, *ends)
        with suppress(Refused):
            for message in netlink.dump(request, SOCK_DIAG_BY_FAMILY):
                _, index, inode = _MESSAGE.fields(message)
                only_ipv6 = _MESSAGE.attributes(message).get("INET_DIAG_SKV6ONLY", 0)
                yield Binding(inode, index, bool(only_ipv6))
