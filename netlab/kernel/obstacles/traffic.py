"""Traffic control: filters at interfaces, and queueing disciplines that drop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netlab.kernel.netlink.objects import queues, traffic_control
from netlab.kernel.netlink.objects.traffic_control import Filter, QueueState
from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site

_HARMLESS = ("clsact", "ingress", "noqueue", "mq")
_PROTOCOLS = {0x0003: "all", 0x0800: "ip", 0x0806: "arp", 0x86DD: "ipv6"}
_VERSIONS = {0x0800: 4, 0x86DD: 6}
"""EtherTypes (linux/if_ether.h)."""


def read(site: Site) -> Iterator[Obstacle]:
    """Yield filters that can drop, and queueing disciplines that neither the kernel nor a plan made."""
    names = {link.index: link.name for link in site.links}
    for queue in traffic_control.read_queues(site.netlink):
        if queue.handle:  # The kernel's own have none.
            interface = names.get(queue.index, f"if{queue.index}")
            yield from _filters(site, queue, interface)
            if queue.kind not in _HARMLESS and not queues.is_planned(queue.kind, queue.options):
                yield Obstacle(
                    ObstacleKind.TC,
                    f"tc {interface}: {queue}",
                    interface,
                    "egress",
                    count=queue.drops,
                )


def _filters(site: Site, queue: QueueState, interface: str) -> Iterator[Obstacle]:
    """Yield the filters of a queueing discipline that can drop.

    The kernel counts what the filters of clsact and ingress drop together: it is the count of a lone one, and
    of the discipline where there are several.
    """
    obstacles = [
        _filter(entry, interface, hook)
        for hook, parent in queue.filter_parents.items()
        for entry in traffic_control.read_filters(site.netlink, queue.index, parent)
        if entry.can_drop
    ]
    if queue.holds_filters_only and len(obstacles) == 1:
        yield replace(obstacles[0], count=queue.drops)
        return
    yield from obstacles
    if queue.holds_filters_only and obstacles:
        yield Obstacle(ObstacleKind.TC, f"tc {interface}: {queue}", interface, count=queue.drops)


def _filter(entry: Filter, interface: str, hook: str) -> Obstacle:
    protocol = _PROTOCOLS.get(entry.protocol, f"0x{entry.protocol:04x}")
    words = [f"filter protocol {protocol} pref {entry.preference} {entry.kind}", entry.program]
    words += [f"action {action}" for action in entry.actions]
    return Obstacle(
        ObstacleKind.TC,
        f"tc {interface} {hook}: {' '.join(filter(None, words))}",
        interface,
        hook,
        _VERSIONS.get(entry.protocol),
        entry.packets,
    )
