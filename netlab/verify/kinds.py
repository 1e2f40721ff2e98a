"""Pairs that are measured by other kinds of probes than pings: calls, questions, throughput."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.errors import KernelError, Missing, UsageError
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.process import iperf3
from netlab.kernel.signals import Interruption
from netlab.probes import probe as probe_by
from netlab.scenario.expectation import Expectation
from netlab.scenario.model import IPERF3
from netlab.trace.model import TraceRequest
from netlab.verify import calls, demands
from netlab.verify.batches import PairProbe
from netlab.verify.details import NO_DETAILS, Details, Throughput
from netlab.verify.followed import followed
from netlab.verify.inputs import MatrixInput
from netlab.verify.room import NeighbourRoom

_AT_ONCE = 512
"""Probes of a batch."""

Ending = tuple[Outcome, Details]


def measure_kinds(
    planned: Sequence[tuple[Expectation, PairProbe]],
    inputs: MatrixInput,
    interruption: Interruption,
    progress: Callable[[int], None],
) -> list[Ending]:
    """Return what became of each probe. Raises KernelError, Interrupted."""
    ended: dict[int, Ending] = {}
    requests: dict[int, TraceRequest] = {}
    for number, (expectation, probe) in enumerate(planned):
        if expectation.by == IPERF3:
            interruption.check()
            ended[number] = _throughput(expectation, probe)
            progress(1)
            continue
        try:
            request = inputs.request(expectation, probe.bind or "", probe.to)
            if not _is_quick(expectation, request):
                probe_by(
                    request.by, request.ends
                ).close()  # One that cannot be made ends no others.
            requests[number] = request
        except UsageError as error:
            ended[number] = Outcome(Verdict.UNKNOWN, error.what), NO_DETAILS
    ended |= _sent(planned, requests, inputs, interruption, progress)
    return [ended[number] for number in range(len(planned))]


def _sent(
    planned: Sequence[tuple[Expectation, PairProbe]],
    requests: Mapping[int, TraceRequest],
    inputs: MatrixInput,
    interruption: Interruption,
    progress: Callable[[int], None],
) -> dict[int, Ending]:
    """Return what became of the probes of these requests: in batches, for which neighbours have room."""
    numbers, ended = [*requests], dict[int, Ending]()
    namespaces = [*inputs.netmap.nodes]
    with NamespacePool(len(namespaces)) as pool:
        probes = [planned[number][1] for number in numbers]
        with NeighbourRoom(probes, namespaces, pool) as room:
            for forward, reverse in room.batches(_AT_ONCE):
                chosen = [numbers[index] for index in (*forward, *reverse)]
                quick = [n for n in chosen if _is_quick(planned[n][0], requests[n])]
                answered = calls.answered([requests[n] for n in quick], interruption)
                ended |= {quick[at]: (outcome, NO_DETAILS) for at, outcome in answered.items()}
                progress(len(answered))
                left = [number for number in chosen if number not in ended]
                endings = followed(
                    [requests[n] for n in left],
                    inputs.netmap,
                    interruption,
                    inputs.dhcp_complaints,
                    progress,
                )
                ended |= zip(left, endings, strict=True)
    return ended


def _is_quick(expectation: Expectation, request: TraceRequest) -> bool:
    """Return whether the two ends of a call tell all that is expected, if it is answered."""
    kind, _, port = request.by.partition(":")
    rule = expectation.rule
    is_followed = rule and (demands.need_following(rule) or rule.http)
    is_call = kind in calls.KINDS and (port or kind == "http")
    return bool(is_call and expectation.reachable and request.ends.target and not is_followed)


def _throughput(expectation: Expectation, probe: PairProbe) -> Ending:
    """Return what a second of TCP, or of UDP, brings over."""
    rule, ends = expectation.rule, (probe.source, probe.target, probe.to, probe.bind or "")
    try:
        throughput = Throughput(
            iperf3.tcp(*ends) if rule and rule.bandwidth else 0.0,
            iperf3.udp_loss(*ends) if rule and rule.loss else 0.0,
        )
    except (Missing, KernelError) as error:
        return Outcome(Verdict.UNKNOWN, str(error)), NO_DETAILS
    outcome = Outcome(Verdict.ANSWERED, "", arrived=True)
    return outcome, Details(throughput=throughput)
