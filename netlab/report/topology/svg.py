"""A layout as SVG: self-contained, dark and light, its texts as text.

Without an override colours follow the reader's `prefers-color-scheme`; `data-theme="dark"` or
`"light"` on the picture or around it decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from netlab.messages import language_tag
from netlab.report.topology.graph import Graph
from netlab.report.topology.layout import Layout, Point, WireLine, arrange
from netlab.report.topology.shapes import NAME_SIZE, SMALL_SIZE, Box, Label
from netlab.scenario.topology import Role

LIGHT = {
    "paper": "#ffffff",
    "computer": "#f6f7f9",
    "box": "#ffffff",
    "edge": "#57606a",
    "text": "#1f2328",
    "muted": "#59636e",
    "outside": "#59636e",
    "outside-fill": "#eceef1",
    "net-0": "#0a6ccf",
    "net-0-fill": "#dcebfb",
    "net-1": "#8a3fc7",
    "net-1-fill": "#f0e3fa",
    "net-2": "#b34700",
    "net-2-fill": "#fde8d8",
    "net-3": "#11743a",
    "net-3-fill": "#d9f2e1",
    "net-4": "#b3256c",
    "net-4-fill": "#fbe0ec",
    "net-5": "#00717f",
    "net-5-fill": "#d5f0f3",
}
DARK = {
    "paper": "#0d1117",
    "computer": "#151b23",
    "box": "#0d1117",
    "edge": "#9198a1",
    "text": "#f0f6fc",
    "muted": "#9ea7b3",
    "outside": "#9ea7b3",
    "outside-fill": "#262c36",
    "net-0": "#58a6ff",
    "net-0-fill": "#12294a",
    "net-1": "#c590f5",
    "net-1-fill": "#301c47",
    "net-2": "#f0883e",
    "net-2-fill": "#3d2110",
    "net-3": "#4ac26b",
    "net-3-fill": "#0f3019",
    "net-4": "#f778ba",
    "net-4-fill": "#42152b",
    "net-5": "#3cc9d8",
    "net-5-fill": "#0b3238",
}
_HUES = 6
_FONTS = 'system-ui,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans","Noto Sans CJK SC",sans-serif'
_BEND = 7
"""Radius of a wire's bends."""
_SHAPES = {
    "text": f"font:{SMALL_SIZE}px {_FONTS};text-anchor:middle",
    ".name": f"font-size:{NAME_SIZE}px;font-weight:600",
    ".shape": "stroke-width:1.5",
    ".computer .shape": "stroke-width:1;stroke-dasharray:2 4",
    ".wire path": "fill:none;stroke-width:2",
    ".plumbing path": "stroke-dasharray:5 4",
}
"""Styles that are the same in every theme."""
_HUED = (Role.NAT_DEVICE, Role.DHCP_SERVER)
"""Roles of machines in their network's colour."""


_PAGE = """\
<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ margin: 1rem; font: 1rem system-ui, sans-serif; background: light-dark(#fff, #0d1117); }}
main {{ overflow: auto; }}
h1 {{ font-size: 1.25rem; }}
svg {{ display: block; margin: auto; max-width: 100%; height: auto; }}
#size:checked ~ main svg {{ max-width: none; }}
@media print {{ #size, label {{ display: none; }} #size:checked ~ main svg {{ max-width: 100%; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
<input type="checkbox" id="size"> <label for="size">{size}</label>
<main>
{picture}</main>
</body>
</html>
"""


def render(graph: Graph) -> str:
    """Return the picture as one SVG element."""
    return "\n".join(_svg(arrange(graph))) + "\n"


def page(graph: Graph) -> str:
    """Return the picture as an HTML page of one file: it fits the window, or can be scrolled."""
    return _PAGE.format(
        language=language_tag(graph.language),
        title=escape(graph.title or graph.name),
        size=graph.gettext("Actual size"),
        picture=render(graph),
    )


def _svg(layout: Layout) -> Iterator[str]:
    graph = layout.graph
    hues = _hues(layout)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="netlab-graph" role="img"'
        f' lang="{language_tag(graph.language)}" width="{layout.width}" height="{layout.height}"'
        f' viewBox="0 0 {layout.width} {layout.height}">'
    )
    yield f"<title>{escape(graph.title or graph.name)}</title>"
    yield f"<desc>{escape(' '.join(_description(graph)))}</desc>"
    yield f"<style>{_style(sorted({'outside', *hues.values()}))}</style>"
    yield f'<rect class="paper" width="{layout.width}" height="{layout.height}" rx="10"/>'
    frame = layout.computer
    yield f'<g class="computer">{_rectangle(frame, 10)}{_texts(frame.labels)}</g>'
    for line in layout.lines:
        yield _wire(line, hues)
    for box in layout.boxes:
        yield _switch(graph, box, hues) if box.place in hues else _node(graph, box, hues)
    yield "</svg>"


def _hues(layout: Layout) -> dict[str, str]:
    """Return the colour class of each network: VMware's have one each, networks outside are grey."""
    names = {box.place for box in layout.boxes}
    networks = layout.graph.topology.networks.values()
    hues = {net.name: "outside" for net in networks if net.name in names}
    vmnets = [net.name for net in layout.graph.topology.vmnets]
    return hues | {vmnet: f"net-{number % _HUES}" for number, vmnet in enumerate(vmnets)}


def _wire(line: WireLine, hues: Mapping[str, str]) -> str:
    a, b = line.wire.a, line.wire.b
    kind = "wire plumbing" if line.wire.is_nat_uplink else "wire"
    hue = hues.get(line.wire.network.name, "outside")
    tip = f"{a.place} {a.interface} – {b.place} {b.interface}"
    return (
        f'<g class="{kind} {hue}" data-a="{escape(a.place)}"'
        f' data-a-interface="{escape(a.interface)}" data-b="{escape(b.place)}"'
        f' data-b-interface="{escape(b.interface)}"><title>{escape(tip)}</title>'
        f'<path class="hued" d="{_path(line.points)}"/>{_texts(line.labels)}</g>'
    )


def _path(points: tuple[Point, ...]) -> str:
    """Return straight parts with rounded bends."""
    parts = [f"M{points[0][0]} {points[0][1]}"]
    for before, point, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(_BEND, _distance(before, point) // 2, _distance(point, after) // 2)
        start, end = _towards(point, before, radius), _towards(point, after, radius)
        parts.append(f"L{start[0]} {start[1]}Q{point[0]} {point[1]} {end[0]} {end[1]}")
    parts.append(f"L{points[-1][0]} {points[-1][1]}")
    return "".join(parts)


def _distance(start: Point, end: Point) -> int:
    return abs(start[0] - end[0]) + abs(start[1] - end[1])


def _towards(start: Point, end: Point, by: int) -> Point:
    def step(first: int, last: int) -> int:
        return first + by * ((last > first) - (last < first))

    return step(start[0], end[0]), step(start[1], end[1])


def _switch(graph: Graph, box: Box, hues: Mapping[str, str]) -> str:
    network = graph.topology.networks[box.place]
    tip = f"{graph.name_of(network)} · {graph.subnet_of(network)}"
    return (
        f'<g class="switch {hues[box.place]}" data-node="{escape(box.place)}">'
        f"<title>{escape(tip)}</title>{_rectangle(box, 8, hued=True)}"
        f"{_texts(box.labels)}</g>"
    )


def _node(graph: Graph, box: Box, hues: Mapping[str, str]) -> str:
    node = graph.topology.nodes[box.place]
    role = node.role.value.replace(" ", "-")
    adapters = (
        f"{adapter.interface} {' '.join(graph.all_addresses(adapter))}" for adapter in node.adapters
    )
    tip = "\n".join((graph.title_of(node), *adapters))
    hue = hues.get(node.primary.network.name, "outside")
    cloudy, hued = node.role is Role.INTERNET, node.role in _HUED
    shape = _cloud(box) if cloudy else _rectangle(box, 6, hued)
    return (
        f'<g class="node role-{role} {hue}" data-node="{escape(box.place)}">'
        f"<title>{escape(tip)}</title>{shape}{_texts(box.labels)}</g>"
    )


def _rectangle(box: Box, radius: int, hued: bool = False) -> str:
    """Return a box with round corners. `hued`: its edge has its network's colour."""
    size = f'width="{box.width}" height="{box.height}" rx="{radius}"'
    kind = "shape hued" if hued else "shape"
    return f'<rect class="{kind}" x="{box.x}" y="{box.y}" {size}/>'


def _cloud(box: Box) -> str:
    """Return a cloud that touches all four sides of its box, the upper one in the middle."""

    def at(across: float, down: float) -> str:
        return f"{box.x + box.width * across:.0f} {box.y + box.height * down:.0f}"

    return (
        f'<path class="shape" d="M{at(0.17, 1)}C{at(-0.05, 1)} {at(-0.05, 0.45)} {at(0.14, 0.42)}'
        f"C{at(0.14, 0.1)} {at(0.29, 0.02)} {at(0.37, 0.13)}"
        f"C{at(0.39, -0.045)} {at(0.61, -0.045)} {at(0.64, 0.13)}"
        f"C{at(0.74, 0.02)} {at(0.86, 0.14)} {at(0.85, 0.42)}"
        f'C{at(1.05, 0.45)} {at(1.05, 1)} {at(0.83, 1)}Z"/>'
    )


def _texts(labels: tuple[Label, ...]) -> str:
    return "".join(map(_text, labels))


def _text(label: Label) -> str:
    anchor = "" if label.anchor == "middle" else f' style="text-anchor:{label.anchor}"'
    return (
        f'<text class="{label.kind}" x="{label.x}" y="{label.y}"{anchor}>'
        f"{escape(label.text)}</text>"
    )


def _description(graph: Graph) -> Iterator[str]:
    """Yield the picture in sentences, for people who hear it."""
    for network in graph.switches:
        names = [wire.beyond(network.name) for wire in graph.wires_at(network.name)]
        mode = (graph.gettext(network.mode.title),) if network.mode else ()
        yield graph.gettext("{switch} ({facts}) connects {names}.").format(
            switch=network.name,
            facts=", ".join((graph.subnet_of(network), *mode)),
            names=", ".join(dict.fromkeys(names)),
        )
    for wire in graph.wires:
        nodes = graph.topology.nodes
        if wire.a.place in nodes and wire.b.place in nodes:
            yield graph.gettext("{one} is connected to {other}.").format(
                one=wire.a.place, other=wire.b.place
            )


def _style(hues: Iterable[str]) -> str:
    """Return the style sheet: colours as they are, since not every viewer knows variables, or nested rules.

    The rule for browsers alone is the last, for viewers that stop at what they do not know.
    """
    dark = dict(_colours(DARK, hues))
    chosen = (".netlab-graph[data-theme=dark]", "[data-theme=dark] .netlab-graph")
    not_light = ".netlab-graph:not([data-theme=light],[data-theme=light] *)"
    return "\n".join(
        (
            "",
            *_rules((".netlab-graph",), _SHAPES),
            *_rules((".netlab-graph",), dict(_colours(LIGHT, hues))),
            *_rules(chosen, dark),
            "@media screen and (prefers-color-scheme:dark){",
            *_rules((not_light,), dark),
            "}",
            "",
        )
    )


def _rules(roots: Sequence[str], declarations: Mapping[str, str]) -> Iterator[str]:
    """Yield rules for elements below the roots."""
    for selector, declared in declarations.items():
        yield f"{','.join(f'{root} {selector}' for root in roots)}{{{declared}}}"


def _colours(theme: Mapping[str, str], hues: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield ".paper", f"fill:{theme['paper']}"
    yield "text", f"fill:{theme['text']}"
    yield ".interface", f"fill:{theme['muted']}"
    yield ".shape", f"fill:{theme['box']};stroke:{theme['edge']}"
    yield ".computer .shape", f"fill:{theme['computer']}"
    for hue in hues:
        yield f".{hue} .hued", f"stroke:{theme[hue]}"
        yield f".switch.{hue} .shape", f"fill:{theme[f'{hue}-fill']}"
