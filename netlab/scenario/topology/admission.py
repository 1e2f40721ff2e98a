"""Who is let into a LAN, and who gets an address from DHCP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address

from netlab.frozen import frozen
from netlab.scenario.model import FurtherLan
from netlab.scenario.topology.names import WIFI
from netlab.scenario.topology.parts import Adapter, Denial, Network, Node, Role

_ORDER = (Role.HOST, Role.PEER, Role.VM)
"""In which they come to a LAN."""


@frozen
class Devices:
    """What a LAN sees of machines' adapters."""

    stations: dict[str, list[Adapter]]
    """By segment: those that are plugged in, in the order in which they come."""
    air: dict[str, str]
    """The host's Wi-Fi cards, and the MAC address of each: that of all who are bridged to it."""

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> Devices:
        """Those of all machines."""
        known = sorted(
            (node for node in nodes if node.role in _ORDER), key=lambda n: _ORDER.index(n.role)
        )
        connected = (adapter for node in known for adapter in node.adapters if adapter.connected)
        cards = (adapter for node in known if node.role is Role.HOST for adapter in node.adapters)
        wireless = (
            adapter
            for adapter in cards
            if adapter.network.lan and adapter.interface.startswith(WIFI)
        )
        return cls(by_segment(connected), {card.interface: card.mac for card in wireless})

    def mac(self, adapter: Adapter) -> str:
        """The MAC address that a LAN sees of an adapter."""
        return self.air.get(adapter.network.nic or "", adapter.mac)

    def admitted(self, name: str, lan: FurtherLan) -> tuple[str, ...]:
        """The MAC addresses that a LAN lets in."""
        macs = dict.fromkeys(self.mac(adapter) for adapter in self.stations.get(name, ()))
        return tuple(macs)[: lan.admits]


def by_segment(adapters: Iterable[Adapter]) -> dict[str, list[Adapter]]:
    """Adapters that hear each other, in the order in which they are given."""
    found: dict[str, list[Adapter]] = {}
    for adapter in adapters:
        found.setdefault(adapter.network.segment, []).append(adapter)
    return found


def without_lease(
    network: Network, lan: FurtherLan, devices: Devices, admitted: Collection[str]
) -> Iterator[tuple[Adapter, Denial]]:
    """Adapters that ask the LAN's DHCP in vain."""
    stations = devices.stations.get(network.name, [])
    asking = [adapter for adapter in stations if adapter.by_dhcp]
    yield from (
        (adapter, Denial.NOT_ADMITTED) for adapter in asking if devices.mac(adapter) not in admitted
    )
    if lan.dhcp and not network.guest_dhcp:
        left = _room(network.pool, {adapter.address.ip for adapter in stations if adapter.address})
        served = [adapter for adapter in asking if devices.mac(adapter) in admitted]
        yield from ((adapter, Denial.POOL_EMPTY) for adapter in served[left:])


def left_over(network: Network, adapters: Sequence[Adapter]) -> Iterator[tuple[Adapter, Denial]]:
    """Adapters for which a vmnet's DHCP server has no address left, of those that it hears.

    Where a VM serves too, who gets what nobody knows.
    """
    is_lans = network.mode is None or network.mode.on_lan
    if is_lans or network.guest_dhcp or not network.leases:
        return
    reserved = network.dhcp.reservations if network.dhcp else {}
    fixed = {adapter.address.ip for adapter in adapters if adapter.address} | set(reserved.values())
    asking = [
        adapter
        for adapter in adapters
        if adapter.by_dhcp and adapter.node not in reserved and adapter.mac not in reserved
    ]
    macs = list(dict.fromkeys(adapter.mac for adapter in asking))
    refused = set(macs[_room(network.pool, fixed) :])
    yield from ((adapter, Denial.POOL_EMPTY) for adapter in asking if adapter.mac in refused)


def _room(pool: tuple[IPv4Address, IPv4Address], fixed: set[IPv4Address]) -> int:
    """How many addresses of a pool are left beside those that are somebody's already."""
    first, last = pool
    taken = sum(first <= address <= last for address in fixed)
    return max(int(last) - int(first) + 1 - taken, 0)
