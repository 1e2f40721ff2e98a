"""The nodes, adapters and addresses that a person names: `vm1`, `vm1:eth0`, `host@lan`, `10.0.0.1`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from netlab.errors import UsageError
from netlab.lab.packets.network_map import addresses_lost, netmap
from netlab.node_interface import NodeInterface
from netlab.plan import names
from netlab.suggest import instead, near

if TYPE_CHECKING:
    from netlab.kernel.rows import IPAddress
    from netlab.kernel.state.owners import Owners
    from netlab.lab.labs import Lab
    from netlab.scenario.topology import Adapter, Node

_BROADCAST = ip_address("255.255.255.255")


def is_address(target: str) -> bool:
    """Return whether an address was typed, and no machine named."""
    with suppress(ValueError):
        return bool(ip_address(target))
    return False


def is_domain(lab: Lab, target: str) -> bool:
    """Return whether a target is a name that a name server is asked for: a server's, or one that looks
    like none of the lab's."""
    servers = lab.source.scenario.internet.addresses
    is_name = "." in target and "@" not in target and not is_address(target)
    return is_name and (target in servers or not near(target, servers))


def points(lab: Lab, named: Sequence[str], missing_ok: bool = False) -> dict[str, set[str]]:
    """Map namespaces to the interfaces that are meant there (an empty set: all); no names: everywhere.

    Raises UsageError for a node or network that the lab does not have, unless `missing_ok`.
    """
    namespaces = {names.node(namespace): namespace for namespace in lab.plan.namespaces}
    interfaces: dict[str, set[str]] = {}
    for point in named or namespaces:
        name, colon, interface = point.partition(":")
        if colon and not interface:
            raise UsageError(f"'{point}' names no adapter", f"write {name} or {name}:eth0")
        if name in namespaces:
            interfaces.setdefault(namespaces[name], set()).add(interface)
        elif name in lab.topology.networks and not interface:  # A cable without a switch.
            for adapter in lab.topology.adapters_on(lab.topology.networks[name]):
                interfaces.setdefault(namespaces[adapter.node], set()).add(adapter.interface)
        elif not missing_ok:
            existing = dict.fromkeys([*namespaces, *lab.topology.networks])
            raise UsageError(f"the lab '{lab.name}' has no '{name}'", instead(name, existing))
    return {namespace: chosen if all(chosen) else set() for namespace, chosen in interfaces.items()}


def node(lab: Lab, name: str) -> Node:
    """Return a machine of the lab. Raises UsageError for one that it does not have."""
    if name not in lab.topology.nodes:
        what = f"the lab '{lab.name}' has no node '{name}'"
        raise UsageError(what, instead(name, lab.topology.nodes))
    return lab.topology.nodes[name]


def is_everybodys(target: str, owners: Owners) -> bool:
    """Return whether a target is the address of a group, or of all of a subnet of the lab."""
    if not is_address(target):
        return False
    address = ip_address(target)
    return address == _BROADCAST or address.is_multicast or _is_broadcast(address, owners)


def destination(lab: Lab, source: Node, target: str, owners: Owners) -> tuple[str, str]:
    """Return the node that is meant, and its address.

    A target is `vm2`, `host@lan`, a server's name on the lab's Internet, or an IP address of whomever.
    Raises UsageError.
    """
    servers = lab.source.scenario.internet.addresses
    target = str(servers.get(target, target))
    with suppress(ValueError):
        address = ip_address(target)
        if address.is_loopback:
            return source.name, str(address)
        if address.is_unspecified:
            raise UsageError(f"{target} is no machine's address", "name one that a machine has")
        if is_everybodys(target, owners):
            raise UsageError(f"{target} is everybody's address", "name one machine's")
        if address.version == 6 and address.is_link_local:
            fix = "name the machine, or an address of a wider scope"
            raise UsageError(f"{target} is link-local: each cable may have one", fix)
        return _owner(lab, source, str(address), owners) or target, str(address)
    machine = _named(lab, target)
    adapters = machine.named_adapters
    if "@" in target and target not in adapters:
        raise UsageError(f"'{target}' is no endpoint", instead(target, adapters))
    adapter = adapters[target] if "@" in target else lab.topology.towards(source, machine)
    current = address_of(adapter, 4, owners) or address_of(adapter, 6, owners)
    if not current:
        had = addresses_lost(lab, netmap(lab)).get(adapter, ())
        current = next((str(address.ip) for address in had), "")
    if not current:
        raise UsageError(f"{adapter.name} has no address now", "name an address instead")
    return machine.name, current


def address_of(adapter: Adapter, version: int, owners: Owners) -> str:
    """Return an adapter's first address of an IP version (4 or 6), no link-local IPv6 one; empty if none."""
    for address in owners.addresses.get(NodeInterface(adapter.node, adapter.holder), ()):
        if address.version == version and not (version == 6 and address.ip.is_link_local):
            return str(address.ip)
    return ""


def _named(lab: Lab, target: str) -> Node:
    """Return the node of `vm2` or `host@lan`. Raises UsageError with what else may be meant."""
    name = target.partition("@")[0]
    if "." not in name:
        return node(lab, name)
    suggestion = near(name, lab.source.scenario.internet.addresses)
    ask = f"`sudo netlab trace SRC --by dns:{name}` asks a name server for it"
    raise UsageError(f"'{name}' is no server on the lab's Internet", f"{suggestion} {ask}".lstrip())


def _owner(lab: Lab, source: Node, address: str, owners: Owners) -> str:
    """Name who has an address; of several, first one that hears the source ask for it. Empty: nobody."""
    interfaces = owners.interfaces.get(address, ())
    if not interfaces:
        gone = netmap(lab).gone.items()
        return next((node for node, addresses in gone if address in addresses), "")
    if len(interfaces) < 2:
        return interfaces[0].node
    current = netmap(lab)
    asked = [
        interface.node
        for interface in interfaces
        if current.same_segment(interface, NodeInterface(source.name, ""))
    ]
    neighbours = [name for name in asked if name != source.name]
    itself = [name for name, _ in interfaces if name == source.name]
    return (*neighbours, *itself, interfaces[0].node)[0]


def _is_broadcast(address: IPAddress, owners: Owners) -> bool:
    """Return whether it is a subnet's of the lab. Subnets of two addresses, and IPv6's, have none."""
    subnets = {
        interface.network
        for interfaces in owners.addresses.values()
        for interface in interfaces
        if interface.version == 4
    }
    return any(subnet.prefixlen < 31 and subnet.broadcast_address == address for subnet in subnets)
