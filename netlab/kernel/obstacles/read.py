"""Every kind of obstacle of a namespace, read at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.obstacles import chains, interfaces, settings, switches
from netlab.kernel.obstacles.obstacle import Obstacle
from netlab.kernel.obstacles.site import Site

_KINDS: tuple[Callable[[Site], Iterator[Obstacle]], ...] = (
    interfaces.xdp,
    interfaces.arp_off,
    switches.ports,
    switches.bridge_netfilter,
    chains.read,
    settings.read,
)


def obstacles(namespace: str, pool: NamespacePool) -> tuple[Obstacle, ...]:
    """Read a namespace's obstacles as they are now. Raises KernelError if it is gone, and Refused."""
    netlink = pool.netlink(namespace)
    with pool.inside(namespace):
        site = Site(namespace, netlink, pool.settings)
        return tuple(obstacle for read in _KINDS for obstacle in read(site))


def grown(before: Iterable[Obstacle], after: Iterable[Obstacle]) -> tuple[Obstacle, ...]:
    """Return the obstacles whose count is higher in `after`: those that packets met meanwhile."""
    counts = {_uncounted(obstacle): obstacle.count or 0 for obstacle in before}
    return tuple(
        obstacle
        for obstacle in after
        if obstacle.count is not None and obstacle.count > counts.get(_uncounted(obstacle), 0)
    )


def _uncounted(obstacle: Obstacle) -> Obstacle:
    return replace(obstacle, count=None)
