"""Place and cause of lost probes of a matrix: many at once, from what one observer has seen."""

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
from netlab.diagnosis.evidence import ProbeEvidence
from netlab.diagnosis.gathering import ProbeEnds, gathered
from netlab.diagnosis.journey import Journey, NetworkMap, follow, marks
from netlab.diagnosis.observer import LabObserver
from netlab.diagnosis.tables import LabTables, probe_lookup
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.kernel.netlink.objects.neighbours import given_up_within
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables.nftrace import Hit, RuleTrace
from netlab.kernel.state.spaces import rows as read_rows
from netlab.kernel.state.tables import KernelTable, TableRow
from netlab.messages import Message
from netlab.packets import icmp, protocols
from netlab.packets.frame import Fields, decode
from netlab.packets.packet import Frame, Packet, Part
from netlab.packets.tap import Sighting, Tap
from netlab.probes.base import with_errors
from netlab.probes.icmp import echo

_ETHERNET_BYTES = 14
_VERSION_6, _IPV6_BYTES = b"\x60", 40
_MARKED = f"@th,128,64 0x{icmp.MARK[:8].hex()}"
"""The mark stands behind the ICMP header and the token."""
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
    """A reply has come, though not the target's."""


@frozen
class Loss:
    """A probe that was not answered: its diagnosis, and what a second look needs."""

    diagnosis: Diagnosis
    journey: Journey
    owners: Mapping[str, frozenset[str]]
    """IP or MAC address to the nodes that have it."""
    asked: str
    """The address that was asked for in vain where the probe ended; empty if there is none."""


class LossAnalyzer:
    """A context manager: watches a whole lab while echo requests, of one family, are under way."""

    def __init__(self, netmap: NetworkMap, is_ipv6: bool = False, soon: float = 0.3) -> None:
        """Prepare to watch. `soon`: seconds within which a machine asks by ARP for what a packet needs."""
        self._netmap = netmap
        self._soon = soon
        name = secrets.token_hex(8)
        self._pool = NamespacePool(len(netmap.nodes))
        self._observer = LabObserver(netmap, (_MARKED,), name, echoes_only=True, is_ipv6=is_ipv6)
        self._sightings: dict[bytes, list[Sighting]] = {}
        self._last_packet: dict[str, int] = {}
        """Namespace to when it had a packet of the batch last (nanoseconds since 1970)."""
        self._arp_sightings: list[Sighting] = []
        self._requested: set[tuple[str, str]] = set()
        """(node, address) of each request."""
        self._waiting_since: dict[tuple[str, str], float] = {}
        """Request on whose reply a packet of the batch may wait, to its first time (monotonic clock)."""
        self._replied: set[tuple[str, str]] = set()
        self._drops: dict[bytes, list[Hit]] = {}
        self._marked: dict[bytes, list[Hit]] = {}
        self._neighbour_drops: list[Hit] = []
        self._kept: dict[int, ProbeEvidence] = {}
        self._begun = time.monotonic()
        self._late: dict[tuple[str, KernelTable], Sequence[TableRow]] = {}
        """Tables that are read for the present batch only, by namespace."""
        self._given_up: dict[str, set[str]] = {}
        """Node to the addresses that it has given up asking for in the present batch."""
        self._unsettled: dict[int, tuple[bytes, set[tuple[str, str]]]] = {}
        """Probe kept of the present batch to its token and each (node, address) that it needs."""

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
        """Sockets to be looked at whenever they are readable."""
        observer = self._observer
        return (*observer.taps, *observer.questions, *observer.rules)

    def begin(self, tokens: Sequence[bytes]) -> None:
        """Begin a new batch; of the last one, only what was kept is remembered."""
        self._note_drops()
        self._sightings = {token: [] for token in tokens}
        self._arp_sightings, self._requested, self._replied = [], set(), set()
        self._last_packet, self._waiting_since, self._marked = {}, {}, {}
        self._begun, self._late, self._given_up = time.monotonic(), {}, {}
        for trace in self._observer.rules:
            trace.forget()

    def note_sending(self, namespaces: Iterable[str]) -> None:
        """Note that these namespaces have just been given packets of the batch to send."""
        self._last_packet |= dict.fromkeys(namespaces, time.time_ns())

    def look(self, watcher: Tap | RuleTrace) -> bool:
        """Take in what was seen until now, or what rules have met; return whether it is of the batch."""
        if isinstance(watcher, RuleTrace):
            return self._take_hits(watcher)
        concerned = False
        for sighting in watcher.sightings(time.time_ns()):
            if watcher.expendable:
                self._arp_sightings.append(sighting)
            elif (
                sightings := self._sightings.get(icmp.token_of(sighting.data) or b"")
            ) is not None:
                sightings.append(sighting)
                self._last_packet[sighting.namespace] = sighting.at
                concerned = True
        return concerned

    def last_request(self) -> float:
        """Return when the latest unanswered ARP request was first sent, by the monotonic clock; or -infinity.

        Other machines may ask for ever, and for one address after the other. For what a packet of the batch
        waits for, it is asked where the packet is, and soon after it has come there.
        """
        self._read_arp()
        waiting = (at for key, at in self._waiting_since.items() if key not in self._replied)
        unheard = self._begun if self._observer.deaf else -math.inf
        return max(waiting, default=unheard)

    def keep(self, number: int, probe: UnansweredProbe) -> None:
        """Keep an unanswered probe of the batch that is over; `diagnoses` will have its number."""
        self._read_arp()
        nodes = self._netmap.nodes
        source = nodes[probe.source]
        frames = [Frame(sighting, *_read(sighting)) for sighting in self._sightings[probe.token]]
        for trace in self._observer.rules:
            self._take_hits(trace)
        marked = marks(
            self._marked.get(probe.token, ()),
            lambda hit: with_errors(echo, drops.fields_of(hit)),
            self._netmap,
            self._observer.watched,
        )
        journey = follow(frames, self._netmap, marked)
        first = probe_lookup(probe.to, protocols.ICMPV6 if ":" in probe.to else protocols.ICMP)
        steps = [step for step in journey.steps if step.part is not Part.ERROR]
        last = steps[-1].node if steps else source
        carried = [(steps[-1].inlet, steps[-1].after)] if steps else []
        hops = self._tables.next_hops(
            last, carried, first, {0, *marked[last].values()} if last in marked else (None,)
        )
        unanswered = self._unanswered(last, hops)
        self._unsettled[number] = probe.token, {(last, hop) for hop in hops}
        target = self._netmap.node_of(probe.target)
        ends = ProbeEnds(source, target, probe.to, first=first)
        self._kept[number] = replace(
            gathered(ends, self._tables, journey, unanswered),
            send_error=probe.send_error,
            answered=probe.answered,
        )

    def dropped_replies(self) -> set[bytes]:
        """Return the tokens of the batch's probes of which a machine's rule has dropped a reply."""
        for trace in self._observer.rules:
            self._take_hits(trace)
        return {
            token
            for token, hits in self._drops.items()
            for hit in hits
            if self._netmap.nodes[hit.namespace] not in self._netmap.switches
            and _echo(hit)[0] is Part.REPLY
        }

    def losses(self) -> dict[int, Loss]:
        """Return what became of each probe that was kept, by its number."""
        self._note_drops()
        if not self._kept:
            return {}
        lab_evidence = self._observer.evidence(self._tables)
        diagnoses = {
            number: diagnose.diagnose(replace(evidence, lab=lab_evidence))
            for number, evidence in self._kept.items()
        }
        return {
            number: Loss(
                diagnosis,
                self._kept[number].journey,
                lab_evidence.owners,
                self._kept[number].unanswered.get(diagnosis.at, ""),
            )
            for number, diagnosis in _credible(diagnoses, lab_evidence.counts).items()
        }

    def _take_hits(self, trace: RuleTrace) -> bool:
        """Take in the rules that packets have met; return whether a probe was among them."""
        concerned = False
        for hit in self._observer.hits_on(trace):
            _, token = _echo(hit)
            concerned |= token in self._sightings
            if hit.mark or token in self._marked:
                self._marked.setdefault(token, []).append(hit)
            if hit.drops and drops.is_about_neighbours(drops.fields_of(hit)):
                self._neighbour_drops.append(hit)
            elif hit.drops:
                self._drops.setdefault(token, []).append(hit)
        return concerned

    def _note_drops(self) -> None:
        """Complete what was kept of the batch that is over with the packets that rules have dropped."""
        if self._unsettled:
            for trace in self._observer.rules:
                self._take_hits(trace)
        unheard = drops.unheard(self._neighbour_drops)
        for number, (token, hops) in self._unsettled.items():
            self._kept[number] = replace(
                self._kept[number],
                drops=self._dropped(token),
                silenced=drops.silenced(unheard, hops, self._tables),
            )
        self._unsettled, self._neighbour_drops, self._drops = {}, [], {}

    def _dropped(self, token: bytes) -> dict[tuple[str, Part], drops.RuleDrop]:
        """Return the rules that dropped a probe's packets, by node and part."""
        dropped = {}
        for hit in self._drops.get(token, ()):
            part, _ = _echo(hit)
            if part and (drop := drops.drop(hit, self._tables)):
                dropped[self._netmap.nodes[hit.namespace], part] = drop
        return dropped

    def _read_arp(self) -> None:
        """Read the ARP frames seen. Done only when it matters: where everything is answered, it does not."""
        now, now_ns = time.monotonic(), time.time_ns()
        for sighting in self._arp_sightings:
            fields = decode(sighting.data, sighting.length)
            node = self._netmap.nodes[sighting.namespace]
            if fields.get("arp.op") == _REPLY:
                self._replied.add((node, fields["arp.sender"]))
            elif "arp.target" in fields:
                request = (node, fields["arp.target"])
                self._requested.add(request)
                since = (sighting.at - self._last_packet.get(sighting.namespace, 0)) / 1e9
                if since < self._soon:
                    self._waiting_since.setdefault(request, now - (now_ns - sighting.at) / 1e9)
        self._arp_sightings.clear()

    def _unanswered(self, node: str, hops: set[str]) -> dict[str, str]:
        """Return the node and the address that it asks for in vain, if a packet or its reply waits for it."""
        requests = {(node, hop) for hop in hops} & self._requested
        is_heard = self._namespaces[node] not in self._observer.deaf
        unanswered = requests - self._replied if is_heard else set()
        if hops and not unanswered:  # It may have asked already, before the batch, or unheard.
            unanswered = {(node, hop) for hop in hops & self._given_up_by(node)}
        return dict(sorted(unanswered)[:1])

    def _given_up_by(self, node: str) -> set[str]:
        """Return the addresses that a node has given up asking for in the present batch."""
        if node not in self._given_up:
            netlink = self._pool.netlink(self._namespaces[node])
            seconds = time.monotonic() - self._begun
            self._given_up[node] = set(map(str, given_up_within(netlink, seconds)))
        return self._given_up[node]

    @cached_property
    def _namespaces(self) -> dict[str, str]:
        return {node: namespace for namespace, node in self._netmap.nodes.items()}

    @cached_property
    def _tables(self) -> LabTables:
        rows = read_rows(self._netmap.nodes, _TABLES)

        def read(namespace: str, table: KernelTable) -> Sequence[TableRow]:
            key = namespace, table
            if key in rows:
                return rows[key]
            if key not in self._late:
                self._late |= read_rows([namespace], [table])
            return self._late[key]

        return LabTables.read(self._netmap, read, _TABLES, self._pool)


def _read(sighting: Sighting) -> tuple[Packet | None, Fields]:
    fields = decode(sighting.data, sighting.length)
    return with_errors(echo, fields), fields


def _echo(hit: Hit) -> tuple[Part | None, bytes]:
    """Return which part of a probe an echo message is, and its token."""
    packet = hit.frame[_ETHERNET_BYTES:]
    is_ipv6 = packet[:1] == _VERSION_6
    return icmp.echo(packet[_IPV6_BYTES:] if is_ipv6 else packet, is_ipv6)


def _credible(
    diagnoses: Mapping[int, Diagnosis], counts: Mapping[str, Mapping[str, int]]
) -> dict[int, Diagnosis]:
    """Drop diagnoses by a counter that has grown by less than there are of them: none is proved."""
    uses = Counter(
        (diagnosis.at, diagnosis.counted) for diagnosis in diagnoses.values() if diagnosis.counted
    )
    return {
        number: Diagnosis(
            Verdict.UNKNOWN,
            diagnosis.at,
            Cause.UNKNOWN,
            Message("{count} tells of fewer packets", count=diagnosis.counted),
        )
        if diagnosis.counted
        and uses[diagnosis.at, diagnosis.counted] > counts[diagnosis.at][diagnosis.counted]
        else diagnosis
        for number, diagnosis in diagnoses.items()
    }
