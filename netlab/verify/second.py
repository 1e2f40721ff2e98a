"""The second look at pairs that were not explained: the same as that of `trace`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from netlab.diagnosis.cause import Diagnosis
from netlab.diagnosis.findings import unknown
from netlab.diagnosis.journey import Journey, NetworkMap
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.kernel.signals import Interruption
from netlab.messages import Message
from netlab.packets.packet import Part
from netlab.probes.base import Ends
from netlab.trace.model import Trace, TraceRequest
from netlab.trace.second import FirstLook, better, first_look
from netlab.trace.trace import second_looks
from netlab.verify.batches import PairProbe
from netlab.verify.results import PairResult, with_diagnosis

_AT_ONCE = 64
"""Probes that are followed together: each is given every question for a MAC address of the others."""

_LONGEST_SECONDS = 60.0
"""The time after which no more pairs are sent anew."""


def looked_again(
    probes: Sequence[PairProbe],
    measured: Sequence[PairResult],
    netmap: NetworkMap,
    interruption: Interruption,
) -> list[Outcome]:
    """Return the outcomes of probes, of which those that were not explained are sent once more.

    As long as the usual client waits, only the first of them are waited for, unless one is answered then.
    Those that are not reached within a time keep their outcomes. Raises KernelError, Interrupted.
    """
    outcomes = [end.outcome for end in measured]
    left = _spread(probes, measured)
    patient, begun = True, time.monotonic()
    for chunk in (left[start : start + _AT_ONCE] for start in range(0, len(left), _AT_ONCE)):
        if time.monotonic() > begun + _LONGEST_SECONDS:
            return _too_many(outcomes, left[left.index(chunk[0]) :])
        first = [_first_look(probes[number], measured[number], netmap) for number in chunk]
        traces = second_looks(netmap, first, interruption, patient=patient, told=False)
        patient = any(_came_late(trace) for trace in traces)
        for number, look, trace in zip(chunk, first, traces, strict=True):
            outcomes[number] = _outcome(outcomes[number], look.diagnosis, trace)
    return outcomes


def _spread(probes: Sequence[PairProbe], measured: Sequence[PairResult]) -> list[int]:
    """Return the numbers of the probes that were not explained: first one of each source and place."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, end in enumerate(measured):
        if end.is_unexplained:
            groups.setdefault((probes[number].source, end.outcome.at), []).append(number)
    rounds = zip_longest(*groups.values())
    return [number for chosen in rounds for number in chosen if number is not None]


def _too_many(outcomes: Sequence[Outcome], left: Sequence[int]) -> list[Outcome]:
    """Return the outcomes, of which those that are left say that nobody has looked at them twice."""
    told = list(outcomes)
    for number in left:
        text = Message("{why}; not looked at again: there are too many", why=told[number].why)
        told[number] = replace(told[number], why=text)
    return told


def _first_look(probe: PairProbe, measured: PairResult, netmap: NetworkMap) -> FirstLook:
    source, target = netmap.node_of(probe.source), netmap.node_of(probe.target)
    ends = Ends(probe.source, probe.target, probe.to, "", "", "", bind=probe.bind or "")
    request = TraceRequest(source, target, ends)
    if loss := measured.loss:
        return first_look(request, loss.diagnosis, loss.journey, loss.owners, netmap, loss.asked)
    diagnosis = unknown(source, measured.outcome.why)
    return first_look(request, diagnosis, Journey((), ()), {}, netmap)


def _came_late(trace: Trace) -> bool:
    look = trace.second_look
    return bool(look and look.seconds) and trace.diagnosis.verdict is Verdict.ANSWERED


def _outcome(before: Outcome, first: Diagnosis, trace: Trace) -> Outcome:
    """Return the outcome of a probe by its second look."""
    diagnosis = better(first, trace)
    if diagnosis.verdict is not Verdict.ANSWERED:
        return with_diagnosis(before, diagnosis)
    seen_as = next(_sources_seen(trace), None)
    if seen_as is None:
        return replace(before, why=Message("answered, but not by the target"))
    why = Message("answered; the target saw {address}", address=seen_as)
    return Outcome(Verdict.ANSWERED, why, seen_as, arrived=True)


def _sources_seen(trace: Trace) -> Iterator[str]:
    """Yield the source addresses with which the target saw the request."""
    for step in trace.journey.of(Part.REQUEST):
        if step.node == trace.request.target and step.came_in:
            yield step.after["ip.src"]
