"""A running lab's tables, read from the kernel for `way.explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from netlab.diagnosis.journey import NetworkMap
from netlab.explain.model import LabModel, NodeModel
from netlab.explain.nft_rules import ParsedRuleset
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nftrace import TRACE_TABLE
from netlab.kernel.state import sockets, spaces
from netlab.kernel.state.owners import Plug
from netlab.kernel.state.routing import RouteLookup, RouteLookups, RouteResult
from netlab.kernel.state.spaces import Space

_SETTINGS = (
    *("net.ipv4.ip_default_ttl", "net.ipv4.icmp_echo_ignore_all"),
    *("net.ipv6.conf.all.forwarding", "net.ipv6.icmp.echo_ignore_all"),
)
_OF_INTERFACES = ("ipv4.conf.{}.forwarding", "ipv4.conf.{}.rp_filter", "ipv6.conf.{}.hop_limit")


@contextmanager
def world(netmap: NetworkMap, cables: Mapping[Plug, Plug]) -> Iterator[LabModel]:
    """Everything as it is now; within the block, the kernel can be asked for routes.

    Raises KernelError.
    """
    found = spaces.look(netmap.nodes)
    machines = [name for name, node in netmap.nodes.items() if node not in netmap.switches]
    waiting = sockets.read_listening(machines)
    names = {node: name for name, node in netmap.nodes.items()}
    with NamespacePool(len(names)) as pool:
        places = {
            node: NodeModel(
                found[name],
                _ruleset(name),
                _settings(pool, name, found[name]),
                waiting.get(name, ()),
            )
            for node, name in names.items()
        }

        kernel = RouteLookups(pool, lambda name: found[name].names)

        def ask(node: str, question: RouteLookup) -> RouteResult:
            return kernel.ask(names[node], question)

        yield LabModel(places, netmap, cables, ask)


def _settings(pool: NamespacePool, namespace: str, space: Space) -> dict[str, str]:
    scopes = ["all", *(one.name for one in space.interfaces)]
    each = [f"net.{key.format(scope)}" for scope in scopes for key in _OF_INTERFACES]
    with pool.inside(namespace):
        return pool.settings.values(namespace, [*_SETTINGS, *each])


def _ruleset(namespace: str) -> ParsedRuleset:
    """Without the tables of a trace that is under way."""
    document = [
        one
        for one in nft.document(namespace)
        for entry in one.values()
        if not str(entry.get("table", entry.get("name", ""))).startswith(TRACE_TABLE)
    ]
    listing = nft.read_with_handles(namespace) if document else ""
    return ParsedRuleset(document, nft.rules(listing), frozenset(nft.dormant(listing)))
