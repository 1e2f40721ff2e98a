"""What a person means by `trace vm1 host@lan --by tcp:80` or `capture vm1:eth0`: what is where."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from netlab.errors import UsageError
from netlab.suggest import instead, near

if TYPE_CHECKING:
    from netlab.kernel.rows import IPAddress
    from netlab.kernel.state.owners import Owners
    from netlab.lab.lifecycle import Lab
    from netlab.probes.base import Ends
    from netlab.scenario.topology import Adapter, Node
    from netlab.trace.trace import TraceRequest


def question(lab: Lab, source: str, target: str | None, by: str, wait: float) -> TraceRequest:
    """The probe that is meant. Raises UsageError with what there is to choose from."""
    from netlab import probes
    from netlab.lab.packets.network_map import owners
    from netlab.trace.trace import TraceRequest

    word = probes.check(by)
    known = owners(lab)
    start = node(lab, source)
    if word == "dhcp":
        return _dhcp_question(lab, _adapter_on(lab, start, target), known)
    if target is None:
        if word != "dns":
            raise UsageError("there is no destination", f"sudo netlab trace {source} DST --by {by}")
        target = _name_server(lab, start)
    end, to = destination(lab, start, target, known)
    if end == start.name:
        raise UsageError(f"{to} is {end} itself", "name another machine: no packet would leave")
    adapter = _adapter_towards(lab, start, to)
    ends = _ends(lab, start, end if end in lab.topology.nodes else "", to, adapter, known, wait)
    return TraceRequest(start.name, end, ends, by, named=not is_address(target))


def dhcp_questions(lab: Lab, adapters: Sequence[Adapter]) -> list[TraceRequest]:
    """One that each of these adapters asks everybody on its network."""
    from netlab.lab.packets.network_map import owners

    known = owners(lab)
    return [_dhcp_question(lab, adapter, known) for adapter in adapters]


def _dhcp_question(lab: Lab, adapter: Adapter, known: Owners) -> TraceRequest:
    from netlab.trace.trace import TraceRequest

    ends = _ends(lab, lab.topology.nodes[adapter.node], "", "", adapter, known)
    return TraceRequest(adapter.node, adapter.network.name, ends, "dhcp")


def is_address(target: str) -> bool:
    """Whether an address was typed, and no machine named."""
    with suppress(ValueError):
        return bool(ip_address(target))
    return False


def points(lab: Lab, names: Sequence[str], missing_ok: bool = False) -> dict[str, set[str]]:
    """Namespaces, and which interfaces are meant there (an empty set: all); no names: everywhere.

    Raises UsageError for a node or network that the lab does not have, unless `missing_ok`.
    """
    from netlab.plan.names import node as node_of

    known = {node_of(place): place for place in lab.plan.namespaces}
    found: dict[str, set[str]] = {}
    for point in names or known:
        name, colon, interface = point.partition(":")
        if colon and not interface:
            raise UsageError(f"'{point}' names no adapter", f"write {name} or {name}:eth0")
        if name in known:
            found.setdefault(known[name], set()).add(interface)
        elif name in lab.topology.networks and not interface:  # A cable without a switch.
            for adapter in lab.topology.adapters_on(lab.topology.networks[name]):
                found.setdefault(known[adapter.node], set()).add(adapter.interface)
        elif not missing_ok:
            every = dict.fromkeys([*known, *lab.topology.networks])
            raise UsageError(f"the lab '{lab.name}' has no '{name}'", instead(name, every))
    return {place: wanted if all(wanted) else set() for place, wanted in found.items()}


def node(lab: Lab, name: str) -> Node:
    """A machine of the lab. Raises UsageError for one that it does not have."""
    if name not in lab.topology.nodes:
        what = f"the lab '{lab.name}' has no node '{name}'"
        raise UsageError(what, instead(name, lab.topology.nodes))
    return lab.topology.nodes[name]


def destination(lab: Lab, source: Node, target: str, known: Owners) -> tuple[str, str]:
    """The node that is meant, and its address: `vm2`, `host@lan`, a server's name on the lab's Internet,
    or an IP address of whomever."""
    servers = lab.source.scenario.internet.servers
    target = str(servers.get(target, target))
    with suppress(ValueError):
        address = ip_address(target)
        if address.is_loopback or address.is_unspecified:
            raise UsageError(f"{target} is no other machine's address", "name another machine")
        if address in _EVERYBODYS or address.is_multicast or _is_broadcast(address, known):
            raise UsageError(f"{target} is everybody's address", "name one machine's")
        if address.version == 6 and address.is_link_local:
            fix = "name the machine, or an address of a wider scope"
            raise UsageError(f"{target} is link-local: each cable may have one", fix)
        return _owner(lab, source, str(address), known) or target, str(address)
    found = _named(lab, target)
    adapters = found.named_adapters
    if "@" in target and target not in adapters:
        raise UsageError(f"'{target}' is no endpoint", instead(target, adapters))
    adapter = adapters[target] if "@" in target else lab.topology.towards(source, found)
    its = _own(known, adapter, 4) or _own(known, adapter, 6)
    if not its:
        raise UsageError(f"{adapter.name} has no address now", "name an address instead")
    return found.name, its


def _named(lab: Lab, target: str) -> Node:
    """The node of `vm2` or `host@lan`. Raises UsageError with what else may be meant."""
    name = target.partition("@")[0]
    if "." not in name:
        return node(lab, name)
    meant = near(name, lab.source.scenario.internet.servers)
    ask = f"`sudo netlab trace SRC --by dns:{name}` asks a name server for it"
    raise UsageError(f"'{name}' is no server on the lab's Internet", f"{meant} {ask}".lstrip())


def _owner(lab: Lab, source: Node, address: str, known: Owners) -> str:
    """Who has an address; of several, first one that hears the source ask for it. Empty: nobody."""
    from netlab.lab.packets.network_map import netmap

    plugs = known.plugs.get(address, ())
    if len(plugs) < 2:
        return plugs[0][0] if plugs else ""
    inputs = netmap(lab)
    near = [plug[0] for plug in plugs if inputs.together(plug, (source.name, ""))]
    others = [node for node in near if node != source.name]
    own = [node for node, _ in plugs if node == source.name]
    return (*others, *own, plugs[0][0])[0]


_EVERYBODYS = (ip_address("255.255.255.255"),)


def _is_broadcast(address: IPAddress, known: Owners) -> bool:
    """Of a subnet of the lab. Those of two addresses, and IPv6's, have none."""
    subnets = {one.network for own in known.addresses.values() for one in own if one.version == 4}
    return any(s.prefixlen < 31 and s.broadcast_address == address for s in subnets)


def _own(known: Owners, adapter: Adapter, version: int) -> str:
    """An adapter's first address of an IP version, of IPv6 no link-local one; empty if it has none."""
    for one in known.addresses.get((adapter.node, adapter.holder), ()):
        if one.version == version and not (version == 6 and one.ip.is_link_local):
            return str(one.ip)
    return ""


def _ends(
    lab: Lab, source: Node, target: str, to: str, adapter: Adapter, known: Owners, wait: float = 0.0
) -> Ends:
    from netlab.plan.names import namespace
    from netlab.probes.base import Ends

    return Ends(
        namespace(lab.name, source.name),
        namespace(lab.name, target) if target else None,
        to,
        adapter.holder,
        adapter.mac,
        _own(known, adapter, 4),
        wait,
    )


def _adapter_on(lab: Lab, source: Node, network: str | None) -> Adapter:
    """The source's adapter on a network, or on the network of a node; the first one if none is named."""
    if network is None:
        return source.primary
    wanted = {network}
    if network in lab.topology.nodes:
        wanted = {adapter.network.name for adapter in lab.topology.nodes[network].adapters}
    for adapter in source.adapters:
        if adapter.network.name in wanted:
            return adapter
    its = ", ".join(adapter.network.name for adapter in source.adapters)
    raise UsageError(f"{source.name} is not on {network}", f"it is on: {its}")


def _adapter_towards(lab: Lab, source: Node, to: str) -> Adapter:
    """The adapter by which the source's kernel sends packets to an address."""
    from netlab.kernel.netlink.pool import NamespacePool
    from netlab.kernel.netlink.snapshot import Snapshot
    from netlab.kernel.state.routing import RouteLookup, ask
    from netlab.plan.names import namespace

    with NamespacePool(1) as pool:
        netlink = pool.netlink(namespace(lab.name, source.name))
        names = Snapshot(netlink).names
        used = ask(netlink, names, RouteLookup(ip_address(to))).interface
    return next((adapter for adapter in source.adapters if adapter.holder == used), source.primary)


def _name_server(lab: Lab, source: Node) -> str:
    """The first name server of a node's resolv.conf. Raises UsageError if it has none."""
    from netlab.kernel.namespaces import netns
    from netlab.plan.names import namespace

    file = netns.ETC / namespace(lab.name, source.name) / "resolv.conf"
    rows = file.read_text(errors="replace").splitlines() if file.is_file() else []
    for row in rows:
        words = row.split()
        if words[:1] == ["nameserver"]:
            return words[1]
    raise UsageError(
        f"{source.name} has no name server", "name one: sudo netlab trace SRC SERVER --by …"
    )
