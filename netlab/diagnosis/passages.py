"""The ways of a probe's packets over the machines of a lab, from what was seen of them and from tables."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from functools import cached_property
from ipaddress import ip_address

from netlab.diagnosis.journey import Journey, Step
from netlab.diagnosis.leads import Leads, Passage, away, leads, place_without_route
from netlab.diagnosis.tables import LabTables
from netlab.frozen import frozen
from netlab.kernel.rows import IPAddress
from netlab.kernel.state.policy import RouteLookup
from netlab.packets.frame import is_group
from netlab.packets.packet import Part


@frozen
class Passages:
    """The ways of a probe's request and reply, as far as each came."""

    tables: LabTables
    journey: Journey
    source: str
    """Node."""
    target: str
    """Node, or an address."""
    meant: frozenset[str] = frozenset()
    """Further machines that it is for."""
    first: RouteLookup | None = None
    """Its first packet, as the source's routing looks at it; None: it goes to everybody."""

    @property
    def is_home(self) -> bool:
        """True if a reply has come home: then nothing was led anywhere."""
        replies = self.journey.of(Part.REPLY)
        return any(step.node == self.source and step.came_in for step in replies)

    def leads(self) -> dict[Part, Leads]:
        """Return why each part came to where it ended."""
        return {
            part: leads(passage, self.tables.whereabouts, self._receiver(part))
            for part, passage in self._passages.items()
        }

    @cached_property
    def _passages(self) -> dict[Part, Passage]:
        parts = (Part.REQUEST, Part.REPLY)
        passages = {part: self._begun(part) or self._not_begun(part) for part in parts}
        return {part: passage for part, passage in passages.items() if passage}

    def _begun(self, part: Part) -> Passage | None:
        """Return the way of a part that was seen."""
        steps, switches = self.journey.last(part), self.tables.netmap.switches
        if not steps:
            return None
        onward = [
            sent
            for step in steps
            if step.node not in switches
            for sent in self.tables.onward(step, self.source)
        ]
        last = steps[-1]
        return Passage(
            tuple(onward),
            last.node,
            last.inlet or "",
            self._meant(part),
            self._past(part),
            self._answered_for,
        )

    def _not_begun(self, part: Part) -> Passage | None:
        """Return the way that a part would begin that was not seen leaving its sender."""
        if part is Part.REQUEST:
            onward = self.tables.would_send(self.source, self.first) if self.first else ()
            return Passage(onward, self.source, meant=self._meant(part))
        request = self.journey.last(Part.REQUEST)
        is_there = bool(request) and request[-1].node == self.target
        if not is_there or not self.tables.is_end(request[-1]) or not request[-1].came_in:
            return None
        onward = self.tables.would_send(self.target, self.tables.reply_lookup(request[-1]))
        return Passage(onward, self.target, meant=self._meant(part), past=self._past(part))

    def _meant(self, part: Part) -> frozenset[str]:
        return frozenset({self.source}) if part is Part.REPLY else self.meant | {self.target}

    def _past(self, part: Part) -> frozenset[str]:
        """Return the machines that have passed on the request as it was; for its reply."""
        steps = self.journey.last(Part.REQUEST) if part is Part.REPLY else ()
        return frozenset(
            node
            for step in steps
            if step.came_in and step.went_out and "ip.src" not in step.rewrites
            for node in self.tables.netmap.parts(step.node)
        )

    @cached_property
    def _answered_for(self) -> frozenset[tuple[str, str]]:
        """(node, IP address) of each answer to a question for a MAC address that was seen."""
        return frozenset(
            (step.node, step.before["arp.sender"])
            for step in self.journey.of(Part.ARP)
            if not step.came_in and step.before.get("arp.op") == "reply"
        )

    def _receiver(self, part: Part) -> str:
        """Return the MAC address for which the last frame of a part was; empty if for everybody."""
        steps = self.journey.last(part)
        mac = steps[-1].after.get("eth.dst", "") if steps else ""
        return "" if not mac or is_group(mac) else mac

    def places(self, questions: Iterable[tuple[str, str]], no_route_back: str) -> dict[str, str]:
        """Return addresses with where each is: those that were asked for in vain, or to which no route leads,
        and the source's own, if none leads back to it.

        `questions`: nodes, each with the address for which it asked.
        """
        places = {address: self._place(node, address) for node, address in questions}
        places |= {
            str(address): place_without_route(address, passage, self.tables.whereabouts)
            for address, passage in self._unrouted()
        }
        first = self.journey.first(Part.REQUEST)
        if no_route_back and first[0].before["ip.src"] == no_route_back:
            places[no_route_back] = self.tables.whereabouts.place(
                ip_address(no_route_back), self.target, {self.source}, self._past(Part.REPLY)
            )
        return {address: place for address, place in places.items() if place}

    def _unrouted(self) -> Iterator[tuple[IPAddress, Passage]]:
        """Yield destinations to which a machine has no route where a packet ended, with the way there."""
        for part, passage in self._passages.items():
            steps = self.journey.last(part)
            if steps and self.tables.is_end(steps[-1]):
                lookup = self.tables.lookup(steps[-1], self.source)
            elif not steps and part is Part.REQUEST and self.first:
                lookup = self.first
            else:
                continue
            if self.tables.ask(passage.ended, lookup).error == errno.ENETUNREACH:
                yield lookup.target, passage

    def _place(self, node: str, address: str) -> str | None:
        """Return where an address is for which a node asked in vain, and who led the packet there."""
        whereabouts, asked = self.tables.whereabouts, ip_address(address)
        for passage in self._passages.values():
            last = passage.onward[-1] if passage.onward else None
            is_asked = last and last.node == node and last.address == last.hop == asked
            if is_asked and (lead := away(passage, whereabouts)):
                return lead.text
        if whereabouts.owner(asked) is None and self._is_forwarded(node, address):
            return whereabouts.forward_to_nobody(asked, node)
        return whereabouts.place(asked, node)

    def _is_forwarded(self, node: str, address: str) -> bool:
        """Return whether a port forward has led the request to an address that its sender did not name."""
        steps = self.journey.last(Part.REQUEST)
        if not steps or not self._is_on(steps[-1], node):
            return False
        onward = list(self.tables.onward(steps[-1], self.source))
        is_target = any(str(sent.address) == address for sent in onward)
        return is_target and steps[0].before.get("ip.dst") != address

    def _is_on(self, step: Step, node: str) -> bool:
        return node in self.tables.netmap.parts(step.node)
