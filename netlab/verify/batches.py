"""Which probes go together: as many as the kernel has room for, of few machines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt


@dataclass(frozen=True, slots=True)
class PairProbe:
    """One echo request."""

    source: str
    """Namespace that sends."""
    target: str
    """Namespace that must receive."""
    to: str
    """IP address."""
    bind: str | None = None
    """Source address to use; None: the kernel's choice."""
    mute: bool = False
    """By the scenario, the source can send nothing."""
    direct: bool = False
    """Source and target are on one network, and need each other's MAC."""

    @property
    def is_ipv6(self) -> bool:
        """It goes over IPv6."""
        return ":" in self.to


@dataclass(frozen=True, slots=True)
class Pair:
    """The probes between two namespaces."""

    numbers: list[int]
    direct: bool
    """They are neighbours."""
    entries: set[tuple[str, str]]
    """What has to be learnt by ARP: who, and whose address; empty stands for a gateway."""


def pairs(probes: Sequence[PairProbe], free: int) -> list[Pair]:
    """In the order in which they are best measured, with room for `free` neighbours at a time.

    Neighbours come first: silence has to be waited for, and what routers and rules may swallow goes in
    waves of its own, if there are several. They come group by group, so that few machines have to do with
    one wave.
    """
    together: dict[tuple[str, str], list[int]] = {}
    place: dict[str, int] = {}
    for number, probe in enumerate(probes):
        ends = (probe.source, probe.target)
        place.setdefault(probe.source, len(place))
        place.setdefault(probe.target, len(place))
        together.setdefault(ends if ends[0] < ends[1] else ends[::-1], []).append(number)
    group = max(isqrt(free // 2), 1)

    def rank(one: tuple[tuple[str, str], list[int]]) -> tuple[bool, int, int]:
        (here, there), numbers = one
        groups = sorted((place[here] // group, place[there] // group))
        return not probes[numbers[0]].direct, groups[0], groups[1]

    return [
        Pair(
            numbers,
            probes[numbers[0]].direct,
            {entry for number in numbers for entry in _entries(probes[number])},
        )
        for _, numbers in sorted(together.items(), key=rank)
    ]


def needed(ordered: Iterable[Pair]) -> int:
    """How many neighbours are to be learnt in all."""
    return len({entry for pair in ordered for entry in pair.entries})


def batches(ordered: Sequence[Pair], free: int, most: int) -> Iterator[tuple[list[int], list[int]]]:
    """Numbers of probes that go together: no more than ARP has room for in all namespaces of the machine.

    Both directions between two neighbours need the same two entries, so they go together; one after
    the other, as who is asked for its MAC address learns that of who asks: half as many questions,
    and a switch gives each to all its ports.
    """
    several = needed(ordered) > free
    there: list[int] = []
    back: list[int] = []
    entries: set[tuple[str, str]] = set()
    direct = True
    for pair in ordered:
        fresh = pair.entries - entries
        full = len(entries) + len(fresh) > free
        full |= len(there) + len(back) + len(pair.numbers) > most
        if there and (full or (several and pair.direct is not direct)):
            yield there, back
            there, back, entries, fresh = [], [], set(), pair.entries
        direct = pair.direct
        there.append(pair.numbers[0])
        back += pair.numbers[1:]
        entries |= fresh
    if there:
        yield there, back


def _entries(probe: PairProbe) -> tuple[tuple[str, str], ...]:
    """What has to be learnt by ARP: each other's address, or that of a gateway, which learns theirs."""
    source, target = probe.source, probe.target
    if probe.direct:
        return (source, target), (target, source)
    return (source, ""), ("", source), (target, ""), ("", target)
