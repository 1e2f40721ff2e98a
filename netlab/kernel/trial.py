"""Kernel features, tried out in a nameless namespace that ends when the attempt does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from netlab.errors import KernelError
from netlab.kernel import netns, syscalls


@contextmanager
def _nameless() -> Iterator[None]:
    with netns.stay_home():
        syscalls.unshare(syscalls.CLONE_NEWNET)
        yield


def namespace() -> None:
    """Make a network namespace."""
    with _nameless():
        pass


def veth() -> None:
    """Make a cable."""
    from netlab.kernel.links import try_kind

    with _nameless():
        try_kind("veth")


def bridge() -> None:
    """Make a switch."""
    from netlab.kernel.links import try_kind

    with _nameless():
        try_kind("bridge")


def masquerade() -> None:
    """Load the kinds of rules that NAT needs."""
    import nftables

    rules = """
    table ip trial {
        chain forward { type filter hook forward priority filter; ct state established accept; }
        chain input { type nat hook input priority 100; snat to ip daddr; }
        chain out { type nat hook postrouting priority srcnat; oifname "x" masquerade; }
    }"""
    with _nameless():
        status, _, errors = nftables.Nftables().cmd(rules.replace("; }", "\n }"))
    if status != 0:
        raise KernelError(errors.strip().splitlines()[0])


def packet_socket() -> None:
    """Open the socket that sees frames."""
    with _nameless():
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)).close()
