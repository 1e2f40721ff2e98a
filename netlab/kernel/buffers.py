"""The size of a socket's receive buffer."""

from __future__ import annotations

import socket

_SO_RCVBUFFORCE = 33


def enlarge(sock: socket.socket, size: int) -> None:
    """Make room for a burst of `size` bytes. More than that is lost, and the socket tells of it."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:  # In a user namespace: as much as net.core.rmem_max allows.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
