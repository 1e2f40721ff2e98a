"""All sightings of a trace as pcapng, each with a comment that says what it was to the trace."""

from __future__ import annotations

from typing import BinaryIO

from netlab.diagnosis.journey import Step
from netlab.packets.packet import Frame
from netlab.plan.names import node
from netlab.report.pcapng import Pcapng
from netlab.report.trace.narrative import Story
from netlab.trace.model import Trace
from netlab.visible import visible


def record(trace: Trace, stream: BinaryIO) -> int:
    """Write every sighting, in order, and return how many. Raises OSError."""
    story = Story(trace, "en")
    file = Pcapng(stream)
    for frame in trace.frames:
        sighting = frame.sighting
        file.packet(
            visible(f"{node(sighting.namespace)}.{sighting.interface}"),
            sighting.at,
            sighting.data,
            outgoing=sighting.outgoing,
            comment=visible(_comment(frame, story)),
        )
    return len(trace.frames)


def _comment(frame: Frame, story: Story) -> str:
    """Return `request, step 3, vmnet8-nat: ICMP echo request`."""
    packet, observer = frame.packet, node(frame.sighting.namespace)
    if packet is None:
        return f"not of the probe, {observer}"
    if frame in story.trace.journey.overheard:
        return f"{packet.part}, overheard by {observer}: {packet.name}"
    step = _step(frame, observer, story)
    if step is None or not any(step is numbered for numbered in story.numbered):
        return f"{packet.part}, {observer}: {packet.name}"
    return f"{packet.part}, step {story.number(step)}, {step.node}: {packet.name}"


def _step(frame: Frame, observer: str, story: Story) -> Step | None:
    """Return the stay that a sighting belongs to; one on a NAT device's host may be shown as the device's."""
    if frame.packet is None:
        return None
    begun = [
        step
        for step in story.trace.journey.packets.get(frame.packet, ())
        if step.at <= frame.sighting.at
    ]
    on_node = [step for step in begun if step.node == observer]
    return next(iter((on_node or begun)[::-1]), None)
