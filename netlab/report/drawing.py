"""A topology as text: boxes on buses, VMs on top, the Internet at the bottom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netlab.report.graph import Addresses, name, shown, subnet, title
from netlab.scenario.topology import HOST, LAN, Leg, Network, Role, Topology

_ORDER = (
    Role.VM,
    Role.DHCP_SERVER,
    Role.NAT_DEVICE,
    Role.HOST,
    Role.PEER,
    Role.ROUTER,
    Role.INTERNET,
)


@dataclass(frozen=True)
class _Box:
    """A machine on a bus: centred lines in a frame."""

    lines: tuple[str, ...]

    @property
    def width(self) -> int:
        return max(map(len, self.lines)) + 4

    def rows(self, height: int) -> Iterator[str]:
        inner = self.width - 2
        yield "┌" + "─" * inner + "┐"
        for line in (*self.lines, *[""] * (height - len(self.lines))):
            yield "│" + line.center(inner) + "│"
        left = (inner - 1) // 2
        yield "└" + "─" * left + "┬" + "─" * (inner - 1 - left) + "┘"


def draw(topology: Topology, addresses: Addresses, width: int = 100) -> str:
    """The whole lab; `addresses` are those that the interfaces have now (none: as planned)."""
    lans = [network for network in topology.networks.values() if network.lan and not network.mode]
    wans = [router.legs[-1].network for router in topology.routers]
    networks = [*reversed(topology.vmnets), *lans, *wans]
    return "\n\n".join(
        "\n".join(_section(topology, network, addresses, width)) for network in networks
    )


def _section(
    topology: Topology, network: Network, addresses: Addresses, width: int
) -> Iterator[str]:
    legs = sorted(
        _plugged(topology, network), key=lambda leg: _ORDER.index(topology.nodes[leg.node].role)
    )
    boxes = [_box(topology, leg, addresses) for leg in legs]
    rows = list(_wrap(boxes, width))
    for number, row in enumerate(rows):
        named = f"  {name(network)} · {subnet(network)}" if number == len(rows) - 1 else ""
        yield from _bus(row, named)
    if onward := _onward(topology, network, addresses):
        yield f"  ↳ {onward}"


def _plugged(topology: Topology, network: Network) -> list[Leg]:
    """Legs that a person expects on the bus: a bridged card of the host is on both its networks."""
    legs = list(topology.legs_on(network))
    if network.mode and network.mode.on_lan:
        host = topology.nodes[HOST]
        legs += [leg for leg in host.legs if leg.interface == network.nic]
    return legs


def _box(topology: Topology, leg: Leg, addresses: Addresses) -> _Box:
    return _Box((title(topology.nodes[leg.node]), *shown(leg, addresses)))


def _wrap(boxes: list[_Box], width: int) -> Iterator[list[_Box]]:
    row: list[_Box] = []
    for box in boxes:
        if row and sum(one.width + 1 for one in row) + box.width > width:
            yield row
            row = []
        row.append(box)
    if row:
        yield row


def _bus(row: list[_Box], named: str) -> Iterator[str]:
    height = max(len(box.lines) for box in row)
    for parts in zip(*(box.rows(height) for box in row), strict=True):
        yield " ".join(parts)
    line = ""
    for box in row:
        left = (box.width - 3) // 2 + 1
        line += "═" * left + "╧" + "═" * (box.width - left)
    yield line[:-1] + named


def _onward(topology: Topology, network: Network, addresses: Addresses) -> str:
    """Where packets go from here, in words."""
    card = topology.uplink
    seen = addresses.get((HOST, card.interface), (str(card.address or "DHCP"),))[:1]
    outside = "".join(address.partition("/")[0] for address in seen)
    if network.mode and network.mode.on_lan:
        if network.nic is None:
            return "bridged to no card: none is connected"
        lan = "the LAN" if network.lan == LAN else f"the LAN {network.lan}"
        pulled = "" if network.linked else ", which is unplugged"
        return f"bridged to {lan} by the host's {network.nic}{pulled}"
    if network.mode:
        return network.mode.onward.format(nic=network.nic, card=card.interface, outside=outside)
    for router in topology.routers:
        inside, public = router.legs
        if inside.network == network and public.address:
            return f"the router leaves as {public.address.ip}"
    return ""
