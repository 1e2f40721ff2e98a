"""Foreign traffic, as exchanges: who said what to whom, by which way, and what came back. Pure.

A frame is given to a packet by its key (`identity`), and by the way that a packet can have come: into a
machine it comes from the neighbour that it has left, and out of one only if it is there. Of several that fit,
the one that still looks the same is taken, or else the oldest. A packet is given to an exchange by its two
ends *at this place*, which holds on both sides of every NAT.

Who began is only told if it was seen: a packet whose first sighting is incoming, or carried by a switch, or
in the first moment of a tap, was under way before, and so is a reply to a question that nobody saw. They
are counted. A connection that was open before is told as such.
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

FOLDED = frozenset({"arp", "ndp", "dhcp", "other"})
"""What keeps a network going: counted, not told."""
UNSEEN = "unseen"
"""Counted too: packets of exchanges of which nobody has seen who began."""
UNTOLD = "untold"
"""Counted too: exchanges that were too many at once to be remembered until their end."""
_SECOND = 1_000_000_000
_SILENCE = _SECOND
"""What has been silent for so long is told, answered or not."""
_CLOSING = _SECOND // 10
"""The same after the end of a connection: there is a last acknowledgement to come."""
_IDLE = 600 * _SECOND
"""A connection is the same one if it goes on within this time."""
_WEAK, _STRONG = _SECOND // 20, _SECOND
"""How long the key of a packet holds: if two may be equal, and if not."""
_MOST_EXCHANGES = 20_000
"""That are remembered at once: open ones, and connections that may go on. Some 3 kB each."""
_MOST_PACKETS = 20_000
"""That are known to be under way at once. Some 2 kB each, with what was seen of them."""
_MOST_EQUAL = 64
"""Packets with one key that are known to be under way at once: each is looked at for each sighting."""
_MOST_PARTS = 8
"""Of a question and those to which it has led; more are told by themselves."""
_AT_ONCE = 1000
"""Exchanges that are told before anybody looks for signals."""
_SINGLE = frozenset({"icmp", "dns", "arp", "ndp"})
"""Kinds with one question and one reply."""
_UNASKED = frozenset({"arp", "ndp"})
"""Who has an address may say so unasked."""


class ConversationState(StrEnum):
    """How an exchange has ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """By an ICMP error or a TCP reset."""
    SILENT = "silent"
    """No reply has come back."""


@frozen
class Conversation:
    """An exchange, as far as it has gone."""

    kind: str
    at: int
    """Nanoseconds since 1970: the first sighting."""
    origin: str
    """The node that began."""
    fields: Fields
    """Of the first packet, where it began."""
    reply: Fields | None
    """Of the first packet back, at its end."""
    there: tuple[Step, ...]
    back: tuple[Step, ...]
    result: ConversationState
    took: int
    """Nanoseconds from the first packet's first sighting to the last of the first one back."""
    packets: tuple[int, int]
    octets: tuple[int, int]
    """Payload of TCP and UDP; both there and back."""
    goes_on: bool
    """A connection that is still open."""
    midway: bool
    """A connection that was open before it was seen: `origin` is who was heard first."""
    relayed: tuple[Conversation, ...]
    """DNS: what the server that was asked has asked in its turn."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """There and back, relayed questions included."""
        return (*self.there, *self.back, *(step for one in self.relayed for step in one.steps))


class _PacketPath:
    """A packet on its way."""

    def __init__(self, number: int, identity: Identity, origin: str) -> None:
        self.identity = identity
        """As it was first seen, on the node `origin`."""
        self.origin = origin
        self.number = number
        self.exchange: _Exchange | None = None
        self.forward = True
        """In the direction of the exchange's first packet."""
        self.sightings: list[tuple[Sighting, Identity]] = []
        self.kept = False
        """Its sightings are wanted."""
        self.latest = identity
        self.last = 0
        self.nodes: set[str] = set()
        self._left: set[str] = set()
        self._points: set[tuple[str, str, bool]] = set()

    def fits(self, node: str, peer: str, seen: Sighting) -> bool:
        """Whether it can be what is seen on this node, on the cable to this peer."""
        here = node in self.nodes if seen.outgoing else peer in self._left
        holds = seen.at - self.last <= (_WEAK if self.identity.kind in WEAK else _STRONG)
        return here and holds and (node, seen.interface, seen.outgoing) not in self._points

    def add(self, node: str, seen: Sighting, identity: Identity) -> None:
        """It has been seen."""
        self.last, self.latest = seen.at, identity
        self.nodes.add(node)
        self._points.add((node, seen.interface, seen.outgoing))
        if seen.outgoing:
            self._left.add(node)
        if self.kept:
            self.sightings.append((seen, identity))

    def frames(self, part: Part) -> list[Frame]:
        packet = Packet(part, self.identity.kind, (self.number,))
        return [Frame(seen, packet, identity.fields) for seen, identity in self.sightings]


_Place = tuple[str, frozenset[FlowEnd], str]
"""Node, both ends as they are there, turn."""


@dataclass
class _Line:
    """What is told together: a question, and those to which it has led."""

    parts: int = 1


@dataclass(eq=False)
class _Exchange:
    kind: str
    origin: str
    asked: _PacketPath
    queue: OrderedDict[_Exchange, None]
    unseen: bool
    """Who began was not seen: it is not told."""
    midway: bool
    answered: _PacketPath | None = None
    """The first packet back, or the error that says why there is none."""
    packets: list[int] = field(default_factory=lambda: [0, 0])
    octets: list[int] = field(default_factory=lambda: [0, 0])
    finished: set[bool] = field(default_factory=set)
    """Directions in which a connection is closed."""
    relayed: list[_Exchange] = field(default_factory=list)
    relays: bool = False
    """It is told as part of another one."""
    line: _Line = field(default_factory=_Line)
    ended: bool = False
    told: Conversation | None = None
    """What was said of it when it ended."""
    last: int = 0
    places: set[_Place] = field(default_factory=set)


class ConversationTracker:
    """Takes sightings in the order of time."""

    def __init__(
        self,
        netmap: Callable[[], NetworkMap],
        unfolded: Collection[str] = (),
        since: Callable[[str], int] = lambda namespace: 0,
    ) -> None:
        """`netmap` is asked for each portion, since a lab changes. `unfolded`: kinds of FOLDED that are told.

        `since`: from when on (nanoseconds since 1970) everything in a namespace is seen.
        """
        self._ask_where, self._netmap = netmap, netmap()
        self._since = since
        self._folds = FOLDED - set(unfolded)
        self._number = 0
        self._passages: dict[tuple[object, ...], list[_PacketPath]] = {}
        self._under_way: deque[_PacketPath] = deque()
        self._known: dict[_Place, tuple[_Exchange, FlowEnd]] = {}
        """And which end has begun, as it is called there."""
        self._questions: dict[tuple[str, str], dict[_Exchange, None]] = {}
        """DNS: name and type."""
        self._open: OrderedDict[_Exchange, None] = OrderedDict()
        self._closing: OrderedDict[_Exchange, None] = OrderedDict()
        self._idle: OrderedDict[_Exchange, None] = OrderedDict()
        self._done: deque[Conversation] = deque()
        self.folded: Counter[str] = Counter()
        """Packets of each kind that is not told, and those that are UNSEEN."""

    def take(self, sightings: Iterable[Sighting]) -> None:
        """What has been seen."""
        self._netmap = self._ask_where()
        for seen in sightings:
            node = self._netmap.nodes.get(seen.namespace, "")
            peer = self._netmap.peers_of.get(node, {}).get(seen.interface)
            if peer is None or (seen.foreign and node not in self._netmap.carriers):
                continue
            identity = identify(seen.data, seen.length)
            passage = self._passage(identity, node, peer, seen) or self._begin(identity, node, seen)
            passage.add(node, seen, identity)
            exchange = passage.exchange
            if exchange and not exchange.ended:
                self._note(exchange, passage, node, seen, identity)

    def told(self, now: int | None = None) -> Iterator[Conversation]:
        """What has come to an end by `now` (nanoseconds); None: everything.

        Who takes only some of it gets the rest the next time.
        """
        while self._under_way and (now is None or self._under_way[0].last + _STRONG < now):
            self._forget(self._under_way.popleft())
        while self._done:
            yield self._done.popleft()
        for queue, patience in ((self._closing, _CLOSING), (self._open, _SILENCE)):
            for exchange in _due(queue, patience, now):
                if exchange.kind == "tcp" and queue is self._open:
                    self._move(exchange, self._idle)
                    if not exchange.unseen:
                        yield self._tell(exchange)
                else:
                    yield from self._end(exchange)
        for exchange in _due(self._idle, _IDLE, now):
            self._let_go(exchange)

    def abandon(self) -> None:
        """Nothing more will be told: what is under way is counted."""
        waiting = [*self._open, *self._closing]
        self.folded[UNTOLD] += len(self._done) + sum(not one.unseen for one in waiting)

    def _passage(
        self, identity: Identity, node: str, peer: str, seen: Sighting
    ) -> _PacketPath | None:
        """The packet that is seen here, if it has been seen before."""
        fitting = [
            one for one in self._passages.get(identity.key, ()) if one.fits(node, peer, seen)
        ]
        same = (
            one
            for one in fitting
            if (one.latest.source, one.latest.target) == (identity.source, identity.target)
        )
        return next(same, fitting[0] if fitting else None)

    def _begin(self, identity: Identity, node: str, seen: Sighting) -> _PacketPath:
        """A packet that has not been seen before."""
        self._number += 1
        passage = _PacketPath(self._number, identity, node)
        equal = self._passages.setdefault(identity.key, [])
        equal.append(passage)
        if len(equal) > _MOST_EQUAL:
            del equal[0]
        self._under_way.append(passage)
        if len(self._under_way) > _MOST_PACKETS:
            self._forget(self._under_way.popleft())
        if identity.kind in self._folds:
            self.folded[identity.kind] += 1
        else:
            self._join(passage, node, seen)
        return passage

    def _began_here(self, identity: Identity, node: str, seen: Sighting) -> bool:
        """Whether a packet's first sighting is its sender's."""
        if not seen.outgoing or seen.at < self._since(seen.namespace):
            return False
        return node not in self._netmap.switches or identity.mac == self._netmap.macs.get(node)

    def _asked_unseen(self, identity: Identity, seen: Sighting) -> bool:
        """Whether a packet that belongs to nothing known must be a reply all the same."""
        if not identity.is_reply:
            return False
        recent = seen.at < self._since(seen.namespace) + _SILENCE
        return recent or identity.kind not in _UNASKED

    def _join(self, passage: _PacketPath, node: str, seen: Sighting) -> None:
        """Find the exchange to which a new packet belongs, or begin one."""
        identity = passage.identity
        ends, turn = identity.quoted or (identity.ends, identity.turn)
        exchange, begun = self._known.get((node, ends, turn), (None, None))
        began = self._began_here(identity, node, seen)
        if exchange and exchange.midway and began and not identity.is_reply:
            exchange = None  # Another connection between the same two ports.
        if exchange is None:
            if identity.kind == "tcp" and not began:
                self.folded[UNSEEN] += 1  # The next segment will be seen from its beginning on.
                return
            midway = identity.kind == "tcp" and identity.is_reply
            unseen = not began or (not midway and self._asked_unseen(identity, seen))
            exchange = _Exchange(identity.kind, node, passage, self._open, unseen, midway)
            self._open[exchange] = None
            self._make_room()
            self._ask(exchange, node)
        else:
            passage.forward = not identity.quoted and identity.source == begun
        if not passage.forward and exchange.answered is None:
            exchange.answered = passage
        passage.exchange = exchange
        if exchange.unseen:
            self.folded[UNSEEN] += 1
        passage.kept = passage in (exchange.asked, exchange.answered)
        way = 0 if passage.forward else 1
        first = exchange.asked if passage.forward else exchange.answered
        if first and first.origin == node:  # Or it has come from there, unseen.
            exchange.packets[way] += 1
            exchange.octets[way] += identity.octets
        flags = identity.fields.get("tcp.flags", "").split()
        if "FIN" in flags:
            exchange.finished.add(passage.forward)
        if "RST" in flags:
            exchange.finished |= {True, False}

    def _ask(self, exchange: _Exchange, node: str) -> None:
        """A DNS question may be that of a server that has been asked the same."""
        if exchange.kind != "dns" or exchange.unseen:
            return
        asking = self._questions.setdefault(_question(exchange), {})
        for other in islice(reversed(asking), _MOST_EQUAL):
            if other.origin != node and node in other.asked.nodes and not other.answered:
                self._relay(exchange, other)
                break
        asking[exchange] = None

    def _relay(self, exchange: _Exchange, asker: _Exchange) -> None:
        """A question is part of another one, if that has not too many parts already."""
        if asker.line.parts < _MOST_PARTS:
            asker.line.parts += 1
            exchange.line, exchange.relays = asker.line, True
            asker.relayed.append(exchange)

    def _note(
        self,
        exchange: _Exchange,
        passage: _PacketPath,
        node: str,
        seen: Sighting,
        identity: Identity,
    ) -> None:
        """Something of an exchange has been seen on a node."""
        exchange.last = seen.at
        if not identity.quoted:
            place = (node, identity.ends, identity.turn)
            if place not in exchange.places:
                exchange.places.add(place)
                begun = identity.source if passage.forward else identity.target
                self._known[place] = (exchange, begun)
        if exchange.queue is not self._closing:
            ends = len(exchange.finished) == 2
            self._move(exchange, self._closing if ends else self._open)
        home = not passage.forward and node == exchange.origin and not seen.outgoing
        if home and passage is exchange.answered and (exchange.kind in _SINGLE or identity.quoted):
            self._done += self._end(exchange)

    def _move(self, exchange: _Exchange, queue: OrderedDict[_Exchange, None]) -> None:
        """To the end of a queue, which is in the order of the last sightings."""
        del exchange.queue[exchange]
        exchange.queue = queue
        queue[exchange] = None

    def _end(self, exchange: _Exchange) -> tuple[Conversation, ...]:
        """Nothing more is to come of it. Returns what is to be told of that."""
        exchange.told = self._tell(exchange)
        self._let_go(exchange)
        return () if exchange.relays or exchange.unseen else (exchange.told,)

    def _make_room(self) -> None:
        """For one more: at the cost of a connection that may go on, or of what was silent for longest."""
        if len(self._open) + len(self._closing) + len(self._idle) > _MOST_EXCHANGES:
            oldest = next(iter(self._idle or self._closing or self._open))
            if oldest.queue is not self._idle and not oldest.unseen:
                self.folded[UNTOLD] += 1
            self._let_go(oldest)

    def _let_go(self, exchange: _Exchange) -> None:
        """Nothing leads to it any more, or from its packets to it: nobody looks for cycles of garbage."""
        exchange.ended = True
        del exchange.queue[exchange]
        for place in exchange.places:
            if self._known.get(place, (None,))[0] is exchange:  # Or another one has come there.
                del self._known[place]
        if exchange.kind == "dns" and not exchange.unseen:
            asking = self._questions[_question(exchange)]
            asking.pop(exchange, None)
            if not asking:
                del self._questions[_question(exchange)]
        for passage in (exchange.asked, exchange.answered):
            if passage:
                passage.sightings.clear()
                passage.exchange = None

    def _tell(self, exchange: _Exchange) -> Conversation:
        asked, answered = exchange.asked, exchange.answered
        part = Part.ERROR if answered and answered.identity.quoted else Part.REPLY
        begun = asked.sightings[0][0].at
        return Conversation(
            kind=exchange.kind,
            at=begun,
            origin=exchange.origin,
            fields=asked.identity.fields,
            reply=answered.latest.fields if answered else None,
            there=follow(asked.frames(Part.REQUEST), self._netmap).steps,
            back=follow(answered.frames(part), self._netmap).steps if answered else (),
            result=_result(exchange),
            took=(answered or asked).last - begun,
            packets=(exchange.packets[0], exchange.packets[1]),
            octets=(exchange.octets[0], exchange.octets[1]),
            midway=exchange.midway,
            goes_on=exchange.kind == "tcp" and len(exchange.finished) < 2,
            relayed=tuple(
                one.told or self._tell(one) for one in exchange.relayed if one.told or not one.ended
            ),
        )

    def _forget(self, passage: _PacketPath) -> None:
        same = self._passages.get(passage.identity.key, [])
        if passage in same:  # And not one of too many equal ones.
            same.remove(passage)
        if not same:
            self._passages.pop(passage.identity.key, None)


def live(
    portions: Iterable[Sequence[Sighting]], tracker: ConversationTracker, late: int
) -> Iterator[list[Conversation]]:
    """What is told after each portion of a stream, and at its end.

    `late`: an empty portion means that nothing was seen until so many nanoseconds ago.
    """
    for portion in portions:
        tracker.take(portion)
        now = portion[-1].at if portion else time.time_ns() - late
        yield list(islice(tracker.told(now), _AT_ONCE))
    while last := list(islice(tracker.told(), _AT_ONCE)):
        yield last


def _due(
    queue: OrderedDict[_Exchange, None], patience: int, now: int | None
) -> Iterator[_Exchange]:
    """Those that have been silent for too long. Who takes one must take it out of the queue."""
    while queue:
        first = next(iter(queue))
        if now is not None and first.last + patience > now:
            return
        yield first


def _result(exchange: _Exchange) -> ConversationState:
    answered = exchange.answered
    if answered is None:
        return ConversationState.SILENT
    if answered.identity.quoted or "RST" in answered.identity.fields.get("tcp.flags", ""):
        return ConversationState.REFUSED
    return (
        ConversationState.ANSWERED
        if exchange.origin in answered.nodes
        else ConversationState.SILENT
    )


def _question(exchange: _Exchange) -> tuple[str, str]:
    fields = exchange.asked.identity.fields
    return fields["dns.name"].lower(), fields["dns.type"]
