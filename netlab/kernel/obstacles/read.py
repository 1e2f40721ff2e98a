"""Every kind of obstacle of a namespace, read at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.obstacles import (
    chains,
    connections,
    interfaces,
    legacy_rules,
    policies,
    settings,
    switches,
    traffic,
)
from netlab.kernel.obstacles.obstacle import Obstacle
from netlab.kernel.obstacles.site import Site

_KINDS: tuple[Callable[[Site], Iterator[Obstacle]], ...] = (
    legacy_rules.read,
    traffic.read,
    policies.read,
    interfaces.xdp,
    interfaces.arp_off,
    switches.ports,
    switches.bridge_netfilter,
    chains.read,
    settings.read,
    connections.read,
)


def obstacles(namespace: str, pool: NamespacePool) -> tuple[Obstacle, ...]:
    """Read a namespace's obstacles as they are now. Raises KernelError if it is gone, and Refused."""
    netlink = pool.netlink(namespace)
    with pool.inside(namespace):
        site = Site(namespace, netlink, pool.settings)
        return tuple(obstacle for read in _KINDS for obstacle in read(site))


def grown(before: Iterable[Obstacle], after: Iterable[Obstacle]) -> tuple[Obstacle, ...]:
    """Return the obstacles whose count is higher in `after`: those that packets met meanwhile."""
    counts = defaultdict[Obstacle, list[int]](list)
    for obstacle in before:
        counts[_uncounted(obstacle)].append(obstacle.count or 0)
    return tuple(
        obstacle for obstacle in after if (obstacle.count or 0) > _count_before(obstacle, counts)
    )


def _count_before(obstacle: Obstacle, counts: dict[Obstacle, list[int]]) -> int:
    """Take an obstacle's count out of the earlier ones: of equal rules, each has its own."""
    equal = counts[_uncounted(obstacle)]
    return equal.pop(0) if equal else 0


def _uncounted(obstacle: Obstacle) -> Obstacle:
    return replace(obstacle, count=None)
