"""Batches of probes: as many at once as the kernel has room for, of few machines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt


@dataclass(frozen=True, slots=True)
class PairProbe:
    """An echo request from one namespace to another."""

    source: str
    """Namespace that sends."""
    target: str
    """Namespace that must receive."""
    to: str
    """IP address."""
    bind: str | None = None
    """Source address to use; None: the kernel's choice."""
    mute: bool = False
    """True if, by the scenario, the source can send nothing."""
    direct: bool = False
    """True if source and target are on one network, and need each other's MAC."""

    @property
    def is_ipv6(self) -> bool:
        """True if it goes over IPv6."""
        return ":" in self.to


@dataclass(frozen=True, slots=True)
class Pair:
    """The probes between two namespaces."""

    numbers: list[int]
    direct: bool
    """True if they are neighbours."""
    entries: set[tuple[str, str]]
    """Neighbours to be learnt by ARP: (who, whose address); an empty name stands for a gateway."""


def pairs(probes: Sequence[PairProbe], free: int) -> list[Pair]:
    """Order the pairs as they are best measured, with room for `free` neighbours at a time.

    Neighbours come first: silence has to be waited for, and what routers and rules may swallow goes in
    batches of its own, if there are several. They come group by group, so that few machines have to do
    with one batch.
    """
    by_ends: dict[tuple[str, str], list[int]] = {}
    position: dict[str, int] = {}
    for number, probe in enumerate(probes):
        ends = (probe.source, probe.target)
        position.setdefault(probe.source, len(position))
        position.setdefault(probe.target, len(position))
        by_ends.setdefault(ends if ends[0] < ends[1] else ends[::-1], []).append(number)
    group = max(isqrt(free // 2), 1)

    def rank(pair: tuple[tuple[str, str], list[int]]) -> tuple[bool, int, int]:
        (first, second), numbers = pair
        groups = sorted((position[first] // group, position[second] // group))
        return not probes[numbers[0]].direct, groups[0], groups[1]

    return [
        Pair(
            numbers,
            probes[numbers[0]].direct,
            {entry for number in numbers for entry in _entries(probes[number])},
        )
        for _, numbers in sorted(by_ends.items(), key=rank)
    ]


def needed(ordered: Iterable[Pair]) -> int:
    """Return how many neighbours are to be learnt in all."""
    return len({entry for pair in ordered for entry in pair.entries})


def batches(ordered: Sequence[Pair], free: int, most: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the numbers of probes that go together: those that go first, and those after them.

    A batch needs no more neighbours than `free`, the room in all namespaces of the machine together, and has
    at most `most` probes. Both directions between two neighbours need the same two entries, so they go
    together; one after the other, as a machine that is asked for its MAC address learns that of the asking
    one: half as many requests, and a switch gives each to all its ports.
    """
    several = needed(ordered) > free
    forward: list[int] = []
    reverse: list[int] = []
    entries: set[tuple[str, str]] = set()
    direct = True
    for pair in ordered:
        new_entries = pair.entries - entries
        full = len(entries) + len(new_entries) > free
        full |= len(forward) + len(reverse) + len(pair.numbers) > most
        if forward and (full or (several and pair.direct is not direct)):
            yield forward, reverse
            forward, reverse, entries, new_entries = [], [], set(), pair.entries
        direct = pair.direct
        forward.append(pair.numbers[0])
        reverse += pair.numbers[1:]
        entries |= new_entries
    if forward:
        yield forward, reverse


def _entries(probe: PairProbe) -> tuple[tuple[str, str], ...]:
    """Return the neighbours that a probe needs: each other, or a gateway, which learns the two."""
    source, target = probe.source, probe.target
    if probe.direct:
        return (source, target), (target, source)
    return (source, ""), ("", source), (target, ""), ("", target)
