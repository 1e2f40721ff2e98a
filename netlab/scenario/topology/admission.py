"""Admission to a LAN, and to addresses from DHCP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address

from netlab.frozen import frozen
from netlab.scenario.model import FurtherLan
from netlab.scenario.names import WIFI, card_kind
from netlab.scenario.topology.parts import Adapter, Denial, Network, Node, Role

_ORDER = (Role.HOST, Role.PEER, Role.VM)
"""The order in which machines come to a LAN."""


@frozen
class Devices:
    """The adapters of machines as a LAN sees them."""

    plugged: dict[str, list[Adapter]]
    """Adapters that are plugged in, by segment, in the order in which they come."""
    wifi_cards: dict[str, str]
    """MAC addresses of the host's Wi-Fi cards, by card: all that is bridged to one has its address."""

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> Devices:
        """Return the devices of all machines."""
        machines = sorted(
            (node for node in nodes if node.role in _ORDER),
            key=lambda node: _ORDER.index(node.role),
        )
        connected = (adapter for node in machines for adapter in node.adapters if adapter.connected)
        host = (node for node in machines if node.role is Role.HOST)
        wireless = (
            adapter
            for node in host
            for adapter in node.adapters
            if adapter.network.lan and card_kind(adapter.interface) == WIFI
        )
        return cls(by_segment(connected), {card.interface: card.mac for card in wireless})

    def mac(self, adapter: Adapter) -> str:
        """Return the MAC address that a LAN sees of an adapter."""
        return self.wifi_cards.get(adapter.network.nic or "", adapter.mac)

    def admitted(self, name: str, lan: FurtherLan) -> tuple[str, ...]:
        """Return the MAC addresses that a LAN lets in."""
        macs = dict.fromkeys(self.mac(adapter) for adapter in self.plugged.get(name, ()))
        return tuple(macs)[: lan.admits]


def by_segment(adapters: Iterable[Adapter]) -> dict[str, list[Adapter]]:
    """Group adapters that hear each other, in the order in which they are given."""
    segments: dict[str, list[Adapter]] = {}
    for adapter in adapters:
        segments.setdefault(adapter.network.segment, []).append(adapter)
    return segments


def without_lease(
    network: Network, lan: FurtherLan, devices: Devices, admitted: Collection[str]
) -> Iterator[tuple[Adapter, Denial]]:
    """Yield adapters that ask the LAN's DHCP in vain."""
    plugged = devices.plugged.get(network.name, [])
    asking = [adapter for adapter in plugged if adapter.by_dhcp]
    yield from (
        (adapter, Denial.NOT_ADMITTED) for adapter in asking if devices.mac(adapter) not in admitted
    )
    if network.serves and not network.guest_dhcp:
        served = [adapter for adapter in asking if devices.mac(adapter) in admitted]
        yield from _without_address(network, plugged, served)


def left_over(network: Network, adapters: Sequence[Adapter]) -> Iterator[tuple[Adapter, Denial]]:
    """Yield adapters for which a vmnet's DHCP server has no address left, of those that it hears.

    None where a VM serves too: which server answers first is not known.
    """
    of_lan = network.mode is None or network.mode.on_lan
    if of_lan or network.guest_dhcp or not network.leases:
        return
    yield from _without_address(
        network, adapters, [adapter for adapter in adapters if adapter.by_dhcp]
    )


def _without_address(
    network: Network, heard: Iterable[Adapter], asking: Iterable[Adapter]
) -> Iterator[tuple[Adapter, Denial]]:
    """Yield adapters for which a server that hears all of these has no address left."""
    reserved = network.dhcp.reservations if network.dhcp else {}
    fixed = {adapter.address.ip for adapter in heard if adapter.address} | set(reserved.values())
    unreserved = [
        adapter
        for adapter in asking
        if adapter.node not in reserved and adapter.mac not in reserved
    ]
    clients = list(dict.fromkeys(adapter.client for adapter in unreserved))
    refused = set(clients[_free_addresses(network.pool, fixed) :])
    yield from ((adapter, Denial.POOL_EMPTY) for adapter in unreserved if adapter.client in refused)


def _free_addresses(pool: tuple[IPv4Address, IPv4Address], fixed: set[IPv4Address]) -> int:
    """Return how many addresses of a pool are left beside those that are taken."""
    first, last = pool
    taken = sum(first <= address <= last for address in fixed)
    return max(int(last) - int(first) + 1 - taken, 0)
