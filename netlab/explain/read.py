"""A running lab's tables, read from the kernel for `explain.explain`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, overload

from netlab.diagnosis.journey import NetworkMap
from netlab.explain.model import LabModel, NodeModel
from netlab.explain.nft_rules import ParsedRuleset
from netlab.kernel.netlink.objects import link_details, neighbours
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.nftables import nft, xt
from netlab.kernel.nftables.iptables_save import XtRuleset
from netlab.kernel.nftables.nft import RuleId
from netlab.kernel.nftables.nftrace import TRACE_TABLE
from netlab.kernel.obstacles import Obstacle, ObstacleKind, iptables, marking
from netlab.kernel.obstacles.read import obstacles
from netlab.kernel.rows import Socket
from netlab.kernel.state import sockets, spaces
from netlab.kernel.state.routing import MarkSource, RouteLookups
from netlab.kernel.state.spaces import Space
from netlab.node_interface import NodeInterface


@contextmanager
def lab_model(
    netmap: NetworkMap, cables: Mapping[NodeInterface, NodeInterface]
) -> Iterator[LabModel]:
    """Read addresses, routes and neighbours as they are now; within the block, the kernel can be asked for
    routes, and everything else of a node is read when a packet comes to it.

    Raises KernelError.
    """
    space_of = spaces.look(netmap.nodes)
    namespaces = {node: namespace for namespace, node in netmap.nodes.items()}
    spaces_of_nodes = {node: space_of[namespace] for node, namespace in namespaces.items()}
    with NamespacePool(len(namespaces)) as pool:
        kernel = RouteLookups(
            pool,
            lambda namespace: space_of[namespace].names,
            partial(marking.read, pool),
            {MarkSource.RULES, MarkSource.LEGACY},
        )
        settings = {node: _Settings(namespace, pool) for node, namespace in namespaces.items()}
        yield LabModel(
            _Nodes(namespaces, spaces_of_nodes, settings, pool),
            spaces_of_nodes,
            settings,
            netmap,
            _plugged(cables, spaces_of_nodes),
            lambda node, lookup: kernel.ask(namespaces[node], lookup),
            lambda node, lookup: kernel.entry(namespaces[node], lookup),
        )


def _plugged(
    cables: Mapping[NodeInterface, NodeInterface], spaces_of_nodes: Mapping[str, Space]
) -> dict[NodeInterface, NodeInterface]:
    """Return the cables that are plugged in as they are planned: both ends, by the other end."""
    indexes = {
        NodeInterface(node, interface.name): (interface.index, interface.peer_index)
        for node, space in spaces_of_nodes.items()
        for interface in space.interfaces
    }
    return {
        end: far
        for end, far in cables.items()
        if end in indexes and indexes.get(far) == indexes[end][::-1]
    }


class _Nodes(Mapping[str, NodeModel]):
    """The nodes of a lab; each is read when a packet comes to it."""

    def __init__(
        self,
        namespaces: Mapping[str, str],
        spaces_of_nodes: Mapping[str, Space],
        settings: Mapping[str, Mapping[str, str]],
        pool: NamespacePool,
    ) -> None:
        self._namespaces, self._pool = namespaces, pool
        self._spaces, self._settings = spaces_of_nodes, settings
        self._read: dict[str, NodeModel] = {}

    def __getitem__(self, node: str) -> NodeModel:
        if node not in self._read:
            self._read[node] = self._look(node)
        return self._read[node]

    def __iter__(self) -> Iterator[str]:
        return iter(self._namespaces)

    def __len__(self) -> int:
        return len(self._namespaces)

    def _look(self, node: str) -> NodeModel:
        namespace, pool = self._namespaces[node], self._pool
        space, netlink = self._spaces[node], pool.netlink(namespace)
        legacy = iptables.legacy(namespace, pool)
        return NodeModel(
            space,
            _ruleset(namespace, legacy, pool),
            self._settings[node],
            _Listening(namespace, space),
            {link.name: link for link in link_details.read(netlink)},
            frozenset(
                (space.names.get(index, ""), address)
                for index, address in neighbours.read_proxies(netlink)
            ),
            tuple(_besides(legacy, obstacles(namespace, pool))),
        )


class _Settings(Mapping[str, str]):
    """The kernel settings of a namespace, each read at its first use."""

    def __init__(self, namespace: str, pool: NamespacePool) -> None:
        self._namespace, self._pool = namespace, pool
        self._values: dict[str, str | None] = {}

    def __getitem__(self, key: str) -> str:
        if key not in self._values:
            with self._pool.inside(self._namespace):
                values = self._pool.settings.values(self._namespace, [key])
            self._values[key] = values.get(key)
        value = self._values[key]
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _Listening(Sequence[Socket]):
    """The listening sockets of a namespace, read at their first use: that takes a look at every process."""

    def __init__(self, namespace: str, space: Space) -> None:
        self._namespace, self._space = namespace, space

    @cached_property
    def _sockets(self) -> tuple[Socket, ...]:
        return sockets.read_bound(self._namespace, self._space.names, with_processes=True)

    @overload
    def __getitem__(self, place: int) -> Socket: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Socket]: ...
    def __getitem__(self, place: int | slice) -> Socket | Sequence[Socket]:
        return self._sockets[place]

    def __len__(self) -> int:
        return len(self._sockets)


def _besides(legacy: Sequence[XtRuleset], present: Iterable[Obstacle]) -> Iterator[Obstacle]:
    """Yield the obstacles that are not among rules that are worked out."""
    tools = tuple(ruleset.tool for ruleset in legacy)
    for obstacle in present:
        if obstacle.kind is not ObstacleKind.IPTABLES or not obstacle.text.startswith(tools):
            yield obstacle


def _ruleset(namespace: str, legacy: Sequence[XtRuleset], pool: NamespacePool) -> ParsedRuleset:
    """Read the rules, without the tables of a trace that is under way; those of iptables by its own words."""
    document: Sequence[Mapping[str, Any]] = [
        item
        for item in nft.document(namespace)
        for entry in item.values()
        if not str(entry.get("table", entry.get("name", ""))).startswith(TRACE_TABLE)
    ]
    listing = nft.read_with_handles(namespace) if document else ""
    texts = nft.rules(listing)
    if any(map(_has_extension, document)):
        by_iptables = iptables.of_nftables(namespace, pool)
        document = xt.instead_of_xt(document, by_iptables)
        document = [_by_text(item, texts) for item in document]
        texts |= xt.texts(by_iptables)
    # Which was registered first is not known: of one priority, it does not matter but for the words.
    document = [*document, *xt.as_nftables(legacy)]
    return ParsedRuleset(document, texts | xt.texts(legacy), frozenset(nft.dormant(listing)))


def _has_extension(item: Mapping[str, Any]) -> bool:
    """Return whether an object of a ruleset is a rule with a match or target of x_tables."""
    return any("xt" in part for part in item.get("rule", {}).get("expr", ()))


def _by_text(item: Mapping[str, Any], texts: Mapping[RuleId, str]) -> Mapping[str, Any]:
    """Return a rule of ebtables-nft by its text, which has in nftables' words what its JSON has not."""
    if not _has_extension(item):
        return item
    rule = item["rule"]
    text = texts.get(nft.rule_id(rule), _OPAQUE)
    statements = None if _OPAQUE in text else nft.statements(rule["family"], [text])
    return {"rule": {**rule, "expr": statements[0]}} if statements else item


_OPAQUE = "xt "
"""The beginning of what nft shows of an extension for which it has no words."""
