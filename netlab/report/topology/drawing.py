"""A topology as text: boxes on buses, VMs on top, the Internet at the bottom."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from netlab.frozen import frozen
from netlab.messages import translator
from netlab.node_interface import NodeInterface
from netlab.report.topology.graph import ShownAddresses, name, shown, subnet, title
from netlab.scenario.topology import HOST, LAN, Adapter, Network, Role, Topology

_ORDER = (
    Role.VM,
    Role.DHCP_SERVER,
    Role.NAT_DEVICE,
    Role.HOST,
    Role.PEER,
    Role.ROUTER,
    Role.INTERNET,
)


@frozen
class _Box:
    """A machine on a bus: centred lines in a frame."""

    lines: tuple[str, ...]

    @property
    def width(self) -> int:
        return max(map(cell_len, self.lines)) + 4

    def rows(self, height: int) -> Iterator[str]:
        inner = self.width - 2
        yield "┌" + "─" * inner + "┐"
        for line in (*self.lines, *[""] * (height - len(self.lines))):
            # Chinese characters take two columns, which `center` does not know.
            yield "│" + line.center(inner - cell_len(line) + len(line)) + "│"
        left = (inner - 1) // 2
        yield "└" + "─" * left + "┬" + "─" * (inner - 1 - left) + "┘"


def draw(
    topology: Topology, addresses: ShownAddresses, width: int = 100, language: str = "en"
) -> str:
    """Return the whole lab; `addresses` are those that the interfaces have now (none: as planned)."""
    lans = [network for network in topology.networks.values() if network.lan and not network.mode]
    wans = [router.adapters[-1].network for router in topology.routers]
    networks = [*reversed(topology.vmnets), *lans, *wans]
    return "\n\n".join(
        "\n".join(_section(topology, network, addresses, width, language)) for network in networks
    )


def _section(
    topology: Topology, network: Network, addresses: ShownAddresses, width: int, language: str
) -> Iterator[str]:
    adapters = sorted(
        _plugged(topology, network),
        key=lambda adapter: _ORDER.index(topology.nodes[adapter.node].role),
    )
    boxes = [_box(topology, adapter, addresses, language) for adapter in adapters]
    rows = list(_wrap(boxes, width))
    bar = ""
    for row in rows:
        *boxes_above, bar = _bus(row)
        yield from boxes_above
        if row is not rows[-1]:
            yield bar
    # A name that does not fit behind the bar stands below it.
    named = f"{name(network, language)} · {subnet(network, language)}"
    if bar and cell_len(bar) + 2 + cell_len(named) <= width:
        yield f"{bar}  {named}"
    else:
        yield from [bar] * bool(bar)
        yield from _broken(named, " · ", width)
    if onward := _onward(topology, network, addresses, language):
        yield from _broken(f"↳ {onward}", " ", width)


def _broken(text: str, separator: str, width: int) -> Iterator[str]:
    """Yield a text in as many lines as it needs, broken at separators only."""
    line = ""
    for part in text.split(separator):
        longer = f"{line}{separator}{part}" if line else part
        if line and cell_len(longer) + 2 > width:
            yield f"  {line}"
            longer = part
        line = longer
    yield f"  {line}"


def _plugged(topology: Topology, network: Network) -> list[Adapter]:
    """Return the adapters that people expect on the bus: a bridged card of the host is on both networks."""
    adapters = list(topology.adapters_on(network))
    if network.mode and network.mode.on_lan:
        host = topology.nodes[HOST]
        adapters += [adapter for adapter in host.adapters if adapter.interface == network.nic]
    return adapters


def _box(topology: Topology, adapter: Adapter, addresses: ShownAddresses, language: str) -> _Box:
    named = title(topology.nodes[adapter.node], language)
    return _Box((named, *shown(adapter, addresses, language)))


def _wrap(boxes: list[_Box], width: int) -> Iterator[list[_Box]]:
    row: list[_Box] = []
    for box in boxes:
        if row and sum(placed.width + 1 for placed in row) + box.width > width:
            yield row
            row = []
        row.append(box)
    if row:
        yield row


def _bus(row: list[_Box]) -> Iterator[str]:
    height = max(len(box.lines) for box in row)
    for parts in zip(*(box.rows(height) for box in row), strict=True):
        yield " ".join(parts)
    line = ""
    for box in row:
        left = (box.width - 3) // 2 + 1
        line += "═" * left + "╧" + "═" * (box.width - left)
    yield line[:-1]


def _onward(topology: Topology, network: Network, addresses: ShownAddresses, language: str) -> str:
    """Return where packets go from here, in words."""
    gettext = translator(language)
    card = topology.uplink
    outside = _present(card, addresses)
    if network.mode and network.mode.on_lan:
        if network.nic is None:
            return gettext("bridged to no card: none is connected")
        lan = gettext("the LAN") + ("" if network.lan == LAN else f" {network.lan}")
        pulled = "" if network.linked else gettext(", which is unplugged")
        bridged = gettext("bridged to {lan} by the host's {nic}{pulled}")
        return bridged.format(lan=lan, nic=network.nic, pulled=pulled)
    if exit_ := next(_exits(topology, network), None):
        text = gettext("{machine} leaves by {nic}, as {outside}")
        own = _present(exit_, addresses)
        return text.format(machine=exit_.node, nic=exit_.interface, outside=own)
    if network.mode:
        onward = gettext(network.mode.onward)
        return onward.format(nic=network.nic, card=card.interface, outside=outside)
    for router in topology.routers:
        inside, public = router.adapters
        if inside.network == network and public.address:
            return gettext("the router leaves as {outside}").format(outside=public.address.ip)
    return ""


def _exits(topology: Topology, network: Network) -> Iterator[Adapter]:
    """Yield the outer adapters of VMs with NAT behind which a network is."""
    for node in topology.nodes.values():
        if node.outer and any(adapter.network == network for adapter in node.inner):
            yield node.outer


def _present(adapter: Adapter, addresses: ShownAddresses) -> str:
    """Return the first address that an adapter has now, or by the scenario; DHCP if that is not known."""
    planned = (str(adapter.address or "DHCP"),)
    present = addresses.get(NodeInterface(adapter.node, adapter.holder), planned)[:1]
    return "".join(address.partition("/")[0] for address in present)
