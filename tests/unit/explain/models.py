"""A lab as tables: a VM, another one and a router on a switch, and a server behind the router."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from netlab.explain.explain import explain
from netlab.explain.model import Explanation, LabModel, NodeModel, PredictedProbe
from netlab.explain.nft_rules import ParsedRuleset
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.rows import NextHop, RouteRow
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import RouteResult
from netlab.kernel.state.spaces import Space
from netlab.packets.packet import Part
from tests.unit.explain.rules import base, match, meta, rule
from tests.unit.world import network, opposites


def interface(name: str, number: int, master: int = 0) -> Interface:
    mac = "" if master else f"02:00:00:00:00:{number:02x}"
    return Interface(name, number, 1, "veth", mac, 1500, master, True, True)


BRIDGE = Interface("sw", 1, 0, "bridge", "02:00:00:00:00:01", 1500, 0, True, True)


def machine(number: int, *addresses: str, gateway: str = "") -> NodeModel:
    """A machine with an adapter eth0, eth1, … for each address."""
    cards = [interface(f"eth{n}", number + n) for n in range(len(addresses))]
    addressed = [(f"eth{n}", IPv4Interface(address)) for n, address in enumerate(addresses)]
    routes = [RouteRow(address.network, (NextHop(None, name),)) for name, address in addressed]
    if gateway:
        default = RouteRow(
            IPv4Network("0.0.0.0/0"), (NextHop(IPv4Address(gateway), addressed[-1][0]),)
        )
        routes.append(default)
    forwarding = {f"net.ipv4.conf.eth{n}.forwarding": "1" for n in range(len(addresses) - 1)}
    return NodeModel(
        Space(tuple(cards), tuple(addressed), tuple(routes), (), ()), settings=forwarding
    )


def lab_model(**changed: NodeModel) -> LabModel:
    """vm and other on the switch sw, with a router that translates, and a server behind it."""
    ports = tuple(interface(f"p{n}", 90 + n, master=1) for n in range(3))
    masquerade = rule(match(meta("oifname"), "eth1"), {"masquerade": None})
    router = replace(
        machine(30, "10.0.0.1/24", "192.0.2.1/24"),
        rules=ParsedRuleset([base(hook="postrouting", kind="nat", prio=100), masquerade]),
    )
    router.settings["net.ipv4.conf.eth1.forwarding"] = "1"
    nodes = {
        "vm": machine(10, "10.0.0.10/24", gateway="10.0.0.1"),
        "other": machine(20, "10.0.0.20/24"),
        "sw": NodeModel(Space((BRIDGE, *ports), (), (), (), ())),
        "router": router,
        "server": machine(40, "192.0.2.80/24"),
        **changed,
    }
    cables = ("sw.p0 vm.eth0", "sw.p1 other.eth0", "sw.p2 router.eth0", "router.eth1 server.eth0")
    return LabModel(
        nodes,
        {name: node.space for name, node in nodes.items()},
        {name: node.settings for name, node in nodes.items()},
        network(*cables),
        opposites(cables),
        lambda node, lookup: route(nodes[node], lookup),
    )


def route(node: NodeModel, lookup: RouteLookup) -> RouteResult:
    """Return the result that a kernel would give, as far as these tests go."""
    if node.has(lookup.target):
        return RouteResult("local", "lo")
    forwards = node.settings.get(f"net.ipv4.conf.{lookup.came_in}.forwarding") == "1"
    if lookup.came_in and not forwards:
        return RouteResult(error=113)
    fitting = [route for route in node.space.routes if lookup.target in route.destination]
    if not fitting:
        return RouteResult(error=101)
    hop = max(fitting, key=lambda route: route.destination.prefixlen).hops[0]
    towards = hop.gateway or lookup.target
    source = next(a.ip for name, a in node.space.addresses if name == hop.interface)
    assert towards
    return RouteResult("unicast", hop.interface, hop.gateway, source)


def explained(
    model: LabModel, to: str, probe: PredictedProbe | None = None, source: str = "vm"
) -> Explanation:
    address = IPv4Address(to)
    target = next((owner.node for owner in model.owners.interfaces.get(to, ())), to)
    return explain(model, source, target, address, probe or PredictedProbe())


def nodes(explanation: Explanation, part: Part) -> list[str]:
    return [stay.node for stay in explanation.of(part)]
