"""A running lab's tables, read from the kernel for `way.explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from netlab.explain.rules import Ruleset
from netlab.explain.way import Place, Plug, World
from netlab.kernel import nft, routing, sockets, spaces, sysctl
from netlab.kernel.handles import Handles
from netlab.kernel.nftrace import TRACE_TABLE
from netlab.kernel.routing import Answer, Question
from netlab.kernel.spaces import Space

_SETTINGS = ("net.ipv4.ip_default_ttl", "net.ipv4.icmp_echo_ignore_all")


@contextmanager
def world(
    nodes: Mapping[str, str],
    switches: frozenset[str],
    peers: Mapping[Plug, Plug],
    plumbing: Mapping[Plug, str],
) -> Iterator[World]:
    """`nodes` are the namespaces with their nodes and switches; the kernel can be asked within the block."""
    found = spaces.look(nodes)
    waiting = sockets.read_listening([name for name, node in nodes.items() if node not in switches])
    places = {
        node: Place(
            found[name], _ruleset(name), _settings(name, found[name]), waiting.get(name, ())
        )
        for name, node in nodes.items()
    }
    names = {node: name for name, node in nodes.items()}
    with Handles(len(nodes)) as handles:

        def ask(node: str, question: Question) -> Answer:
            known = {one.index: one.name for one in places[node].space.interfaces}
            return routing.ask(handles.netlink(names[node]), known, question)

        yield World(places, switches, peers, plumbing, ask)


def _settings(namespace: str, space: Space) -> dict[str, str]:
    forwarding = [f"net.ipv4.conf.{one.name}.forwarding" for one in space.interfaces]
    return sysctl.values(namespace, [*_SETTINGS, *forwarding])


def _ruleset(namespace: str) -> Ruleset:
    """Without the tables of a trace that is under way."""
    document = [
        one
        for one in nft.document(namespace)
        for entry in one.values()
        if not str(entry.get("table", entry.get("name", ""))).startswith(TRACE_TABLE)
    ]
    has_rules = any("rule" in one for one in document)
    return Ruleset(document, nft.rules(namespace) if has_rules else {})
