"""How much a socket holds until it is read."""

from __future__ import annotations

import socket

_SO_RCVBUFFORCE = 33


def enlarge(one: socket.socket, size: int) -> None:
    """Make room for a burst of `size` bytes. What does not fit is lost, and the socket tells of it."""
    try:
        one.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:  # In a user namespace: as much as net.core.rmem_max allows.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
