"""A running lab's tables, read from the kernel for `way.explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from netlab.diagnosis.journey import Map
from netlab.explain.model import Place, World
from netlab.explain.nft_rules import Ruleset
from netlab.kernel.netlink.pool import Handles
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nftrace import TRACE_TABLE
from netlab.kernel.state import sockets, spaces
from netlab.kernel.state.owners import Plug
from netlab.kernel.state.routing import Answer, Question, Routing
from netlab.kernel.state.spaces import Space

_SETTINGS = (
    *("net.ipv4.ip_default_ttl", "net.ipv4.icmp_echo_ignore_all"),
    *("net.ipv6.conf.all.forwarding", "net.ipv6.icmp.echo_ignore_all"),
)
_OF_INTERFACES = ("ipv4.conf.{}.forwarding", "ipv4.conf.{}.rp_filter", "ipv6.conf.{}.hop_limit")


@contextmanager
def world(where: Map, cables: Mapping[Plug, Plug]) -> Iterator[World]:
    """Everything as it is now; within the block, the kernel can be asked for routes.

    Raises KernelError.
    """
    found = spaces.look(where.nodes)
    machines = [name for name, node in where.nodes.items() if node not in where.switches]
    waiting = sockets.read_listening(machines)
    names = {node: name for name, node in where.nodes.items()}
    with Handles(len(names)) as handles:
        places = {
            node: Place(
                found[name],
                _ruleset(name),
                _settings(handles, name, found[name]),
                waiting.get(name, ()),
            )
            for node, name in names.items()
        }

        kernel = Routing(handles, lambda name: found[name].names)

        def ask(node: str, question: Question) -> Answer:
            return kernel.ask(names[node], question)

        yield World(places, where, cables, ask)


def _settings(handles: Handles, namespace: str, space: Space) -> dict[str, str]:
    scopes = ["all", *(one.name for one in space.interfaces)]
    each = [f"net.{key.format(scope)}" for scope in scopes for key in _OF_INTERFACES]
    with handles.inside(namespace):
        return handles.settings.values(namespace, [*_SETTINGS, *each])


def _ruleset(namespace: str) -> Ruleset:
    """Without the tables of a trace that is under way."""
    document = [
        one
        for one in nft.document(namespace)
        for entry in one.values()
        if not str(entry.get("table", entry.get("name", ""))).startswith(TRACE_TABLE)
    ]
    listing = nft.read_with_handles(namespace) if document else ""
    return Ruleset(document, nft.rules(listing), frozenset(nft.dormant(listing)))
