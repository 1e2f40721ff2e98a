"""`neighbour`: the MAC address that a machine knows for an address of its network.

What it does not know yet, it asks for as it would for any packet: one datagram is sent.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress

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


def measure(questions: Sequence[Question], sources: FactSources) -> Iterator[Finding]:
    """Yield what machines know for the addresses that are asked for, after they have asked for all."""
    asked: dict[str, set[IPAddress]] = {}
    for question in questions:
        addresses = asked.setdefault(question.endpoint.node.name, set())
        addresses |= _meant(question, sources)
    for node, addresses in asked.items():
        known = {entry.address for entry in _entries(node, sources) if entry.mac}
        for address in addresses - known:
            _let_ask(sources.namespaces[node], address)
    unanswered: set[tuple[str, IPAddress]] = set()

    def are_settled() -> bool:
        """Note what is asked for: the kernel may forget at once what nobody has answered."""
        waiting = [
            (node, entry)
            for node, addresses in asked.items()
            for entry in _entries(node, sources)
            if entry.address in addresses and not entry.mac
        ]
        unanswered.update((node, entry.address) for node, entry in waiting)
        return not any(entry.state == "incomplete" for _, entry in waiting)

    became_true(are_settled, _PATIENCE_SECONDS, sources.interruption)
    for question in questions:
        yield _judge(question, unanswered, sources)


def _meant(question: Question, sources: FactSources) -> frozenset[IPAddress]:
    """Return the address that is asked for; of a machine's, those on a network of the one that asks."""
    addresses, word = sources.ips(question.value.address), question.value.address
    if word not in sources.endpoints:
        return addresses
    own = [address.network for _, address in sources.addresses(question.endpoint)]
    return frozenset(ip for ip in addresses if any(ip in network for network in own))


def _entries(node: str, sources: FactSources) -> tuple[Neighbour, ...]:
    namespace, table = sources.namespaces[node], KernelTable.NEIGHBOURS
    rows = spaces.rows([namespace], [table])[namespace, table]
    return tuple(row for row in rows if isinstance(row, Neighbour))


def _let_ask(namespace: str, address: IPAddress) -> None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with netns.inside(namespace):
        sender = socket.socket(family, socket.SOCK_DGRAM)
    with sender, suppress(OSError):  # There is no route: the table has no entry then.
        sender.sendto(b"", (str(address), _DISCARD_PORT))


def _judge(
    question: Question, unanswered: Set[tuple[str, IPAddress]], sources: FactSources
) -> Finding:
    expected: NeighbourFact = question.value
    node, adapter = question.endpoint.node.name, question.endpoint.adapter
    addresses = _meant(question, sources)
    if not addresses:
        text = Message(
            "{other} has no address on a network of {node}", other=expected.address, node=node
        )
        return Finding(None, text)
    entries = [
        entry
        for entry in _entries(node, sources)
        if entry.address in addresses and (not adapter or entry.interface == adapter.holder)
    ]
    answered = [entry for entry in entries if entry.mac]
    if not answered:
        is_asked = any((node, address) in unanswered for address in addresses)
        return _without_answer(expected, node, addresses, entries, is_asked)
    entry = answered[0]
    text = Message(
        "{node} knows {address} at {mac}",
        node=node,
        address=entry.address,
        mac=sources.owner(entry.mac),
    )
    return Finding(_is_meant(expected, entry.mac, sources), text)


def _without_answer(
    expected: NeighbourFact,
    node: str,
    addresses: frozenset[IPAddress],
    entries: Sequence[Neighbour],
    is_asked: bool,
) -> Finding:
    shown = join_or(sorted(map(str, addresses)))
    if any(entry.state == "incomplete" for entry in entries):
        text = Message("{node} is still asking for {address}", node=node, address=shown)
        return Finding(None, text)
    if not is_asked:
        text = Message("{node} asks nobody on its networks for {address}", node=node, address=shown)
        return Finding(False, text)
    text = Message("nobody has answered {node} for {address}", node=node, address=shown)
    return Finding(expected.mac == NONE, text)


def _is_meant(expected: NeighbourFact, mac: str, sources: FactSources) -> bool:
    word = expected.mac or expected.address
    if word == NONE:
        return False
    if endpoint := sources.endpoints.get(word):
        return mac in sources.macs(endpoint)
    return expected.mac in (None, mac)
