"""Diagnoses that several rules come to, by the evidence that each needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from netlab.diagnosis import kernel_drops
from netlab.diagnosis.blocked import blocked
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.decision import stopped_by
from netlab.diagnosis.drops import Silence
from netlab.diagnosis.evidence import ProbeEvidence
from netlab.diagnosis.journey import BoundForward, Step
from netlab.diagnosis.second_look import SecondLook
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.rows import IPAddress
from netlab.messages import Message, join_and
from netlab.node_interface import NodeInterface


def never_answered(node: str, why: str) -> Diagnosis:
    return dropped(
        node,
        Cause.NO_RETURN_PATH,
        Message("the reply could not leave {node}: {why}", node=node, why=why),
    )


def kept_apart(
    switch: str, port: str, owners: frozenset[str], evidence: ProbeEvidence
) -> Diagnosis | None:
    """Return the diagnosis of a frame that a switch keeps apart, by port isolation, from the owners of its
    address; None if it does not."""
    if NodeInterface(switch, port) not in evidence.lab.isolated:
        return None
    for far, behind in evidence.lab.isolated.items():
        if far.node == switch and far.interface != port and behind & owners:
            text = Message(
                "the ports {one} and {other} of {switch} are isolated",
                one=port,
                other=far.interface,
                switch=switch,
            )
            return dropped(switch, Cause.ISOLATED_PORT, text)
    return None


def not_resolved(node: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a question for a MAC address that stays without reply."""
    address = evidence.unanswered[node]
    text: str = Message("it asked who has {address}, and nobody answered", address=address)
    owners = evidence.lab.owners.get(address, frozenset())
    asking = [step for step in evidence.journey.steps if step.before.get("arp.target") == address]
    for step in asking:
        if apart := kept_apart(step.node, step.inlet or "", owners, evidence):
            return apart
    text = placed(text, address, evidence)
    if address in evidence.elsewhere:
        return dropped(node, Cause.WRONG_SEGMENT, text)
    if look := evidence.second_look:
        for step in asking:
            if settings := blocked(step, address, look):
                return dropped(step.node, Cause.PORT_BLOCKED, settings)
        if end := _question_lost(node, owners, asking, evidence, look):
            return end
    return replace(dropped(node, Cause.ARP_UNANSWERED, text), unexplained=bool(owners - {node}))


def placed(text: str, address: str, evidence: ProbeEvidence) -> str:
    """Return a text about an address with where that is, if it is known."""
    place = evidence.places.get(address)
    return Message("{what}; {where}", what=text, where=place) if place else text


def _question_lost(
    node: str,
    owners: frozenset[str],
    asking: Sequence[Step],
    evidence: ProbeEvidence,
    look: SecondLook,
) -> Diagnosis | None:
    """Return the diagnosis of a question for a MAC address, or its reply, that the kernel says it dropped."""
    questions = {step.packet for step in asking}
    drops = [
        drop
        for drop in look.drops
        if (drop.node in owners | evidence.lab.switches and drop.packet in questions)
        or (drop.node == node and drop.is_arp)
    ]
    if end := kernel_drops.agreed(drops, look):
        return dropped(end.node, end.cause, Message("ARP: {rule}", rule=end.text))
    return None


def silent(silence: Silence) -> Diagnosis:
    return dropped(silence.at, silence.cause, silence.text)


def unplugged(node: str, evidence: ProbeEvidence) -> Diagnosis:
    return dropped(
        node,
        Cause.NIC_DOWN,
        Message("{interface} is down or has no carrier", interface=evidence.dark[node]),
    )


def no_route(node: str, address: str, words: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a packet to an address to which no route leads, in the kernel's `words`."""
    return dropped(node, Cause.NO_ROUTE, placed(words, address, evidence))


def closed(node: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis by a route or rule that leads nowhere, on purpose; `prohibit` also says so."""
    entry = evidence.closed_route[node]
    text = stopped_by(entry)
    if entry.kind == "prohibit":
        return Diagnosis(Verdict.REFUSED, node, Cause.REFUSED, text)
    return dropped(node, Cause.NO_ROUTE, text)


def twins_of(evidence: ProbeEvidence, fields: Mapping[str, str]) -> frozenset[str]:
    """Return the machines that have this source address, if they are more than one."""
    owners = evidence.lab.owners.get(fields.get("ip.src", ""), frozenset())
    return owners if len(owners) > 1 else frozenset()


def duplicate(at: str, address: str, twins: frozenset[str]) -> Diagnosis:
    text = Message(
        "{twins} both have {address}; {at} got it", twins=join_and(twins), address=address, at=at
    )
    return dropped(at, Cause.DUPLICATE_IP, text)


def dropped(at: str, cause: Cause, evidence: str) -> Diagnosis:
    return Diagnosis(Verdict.DROPPED, at, cause, evidence)


def unknown(at: str, evidence: str) -> Diagnosis:
    return Diagnosis(Verdict.UNKNOWN, at, Cause.UNKNOWN, evidence)


def in_short(diagnosis: Diagnosis) -> str:
    if diagnosis.cause is None:
        return diagnosis.evidence
    return Message("{cause}, {evidence}", cause=diagnosis.cause, evidence=diagnosis.evidence)


def nobody_waits(protocol: str, place: str) -> Message:
    """Return in words that no program waits at an address and port."""
    return Message("no program waits on {protocol} {address}", protocol=protocol, address=place)


def forwarded_elsewhere(
    protocol: str, address: IPAddress, port: object, forwards: Iterable[BoundForward]
) -> Message | None:
    """Return in words at which addresses a port leads on that does not at this one; None if at none."""
    places = [
        forward.address
        for forward in forwards
        if forward.protocol == protocol and port in forward.ports
    ]
    if not places or str(address) in places:
        return None
    return Message("the port leads on at {addresses} only", addresses=join_and(places))


def could_not_send(node: str, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return why a node could not send a packet on: no carrier, or no MAC address of the next hop."""
    if node in evidence.dark:
        return unplugged(node, evidence)
    if node in evidence.silenced:
        return silent(evidence.silenced[node])
    if node in evidence.unanswered:
        return not_resolved(node, evidence)
    return None
