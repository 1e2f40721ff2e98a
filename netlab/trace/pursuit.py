"""Probes that are under way: the frames of each in the whole lab, and when it is over."""

from __future__ import annotations

import selectors
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from netlab.diagnosis.journey import NetworkMap
from netlab.kernel.netlink.objects.neighbours import given_up, questions_of
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.signals import Interruption
from netlab.messages import N_, Message
from netlab.node_interface import NodeInterface
from netlab.packets.frame import Fields, decode, is_group, question_name
from netlab.packets.packet import Frame, Packet, Part
from netlab.packets.tap import Sighting, Tap
from netlab.probes.base import Probe

_INTERRUPTION_SECONDS = 0.1
"""The longest that Ctrl-C may have to wait."""

_ARP_SECONDS = 4.0
"""After its first question the kernel asks twice more, once a second, and gives up in the fourth."""

_GIVEN_UP_SECONDS = 0.1
"""After the kernel has given up asking, the time for which its error to the packet's sender is under way."""

_SOON_NS = 1_500_000_000
"""The time within which a machine asks for the MAC that a packet needs, if it has not asked already."""

_LONGEST_SECONDS = 10
"""The longest waiting, besides the probe's own patience: others may send its packets again and again, or
so much ARP that it is never read to its end."""

_UNANSWERED = ("incomplete", "failed")
"""States of a neighbour whose MAC is asked for, or was in vain."""

_GLANCE = 1000
"""Frames that are read between two checks for signals and for the end of that time."""

_MOST_FRAMES = 20_000
"""Frames of the probe that are kept: more is the end of a long reply, or sent again and again."""

_MOST_ARP = 5_000
"""ARP frames that are kept; of more, those that are about what the probe's machines have asked for."""


def until_over(
    taps: Sequence[Tap],
    questions: Sequence[Tap],
    pursuits: Sequence[Pursuit],
    interruption: Interruption,
) -> None:
    """Read frames until every probe has its reply and all is still, or until nothing comes for long enough.

    `questions` are the taps that see what is about MAC addresses. Raises Interrupted.
    """
    if not pursuits:
        return
    with selectors.DefaultSelector() as selector:
        heard = [tap for tap in questions if not tap.flooded]
        for tap in (*taps, *heard):
            selector.register(tap.socket, selectors.EVENT_READ, tap)
        for socket in (socket for pursuit in pursuits for socket in pursuit.probe.sockets):
            selector.register(socket, selectors.EVENT_READ, None)
        begun = last = time.monotonic()
        while not any(pursuit.unfinished for pursuit in pursuits):
            patience = max(pursuit.until(begun, last) for pursuit in pursuits) - time.monotonic()
            is_over = all(pursuit.is_over() for pursuit in pursuits)
            wait = 0.0 if is_over else min(max(patience, 0), _INTERRUPTION_SECONDS)
            ready = [key.data for key, _ in selector.select(wait) if key.data]
            interruption.check()
            for pursuit in pursuits:
                pursuit.probe.poll()
            ended = patience <= 0 or all(pursuit.is_over() for pursuit in pursuits)
            if ended:  # What came after the selection too.
                ready = [*taps, *heard]
            news = _read(ready, pursuits, begun, interruption)
            for tap in [tap for tap in heard if tap.flooded]:
                selector.unregister(tap.socket)
                heard.remove(tap)
            for pursuit in pursuits:
                pursuit.ask_tables(tap.namespace for tap in questions if tap.flooded)
            if news:
                last = time.monotonic()
            elif ended:
                return


def _read(
    taps: Iterable[Tap], pursuits: Sequence[Pursuit], begun: float, interruption: Interruption
) -> bool:
    """Read frames; return whether there is news. Those that are not older than now can wait: others may
    send faster than is read."""
    now, news = time.time_ns(), False
    seconds = round(max(pursuit.probe.patience for pursuit in pursuits) + _LONGEST_SECONDS)
    for tap in taps:
        sightings = tap.sightings(now)
        while chunk := list(islice(sightings, _GLANCE)):
            interruption.check()
            news |= _take(chunk, pursuits)
            if time.monotonic() > begun + seconds:
                why = Message(
                    N_("after {seconds} s, its packets were still seen: somebody sends them again")
                    if news
                    else N_("after {seconds} s, what others send was not read to its end"),
                    seconds=seconds,
                )
                for pursuit in pursuits:
                    pursuit.unfinished = why
                return news
    return news


def _take(sightings: Iterable[Sighting], pursuits: Sequence[Pursuit]) -> bool:
    """Give frames to the probes; return whether something new has to do with one of them."""
    news = False
    by_key = {pursuit.probe.key: pursuit for pursuit in pursuits}
    keys_of = {pursuit.probe.keys_of for pursuit in pursuits}
    for sighting in sightings:
        fields = decode(sighting.data, sighting.length)
        keys = [key for keys in keys_of for key in keys(fields, sighting.data) if key in by_key]
        for pursuit in [by_key[key] for key in keys] or pursuits:
            news |= pursuit.take(sighting, fields)
    for pursuit in pursuits:
        pursuit.forget()
    return news


class Pursuit:
    """The frames that are seen of one probe: its packets, and ARP on their way."""

    def __init__(
        self,
        probe: Probe,
        netmap: NetworkMap,
        source: str,
        asked_before: set[tuple[str, str]],
        pool: NamespacePool,
    ) -> None:
        self.probe = probe
        self.sent_at = 0
        """Nanoseconds, by the kernel's clock."""
        self.error: int | None = None
        """errno, if the kernel refused to send it."""
        self._netmap = netmap
        self._source = source
        self.frames: list[Frame] = []
        self._arp: list[Frame] = []
        self._had = {source: time.time_ns()}
        """Machines that have had the packet, and when they had it last."""
        self.begun = time.monotonic()
        """When it began, by the monotonic clock."""
        self._holding = {source}
        """Machines that have the packet, and have not sent it on."""
        self.asked_before = asked_before
        """(node, address) of questions that were under way: a packet may wait for their reply too."""
        self._questions = set(asked_before)
        """(node, address) of every ARP question."""
        self._early: dict[tuple[str, str], Frame] = {}
        """Questions that were heard before the packet was seen for which they may be: another tap sees it."""
        self._waited = dict.fromkeys(self._questions, self.begun)
        """Questions for whose reply the probe may wait, and when each was heard first."""
        self._pairs: set[tuple[str, str]] = set()
        """(asker, target) of these, by address."""
        self._answered: set[tuple[str, str]] = set()
        self._given_up: dict[tuple[str, str], float] = {}
        """Questions that the kernel has given up, and when it is over for each."""
        self._looked = self.begun
        self.deadline: float | None = None
        """When it is over, by the monotonic clock, whatever is heard; None: by silence."""
        self.unfinished = ""
        """In words, why it has not ended by itself; empty if it has."""
        self._pool = pool
        self._namespaces = {node: namespace for namespace, node in netmap.nodes.items()}

    @property
    def passed(self) -> set[str]:
        """Machines that have had the packet."""
        return set(self._had)

    def send(self) -> None:
        """Send the probe, or remember why that was refused."""
        self.sent_at = time.time_ns()
        try:
            self.probe.send()
        except OSError as error:
            self.error = error.errno or -1

    def until(self, begun: float, last: float) -> float:
        """Return when it is over if nothing is heard any more, by the monotonic clock; the `last` frame of
        any probe was heard then."""
        if self.deadline is not None:
            return self.deadline
        silence = last + max(self.probe.patience, last - begun)
        return max(silence, self._last_question())

    def frames_at_end(
        self, needed: Collection[tuple[str, str]], with_others: bool
    ) -> Iterator[Frame]:
        """Yield all frames, with packets that are known only now: a reply that took its time to be
        recognised, and the ARP that the probe `needed`, by node and address; `with_others`: all ARP."""
        for frame in self.frames:
            packet = self.probe.packet(frame.fields, frame.sighting.data)
            yield Frame(frame.sighting, packet, frame.fields)
        exchanges = self._exchanges(needed)
        for frame in self._arp:
            fields = frame.fields
            if _pair(fields) in exchanges:
                ends = (fields["arp.sender"], fields["arp.target"])
                packet = Packet(Part.ARP, question_name(fields), ends)
                yield Frame(frame.sighting, packet, fields)
            elif with_others:
                yield frame

    def _exchanges(self, needed: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return (asker, target) of these ARP questions, by address."""
        addresses = {address for _, address in needed}
        return {
            _pair(frame.fields)
            for frame in self._arp
            if frame.fields["arp.target"] in addresses
            and _asks_everybody(frame.fields)
            and self._is_needed(frame, needed)
        }

    def _is_needed(self, question: Frame, needed: Collection[tuple[str, str]]) -> bool:
        """Return whether a machine asks for what the probe needed."""
        sighting, netmap = question.sighting, self._netmap
        node = netmap.nodes[sighting.namespace]
        return (
            sighting.outgoing
            and (node, question.fields["arp.target"]) in needed
            and node not in netmap.switches
            and NodeInterface(node, sighting.interface) not in netmap.nat_uplinks
        )

    def had(self, node: str) -> list[tuple[str | None, Fields]]:
        """Return the probe's packets that a machine has had, each with the interface by which it came in,
        None if it left."""
        return [
            (None if frame.sighting.outgoing else frame.sighting.interface, frame.fields)
            for frame in self.frames
            if frame.packet and self._netmap.nodes[frame.sighting.namespace] == node
        ]

    def _last_question(self) -> float:
        """Return until when the kernel may still ask for a MAC that the packet waits for."""
        waiting = {
            question
            for question in self._waited.keys() - self._answered
            if question not in self.asked_before or question[0] in self._holding
        }
        if time.monotonic() > self._looked + _INTERRUPTION_SECONDS:
            self._look_at({node for node, _ in waiting - self._given_up.keys()})
        ends = (
            self._given_up.get(question, self._waited[question] + _ARP_SECONDS)
            for question in waiting
        )
        return max(ends, default=0.0)

    def ask_tables(self, namespaces: Iterable[str]) -> None:
        """Take in what machines that have had the packet ask for by their tables of neighbours, in
        namespaces where questions are not heard."""
        for namespace in namespaces:
            node, now = self._netmap.nodes[namespace], time.monotonic()
            if node not in self._had:
                continue
            for address, state in questions_of(self._pool.netlink(namespace), now - self.begun):
                question = (node, str(address))
                if state in _UNANSWERED:
                    self._questions.add(question)
                    self._waited.setdefault(question, now)
                elif question in self._waited:
                    self._answered.add(question)
                if state == "failed":
                    self._given_up.setdefault(question, now)

    def _look_at(self, nodes: Iterable[str]) -> None:
        """Note the questions that these machines have given up."""
        for node in nodes:
            for address in given_up(self._pool.netlink(self._namespaces[node])):
                end = time.monotonic() + _GIVEN_UP_SECONDS
                self._given_up.setdefault((node, str(address)), end)
        self._looked = time.monotonic()

    def is_over(self) -> bool:
        """Return whether the reply is with the program that asked, and was seen on its way there."""
        return self.probe.over and any(
            frame.packet
            and frame.packet.part is not Part.REQUEST
            and not frame.sighting.outgoing
            and self._netmap.nodes[frame.sighting.namespace] == self._source
            for frame in self.frames
        )

    def asked(self) -> dict[tuple[str, str], bool]:
        """Return (node, address) of ARP questions of machines that had the packet, and whether each was
        answered."""
        return {
            (node, address): (node, address) in self._answered
            for node, address in self._questions
            if node in self._had
        }

    def unanswered(self) -> list[tuple[str, str]]:
        """Return (node, address) of the ARP questions that nobody answered."""
        return [question for question, answered in self.asked().items() if not answered]

    def take(self, sighting: Sighting, fields: Fields) -> bool:
        """Keep a frame; return whether it is news of the probe: its packet, or ARP on its way."""
        packet = self.probe.packet(fields, sighting.data)
        node = self._netmap.nodes[sighting.namespace]
        is_switch = node in self._netmap.switches
        if packet:
            if len(self.frames) < _MOST_FRAMES:
                self.frames.append(Frame(sighting, packet, fields))
            if not sighting.foreign and not is_switch:
                self._note_passage(node, sighting)
            return True
        if "arp.op" not in fields:
            return False
        self._arp.append(Frame(sighting, None, fields))
        return not is_switch and self._hear(node, fields, sighting)

    def _note_passage(self, node: str, sighting: Sighting) -> None:
        """Note that a machine has had a packet of the probe, or has sent it on."""
        if node not in self._had:
            self.probe.note_reached(sighting.namespace)
            waiting = (question for question in self.asked_before if question[0] == node)
            self._waited |= dict.fromkeys(waiting, time.monotonic())
        self._had[node] = max(sighting.at, self._had.get(node, 0))
        for question, frame in [early for early in self._early.items() if early[0][0] == node]:
            del self._early[question]
            if frame.sighting.at >= sighting.at:
                self._hear(node, frame.fields, frame.sighting)
        (self._holding.discard if sighting.outgoing else self._holding.add)(node)

    def forget(self) -> None:
        """Let go of ARP that nobody on the probe's way has asked for, if there is much."""
        if len(self._arp) > _MOST_ARP:
            self._arp = [frame for frame in self._arp if _pair(frame.fields) in self._pairs]
            del self._arp[_MOST_ARP:]

    def _hear(self, node: str, fields: Fields, sighting: Sighting) -> bool:
        """Keep account of a machine's ARP; return whether the probe waits for it, and this is new.

        A question that is asked once more is not new, nor one by a machine that asks for one address after
        the other, whatever it has had: then the probe would never be over.
        """
        if sighting.outgoing and _asks_everybody(fields):
            question = (node, fields["arp.target"])
            new = question not in self._waited and sighting.at < self._had.get(node, 0) + _SOON_NS
            if new or len(self._questions) < _MOST_ARP:
                self._questions.add(question)
            if new:
                self._waited[question] = time.monotonic()
                self._pairs.add(_pair(fields))
            elif node not in self._had and len(self._early) < _MOST_ARP:
                self._early[question] = Frame(sighting, None, fields)
            return new
        question = (node, fields["arp.sender"])
        if fields["arp.op"] != "reply" or sighting.outgoing or question not in self._questions:
            return False
        new = question in self._waited and question not in self._answered
        self._answered.add(question)
        return new


def _pair(fields: Fields) -> tuple[str, str]:
    """Return (asker, target) by address, of an ARP question or the reply to one."""
    ends = (fields["arp.sender"], fields["arp.target"])
    return ends if fields["arp.op"] == "request" else ends[::-1]


def _asks_everybody(fields: Fields) -> bool:
    """Return whether this is a question for a MAC that is not known; the kernel also asks the owner itself,
    to refresh an entry."""
    return fields.get("arp.op") == "request" and is_group(fields["eth.dst"])
