"""Tables in, way out: a packet led through machines and switches, and its answer back. Pure."""

from __future__ import annotations

from dataclasses import replace

from netlab.explain.walk import Walk
from netlab.explain.world import Ended, Explanation, Probe, Stay, World
from netlab.kernel.rows import IPAddress
from netlab.probe.cause import Cause, Finding
from netlab.probe.journey import without_plumbing
from netlab.probe.said import said
from netlab.probe.verdict import Verdict


def explain(world: World, source: str, target: str, to: IPAddress, probe: Probe) -> Explanation:
    """Lead a packet from the node `source` to an address of the node `target`, and its answer back."""
    walk = Walk(world)
    finding = _finding(walk, source, target, to, probe)
    stays = without_plumbing(walk.stays, world.where, lambda stay: stay.part, _together)
    return Explanation(source, target, str(to), probe, tuple(stays), finding)


def _finding(walk: Walk, source: str, target: str, to: IPAddress, probe: Probe) -> Finding:
    try:
        there, request = walk.ask(source, to, probe)
        waits = walk.deliver(there, request)
    except Ended as end:
        return _found(end)
    twins = walk.world.owners.nodes.get(str(request.target), frozenset())
    if len(twins) > 1 and target in twins and there != target:
        names = " and ".join(sorted(twins))
        text = said("same ip too", twins=names, address=request.target, at=there)
        return Finding(Verdict.DEAD, there, Cause.DUPLICATE_IP, text)
    try:
        back = walk.answer(there, request)
    except Ended as end:
        if end.cause is Cause.UNKNOWN:
            return _found(end)
        last = walk.stays[-1].node
        why = said("in short", cause=end.cause, evidence=end.evidence)
        text = said("would end", node=last, why=why)
        return Finding(Verdict.DEAD, last, Cause.NO_WAY_BACK, text)
    if back != source:
        text = said("takes for its own", node=back)
        return Finding(Verdict.DEAD, back, Cause.NO_WAY_BACK, text)
    return Finding(Verdict.ANSWERED, target, evidence=waits)


def _found(end: Ended) -> Finding:
    return Finding(end.verdict, end.at, end.cause, end.evidence)


def _together(first: Stay, second: Stay, box: str) -> Stay:
    """A stay on a NAT device and one on its host."""
    decisions = (*first.decisions, *second.decisions)
    return replace(
        second, node=box, came_in=first.came_in, before=first.before, decisions=decisions
    )
