"""Foreign traffic, as conversations: who said what to whom, by which way, and what came back. Pure.

A frame is given to a packet by its key (`packet_key`), and by the way that a packet can have come: into a
machine it comes from the neighbour that it has left, and out of one only if it is there. Of several that fit,
the one that still looks the same is taken, or else the oldest. A packet is given to a flow by its two ends
*on this node*, which holds on both sides of every NAT.

A conversation is reported only if its beginning was seen: a packet whose first sighting is incoming, or
carried by a switch, or in the first moment of a tap, was under way before, and so was a reply to a request
that nobody saw. They are counted. A connection that was open before is reported as such.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from netlab.diagnosis.journey import NetworkMap, Step, follow
from netlab.frozen import frozen
from netlab.packets.frame import Fields
from netlab.packets.packet import Frame, Packet, Part
from netlab.packets.tap import Sighting
from netlab.traffic.packet_key import WEAK, FlowEnd, Identity, identify

BACKGROUND = frozenset({"arp", "ndp", "dhcp", "other"})
"""Kinds that keep a network going: counted, not reported."""
ORPHAN = "unseen"
"""Key of a count: packets of flows whose beginning was not seen."""
UNREPORTED = "untold"
"""Key of a count: conversations that were too many at once to be remembered until their end."""
_SECOND = 1_000_000_000
_SILENCE = _SECOND
"""A flow that has been silent for so long is reported, answered or not."""
_CLOSING = _SECOND // 10
"""A connection that was closed is reported after so much silence: a last acknowledgement is to come."""
_IDLE = 600 * _SECOND
"""A connection is the same one if it goes on within this time."""
_WEAK, _STRONG = _SECOND // 20, _SECOND
"""The key of a packet holds so long: if two packets may be equal, and if not."""
_MOST_FLOWS = 20_000
"""Flows remembered at once: open ones, and connections that may go on. Some 3 kB each."""
_MOST_PACKETS = 20_000
"""Packets known to be under way at once. Some 2 kB each, with what was seen of them."""
_MOST_EQUAL = 64
"""Packets with one key that are known to be under way at once: each is looked at for each sighting."""
_MOST_PARTS = 8
"""Flows that are reported together: a question and those to which it has led."""
_AT_ONCE = 1000
"""Conversations that are reported before anybody looks for signals."""
_SINGLE = frozenset({"icmp", "dns", "arp", "ndp"})
"""Kinds with one request and one reply."""
_GRATUITOUS = frozenset({"arp", "ndp"})
"""Kinds in which a machine may announce its address without a request."""


class ConversationState(StrEnum):
    """Outcome of a conversation."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Ended by an ICMP error or a TCP reset."""
    SILENT = "silent"
    """No reply has come back."""


@frozen
class Conversation:
    """A conversation, as far as it has gone."""

    kind: str
    at: int
    """Nanoseconds since 1970: the first sighting."""
    origin: str
    """The node that began."""
    fields: Fields
    """Header fields of the first packet, where it began."""
    reply: Fields | None
    """Header fields of the first packet back, at its end."""
    there: tuple[Step, ...]
    back: tuple[Step, ...]
    result: ConversationState
    took: int
    """Nanoseconds from the first sighting of the first packet to the last one of the first packet back."""
    packets: tuple[int, int]
    octets: tuple[int, int]
    """Bytes of payload of TCP and UDP, there and back; `packets` likewise."""
    goes_on: bool
    """True if a connection is still open."""
    midway: bool
    """True if a connection was open before it was seen: `origin` is the first node heard."""
    relayed: tuple[Conversation, ...]
    """DNS: the questions that the server has asked in its turn."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Steps there and back, relayed questions included."""
        return (*self.there, *self.back, *(step for part in self.relayed for step in part.steps))


class _PacketPath:
    """A packet on its way, over all nodes."""

    def __init__(self, number: int, identity: Identity, origin: str) -> None:
        self.identity = identity
        """Identity at the first sighting, on the node `origin`."""
        self.origin = origin
        self.number = number
        self.flow: _Flow | None = None
        self.forward = True
        """True in the direction of the flow's first packet."""
        self.sightings: list[tuple[Sighting, Identity]] = []
        self.kept = False
        """True if its sightings are kept."""
        self.latest = identity
        self.last = 0
        self.nodes: set[str] = set()
        self._left: set[str] = set()
        self._points: set[tuple[str, str, bool]] = set()

    def fits(self, node: str, peer: str, sighting: Sighting) -> bool:
        """Return whether it can be the packet that is seen on this node, on the cable to this peer."""
        present = node in self.nodes if sighting.outgoing else peer in self._left
        recent = sighting.at - self.last <= (_WEAK if self.identity.kind in WEAK else _STRONG)
        return (
            present and recent and (node, sighting.interface, sighting.outgoing) not in self._points
        )

    def add(self, node: str, sighting: Sighting, identity: Identity) -> None:
        """Add a sighting on a node."""
        self.last, self.latest = sighting.at, identity
        self.nodes.add(node)
        self._points.add((node, sighting.interface, sighting.outgoing))
        if sighting.outgoing:
            self._left.add(node)
        if self.kept:
            self.sightings.append((sighting, identity))

    def frames(self, part: Part) -> list[Frame]:
        packet = Packet(part, self.identity.kind, (self.number,))
        return [Frame(sighting, packet, identity.fields) for sighting, identity in self.sightings]


_FlowKey = tuple[str, frozenset[FlowEnd], str]
"""Node, both ends as they are called there, turn."""


@dataclass
class _ReportGroup:
    """Flows that are reported together: a question, and those to which it has led."""

    parts: int = 1


@dataclass(eq=False)
class _Flow:
    """A conversation under way: packets between two ends."""

    kind: str
    origin: str
    request: _PacketPath
    queue: OrderedDict[_Flow, None]
    orphan: bool
    """True if its beginning was not seen: it is not reported."""
    midway: bool
    reply: _PacketPath | None = None
    """The first packet back, or the error that says why there is none."""
    packets: list[int] = field(default_factory=lambda: [0, 0])
    octets: list[int] = field(default_factory=lambda: [0, 0])
    finished: set[bool] = field(default_factory=set)
    """Directions in which a connection is closed."""
    relayed: list[_Flow] = field(default_factory=list)
    relays: bool = False
    """True if it is reported as part of another one."""
    group: _ReportGroup = field(default_factory=_ReportGroup)
    ended: bool = False
    conversation: Conversation | None = None
    """Its report, when it has ended."""
    last: int = 0
    keys: set[_FlowKey] = field(default_factory=set)


class ConversationTracker:
    """Finds conversations in sightings, which it takes in the order of time."""

    def __init__(
        self,
        netmap: Callable[[], NetworkMap],
        shown: Collection[str] = (),
        since: Callable[[str], int] = lambda namespace: 0,
    ) -> None:
        """Begin without flows. `netmap` is asked for each portion, since a lab changes.

        `shown`: kinds of BACKGROUND to report. `since`: the time (nanoseconds since 1970) from which on
        everything in a namespace is seen.
        """
        self._read_netmap, self._netmap = netmap, netmap()
        self._since = since
        self._background = BACKGROUND - set(shown)
        self._number = 0
        self._paths: dict[tuple[object, ...], list[_PacketPath]] = {}
        self._under_way: deque[_PacketPath] = deque()
        self._flows: dict[_FlowKey, tuple[_Flow, FlowEnd]] = {}
        """Flow, and the end that has begun it, as it is called on this node."""
        self._questions: dict[tuple[str, str], dict[_Flow, None]] = {}
        """DNS: name and type to open questions."""
        self._open: OrderedDict[_Flow, None] = OrderedDict()
        self._closing: OrderedDict[_Flow, None] = OrderedDict()
        self._idle: OrderedDict[_Flow, None] = OrderedDict()
        self._done: deque[Conversation] = deque()
        self.counted: Counter[str] = Counter()
        """Packets of each kind that is not reported, and of ORPHAN flows; conversations UNREPORTED."""

    def take(self, sightings: Iterable[Sighting]) -> None:
        """Take in sightings."""
        self._netmap = self._read_netmap()
        for sighting in sightings:
            node = self._netmap.nodes.get(sighting.namespace, "")
            peer = self._netmap.peers_of.get(node, {}).get(sighting.interface)
            if peer is None or (sighting.foreign and node not in self._netmap.carriers):
                continue
            identity = identify(sighting.data, sighting.length)
            path = self._path_of(identity, node, peer, sighting) or self._begin(
                identity, node, sighting
            )
            path.add(node, sighting, identity)
            flow = path.flow
            if flow and not flow.ended:
                self._note(flow, path, node, sighting, identity)

    def ended(self, now: int | None = None) -> Iterator[Conversation]:
        """Yield the conversations that have come to an end by `now` (nanoseconds since 1970); None: all.

        A caller that takes only some of them gets the others the next time.
        """
        while self._under_way and (now is None or self._under_way[0].last + _STRONG < now):
            self._forget(self._under_way.popleft())
        while self._done:
            yield self._done.popleft()
        for queue, patience in ((self._closing, _CLOSING), (self._open, _SILENCE)):
            for flow in _due(queue, patience, now):
                if flow.kind == "tcp" and queue is self._open:
                    self._move(flow, self._idle)
                    if not flow.orphan:
                        yield self._report(flow)
                else:
                    yield from self._end(flow)
        for flow in _due(self._idle, _IDLE, now):
            self._remove(flow)

    def abandon(self) -> None:
        """Report nothing more: the conversations under way are counted."""
        waiting = [*self._open, *self._closing]
        self.counted[UNREPORTED] += len(self._done) + sum(not flow.orphan for flow in waiting)

    def _path_of(
        self, identity: Identity, node: str, peer: str, sighting: Sighting
    ) -> _PacketPath | None:
        """Return the packet that is seen here, if it has been seen before."""
        fitting = [
            path for path in self._paths.get(identity.key, ()) if path.fits(node, peer, sighting)
        ]
        unchanged = (
            path
            for path in fitting
            if (path.latest.source, path.latest.target) == (identity.source, identity.target)
        )
        return next(unchanged, fitting[0] if fitting else None)

    def _begin(self, identity: Identity, node: str, sighting: Sighting) -> _PacketPath:
        """Begin a packet that has not been seen before."""
        self._number += 1
        path = _PacketPath(self._number, identity, node)
        equal = self._paths.setdefault(identity.key, [])
        equal.append(path)
        if len(equal) > _MOST_EQUAL:
            del equal[0]
        self._under_way.append(path)
        if len(self._under_way) > _MOST_PACKETS:
            self._forget(self._under_way.popleft())
        if identity.kind in self._background:
            self.counted[identity.kind] += 1
        else:
            self._join(path, node, sighting)
        return path

    def _began_here(self, identity: Identity, node: str, sighting: Sighting) -> bool:
        """Return whether a packet's first sighting is its sender's."""
        if not sighting.outgoing or sighting.at < self._since(sighting.namespace):
            return False
        return node not in self._netmap.switches or identity.mac == self._netmap.macs.get(node)

    def _is_late_reply(self, identity: Identity, sighting: Sighting) -> bool:
        """Return whether a packet of no known flow must be a reply all the same."""
        if not identity.is_reply:
            return False
        recent = sighting.at < self._since(sighting.namespace) + _SILENCE
        return recent or identity.kind not in _GRATUITOUS

    def _join(self, path: _PacketPath, node: str, sighting: Sighting) -> None:
        """Find the flow to which a new packet belongs, or begin one."""
        identity = path.identity
        ends, turn = identity.quoted or (identity.ends, identity.turn)
        flow, begun = self._flows.get((node, ends, turn), (None, None))
        began = self._began_here(identity, node, sighting)
        if flow and flow.midway and began and not identity.is_reply:
            flow = None  # Another connection between the same two ports.
        if flow is None:
            if identity.kind == "tcp" and not began:
                self.counted[ORPHAN] += 1  # The next segment will be seen from its beginning on.
                return
            midway = identity.kind == "tcp" and identity.is_reply
            orphan = not began or (not midway and self._is_late_reply(identity, sighting))
            flow = _Flow(identity.kind, node, path, self._open, orphan, midway)
            self._open[flow] = None
            self._limit_flows()
            self._add_question(flow, node)
        else:
            path.forward = not identity.quoted and identity.source == begun
        if not path.forward and flow.reply is None:
            flow.reply = path
        path.flow = flow
        if flow.orphan:
            self.counted[ORPHAN] += 1
        path.kept = path in (flow.request, flow.reply)
        way = 0 if path.forward else 1
        first = flow.request if path.forward else flow.reply
        if first and first.origin == node:  # Or it has come from there, unseen.
            flow.packets[way] += 1
            flow.octets[way] += identity.octets
        flags = identity.fields.get("tcp.flags", "").split()
        if "FIN" in flags:
            flow.finished.add(path.forward)
        if "RST" in flags:
            flow.finished |= {True, False}

    def _add_question(self, flow: _Flow, node: str) -> None:
        """Note a DNS question; it may be that of a server that has been asked the same."""
        if flow.kind != "dns" or flow.orphan:
            return
        questions = self._questions.setdefault(_question(flow), {})
        for earlier in islice(reversed(questions), _MOST_EQUAL):
            if earlier.origin != node and node in earlier.request.nodes and not earlier.reply:
                self._relay(flow, earlier)
                break
        questions[flow] = None

    def _relay(self, flow: _Flow, earlier: _Flow) -> None:
        """Make a question part of an earlier one, if that has not too many parts already."""
        if earlier.group.parts < _MOST_PARTS:
            earlier.group.parts += 1
            flow.group, flow.relays = earlier.group, True
            earlier.relayed.append(flow)

    def _note(
        self,
        flow: _Flow,
        path: _PacketPath,
        node: str,
        sighting: Sighting,
        identity: Identity,
    ) -> None:
        """Note a sighting of a flow's packet on a node."""
        flow.last = sighting.at
        if not identity.quoted:
            key = (node, identity.ends, identity.turn)
            if key not in flow.keys:
                flow.keys.add(key)
                begun = identity.source if path.forward else identity.target
                self._flows[key] = (flow, begun)
        if flow.queue is not self._closing:
            ends = len(flow.finished) == 2
            self._move(flow, self._closing if ends else self._open)
        home = not path.forward and node == flow.origin and not sighting.outgoing
        if home and path is flow.reply and (flow.kind in _SINGLE or identity.quoted):
            self._done += self._end(flow)

    def _move(self, flow: _Flow, queue: OrderedDict[_Flow, None]) -> None:
        """Move a flow to the end of a queue, which is in the order of the last sightings."""
        del flow.queue[flow]
        flow.queue = queue
        queue[flow] = None

    def _end(self, flow: _Flow) -> tuple[Conversation, ...]:
        """End a flow, and return the conversation to be reported, if any."""
        flow.conversation = self._report(flow)
        self._remove(flow)
        return () if flow.relays or flow.orphan else (flow.conversation,)

    def _limit_flows(self) -> None:
        """Make room for one more: remove a connection that may go on, or the flow silent for longest."""
        if len(self._open) + len(self._closing) + len(self._idle) > _MOST_FLOWS:
            oldest = next(iter(self._idle or self._closing or self._open))
            if oldest.queue is not self._idle and not oldest.orphan:
                self.counted[UNREPORTED] += 1
            self._remove(oldest)

    def _remove(self, flow: _Flow) -> None:
        """Remove a flow, and its packets' references to it: no garbage collector looks for cycles."""
        flow.ended = True
        del flow.queue[flow]
        for key in flow.keys:
            if self._flows.get(key, (None,))[0] is flow:  # Or another one has come there.
                del self._flows[key]
        if flow.kind == "dns" and not flow.orphan:
            questions = self._questions[_question(flow)]
            questions.pop(flow, None)
            if not questions:
                del self._questions[_question(flow)]
        for path in (flow.request, flow.reply):
            if path:
                path.sightings.clear()
                path.flow = None

    def _report(self, flow: _Flow) -> Conversation:
        request, reply = flow.request, flow.reply
        part = Part.ERROR if reply and reply.identity.quoted else Part.REPLY
        begun_at = request.sightings[0][0].at
        return Conversation(
            kind=flow.kind,
            at=begun_at,
            origin=flow.origin,
            fields=request.identity.fields,
            reply=reply.latest.fields if reply else None,
            there=follow(request.frames(Part.REQUEST), self._netmap).steps,
            back=follow(reply.frames(part), self._netmap).steps if reply else (),
            result=_result(flow),
            took=(reply or request).last - begun_at,
            packets=(flow.packets[0], flow.packets[1]),
            octets=(flow.octets[0], flow.octets[1]),
            midway=flow.midway,
            goes_on=flow.kind == "tcp" and len(flow.finished) < 2,
            relayed=tuple(
                part.conversation or self._report(part)
                for part in flow.relayed
                if part.conversation or not part.ended
            ),
        )

    def _forget(self, path: _PacketPath) -> None:
        equal = self._paths.get(path.identity.key, [])
        if path in equal:  # And not one of too many equal ones.
            equal.remove(path)
        if not equal:
            self._paths.pop(path.identity.key, None)


def live(
    portions: Iterable[Sequence[Sighting]], tracker: ConversationTracker, late: int
) -> Iterator[list[Conversation]]:
    """Yield the conversations that have ended, after each portion of a stream and at its end.

    `late`: an empty portion means that nothing was seen until so many nanoseconds ago.
    """
    for portion in portions:
        tracker.take(portion)
        now = portion[-1].at if portion else time.time_ns() - late
        yield list(islice(tracker.ended(now), _AT_ONCE))
    while last := list(islice(tracker.ended(), _AT_ONCE)):
        yield last


def _due(queue: OrderedDict[_Flow, None], patience: int, now: int | None) -> Iterator[_Flow]:
    """Yield the flows that have been silent for too long. The caller must take each out of the queue."""
    while queue:
        first = next(iter(queue))
        if now is not None and first.last + patience > now:
            return
        yield first


def _result(flow: _Flow) -> ConversationState:
    reply = flow.reply
    if reply is None:
        return ConversationState.SILENT
    if reply.identity.quoted or "RST" in reply.identity.fields.get("tcp.flags", ""):
        return ConversationState.REFUSED
    return ConversationState.ANSWERED if flow.origin in reply.nodes else ConversationState.SILENT


def _question(flow: _Flow) -> tuple[str, str]:
    fields = flow.request.identity.fields
    return fields["dns.name"].lower(), fields["dns.type"]
