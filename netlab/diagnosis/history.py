"""Tables over time: the rows that machines had when a probe was sent, and when these changed. Pure.

The kernel tells of a change without saying when. But a change has a cause that
was seen: a switch learns from a frame that comes in, a machine from a reply
to ARP, a NAT from a packet that leaves. So a change is dated by that frame, each
of a row's by a later one than the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from netlab.frozen import frozen
from netlab.kernel.rows import Connection, FdbEntry, Flow, Granted, Neighbour
from netlab.packets.packet import Frame

TracedRow = Neighbour | FdbEntry | Connection | Granted


@frozen
class Entry:
    """A row of a table, and the node that has it."""

    node: str
    row: TracedRow


@frozen
class TableChange:
    """A row that is new, different or gone."""

    at: int
    """Nanoseconds, by the kernel's clock."""
    what: str
    """added, changed or removed."""
    entry: Entry


@frozen
class History:
    """The rows of the lab's tables, from just before a probe until it was over."""

    start: tuple[Entry, ...] = ()
    changes: tuple[TableChange, ...] = ()


def dated(
    changes: Iterable[TableChange], frames: Sequence[Frame], nodes: Mapping[str, str]
) -> tuple[TableChange, ...]:
    """Return the changes with the time of the frame that caused each, in order; `nodes` by namespace.

    Changes of one row are given in their order, and each has a cause of its own. One that no frame has
    caused (a time-out) keeps the time at which it was read.
    """
    frames_on: dict[str, list[Frame]] = {}
    for frame in sorted(frames, key=lambda frame: frame.sighting.at):
        frames_on.setdefault(nodes[frame.sighting.namespace], []).append(frame)
    since: dict[tuple[str, object], int] = {}
    by_row = []
    for change in changes:
        key = (change.entry.node, _identity(change.entry.row))
        causes = [
            frame.sighting.at
            for frame in frames_on.get(change.entry.node, ())
            if since.get(key, 0) < frame.sighting.at <= change.at and _caused(change, frame)
        ]
        if causes:  # An entry ends with the last packet that it has had to do with.
            since[key] = causes[-1 if change.what == "removed" else 0]
        by_row.append((key, replace(change, at=since[key] if causes else change.at)))
    return tuple(sorted(_in_order(by_row), key=lambda change: change.at))


def ended(changes: Iterable[TableChange]) -> dict[str, list[Connection]]:
    """Return nodes with the connections that they have forgotten."""
    by_node: dict[str, list[Connection]] = {}
    for change in changes:
        if change.what == "removed" and isinstance(change.entry.row, Connection):
            by_node.setdefault(change.entry.node, []).append(change.entry.row)
    return by_node


def _in_order(by_row: Sequence[tuple[object, TableChange]]) -> list[TableChange]:
    """Return the changes, none later than the next one of the same row: it was only read late."""
    until: dict[object, int] = {}
    ordered = []
    for key, change in reversed(by_row):
        until[key] = min(change.at, until.get(key, change.at))
        ordered.append(replace(change, at=until[key]))
    return ordered[::-1]


def _identity(entry: TracedRow) -> object:
    """Return the key by which the kernel knows a row."""
    match entry:
        case FdbEntry(bridge=bridge, vlan=vlan, mac=mac):
            return bridge, vlan, mac
        case Neighbour(interface=interface, address=address):
            return interface, address
        case Connection(id=number):
            return number
        case Granted():
            return entry


def _caused(change: TableChange, frame: Frame) -> bool:
    """Return whether a frame can have caused a change on the node that it was seen on."""
    fields, outgoing = frame.fields, frame.sighting.outgoing
    removed = change.what == "removed"
    match change.entry.row:
        case FdbEntry(mac=mac, port=port) if not removed:
            return (
                not outgoing and fields.get("eth.src") == mac and frame.sighting.interface == port
            )
        case Neighbour(address=address, state="incomplete") if not removed:
            asks = fields.get("arp.op") == "request" and fields["arp.target"] == str(address)
            return outgoing and asks
        case Neighbour(address=address, mac=mac) if mac and not removed:
            return not outgoing and fields.get("arp.sender") == str(address)
        case Connection() as connection:
            return _moved(connection, frame, removed)
        case _:  # Nobody answered, or it has become old.
            return False


_BY_THE_FIRST = ("unreplied", "SYN_SENT")
_BY_AN_ANSWER = ("replied", "SYN_RECV")


def _moved(connection: Connection, frame: Frame, removed: bool) -> bool:
    """Return whether a packet has brought a connection into its state; a reset ends it."""
    ends = (frame.fields.get("ip.src"), frame.fields.get("ip.dst"))
    goes_on = frame.sighting.outgoing and ends == _ends(connection.seen_as)
    comes_back = not frame.sighting.outgoing and ends == _ends(connection.reply)
    reset = "RST" in frame.fields.get("tcp.flags", "").split()
    if removed or connection.state == "CLOSE":
        return reset and (goes_on or comes_back)
    if connection.state in _BY_THE_FIRST:
        return goes_on
    if connection.state in _BY_AN_ANSWER:
        return comes_back
    if connection.state == "ESTABLISHED":
        return goes_on
    return goes_on or comes_back


def _ends(flow: Flow) -> tuple[str, str]:
    return str(flow.source), str(flow.target)
