"""Replies that have come home: by the machine that was meant, or by another one. Pure."""

from __future__ import annotations

from netlab.diagnosis.broadcasts import GROUP, TO_EVERYBODY
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.evidence import ProbeEvidence, is_home, sender_of
from netlab.diagnosis.findings import dropped, duplicate, unknown
from netlab.diagnosis.journey import Step
from netlab.diagnosis.verdict import Verdict
from netlab.messages import Message
from netlab.packets.packet import Part

_SENT_ONCE = ("icmp", "udp", "raw")
"""Kinds of probes of which no packet is sent again."""


def answered_as_another(evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a reply that is home from an address that was not asked: no program waits
    for such a one."""
    asked = evidence.journey.of(Part.REQUEST)[0].after.get("ip.dst")
    home = [step for step in evidence.journey.of(Part.REPLY) if is_home(step, evidence)]
    if evidence.kind in TO_EVERYBODY or asked != evidence.address or not home:
        return None
    replied_from = home[-1].before.get("ip.src", asked)
    if replied_from == asked:
        return None
    text = Message(
        "{node} asked {address}, and the reply comes from {other}",
        node=evidence.source,
        address=asked,
        other=replied_from,
    )
    if evidence.turned:
        text = Message("{why}; {what}", why=evidence.turned, what=text)
    return dropped(evidence.source, Cause.NO_RETURN_PATH, text)


def answered(evidence: ProbeEvidence) -> Diagnosis:
    home = [step for step in evidence.journey.of(Part.REPLY) if is_home(step, evidence)]
    if not home:
        return unknown(evidence.source, Message("a program got a reply, and no tap saw it arrive"))
    senders = [sender_of(evidence.journey.packets[step.packet][0]) for step in home]
    if evidence.kind in ("dhcp", GROUP):
        return Diagnosis(Verdict.ANSWERED, senders[0])
    if forged := _forged(home[-1], evidence):
        return forged
    meant = next((sender for sender in senders if sender in receivers(evidence)), None)
    if meant:
        return Diagnosis(Verdict.ANSWERED, meant)
    sender = senders[-1]
    if twins := rivals(evidence, sender):
        return duplicate(sender, evidence.address, twins)
    asks_itself = evidence.source in receivers(evidence)
    if asks_itself or _passed_on(sender, evidence):  # A port of the target's that leads there.
        return Diagnosis(Verdict.ANSWERED, sender)
    return unknown(sender, Message("it was answered, but by {who}", who=sender))


def _forged(home: Step, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a reply that a rule has dropped on its way, while one like it went on from
    there; None if that is not so. What is sent again when it is lost may well have got through."""
    if evidence.kind not in _SENT_ONCE:
        return None
    passed = [s for s in evidence.journey.packets[home.packet] if s.came_in and s.went_out]
    for step in passed:
        for node in evidence.lab.parts.get(step.node, {step.node}):
            rule = evidence.drops.get((node, Part.REPLY))
            if rule and not rule.copy:
                text = Message(
                    "{node} has dropped the reply ({rule}), and one like it came from there",
                    node=node,
                    rule=rule.rule,
                )
                return unknown(node, text)
    return None


def receivers(evidence: ProbeEvidence) -> frozenset[str]:
    return evidence.meant | {evidence.target}


def rivals(evidence: ProbeEvidence, node: str) -> frozenset[str]:
    """Return the owners of the target's address, if the machine `node`, which was not meant, is one of
    them."""
    owners = evidence.lab.owners.get(evidence.address, frozenset())
    is_rival = {node, evidence.target} <= owners and node not in receivers(evidence)
    return owners if is_rival else frozenset()


def _passed_on(sender: str, evidence: ProbeEvidence) -> bool:
    """Return whether the request was with the target first, at the address that was asked, and then with
    the sender of the reply: one that sits on the way to the target has it earlier."""
    requests = evidence.journey.of(Part.REQUEST)
    with_target = next((n for n, step in enumerate(requests) if _had(step, evidence)), None)
    return with_target is not None and any(
        sender in _parts(step, evidence) for step in requests[with_target:]
    )


def _had(step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether the request was with the target, at the address that was asked."""
    return (
        evidence.target in _parts(step, evidence) and step.before.get("ip.dst") == evidence.address
    )


def _parts(step: Step, evidence: ProbeEvidence) -> frozenset[str]:
    return evidence.lab.parts.get(step.node, frozenset()) | {step.node}
