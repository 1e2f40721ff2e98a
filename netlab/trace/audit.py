"""The kernel's own account of a probe: which drops of the whole machine's are this probe's."""

from __future__ import annotations

from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.kernel.host.tracepoints import Audit, Departure, KernelDrop
from netlab.packets.packet import Part
from netlab.trace.trace import Trace


@frozen
class DropAudit:
    """What the kernel says that it dropped while a probe was under way. No verdict rests on it."""

    drops: tuple[KernelDrop, ...]
    incomplete: bool
    """Records were written over before they could be read."""


def account(recorded: Audit, traced: Trace) -> DropAudit:
    """What was recorded, after the end of the recording, of a probe."""
    departures = [
        Departure(seen.at, seen.interface, len(seen.data))
        for frame in traced.frames
        if frame.packet and (seen := frame.sighting).outgoing
    ]
    return DropAudit(tuple(recorded.drops(departures, _home(traced))), recorded.lost())


def _home(traced: Trace) -> int | None:
    """When the reply was back: what is freed later had been delivered."""
    if traced.diagnosis.verdict is not Verdict.ANSWERED:
        return None
    replies = traced.journey.of(Part.REPLY)
    source = traced.request.source
    return next((s.at for s in reversed(replies) if s.node == source and s.came_in), None)
