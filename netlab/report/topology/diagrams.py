"""A graph in the languages of other programs: Graphviz' dot, and Mermaid's flowchart.

They do the layout; edges are written from above to below, as they rank them.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.report.topology.graph import INSIDE, Graph, Wire
from netlab.scenario.topology import Role

_LEVELS = (
    (Role.VM,),
    (),  # VMware's switches.
    (Role.NAT_DEVICE, Role.DHCP_SERVER),
    (Role.HOST,),
    (),  # The LAN.
    (Role.PEER, Role.ROUTER),
    (Role.INTERNET,),
)
_VMNETS, _LANS = 1, 4


def dot(graph: Graph) -> str:
    """For `dot -Tpng` and the like."""
    return "\n".join(_dot(graph)) + "\n"


def mermaid(graph: Graph) -> str:
    """For a ```mermaid block in Markdown."""
    return "\n".join(_mermaid(graph)) + "\n"


def _dot(graph: Graph) -> Iterator[str]:
    yield f"graph {_quoted(graph.name)} {{"
    yield f'  label={_quoted(graph.title)}; fontname="sans-serif"'
    yield '  node [shape=box, fontname="sans-serif"]'
    yield '  edge [fontname="sans-serif", fontsize=10]'
    yield "  subgraph cluster_computer {"
    yield f'    label="{graph.gettext("physical computer")}"; style=dashed'
    for place in _places(graph, inside=True):
        yield f"    {_dot_box(graph, place)}"
    yield "  }"
    for place in _places(graph, inside=False):
        yield f"  {_dot_box(graph, place)}"
    for upper, lower, wire in _edges(graph):
        ends = (("taillabel", upper), ("headlabel", lower))
        styles = [
            f"{key}={_quoted(interface)}"
            for key, place in ends
            for interface in _adapter(graph, wire, place)
        ]
        if wire.nat_uplinks:
            styles.append("style=dashed")
        yield f"  {_quoted(upper)} -- {_quoted(lower)} [{', '.join(styles)}]".replace(" []", "")
    yield "}"


def _dot_box(graph: Graph, place: str) -> str:
    style = "" if place in graph.topology.nodes else ", style=rounded, width=3"
    label = "\\n".join(_quoted(line)[1:-1] for line in _lines(graph, place))
    return f'{_quoted(place)} [label="{label}"{style}]'


def _mermaid(graph: Graph) -> Iterator[str]:
    yield "flowchart TB"
    yield f'  subgraph computer["{graph.gettext("physical computer")}"]'
    for place in _places(graph, inside=True):
        yield f"    {_mermaid_box(graph, place)}"
    yield "  end"
    for place in _places(graph, inside=False):
        yield f"  {_mermaid_box(graph, place)}"
    for upper, lower, wire in _edges(graph):
        names = [*_adapter(graph, wire, upper), *_adapter(graph, wire, lower)]
        line = "-.-" if wire.nat_uplinks else "---"
        label = f'|"{" – ".join(names)}"|' if names else ""
        yield f"  {_identifier(upper)} {line}{label} {_identifier(lower)}"


def _mermaid_box(graph: Graph, place: str) -> str:
    opening, closing = ("[", "]") if place in graph.topology.nodes else ("([", "])")
    label = "<br>".join(_lines(graph, place))
    return f'{_identifier(place)}{opening}"{label}"{closing}'


def _identifier(place: str) -> str:
    """A name of the lab that cannot be a word of Mermaid's, such as `end`; it has no underscore."""
    return f"n_{place.replace('-', '_')}"


def _places(graph: Graph, inside: bool) -> list[str]:
    """Machines and switches from top to bottom."""
    places = [
        *(node.name for node in graph.topology.nodes.values()),
        *(network.name for network in graph.switches),
    ]
    found = [place for place in places if _is_inside(graph, place) == inside]
    return sorted(found, key=lambda place: _level(graph, place))


def _is_inside(graph: Graph, place: str) -> bool:
    node = graph.topology.nodes.get(place)
    return node.role in INSIDE if node else not graph.topology.networks[place].outside


def _level(graph: Graph, place: str) -> int:
    if node := graph.topology.nodes.get(place):
        return next(number for number, roles in enumerate(_LEVELS) if node.role in roles)
    return _LANS if graph.topology.networks[place].outside else _VMNETS


def _edges(graph: Graph) -> Iterator[tuple[str, str, Wire]]:
    for wire in graph.wires:
        upper, lower = sorted((wire.a.place, wire.b.place), key=lambda place: _level(graph, place))
        yield upper, lower, wire


def _adapter(graph: Graph, wire: Wire, place: str) -> list[str]:
    """The name of the adapter, if the machine has several to tell apart."""
    node = graph.topology.nodes.get(place)
    interface = wire.end_at(place).interface
    known = {adapter.interface for adapter in node.adapters} if node else set()
    return [interface] if len(known) > 1 and interface in known else []


def _lines(graph: Graph, place: str) -> list[str]:
    """What is written in a box."""
    if node := graph.topology.nodes.get(place):
        several = len(node.adapters) > 1
        return [
            graph.title_of(node),
            *(
                f"{adapter.interface} {address}" if several else address
                for adapter in node.adapters
                for address in graph.shown(adapter)
            ),
        ]
    network = graph.topology.networks[place]
    return [graph.name_of(network), graph.subnet_of(network)]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
