"""`explain` beside `trace`: both must say the same of a probe."""

from __future__ import annotations

from netlab import lab
from netlab.explain.model import Explanation
from netlab.packets.packet import Part
from netlab.trace.model import Trace


def predicted(explanation: Explanation) -> tuple:
    """Return verdict, node and cause of an explanation, and the nodes of its way."""
    stays = explanation.stays
    if stays and not stays[0].went_out:
        stays = ()  # Nothing that could be sighted.
    return (
        *(explanation.diagnosis.verdict, explanation.diagnosis.at, explanation.diagnosis.cause),
        [(stay.part.value, stay.node) for stay in stays if stay.came_in or stay.went_out],
    )


def measured(trace: Trace) -> tuple:
    """Return the same of a probe that was sent."""
    steps = [*trace.journey.first(Part.REQUEST), *trace.journey.first(Part.REPLY)]
    return (
        *(trace.diagnosis.verdict, trace.diagnosis.at, trace.diagnosis.cause),
        [(step.part.value, step.node) for step in steps],
    )


def compared(running: lab.Lab, source: str, target: str, by: str = "icmp") -> tuple:
    """Return node and cause that both say; fail if they differ."""
    foretold = predicted(lab.explain(running, source, target, by))
    really = measured(lab.trace(running, source, target, by))
    assert foretold == really, f"{source} → {target}: explain {foretold}, trace {really}"
    return foretold[1:3]
