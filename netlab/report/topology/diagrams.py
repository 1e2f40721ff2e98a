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
    """Return a graph for `dot -Tpng` and the like."""
    return "\n".join(_dot(graph)) + "\n"


def mermaid(graph: Graph) -> str:
    """Return a flowchart for a ```mermaid block in Markdown."""
    return "\n".join(_mermaid(graph)) + "\n"


def _dot(graph: Graph) -> Iterator[str]:
    yield f"graph {_quoted(graph.name)} {{"
    yield f'  label={_quoted(graph.title)}; fontname="sans-serif"'
    yield '  node [shape=box, fontname="sans-serif"]'
    yield '  edge [fontname="sans-serif", fontsize=10]'
    yield "  subgraph cluster_computer {"
    yield f'    label="{graph.gettext("physical computer")}"; style=dashed'
    for name in _names_of(graph, inside=True):
        yield f"    {_dot_box(graph, name)}"
    yield "  }"
    for name in _names_of(graph, inside=False):
        yield f"  {_dot_box(graph, name)}"
    for upper, lower, wire in _edges(graph):
        ends = (("taillabel", upper), ("headlabel", lower))
        styles = [
            f"{key}={_quoted(interface)}"
            for key, name in ends
            for interface in _adapter(graph, wire, name)
        ]
        if wire.is_nat_uplink:
            styles.append("style=dashed")
        yield f"  {_quoted(upper)} -- {_quoted(lower)} [{', '.join(styles)}]".replace(" []", "")
    yield "}"


def _dot_box(graph: Graph, name: str) -> str:
    style = "" if name in graph.topology.nodes else ", style=rounded, width=3"
    label = "\\n".join(_quoted(line)[1:-1] for line in _lines(graph, name))
    return f'{_quoted(name)} [label="{label}"{style}]'


def _mermaid(graph: Graph) -> Iterator[str]:
    yield "flowchart TB"
    yield f'  subgraph computer["{graph.gettext("physical computer")}"]'
    for name in _names_of(graph, inside=True):
        yield f"    {_mermaid_box(graph, name)}"
    yield "  end"
    for name in _names_of(graph, inside=False):
        yield f"  {_mermaid_box(graph, name)}"
    for upper, lower, wire in _edges(graph):
        interfaces = [*_adapter(graph, wire, upper), *_adapter(graph, wire, lower)]
        line = "-.-" if wire.is_nat_uplink else "---"
        label = f'|"{" – ".join(interfaces)}"|' if interfaces else ""
        yield f"  {_identifier(upper)} {line}{label} {_identifier(lower)}"


def _mermaid_box(graph: Graph, name: str) -> str:
    opening, closing = ("[", "]") if name in graph.topology.nodes else ("([", "])")
    label = "<br>".join(_lines(graph, name))
    return f'{_identifier(name)}{opening}"{label}"{closing}'


def _identifier(name: str) -> str:
    """Return a name that cannot be a word of Mermaid's, such as `end`; a lab's names have no underscore."""
    return f"n_{name.replace('-', '_')}"


def _names_of(graph: Graph, inside: bool) -> list[str]:
    """Return machines and switches from top to bottom."""
    names = [
        *(node.name for node in graph.topology.nodes.values()),
        *(network.name for network in graph.switches),
    ]
    chosen = [name for name in names if _is_inside(graph, name) == inside]
    return sorted(chosen, key=lambda name: _level(graph, name))


def _is_inside(graph: Graph, name: str) -> bool:
    node = graph.topology.nodes.get(name)
    return node.role in INSIDE if node else not graph.topology.networks[name].outside


def _level(graph: Graph, name: str) -> int:
    if node := graph.topology.nodes.get(name):
        return next(number for number, roles in enumerate(_LEVELS) if node.role in roles)
    return _LANS if graph.topology.networks[name].outside else _VMNETS


def _edges(graph: Graph) -> Iterator[tuple[str, str, Wire]]:
    for wire in graph.wires:
        upper, lower = sorted((wire.a.place, wire.b.place), key=lambda name: _level(graph, name))
        yield upper, lower, wire


def _adapter(graph: Graph, wire: Wire, name: str) -> list[str]:
    """Return the name of the adapter, if the machine has several to tell apart."""
    node = graph.topology.nodes.get(name)
    interface = wire.end_at(name).interface
    interfaces = {adapter.interface for adapter in node.adapters} if node else set()
    return [interface] if len(interfaces) > 1 and interface in interfaces else []


def _lines(graph: Graph, name: str) -> list[str]:
    """Return the lines in a box."""
    if node := graph.topology.nodes.get(name):
        several = len(node.adapters) > 1
        return [
            graph.title_of(node),
            *(
                f"{adapter.interface} {address}" if several else address
                for adapter in node.adapters
                for address in graph.shown(adapter)
            ),
        ]
    network = graph.topology.networks[name]
    return [graph.name_of(network), graph.subnet_of(network)]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
