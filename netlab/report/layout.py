"""A graph in, places out: boxes that do not overlap, and wires that go around them.

From top to bottom, as people draw it: the VMs in rows above the bar that is
their vmnet's switch; below the bar what VMware hangs on it; the host, wide
enough that its adapters are below their vmnets; the LAN with its machines and
its router; the Internet. A wire leaves a VM downward, or by its right side
into the gap between two columns if another VM is below it.

Units are pixels. Widths of texts are those of DejaVu Sans, the widest of the
usual fonts, so that in any of them a text stays inside its box.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from netlab.report.graph import Graph, Wire, name, title
from netlab.scenario.topology import Network, Node, Role

NAME_SIZE, SMALL_SIZE = 14, 12

_MARGIN = 24
_PADDING = 12
_LANE = 10
"""Between two wires that run side by side."""
_GAP = 18
"""Between two boxes in a row."""
_GROUP_GAP = 36
_WIRE = 28
"""The length of a wire that only goes down."""
_BAR = 36
_NARROW = 64
"""The least width of a machine's text: boxes of short names are as wide as those of others."""
_WIDE = 1280
"""VMs go into more rows before a picture gets wider than this …"""
_FLAT = 3
"""… unless the rows get higher than the picture's width divided by this."""
_LINE = 17

_HANGING = (Role.NAT_DEVICE, Role.HOST, Role.DHCP_SERVER)
"""What is below a vmnet's bar, from left to right, after its cable to another switch."""

Point = tuple[int, int]


@dataclass(frozen=True)
class Label:
    """A line of text; `y` is its baseline."""

    x: int
    y: int
    text: str
    kind: str
    """name, address, or interface."""
    anchor: str = "middle"

    def moved(self, dx: int, dy: int = 0) -> Label:
        """The same somewhere else."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Box:
    """A machine or a switch, with its place."""

    place: str
    x: int
    y: int
    width: int
    height: int
    labels: tuple[Label, ...] = ()

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    def moved(self, dx: int, dy: int = 0) -> Box:
        """The same somewhere else."""
        labels = tuple(one.moved(dx, dy) for one in self.labels)
        return replace(self, x=self.x + dx, y=self.y + dy, labels=labels)


@dataclass(frozen=True)
class Line:
    """A wire's way: it starts at the box of `wire.a`, and every part is horizontal or vertical."""

    wire: Wire
    points: tuple[Point, ...]
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Where everything is."""

    graph: Graph
    width: int
    height: int
    computer: Box
    """The frame around what is inside the one real computer."""
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def arrange(graph: Graph) -> Layout:
    """Give everything a place, with as few rows of VMs as fit into a usual width."""
    most = max([1, *(len(_homed(graph, net, Role.VM)) for net in _vmnets(graph))])
    return _Drawing(graph, min(range(1, most + 1), key=lambda rows: _cost(graph, rows))).layout()


def text_width(text: str, size: int) -> int:
    """Pixels that `text` takes at most."""
    return ceil(sum(map(_em, text)) * size)


def _em(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in "iljI.,:·|/ ":
        return 0.36
    if character in "mwMW%@…":
        return 1.0
    return 0.78 if character.isupper() else 0.64


# What a network consists of, before anything has a place.


def _vmnets(graph: Graph) -> list[Network]:
    """VMware's switches: those that share a card of the host first, since their cables pass it."""
    switches = {net.name for net in graph.switches}
    vmnets = [net for net in graph.switches if net.mode]
    return sorted(
        vmnets,
        key=lambda net: all(
            wire.beyond(net.name) not in switches for wire in graph.wires_at(net.name)
        ),
    )


def _homed(graph: Graph, network: Network, *roles: Role) -> list[Node]:
    """The machines that are drawn at `network`: their first cable ends there."""
    nodes = graph.topology.nodes.values()
    return [node for node in nodes if node.role in roles and _home(graph, node) == network.name]


def _home(graph: Graph, node: Node) -> str:
    return graph.wires_at(node.name)[0].beyond(node.name)


def _cost(graph: Graph, rows: int) -> tuple[int, int]:
    groups = [_Group.of(graph, vmnet, rows) for vmnet in _vmnets(graph)]
    width = sum(group.width + _GROUP_GAP for group in groups)
    height = max([0, *(group.grid.height for group in groups)])
    return max(width, _WIDE, height * _FLAT), rows


def _plain(graph: Graph, node: Node) -> Box:
    """A machine as a box at (0, 0): its name, and below it its addresses."""
    several = len(node.legs) > 1
    lines = [
        f"{leg.interface}  {address}" if several else address
        for leg in node.legs
        for address in graph.shown(leg)
    ]
    texts = (text_width(title(node), NAME_SIZE), *(text_width(line, SMALL_SIZE) for line in lines))
    width = 2 * _PADDING + max(_NARROW, *texts)
    labels = [Label(width // 2, _PADDING + 12, title(node), "name")]
    for number, line in enumerate(lines, 1):
        x, anchor = (_PADDING, "start") if several else (width // 2, "middle")
        labels.append(Label(x, labels[0].y + number * _LINE + 1, line, "address", anchor))
    return Box(node.name, 0, 0, width, labels[-1].y + _PADDING, tuple(labels))


def _exits(graph: Graph, node: Node, box: Box) -> dict[Wire, int]:
    """At which height a wire leaves the box by its side: beside its adapter's line."""
    wires = graph.wires_at(node.name)
    if len(node.legs) == 1:
        return {wire: box.height // 2 + _LANE * number for number, wire in enumerate(wires)}
    lines = {}
    for label in reversed(box.labels[1:]):
        lines[label.text.partition(" ")[0]] = label.y - 4
    return {wire: lines[wire.end_at(node.name).interface] for wire in wires}


@dataclass(frozen=True)
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
        boxes = [_plain(graph, node) for node in nodes]
        width = max(box.width for box in boxes)
        boxes = [_widened(box, width) for box in boxes]
        tops = [0]
        for start in range(0, len(boxes), columns):
            row = boxes[start : start + columns]
            tops.append(tops[-1] + max(box.height for box in row) + _GAP)
        height = tops[-1] - _GAP
        placed: dict[int, Box] = {}
        stubs: dict[Wire, tuple[Point, ...]] = {}
        x = 0
        for column in range(columns):
            sideways: list[tuple[Wire, Point]] = []
            for index in range(column, len(nodes), columns):
                box = boxes[index].moved(x, tops[index // columns])
                placed[index] = box
                hidden = index + columns < len(nodes) if bar_below else index >= columns
                exits = _exits(graph, nodes[index], box)
                if len(exits) == 1 and not hidden:
                    edge, end = (box.bottom, height) if bar_below else (box.y, 0)
                    stubs[next(iter(exits))] = ((box.middle, edge), (box.middle, end))
                else:
                    sideways += [(wire, (box.right, box.y + dy)) for wire, dy in exits.items()]
            # The one that is farthest from the bar goes around all others.
            sideways.sort(key=lambda one: one[1][1], reverse=bar_below)
            for lane, (wire, (right, y)) in enumerate(sideways, 1):
                way = right + lane * _LANE
                stubs[wire] = ((right, y), (way, y), (way, height if bar_below else 0))
            x += width + max(_GAP, (len(sideways) + 1) * _LANE)
        taken = max([box.right for box in placed.values()] + [p[-1][0] for p in stubs.values()])
        return _Grid(tuple(placed[i] for i in sorted(placed)), stubs, taken, height)


def _widened(box: Box, width: int) -> Box:
    """With its centred lines in the middle again."""
    more = width - box.width
    labels = tuple(one.moved(more // 2) if one.anchor == "middle" else one for one in box.labels)
    return replace(box, width=width, labels=labels)


@dataclass(frozen=True)
class _Group:
    """A vmnet: its VMs, and what is plugged in from below, from left to right."""

    network: Network
    grid: _Grid
    hanging: tuple[tuple[Wire, int], ...]
    """Wires, and the width that each needs below the bar."""

    @staticmethod
    def of(graph: Graph, network: Network, rows: int) -> _Group:
        vms = {node.name for node in graph.topology.nodes.values() if node.role is Role.VM}
        below = [w for w in graph.wires_at(network.name) if w.beyond(network.name) not in vms]
        below.sort(key=lambda wire: _below(graph, wire.beyond(network.name)))
        services = [
            _plain(graph, graph.topology.nodes[place]).width
            for place in (wire.beyond(network.name) for wire in below)
            if _is_service(graph, place)
        ]
        hanging = tuple((wire, _slot(graph, network, wire, max([0, *services]))) for wire in below)
        homed = _homed(graph, network, Role.VM)
        return _Group(network, _Grid.of(graph, homed, rows, bar_below=True), hanging)

    @property
    def hanging_width(self) -> int:
        return sum(width + _GAP for _, width in self.hanging) - _GAP

    @property
    def width(self) -> int:
        return max(self.grid.width, self.hanging_width, _bar_width(self.network)) + 2 * _PADDING


def _below(graph: Graph, place: str) -> int:
    """From left to right, what is below a vmnet's bar: cables to other switches, then machines."""
    node = graph.topology.nodes.get(place)
    return 1 + _HANGING.index(node.role) if node else 0


def _is_service(graph: Graph, place: str) -> bool:
    node = graph.topology.nodes.get(place)
    return node is not None and node.role is not Role.HOST


def _slot(graph: Graph, network: Network, wire: Wire, service: int) -> int:
    """The width that a wire needs below a bar; service machines of one vmnet are equally wide."""
    place = wire.beyond(network.name)
    if _is_service(graph, place):
        return service
    node = graph.topology.nodes.get(place)
    return _port_width(graph, wire, node) if node else 2 * _LANE


def _bar_width(network: Network) -> int:
    subnet = text_width(str(network.subnet), SMALL_SIZE)
    return text_width(name(network), NAME_SIZE) + _PADDING + subnet


def _bar(network: Network, x: int, y: int, width: int) -> Box:
    start = x + (width - _bar_width(network)) // 2
    then = start + text_width(name(network), NAME_SIZE) + _PADDING
    labels = (
        Label(start, y + _BAR // 2 + 5, name(network), "name", "start"),
        Label(then, y + _BAR // 2 + 5, str(network.subnet), "address", "start"),
    )
    return Box(network.name, x, y, width, _BAR, labels)


def _port_lines(graph: Graph, wire: Wire, node: Node) -> list[str]:
    """An adapter and its addresses; nothing for plumbing."""
    interface = wire.end_at(node.name).interface
    found = [graph.shown(leg) for leg in node.legs if leg.interface == interface]
    return [interface, *found[0]] if found else []


def _port_width(graph: Graph, wire: Wire, node: Node) -> int:
    lines = _port_lines(graph, wire, node)
    return max([0, *(text_width(line, SMALL_SIZE) for line in lines)])


def _ported(
    graph: Graph, node: Node, x: int, y: int, width: int, up: dict[Wire, int], down: dict[Wire, int]
) -> Box:
    """A machine with its adapters written where their wires leave, above and below its name."""
    labels: list[Label] = []
    line = y + 4
    for wires, first in ((up, True), (down, False)):
        if not first:
            line += _LINE + 6
            labels.append(Label(x + width // 2, line, title(node), "name"))
            line += 4
        ports = {wire: _port_lines(graph, wire, node) for wire in wires}
        for wire, at in wires.items():
            for number, text in enumerate(ports[wire], 1):
                kind = "interface" if number == 1 else "address"
                labels.append(Label(at, line + number * _LINE, text, kind))
        line += _LINE * max([0, *map(len, ports.values())])
    return Box(node.name, x, y, width, line - y + 10, tuple(labels))


class _Drawing:
    """The places found so far; each step goes on below what is there."""

    def __init__(self, graph: Graph, rows: int) -> None:
        self.graph = graph
        self.groups = [_Group.of(graph, vmnet, rows) for vmnet in _vmnets(graph)]
        self._switches = {network.name for network in graph.switches}
        self.boxes: dict[str, Box] = {}
        self.ways: dict[Wire, tuple[Point, ...]] = {}
        """From where the wire starts; whether that is its `a` is seen to at the end."""

    def layout(self) -> Layout:
        """Everything, moved so that it starts at the margin."""
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
        edge = height + (_WIRE if height else 0) + _LANE * self._bent(landing)
        for group in self.groups:
            left, right = spans[group.network.name]
            self.boxes[group.network.name] = _bar(group.network, left, edge, right - left)
        self._land(landing, height + _WIRE // 2, edge)

    def _hanging(self) -> dict[Wire, Point]:
        """Service machines; returns the wires that go on down, with where they are now."""
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
                    box = _widened(_plain(self.graph, node), width).moved(x, bar.bottom + _WIRE)
                    self.boxes[node.name] = box
                    self.ways[wire] = ((box.middle, box.y), (box.middle, bar.bottom))
                    onward |= self._plumbing(box)
                x += width + _GAP
        return onward

    def _plumbing(self, box: Box) -> dict[Wire, Point]:
        """What leaves a service machine downward: a NAT device's cable to the host."""
        wires = [wire for wire in self.graph.wires_at(box.place) if wire not in self.ways]
        for wire in wires:
            self.ways[wire] = ((box.middle, box.bottom),)
        return dict.fromkeys(wires, (box.middle, box.bottom))

    def _host(self, onward: dict[Wire, Point]) -> dict[Wire, Point]:
        """The host below its adapters; a vmnet's cable to the LAN passes it on its left."""
        (host,) = self._of(Role.HOST)
        up = {
            wire: x for wire, (x, _) in onward.items() if host.name in (wire.a.place, wire.b.place)
        }
        down = [wire for wire in self.graph.wires_at(host.name) if wire not in up]
        left, right = self._host_span(host, up, down)
        passing = [wire for wire in onward if wire not in up]
        bent = [wire for wire in passing if left - _LANE < onward[wire][0] < right + _LANE]
        free = min([left, *(onward[wire][0] for wire in passing if wire not in bent)])
        floor = self._floor()
        top = floor + _WIRE + _LANE * len(bent)
        for number, wire in enumerate(bent):
            x, track = onward[wire][0], floor + _WIRE // 2 + _LANE * number
            free -= 2 * _LANE
            self.ways[wire] += ((x, track), (free, track))
        for wire, x in up.items():
            self.ways[wire] += ((x, top),)
        step = (right - left) // (len(down) + 1)
        below = {wire: left + step * number for number, wire in enumerate(down, 1)}
        box = _ported(self.graph, host, left, top, right - left, up, below)
        self.boxes[host.name] = box
        for wire, x in below.items():
            self.ways[wire] = ((x, box.bottom),)
        return {wire: self.ways[wire][-1] for wire in (*passing, *down)}

    def _host_span(self, host: Node, up: dict[Wire, int], down: Sequence[Wire]) -> tuple[int, int]:
        """Left and right: below the vmnets that it is plugged into, but for what passes it."""
        spans = []
        for group in self.groups:
            ports = [wire for wire, _ in group.hanging if wire in up]
            if ports:
                bar, first = self.boxes[group.network.name], ports[0]
                passed = any(wire.beyond(bar.place) in self._switches for wire, _ in group.hanging)
                port = up[first] - _port_width(self.graph, first, host) // 2 - _PADDING
                spans.append((port if passed else bar.x, bar.right))
        middle = self._extent()[1] // 2
        left = min([one[0] for one in spans] or [middle])
        right = max([one[1] for one in spans] or [middle])
        widest = max([0, *(_port_width(self.graph, wire, host) for wire in down)])
        need = max(text_width(title(host), NAME_SIZE), (widest + _GAP) * len(down)) + 2 * _PADDING
        more = max(0, need - (right - left))
        return left - more // 2, right + more - more // 2

    def _computer(self) -> Box:
        """The frame around everything so far."""
        left, right = self._extent()
        bottom = self._floor()
        caption = Label(left, -_MARGIN // 2 - 2, "physical computer", "address", "start")
        top = -_MARGIN - _LINE
        return Box(
            "", left - _MARGIN, top, right - left + 2 * _MARGIN, bottom + _MARGIN - top, (caption,)
        )

    def _lans(self, onward: dict[Wire, Point], computer: Box) -> dict[Wire, Point]:
        """Networks outside, with their machines below; returns what goes on from their routers."""
        lans = [network for network in self.graph.switches if not network.mode]
        blocks = [_Block.of(self.graph, lan, computer.width) for lan in lans]
        total = sum(block.width + _GROUP_GAP for block in blocks) - _GROUP_GAP
        more = max(0, computer.width - total) // max(1, len(blocks))
        x = computer.middle - max(computer.width, total) // 2
        spans = {}
        for block in blocks:
            spans[block.network.name] = (x, x + block.width + more)
            x += block.width + more + _GROUP_GAP
        landing = self._landing({wire: self.ways[wire] for wire in onward}, spans)
        edge = computer.bottom + _WIRE + _LANE * self._bent(landing)
        outward: dict[Wire, Point] = {}
        for block in blocks:
            left, right = spans[block.network.name]
            bar = _bar(block.network, left, edge, right - left)
            self.boxes[bar.place] = bar
            outward |= self._block(block, bar)
        self._land(landing, computer.bottom + _WIRE // 2, edge)
        return outward

    def _block(self, block: _Block, bar: Box) -> dict[Wire, Point]:
        """A LAN's machines; returns what leaves its routers."""
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
        """What is behind the routers."""
        spans = {}
        boxes = []
        taken = -_MARGIN * 100
        for node in self._of(Role.INTERNET):
            box = _cloud(self.graph, node)
            xs = [x for wire, (x, _) in onward.items() if wire.beyond(node.name) in self.boxes]
            x = max(taken, (xs[0] if xs else 0) - box.width // 2)
            boxes.append(box.moved(x))
            spans[node.name] = (x + box.width // 4, x + box.width * 3 // 4)
            taken = x + box.width + _GAP
        landing = self._landing({wire: self.ways[wire] for wire in onward}, spans)
        floor = self._floor()
        edge = floor + _WIRE + _LANE * self._bent(landing)
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
        """Where each wire meets its target: straight below its end if it can, else beside others."""
        found: dict[Wire, int] = {}
        for wire in sorted(ways, key=lambda wire: ways[wire][-1][0]):
            x = ways[wire][-1][0]
            left, right = next(span for place, span in spans.items() if wire in self._at(place))
            if left < x < right:
                found[wire] = x
        for wire in sorted(ways.keys() - found.keys(), key=lambda wire: ways[wire][-1][0]):
            left, right = next(span for place, span in spans.items() if wire in self._at(place))
            free = [
                x
                for x in range(left + _LANE, right - _LANE // 2)
                if all(abs(x - taken) >= _LANE for taken in found.values())
            ]
            found[wire] = free[0] if ways[wire][-1][0] < left else free[-1]
        return found

    def _at(self, place: str) -> tuple[Wire, ...]:
        return self.graph.wires_at(place)

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
            y = track + number * _LANE
            self.ways[wire] += ((starts[wire], y), (landing[wire], y))
        for wire, x in landing.items():
            self.ways[wire] += ((x, edge),)

    def _extent(self) -> tuple[int, int]:
        """Left and right of everything so far."""
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

    def _line(self, wire: Wire, dx: int, dy: int, computer: Box) -> Line:
        """A bridged network's cable is told by the card that it goes through."""
        points = self._from_a(wire, self.ways[wire])
        labels = []
        if wire.network.nic and wire.b.place in self._switches and wire.a.place in self._switches:
            x = next(x for x, y in points if y >= computer.bottom - _MARGIN)
            y = computer.bottom - 8
            labels = [Label(x + 6, y, wire.network.nic, "interface", "start").moved(dx, dy)]
        return Line(wire, tuple((x + dx, y + dy) for x, y in points), tuple(labels))

    def _from_a(self, wire: Wire, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """In the wire's direction, without points in the middle of a straight part."""
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


@dataclass(frozen=True)
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
        widest = max(_port_width(graph, wire, node) for wire in (*up, *down)) + _GAP
        count = max(len(up), len(down))
        width = max(text_width(title(node), NAME_SIZE) + _GAP, widest * count) + _PADDING
        places = [
            {
                wire: width * (2 * number + 1) // (2 * len(wires))
                for number, wire in enumerate(wires)
            }
            for wires in (up, down)
        ]
        return _Gateway(_ported(graph, node, 0, 0, width, *places), *places)


@dataclass(frozen=True)
class _Block:
    """A network outside: its machines, and to their right those that lead on."""

    network: Network
    grid: _Grid
    gateways: tuple[_Gateway, ...]

    @staticmethod
    def of(graph: Graph, network: Network, usual_width: int) -> _Block:
        nodes = _homed(graph, network, Role.PEER, Role.ROUTER)
        leading = [node for node in nodes if len(graph.wires_at(node.name)) > 1]
        gateways = tuple(_Gateway.of(graph, node) for node in leading)
        others = [node for node in nodes if node not in leading]
        for rows in range(1, len(others) + 2):
            block = _Block(network, _Grid.of(graph, others, rows, bar_below=False), gateways)
            if block.width <= max(usual_width, 600):
                break
        return block

    @property
    def content_width(self) -> int:
        parts = [self.grid.width, *(gateway.box.width for gateway in self.gateways)]
        return sum(part + _GAP for part in parts if part) - _GAP

    @property
    def width(self) -> int:
        return max(self.content_width, _bar_width(self.network)) + 2 * _PADDING


def _cloud(graph: Graph, node: Node) -> Box:
    """The Internet at (0, 0): with room for the bulges of a cloud around the lines."""
    plain = _plain(graph, node)
    wide = _widened(plain, plain.width + 5 * _PADDING)
    labels = tuple(one.moved(0, _PADDING) for one in wide.labels)
    return replace(wide, height=plain.height + 2 * _PADDING, labels=labels)
