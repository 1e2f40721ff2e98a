"""Calls to programs: connections and datagrams that are sent all at once, and seen at their ends.

For those that are answered, this is enough, and fast. The others are followed (`verify.followed`).
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing

from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.kernel.closing import close_together
from netlab.kernel.namespaces import netns
from netlab.kernel.signals import Interruption
from netlab.messages import Message
from netlab.packets import filters
from netlab.packets.frame import decode
from netlab.packets.icmp_socket import NOTHING, attach
from netlab.packets.packet import Part
from netlab.packets.tap import Tap
from netlab.probes import probe as probe_by
from netlab.probes.base import Probe
from netlab.trace.model import TraceRequest
from netlab.verify.turns import turns

KINDS = ("tcp", "udp", "http")
_AT_ONCE = 256
"""Calls that are under way together: each is an open socket."""
_QUIET_SECONDS = 0.3
"""Silence after which no more answers are expected: who takes longer is followed."""
_LOOK_SECONDS = 0.01


def answered(requests: Sequence[TraceRequest], interruption: Interruption) -> dict[int, Outcome]:
    """Return the outcomes of calls that the target has got and that were answered, by their index.

    Raises Interrupted.
    """
    outcomes: dict[int, Outcome] = {}
    targets = {request.ends.target for request in requests if request.ends.target}
    taps: list[Tap] = []
    try:
        for target in sorted(filter(netns.is_there, targets)):
            taps.append(Tap(target, but=(), program=NOTHING))
        for wave in turns(requests, _protocol, _AT_ONCE):
            interruption.check()
            outcomes |= _called({number: requests[number] for number in wave}, taps, interruption)
    finally:
        close_together(taps)
    return outcomes


def _protocol(request: TraceRequest) -> str:
    return "udp" if request.by.startswith("udp") else "tcp"


def _called(
    requests: dict[int, TraceRequest], taps: Sequence[Tap], interruption: Interruption
) -> dict[int, Outcome]:
    with ExitStack() as stack:
        probes: dict[int, Probe] = {}
        for number, request in requests.items():
            probe = probe_by(request.by, request.ends)
            probes[number] = stack.enter_context(closing(probe))
        pattern = filters.common([probe.pattern for probe in probes.values()])
        program = filters.probe_filter(pattern, questions=False)
        for tap in taps:
            attach(tap.socket, program)
        seen = _Arrivals(probes)
        _send(probes)
        _await(probes, taps, seen, interruption)
    return {
        number: Outcome(
            Verdict.ANSWERED,
            Message("answered; the target saw {address}", address=address),
            address,
            arrived=True,
        )
        for number, address in seen.addresses.items()
        if probes[number].answered
    }


def _send(probes: dict[int, Probe]) -> None:
    for probe in probes.values():
        try:
            probe.send()
        except OSError:  # Who follows it says why.
            continue


def _await(
    probes: dict[int, Probe], taps: Sequence[Tap], seen: _Arrivals, interruption: Interruption
) -> None:
    """Wait until every call is answered and was seen at its target, or until nothing comes any more."""
    poll = select.poll()
    for tap in taps:
        poll.register(tap.socket, select.POLLIN)
    waiting, last = dict(probes), time.monotonic()
    while waiting and time.monotonic() < last + _QUIET_SECONDS:
        poll.poll(_LOOK_SECONDS * 1000)
        interruption.check()
        news = False
        for tap in taps:
            news |= seen.read(tap)
        for number, probe in [*waiting.items()]:
            probe.poll()
            if probe.over and (number in seen.addresses or not probe.answered):
                del waiting[number]
                news = True
        if news:
            last = time.monotonic()


class _Arrivals:
    """The source addresses with which targets have seen calls."""

    def __init__(self, probes: dict[int, Probe]) -> None:
        self.addresses: dict[int, str] = {}
        """Number of a call to the address."""
        self._probes = probes
        self._numbers = {probe.key: number for number, probe in probes.items()}
        self._keys_of = next(iter(probes.values())).keys_of

    def read(self, tap: Tap) -> bool:
        """Take in what a target has seen; return whether there is news."""
        before = len(self.addresses)
        for sighting in tap.sightings():
            if sighting.outgoing or sighting.foreign:
                continue
            fields = decode(sighting.data, sighting.length)
            keys = self._keys_of(fields, sighting.data)
            number = next((self._numbers[key] for key in keys if key in self._numbers), None)
            if number is None or self._probes[number].ends.target != tap.namespace:
                continue
            packet = self._probes[number].packet(fields, sighting.data)
            if packet and packet.part is Part.REQUEST:
                self.addresses.setdefault(number, fields["ip.src"])
        return len(self.addresses) > before
