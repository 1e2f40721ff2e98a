"""Leases of DHCP clients: awaited, asked for anew, given back.

udhcpc takes SIGUSR1 for "ask again" and SIGUSR2 for "give back" (`busybox udhcpc --help`).
"""

from __future__ import annotations

import signal

from netlab.kernel import services
from netlab.kernel.patience import Interruption, await_fact
from netlab.kernel.rundir import RunDirectory
from netlab.plan.names import node
from netlab.plan.nouns import DhcpClient, Lease

_RELEASE_SECONDS = 30.0
"""Until the client has run its script; nobody answers a release."""


def await_lease(
    run: RunDirectory,
    fact: Lease,
    seconds: float,
    interruption: Interruption,
    before: tuple[int, int] | None = None,
) -> None:
    """Wait until an interface has a lease, another than the one `before` (see `_written`).

    Raises KernelError after `seconds`, Interrupted.
    """
    await_fact(
        lambda: _written(run, fact) not in (None, before),
        seconds,
        lambda: (
            f"{node(fact.namespace)} got no address on {fact.interface} within {seconds:g} s; "
            f"its DHCP client says:\n{services.client_log(run, fact)}"
        ),
        interruption,
    )


def renew(
    run: RunDirectory, client: DhcpClient, seconds: float, interruption: Interruption
) -> None:
    """Let a client ask its server again, or start it if it does not run; wait for the answer.

    Without an answer it gives its address up and asks everybody, as udhcpc does after 5 s.
    Raises KernelError after `seconds`, Interrupted.
    """
    fact = Lease(client.namespace, client.interface)
    before = _written(run, fact)
    if not services.tell_client(run, client, signal.SIGUSR1):
        services.start_client(run, client)
    await_lease(run, fact, seconds, interruption, before)


def give_back(run: RunDirectory, client: DhcpClient, interruption: Interruption) -> None:
    """Let a client send a DHCPRELEASE, and wait until its address is gone. Raises KernelError."""
    fact = Lease(client.namespace, client.interface)
    if not services.tell_client(run, client, signal.SIGUSR2):
        return
    await_fact(
        lambda: _written(run, fact) is None,
        _RELEASE_SECONDS,
        lambda: f"{node(client.namespace)} does not give its lease of {client.interface} back",
        interruption,
    )


def _written(run: RunDirectory, fact: Lease) -> tuple[int, int] | None:
    """Which file describes the lease; each answer of a server makes another. None: there is none."""
    try:
        found = run.lease(fact.namespace, fact.interface).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
