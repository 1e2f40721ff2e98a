"""Who decided what became of a packet on each machine: the entry of a table, or a rule. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from netlab.kernel.rows import Connection, FdbEntry, Flow, Hop, IPAddress, Neighbour, RouteRow
from netlab.probe.journey import Step


class By(StrEnum):
    """The kinds of tables and rules."""

    ROUTE = "route"
    ARP = "arp"
    FDB = "fdb"
    NAT = "nat"
    RULE = "rule"


@dataclass(frozen=True)
class Decision:
    """One entry or rule."""

    by: By
    text: str


@dataclass(frozen=True)
class Tables:
    """What a machine, or a NAT device with its host, knew when the probe was over."""

    routes: Sequence[RouteRow] = ()
    neighbours: Sequence[Neighbour] = ()
    fdb: Sequence[FdbEntry] = ()
    connections: Sequence[Connection] = ()


_BROADCAST = "ff:ff:ff:ff:ff:ff"
_ADDRESSES_AND_PORTS = {"ip.src", "ip.dst", "icmp.id", "tcp.src", "tcp.dst", "udp.src", "udp.dst"}


def decisions(
    step: Step, tables: Tables, rules: Iterable[str], is_switch: bool, names: Mapping[str, str]
) -> Iterator[Decision]:
    """Everything that decided one stay. `names` says whose an IP or MAC address is."""
    if is_switch:
        yield from _forwarded(step, tables.fdb, names)
        return
    if step.went_out and "ip.dst" in step.after:
        yield from _routed(step, tables, names)
    if _ADDRESSES_AND_PORTS & step.rewrites.keys():
        for connection in tables.connections:
            if connection.translated and is_about(connection, step):
                yield Decision(By.NAT, f"{connection.original} goes on as {connection.seen_as}")
    for rule in dict.fromkeys(rules):
        yield Decision(By.RULE, rule)


def best_route(routes: Iterable[RouteRow], address: IPAddress) -> RouteRow | None:
    """The longest prefix wins, then the lowest metric."""
    fitting = [route for route in routes if address in route.destination and not route.dead]
    return min(fitting, key=lambda r: (-r.destination.prefixlen, r.metric), default=None)


def _forwarded(step: Step, fdb: Sequence[FdbEntry], names: Mapping[str, str]) -> Iterator[Decision]:
    mac = step.after["eth.dst"]  # Of a bridge to Wi-Fi, the one that it has put in its place.
    if mac == _BROADCAST or not step.went_out:
        return
    whose = names.get(mac, mac)
    entry = next((one for one in fdb if one.mac == mac and one.learnt), None)
    if entry and len(step.went_out) == 1:
        yield Decision(By.FDB, f"{whose} is behind the port {entry.port}")
    elif len(step.went_out) > 1:
        yield Decision(By.FDB, f"nobody knows the port of {whose}: to every port")


def _routed(step: Step, tables: Tables, names: Mapping[str, str]) -> Iterator[Decision]:
    if step.after["eth.dst"] == _BROADCAST:
        return
    target = ip_address(step.after["ip.dst"])
    fitting = [r for r in tables.routes if any(h.interface == _out(step) for h in r.hops)]
    route = best_route(fitting, target)
    if route is None:
        return
    yield Decision(By.ROUTE, str(route))
    hop = next(iter(route.hops), Hop(None, ""))
    following = hop.gateway or target
    for one in tables.neighbours:
        if one.address == following and one.mac == step.after["eth.dst"]:
            owner = f" ({names[one.mac]})" if one.mac in names else ""
            yield Decision(By.ARP, f"{following} is at {one.mac}{owner}")
            return


def _out(step: Step) -> str:
    return step.went_out[-1].interface


def is_about(connection: Connection, step: Step) -> bool:
    """One of its translations is the one that was seen."""
    before, after = flow_of(step.before), flow_of(step.after)
    ways = (
        (connection.original, connection.seen_as),
        (connection.reply, connection.original.reversed),
    )
    return any(old == before or new == after for old, new in ways)


def flow_of(fields: Mapping[str, str]) -> Flow:
    """The addresses and ports of an IP packet."""

    def number(*names: str) -> int | None:
        return next((int(fields[name], 0) for name in names if name in fields), None)

    return Flow(
        ip_address(fields["ip.src"]),
        ip_address(fields["ip.dst"]),
        number("tcp.src", "udp.src"),
        number("tcp.dst", "udp.dst"),
        number("icmp.id"),
    )
