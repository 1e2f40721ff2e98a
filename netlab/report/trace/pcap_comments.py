"""Everything that was seen of a trace as pcapng, with what each packet was to it."""

from __future__ import annotations

from typing import BinaryIO

from netlab.diagnosis.journey import Step
from netlab.packets.packet import Frame
from netlab.plan.names import node
from netlab.report.pcapng import Pcapng
from netlab.report.trace.narrative import Story
from netlab.trace.trace import Trace
from netlab.visible import visible


def record(trace: Trace, stream: BinaryIO) -> int:
    """Write every sighting, in order; returns how many. Raises OSError."""
    story = Story(trace, "en")
    file = Pcapng(stream)
    for frame in trace.frames:
        seen = frame.sighting
        file.packet(
            visible(f"{node(seen.namespace)}.{seen.interface}"),
            seen.at,
            seen.data,
            outgoing=seen.outgoing,
            comment=visible(_comment(frame, story)),
        )
    return len(trace.frames)


def _comment(frame: Frame, story: Story) -> str:
    """`request, step 3, vmnet8-nat: ICMP echo request`."""
    packet, place = frame.packet, node(frame.sighting.namespace)
    if packet is None:
        return f"not of the probe, {place}"
    if frame in story.trace.journey.overheard:
        return f"{packet.part}, overheard by {place}: {packet.name}"
    step = _step(frame, place, story)
    if step is None or not any(step is one for one in story.numbered):
        return f"{packet.part}, {place}: {packet.name}"
    return f"{packet.part}, step {story.number(step)}, {step.node}: {packet.name}"


def _step(frame: Frame, place: str, story: Story) -> Step | None:
    """The stay that a sighting belongs to. One on a NAT device's host may be told as the device's own."""
    if frame.packet is None:
        return None
    begun = [
        step
        for step in story.trace.journey.packets.get(frame.packet, ())
        if step.at <= frame.sighting.at
    ]
    here = [step for step in begun if step.node == place]
    return next(iter((here or begun)[::-1]), None)
