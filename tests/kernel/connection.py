"""A TCP connection that whatever is done to a lab meanwhile must leave alone."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from netlab.kernel.namespaces import netns
from tests.pace import HANG_SECONDS


@contextmanager
def unbroken_connection(client: str, server: str, address: str) -> Iterator[None]:
    """Keep a connection between two namespaces busy; fail unless all its bytes arrive in order.

    address: one of the server's.
    """
    with netns.inside(server):
        listener = socket.create_server((address, 0))
    with netns.inside(client):
        near = socket.create_connection(listener.getsockname(), timeout=HANG_SECONDS)
    far, _ = listener.accept()
    far.settimeout(HANG_SECONDS)
    stop = threading.Event()
    sent, received = bytearray(), bytearray()

    def send() -> None:
        sent.extend(data := os.urandom(64))
        near.sendall(data)

    def keep_sending() -> None:
        send()
        while not stop.wait(0.002):
            send()
        send()  # However short the block was: also after it.

    def receive() -> None:
        while data := far.recv(1 << 16):
            received.extend(data)

    threads = [threading.Thread(target=keep_sending), threading.Thread(target=receive)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        threads[0].join()
        near.shutdown(socket.SHUT_WR)
        threads[1].join()
        for end in (near, far, listener):
            end.close()
    assert received == sent
