"""Leases of DHCP clients: awaited, renewed, released.

udhcpc takes SIGUSR1 for "ask again" and SIGUSR2 for "give back" (`busybox udhcpc --help`).
"""

from __future__ import annotations

import signal
import time

from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import Interruption
from netlab.kernel.wait import became_true, wait_until
from netlab.plan.names import node
from netlab.plan.resources import DhcpClient, Lease

_LIVES_SECONDS = 1.0
"""How often a client is asked for signs of life."""
_RELEASE_SECONDS = 30.0
"""Time for the client to run its script; nobody answers a release."""


def await_lease(
    run: RunDirectory,
    fact: Lease | DhcpClient,
    seconds: float,
    interruption: Interruption,
    before: tuple[int, int] | None = None,
) -> bool:
    """Wait until an interface has a lease, another than the one `before` (see `_version`).

    Return False if its client has asked in vain, and goes on asking; if it has ended; or after `seconds`.
    Raises Interrupted.
    """

    def has_come() -> bool:
        return _version(run, fact) not in (None, before)

    def is_settled() -> bool:
        return has_come() or services.has_asked_in_vain(run, fact)

    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0:
        # Signs of life are looked for rarely: a lab's clients need the processor meanwhile.
        pause = min(remaining, _LIVES_SECONDS)
        if became_true(is_settled, pause, interruption) or not services.lives(run, fact):
            break
    return has_come()


def await_another_try(
    run: RunDirectory, fact: Lease, seconds: float, interruption: Interruption
) -> bool:
    """Wait as `await_lease` does, for a client that has asked in vain and asks again by itself."""
    run.in_vain(fact.namespace, fact.interface).unlink(missing_ok=True)
    return await_lease(run, fact, seconds, interruption)


def renew(
    run: RunDirectory, client: DhcpClient, seconds: float, interruption: Interruption
) -> bool:
    """Let a client ask its server again, or start it if it does not run; wait as `await_lease` does.

    Without a reply, it gives its address up and asks everybody, as udhcpc does after 4 s.
    """
    fact = Lease(client.namespace, client.interface)
    before = _version(run, fact)
    run.in_vain(fact.namespace, fact.interface).unlink(missing_ok=True)
    if not services.signal_client(run, client, signal.SIGUSR1):
        services.start_client(run, client)
    return await_lease(run, fact, seconds, interruption, before)


def give_back(run: RunDirectory, client: DhcpClient, interruption: Interruption) -> None:
    """Let a client send a DHCPRELEASE, and wait until its address is gone. Raises KernelError."""
    fact = Lease(client.namespace, client.interface)
    if not services.signal_client(run, client, signal.SIGUSR2):
        return
    wait_until(
        lambda: _version(run, fact) is None,
        _RELEASE_SECONDS,
        lambda: f"{node(client.namespace)} does not give its lease of {client.interface} back",
        interruption,
    )


def _version(run: RunDirectory, fact: Lease | DhcpClient) -> tuple[int, int] | None:
    """Identify the file that describes the lease: each reply of a server makes another. None without one."""
    try:
        status = run.lease(fact.namespace, fact.interface).stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
