"""The end of a packet of which rules, errors and counts tell nothing, by what a second look found. Pure.

It is asked last, so it speaks against no other evidence.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from netlab.diagnosis import kernel_drops
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.evidence import ProbeEvidence
from netlab.diagnosis.findings import (
    dropped,
    duplicate,
    in_short,
    never_answered,
    twins_of,
    unknown,
)
from netlab.diagnosis.journey import Step
from netlab.diagnosis.second_look import SecondLook
from netlab.diagnosis.settings import (
    by_setting,
    by_setting_of_the_source,
    has_arrived,
    receivers,
)
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.messages import Message

_COUNTED = {
    ObstacleKind.IPTABLES: Cause.FIREWALL,
    ObstacleKind.TC: Cause.TC,
    ObstacleKind.XDP: Cause.XDP,
    ObstacleKind.XFRM: Cause.XFRM_POLICY,
    ObstacleKind.NETDEV_RULES: Cause.FIREWALL,
    ObstacleKind.CONNTRACK_FULL: Cause.CONNTRACK_FULL,
}
"""Kinds of obstacles that end packets, with their causes."""
_AT_THE_DOOR = ("ingress", "prerouting")
_LEAVING = ("output", "postrouting", "egress", "")
_COMING_IN = (*_AT_THE_DOOR, "input", "")
_PASSING = (*_AT_THE_DOOR, "forward", "postrouting", "egress", "")
"""Hooks of packets that a machine sends, gets, and passes on."""


def unexplained_at(step: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a packet that was seen last on this step."""
    look = evidence.second_look
    nothing = unknown(step.node, Message("no rule, no error and no count tells why"))
    if look is None:
        return replace(nothing, unexplained=True)
    rules = (_by_kernel, by_setting, _by_growth)
    if diagnosis := next(filter(None, (rule(step, evidence, look) for rule in rules)), None):
        return diagnosis
    if freed := _freed(step, look):
        return replace(nothing, evidence=freed)
    return replace(nothing, evidence=_suspect(step, look) or nothing.evidence, unexplained=True)


def never_seen(nothing: Diagnosis, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a packet that was not seen leaving its source; `nothing` if there is none."""
    look, source = evidence.second_look, evidence.source
    if look is None:
        return replace(nothing, unexplained=True)
    if diagnosis := by_setting_of_the_source(evidence, look):
        return diagnosis
    drops = [drop for drop in look.drops if drop.node == source]
    if end := kernel_drops.agreed(drops, look):
        return dropped(source, end.cause, end.text)
    if diagnosis := _by_count(source, _LEAVING, look):
        return diagnosis
    suspects = [
        obstacle
        for obstacle in look.obstacles.get(source, ())
        if _may_drop(obstacle) and obstacle.hook in _LEAVING
    ]
    if len(suspects) == 1:
        text = Message("{obstacle} may have dropped it", obstacle=suspects[0].text)
        text = Message("{what}; {why}", what=nothing.evidence, why=text)
        return replace(nothing, evidence=text, unexplained=True)
    return replace(nothing, unexplained=True)


def _by_kernel(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """By the kernel's own reason, if it names one place and one cause."""
    places = {step.node, *receivers(step, evidence)}
    drops = [
        drop
        for drop in look.drops
        if drop.node in places and drop.packet == step.packet and not drop.is_arp
    ]
    if end := kernel_drops.agreed([drop for drop in drops if not drop.made], look):
        twins = twins_of(evidence, step.after)
        if end.cause is Cause.MARTIAN and end.node in twins:
            return duplicate(end.node, step.after["ip.src"], twins)
        return dropped(end.node, end.cause, end.text)
    replies = [drop for drop in drops if drop.made and has_arrived(step, evidence)]
    if end := kernel_drops.agreed(replies, look):
        return never_answered(end.node, in_short(dropped(end.node, end.cause, end.text)))
    return None


def _by_growth(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """By a count of the node that grew: of what is asked about packets that come in, or about replies."""
    if step.went_out:
        return None
    # What tc leads elsewhere is no drop to the kernel.
    kinds = (ObstacleKind.TC,) if step.packet in look.followed else tuple(_COUNTED)
    if not has_arrived(step, evidence):
        return _by_count(step.node, _PASSING, look, kinds)
    if diagnosis := _by_count(step.node, _COMING_IN, look, kinds):
        return diagnosis
    reply = _by_count(step.node, _LEAVING, look)
    return reply and replace(never_answered(step.node, in_short(reply)), counted=reply.counted)


def _by_count(
    node: str,
    hooks: Collection[str],
    look: SecondLook,
    kinds: Collection[ObstacleKind] = tuple(_COUNTED),
) -> Diagnosis | None:
    """Return the diagnosis by the only kind of obstacle of a node that packets met meanwhile, at one of these
    hooks."""
    grown = [
        obstacle
        for obstacle in look.grown.get(node, ())
        if obstacle.kind in kinds and obstacle.hook in hooks
    ]
    causes = {_COUNTED[obstacle.kind] for obstacle in grown}
    if len(causes) != 1:
        return None
    text = Message("{obstacle}: its count grew", obstacle=grown[0].text)
    return replace(dropped(node, causes.pop(), text), counted=grown[0].text)


def _freed(step: Step, look: SecondLook) -> Message | None:
    """Return the kernel's own words about a packet's end, though they prove no cause."""
    drops = [drop for drop in look.drops if drop.packet == step.packet and not drop.made]
    words = {kernel_drops.in_words(drop) for drop in drops if drop.node == step.node}
    return words.pop() if len(words) == 1 and not step.went_out else None


def _suspect(step: Step, look: SecondLook) -> Message | None:
    """Return in words what may have ended a packet, if there is one such thing where it was seen last."""
    if step.went_out:
        return None
    version = 6 if ":" in step.after.get("ip.dst", "") else 4
    suspects = [
        obstacle
        for obstacle in look.obstacles.get(step.node, ())
        if _may_drop(obstacle) and obstacle.version in (None, version)
        if obstacle.hook not in _AT_THE_DOOR or obstacle.interface in (step.inlet, "")
    ]
    if len(suspects) != 1:
        return None
    return Message("{obstacle} may have dropped it", obstacle=suspects[0].text)


def _may_drop(obstacle: Obstacle) -> bool:
    return obstacle.kind in _COUNTED or obstacle.kind is ObstacleKind.BRIDGE_NETFILTER


def with_waiting(diagnosis: Diagnosis, look: SecondLook | None) -> Diagnosis:
    """Return a diagnosis that rests on silence with how long was waited."""
    if not (diagnosis.unexplained and look and look.seconds):
        return diagnosis
    seconds = f"{look.seconds:g}"
    text = Message("{why}; no answer within {seconds} s", why=diagnosis.evidence, seconds=seconds)
    return replace(diagnosis, evidence=text)
