"""Machines and switches that are gone: what becomes of packets for them, and over them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.messages import Message
from netlab.packets.packet import Part

if TYPE_CHECKING:  # Who says only that a machine is gone needs none of the evidence.
    from netlab.diagnosis.evidence import ProbeEvidence

NO_WAY_OUT = (Cause.NIC_DOWN, Cause.NO_ADDRESS, Cause.NO_ROUTE)
"""Causes that follow where a cable went with the machine or switch at its other end."""
_NOT_TAKEN = (Cause.MAC_UNKNOWN, Cause.UNKNOWN)
"""Causes of frames whose receiver was not there."""


def by_absence(diagnosis: Diagnosis, evidence: ProbeEvidence) -> Diagnosis:
    """Return a diagnosis with the machine that is gone as its cause, where that is why."""
    lab, at = evidence.lab, diagnosis.at
    if not lab.gone or lab.lost or lab.unfinished:
        return diagnosis
    gone = ""
    if diagnosis.cause in NO_WAY_OUT:
        gone = evidence.cut_off.get(at, "")
    elif diagnosis.cause is Cause.ARP_UNANSWERED:
        gone = evidence.absent.get(evidence.unanswered.get(at, evidence.address), "")
    elif diagnosis.cause in _NOT_TAKEN and (asked := evidence.journey.of(Part.REQUEST)):
        mac = asked[-1].after.get("eth.dst", "")
        gone = next((node for node, known_by in lab.gone.items() if mac in known_by), "")
    if not gone:
        return diagnosis
    text = because_gone(gone, diagnosis.evidence)
    return Diagnosis(Verdict.DROPPED, at, Cause.NODE_GONE, text)


def because_gone(node: str, evidence: str) -> str:
    """Return what was found out, with the machine or switch whose absence explains it."""
    return Message("{evidence}; {node} is gone", evidence=evidence, node=node)


def cannot_send(node: str) -> Diagnosis:
    """Return the diagnosis of a packet of a machine that is gone."""
    return Diagnosis(Verdict.DROPPED, node, Cause.NODE_GONE, Message("{node} is gone", node=node))
