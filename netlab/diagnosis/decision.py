"""The entries of tables and the rules that decided about a packet on each machine. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from ipaddress import ip_address

from netlab.diagnosis.journey import Step
from netlab.frozen import frozen
from netlab.kernel.rows import Connection, FdbEntry, Flow, IPAddress, Neighbour, RouteRow
from netlab.kernel.state.routing import RoutingEntry
from netlab.messages import N_, Message
from netlab.packets.frame import is_group


class By(StrEnum):
    """The kinds of tables and rules."""

    ROUTE = "route"
    ARP = "arp"
    NDP = "ndp"
    FDB = "fdb"
    NAT = "nat"
    RULE = "rule"


@frozen
class Decision:
    """An entry of a table, or a rule, that decided about a packet."""

    by: By
    text: str
    """English, or Linux's own words; `messages.told` says it in other languages."""


@frozen
class DecisionTables:
    """The tables of a machine, or of a NAT device with its host, when the probe was over, for one packet."""

    route: RouteRow | None = None
    """The one by which it went on, as far as that is known."""
    neighbours: Sequence[Neighbour] = ()
    fdb: Sequence[FdbEntry] = ()
    connections: Sequence[Connection] = ()
    leads: Callable[[str, str], bool] = lambda port, mac: True
    """Whether an owner of a MAC address, if it has any, is behind a port of the switch."""


_ADDRESSES_AND_PORTS = {"ip.src", "ip.dst", "icmp.id", "tcp.src", "tcp.dst", "udp.src", "udp.dst"}


def decisions(
    step: Step,
    tables: DecisionTables,
    rules: Iterable[str],
    is_switch: bool,
    names: Mapping[str, str],
) -> Iterator[Decision]:
    """Yield everything that decided one step. `names` are owners by IP or MAC address."""
    if is_switch:
        yield from _forwarded(step, tables, names)
        return
    if step.went_out and "ip.dst" in step.after:
        yield from _routed(step, tables, names)
    if _ADDRESSES_AND_PORTS & step.rewrites.keys():
        for before, after in _translations(step, tables.connections):
            yield Decision(
                By.NAT, Message("{before} goes on as {after}", before=before, after=after)
            )
    for rule in dict.fromkeys(rules):
        yield Decision(By.RULE, rule)


def _translations(step: Step, connections: Iterable[Connection]) -> list[tuple[Flow, Flow]]:
    """Return each flow with the one that it goes on as. Where a NAT device and its host translate one
    after the other, how they call it between themselves is nobody's business."""
    goes_on_as = {
        connection.original: connection.seen_as
        for connection in connections
        if connection.translated and is_about(connection, step)
    }
    between = goes_on_as.keys() & goes_on_as.values()
    return [
        (before, goes_on_as.get(after, after))
        for before, after in goes_on_as.items()
        if before not in between
    ]


def stopped_by(entry: RoutingEntry) -> Message:
    """Return by which route or rule of routing a packet goes nowhere."""
    if isinstance(entry, RouteRow):
        return Message("the route says {kind}: {route}", kind=entry.kind, route=entry)
    return Message("the rule says {kind}: {rule}", kind=entry.kind, rule=entry)


def _forwarded(step: Step, tables: DecisionTables, names: Mapping[str, str]) -> Iterator[Decision]:
    mac = step.after["eth.dst"]  # Of a bridge to Wi-Fi, the one that it has put in its place.
    if is_group(mac) or not step.went_out:
        return
    owner, out = names.get(mac, mac), step.went_out[0].interface
    if len(step.went_out) > 1:
        yield Decision(
            By.FDB, Message("nobody knows the port of {owner}: to every port", owner=owner)
        )
    elif any((entry.mac, entry.port, entry.learnt) == (mac, out, True) for entry in tables.fdb):
        text = (
            N_("{owner} is behind the port {port}")
            if tables.leads(out, mac)
            else N_("by its table, {owner} is behind the port {port}, and it is not")
        )
        yield Decision(By.FDB, Message(text, owner=owner, port=out))


def _routed(step: Step, tables: DecisionTables, names: Mapping[str, str]) -> Iterator[Decision]:
    if is_group(step.after["eth.dst"]):
        return
    target, out = ip_address(step.after["ip.dst"]), step.went_out[-1].interface
    hops = [hop for hop in tables.route.hops if hop.interface == out] if tables.route else []
    if not tables.route or not hops:
        return
    taken = {
        hop: entry
        for hop in hops
        for entry in tables.neighbours
        if (entry.address, entry.mac) == (hop.gateway or target, step.after["eth.dst"])
    }
    text = str(tables.route)
    certain = list(taken) if len(taken) == 1 else hops
    if len(tables.route.hops) > 1 and len(certain) == 1:
        text = Message("{route}, this time {hop}", route=tables.route, hop=certain[0])
    yield Decision(By.ROUTE, text)
    if len(taken) == 1:  # Not if several addresses are the same machine's.
        (entry,) = taken.values()
        yield resolution(entry.address, entry.mac, names.get(entry.mac, ""))


def resolution(address: IPAddress, mac: str, owner: str) -> Decision:
    """Return whose MAC address an IP address leads to; `owner` may be empty."""
    text = Message(
        N_("{address} is at {mac} ({owner})") if owner else N_("{address} is at {mac}"),
        address=address,
        mac=mac,
        owner=owner,
    )
    return Decision(_discovery(address), text)


def would_ask(address: IPAddress, mac: str, owner: str) -> Decision:
    """Return whose MAC address a node would find out by asking for it."""
    return Decision(
        _discovery(address),
        Message("asks who has {address}: {mac} ({owner})", address=address, mac=mac, owner=owner),
    )


def _discovery(address: IPAddress) -> By:
    """Return ARP, or IPv6's neighbour discovery."""
    return By.ARP if address.version == 4 else By.NDP


def is_about(connection: Connection, step: Step) -> bool:
    """Return whether one of a connection's translations is the one that was seen."""
    before, after = flow_of(step.before), flow_of(step.after)
    ways = (
        (connection.original, connection.seen_as),
        (connection.reply, connection.original.reversed),
    )
    return any(old == before or new == after for old, new in ways)


def flow_of(fields: Mapping[str, str]) -> Flow:
    """Return the addresses and ports of an IP packet."""

    def number(*names: str) -> int | None:
        return next((int(fields[name], 0) for name in names if name in fields), None)

    return Flow(
        ip_address(fields["ip.src"]),
        ip_address(fields["ip.dst"]),
        number("tcp.src", "udp.src"),
        number("tcp.dst", "udp.dst"),
        number("icmp.id"),
    )
