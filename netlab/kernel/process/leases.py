"""Leases of DHCP clients: awaited, asked for anew, given back.

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
_RELEASE_SECONDS = 30.0
"""Until the client has run its script; nobody answers a release."""


def await_lease(
    run: RunDirectory,
    fact: Lease | DhcpClient,
    seconds: float,
    interruption: Interruption,
    before: tuple[int, int] | None = None,
) -> bool:
    """Wait until an interface has a lease, another than the one `before` (see `_written`).

    False: its client has asked in vain, and goes on asking; it has ended; or `seconds` are over.
    Raises Interrupted.
    """

    def has_come() -> bool:
        return _written(run, fact) not in (None, before)

    def is_settled() -> bool:
        return has_come() or services.has_asked_in_vain(run, fact)

    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        # Whether it lives is asked rarely: a lab's clients need the processor meanwhile.
        patience = min(left, _LIVES_SECONDS)
        if became_true(is_settled, patience, interruption) or not services.lives(run, fact):
            break
    return has_come()


def await_another_try(
    run: RunDirectory, fact: Lease, seconds: float, interruption: Interruption
) -> bool:
    """The same for a client that has asked in vain and asks again by itself."""
    run.in_vain(fact.namespace, fact.interface).unlink(missing_ok=True)
    return await_lease(run, fact, seconds, interruption)


def renew(
    run: RunDirectory, client: DhcpClient, seconds: float, interruption: Interruption
) -> bool:
    """Let a client ask its server again, or start it if it does not run; wait as `await_lease` does.

    Without an answer it gives its address up and asks everybody, as udhcpc does after 4 s.
    """
    fact = Lease(client.namespace, client.interface)
    before = _written(run, fact)
    run.in_vain(fact.namespace, fact.interface).unlink(missing_ok=True)
    if not services.tell_client(run, client, signal.SIGUSR1):
        services.start_client(run, client)
    return await_lease(run, fact, seconds, interruption, before)


def give_back(run: RunDirectory, client: DhcpClient, interruption: Interruption) -> None:
    """Let a client send a DHCPRELEASE, and wait until its address is gone. Raises KernelError."""
    fact = Lease(client.namespace, client.interface)
    if not services.tell_client(run, client, signal.SIGUSR2):
        return
    wait_until(
        lambda: _written(run, fact) is None,
        _RELEASE_SECONDS,
        lambda: f"{node(client.namespace)} does not give its lease of {client.interface} back",
        interruption,
    )


def _written(run: RunDirectory, fact: Lease | DhcpClient) -> tuple[int, int] | None:
    """Which file describes the lease; each answer of a server makes another. None: there is none."""
    try:
        found = run.lease(fact.namespace, fact.interface).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
