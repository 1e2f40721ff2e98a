"""A running lab's tables, read from the kernel for `explain.explain`."""

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
from netlab.kernel.state.routing import RouteLookups
from netlab.kernel.state.spaces import Space
from netlab.node_interface import NodeInterface

_SETTINGS = (
    *("net.ipv4.ip_default_ttl", "net.ipv4.icmp_echo_ignore_all"),
    *("net.ipv6.conf.all.forwarding", "net.ipv6.icmp.echo_ignore_all"),
)
_OF_INTERFACES = ("ipv4.conf.{}.forwarding", "ipv4.conf.{}.rp_filter", "ipv6.conf.{}.hop_limit")


@contextmanager
def lab_model(
    netmap: NetworkMap, cables: Mapping[NodeInterface, NodeInterface]
) -> Iterator[LabModel]:
    """Read everything as it is now; within the block, the kernel can be asked for routes.

    Raises KernelError.
    """
    space_of = spaces.look(netmap.nodes)
    machines = [
        namespace for namespace, node in netmap.nodes.items() if node not in netmap.switches
    ]
    listening = sockets.read_listening(machines)
    namespaces = {node: namespace for namespace, node in netmap.nodes.items()}
    with NamespacePool(len(namespaces)) as pool:
        nodes = {
            node: NodeModel(
                space_of[namespace],
                _ruleset(namespace),
                _settings(pool, namespace, space_of[namespace]),
                listening.get(namespace, ()),
            )
            for node, namespace in namespaces.items()
        }

        kernel = RouteLookups(pool, lambda namespace: space_of[namespace].names)

        yield LabModel(
            nodes,
            netmap,
            cables,
            lambda node, lookup: kernel.ask(namespaces[node], lookup),
            lambda node, lookup: kernel.entry(namespaces[node], lookup),
        )


def _settings(pool: NamespacePool, namespace: str, space: Space) -> dict[str, str]:
    """Read the kernel settings that decide about packets."""
    scopes = ["all", *(interface.name for interface in space.interfaces)]
    keys = [f"net.{key.format(scope)}" for scope in scopes for key in _OF_INTERFACES]
    with pool.inside(namespace):
        return pool.settings.values(namespace, [*_SETTINGS, *keys])


def _ruleset(namespace: str) -> ParsedRuleset:
    """Read the rules, without the tables of a trace that is under way."""
    document = [
        item
        for item in nft.document(namespace)
        for entry in item.values()
        if not str(entry.get("table", entry.get("name", ""))).startswith(TRACE_TABLE)
    ]
    listing = nft.read_with_handles(namespace) if document else ""
    return ParsedRuleset(document, nft.rules(listing), frozenset(nft.dormant(listing)))
