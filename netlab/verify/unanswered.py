"""Where and why probes of a matrix died: many at once, from what one witness has seen."""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from netlab.diagnosis import diagnose, drops
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.diagnose import ProbeEvidence
from netlab.diagnosis.journey import NetworkMap, follow
from netlab.diagnosis.observer import LabObserver
from netlab.diagnosis.tables import LabTables
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables.nftrace import Hit, RuleTrace
from netlab.kernel.state.spaces import rows as read_rows
from netlab.kernel.state.tables import KernelTable
from netlab.messages import said
from netlab.packets import icmp
from netlab.packets.frame import Fields, decode
from netlab.packets.packet import Frame, Packet, Part
from netlab.packets.tap import Sighting, Tap
from netlab.probes.base import with_errors
from netlab.probes.icmp import echo

_ARP = b"\x08\x06"
_IPV6 = b"\x86\xdd"
_ETHERNET_BYTES = 14
_VERSION_6, _IPV6_BYTES = b"\x60", 40
_NEIGHBOURS = (b"\x87", b"\x88")
"""Types of ICMPv6 that do what ARP does."""
_MARKED = f"@th,128,64 0x{icmp.MARK[:8].hex()}"
"""Behind the ICMP header and the token stands the mark."""
_REPLY = "reply"
_TABLES = (KernelTable.INTERFACES, KernelTable.ADDRESSES, KernelTable.ROUTES)


@frozen
class UnansweredProbe:
    """A probe that was not answered."""

    token: bytes
    source: str
    """Namespace."""
    target: str
    """Namespace."""
    to: str
    send_error: int | None
    answered: bool
    """Somebody's reply has come, though not the target's."""


class LossAnalyzer:
    """A context manager: watches a whole lab while waves of echo requests, of one family, are under way."""

    def __init__(self, netmap: NetworkMap, is_ipv6: bool = False, soon: float = 0.3) -> None:
        """`soon`: seconds within which a machine asks by ARP for what a packet needs."""
        self._netmap = netmap
        self._soon = soon
        name = secrets.token_hex(8)
        self._pool = NamespacePool(len(netmap.nodes))
        self._observer = LabObserver(netmap, (_MARKED,), name, echoes_only=True, is_ipv6=is_ipv6)
        self._seen: dict[bytes, list[Sighting]] = {}
        self._had: dict[str, int] = {}
        """Namespaces, and when they had a packet of the wave last (nanoseconds since 1970)."""
        self._questions: list[Sighting] = []
        self._asked: set[tuple[str, str]] = set()
        """(node, address) of each question."""
        self._waited: dict[tuple[str, str], float] = {}
        """Those for whose answer a packet of the wave may wait, and when each was first asked."""
        self._answered: set[tuple[str, str]] = set()
        self._drops: dict[bytes, list[Hit]] = {}
        self._silenced: list[Hit] = []
        self._kept: dict[int, ProbeEvidence] = {}
        self._open: dict[int, tuple[bytes, set[tuple[str, str]]]] = {}
        """Token of those kept of the present wave, with the (node, address) that had to be asked for."""

    def __enter__(self) -> LossAnalyzer:
        with ExitStack() as stack:
            stack.enter_context(self._pool)
            stack.enter_context(self._observer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def watching(self) -> Sequence[Tap | RuleTrace]:
        """To be looked at whenever they are readable."""
        return (*self._observer.taps, *self._observer.rules)

    def begin(self, tokens: Sequence[bytes]) -> None:
        """A new wave; of the last one, only what was kept is remembered."""
        self._settle()
        self._seen = {token: [] for token in tokens}
        self._questions, self._asked, self._answered = [], set(), set()
        self._had, self._waited = {}, {}
        for machine in self._observer.rules:
            machine.forget()

    def sends(self, namespaces: Iterable[str]) -> None:
        """These have just been given packets of the wave to send."""
        self._had |= dict.fromkeys(namespaces, time.time_ns())

    def look(self, one: Tap | RuleTrace) -> bool:
        """Take in what was seen until now, or what rules have met; whether it was a packet of the wave."""
        if isinstance(one, RuleTrace):
            return self._hits(one)
        concerned = False
        for sighting in one.sightings(time.time_ns()):
            if _is_arp(sighting.data):
                self._questions.append(sighting)
            elif (seen := self._seen.get(icmp.token_of(sighting.data) or b"")) is not None:
                seen.append(sighting)
                self._had[sighting.namespace] = sighting.at
                concerned = True
        return concerned

    def last_question(self) -> float:
        """When an unanswered question was asked first, by the monotonic clock.

        Others may ask for ever, and for one address after the other. For what a packet of the wave waits
        for, it is asked where the packet is, and soon after it has come there.
        """
        self._read_questions()
        waiting = (at for key, at in self._waited.items() if key not in self._answered)
        return max(waiting, default=-math.inf)

    def keep(self, number: int, case: UnansweredProbe) -> None:
        """A probe of the wave that is over was not answered: `findings` will tell of it by its number."""
        self._read_questions()
        nodes = self._netmap.nodes
        source = nodes[case.source]
        frames = [Frame(one, *_read(one)) for one in self._seen[case.token]]
        journey = follow(frames, self._netmap)
        own = [step for step in journey.steps if step.part is not Part.ERROR]
        last = own[-1].node if own else source
        carried = [(own[-1].inlet, own[-1].after)] if own else []
        hops = self._known.next_hops(last, carried, case.to)
        unanswered = self._in_vain(last, hops)
        self._open[number] = case.token, {(last, hop) for hop in hops}
        self._kept[number] = ProbeEvidence(
            source=source,
            target=nodes[case.target],
            journey=journey,
            send_error=case.send_error,
            answered=case.answered,
            address=case.to,
            turned=self._known.turned(journey),
            misplaced=self._known.misplaced(journey),
            closed_route=self._known.closed_routes(case.to, journey, source),
            dark=self._known.dark(case.to, journey, source),
            carriers=self._known.carriers(source),
            addressed=self._known.addressed(source, case.to),
            present=self._known.present(journey),
            unanswered=unanswered,
            elsewhere={
                address: owner
                for node, address in unanswered.items()
                if (owner := self._known.elsewhere(node, address))
            },
        )

    def findings(self) -> dict[int, Diagnosis]:
        """What became of each that was kept."""
        self._settle()
        if not self._kept:
            return {}
        lab_evidence = self._observer.evidence(self._known)
        found = {
            number: diagnose.diagnose(replace(evidence, lab=lab_evidence))
            for number, evidence in self._kept.items()
        }
        return _credible(found, lab_evidence.counts)

    def _hits(self, machine: RuleTrace) -> bool:
        """Whether rules of a machine have met a probe. What they drop is remembered."""
        concerned = False
        for hit in self._observer.hits_on(machine):
            _, token = _echo(hit)
            concerned |= token in self._seen
            if hit.drops and drops.is_about_neighbours(drops.fields_of(hit)):
                self._silenced.append(hit)
            elif hit.drops:
                self._drops.setdefault(token, []).append(hit)
        return concerned

    def _settle(self) -> None:
        """What rules have ended of the wave that is over, for those that were kept of it."""
        if self._open:
            for one in self._observer.rules:
                self._hits(one)
        unheard = drops.unheard(self._silenced)
        for number, (token, hops) in self._open.items():
            self._kept[number] = replace(
                self._kept[number],
                drops=self._dropped(token),
                silenced=drops.silenced(unheard, hops, self._known),
            )
        self._open, self._silenced, self._drops = {}, [], {}

    def _dropped(self, token: bytes) -> dict[tuple[str, Part], drops.RuleDrop]:
        """Node, and which of a probe's packets, to the rule that ended it."""
        found = {}
        for hit in self._drops.get(token, ()):
            part, _ = _echo(hit)
            if part and (drop := drops.drop(hit, self._known)):
                found[self._netmap.nodes[hit.namespace], part] = drop
        return found

    def _read_questions(self) -> None:
        """Only when somebody wants to know: where everything is answered, nobody does."""
        now, now_ns = time.monotonic(), time.time_ns()
        for sighting in self._questions:
            fields = decode(sighting.data, sighting.length)
            node = self._netmap.nodes[sighting.namespace]
            if fields.get("arp.op") == _REPLY:
                self._answered.add((node, fields["arp.sender"]))
            elif "arp.target" in fields:
                question = (node, fields["arp.target"])
                self._asked.add(question)
                since = (sighting.at - self._had.get(sighting.namespace, 0)) / 1e9
                if since < self._soon:
                    self._waited.setdefault(question, now - (now_ns - sighting.at) / 1e9)
        self._questions.clear()

    def _in_vain(self, node: str, hops: set[str]) -> dict[str, str]:
        """The machine and the address for which it asks in vain, if that keeps a packet, or its reply,
        from going on."""
        questions = {(node, hop) for hop in hops} & self._asked
        return dict(sorted(questions - self._answered)[:1])

    @cached_property
    def _known(self) -> LabTables:
        rows = read_rows(self._netmap.nodes, _TABLES)
        return LabTables.read(
            self._netmap, lambda place, table: rows[place, table], _TABLES, self._pool
        )


def _read(sighting: Sighting) -> tuple[Packet | None, Fields]:
    fields = decode(sighting.data, sighting.length)
    return with_errors(echo, fields), fields


def _is_arp(frame: bytes) -> bool:
    return frame[12:14] == _ARP or (frame[12:14] == _IPV6 and frame[54:55] in _NEIGHBOURS)


def _echo(hit: Hit) -> tuple[Part | None, bytes]:
    """What an echo message is to a probe, and whose token it has."""
    packet = hit.frame[_ETHERNET_BYTES:]
    is_ipv6 = packet[:1] == _VERSION_6
    return icmp.echo(packet[_IPV6_BYTES:] if is_ipv6 else packet, is_ipv6)


def _credible(
    findings: Mapping[int, Diagnosis], counts: Mapping[str, Mapping[str, int]]
) -> dict[int, Diagnosis]:
    """A count may speak for as many probes as it has grown by, and for no more."""
    told = Counter((found.at, found.counted) for found in findings.values() if found.counted)
    return {
        number: Diagnosis(
            Verdict.UNKNOWN, f.at, Cause.UNKNOWN, said("tells of fewer", count=f.counted)
        )
        if f.counted and told[f.at, f.counted] > counts[f.at][f.counted]
        else f
        for number, f in findings.items()
    }
