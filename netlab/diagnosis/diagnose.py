"""The rules by which evidence proves what became of a probe, and why. Pure.

What is not proved is `unknown`, and `unknown` is a fault of the measurement,
never a diagnosis.
"""

from __future__ import annotations

from dataclasses import replace

from netlab.diagnosis.absence import by_absence
from netlab.diagnosis.answers import answered, answered_as_another
from netlab.diagnosis.broadcasts import TO_EVERYBODY
from netlab.diagnosis.cause import Diagnosis, look_at
from netlab.diagnosis.endings import end_of, never_left, reply_lost
from netlab.diagnosis.evidence import ProbeEvidence, is_home, leads_of, version_of
from netlab.diagnosis.findings import unknown
from netlab.diagnosis.journey import Step
from netlab.diagnosis.programs import lost_reply, unanswered_connection
from netlab.diagnosis.reports import reported
from netlab.diagnosis.unexplained import with_waiting
from netlab.diagnosis.verdict import Verdict
from netlab.messages import Message
from netlab.packets.packet import Part


def diagnose(evidence: ProbeEvidence) -> Diagnosis:
    """Return what the evidence proves: first what is certain, then what the last node counted."""
    diagnosis = with_waiting(by_absence(_proved(evidence), evidence), evidence.second_look)
    for lead in leads_of(evidence):
        if lead.text in diagnosis.evidence and lead.look_at:
            return replace(diagnosis, look_at=lead.look_at, look_on=lead.node)
    on_a_switch = diagnosis.at in evidence.lab.switches
    command = look_at(diagnosis.cause, version_of(evidence), on_a_switch)
    return replace(diagnosis, look_at=command, look_on=diagnosis.at if command else "")


def _proved(evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis that the evidence proves, without the command that shows its cause."""
    journey = evidence.journey
    if evidence.lab.lost:
        return unknown(
            evidence.source,
            Message("{count} frames found no room in a buffer", count=evidence.lab.lost),
        )
    if not journey.of(Part.REQUEST):
        return never_left(evidence)
    if evidence.answered:
        return answered(evidence)
    if evidence.lab.unfinished:
        return unknown(evidence.source, evidence.lab.unfinished)
    if not journey.of(Part.REPLY) and evidence.kind in TO_EVERYBODY:
        return TO_EVERYBODY[evidence.kind](evidence)
    if answered_as := answered_as_another(evidence):
        return answered_as
    if lost := lost_reply(evidence):
        return reply_lost(lost, evidence)
    if ended := unanswered_connection(evidence):
        return ended
    last = [steps for packet, steps in journey.packets.items() if packet.part is not Part.ARP][-1]
    asked = journey.of(Part.REQUEST)[-1]
    match last[0].part:
        case Part.ERROR if last[0].packet.about is Part.REPLY:
            return reply_lost(journey.of(Part.REPLY)[-1], evidence)
        case Part.ERROR if asked.node in evidence.silenced and not asked.went_out:
            return end_of(asked, evidence)
        case Part.ERROR:
            return _untold(reported(last[0], asked, evidence), last[-1], evidence)
        case Part.REPLY:
            return reply_lost(last[-1], evidence)
        case _:
            return end_of(last[-1], evidence)


def _untold(refusal: Diagnosis, last: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a refusal whose source was not told: it came in at another node, and ended."""
    ended = last.came_in and not last.went_out and not is_home(last, evidence)
    if refusal.verdict is not Verdict.REFUSED or not ended:
        return refusal
    text = Message(
        "{why}; the refusal was last seen on {node}", why=refusal.evidence, node=last.node
    )
    return replace(refusal, verdict=Verdict.DROPPED, evidence=text)
