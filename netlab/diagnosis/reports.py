"""Errors that quote the probe, and resets: what they prove, and what not. Pure."""

from __future__ import annotations

from netlab.diagnosis.answers import rivals, sender_of
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.evidence import ProbeEvidence
from netlab.diagnosis.findings import closed, duplicate, not_resolved
from netlab.diagnosis.journey import Step
from netlab.diagnosis.verdict import Verdict
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part

_REPORTS = {
    ("3", "4"): Cause.MTU_EXCEEDED,
    ("11", "0"): Cause.TTL_EXCEEDED,
    ("3", "0"): Cause.NO_ROUTE,
    ("3", "1"): Cause.ARP_UNANSWERED,
    ("3", "3"): Cause.PORT_CLOSED,
}

_REPORTS_V6 = {
    ("2", "0"): Cause.MTU_EXCEEDED,
    ("3", "0"): Cause.TTL_EXCEEDED,
    ("1", "0"): Cause.NO_ROUTE,
    ("1", "3"): Cause.ARP_UNANSWERED,
    ("1", "4"): Cause.PORT_CLOSED,
}

_NO_WAY = (Cause.NO_ROUTE, Cause.ARP_UNANSWERED)
"""Causes that a machine reports where a route leads nowhere, besides a refusal."""

_SAYS_NO = (Cause.REFUSED, Cause.PORT_CLOSED, Cause.NO_FORWARD)
"""Causes by which a machine refuses, rather than fails."""


def reported(error: Step, last: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis by an error that quotes the probe: its sender says itself what happened."""
    # As who has asked sees it: a NAT on the way may have translated it.
    address, sender = evidence.journey.packets[error.packet][-1].after["ip.src"], sender_of(error)
    if address == evidence.address and (twins := rivals(evidence, sender)):
        return duplicate(sender, address, twins)
    if "tcp.flags" in error.before:
        cause, text = Cause.PORT_CLOSED, Message("{who} resets the connection", who=address)
    else:
        kind = (error.before["icmp.type"], error.before["icmp.code"])
        cause = (_REPORTS_V6 if ":" in address else _REPORTS).get(kind, Cause.REFUSED)
        text = Message(
            "{who} reports {protocol} type {kind}, code {code}",
            who=address,
            protocol="ICMPv6" if ":" in address else "ICMP",
            kind=kind[0],
            code=kind[1],
        )
    if rule := evidence.drops.get((error.node, Part.REQUEST)):
        # `reject` says whatever the rule wants it to say.
        text = Message("{report}; {rule}", report=text, rule=rule.rule)
        return Diagnosis(Verdict.REFUSED, error.node, Cause.FIREWALL, text)
    if last.node in evidence.closed_route and cause in (Cause.REFUSED, *_NO_WAY):
        return closed(last.node, evidence)
    if cause is Cause.ARP_UNANSWERED and evidence.unanswered.get(last.node) in evidence.elsewhere:
        return not_resolved(last.node, evidence)
    if cause is Cause.ARP_UNANSWERED and last.node not in evidence.unanswered:
        cause = Cause.NO_ROUTE  # A route that says `unreachable` gives the same answer.
    if cause is Cause.PORT_CLOSED and last.came_in:
        end = NodeInterface(last.node, last.came_in.interface)
        at_door = end in evidence.lab.forwarded_ports
        cause = Cause.NO_FORWARD if at_door else cause
    verdict = Verdict.REFUSED if cause in _SAYS_NO else Verdict.DROPPED
    return Diagnosis(verdict, last.node, cause, text)
