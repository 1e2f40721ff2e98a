"""A plan's nouns, made real one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from netlab.errors import KernelError, NetlabError
from netlab.kernel import files, ipv6
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.channel import Refused
from netlab.kernel.netlink.objects import addresses, links, queues, routes
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables import nft
from netlab.kernel.process import leases, services
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import Interruption
from netlab.kernel.wait import wait_until
from netlab.plan.plan import Plan, line
from netlab.plan.resources import (
    Address,
    Advertised,
    Bridge,
    Cable,
    DhcpClient,
    EtcFile,
    Ipv6,
    Lease,
    Listening,
    Namespace,
    Observed,
    Queue,
    Resource,
    Route,
    Ruleset,
    Service,
    Sysctl,
)

_LISTENING_SECONDS = 30.0
LEASE_SECONDS = 60.0
"""Far beyond what a machine 20 times slower than usual needs; only failures wait that long."""


class Moment(StrEnum):
    """When a progress callback is called."""

    BEFORE = "before"
    AFTER = "after"


Progress = Callable[[Observed, Moment], None]
"""Told before and after each noun; an exception from it stops the work."""


def create(
    plan: Plan, run: RunDirectory, progress: Progress, interruption: Interruption
) -> tuple[Lease, ...]:
    """Create everything in order; the leases that have not come.

    On an error, what has been made stays: the caller removes it.
    """
    netns.share_names()
    missing = []
    with NamespacePool(len(plan.namespaces)) as pool:
        for resource in plan.resources:
            interruption.check()
            progress(resource, Moment.BEFORE)
            with explained("make", resource):
                there = make(resource, run, pool, interruption)
            if not there and isinstance(resource, Lease):
                missing.append(resource)
            progress(resource, Moment.AFTER)
    return tuple(missing)


@contextmanager
def explained(verb: str, resource: Observed) -> Iterator[None]:
    """Errors of a block that makes, alters or removes a noun say so. Raises KernelError."""
    try:
        yield
    except Refused as error:
        raise KernelError(
            f"the kernel refuses to {verb} `{_first_line(resource)}`: {error.strerror}"
        ) from error
    except OSError as error:
        raise KernelError(f"cannot {verb} `{_first_line(resource)}`: {error}") from error
    except NetlabError as error:
        error.add_note(f"while it was to {verb} {_first_line(resource)}")
        raise


def make(
    resource: Resource, run: RunDirectory, pool: NamespacePool, interruption: Interruption
) -> bool:
    """False: it is a lease that has not come, and its client goes on asking. Raises what is in the way
    of any other noun."""
    match resource:
        case Namespace(namespace):
            pool.create(namespace)
        case Sysctl():
            pool.set(resource)
        case EtcFile(name=name) if not netns.can_have_etc(name):
            pass
        case EtcFile(namespace, name, text):
            folder = run.etc(namespace)
            if not netns.shows_etc(namespace, folder):  # It is the first.
                files.make_folder(Path(folder))
                netns.link_etc(namespace, folder)
            files.write(f"{folder}/{name}", text)
        case Bridge():
            links.create_bridge(pool.netlink(resource.namespace), resource)
        case Cable(one, other):
            links.create_cable(
                resource,
                pool.netlink(one.namespace),
                pool.netlink(other.namespace),
                pool.descriptors,
            )
        case Queue():
            queues.put(pool.netlink(resource.namespace), resource)
        case Ipv6():
            ipv6.require()
            pool.set(*ipv6.settings(resource))
        case Address():
            addresses.create(pool.netlink(resource.namespace), resource)
        case Route():
            routes.create(pool.netlink(resource.namespace), resource)
        case Ruleset(namespace, text):
            files.write(str(run.ruleset(namespace)), nft.create(namespace, text))
        case Service():
            services.start(run, resource)
        case Listening():
            wait_until(
                lambda: services.listens(run, resource),
                _LISTENING_SECONDS,
                lambda: (
                    f"{resource.service} on {resource.namespace}"
                    f" does not open {resource.protocol}/{resource.port}"
                ),
                interruption,
            )
        case DhcpClient():
            services.start_client(run, resource)
        case Lease():
            return leases.await_lease(run, resource, LEASE_SECONDS, interruption)
        case Advertised(namespace, interface, address):
            wait_until(
                lambda: ipv6.took(pool.netlink(namespace), resource),
                LEASE_SECONDS,
                lambda: (
                    f"{namespace} did not make {address} on {interface} of a router's advertisement"
                    f" within {LEASE_SECONDS:.0f} s"
                ),
                interruption,
            )
    return True


def _first_line(resource: Observed) -> str:
    return line(resource).splitlines()[0]
