"""Sends probes between namespaces, all at the same time, and collects what is seen of them."""

from __future__ import annotations

import secrets
import selectors
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from netlab.kernel.closing import close_together
from netlab.kernel.handles import Handles
from netlab.kernel.neighbours import forget_neighbours, impatient, room, times_full
from netlab.kernel.patience import Interruption
from netlab.probe import icmp
from netlab.probe.autopsy import Autopsy, Case
from netlab.probe.cause import SENTENCES, Cause, Finding
from netlab.probe.ear import Ear
from netlab.probe.journey import Map
from netlab.probe.packet import Part
from netlab.probe.verdict import Evidence, Outcome, Verdict, judge

_QUIET_SECONDS = 0.2
"""Silence that ends a wave; on a slow machine, as long as everything from sending on took."""

_ARP_MILLISECONDS = 200
"""Between two of the three ARP questions that a machine asks, while probes are under way. The kernel's
own second would make each address that nobody has cost three of them."""

_ARP_QUESTIONS = 3

_GIVING_UP_SECONDS = 2.0
"""Within which the kernel tells that it has given up asking."""

_PATIENT = 5.0
"""Times as long, where the first try has given no verdict."""

_ROUTERS = 64
"""Neighbours that routers and NAT devices need besides."""

_LEAST_ROOM = 64
"""Neighbours to be learnt at once, however full the machine's table is: some of it will be swept."""

_COPIES = 4
"""Sightings of a probe and its answer on one machine."""

_NOTHING_LEAVES = (Cause.NIC_DOWN, Cause.NO_ADDRESS, Cause.NO_ROUTE)
"""At a source from which no other probe has left either, these say nothing about who may reach whom."""

_INTERRUPTION_SECONDS = 0.1
"""How long Ctrl-C may have to wait."""

_BREATH = 64
"""Probes that are sent before what they have caused is taken in: buffers are not endless."""


@dataclass(frozen=True)
class Probe:
    """One echo request."""

    source: str
    """Namespace that sends."""
    target: str
    """Namespace that must receive."""
    to: str
    """IP address."""
    bind: str | None = None
    """Source address to use; None: the kernel's choice."""
    mute: bool = False
    """By the scenario, the source can send nothing."""
    direct: bool = False
    """Source and target are on one network, and need each other's MAC."""

    @property
    def six(self) -> bool:
        """It goes over IPv6."""
        return ":" in self.to


def run(
    probes: Sequence[Probe],
    progress: Callable[[int], None] = lambda done: None,
    where: Map | None = None,
    interruption: Interruption | None = None,
) -> list[Outcome]:
    """Send all probes, of one family, and judge what happened; the outcomes are in the probes' order.

    With `where`, every namespace of the lab is watched, and a probe that was not answered is
    told with where and why it died; without, only what reached its ends is known. What was not
    proved at the first try is tried once more, with patience, if it was watched or the kernel had
    no room for a neighbour meanwhile. Raises Interrupted.
    """
    if not probes:  # Nobody has an address of this family.
        return []
    stop, full = interruption or Interruption(), times_full()
    outcomes = _round(probes, progress, where, 1.0, stop)
    unknown = [n for n, outcome in enumerate(outcomes) if outcome.verdict is Verdict.UNKNOWN]
    if unknown and (where or times_full() > full):
        again = _round([probes[n] for n in unknown], lambda done: None, where, _PATIENT, stop)
        for n, outcome in zip(unknown, again, strict=True):
            outcomes[n] = outcome
    return outcomes


def _round(
    probes: Sequence[Probe],
    progress: Callable[[int], None],
    where: Map | None,
    slowness: float,
    interruption: Interruption,
) -> list[Outcome]:
    evidence: dict[int, Evidence] = {}
    # A fresh identifier for each: a NAT entry of an earlier probe must not carry this one.
    identifier = secrets.randbelow(1 << 16)
    with ExitStack() as stack:
        ends = {end for probe in probes for end in (probe.source, probe.target)}
        places = sorted(where.nodes if where else ends)
        handles = stack.enter_context(Handles(5 * len(places)))
        stack.enter_context(impatient(places, int(_ARP_MILLISECONDS * slowness)))
        six = any(probe.six for probe in probes)
        autopsy = stack.enter_context(Autopsy(where, six)) if where else None
        ears = _open_ears(ends, six, stack)

        def forget() -> None:
            for namespace in places:
                forget_neighbours(handles.netlink(namespace))

        crowded = len({entry for probe in probes for entry in _entries(probe)}) > _free()
        if crowded:
            forget()
            stack.callback(forget)  # The machine's own neighbours are in the same table.
        for number, chosen in enumerate(_waves(probes, _most_at_once(ears))):
            if crowded and number:
                forget()
            wave = _Wave(
                [probes[n] for n in chosen], ears, identifier, autopsy, slowness, interruption
            )
            identifier += len(chosen)
            full = times_full()
            evidence |= zip(chosen, wave.evidence(), strict=True)
            for n in chosen if times_full() > full else ():
                evidence[n].crowded = True
            if autopsy:
                wave.keep_silent(autopsy, chosen)
            progress(len(chosen))
        findings = autopsy.findings() if autopsy else {}
    able = {probe.source for n, probe in enumerate(probes) if evidence[n].left}
    for number, probe in enumerate(probes):
        evidence[number].source_could_send = probe.source in able
    return [_outcome(probe, evidence[n], findings.get(n)) for n, probe in enumerate(probes)]


def _outcome(probe: Probe, evidence: Evidence, finding: Finding | None) -> Outcome:
    """What the ends have seen, with what became of the probe between them."""
    outcome = judge(evidence)
    if finding is None:
        return outcome
    able = probe.mute or evidence.left or evidence.source_could_send
    if finding.cause in _NOTHING_LEAVES and not able:
        why = f"nothing leaves the source: {finding.evidence} ({finding.cause})"
        return replace(
            outcome, verdict=Verdict.UNKNOWN, why=why, at=finding.at, cause=finding.cause
        )
    sentence = SENTENCES[finding.cause]["en"] if finding.cause else ""
    why = f"at {finding.at}, {sentence} ({finding.cause}: {finding.evidence})"
    return replace(outcome, verdict=finding.verdict, why=why, at=finding.at, cause=finding.cause)


def _waves(probes: Sequence[Probe], most: int) -> Iterator[list[int]]:
    """Numbers of probes that go together: no more than ARP has room for in all namespaces of the machine.

    Both directions between two neighbours need the same two entries, so they go together; one after
    the other, as who is asked for its MAC address learns that of who asks: half as many questions,
    and a switch gives each to all its ports.
    """
    pairs: dict[frozenset[str], list[int]] = {}
    # Silence has to be waited for: what routers and rules may swallow goes in waves of its own.
    for number, probe in sorted(enumerate(probes), key=lambda one: not one[1].direct):
        pairs.setdefault(frozenset((probe.source, probe.target)), []).append(number)
    free = _free()
    wave: list[list[int]] = []
    entries: set[tuple[str, str]] = set()
    for numbers in pairs.values():
        fresh = {entry for n in numbers for entry in _entries(probes[n])}
        if wave and (len(entries | fresh) > free or sum(map(len, wave)) + len(numbers) > most):
            yield _one_direction_first(wave)
            wave, entries = [], set()
        wave.append(numbers)
        entries |= fresh
    if wave:
        yield _one_direction_first(wave)


def _one_direction_first(pairs: list[list[int]]) -> list[int]:
    return [pair[0] for pair in pairs] + [number for pair in pairs for number in pair[1:]]


def _free() -> int:
    """How many neighbours the probes' ends may learn now."""
    return max(room() - _ROUTERS, _LEAST_ROOM)


def _entries(probe: Probe) -> Iterator[tuple[str, str]]:
    """What has to be learnt by ARP: each other's address, or that of a gateway, which learns theirs."""
    for one, other in ((probe.source, probe.target), (probe.target, probe.source)):
        yield one, other if probe.direct else ""
        yield other if probe.direct else "", one


def _most_at_once(ears: Mapping[str, Ear]) -> int:
    """Probes whose copies a socket's buffer holds."""
    return min(ear.room() for ear in ears.values()) // _COPIES


def _open_ears(namespaces: Iterable[str], six: bool, stack: ExitStack) -> dict[str, Ear]:
    ears: dict[str, Ear] = {}
    stack.callback(close_together, ears.values())
    for name in sorted(namespaces):
        ears[name] = Ear(name, six)
    return ears


class _Wave:
    """Probes that are under way together."""

    def __init__(
        self,
        probes: Sequence[Probe],
        ears: dict[str, Ear],
        first_identifier: int,
        autopsy: Autopsy | None,
        slowness: float,
        interruption: Interruption,
    ) -> None:
        self.interruption = interruption
        self.probes = probes
        self.ears = ears
        self.first_identifier = first_identifier
        self.autopsy = autopsy
        self.slowness = slowness
        self.tokens = [secrets.token_bytes(icmp.TOKEN_BYTES) for _ in probes]
        self.index = {token: number for number, token in enumerate(self.tokens)}
        self.seen = [Evidence() for _ in probes]
        self.arp_seconds = _ARP_QUESTIONS * _ARP_MILLISECONDS / 1000 * slowness
        self.begun_at = self.sent_at = self.last_sighting = 0.0

    def evidence(self) -> list[Evidence]:
        """Send, and wait until there is nothing more to come. What the ends of each probe have seen."""
        with selectors.DefaultSelector() as self.selector:
            for name, ear in self.ears.items():
                self.selector.register(ear.icmp, selectors.EVENT_READ, name)
                self.selector.register(ear.wire, selectors.EVENT_READ, name)
            if self.autopsy:
                self.autopsy.begin(self.tokens)
                for tap in self.autopsy.taps:
                    self.selector.register(tap.socket, selectors.EVENT_READ, tap)
            self._send()
            # Over only when nothing is waiting to be read: this process may have been asleep.
            while self._look(0) or self._look(self._patience()) or self._patience() > 0:
                pass
        self._count_losses()
        return self.seen

    def keep_silent(self, autopsy: Autopsy, numbers: Sequence[int]) -> None:
        """Remember what was seen of the probes that were not answered; `numbers` are their names."""
        for n, (probe, seen) in enumerate(zip(self.probes, self.seen, strict=True)):
            told = not seen.sightings_lost and not seen.crowded
            if told and judge(seen).verdict is not Verdict.ANSWERED:
                case = Case(self.tokens[n], probe.source, probe.target, probe.to, seen.send_error)
                autopsy.keep(numbers[n], case)

    def _send(self) -> None:
        self.begun_at = self.last_sighting = time.monotonic()
        for number, probe in enumerate(self.probes):
            identifier = (self.first_identifier + number) & 0xFFFF
            message = icmp.echo_request(self.tokens[number], identifier, six=probe.six)
            error = self.ears[probe.source].send(message, probe.to, probe.bind)
            self.seen[number].send_error = error
            if number % _BREATH == _BREATH - 1:
                self._look(0)
        self.sent_at = time.monotonic()
        self.last_sighting = max(self.last_sighting, self.sent_at)

    def _look(self, seconds: float) -> bool:
        """Take in what is to be read, or comes within that time; whether there was anything."""
        self.interruption.check()
        ready = self.selector.select(min(max(seconds, 0), _INTERRUPTION_SECONDS))
        for key, _ in ready:
            if isinstance(key.data, str):
                self._listen(key.data)
            elif self.autopsy and self.autopsy.look(key.data):
                self.last_sighting = time.monotonic()
        return bool(ready)

    def _listen(self, namespace: str) -> None:
        """Take in everything that a namespace has seen since the last look."""
        ear, now = self.ears[namespace], time.monotonic()
        for data in ear.departures():
            number = self.index.get(icmp.token_of(data) or b"")
            if number is not None and self.probes[number].source == namespace:
                self.seen[number].left = True
                self.last_sighting = now
        for data, source in ear.delivered():
            message = icmp.read_six(data, source) if ear.six else icmp.read_packet(data)
            number = self.index.get(message.token) if message else None
            if message and number is not None:
                self._note(message, number, namespace)
                self.last_sighting = now

    def _note(self, message: icmp.Message, number: int, namespace: str) -> None:
        probe, seen = self.probes[number], self.seen[number]
        if message.kind is Part.REQUEST and namespace == probe.target:
            seen.delivered_from.append(message.source)
        elif message.kind is Part.ANSWER and namespace == probe.source:
            seen.answered = True
        elif message.kind is Part.ERROR and namespace == probe.source:
            if message.own:
                seen.unresolved = True
            else:
                seen.error = message.text

    def _patience(self) -> float:
        """Seconds until the wave is over unless something more is seen."""
        now = time.monotonic()
        undecided = [seen for seen in self.seen if not seen.decided]
        if not undecided:
            return 0
        if not all(seen.left or seen.answered for seen in undecided):
            return self.sent_at + self.arp_seconds + _GIVING_UP_SECONDS - now
        quiet = max(_QUIET_SECONDS * self.slowness, self.last_sighting - self.begun_at)
        if self.autopsy and self.autopsy.asks(self.arp_seconds):
            quiet = max(quiet, self.arp_seconds)
        return self.last_sighting + quiet - now

    def _count_losses(self) -> None:
        lost = {name: ear.lost() for name, ear in self.ears.items()}
        for probe, seen in zip(self.probes, self.seen, strict=True):
            seen.sightings_lost = lost[probe.source] + lost[probe.target]
