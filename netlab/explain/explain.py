"""The way of a packet through machines and switches by their tables, and that of its reply. Pure."""

from __future__ import annotations

from dataclasses import replace

from netlab.diagnosis.absence import NO_WAY_OUT, because_gone, cannot_send
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.decision import By
from netlab.diagnosis.journey import asymmetric_reply, merge_nat_stays
from netlab.diagnosis.leads import answers_elsewhere, led
from netlab.diagnosis.verdict import Verdict
from netlab.explain.forwarding import Walk
from netlab.explain.model import (
    Ended,
    Explanation,
    LabModel,
    PredictedPacket,
    PredictedProbe,
    PredictedStay,
    uncertain,
)
from netlab.explain.multipath import every_way
from netlab.kernel.rows import IPAddress, at_port
from netlab.messages import Message, join_and
from netlab.packets.packet import Part


def explain(
    model: LabModel,
    source: str,
    target: str,
    to: IPAddress,
    probe: PredictedProbe,
    named: bool = True,
) -> Explanation:
    """Lead a packet from the node `source` to an address of the node `target`, and its reply back.

    Not `named`: the address was typed, and whoever has it is meant.
    """
    if source in model.netmap.gone:
        return Explanation(source, target, str(to), probe, (), cannot_send(source))
    return every_way(
        lambda choices: _explain(Walk(model, choices), source, target, to, probe, named)
    )


def not_worked_out(source: str, group: str, probe: PredictedProbe) -> Explanation:
    """Return what there is to say of a packet to a group, or to all of a subnet: nothing certain."""
    end = uncertain(source, Message("who hears what is sent to everybody is seen by `trace` only"))
    diagnosis = Diagnosis(end.verdict, end.at, end.cause, end.evidence)
    return Explanation(source, group, group, probe, (), diagnosis)


def _explain(
    walk: Walk, source: str, target: str, to: IPAddress, probe: PredictedProbe, named: bool
) -> Explanation:
    """Follow one way of the packet and its reply."""
    model = walk.model
    meant = model.netmap.meant(model.owners.interfaces.get(str(to), ()), target, named)
    back = frozenset({source})
    walk.meant = {Part.REQUEST: meant, Part.REPLY: back, Part.ERROR: back}
    diagnosis = _diagnose(walk, source, target, meant, to, probe)
    stays = merge_nat_stays(walk.stays, model.netmap, lambda stay: stay.part, _merged)
    return Explanation(source, target, str(to), probe, tuple(stays), diagnosis)


def _diagnose(
    walk: Walk,
    source: str,
    target: str,
    meant: frozenset[str],
    to: IPAddress,
    probe: PredictedProbe,
) -> Diagnosis:
    """Send the request and the reply, and say what becomes of them."""
    try:
        receiver, request = walk.ask(source, to, probe)
        if receiver not in meant and (twin := _twin(walk, receiver, target, to)):
            return twin
    except Ended as end:
        return _end(walk, end, _cut_off(walk, end.at, to))
    try:
        program = walk.deliver(receiver, request)
    except Ended as end:
        return _refused(walk, source, receiver, request, end)
    asked = at_port(to, probe.port)
    passed_on = any((stay.node, stay.before[1]) == (target, asked) for stay in walk.stays)
    try:
        taker, reply = walk.reply(receiver, request)
    except Ended as end:
        ended = _end(walk, end)
        if end.cause is Cause.UNKNOWN:
            return ended
        last = walk.stays[-1].node
        why = Message("{cause}, {evidence}", cause=end.cause, evidence=ended.evidence)
        text = Message("the reply would end on {node}: {why}", node=last, why=why)
        return Diagnosis(Verdict.DROPPED, last, Cause.NO_RETURN_PATH, _because_turned(walk, text))
    if taker != source:
        text = Message("{node} would take the reply for its own", node=taker)
        dropped = Diagnosis(Verdict.DROPPED, taker, Cause.NO_RETURN_PATH, text)
        return _twin(walk, taker, source, reply.target) or dropped
    if reply.source != to:
        text = Message(
            "{node} asked {address}, and the reply comes from {other}",
            node=source,
            address=to,
            other=reply.source,
        )
        return Diagnosis(Verdict.DROPPED, source, Cause.NO_RETURN_PATH, _because_turned(walk, text))
    if receiver in meant or passed_on:
        return Diagnosis(Verdict.ANSWERED, receiver, evidence=program)
    text = Message("it would be answered, but by {who}", who=receiver)
    return Diagnosis(Verdict.UNKNOWN, receiver, Cause.UNKNOWN, text)


def _refused(
    walk: Walk, source: str, receiver: str, request: PredictedPacket, end: Ended
) -> Diagnosis:
    """Return the diagnosis of a packet that a machine takes and no program: what refuses it, a reset or an
    error, has to come back."""
    diagnosis = _end(walk, end)
    if end.verdict is not Verdict.REFUSED:
        return diagnosis
    stays = len(walk.stays)
    try:
        taker, _ = walk.reply(receiver, request, Part.ERROR)
    except Ended as lost:
        ended = _end(walk, lost)
        return ended if lost.cause is Cause.UNKNOWN else _lost_refusal(lost.at, ended.evidence)
    finally:
        del walk.stays[stays:]
    if taker != source:
        return _lost_refusal(taker, Message("{node} would take the reply for its own", node=taker))
    return diagnosis


def _lost_refusal(at: str, why: str) -> Diagnosis:
    text = Message("the refusal would end on {node}: {why}", node=at, why=why)
    return Diagnosis(Verdict.DROPPED, at, Cause.NO_RETURN_PATH, text)


def _because_turned(walk: Walk, text: str) -> str:
    """Return a sentence, with the route by which a machine answers that was asked by another interface."""
    request, reply = (
        [stay for stay in walk.stays if stay.part is part] for part in (Part.REQUEST, Part.REPLY)
    )
    asymmetric = asymmetric_reply(request, reply, walk.model.netmap)
    if asymmetric is None:
        return text
    routes = (decision.text for decision in reply[0].decisions if decision.by is By.ROUTE)
    route = next(routes, asymmetric.goes_out)
    why = answers_elsewhere(asymmetric, route)
    return Message("{why}; {what}", why=why, what=text)


def _twin(walk: Walk, at: str, meant: str, address: IPAddress) -> Diagnosis | None:
    """Return the diagnosis of a packet that a machine took because it has the address of the one that was
    meant; None if it has not."""
    twins = walk.model.owners.nodes.get(str(address), frozenset())
    if not {at, meant} <= twins:
        return None
    text = Message(
        "{twins} both have {address}; {at} would get it",
        twins=join_and(twins),
        address=address,
        at=at,
    )
    return Diagnosis(Verdict.DROPPED, at, Cause.DUPLICATE_IP, text)


def _end(walk: Walk, end: Ended, cut_off: str = "") -> Diagnosis:
    """Return the diagnosis of a packet that ends; `cut_off`: the machine that is gone, and with it the
    interface by which it had to leave."""
    if cut_off and end.cause in NO_WAY_OUT:
        text = because_gone(cut_off, end.evidence)
        return Diagnosis(Verdict.DROPPED, end.at, Cause.NODE_GONE, text)
    diagnosis = Diagnosis(end.verdict, end.at, end.cause, end.evidence)
    return led(diagnosis, walk.leads(walk.stays[-1].part)) if walk.stays else diagnosis


def _cut_off(walk: Walk, node: str, to: IPAddress) -> str:
    interfaces = [interface.name for interface in walk.model.nodes[node].space.interfaces]
    return walk.model.netmap.cut_off(node, interfaces, str(to))


def _merged(first: PredictedStay, second: PredictedStay, device: str) -> PredictedStay:
    """Merge a stay on a NAT device and one on its host."""
    # By which cable a NAT device reaches its host is no matter: it is a program there.
    inner = (decision for decision in first.decisions if decision.by in (By.RULE, By.NAT))
    decisions = (*inner, *second.decisions)
    return replace(
        second, node=device, came_in=first.came_in, before=first.before, decisions=decisions
    )
