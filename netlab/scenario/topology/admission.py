"""Who is let into a LAN, and who gets an address from DHCP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address

from netlab.frozen import frozen
from netlab.scenario.model import FurtherLan
from netlab.scenario.topology.names import WIFI
from netlab.scenario.topology.parts import Denial, Leg, Network, Node, Role

_ORDER = (Role.HOST, Role.PEER, Role.VM)
"""In which they come to a LAN."""


@frozen
class Devices:
    """What a LAN sees of machines' adapters."""

    stations: dict[str, list[Leg]]
    """By segment: those that are plugged in, in the order in which they come."""
    air: dict[str, str]
    """The host's Wi-Fi cards, and the MAC address of each: that of all who are bridged to it."""

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> Devices:
        """Those of all machines."""
        known = sorted(
            (node for node in nodes if node.role in _ORDER), key=lambda n: _ORDER.index(n.role)
        )
        connected = (leg for node in known for leg in node.legs if leg.connected)
        cards = (leg for node in known if node.role is Role.HOST for leg in node.legs)
        wireless = (leg for leg in cards if leg.network.lan and leg.interface.startswith(WIFI))
        return cls(by_segment(connected), {card.interface: card.mac for card in wireless})

    def mac(self, leg: Leg) -> str:
        """The MAC address that a LAN sees of an adapter."""
        return self.air.get(leg.network.nic or "", leg.mac)

    def admitted(self, name: str, lan: FurtherLan) -> tuple[str, ...]:
        """The MAC addresses that a LAN lets in."""
        macs = dict.fromkeys(self.mac(leg) for leg in self.stations.get(name, ()))
        return tuple(macs)[: lan.admits]


def by_segment(legs: Iterable[Leg]) -> dict[str, list[Leg]]:
    """Adapters that hear each other, in the order in which they are given."""
    found: dict[str, list[Leg]] = {}
    for leg in legs:
        found.setdefault(leg.network.segment, []).append(leg)
    return found


def without_lease(
    network: Network, lan: FurtherLan, devices: Devices, admitted: Collection[str]
) -> Iterator[tuple[Leg, Denial]]:
    """Adapters that ask the LAN's DHCP in vain."""
    stations = devices.stations.get(network.name, [])
    asking = [leg for leg in stations if leg.by_dhcp]
    yield from ((leg, Denial.NOT_ADMITTED) for leg in asking if devices.mac(leg) not in admitted)
    if lan.dhcp and not network.guest_dhcp:
        left = _room(network.pool, {leg.address.ip for leg in stations if leg.address})
        served = [leg for leg in asking if devices.mac(leg) in admitted]
        yield from ((leg, Denial.POOL_EMPTY) for leg in served[left:])


def left_over(network: Network, legs: Sequence[Leg]) -> Iterator[tuple[Leg, Denial]]:
    """Adapters for which a vmnet's DHCP server has no address left, of those that it hears.

    Where a VM serves too, who gets what nobody knows.
    """
    is_lans = network.mode is None or network.mode.on_lan
    if is_lans or network.guest_dhcp or not network.leases:
        return
    reserved = network.dhcp.reservations if network.dhcp else {}
    fixed = {leg.address.ip for leg in legs if leg.address} | set(reserved.values())
    asking = [
        leg for leg in legs if leg.by_dhcp and leg.node not in reserved and leg.mac not in reserved
    ]
    macs = list(dict.fromkeys(leg.mac for leg in asking))
    refused = set(macs[_room(network.pool, fixed) :])
    yield from ((leg, Denial.POOL_EMPTY) for leg in asking if leg.mac in refused)


def _room(pool: tuple[IPv4Address, IPv4Address], fixed: set[IPv4Address]) -> int:
    """How many addresses of a pool are left beside those that are somebody's already."""
    first, last = pool
    taken = sum(first <= address <= last for address in fixed)
    return max(int(last) - int(first) + 1 - taken, 0)
