"""The adapter that a machine's bare name stands for: the one that the caller gets to best.

`trace`, `explain` and `verify` mean the same one: the scenario decides, not the lab's state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush

from netlab.frozen import frozen
from netlab.scenario.mode import HostRouting
from netlab.scenario.topology.parts import Adapter, Network, Node, Role

_OPEN, _LAN, _PRIVATE, _TRANSLATED = range(4)
"""Walls before a network, seen from its passage's other sides: everybody is let in; it is a LAN, behind its
router; it is the host's alone, inside of that; it is behind a NAT of the host's."""

_NOWHERE = 1 << 30


@frozen
class _Passage:
    """A machine between networks."""

    machine: str
    walls: Mapping[str, int]
    """The wall before each network, by segment."""


class Nearness:
    """The walls between the networks of a topology."""

    def __init__(self, nodes: Iterable[Node], networks: Iterable[Network]) -> None:
        self._passages: dict[str, list[_Passage]] = defaultdict(list)
        self._walls: dict[frozenset[str], dict[str, int]] = {}
        translated = [network for network in networks if network.mode and network.mode.nat_device]
        for node in nodes:
            for passage in _passages_of(node, translated):
                for segment in passage.walls:
                    self._passages[segment].append(passage)

    def towards(self, source: Node, target: Node) -> Adapter:
        """Return the target's nearest adapter: on a network of the source's, or behind the fewest walls.

        Among those that have a cable and an address, if any has; of several, the first.
        """
        adapters = target.callable_adapters
        if len(adapters) == 1:
            return adapters[0]
        segments = source.plugged_segments
        for adapter in adapters:
            if adapter.network.segment in segments:
                return adapter
        walls = self._from(segments)
        return min(adapters, key=lambda adapter: walls.get(adapter.network.segment, _NOWHERE))

    def _from(self, start: frozenset[str]) -> dict[str, int]:
        """Return the walls before every network that can be reached from some segments."""
        if start not in self._walls:
            walls_to = dict.fromkeys(start, _OPEN)
            queue = [(_OPEN, segment, "") for segment in sorted(start)]
            while queue:
                walls, segment, by = heappop(queue)
                if walls_to[segment] < walls:
                    continue
                # Who has let it in does not let it out on yet another side.
                for passage in self._passages[segment]:
                    sides = passage.walls if passage.machine != by else {}
                    for neighbour, wall in sides.items():
                        if walls + wall < walls_to.get(neighbour, _NOWHERE):
                            walls_to[neighbour] = walls + wall
                            if len(self._passages[neighbour]) > 1:
                                heappush(queue, (walls + wall, neighbour, passage.machine))
            self._walls[start] = walls_to
        return self._walls[start]


def _passages_of(node: Node, translated: Iterable[Network]) -> Iterator[_Passage]:
    """Yield the passages that a machine is between networks; none if it forwards nothing."""
    networks = [adapter.network for adapter in node.adapters]
    if node.role is Role.HOST:
        inside = {
            network.segment: _wall(network)
            for network in (*networks, *translated)
            if not network.lan
        }
        # It passes nothing on from one LAN to another.
        for lan in {network.segment for network in networks if network.lan}:
            yield _Passage(node.name, inside | {lan: _OPEN})
    elif node.role is Role.ROUTER:
        walls = {network.segment: _LAN if network.lan else _OPEN for network in networks}
        yield _Passage(node.name, walls)
    elif node.role is Role.INTERNET or node.is_router:
        yield _Passage(node.name, {network.segment: _OPEN for network in networks})


def _wall(network: Network) -> int:
    """Return the wall before a network of the host's, seen from a LAN."""
    mode = network.mode
    if mode and mode.routing is HostRouting.OPEN:
        return _OPEN
    return _TRANSLATED if mode and (mode.nat_device or mode.routing) else _PRIVATE
