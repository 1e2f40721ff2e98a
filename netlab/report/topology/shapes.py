"""Boxes of a drawing: a machine or a switch, as wide as its texts.

Units are pixels. Widths of texts are those of DejaVu Sans, the widest of the
usual fonts, so that in any of them a text stays inside its box.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from netlab.frozen import frozen
from netlab.report.topology.graph import Graph, Wire
from netlab.scenario.topology import Network, Node

NAME_SIZE, SMALL_SIZE = 14, 12
_BOLD = 1.12
"""Factor by which a bold text is wider, at most."""
PADDING = 12
LANE = 10
"""Distance of two wires that run side by side."""
LINE = 17
"""Distance of two lines of text."""

_BAR = 36
_NARROW = 64
"""Least width of a machine's text: boxes of short names are as wide as those of others."""


@frozen
class Label:
    """A line of text; `y` is its baseline."""

    x: int
    y: int
    text: str
    kind: str
    """name, address, or interface."""
    anchor: str = "middle"

    def moved(self, dx: int, dy: int = 0) -> Label:
        """Return the label somewhere else."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@frozen
class Box:
    """A machine or a switch, with its position."""

    place: str
    """Name of the machine or switch."""
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
        """Return the box somewhere else."""
        labels = tuple(label.moved(dx, dy) for label in self.labels)
        return replace(self, x=self.x + dx, y=self.y + dy, labels=labels)


def text_width(text: str, kind: str) -> int:
    """Return the pixels that a label's text takes at most."""
    em = NAME_SIZE * _BOLD if kind == "name" else SMALL_SIZE
    # Rounded: from Python 3.12 on, sums of floats have other last digits.
    return ceil(round(sum(map(_ems, text)) * em, 6))


def _ems(character: str) -> float:
    """Return the width of a character in units of the font's size."""
    if character in "iljI.,·|/ '":
        return 0.34
    if character in "mwMW" or not (character.isalnum() or character in "-_()[]"):
        return 1.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    return 0.79 if character.isupper() else 0.64


def machine(graph: Graph, node: Node) -> Box:
    """Return a machine as a box at (0, 0): its name, and below it its addresses."""
    several = len(node.adapters) > 1
    lines = [
        f"{adapter.interface}  {address}" if several else address
        for adapter in node.adapters
        for address in graph.shown(adapter)
    ]
    texts = (
        text_width(graph.title_of(node), "name"),
        *(text_width(line, "address") for line in lines),
    )
    width = 2 * PADDING + max(_NARROW, *texts)
    labels = [Label(width // 2, PADDING + 12, graph.title_of(node), "name")]
    for number, line in enumerate(lines, 1):
        x, anchor = (PADDING, "start") if several else (width // 2, "middle")
        labels.append(Label(x, labels[0].y + number * LINE + 1, line, "address", anchor))
    return Box(node.name, 0, 0, width, labels[-1].y + PADDING, tuple(labels))


def exits(graph: Graph, node: Node, box: Box) -> dict[Wire, int]:
    """Return the height at which each wire leaves the box by its side: beside its adapter's line."""
    wires = graph.wires_at(node.name)
    if len(node.adapters) == 1:
        return {wire: box.y + box.height // 2 + LANE * number for number, wire in enumerate(wires)}
    lines = {}
    for label in reversed(box.labels[1:]):
        lines[label.text.partition(" ")[0]] = label.y - 4
    return {wire: lines[wire.end_at(node.name).interface] for wire in wires}


def widened(box: Box, width: int) -> Box:
    """Return a box of that width, with its centred lines in the middle again."""
    added = width - box.width
    labels = tuple(
        label.moved(added // 2) if label.anchor == "middle" else label for label in box.labels
    )
    return replace(box, width=width, labels=labels)


def switch_width(graph: Graph, network: Network) -> int:
    """Return the width of the text in a switch."""
    addresses = text_width(graph.subnet_of(network), "address")
    return text_width(graph.name_of(network), "name") + PADDING + addresses


def switch(graph: Graph, network: Network, x: int, y: int, width: int) -> Box:
    """Return a switch as a bar, with the network's name, mode and subnet in it."""
    name = graph.name_of(network)
    start = x + (width - switch_width(graph, network)) // 2
    then = start + text_width(name, "name") + PADDING
    labels = (
        Label(start, y + _BAR // 2 + 5, name, "name", "start"),
        Label(then, y + _BAR // 2 + 5, graph.subnet_of(network), "address", "start"),
    )
    return Box(network.name, x, y, width, _BAR, labels)


def _port_lines(graph: Graph, wire: Wire, node: Node) -> list[str]:
    """Return an adapter and its addresses; nothing for a NAT uplink."""
    interface = wire.end_at(node.name).interface
    addresses = [
        graph.shown(adapter) for adapter in node.adapters if adapter.interface == interface
    ]
    return [interface, *addresses[0]] if addresses else []


def port_width(graph: Graph, wire: Wire, node: Node) -> int:
    """Return the width of the text where a wire leaves a machine with ports."""
    lines = _port_lines(graph, wire, node)
    return max([0, *(text_width(line, "address") for line in lines)])


def with_ports(
    graph: Graph, node: Node, x: int, y: int, width: int, up: dict[Wire, int], down: dict[Wire, int]
) -> Box:
    """Return a machine with its adapters written where their wires leave, above and below its name."""
    above = [*_ports(graph, node, up, y + 4)]
    line = max([y + 4, *(label.y for label in above)]) + LINE + 6
    named = Label(x + width // 2, line, graph.title_of(node), "name")
    labels = (*above, named, *_ports(graph, node, down, line + 4))
    return Box(node.name, x, y, width, max(label.y for label in labels) + 12 - y, labels)


def _ports(graph: Graph, node: Node, wires: dict[Wire, int], y: int) -> Iterator[Label]:
    for wire, x in wires.items():
        for number, text in enumerate(_port_lines(graph, wire, node), 1):
            yield Label(x, y + number * LINE, text, "interface" if number == 1 else "address")


def cloud(graph: Graph, node: Node) -> Box:
    """Return the Internet at (0, 0): with room for the bulges of a cloud around the lines."""
    plain = machine(graph, node)
    added = 5 * PADDING + 4 * LANE * (len(graph.wires_at(node.name)) - 1)
    wide = widened(plain, plain.width + added)
    labels = tuple(label.moved(0, PADDING) for label in wide.labels)
    return replace(wide, height=plain.height + 2 * PADDING, labels=labels)
