"""Ports that programs of machines listen on: taken twice, or at places that a machine does not have."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.scenario.checks.lookup import adapter_path
from netlab.scenario.listening import LOOPBACK_ADDRESS, ListeningPort, listening_port
from netlab.scenario.model import Listen
from netlab.scenario.text.paths import DataPath, PathProblem
from netlab.scenario.topology import Node, Role, Topology
from netlab.suggest import instead

_Taken = tuple[ListeningPort, str, str]
"""A port that a program has; what to say of who wants it too, if that is not another of its kind; the fix."""


def listening(topology: Topology) -> Iterator[PathProblem]:
    """Yield ports that two programs of a machine want, and places where none can listen."""
    for node in topology.nodes.values():
        if node.role is Role.VM:
            yield from _of_machine(node, ("vms", node.name))
        elif node.role is Role.PEER:
            yield from _of_machine(node, adapter_path(topology, node.primary))
    yield from _of_servers(topology)


def _of_machine(node: Node, path: DataPath) -> Iterator[PathProblem]:
    place: DataPath = (*path, "listens")
    taken: dict[tuple[str, int], list[_Taken]] = {}
    for entry in _other_programs(node):
        taken.setdefault(entry[0].number, []).append(entry)
    for port in node.listens:
        at_number = taken.setdefault(port.number, [])
        clashing = next((entry for entry in at_number if entry[0].clashes(port)), None)
        if clashing is None:
            at_number.append((port, "", "keep only one of them"))
        else:
            other, why, fix = clashing
            yield PathProblem(place, f"{port} {why or _overlap(port, other)}", fix)
        yield from _place(node, port, place)


def _overlap(port: ListeningPort, earlier: ListeningPort) -> str:
    return "is there twice" if port == earlier else f"overlaps with {earlier}"


def _other_programs(node: Node) -> Iterator[_Taken]:
    """Yield the ports of a machine's other programs, and what to say of who wants one of these."""
    if node.proxy:
        address = LOOPBACK_ADDRESS if node.proxy.listen is Listen.LOOPBACK else None
        port = ListeningPort("tcp", node.proxy.port, address)
        yield port, "is the proxy's", "remove it, or give the proxy another port"
    for adapter, _ in node.dhcp_servers:
        address = adapter.address.ip if adapter.address else None
        for port in (
            ListeningPort("udp", 67),
            ListeningPort("udp", 53, address),
            ListeningPort("tcp", 53, address),
        ):
            yield port, "is the DHCP server's", "remove it, or `dhcp_server`"


def _place(node: Node, port: ListeningPort, path: DataPath) -> Iterator[PathProblem]:
    interfaces = [adapter.interface for adapter in node.adapters]
    if port.interface and port.interface not in interfaces:
        message = f"{node.name} has no adapter {port.interface}"
        yield PathProblem(path, message, instead(port.interface, interfaces))
    addresses = {address.ip for adapter in node.adapters for address in adapter.static}
    leased = any(adapter.by_dhcp for adapter in node.adapters)
    known = port.address is None or port.address.is_loopback or port.address in addresses
    if not (known or leased):
        message = f"{node.name} has no address {port.address}: nobody reaches its program at {port}"
        fix = "name an address that it has, unless that is what you want to see"
        yield PathProblem(path, message, fix, is_warning=True)


_OF_EVERY_SERVER = ("tcp:80", "tcp:53", "udp:53")
"""Ports of the lab's Internet at all addresses: the web page, and the name server."""


def _of_servers(topology: Topology) -> Iterator[PathProblem]:
    common = {listening_port(word).number for word in _OF_EVERY_SERVER}
    taken = set()
    for name, server in topology.scenario.internet.servers.items():
        path: DataPath = ("internet", "servers", name, "listens")
        for word in server.listens:
            number = listening_port(word).number
            if number in common:
                yield PathProblem(path, f"{word} is every server's", "remove it")
            elif (server.address, number) in taken:
                yield PathProblem(path, f"{word} is there twice", "keep only one of them")
            taken.add((server.address, number))
