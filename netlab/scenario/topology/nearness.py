"""Which of a machine's adapters another one means by its bare name: the one that it gets to best.

`trace`, `explain` and `verify` mean the same: it is the scenario's to say, not the moment's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush

from netlab.frozen import frozen
from netlab.scenario.mode import HostRouting
from netlab.scenario.topology.parts import Adapter, Network, Node, Role

_OPEN, _LAN, _PRIVATE, _TRANSLATED = range(4)
"""How hard it is to get into a network from its passage's other sides: everybody is let in; it is a LAN,
behind its router; it is the host's alone, inside of that; it is behind a NAT of the host's."""

_NOWHERE = 1 << 30


@frozen
class _Between:
    """A machine between networks."""

    machine: str
    sides: Mapping[str, int]
    """The networks' segments, and how hard it is to get into each."""


class Nearness:
    """How hard it is to get from one network of a topology into another."""

    def __init__(self, nodes: Iterable[Node], networks: Iterable[Network]) -> None:
        self._beside: dict[str, list[_Between]] = defaultdict(list)
        self._known: dict[frozenset[str], dict[str, int]] = {}
        translated = [one for one in networks if one.mode and one.mode.nat_device]
        for node in nodes:
            for passage in _passages(node, translated):
                for segment in passage.sides:
                    self._beside[segment].append(passage)

    def towards(self, source: Node, target: Node) -> Adapter:
        """The target's adapter that is nearest: on a network of the source's own, or one that it is let into.

        Of those that have a cable and an address, if any has; of several, the first.
        """
        adapters = target.callable_adapters
        if len(adapters) == 1:
            return adapters[0]
        own = source.plugged_segments
        for adapter in adapters:
            if adapter.network.segment in own:
                return adapter
        walls = self._from(own)
        return min(adapters, key=lambda adapter: walls.get(adapter.network.segment, _NOWHERE))

    def _from(self, start: frozenset[str]) -> dict[str, int]:
        """Of every network that there is a way to."""
        if start not in self._known:
            found = dict.fromkeys(start, _OPEN)
            next_ones = [(_OPEN, segment, "") for segment in sorted(start)]
            while next_ones:
                walls, here, by = heappop(next_ones)
                if found[here] < walls:
                    continue
                # Who has let it in does not let it out on yet another side.
                for passage in self._beside[here]:
                    sides = passage.sides if passage.machine != by else {}
                    for segment, wall in sides.items():
                        if walls + wall < found.get(segment, _NOWHERE):
                            found[segment] = walls + wall
                            if len(self._beside[segment]) > 1:
                                heappush(next_ones, (walls + wall, segment, passage.machine))
            self._known[start] = found
        return self._known[start]


def _passages(node: Node, translated: Iterable[Network]) -> Iterator[_Between]:
    """What a machine is between networks; nothing if it passes nothing on."""
    networks = [adapter.network for adapter in node.adapters]
    if node.role is Role.HOST:
        inside = {one.segment: _into(one) for one in (*networks, *translated) if not one.lan}
        # It passes nothing on from one LAN to another.
        for lan in {one.segment for one in networks if one.lan}:
            yield _Between(node.name, inside | {lan: _OPEN})
    elif node.role is Role.ROUTER:
        yield _Between(node.name, {one.segment: _LAN if one.lan else _OPEN for one in networks})
    elif node.role is Role.INTERNET or node.forwards:
        yield _Between(node.name, {one.segment: _OPEN for one in networks})


def _into(network: Network) -> int:
    """A network of the host's, from a LAN."""
    mode = network.mode
    if mode and mode.routing is HostRouting.OPEN:
        return _OPEN
    return _TRANSLATED if mode and (mode.nat_device or mode.routing) else _PRIVATE
