"""The kernel's own routing decisions: where it would send a packet, or a packet that came in."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink, Refused
from netlab.kernel.netlink.objects import routes, rules
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.rows import IPAddress

UNCERTAIN = errno.ENODATA
"""A `RouteResult.error` of netlab's own: rules of the machine (`ip rule`) look at more than a lookup says."""


@frozen
class RouteLookup:
    """A packet, as far as routing looks at it."""

    target: IPAddress
    source: IPAddress | None = None
    """None: the machine's own packet, and it has not chosen an address yet."""
    came_in: str | None = None
    """The interface; None for the machine's own packets."""


@frozen
class RouteResult:
    """The kernel's routing decision. With `error`, nothing else counts."""

    kind: str = ""
    """unicast: pass it on; local: it is for this machine; broadcast, …"""
    interface: str = ""
    gateway: IPAddress | None = None
    """None: the target itself is the next hop."""
    source: IPAddress | None = None
    """The address that the machine takes for packets of its own."""
    error: int = 0
    """errno: ENETUNREACH no route; EHOSTUNREACH no router, or a route that says unreachable; EACCES one
    that says prohibit; EINVAL one that says blackhole. A source that the interface does not admit:
    EXDEV (before Linux 6.14) or EINVAL."""


class RouteLookups:
    """The routing decisions of machines, each asked for once; `names` are those of their interfaces."""

    def __init__(self, pool: NamespacePool, names: Callable[[str], Mapping[int, str]]) -> None:
        self._pool = pool
        self._names = names
        self._results: dict[tuple[str, RouteLookup], RouteResult] = {}
        self._plain: dict[str, frozenset[int]] = {}
        """By namespace, the versions of IP whose rules look at nothing but what a lookup says."""

    def ask(self, namespace: str, question: RouteLookup) -> RouteResult:
        """Return a machine's decision about a packet. Raises KernelError."""
        key = namespace, question
        if key not in self._results:
            self._results[key] = self._ask(namespace, question)
        return self._results[key]

    def _ask(self, namespace: str, question: RouteLookup) -> RouteResult:
        netlink, names = self._pool.netlink(namespace), self._names(namespace)
        if namespace not in self._plain:
            self._plain[namespace] = _plain_versions(netlink)
        if question.target.version not in self._plain[namespace]:
            return RouteResult(error=UNCERTAIN)
        if question.came_in is not None and question.came_in not in names.values():
            return RouteResult(error=errno.ENODEV)
        return ask(netlink, names, question)


def _plain_versions(netlink: Netlink) -> frozenset[int]:
    """Return the versions of IP whose rules (`ip rule`) look at nothing but what a lookup says."""
    return frozenset({4, 6} - {rule.key.version for rule in rules.read(netlink) if not rule.plain})


def ask(netlink: Netlink, names: Mapping[int, str], question: RouteLookup) -> RouteResult:
    """Return the routing decision by the rules and tables of the socket's namespace."""
    indexes = {name: index for index, name in names.items()}
    came_in = indexes[question.came_in] if question.came_in else None
    try:
        route = routes.ask(netlink, question.target, question.source, came_in)
    except Refused as refusal:
        return RouteResult(error=refusal.errno or 0)
    hop = route.hops[0] if route.hops else routes.NOWHERE
    return RouteResult(route.kind, names.get(hop.index, ""), hop.gateway, route.source)
