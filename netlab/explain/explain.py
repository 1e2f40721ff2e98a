"""Tables in, way out: a packet led through machines and switches, and its reply back. Pure."""

from __future__ import annotations

from dataclasses import replace

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.decision import By
from netlab.diagnosis.journey import turn, without_plumbing
from netlab.diagnosis.verdict import Verdict
from netlab.explain.forwarding import Walk
from netlab.explain.model import Ended, Explanation, LabModel, PredictedProbe, PredictedStay
from netlab.kernel.rows import IPAddress, at_port
from netlab.messages import both, said
from netlab.packets.packet import Part


def explain(
    world: LabModel,
    source: str,
    target: str,
    to: IPAddress,
    probe: PredictedProbe,
    named: bool = True,
) -> Explanation:
    """Lead a packet from the node `source` to an address of the node `target`, and its reply back.

    Not `named`: the address was typed, and whoever has it is meant.
    """
    walk = Walk(world)
    meant = world.netmap.meant(world.owners.plugs.get(str(to), ()), target, named)
    finding = _finding(walk, source, target, meant, to, probe)
    stays = without_plumbing(walk.stays, world.netmap, lambda stay: stay.part, _together)
    return Explanation(source, target, str(to), probe, tuple(stays), finding)


def _finding(
    walk: Walk,
    source: str,
    target: str,
    meant: frozenset[str],
    to: IPAddress,
    probe: PredictedProbe,
) -> Diagnosis:
    try:
        there, request = walk.ask(source, to, probe)
        if there not in meant and (twin := _twin(walk, there, target, to)):
            return twin
        waits = walk.deliver(there, request)
    except Ended as end:
        return _found(end)
    asked = at_port(to, probe.port)
    passed_on = any((stay.node, stay.before[1]) == (target, asked) for stay in walk.stays)
    try:
        back, reply = walk.reply(there, request)
    except Ended as end:
        if end.cause is Cause.UNKNOWN:
            return _found(end)
        last = walk.stays[-1].node
        why = said("in short", cause=end.cause, evidence=end.evidence)
        text = said("would end", node=last, why=why)
        if turned := _turned(walk):
            text = said("and so", why=turned, what=text)
        return Diagnosis(Verdict.DROPPED, last, Cause.NO_RETURN_PATH, text)
    if back != source:
        text = said("takes for its own", node=back)
        dropped = Diagnosis(Verdict.DROPPED, back, Cause.NO_RETURN_PATH, text)
        return _twin(walk, back, source, reply.target) or dropped
    if reply.source != to:
        text = said("answered as", node=source, address=to, other=reply.source)
        if turned := _turned(walk):
            text = said("and so", why=turned, what=text)
        return Diagnosis(Verdict.DROPPED, source, Cause.NO_RETURN_PATH, text)
    if there in meant or passed_on:
        return Diagnosis(Verdict.ANSWERED, there, evidence=waits)
    text = said("by another too", who=there)
    return Diagnosis(Verdict.UNKNOWN, there, Cause.UNKNOWN, text)


def _turned(walk: Walk) -> str:
    """By which route a machine answers that was asked by another interface, in words."""
    asked, answered = (
        [stay for stay in walk.stays if stay.part is part] for part in (Part.REQUEST, Part.REPLY)
    )
    found = turn(asked, answered, walk.world.netmap)
    if found is None:
        return ""
    routes = (one.text for one in answered[0].decisions if one.by is By.ROUTE)
    way = next(routes, found.goes_out)
    return said("turned", node=found.node, route=way, interface=found.came_in)


def _twin(walk: Walk, at: str, meant: str, address: IPAddress) -> Diagnosis | None:
    """Whether a machine took a packet because it has the address of the one that was meant."""
    twins = walk.world.owners.nodes.get(str(address), frozenset())
    if not {at, meant} <= twins:
        return None
    text = said("same ip too", twins=both(twins), address=address, at=at)
    return Diagnosis(Verdict.DROPPED, at, Cause.DUPLICATE_IP, text)


def _found(end: Ended) -> Diagnosis:
    return Diagnosis(end.verdict, end.at, end.cause, end.evidence)


def _together(first: PredictedStay, second: PredictedStay, box: str) -> PredictedStay:
    """A stay on a NAT device and one on its host."""
    # By which cable a NAT device reaches its host is no matter: it is a program there.
    inner = (one for one in first.decisions if one.by in (By.RULE, By.NAT))
    decisions = (*inner, *second.decisions)
    return replace(
        second, node=box, came_in=first.came_in, before=first.before, decisions=decisions
    )
