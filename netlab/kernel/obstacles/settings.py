"""Settings of the kernel that make a machine silent or deaf."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.site import Site

_RATEMASK = 1 << 3 | 1 << 4 | 1 << 11 | 1 << 12
"""The ICMP types whose messages the kernel limits: unreachable, source quench, time exceeded, parameter
problem (ip-sysctl.rst)."""
_HOPS = 64
_FRAGMENTS = 4 << 20
_MESSAGES = 1000
"""The lowest of the limits per second that kernels have had as their own."""


class _Setting(NamedTuple):
    """A setting, and which of its values end packets."""

    version: int | None
    hook: str
    ends: Callable[[int], bool]
    rejects: bool = False


def _on(value: int) -> bool:
    return value != 0


_SETTINGS = {
    "net.ipv4.icmp_echo_ignore_all": _Setting(4, "input", _on),
    "net.ipv6.icmp.echo_ignore_all": _Setting(6, "input", _on),
    "net.ipv6.icmp.echo_ignore_multicast": _Setting(6, "input", _on),
    "net.ipv6.icmp.echo_ignore_anycast": _Setting(6, "input", _on),
    "net.ipv4.icmp_ratelimit": _Setting(4, "output", lambda value: value > 1000),
    "net.ipv6.icmp.ratelimit": _Setting(6, "output", lambda value: value > 1000),
    "net.ipv4.icmp_ratemask": _Setting(4, "output", lambda value: bool(value & ~_RATEMASK)),
    "net.ipv4.icmp_msgs_per_sec": _Setting(4, "output", lambda value: value < _MESSAGES),
    "net.ipv4.tcp_abort_on_overflow": _Setting(None, "input", _on, rejects=True),
    "net.ipv4.ip_default_ttl": _Setting(4, "output", lambda value: value < _HOPS),
    "net.ipv4.ipfrag_high_thresh": _Setting(4, "", lambda value: value < _FRAGMENTS),
    "net.ipv6.ip6frag_high_thresh": _Setting(6, "", lambda value: value < _FRAGMENTS),
}
_OF_INTERFACES = {
    "net.ipv4.conf.{}.arp_ignore": _Setting(4, "input", _on),
    "net.ipv4.conf.{}.arp_filter": _Setting(4, "input", _on),
    "net.ipv6.conf.{}.hop_limit": _Setting(6, "output", lambda value: value < _HOPS),
}
_OF_ONE_INTERFACE = {
    "net.ipv4.neigh.{}.mcast_solicit": _Setting(4, "output", lambda value: value == 0),
    "net.ipv6.neigh.{}.mcast_solicit": _Setting(6, "output", lambda value: value == 0),
}


def read(site: Site) -> Iterator[Obstacle]:
    """Yield the settings whose values end packets; those of an interface also by `all`."""
    keys = {key: ("", setting) for key, setting in _SETTINGS.items()}
    names = [link.name for link in site.links if link.name != "lo"]
    for key, setting in _OF_INTERFACES.items():
        keys |= {key.format(name): (name, setting) for name in names}
        keys[key.format("all")] = ("", setting)
    for key, setting in _OF_ONE_INTERFACE.items():
        keys |= {key.format(name): (name, setting) for name in names}
    for key, value in site.values(*keys).items():
        interface, setting = keys[key]
        if setting.ends(int(value)):
            yield Obstacle(
                ObstacleKind.SYSCTL,
                f"{key} = {value}",
                interface,
                setting.hook,
                setting.version,
                rejects=setting.rejects,
            )
