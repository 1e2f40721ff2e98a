"""Probes of a matrix that are followed through the lab, as `trace` follows one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netlab.diagnosis import phrases
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.journey import NetworkMap, Step
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.kernel.host.overload import OverloadMonitor
from netlab.kernel.signals import Interruption
from netlab.messages import Message
from netlab.packets.packet import Part
from netlab.trace.model import Trace, TraceRequest
from netlab.trace.trace import traces
from netlab.verify.details import Details
from netlab.verify.turns import turns

_AT_ONCE = 32
"""Probes that are followed together: each is looked for in every frame."""
_SOURCE_FAULTS = (Cause.NIC_DOWN, Cause.NO_ADDRESS)
"""Causes that say nothing about the pair: a machine without a route to it may have others."""


def followed(
    requests: Sequence[TraceRequest],
    netmap: NetworkMap,
    interruption: Interruption,
    dhcp_complaints: Callable[[str], Mapping[str, str]],
    progress: Callable[[int], None],
) -> list[tuple[Outcome, Details]]:
    """Follow probes, and return what became of each. `dhcp_complaints`: as for `traces`; `progress` is told
    how many more are done. Raises as `traces` does."""
    ended: dict[int, tuple[Outcome, Details]] = {}
    for numbers in turns(requests, _kind, _AT_ONCE):
        overload = OverloadMonitor()
        batch = traces(
            netmap, [requests[n] for n in numbers], interruption, dhcp_complaints, told=False
        )
        shortage = overload.since()
        ended |= {
            n: (_outcome(trace, netmap, shortage), _details(trace, netmap))
            for n, trace in zip(numbers, batch, strict=True)
        }
        progress(len(numbers))
    return [ended[number] for number in range(len(requests))]


def _kind(request: TraceRequest) -> tuple[str, bool]:
    """Return the word of its kind, and whether it goes over IPv6: probes of one look have both in common."""
    return request.by.partition(":")[0], ":" in request.ends.to


def _outcome(trace: Trace, netmap: NetworkMap, shortage: str) -> Outcome:
    """Return a probe's outcome; silence is the result of a `shortage`, in words."""
    diagnosis = trace.diagnosis
    arrived = _arrived(trace, netmap)
    seen_as = arrived.before.get("ip.src") if arrived else None
    if diagnosis.verdict is Verdict.ANSWERED:
        why = Message("answered; the target saw {address}", address=seen_as or "–")
        return Outcome(diagnosis.verdict, why, seen_as, arrived=True)
    if shortage:
        return Outcome(Verdict.UNKNOWN, shortage)
    return Outcome(
        diagnosis.verdict,
        phrases.where_and_why(diagnosis),
        seen_as,
        bool(trace.journey.of(Part.REPLY)),
        diagnosis.at,
        diagnosis.cause,
        source_sends=diagnosis.cause not in _SOURCE_FAULTS,
    )


def _arrived(trace: Trace, netmap: NetworkMap) -> Step | None:
    """Return the request's first step at the target, None if it has not been there."""
    requests = trace.journey.of(Part.REQUEST)
    target = trace.request.target
    return next(
        (step for step in requests if step.came_in and target in _nodes(step, netmap)), None
    )


def _details(trace: Trace, netmap: NetworkMap) -> Details:
    requests = trace.journey.of(Part.REQUEST)
    is_answered = trace.diagnosis.verdict is Verdict.ANSWERED
    return Details(
        frozenset(node for step in requests for node in _nodes(step, netmap)),
        frozenset(netmap.nodes[frame.sighting.namespace] for frame in trace.journey.overheard),
        trace.diagnosis.at if is_answered else "",
        trace.answer,
    )


def _nodes(step: Step, netmap: NetworkMap) -> tuple[str, ...]:
    """Return the machines of a stay: one on a NAT device and its host is on two."""
    return netmap.parts(step.node) if step.inner else (step.node,)
