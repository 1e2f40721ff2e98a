"""The kernel's own account of a probe: the drops of the whole machine's that are this probe's."""

from __future__ import annotations

from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.kernel.host.tracepoints import Audit, Departure, KernelDrop
from netlab.packets.packet import Part
from netlab.trace.trace import Trace


@frozen
class DropAudit:
    """Packets that the kernel says it dropped while a probe was under way. No verdict rests on it."""

    drops: tuple[KernelDrop, ...]
    incomplete: bool
    """Records were written over before they could be read."""


def account(recorded: Audit, trace: Trace) -> DropAudit:
    """Return the drops of a probe from a recording that has ended."""
    departures = [
        Departure(sighting.at, sighting.interface, len(sighting.data))
        for frame in trace.frames
        if frame.packet and (sighting := frame.sighting).outgoing
    ]
    return DropAudit(tuple(recorded.drops(departures, _home(trace))), recorded.lost())


def _home(trace: Trace) -> int | None:
    """Return when the reply was back, in nanoseconds: a packet that is freed later had been delivered."""
    if trace.diagnosis.verdict is not Verdict.ANSWERED:
        return None
    replies = trace.journey.of(Part.REPLY)
    source = trace.request.source
    home = (step.at for step in reversed(replies) if step.node == source and step.came_in)
    return next(home, None)
