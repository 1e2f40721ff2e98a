"""Sends probes between namespaces, all at the same time, and collects what is seen of them."""

from __future__ import annotations

import secrets
import selectors
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from netlab.kernel.handles import Handles
from netlab.kernel.links import forget_neighbours
from netlab.probe import icmp
from netlab.probe.ear import Ear
from netlab.probe.packet import Part
from netlab.probe.verdict import Evidence, Outcome, judge

_WAVE = 150
"""Probes under way at once: each may need four neighbour entries (two on a direct way, more behind
a router), and all namespaces of the machine share room for 1,024 (gc_thresh3 of a stock kernel)."""

_QUIET_SECONDS = 0.2
"""Silence that ends a wave; on a slow machine, as long as everything from sending on took."""

_ARP_SECONDS = 5.0
"""The kernel gives up on a neighbour after three requests, one a second."""


@dataclass(frozen=True)
class Probe:
    """One echo request."""

    source: str
    """Namespace that sends."""
    target: str
    """Namespace that must receive."""
    to: str
    """IPv4 address."""
    bind: str | None = None
    """Source address to use; None: the kernel's choice."""


def run(
    probes: Sequence[Probe], progress: Callable[[int], None] = lambda done: None
) -> list[Outcome]:
    """Send all probes and judge what happened; the outcomes are in the probes' order."""
    evidence: list[Evidence] = []
    # A fresh identifier for each: a NAT entry of an earlier probe must not carry this one.
    identifier = secrets.randbelow(1 << 16)
    with ExitStack() as stack:
        ears = _open_ears(probes, stack)
        handles = stack.enter_context(Handles(len(ears)))
        for start in range(0, len(probes), _WAVE):
            if start:
                for namespace in ears:
                    forget_neighbours(handles.netlink(namespace))
            wave = _Wave(probes[start : start + _WAVE], ears, identifier + start)
            evidence += wave.evidence()
            progress(len(wave.probes))
    able = {probe.source for probe, seen in zip(probes, evidence, strict=True) if seen.left}
    for probe, seen in zip(probes, evidence, strict=True):
        seen.source_could_send = probe.source in able
    return [judge(seen) for seen in evidence]


def _open_ears(probes: Sequence[Probe], stack: ExitStack) -> dict[str, Ear]:
    namespaces = {probe.source for probe in probes} | {probe.target for probe in probes}
    ears = {}
    for name in sorted(namespaces):
        ears[name] = Ear(name)
        stack.callback(ears[name].close)
    return ears


class _Wave:
    """Probes that are under way together."""

    def __init__(
        self, probes: Sequence[Probe], ears: dict[str, Ear], first_identifier: int
    ) -> None:
        self.probes = probes
        self.ears = ears
        self.first_identifier = first_identifier
        self.tokens = [secrets.token_bytes(icmp.TOKEN_BYTES) for _ in probes]
        self.index = {token: number for number, token in enumerate(self.tokens)}
        self.seen = [Evidence() for _ in probes]
        self.begun_at = self.sent_at = self.last_sighting = 0.0

    def evidence(self) -> list[Evidence]:
        with selectors.DefaultSelector() as selector:
            for name, ear in self.ears.items():
                selector.register(ear.icmp, selectors.EVENT_READ, name)
                selector.register(ear.wire, selectors.EVENT_READ, name)
            self._send()
            # Over only when nothing is waiting to be read: this process may have been asleep.
            while True:
                patience = self._patience()
                ready = selector.select(max(patience, 0))
                for key, _ in ready:
                    self._look(key.data)
                if not ready and patience <= 0:
                    break
        self._count_losses()
        return self.seen

    def _send(self) -> None:
        self.begun_at = time.monotonic()
        for number, probe in enumerate(self.probes):
            identifier = (self.first_identifier + number) & 0xFFFF
            message = icmp.echo_request(self.tokens[number], identifier)
            error = self.ears[probe.source].send(message, probe.to, probe.bind)
            self.seen[number].send_error = error
        self.sent_at = self.last_sighting = time.monotonic()

    def _look(self, namespace: str) -> None:
        """Take in everything that a namespace has seen since the last look."""
        ear, now = self.ears[namespace], time.monotonic()
        for data in ear.departures():
            number = self.index.get(icmp.token_of(data) or b"")
            if number is not None and self.probes[number].source == namespace:
                self.seen[number].left = True
                self.last_sighting = now
        for data in ear.delivered():
            message = icmp.read_packet(data)
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
        if not all(seen.left for seen in undecided):
            return self.sent_at + _ARP_SECONDS - now
        quiet = max(_QUIET_SECONDS, self.last_sighting - self.begun_at)
        return self.last_sighting + quiet - now

    def _count_losses(self) -> None:
        lost = {name: ear.lost() for name, ear in self.ears.items()}
        for probe, seen in zip(self.probes, self.seen, strict=True):
            seen.sightings_lost = lost[probe.source] + lost[probe.target]
