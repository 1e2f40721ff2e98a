"""The probes that a person asks for: `trace vm1 host@lan --by tcp:80`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from netlab import probe_kinds
from netlab.errors import UsageError
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.netlink.snapshot import Snapshot
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import ask
from netlab.lab.packets import targets
from netlab.lab.packets.address_owners import owners
from netlab.lab.packets.network_map import is_there
from netlab.plan.names import namespace
from netlab.probes.base import Ends
from netlab.trace.model import TraceRequest

if TYPE_CHECKING:
    from netlab.kernel.state.owners import Owners
    from netlab.lab.labs import Lab
    from netlab.scenario.expectation import Expectation
    from netlab.scenario.topology import Adapter, Node


def request(lab: Lab, source: str, target: str | None, by: str, wait: float) -> TraceRequest:
    """Return the probe that is meant. Raises UsageError with what there is to choose from."""
    kind = probe_kinds.check(by)
    current = owners(lab)
    node = targets.node(lab, source)
    if kind == "dhcp":
        return _dhcp_request(lab, _adapter_on(lab, node, target), current)
    if target is None:
        if kind != "dns":
            raise UsageError("there is no destination", f"sudo netlab trace {source} DST --by {by}")
        target = next(iter(netns.name_servers(namespace(lab.name, node.name))), None)
        if target is None:
            fix = "name one: sudo netlab trace SRC SERVER --by …"
            raise UsageError(f"{node.name} has no name server", fix)
    if targets.is_everybodys(target, current):
        return _group_request(lab, node, target, by, current)
    end, address = targets.destination(
        lab, node, address_by_file(lab, node, target) or target, current
    )
    if kind == "arp" and end == node.name:
        raise UsageError(f"{address} is {end} itself", "nobody asks by ARP who oneself is")
    adapter = _adapter_towards(lab, node, address)
    machine = end if end in lab.topology.nodes and is_there(lab, end) else ""
    ends = _ends(lab, node, machine, address, adapter, current, wait)
    return TraceRequest(node.name, end, ends, by, named=not targets.is_address(target))


_BY_INTERFACE = ("arp", "mtu")
"""Kinds of probes that name the interface by which they leave."""
_TO_NETLAB = ("tcp", "udp")
"""Kinds of probes that go to a receiver of netlab's own, as `raw` does."""


def of_pair(
    lab: Lab, expectation: Expectation, bind: str, address: str, current: Owners
) -> TraceRequest:
    """Return the probe of an expectation to an address, from the address `bind` (empty: as the kernel
    chooses); an empty address: to everybody, or to the source's name server. Raises UsageError."""
    source, by = expectation.source.node, expectation.by
    if by == "dhcp":
        return _dhcp_request(lab, expectation.to, current)
    if not address:
        return request(lab, source.name, None, by, 0.0)
    target, adapter = expectation.target.node.name, expectation.source.adapter or source.primary
    if by.startswith(_BY_INTERFACE) and not expectation.source.adapter:
        adapter = _adapter_towards(lab, source, address)
    machine = target if is_there(lab, target) else ""
    if not machine and (by in _TO_NETLAB or by.startswith("raw:")):
        fix = "`sudo netlab repair` brings it back"
        raise UsageError(f"{target} is gone, so netlab cannot listen there", fix)
    ends = replace(_ends(lab, source, machine, address, adapter, current), bind=bind)
    return TraceRequest(source.name, target, ends, by)


def _group_request(lab: Lab, source: Node, group: str, by: str, current: Owners) -> TraceRequest:
    """Return a probe to a group, or to all of a subnet, by the adapter that the source's routes choose.

    Raises UsageError for a kind that asks one machine.
    """
    word, _, port = by.partition(":")
    if word not in _TO_ALL or (word == "udp" and not port):
        fix = f"send it by icmp, or to a port: --by udp:{_MDNS}"
        raise UsageError(f"{group} is everybody's address, and --by {by} asks one machine", fix)
    adapter = _adapter_towards(lab, source, group)
    ends = replace(_ends(lab, source, "", group, adapter, current), to_all=True)
    return TraceRequest(source.name, group, ends, by, named=False)


_TO_ALL = ("icmp", "udp")
"""Kinds of probes that can go to a group, or to all of a subnet."""
_MDNS = 5353


def name_query(lab: Lab, source: str, target: str) -> TraceRequest | None:
    """Return the question that a machine asks its name server before it sends anything to a target.

    None if it asks none: it needs no address, knows it by its /etc/hosts, or has no name server. Raises
    UsageError for a node that there is not.
    """
    node = targets.node(lab, source)
    if not targets.is_domain(lab, target) or address_by_file(lab, node, target):
        return None
    if not netns.name_servers(namespace(lab.name, node.name)):
        return None
    return request(lab, source, None, f"dns:{target}", 0.0)


def address_by_file(lab: Lab, source: Node, name: str) -> str:
    """Return the address that a machine's /etc/hosts has for a name that is no node's; empty if it has
    none."""
    if name in lab.topology.nodes:
        return ""
    lines = netns.etc_lines(namespace(lab.name, source.name), "hosts")
    return next((words[0] for words in lines if name.lower() in map(str.lower, words[1:])), "")


def dhcp_requests(lab: Lab, adapters: Sequence[Adapter]) -> list[TraceRequest]:
    """Return, for each of these adapters, the question that it asks everybody on its network."""
    current = owners(lab)
    return [_dhcp_request(lab, adapter, current) for adapter in adapters]


def _dhcp_request(lab: Lab, adapter: Adapter, current: Owners) -> TraceRequest:
    ends = _ends(lab, lab.topology.nodes[adapter.node], "", "", adapter, current)
    return TraceRequest(adapter.node, adapter.network.name, ends, "dhcp")


def _ends(
    lab: Lab,
    source: Node,
    target: str,
    address: str,
    adapter: Adapter,
    current: Owners,
    wait: float = 0.0,
) -> Ends:
    return Ends(
        namespace(lab.name, source.name),
        namespace(lab.name, target) if target else None,
        address,
        adapter.holder,
        adapter.mac,
        targets.address_of(adapter, 4, current),
        wait,
        adapter.client_id,
    )


def _adapter_on(lab: Lab, source: Node, network: str | None) -> Adapter:
    """Return the source's adapter on a network, or on a node's network; its first one if none is named."""
    if network is None:
        return source.primary
    networks = {network}
    if network in lab.topology.nodes:
        networks = {adapter.network.name for adapter in lab.topology.nodes[network].adapters}
    for adapter in source.adapters:
        if adapter.network.name in networks:
            return adapter
    existing = ", ".join(adapter.network.name for adapter in source.adapters)
    raise UsageError(f"{source.name} is not on {network}", f"it is on: {existing}")


def _adapter_towards(lab: Lab, source: Node, address: str) -> Adapter:
    """Return the adapter by which the source's kernel sends packets to an address; of a machine that is
    gone, the first."""
    if not is_there(lab, source.name):
        return source.primary
    with NamespacePool(1) as pool:
        netlink = pool.netlink(namespace(lab.name, source.name))
        interfaces = Snapshot(netlink).names
        used = ask(netlink, interfaces, RouteLookup(ip_address(address))).interface
    return next((adapter for adapter in source.adapters if adapter.holder == used), source.primary)
