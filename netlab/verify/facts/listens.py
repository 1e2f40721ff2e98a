"""`listens`: the programs that wait for packets at a machine's ports."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.kernel.rows import Socket, at_port
from netlab.messages import Message
from netlab.scenario.expectation import Endpoint
from netlab.verify.facts.finding import Finding, all_of
from netlab.verify.facts.sources import FactSources


def judge(expected: Sequence[str], endpoint: Endpoint, sources: FactSources) -> Finding:
    """Find out whether programs wait at each of these ports for what others send to the endpoint."""
    sockets = sources.sockets(endpoint.node.name)
    return all_of([_at(port, sockets, endpoint, sources) for port in expected])


def _at(word: str, sockets: Sequence[Socket], endpoint: Endpoint, sources: FactSources) -> Finding:
    protocol, _, port = word.partition(":")
    waiting = [sock for sock in sockets if (sock.protocol, str(sock.port)) == (protocol, port)]
    if not waiting:
        return Finding(False, Message("nobody waits at {port} there", port=word))
    listed = ", ".join(dict.fromkeys(at_port(sock.address, sock.port) for sock in waiting))
    addresses = sources.addresses(endpoint)
    reached = [
        sock
        for sock in waiting
        if any(sock.takes(address.ip, interface) for interface, address in addresses)
    ]
    if not addresses and not all(sock.loopback for sock in waiting):
        text = Message(
            "{node} has no address, and a program waits at {listed}",
            node=endpoint.name,
            listed=listed,
        )
        return Finding(None, text)
    if not reached:
        text = Message(
            "a program waits at {listed} only: others do not reach it there", listed=listed
        )
        return Finding(False, text)
    return Finding(True, Message("a program waits at {listed}", listed=listed))
