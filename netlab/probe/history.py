"""Tables over time: what machines knew when a probe was sent, and when that changed. Pure.

The kernel tells of a change without saying when. But a change has a cause that
was seen: a switch learns from a frame that comes in, a machine from an answer
to ARP, a NAT from a packet that leaves. So a change is dated by that frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netlab.kernel.rows import Connection, FdbEntry, Granted, Neighbour
from netlab.probe.packet import Frame

Row = Neighbour | FdbEntry | Connection | Granted


@dataclass(frozen=True)
class Entry:
    """A row of a table, and whose."""

    node: str
    row: Row


@dataclass(frozen=True)
class Change:
    """A row that is new, different or gone."""

    at: int
    """Nanoseconds, by the kernel's clock."""
    what: str
    """added, changed or removed."""
    entry: Entry


@dataclass(frozen=True)
class History:
    """Everything that the lab's machines knew, from just before a probe until it was over."""

    start: tuple[Entry, ...] = ()
    changes: tuple[Change, ...] = ()


def dated(
    changes: Iterable[Change], frames: Sequence[Frame], nodes: Mapping[str, str]
) -> tuple[Change, ...]:
    """The changes with the time of the frame that caused each, in order; `nodes` of namespaces."""
    ordered = sorted(frames, key=lambda frame: frame.sighting.at)
    found = []
    for change in changes:
        causes = (
            frame.sighting.at
            for frame in ordered
            if nodes[frame.sighting.namespace] == change.entry.node
            and frame.sighting.at <= change.at
            and _caused(change, frame)
        )
        found.append(Change(next(causes, change.at), change.what, change.entry))
    return tuple(sorted(found, key=lambda change: change.at))


def _caused(change: Change, frame: Frame) -> bool:
    fields, outgoing = frame.fields, frame.sighting.outgoing
    match change.entry.row:
        case FdbEntry(mac=mac, port=port):
            return not outgoing and fields["eth.src"] == mac and frame.sighting.interface == port
        case Neighbour(address=address, mac=""):
            asks = fields.get("arp.op") == "request" and fields["arp.target"] == str(address)
            return outgoing and asks
        case Neighbour(address=address):
            return not outgoing and fields.get("arp.sender") == str(address)
        case Connection(state=state) as connection:
            leaves = state in ("unreplied", "SYN_SENT")
            flow = connection.seen_as if leaves else connection.reply
            ends = (fields.get("ip.src"), fields.get("ip.dst"))
            return outgoing is leaves and ends == (str(flow.source), str(flow.target))
        case Granted():
            return False
