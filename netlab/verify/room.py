"""Room in the kernel's table of neighbours, which all namespaces share: batches that fit, and what is learnt
is forgotten between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

from netlab.kernel.host.neighbours import room
from netlab.kernel.netlink.objects import neighbours
from netlab.kernel.netlink.pool import NamespacePool
from netlab.verify.batches import PairProbe, batches, needed, pairs

_ROUTERS = 64
"""Neighbours that routers and NAT devices need in addition."""

_LEAST = 64
"""Neighbours to be learnt at once, however full the machine's table is: some of it will be swept."""


class NeighbourRoom:
    """A context manager: room for what probes need their ends to learn."""

    def __init__(
        self, probes: Sequence[PairProbe], namespaces: Sequence[str], pool: NamespacePool
    ) -> None:
        """Nothing is forgotten before the block begins. `namespaces`: every one that learns something."""
        self._probes, self._namespaces, self._pool = probes, namespaces, pool
        self._ordered = pairs(probes, _free())
        self._is_crowded = needed(self._ordered) > _free()

    def __enter__(self) -> NeighbourRoom:
        self.forget(self._namespaces)
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.forget(self._namespaces)  # The machine's own neighbours are in the same table.

    def batches(self, most: int) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the numbers of probes that go together, see `batches`; forget what each has learnt."""
        for forward, reverse in batches(self._ordered, _free(), most):
            yield forward, reverse
            chosen = [self._probes[number] for number in (*forward, *reverse)]
            ends = {end for probe in chosen for end in (probe.source, probe.target)}
            direct = all(probe.direct for probe in chosen)
            self.forget(ends & {*self._namespaces} if direct else self._namespaces)

    def forget(self, namespaces: Iterable[str]) -> None:
        """Forget the neighbours of namespaces, if all that is to be learnt has no room."""
        for namespace in namespaces if self._is_crowded else ():
            neighbours.forget(self._pool.netlink(namespace))


def _free() -> int:
    """Return how many neighbours the probes' ends may learn now."""
    return max(room() - _ROUTERS, _LEAST)
