"""Sends probes between namespaces, all at the same time, and collects what is seen of them."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from netlab.diagnosis import phrases
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.journey import NetworkMap
from netlab.diagnosis.verdict import EchoSightings, Outcome, Verdict, outcome_of
from netlab.kernel.host.neighbours import impatient, room
from netlab.kernel.host.overload import OverloadMonitor
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import neighbours
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.patience import Interruption
from netlab.messages import Message
from netlab.packets import icmp
from netlab.packets.icmp_socket import IcmpSocket, address
from netlab.packets.packet import Part
from netlab.verify.batches import PairProbe, batches, needed, pairs
from netlab.verify.io import EchoSockets

if TYPE_CHECKING:
    from concurrent.futures import Future

    from netlab.verify.unanswered import LossAnalyzer

_QUIET_SECONDS = 0.2
"""Silence that ends a wave; on a slow machine, as long as everything from sending on took."""

_ARP_MILLISECONDS = 200
"""Between two of the three ARP questions that a machine asks, while probes are under way. The kernel's
own second would make each address that nobody has cost three of them."""

_ARP_QUESTIONS = 3

_GIVING_UP_SECONDS = 2.0
"""Within which the kernel tells that it has given up asking."""

_LONGEST_SECONDS, _TIMES_SENDING = 10.0, 4
"""How long after sending, or after how many times as long as that took, nothing is waited for any more."""

_PATIENT = 5.0
"""Times as long, where the first try has given no verdict."""

_ROUTERS = 64
"""Neighbours that routers and NAT devices need besides."""

_LEAST_ROOM = 64
"""Neighbours to be learnt at once, however full the machine's table is: some of it will be swept."""

_NOTHING_LEAVES = (Cause.NIC_DOWN, Cause.NO_ADDRESS, Cause.NO_ROUTE)
"""At a source from which no other probe has left either, these say nothing about who may reach whom."""

_AT_ONCE = 32
"""Probes that are sent without a look at anything else."""

_GLANCE_SECONDS = 0.03
"""Between two looks at what comes in while probes are sent: fewer looks see more each."""


def run(
    probes: Sequence[PairProbe],
    progress: Callable[[int], None] = lambda done: None,
    netmap: NetworkMap | None = None,
    interruption: Interruption | None = None,
    between: Iterable[str] = (),
) -> list[Outcome]:
    """Send all probes, of one family, and judge what happened; the outcomes are in the probes' order.

    With `netmap`, every namespace of the lab is watched, and a probe that was not answered is
    told with where and why it was dropped; without, only what reached its ends is known. What was not
    proved at the first try is tried once more, with patience, if it was watched or the machine ran
    short of something meanwhile. What machines `between` the ends learn takes up room too.
    Raises Interrupted.
    """
    if not probes:  # Nobody has an address of this family.
        return []
    request = icmp.EchoRequest(is_ipv6=probes[0].is_ipv6)
    stop, overload = interruption or Interruption(), OverloadMonitor()
    ends = (end for probe in probes for end in (probe.source, probe.target))
    there = (place for place in between if netns.inode(place))
    places = sorted({*ends, *there, *(netmap.nodes if netmap else ())})
    outcomes = _round(probes, request, places, progress, netmap, 1.0, stop)
    unknown = [n for n, outcome in enumerate(outcomes) if outcome.verdict is Verdict.UNKNOWN]
    if unknown and (netmap or overload.since()):
        tried = [probes[n] for n in unknown]
        again = _round(tried, request, places, lambda done: None, netmap, _PATIENT, stop)
        for n, outcome in zip(unknown, again, strict=True):
            outcomes[n] = outcome
    return outcomes


def _round(
    probes: Sequence[PairProbe],
    request: icmp.EchoRequest,
    places: Sequence[str],
    progress: Callable[[int], None],
    netmap: NetworkMap | None,
    slowness: float,
    interruption: Interruption,
) -> list[Outcome]:
    evidence: dict[int, EchoSightings] = {}
    # A fresh identifier for each: a NAT entry of an earlier probe must not carry this one.
    identifier = secrets.randbelow(1 << 16)
    with ExitStack() as stack:
        ends = {end for probe in probes for end in (probe.source, probe.target)}
        pool = stack.enter_context(NamespacePool(5 * len(places)))
        is_ipv6 = any(probe.is_ipv6 for probe in probes)
        stack.enter_context(impatient(places, int(_ARP_MILLISECONDS * slowness), is_ipv6))
        analyzer = _watched(netmap, is_ipv6, slowness, stack) if netmap else None
        sockets = stack.enter_context(EchoSockets(ends, is_ipv6, analyzer, interruption))

        def forget(namespaces: Iterable[str]) -> None:
            for namespace in namespaces:
                neighbours.forget(pool.netlink(namespace))

        ordered = pairs(probes, _free())
        crowded = needed(ordered) > _free()
        if crowded:
            forget(places)
            stack.callback(forget, places)  # The machine's own neighbours are in the same table.
        for there, back in batches(ordered, _free(), sockets.most_at_once()):
            chosen = there + back
            of_it = [probes[n] for n in chosen]
            wave = _Wave(of_it, len(there), request, sockets, identifier, slowness)
            identifier += len(chosen)
            evidence |= zip(chosen, wave.evidence(), strict=True)
            if analyzer:
                wave.keep_silent(analyzer, chosen)
            if crowded:
                direct = all(probe.direct for probe in of_it)
                forget(wave.ends if direct else places)
            progress(len(chosen))
        findings = analyzer.findings() if analyzer else {}
    able = {probe.source for n, probe in enumerate(probes) if evidence[n].left}
    for number, probe in enumerate(probes):
        evidence[number].source_could_send = probe.source in able
    return [_outcome(probe, evidence[n], findings.get(n)) for n, probe in enumerate(probes)]


def _free() -> int:
    """How many neighbours the probes' ends may learn now."""
    return max(room() - _ROUTERS, _LEAST_ROOM)


def _watched(netmap: NetworkMap, is_ipv6: bool, slowness: float, stack: ExitStack) -> LossAnalyzer:
    from netlab.verify.unanswered import LossAnalyzer

    soon = 1.5 * _ARP_MILLISECONDS / 1000 * slowness
    return stack.enter_context(LossAnalyzer(netmap, is_ipv6, soon))


def _outcome(probe: PairProbe, evidence: EchoSightings, finding: Diagnosis | None) -> Outcome:
    """What the ends have seen, with what became of the probe between them."""
    outcome = outcome_of(evidence)
    if finding is None or finding.verdict is Verdict.ANSWERED:
        return outcome
    able = probe.mute or evidence.left or evidence.source_could_send
    if finding.cause in _NOTHING_LEAVES and not able:
        why = Message(
            "nothing leaves the source: {evidence} ({cause})",
            evidence=finding.evidence,
            cause=finding.cause,
        )
        return replace(
            outcome, verdict=Verdict.UNKNOWN, why=why, at=finding.at, cause=finding.cause
        )
    why = phrases.where_and_why(finding)
    return replace(outcome, verdict=finding.verdict, why=why, at=finding.at, cause=finding.cause)


class _Wave:
    """Probes that are under way together; the first `there` of them go before the others."""

    def __init__(
        self,
        probes: Sequence[PairProbe],
        there: int,
        request: icmp.EchoRequest,
        sockets: EchoSockets,
        first_identifier: int,
        slowness: float,
    ) -> None:
        self.probes = probes
        self.there = there
        self.request = request
        self.sockets = sockets
        self.analyzer = sockets.analyzer
        self.first_identifier = first_identifier
        self.slowness = slowness
        self.ends = {end for probe in probes for end in (probe.source, probe.target)}
        self.tokens = [secrets.token_bytes(icmp.TOKEN_BYTES) for _ in probes]
        self.index = {token: number for number, token in enumerate(self.tokens)}
        self.seen = [EchoSightings() for _ in probes]
        self.undecided = list(range(len(probes)))
        self.arp_seconds = _ARP_QUESTIONS * _ARP_MILLISECONDS / 1000 * slowness
        self.begun_at = self.sent_at = self.last_sighting = 0.0
        self.overload = OverloadMonitor()

    def evidence(self) -> list[EchoSightings]:
        """Send, and wait until there is nothing more to come. What the ends of each probe have seen."""
        if self.analyzer:
            self.analyzer.begin(self.tokens)
        self.begun_at = self.last_sighting = time.monotonic()
        numbers = range(len(self.probes))
        self._send(numbers[: self.there])
        self._send(numbers[self.there :])
        self.sent_at = time.monotonic()
        self.last_sighting = max(self.last_sighting, self.sent_at)
        while not self._is_over():
            self._look(self._patience())
        self._count_losses()
        if shortage := self.overload.since() or self._unfinished():
            for seen in self.seen:
                seen.shortage = shortage
        return self.seen

    def _is_over(self) -> bool:
        """Nothing more will be seen, or what is seen is not to be waited for any more.

        Over only when what has come until now was read, too: this process may have been asleep.
        """
        if self._patience() > 0 and not self._unfinished():
            return False
        self._look(0)
        return self._patience() <= 0 or bool(self._unfinished())

    def _unfinished(self) -> str:
        """That packets of the wave are seen for longer than they can live by themselves; or nothing."""
        longest = _LONGEST_SECONDS + _TIMES_SENDING * (self.sent_at - self.begun_at)
        if self.last_sighting + _QUIET_SECONDS < self.sent_at + longest:
            return ""
        return Message(
            "after {seconds} s, netlab's own packets were still seen: somebody sends them again",
            seconds=round(longest),
        )

    def keep_silent(self, analyzer: LossAnalyzer, numbers: Sequence[int]) -> None:
        """Remember what was seen of the probes that were not answered; `numbers` are their names."""
        from netlab.verify.unanswered import UnansweredProbe

        for n, (probe, seen) in enumerate(zip(self.probes, self.seen, strict=True)):
            told = not seen.sightings_lost and not seen.shortage
            if told and outcome_of(seen).verdict is not Verdict.ANSWERED:
                ends = (probe.source, probe.target, probe.to)
                case = UnansweredProbe(self.tokens[n], *ends, seen.send_error, seen.answered)
                analyzer.keep(numbers[n], case)

    def _send(self, numbers: Sequence[int]) -> None:
        """Send these, those of one socket together, and take in meanwhile what they cause."""
        batches: dict[tuple[str, str | None], list[int]] = {}
        for n in numbers:
            batches.setdefault((self.probes[n].source, self.probes[n].bind), []).append(n)
        jobs: dict[Future[dict[int, int]], list[int]] = {}
        if self.analyzer:
            self.analyzer.sends(sender for sender, _ in batches)
        for sender, its in batches.items():
            for few in (its[first:][:_AT_ONCE] for first in range(0, len(its), _AT_ONCE)):
                try:
                    jobs[self.sockets.send(*sender, [self._letter(n) for n in few])] = few
                except OSError as error:
                    self._not_sent(dict.fromkeys(few, error.errno or -1))
        from concurrent.futures import wait

        while wait(jobs, _GLANCE_SECONDS).not_done:
            self._look(0)
        if self.analyzer:
            self.analyzer.sends(sender for sender, _ in batches)
        for job, its in jobs.items():
            self._not_sent({its[place]: error for place, error in job.result().items()})

    def _letter(self, number: int) -> tuple[bytes, bytes]:
        """What is sent, and where."""
        probe, identifier = self.probes[number], (self.first_identifier + number) & 0xFFFF
        return self.request.carrying(self.tokens[number], identifier), address(probe.to)

    def _not_sent(self, errors: Mapping[int, int]) -> None:
        for number, error in errors.items():
            self.seen[number].send_error = error

    def _look(self, seconds: float) -> None:
        """Take in what is to be read, or comes within that time."""
        for one in self.sockets.ready(seconds):
            if isinstance(one, IcmpSocket):
                seen = self._see_off(one) | self._hear(one)
            else:
                seen = bool(self.analyzer and self.analyzer.look(one))
            if seen:
                self.last_sighting = time.monotonic()

    def _see_off(self, icmp_socket: IcmpSocket) -> bool:
        """Take in which probes have left; whether there were any."""
        left = [self.index.get(icmp.token_of(data) or b"") for data in icmp_socket.departures()]
        mine = [n for n in left if n is not None and self.probes[n].source == icmp_socket.namespace]
        for number in mine:
            self.seen[number].left = True
        return bool(mine)

    def _hear(self, icmp_socket: IcmpSocket) -> bool:
        """Take in what was delivered; whether it has to do with the wave."""
        concerned = False
        for data, source in icmp_socket.delivered():
            part, token = icmp.echo(data, icmp_socket.is_ipv6)
            if token in self.index:
                self._note(part, self.index[token], icmp_socket.namespace, source)
                concerned = True
                continue
            message = icmp.read_six(data, source) if icmp_socket.is_ipv6 else icmp.read_packet(data)
            if message and message.token in self.index:
                number = self.index[message.token]
                self._note(message.kind, number, icmp_socket.namespace, source, message)
                concerned = True
        return concerned

    def _note(
        self,
        part: Part | None,
        number: int,
        namespace: str,
        source: str,
        message: icmp.IcmpMessage | None = None,
    ) -> None:
        probe, seen = self.probes[number], self.seen[number]
        if part is Part.REQUEST and namespace == probe.target:
            seen.delivered_from.append(source)
        elif part is Part.REPLY and namespace == probe.source:
            seen.answered = True
        elif part is Part.ERROR and namespace == probe.source and message:
            if message.own:
                seen.unresolved = True
            else:
                seen.error = message.text

    def _patience(self) -> float:
        """Seconds until the wave is over unless something more is seen."""
        now = time.monotonic()
        self.undecided = [number for number in self.undecided if not self.seen[number].decided]
        if not self.undecided:
            return 0
        undecided = [self.seen[number] for number in self.undecided]
        if not all(seen.left or seen.answered for seen in undecided) and not self.overload.since():
            return self.sent_at + self.arp_seconds + _GIVING_UP_SECONDS - now
        quiet = max(_QUIET_SECONDS * self.slowness, self.last_sighting - self.begun_at)
        asked = self.analyzer.last_question() if self.analyzer else -math.inf
        return max(self.last_sighting + quiet, asked + self.arp_seconds) - now

    def _count_losses(self) -> None:
        lost = {name: self.sockets.icmp_sockets[name].lost() for name in self.ends}
        for probe, seen in zip(self.probes, self.seen, strict=True):
            seen.sightings_lost = lost[probe.source] + lost[probe.target]
