"""The namespace that is searched for obstacles, with what several kinds of them are read from."""

from __future__ import annotations

from functools import cached_property

from netlab.kernel.namespaces.sysctl import Settings
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.objects import hooks, link_details
from netlab.kernel.netlink.objects.hooks import HookedChain
from netlab.kernel.netlink.objects.link_details import LinkDetails
from netlab.kernel.obstacles import iptables
from netlab.kernel.obstacles.iptables import LegacyTables


class Site:
    """A namespace, seen from inside: the thread is in it. Each table is asked for at its first use."""

    def __init__(self, namespace: str, netlink: Netlink, settings: Settings) -> None:
        self.namespace = namespace
        self.netlink = netlink
        self._settings = settings

    @cached_property
    def links(self) -> tuple[LinkDetails, ...]:
        """Every interface. Raises Refused."""
        return tuple(link_details.read(self.netlink))

    @cached_property
    def chains(self) -> tuple[HookedChain, ...]:
        """The base chains of nftables that are on and do anything. Raises Refused."""
        return tuple(hooks.base_chains())

    @cached_property
    def legacy(self) -> tuple[LegacyTables, ...]:
        """The legacy tables of iptables and its sisters."""
        return tuple(iptables.read(with_frames=self.has_switch))

    @property
    def has_switch(self) -> bool:
        """True if there is a bridge."""
        return any(link.kind == "bridge" for link in self.links)

    def values(self, *keys: str) -> dict[str, str]:
        """Read those of these settings that the kernel has."""
        return self._settings.values(self.namespace, keys)
