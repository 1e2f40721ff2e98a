"""A graph in, positions out: boxes that do not overlap, and wires that go around them.

From top to bottom, as people draw it: the VMs in rows above the bar that is
their vmnet's switch; below the bar what VMware hangs on it; the host, wide
enough that its adapters are below their vmnets; the LAN with its machines and
its router; the Internet. A wire leaves a VM downward, or by its right side
into the gap between two columns if another VM is below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from netlab.frozen import frozen
from netlab.report.topology import shapes
from netlab.report.topology.graph import Graph, Wire
from netlab.report.topology.shapes import LANE, LINE, PADDING, Box, Label, text_width
from netlab.scenario.topology import Network, Node, Role

_MARGIN = 24
_GAP = 18
"""Distance of two boxes in a row."""
_GROUP_GAP = 36
_WIRE = 28
"""Length of a wire that only goes down."""
_WIDE = 1280
"""VMs go into more rows before a picture gets wider than this, unless `_FLAT` forbids."""
_FLAT = 3
"""Rows do not get higher than the picture's width divided by this."""

_HANGING = (Role.NAT_DEVICE, Role.HOST, Role.DHCP_SERVER)
"""Roles of machines below a vmnet's bar, from left to right, after its cable to another switch."""

Point = tuple[int, int]


@frozen
class WireLine:
    """The way of a wire: it starts at the box of `wire.a`, and every part is horizontal or vertical."""

    wire: Wire
    points: tuple[Point, ...]
    labels: tuple[Label, ...] = ()


@frozen
class Layout:
    """Positions of everything."""

    graph: Graph
    width: int
    height: int
    computer: Box
    """The frame around all that is inside the one real computer."""
    boxes: tuple[Box, ...]
    lines: tuple[WireLine, ...]


def arrange(graph: Graph) -> Layout:
    """Lay a graph out, with as few rows of VMs as fit into a usual width."""
    most = max([1, *(len(_homed(graph, net, Role.VM)) for net in _vmnets(graph))])
    return _Drawing(graph, min(range(1, most + 1), key=lambda rows: _cost(graph, rows))).layout()


# Parts of a network, before anything has a position.


def _vmnets(graph: Graph) -> list[Network]:
    """Return VMware's switches: first those that share a card of the host, since their cables pass it."""
    switches = {net.name for net in graph.switches}
    vmnets = [net for net in graph.switches if not net.outside]
    return sorted(
        vmnets,
        key=lambda net: all(
            wire.beyond(net.name) not in switches for wire in graph.wires_at(net.name)
        ),
    )


def _homed(graph: Graph, network: Network, *roles: Role) -> list[Node]:
    """Return the machines that are drawn at `network`: their first cable ends there."""
    nodes = graph.topology.nodes.values()
    return [node for node in nodes if node.role in roles and _home(graph, node) == network.name]


def _home(graph: Graph, node: Node) -> str:
    return graph.wires_at(node.name)[0].beyond(node.name)


def _cost(graph: Graph, rows: int) -> tuple[int, int]:
    groups = [_Group.of(graph, vmnet, rows) for vmnet in _vmnets(graph)]
    width = sum(group.width + _GROUP_GAP for group in groups)
    height = max([0, *(group.grid.height for group in groups)])
    return max(width, _WIDE, height * _FLAT), rows


@frozen
class _Grid:
    """Machines in rows on one side of a bar, from (0, 0); wires end at the side of the bar."""

    boxes: tuple[Box, ...]
    stubs: dict[Wire, tuple[Point, ...]]
    width: int
    height: int

    @staticmethod
    def of(graph: Graph, nodes: Sequence[Node], rows: int, bar_below: bool) -> _Grid:
        if not nodes:
            return _Grid((), {}, 0, 0)
        columns = ceil(len(nodes) / rows)
        plain = [shapes.machine(graph, node) for node in nodes]
        tops = [0]
        for start in range(0, len(plain), columns):
            tops.append(tops[-1] + _GAP + max(box.height for box in plain[start : start + columns]))
        height = tops[-1] - _GAP
        boxes: list[Box] = []
        stubs: dict[Wire, tuple[Point, ...]] = {}
        x = right = 0
        for first in range(columns):
            width = max(box.width for box in plain[first::columns])
            column = [
                shapes.widened(box, width).moved(x, top)
                for box, top in zip(plain[first::columns], tops, strict=False)
            ]
            boxes += column
            ways = _stubs(graph, column, height if bar_below else 0)
            stubs |= ways
            right = max([x + width, *(points[-1][0] for points in ways.values())])
            x = max(x + width + _GAP, right + LANE)
        return _Grid(tuple(boxes), stubs, right, height)


def _stubs(graph: Graph, column: Sequence[Box], bar: int) -> dict[Wire, tuple[Point, ...]]:
    """Return the wires of a column's machines to the height of the bar, past the machines between."""
    below = bar > column[0].y
    nearest = column[-1 if below else 0]
    stubs: dict[Wire, tuple[Point, ...]] = {}
    sideways: list[tuple[int, Wire]] = []
    for box in column:
        exits = shapes.exits(graph, graph.topology.nodes[box.place], box)
        if len(exits) == 1 and box is nearest:
            edge = box.bottom if below else box.y
            stubs[next(iter(exits))] = ((box.middle, edge), (box.middle, bar))
        else:
            sideways += [(y, wire) for wire, y in exits.items()]
    # The one that is farthest from the bar goes around all others.
    sideways.sort(key=lambda leaving: leaving[0], reverse=below)
    for lane, (y, wire) in enumerate(sideways, 1):
        x = nearest.right + lane * LANE
        stubs[wire] = ((nearest.right, y), (x, y), (x, bar))
    return stubs


@frozen
class _Group:
    """A vmnet: its VMs, and all that is plugged in from below, from left to right."""

    network: Network
    grid: _Grid
    hanging: tuple[tuple[Wire, int], ...]
    """Wires, and the width that each needs below the bar."""
    guests: int
    """Adapters of VMs that are drawn elsewhere."""
    named: int
    """Width of the text in its switch."""

    @staticmethod
    def of(graph: Graph, network: Network, rows: int) -> _Group:
        wires = graph.wires_at(network.name)
        ranks = {wire: _rank(graph, wire.beyond(network.name)) for wire in wires}
        ranked = {wire: rank for wire, rank in ranks.items() if rank is not None}
        below = sorted(ranked, key=ranked.__getitem__)
        grid = _Grid.of(graph, _homed(graph, network, Role.VM), rows, bar_below=True)
        guests = len(set(wires) - set(below) - grid.stubs.keys())
        slots = tuple(_slots(graph, network, below))
        return _Group(network, grid, slots, guests, shapes.switch_width(graph, network))

    @property
    def hanging_width(self) -> int:
        return sum(width + _GAP for _, width in self.hanging) - _GAP

    @property
    def width(self) -> int:
        content = max(self.grid.width, self.hanging_width, self.named) + 2 * PADDING
        return content + self.guests * LANE


def _rank(graph: Graph, name: str) -> int | None:
    """Return the order from left to right below a vmnet's bar: cables to other switches, then machines."""
    node = graph.topology.nodes.get(name)
    if node is None:
        return 0
    return 1 + _HANGING.index(node.role) if node.role in _HANGING else None


def _slots(graph: Graph, network: Network, wires: Sequence[Wire]) -> Iterator[tuple[Wire, int]]:
    """Yield the width that each wire needs below the bar; service machines there are equally wide."""
    nodes = {wire: graph.topology.nodes.get(wire.beyond(network.name)) for wire in wires}
    services = {
        wire: shapes.machine(graph, node).width
        for wire, node in nodes.items()
        if node and node.role is not Role.HOST
    }
    for wire, node in nodes.items():
        if wire in services:
            yield wire, max(services.values())
        else:
            yield wire, shapes.port_width(graph, wire, node) if node else 2 * LANE


class _Drawing:
    """The positions found so far; each step goes on below them."""

    def __init__(self, graph: Graph, rows: int) -> None:
        self.graph = graph
        self.groups = [_Group.of(graph, vmnet, rows) for vmnet in _vmnets(graph)]
        self._switches = {network.name for network in graph.switches}
        self.boxes: dict[str, Box] = {}
        self.ways: dict[Wire, tuple[Point, ...]] = {}
        """Points from where the wire starts; whether that is its `a` is settled at the end."""

    def layout(self) -> Layout:
        """Return everything, moved so that it starts at the margin."""
        self._vms()
        onward = self._hanging()
        onward = self._host(onward)
        computer = self._computer()
        outward = self._lans(onward, computer)
        self._internet(outward)
        return self._finished(computer)

    def _vms(self) -> None:
        height = max([0, *(group.grid.height for group in self.groups)])
        x = 0
        spans = {}
        for group in self.groups:
            left = x + (group.width - group.grid.width) // 2
            self._add(group.grid, left, height - group.grid.height)
            spans[group.network.name] = (x, x + group.width)
            x += group.width + _GROUP_GAP
        landing = self._landing(self.ways, spans)
        edge = height + (_WIRE if height else 0) + LANE * self._bent(landing)
        for group in self.groups:
            left, right = spans[group.network.name]
            self.boxes[group.network.name] = shapes.switch(
                self.graph, group.network, left, edge, right - left
            )
        self._land(landing, height + _WIRE // 2, edge)

    def _hanging(self) -> dict[Wire, Point]:
        """Place service machines; return the wires that go on down, with where they are now."""
        onward = {}
        for group in self.groups:
            bar = self.boxes[group.network.name]
            x = bar.x + (bar.width - group.hanging_width) // 2
            for wire, width in group.hanging:
                middle = x + width // 2
                node = self.graph.topology.nodes.get(wire.beyond(bar.place))
                if node is None or node.role is Role.HOST:
                    self.ways[wire] = ((middle, bar.bottom),)
                    onward[wire] = (middle, bar.bottom)
                else:
                    box = shapes.widened(shapes.machine(self.graph, node), width).moved(
                        x, bar.bottom + _WIRE
                    )
                    self.boxes[node.name] = box
                    self.ways[wire] = ((box.middle, box.y), (box.middle, bar.bottom))
                    onward |= self._nat_uplinks(box)
                x += width + _GAP
        return onward

    def _nat_uplinks(self, box: Box) -> dict[Wire, Point]:
        """Return the wires that leave a service machine downward: a NAT device's cable to the host."""
        wires = [wire for wire in self.graph.wires_at(box.place) if wire not in self.ways]
        for wire in wires:
            self.ways[wire] = ((box.middle, box.bottom),)
        return dict.fromkeys(wires, (box.middle, box.bottom))

    def _host(self, onward: dict[Wire, Point]) -> dict[Wire, Point]:
        """Place the host below its adapters; a vmnet's cable to the LAN passes it on its left."""
        (host,) = self._of(Role.HOST)
        up = {
            wire: x for wire, (x, _) in onward.items() if host.name in (wire.a.place, wire.b.place)
        }
        down = [wire for wire in self.graph.wires_at(host.name) if wire not in up]
        left, right = self._host_span(host, up, down)
        passing = [wire for wire in onward if wire not in up]
        bent = [wire for wire in passing if left - LANE < onward[wire][0] < right + LANE]
        free = min([left, *(onward[wire][0] for wire in passing if wire not in bent)])
        floor = self._floor()
        top = floor + _WIRE + LANE * len(bent)
        # The one from the left goes around the others, on its left and above.
        for number, wire in reversed([*enumerate(bent)]):
            x, track = onward[wire][0], floor + _WIRE // 2 + LANE * number
            free -= PADDING + text_width(wire.network.nic or "", "address")
            self.ways[wire] += ((x, track), (free, track))
        for wire, x in up.items():
            self.ways[wire] += ((x, top),)
        step = (right - left) // (len(down) + 1)
        below = {wire: left + step * number for number, wire in enumerate(down, 1)}
        box = shapes.with_ports(self.graph, host, left, top, right - left, up, below)
        self.boxes[host.name] = box
        for wire, x in below.items():
            self.ways[wire] = ((x, box.bottom),)
        return {wire: self.ways[wire][-1] for wire in (*passing, *down)}

    def _host_span(self, host: Node, up: dict[Wire, int], down: Sequence[Wire]) -> tuple[int, int]:
        """Return left and right: below the vmnets that it is plugged into, but for wires that pass it."""
        spans = []
        devices = {
            name for wire in up if wire.is_nat_uplink for name in (wire.a.place, wire.b.place)
        }
        for group in self.groups:
            ports = [wire for wire, _ in group.hanging if wire in up]
            if ports:
                bar, first = self.boxes[group.network.name], ports[0]
                passed = any(wire.beyond(bar.place) in self._switches for wire, _ in group.hanging)
                port = up[first] - shapes.port_width(self.graph, first, host) // 2 - PADDING
                spans.append((port if passed else bar.x, bar.right))
            elif any(wire.beyond(group.network.name) in devices for wire, _ in group.hanging):
                bar = self.boxes[group.network.name]
                spans.append((bar.x, bar.right))
        middle = self._extent()[1] // 2
        left = min([start for start, _ in spans] or [middle])
        right = max([end for _, end in spans] or [middle])
        widest = max([0, *(shapes.port_width(self.graph, wire, host) for wire in down)])
        need = (
            max(text_width(self.graph.title_of(host), "name"), (widest + _GAP) * len(down))
            + 2 * PADDING
        )
        added = max(0, need - (right - left))
        return left - added // 2, right + added - added // 2

    def _computer(self) -> Box:
        """Return the frame around everything so far."""
        left, right = self._extent()
        bottom = self._floor()
        words = self.graph.gettext("physical computer")
        caption = Label(left, -_MARGIN // 2 - 2, words, "interface", "start")
        top = -_MARGIN - LINE
        return Box(
            "", left - _MARGIN, top, right - left + 2 * _MARGIN, bottom + _MARGIN - top, (caption,)
        )

    def _lans(self, onward: dict[Wire, Point], computer: Box) -> dict[Wire, Point]:
        """Place networks outside, with their machines below; return the wires that leave their routers."""
        lans = [network for network in self.graph.switches if network.outside]
        blocks = [_Block.of(self.graph, lan, computer.width) for lan in lans]
        total = sum(block.width + _GROUP_GAP for block in blocks) - _GROUP_GAP
        added = max(0, computer.width - total) // max(1, len(blocks))
        x = computer.middle - max(computer.width, total) // 2
        spans = {}
        for block in blocks:
            spans[block.network.name] = (x, x + block.width + added)
            x += block.width + added + _GROUP_GAP
        landing = self._landing({wire: self.ways[wire] for wire in onward}, spans)
        edge = computer.bottom + _WIRE + LANE * self._bent(landing)
        outward: dict[Wire, Point] = {}
        for block in blocks:
            left, right = spans[block.network.name]
            bar = shapes.switch(self.graph, block.network, left, edge, right - left)
            self.boxes[bar.place] = bar
            outward |= self._block(block, bar)
        self._land(landing, computer.bottom + _WIRE // 2, edge)
        return outward

    def _block(self, block: _Block, bar: Box) -> dict[Wire, Point]:
        """Place a LAN's machines; return the wires that leave its routers."""
        x, top = bar.middle - block.content_width // 2, bar.bottom + _WIRE
        self._add(block.grid, x, top)
        for wire in block.grid.stubs:
            self.ways[wire] += ((self.ways[wire][-1][0], bar.bottom),)
        x += block.grid.width + (_GAP if block.grid.width else 0)
        outward: dict[Wire, Point] = {}
        for gateway in block.gateways:
            box = gateway.box.moved(x, top)
            self.boxes[box.place] = box
            for wire, at in gateway.up.items():
                self.ways[wire] = ((x + at, box.y), (x + at, bar.bottom))
            for wire, at in gateway.down.items():
                self.ways[wire] = ((x + at, box.bottom),)
                outward[wire] = (x + at, box.bottom)
            x += gateway.box.width + _GAP
        return outward

    def _internet(self, onward: dict[Wire, Point]) -> None:
        """Place the networks behind the routers."""
        spans = {}
        boxes = []
        taken = -_MARGIN * 100
        for node in self._of(Role.INTERNET):
            box = shapes.cloud(self.graph, node)
            xs = [x for wire, (x, _) in onward.items() if wire.beyond(node.name) in self.boxes]
            x = max(taken, (xs[0] if xs else 0) - box.width // 2)
            boxes.append(box.moved(x))
            # The upper edge of a cloud is at the top of its box in the middle only.
            spans[node.name] = (x + box.width * 3 // 8, x + box.width * 5 // 8)
            taken = x + box.width + _GAP
        landing = self._landing({wire: self.ways[wire] for wire in onward}, spans)
        floor = self._floor()
        edge = floor + _WIRE + LANE * self._bent(landing)
        for box in boxes:
            self.boxes[box.place] = box.moved(0, edge)
        self._land(landing, floor + _WIRE // 2, edge)

    def _of(self, role: Role) -> list[Node]:
        return [node for node in self.graph.topology.nodes.values() if node.role is role]

    def _add(self, grid: _Grid, dx: int, dy: int) -> None:
        for box in grid.boxes:
            self.boxes[box.place] = box.moved(dx, dy)
        for wire, points in grid.stubs.items():
            self.ways[wire] = tuple((x + dx, y + dy) for x, y in points)

    def _landing(
        self, ways: dict[Wire, tuple[Point, ...]], spans: dict[str, tuple[int, int]]
    ) -> dict[Wire, int]:
        """Return where each wire meets its target: straight below its end if it can, else beside others."""
        targets = {
            wire: span
            for name, span in spans.items()
            for wire in self.graph.wires_at(name)
            if wire in ways
        }
        starts = {wire: ways[wire][-1][0] for wire in sorted(ways, key=lambda w: ways[w][-1][0])}
        landing = {
            wire: x
            for wire, x in starts.items()
            if targets[wire][0] + LANE <= x <= targets[wire][1] - LANE
        }
        from_left = [w for w, x in starts.items() if x < targets[w][0] + LANE]
        from_right = [w for w, x in starts.items() if x > targets[w][1] - LANE]
        # From the ends of the bar inward: with the tracks of `_land`, they do not cross each other.
        for wire in (*from_left, *reversed(from_right)):
            left, right = targets[wire]
            free = [
                x
                for x in range(left + LANE, right - LANE + 1)
                if all(abs(x - taken) >= LANE for taken in landing.values())
            ] or [(left + right) // 2]  # More wires than there is room for.
            landing[wire] = free[0 if wire in from_left else -1]
        return landing

    def _bent(self, landing: dict[Wire, int]) -> int:
        return sum(self.ways[wire][-1][0] != x for wire, x in landing.items())

    def _land(self, landing: dict[Wire, int], track: int, edge: int) -> None:
        """Bring wires down to `edge`; those that go aside each have a track of their own."""
        starts = {wire: self.ways[wire][-1][0] for wire in landing}
        # In this order, wires that go aside in one direction do not cross each other.
        rightward = [wire for wire, x in landing.items() if x > starts[wire]]
        leftward = [wire for wire, x in landing.items() if x < starts[wire]]
        rightward.sort(key=lambda wire: -starts[wire])
        leftward.sort(key=lambda wire: starts[wire])
        for number, wire in enumerate((*rightward, *leftward)):
            y = track + number * LANE
            self.ways[wire] += ((starts[wire], y), (landing[wire], y))
        for wire, x in landing.items():
            self.ways[wire] += ((x, edge),)

    def _extent(self) -> tuple[int, int]:
        """Return left and right of everything so far."""
        xs = [x for box in self.boxes.values() for x in (box.x, box.right)]
        xs += [x for points in self.ways.values() for x, _ in points]
        return min(xs, default=0), max(xs, default=0)

    def _floor(self) -> int:
        return max([0, *(box.bottom for box in self.boxes.values())])

    def _finished(self, computer: Box) -> Layout:
        left, right = self._extent()
        left, right = min(left, computer.x), max(right, computer.right)
        dx, dy = _MARGIN - left, _MARGIN - computer.y
        boxes = tuple(box.moved(dx, dy) for box in self.boxes.values())
        lines = tuple(self._line(wire, dx, dy, computer) for wire in self.ways)
        width, height = right + dx + _MARGIN, self._floor() + dy + _MARGIN
        return Layout(self.graph, width, height, computer.moved(dx, dy), boxes, lines)

    def _line(self, wire: Wire, dx: int, dy: int, computer: Box) -> WireLine:
        """Return a wire's line; a bridged network's cable has the name of the card that it goes through."""
        points = self._from_a(wire, self.ways[wire])
        labels = []
        if wire.network.nic and wire.b.place in self._switches and wire.a.place in self._switches:
            x = next(x for x, y in points if y >= computer.bottom - _MARGIN)
            y = computer.bottom - 8
            labels = [Label(x + 6, y, wire.network.nic, "interface", "start").moved(dx, dy)]
        return WireLine(wire, tuple((x + dx, y + dy) for x, y in points), tuple(labels))

    def _from_a(self, wire: Wire, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Return the points in the wire's direction, without those in the middle of a straight part."""
        box = self.boxes[wire.a.place]
        x, y = points[0]
        starts = box.x <= x <= box.right and box.y <= y <= box.bottom
        way = points if starts else points[::-1]
        return tuple(
            point
            for number, point in enumerate(way)
            if number in (0, len(way) - 1) or not _straight(way[number - 1], point, way[number + 1])
        )


def _straight(before: Point, point: Point, after: Point) -> bool:
    return before[0] == point[0] == after[0] or before[1] == point[1] == after[1]


@frozen
class _Gateway:
    """A machine with adapters above and below its name, at (0, 0)."""

    box: Box
    up: dict[Wire, int]
    down: dict[Wire, int]

    @staticmethod
    def of(graph: Graph, node: Node) -> _Gateway:
        up: list[Wire] = []
        down: list[Wire] = []
        for wire in graph.wires_at(node.name):
            (down if wire.beyond(node.name) in graph.topology.nodes else up).append(wire)
        widest = max(shapes.port_width(graph, wire, node) for wire in (*up, *down)) + _GAP
        count = max(len(up), len(down))
        width = max(text_width(graph.title_of(node), "name") + _GAP, widest * count) + PADDING
        positions = [
            {
                wire: width * (2 * number + 1) // (2 * len(wires))
                for number, wire in enumerate(wires)
            }
            for wires in (up, down)
        ]
        return _Gateway(shapes.with_ports(graph, node, 0, 0, width, *positions), *positions)


@frozen
class _Block:
    """A network outside: its machines, and to their right the machines that lead on."""

    network: Network
    grid: _Grid
    gateways: tuple[_Gateway, ...]
    named: int
    """Width of the text in its switch."""

    @staticmethod
    def of(graph: Graph, network: Network, usual_width: int) -> _Block:
        nodes = _homed(graph, network, Role.PEER, Role.ROUTER)
        leading = [node for node in nodes if len(graph.wires_at(node.name)) > 1]
        gateways = tuple(_Gateway.of(graph, node) for node in leading)
        leaves = [node for node in nodes if node not in leading]
        for rows in range(1, len(leaves) + 2):
            grid = _Grid.of(graph, leaves, rows, bar_below=False)
            block = _Block(network, grid, gateways, shapes.switch_width(graph, network))
            if block.width <= max(usual_width, 600):
                break
        return block

    @property
    def content_width(self) -> int:
        parts = [self.grid.width, *(gateway.box.width for gateway in self.gateways)]
        return sum(part + _GAP for part in parts if part) - _GAP

    @property
    def width(self) -> int:
        return max(self.content_width, self.named) + 2 * PADDING
