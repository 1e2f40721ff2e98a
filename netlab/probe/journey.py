"""Sightings in, journey out: which nodes a packet has passed, and what they changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from netlab.probe.frame import Frame
from netlab.probe.icmp import Kind

CARRIED = ("eth.src", "eth.dst", "ip.ttl")
"""Fields that every router changes: no rewrite."""


@dataclass(frozen=True)
class Map:
    """Where sightings are: the lab, as a packet meets it."""

    nodes: dict[str, str]
    """Namespace to the node or switch."""
    switches: frozenset[str]
    """Nodes that carry frames on whomever they are addressed to."""
    peers: dict[tuple[str, str], str]
    """(node, interface) of every end of a cable, and the node at its other end.

    What is seen on other interfaces, as that of a switch itself, is the kernel's own bookkeeping.
    """
    plumbing: dict[tuple[str, str], str]
    """Outlets of cables between two nodes that stand for one box, and that box: a NAT device, which is a
    program on its host."""


@dataclass(frozen=True)
class Outlet:
    """An interface, and who is at the other end of its cable."""

    interface: str
    peer: str


@dataclass(frozen=True)
class Step:
    """A packet's stay on one node."""

    node: str
    part: Kind
    at: int
    """Nanoseconds: the first sighting."""
    came_in: Outlet | None
    """None at the node that sent it."""
    went_out: tuple[Outlet, ...]
    """Several if a switch floods, none where the packet ends."""
    before: dict[str, str]
    after: dict[str, str]
    """Header fields at the first and at the last sighting."""

    @property
    def rewrites(self) -> dict[str, tuple[str, str]]:
        """Fields that the node has changed, but for what every router changes."""
        return {
            name: (old, self.after[name])
            for name, old in self.before.items()
            if name not in CARRIED and self.after.get(name, old) != old
        }


@dataclass(frozen=True)
class Journey:
    """Everything seen of one probe."""

    steps: tuple[Step, ...]
    overheard: tuple[Frame, ...]
    """Copies that reached machines whose MAC they are not addressed to, which drop them."""

    def of(self, part: Kind) -> tuple[Step, ...]:
        """The steps of the request, of the answer, or of an error."""
        return tuple(step for step in self.steps if step.part is part)


def follow(frames: Iterable[Frame], where: Map) -> Journey:
    """Put the frames of a probe together, in the order of the kernel's clock."""
    steps: list[Step] = []
    overheard: list[Frame] = []
    for frame in sorted(frames, key=lambda frame: frame.sighting.at):
        seen = frame.sighting
        node = where.nodes[seen.namespace]
        peer = where.peers.get((node, seen.interface))
        if frame.part is None or peer is None:
            continue
        outlet = Outlet(seen.interface, peer)
        if seen.foreign and node not in where.switches:
            overheard.append(frame)
        elif seen.outgoing and (here := _latest(steps, node, frame.part)) is not None:
            out = (*steps[here].went_out, outlet)
            steps[here] = replace(steps[here], went_out=out, after=frame.fields)
        else:
            came, went = (None, (outlet,)) if seen.outgoing else (outlet, ())
            steps.append(Step(node, frame.part, seen.at, came, went, frame.fields, frame.fields))
    return Journey(tuple(_without_plumbing(steps, where)), tuple(overheard))


def _latest(steps: Sequence[Step], node: str, part: Kind) -> int | None:
    """The stay that a departing packet ends: the last one on its node."""
    places = range(len(steps) - 1, -1, -1)
    return next((n for n in places if (steps[n].node, steps[n].part) == (node, part)), None)


def _without_plumbing(steps: Sequence[Step], where: Map) -> list[Step]:
    """A stay on a NAT device and one on its host are one, if the packet only passes through both."""
    merged: list[Step] = []
    for step in steps:
        last = merged[-1] if merged else None
        box = step.came_in and where.plumbing.get((step.node, step.came_in.interface))
        if last and box and last.came_in and step.went_out and last.part is step.part:
            merged[-1] = replace(last, node=box, went_out=step.went_out, after=step.after)
        else:
            merged.append(step)
    return merged
