"""`neighbour`: the MAC address that a machine knows for an address of its network.

What it does not know yet, it asks for as it would for any packet: one datagram is sent.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator, Sequence, Set

from netlab.kernel.namespaces import netns
from netlab.kernel.rows import IPAddress, Neighbour
from netlab.kernel.state import spaces
from netlab.kernel.state.tables import KernelTable
from netlab.kernel.wait import became_true
from netlab.messages import Message, join_or
from netlab.scenario.model import NeighbourFact
from netlab.scenario.model.facts import NONE
from netlab.verify.facts.finding import Finding, Question
from netlab.verify.facts.sources import FactSources

_DISCARD_PORT = 9
"""RFC 863: what is sent there is for nobody."""
_PATIENCE_SECONDS = 5.0
"""The kernel gives up after three questions, one a second (arp(7))."""
_TRY_AGAIN_SECONDS = 0.5


def measure(questions: Sequence[Question], sources: FactSources) -> Iterator[Finding]:
    """Yield what machines know for the addresses that are asked for, after they have asked for all."""
    asking: dict[str, _Asking] = {}
    for question in questions:
        node = question.endpoint.node.name
        asking.setdefault(node, _Asking(node, sources)).add(_near(question, sources))
    became_true(
        lambda: not [node for node in asking.values() if node.goes_on()],
        _PATIENCE_SECONDS,
        sources.interruption,
    )
    for question in questions:
        yield _judge(question, asking[question.endpoint.node.name], sources)


class _Asking:
    """A machine that asks for addresses that it does not know yet, and what became of it.

    That an address was asked for is noted: with much else to remember, the kernel forgets what nobody has
    answered, and while it has no room at all, it does not ask.
    """

    def __init__(self, node: str, sources: FactSources) -> None:
        self._node, self._sources = node, sources
        self._addresses: set[IPAddress] = set()
        self._next_try = 0.0
        self.unanswered: set[IPAddress] = set()
        """Those that it has asked for."""
        self.unreachable: set[IPAddress] = set()
        """Those to which no route leads."""

    def add(self, addresses: Set[IPAddress]) -> None:
        """Let it ask for these, too."""
        self._addresses |= addresses

    def goes_on(self) -> bool:
        """Look at its table, and ask for what is not there; return False once all is settled."""
        entries = [
            entry
            for entry in _entries(self._node, self._sources)
            if entry.address in self._addresses
        ]
        self.unanswered |= {entry.address for entry in entries if not entry.mac} - (
            self._failed_before(entries)
        )
        known = {entry.address for entry in entries if entry.mac}
        unasked = self._addresses - known - self.unanswered - self.unreachable
        if unasked and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + _TRY_AGAIN_SECONDS
            for address in unasked:
                self._ask(address)
        return bool(unasked) or any(entry.state == "incomplete" for entry in entries)

    def _failed_before(self, entries: Sequence[Neighbour]) -> set[IPAddress]:
        """Return the addresses that were asked for in vain before: they are asked for once more."""
        if self._next_try:
            return set()
        return {entry.address for entry in entries if entry.state == "failed"}

    def _ask(self, address: IPAddress) -> None:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with netns.inside(self._sources.namespaces[self._node]):
            sender = socket.socket(family, socket.SOCK_DGRAM)
        with sender:
            try:
                sender.sendto(b"", (str(address), _DISCARD_PORT))
            except OSError as error:
                if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES):
                    self.unreachable.add(address)


def _near(question: Question, sources: FactSources) -> frozenset[IPAddress]:
    """Return the addresses that are meant and on a network of the machine that asks."""
    networks = [address.network for _, address in sources.addresses(question.endpoint)]
    addresses = sources.ips(question.value.address)
    return frozenset(ip for ip in addresses if any(ip in network for network in networks))


def _entries(node: str, sources: FactSources) -> tuple[Neighbour, ...]:
    namespace, table = sources.namespaces[node], KernelTable.NEIGHBOURS
    rows = spaces.rows([namespace], [table])[namespace, table]
    return tuple(row for row in rows if isinstance(row, Neighbour))


def _judge(question: Question, asking: _Asking, sources: FactSources) -> Finding:
    expected: NeighbourFact = question.value
    node, adapter = question.endpoint.node.name, question.endpoint.adapter
    addresses = _near(question, sources)
    if not addresses and expected.address in sources.endpoints:
        text = Message(
            "{other} has no address on a network of {node}", other=expected.address, node=node
        )
        return Finding(None, text)
    if not addresses:
        text = Message("{address} is on no network of {node}", address=expected.address, node=node)
        return Finding(False, text)
    entries = [
        entry
        for entry in _entries(node, sources)
        if entry.address in addresses and (not adapter or entry.interface == adapter.holder)
    ]
    answered = [entry for entry in entries if entry.mac]
    if not answered:
        return _without_answer(question, addresses, entries, asking)
    entry = answered[0]
    text = Message(
        "{node} knows {address} at {mac}",
        node=node,
        address=entry.address,
        mac=sources.owner(entry.mac),
    )
    return Finding(_is_meant(expected, entry.mac, sources), text)


def _without_answer(
    question: Question,
    addresses: frozenset[IPAddress],
    entries: Sequence[Neighbour],
    asking: _Asking,
) -> Finding:
    node, shown = question.endpoint.node.name, join_or(sorted(map(str, addresses)))
    if any(entry.state == "incomplete" for entry in entries):
        text = Message("{node} is still asking for {address}", node=node, address=shown)
        return Finding(None, text)
    if addresses & asking.unanswered:
        text = Message("nobody has answered {node} for {address}", node=node, address=shown)
        return Finding(question.value.mac == NONE, text)
    if addresses <= asking.unreachable:
        text = Message("{node} has no route to {to}", node=node, to=shown)
        return Finding(False, text)
    text = Message("{node} was not seen asking for {address}", node=node, address=shown)
    return Finding(None, text)


def _is_meant(expected: NeighbourFact, mac: str, sources: FactSources) -> bool:
    word = expected.mac or expected.address
    if word == NONE:
        return False
    if endpoint := sources.endpoints.get(word):
        return mac in sources.macs(endpoint)
    return expected.mac in (None, mac)
