"""Probes of a matrix that are followed through the lab, as `trace` follows one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

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

_AT_ONCE = 32
"""Probes that are followed together: each is looked for in every frame."""
_TO_ONE_PORT = 4
"""Of these, so many to one program: it may let few others wait (listen(2), backlog)."""
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
    for numbers in _batches(requests):
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


def _batches(requests: Sequence[TraceRequest]) -> Iterator[list[int]]:
    """Yield the indexes of probes that go together: of one kind, few of them to one program."""
    turns: dict[tuple[str, bool, int], list[int]] = defaultdict(list)
    asked: dict[tuple[str, str], int] = defaultdict(int)
    for number, request in enumerate(requests):
        kind, turn = request.by.partition(":")[0], asked[request.ends.to, request.by]
        turns[kind, ":" in request.ends.to, turn // _TO_ONE_PORT].append(number)
        asked[request.ends.to, request.by] += 1
    for numbers in turns.values():
        for first in range(0, len(numbers), _AT_ONCE):
            yield numbers[first : first + _AT_ONCE]


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
