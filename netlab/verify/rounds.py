"""Sends probes between namespaces, all at the same time, and collects what is seen of them."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.journey import NetworkMap
from netlab.diagnosis.verdict import EchoSightings, Outcome, Verdict, outcome_of
from netlab.kernel.host.neighbours import impatient
from netlab.kernel.host.overload import OverloadMonitor
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.signals import Interruption
from netlab.messages import Message
from netlab.packets import icmp
from netlab.packets.icmp_socket import IcmpSocket, sockaddr
from netlab.packets.packet import Part
from netlab.verify.batches import PairProbe
from netlab.verify.io import EchoSockets
from netlab.verify.results import PairResult, with_diagnosis
from netlab.verify.room import NeighbourRoom

if TYPE_CHECKING:
    from concurrent.futures import Future

    from netlab.verify.unanswered import Loss, LossAnalyzer

_QUIET_SECONDS = 0.2
"""Silence that ends a batch; on a slow machine, as long as everything from sending on took."""

_ARP_MILLISECONDS = 200
"""Interval of the three ARP requests that a machine sends, while probes are under way. The kernel's own
second would make each address that nobody has cost three of them."""

_ARP_REQUESTS = 3

_GIVING_UP_SECONDS = 2.0
"""The kernel reports within this time that it has given up asking."""

_LONGEST_SECONDS, _TIMES_SENDING = 10.0, 4
"""A batch ends so long after sending, or after so many times as long as sending took."""

_RETRY_SLOWNESS = 5.0
"""Factor of all times of the second try, where the first has given no verdict."""

_SOURCE_FAULTS = (Cause.NIC_DOWN, Cause.NO_ADDRESS, Cause.NO_ROUTE)
"""Causes that say nothing about the pair at a source from which no other probe has left either."""

_CHUNK = 32
"""Probes that are sent by one system call, without a look at anything else."""

_LOOK_INTERVAL_SECONDS = 0.03
"""Interval of looks at what comes in while probes are sent: fewer looks see more each."""


def run(
    probes: Sequence[PairProbe],
    progress: Callable[[int], None] = lambda done: None,
    netmap: NetworkMap | None = None,
    interruption: Interruption | None = None,
    between: Iterable[str] = (),
) -> list[Outcome]:
    """Send all probes, of one family, and judge what happened; the outcomes are in the probes' order.

    With `netmap`, every namespace of the lab is watched, and the outcome of an unanswered probe says where
    and why it was dropped; without, only what reached its ends is known. A probe of which the first try
    proved nothing is sent once more: with longer times if the machine ran short of something meanwhile, and
    if it was watched, with everything that may explain it (`netlab.trace`). Neighbours that machines
    `between` the ends learn take up room too.
    Raises Interrupted.
    """
    if not probes:  # Nobody has an address of this family.
        return []
    request = icmp.EchoRequest(is_ipv6=probes[0].is_ipv6)
    stop, overload = interruption or Interruption(), OverloadMonitor()
    ends = (end for probe in probes for end in (probe.source, probe.target))
    looked_at = {*ends, *between, *(netmap.nodes if netmap else ())}
    namespaces = sorted(filter(netns.is_there, looked_at))
    measured = _round(probes, request, namespaces, progress, netmap, 1.0, stop)
    unknown = [n for n, end in enumerate(measured) if end.outcome.verdict is Verdict.UNKNOWN]
    if unknown and overload.since():
        retried = [probes[n] for n in unknown]
        again = _round(
            retried, request, namespaces, lambda done: None, netmap, _RETRY_SLOWNESS, stop
        )
        for n, anew in zip(unknown, again, strict=True):
            measured[n] = anew
    if netmap and any(end.is_unexplained for end in measured):
        from netlab.verify.second import looked_again  # Most labs need it never.

        return looked_again(probes, measured, netmap, stop)
    return [end.outcome for end in measured]


def _round(
    probes: Sequence[PairProbe],
    request: icmp.EchoRequest,
    namespaces: Sequence[str],
    progress: Callable[[int], None],
    netmap: NetworkMap | None,
    slowness: float,
    interruption: Interruption,
) -> list[PairResult]:
    evidence: dict[int, EchoSightings] = {}
    # A fresh identifier for each: a NAT entry of an earlier probe must not carry this one.
    identifier = secrets.randbelow(1 << 16)
    with ExitStack() as stack:
        ends = {end for probe in probes for end in (probe.source, probe.target)} & {*namespaces}
        pool = stack.enter_context(NamespacePool(5 * len(namespaces)))
        is_ipv6 = any(probe.is_ipv6 for probe in probes)
        stack.enter_context(impatient(namespaces, int(_ARP_MILLISECONDS * slowness), is_ipv6))
        analyzer = _open_analyzer(netmap, is_ipv6, slowness, stack) if netmap else None
        sockets = stack.enter_context(EchoSockets(ends, is_ipv6, analyzer, interruption))

        room = stack.enter_context(NeighbourRoom(probes, namespaces, pool))
        for forward, reverse in room.batches(sockets.most_at_once()):
            chosen = forward + reverse
            batch_probes = [probes[n] for n in chosen]
            batch = _Batch(batch_probes, len(forward), request, sockets, identifier, slowness)
            identifier += len(chosen)
            evidence |= zip(chosen, batch.measure(), strict=True)
            if analyzer:
                batch.keep_unanswered(analyzer, chosen)
            progress(len(chosen))
        losses = analyzer.losses() if analyzer else {}
    sending = {probe.source for n, probe in enumerate(probes) if evidence[n].left}
    for number, probe in enumerate(probes):
        evidence[number].source_could_send = probe.source in sending
    return [
        PairResult(
            _outcome(probe, evidence[n], losses.get(n)), losses.get(n), bool(evidence[n].shortage)
        )
        for n, probe in enumerate(probes)
    ]


def _open_analyzer(
    netmap: NetworkMap, is_ipv6: bool, slowness: float, stack: ExitStack
) -> LossAnalyzer:
    from netlab.verify.unanswered import LossAnalyzer

    soon = 1.5 * _ARP_MILLISECONDS / 1000 * slowness
    return stack.enter_context(LossAnalyzer(netmap, is_ipv6, soon))


def _outcome(probe: PairProbe, evidence: EchoSightings, loss: Loss | None) -> Outcome:
    """Combine what the ends have seen with what became of the probe between them."""
    outcome = outcome_of(evidence)
    if loss is None or loss.diagnosis.verdict is Verdict.ANSWERED:
        return outcome
    diagnosis = loss.diagnosis
    can_send = probe.mute or evidence.left or evidence.source_could_send
    return with_diagnosis(
        replace(outcome, source_sends=can_send or diagnosis.cause not in _SOURCE_FAULTS), diagnosis
    )


class _Batch:
    """Probes that are under way together; the first `forward_count` of them go before the others."""

    def __init__(
        self,
        probes: Sequence[PairProbe],
        forward_count: int,
        request: icmp.EchoRequest,
        sockets: EchoSockets,
        first_identifier: int,
        slowness: float,
    ) -> None:
        self.probes = probes
        self.forward_count = forward_count
        self.request = request
        self.sockets = sockets
        self.analyzer = sockets.analyzer
        self.first_identifier = first_identifier
        self.slowness = slowness
        self.ends = {
            end
            for probe in probes
            for end in (probe.source, probe.target)
            if end in sockets.icmp_sockets
        }
        """Namespaces; the target's may be gone."""
        self.tokens = [secrets.token_bytes(icmp.TOKEN_BYTES) for _ in probes]
        self.index = {token: number for number, token in enumerate(self.tokens)}
        self.evidence = [EchoSightings() for _ in probes]
        self.undecided = list(range(len(probes)))
        self.arp_seconds = _ARP_REQUESTS * _ARP_MILLISECONDS / 1000 * slowness
        self.begun_at = self.sent_at = self.last_sighting = 0.0
        self.overload = OverloadMonitor()

    def measure(self) -> list[EchoSightings]:
        """Send, wait until nothing more can come, and return what the ends of each probe have seen."""
        if self.analyzer:
            self.analyzer.begin(self.tokens)
        self.begun_at = self.last_sighting = time.monotonic()
        numbers = range(len(self.probes))
        self._send(numbers[: self.forward_count])
        self._send(numbers[self.forward_count :])
        self.sent_at = time.monotonic()
        self.last_sighting = max(self.last_sighting, self.sent_at)
        while not self._is_over():
            self._receive(self._remaining_seconds())
        self._count_losses()
        if shortage := self.overload.since() or self._overrun():
            for evidence in self.evidence:
                evidence.shortage = shortage
        return self.evidence

    def _is_over(self) -> bool:
        """Return whether nothing more will be seen, or what is seen is not waited for any more.

        True only when what has come until now was read, too: this process may have been asleep.
        """
        if self._remaining_seconds() > 0 and not self._overrun():
            return False
        self._receive(0)
        return self._remaining_seconds() <= 0 or bool(self._overrun())

    def _overrun(self) -> str:
        """Return why the batch is cut short: its packets live longer than they can by themselves. Else
        empty."""
        longest = _LONGEST_SECONDS + _TIMES_SENDING * (self.sent_at - self.begun_at)
        if self.last_sighting + _QUIET_SECONDS < self.sent_at + longest:
            return ""
        return Message(
            "after {seconds} s, netlab's own packets were still seen: somebody sends them again",
            seconds=round(longest),
        )

    def keep_unanswered(self, analyzer: LossAnalyzer, numbers: Sequence[int]) -> None:
        """Have the analyzer keep what was seen of probes that were not answered, or of which a rule has
        dropped the reply; `numbers` are their names."""
        from netlab.verify.unanswered import UnansweredProbe

        dropped = analyzer.dropped_replies()
        for n, (probe, evidence) in enumerate(zip(self.probes, self.evidence, strict=True)):
            complete = not evidence.sightings_lost and not evidence.shortage
            answered = outcome_of(evidence).verdict is Verdict.ANSWERED
            if complete and (not answered or self.tokens[n] in dropped):
                ends = (probe.source, probe.target, probe.to)
                case = UnansweredProbe(
                    self.tokens[n], *ends, evidence.send_error, evidence.answered
                )
                analyzer.keep(numbers[n], case)

    def _send(self, numbers: Sequence[int]) -> None:
        """Send these probes, those of one socket together, and take in meanwhile what they cause."""
        by_socket: dict[tuple[str, str | None], list[int]] = {}
        for n in numbers:
            by_socket.setdefault((self.probes[n].source, self.probes[n].bind), []).append(n)
        jobs: dict[Future[dict[int, int]], list[int]] = {}
        if self.analyzer:
            self.analyzer.note_sending(sender for sender, _ in by_socket)
        for sender, queue in by_socket.items():
            for chunk in (queue[first:][:_CHUNK] for first in range(0, len(queue), _CHUNK)):
                try:
                    jobs[self.sockets.send(*sender, [self._message(n) for n in chunk])] = chunk
                except OSError as error:
                    self._note_send_errors(dict.fromkeys(chunk, error.errno or -1))
        from concurrent.futures import wait

        while wait(jobs, _LOOK_INTERVAL_SECONDS).not_done:
            self._receive(0)
        if self.analyzer:
            self.analyzer.note_sending(sender for sender, _ in by_socket)
        for job, queue in jobs.items():
            self._note_send_errors({queue[index]: error for index, error in job.result().items()})

    def _message(self, number: int) -> tuple[bytes, bytes]:
        """Return the request with the probe's token, and its address (struct sockaddr)."""
        probe, identifier = self.probes[number], (self.first_identifier + number) & 0xFFFF
        return self.request.build(self.tokens[number], identifier), sockaddr(probe.to)

    def _note_send_errors(self, errors: Mapping[int, int]) -> None:
        for number, error in errors.items():
            self.evidence[number].send_error = error

    def _receive(self, seconds: float) -> None:
        """Take in what can be read now, or comes within that time."""
        for readable in self.sockets.ready(seconds):
            if isinstance(readable, IcmpSocket):
                concerned = self._note_departures(readable) | self._note_arrivals(readable)
            else:
                concerned = bool(self.analyzer and self.analyzer.look(readable))
            if concerned:
                self.last_sighting = time.monotonic()

    def _note_departures(self, icmp_socket: IcmpSocket) -> bool:
        """Take in which probes have left, and return whether there were any."""
        left = [self.index.get(icmp.token_of(data) or b"") for data in icmp_socket.departures()]
        numbers = [
            n for n in left if n is not None and self.probes[n].source == icmp_socket.namespace
        ]
        for number in numbers:
            self.evidence[number].left = True
        return bool(numbers)

    def _note_arrivals(self, icmp_socket: IcmpSocket) -> bool:
        """Take in what was delivered, and return whether it has to do with the batch."""
        concerned = False
        for data, source in icmp_socket.delivered():
            part, token = icmp.echo(data, icmp_socket.is_ipv6)
            if token in self.index:
                self._note_arrival(part, self.index[token], icmp_socket.namespace, source)
                concerned = True
                continue
            message = (
                icmp.read_ipv6_message(data, source)
                if icmp_socket.is_ipv6
                else icmp.read_ipv4_packet(data)
            )
            if message and message.token in self.index:
                number = self.index[message.token]
                self._note_arrival(message.kind, number, icmp_socket.namespace, source, message)
                concerned = True
        return concerned

    def _note_arrival(
        self,
        part: Part | None,
        number: int,
        namespace: str,
        source: str,
        message: icmp.IcmpMessage | None = None,
    ) -> None:
        probe, evidence = self.probes[number], self.evidence[number]
        if part is Part.REQUEST and namespace == probe.target:
            evidence.delivered_from.append(source)
        elif part is Part.REPLY and namespace == probe.source:
            evidence.answered = True
        elif part is Part.ERROR and namespace == probe.source and message:
            if message.local:
                evidence.unresolved = True
            else:
                evidence.error = message.text

    def _remaining_seconds(self) -> float:
        """Return the seconds until the batch is over unless something more is seen."""
        now = time.monotonic()
        self.undecided = [number for number in self.undecided if not self.evidence[number].decided]
        if not self.undecided:
            return 0
        undecided = [self.evidence[number] for number in self.undecided]
        if (
            not all(evidence.left or evidence.answered for evidence in undecided)
            and not self.overload.since()
        ):
            return self.sent_at + self.arp_seconds + _GIVING_UP_SECONDS - now
        quiet = max(_QUIET_SECONDS * self.slowness, self.last_sighting - self.begun_at)
        asked = self.analyzer.last_request() if self.analyzer else -math.inf
        return max(self.last_sighting + quiet, asked + self.arp_seconds) - now

    def _count_losses(self) -> None:
        lost = {name: self.sockets.icmp_sockets[name].lost() for name in self.ends}
        for probe, evidence in zip(self.probes, self.evidence, strict=True):
            evidence.sightings_lost = lost[probe.source] + lost.get(probe.target, 0)
            evidence.target_gone = probe.target not in lost
