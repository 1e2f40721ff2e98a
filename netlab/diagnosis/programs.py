"""Programs that have got a packet, or were to get it: their queues, and their silence. Pure."""

from __future__ import annotations

from dataclasses import replace

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.counts import COUNTED, may_count
from netlab.diagnosis.evidence import ProbeEvidence, is_home, sender_of
from netlab.diagnosis.findings import dropped, unknown
from netlab.diagnosis.journey import Step
from netlab.diagnosis.verdict import Verdict
from netlab.messages import Message
from netlab.packets.packet import Part

_TAKEN_BY_UDP = {"Udp.InDatagrams", "Udp6.InDatagrams"}
"""Counters of datagrams that programs have read."""
_SENT_BY_UDP = {
    f"Udp{six}.{name}" for six in ("", "6") for name in ("OutDatagrams", "SndbufErrors")
}
"""Counters of datagrams that were sent: one that an interface does not take at once is an error of the
buffer."""


def at_program(step: Step, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a request that has come to where a program waits for it; None if it has not,
    or if nothing proves what became of it there."""
    node, waiting = step.node, _waiting(step, evidence)
    if step.part is not Part.REQUEST or not step.came_in or step.went_out or not waiting:
        return None
    grown, unread = evidence.lab.counts.get(node, {}), evidence.lab.unread.get(node, ())
    if waiting.startswith("udp") and (_TAKEN_BY_UDP & grown.keys() or waiting in unread):
        return _kept_silent(node, waiting, evidence)
    return None


def _full(step: Step, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a packet for a program whose queue has no room, by the kernel's counts."""
    grown = evidence.lab.counts.get(step.node, {})
    for name, number in grown.items():
        if COUNTED.get(name) is Cause.QUEUE_FULL and may_count(name, step, evidence):
            text = Message(
                "{count} of {node} grew by {number}", count=name, node=step.node, number=number
            )
            return replace(dropped(step.node, Cause.QUEUE_FULL, text), counted=name)
    return None


def _waiting(step: Step, evidence: ProbeEvidence) -> str:
    """Return the port that a packet is for, `udp/53`, if a program waits on it where it is; else empty."""
    ports = (f"{name}/{step.after.get(f'{name}.dst')}" for name in ("tcp", "udp"))
    listening = evidence.lab.listening.get(step.node, ())
    return next((port for port in ports if port in listening), "")


def _kept_silent(server: str, port: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a datagram that a program has taken; whatever its machine has sent may have
    been the reply."""
    if _SENT_BY_UDP & evidence.lab.counts.get(server, {}).keys():
        text = Message(
            "{node} has sent datagrams meanwhile, and no reply was seen leaving it", node=server
        )
        return replace(unknown(server, text), unexplained=True)
    cause = Cause.DNS_SILENT if evidence.kind == "dns" else Cause.PROGRAM_SILENT
    text = Message("{node} listens on {port}, and nothing came back", node=server, port=port)
    return replace(dropped(server, cause, text), unexplained=True)


def unanswered_connection(evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a connection that was made, and on which not all came that was asked for.

    None if none was made, or if it is not seen to have ended at the other end.
    """
    connection, replies = evidence.connection, evidence.journey.first(Part.REPLY)
    if connection is None or not replies:
        return None
    server = sender_of(replies[0])
    if connection.received:
        text = Message(
            "{node} sent {count} bytes, which are not the whole reply",
            node=server,
            count=connection.received,
        )
        return replace(unknown(server, text), unexplained=not connection.closed)
    if connection.closed and _is_ended_by(server, evidence):
        asked = [step for step in evidence.journey.of(Part.REQUEST) if step.node == server]
        if full := asked and _full(asked[-1], evidence):
            return full
        text = Message("{node} took the connection, and ended it without a word", node=server)
        return Diagnosis(Verdict.REFUSED, server, Cause.PROGRAM_SILENT, text)
    if connection.acknowledged:
        text = Message("{node} acknowledged all that was sent, and nothing came back", node=server)
        return replace(dropped(server, Cause.PROGRAM_SILENT, text), unexplained=True)
    return None


def lost_reply(evidence: ProbeEvidence) -> Step | None:
    """Return the last step of a packet of a connection's reply that did not come home, or not to the
    program that asked; others may have come after it."""
    connection, by_packet = evidence.connection, evidence.journey.packets
    replies = [steps for packet, steps in by_packet.items() if packet.part is Part.REPLY]
    if connection is None:
        return None
    for steps in replies:
        if not any(is_home(step, evidence) for step in steps):
            return steps[-1]
    by_rule = (evidence.source, Part.REPLY) in evidence.drops
    data = [steps[-1] for steps in replies if int(steps[-1].after.get("tcp.length", "0"))]
    return data[0] if data and (by_rule or not connection.received) else None


def _is_ended_by(server: str, evidence: ProbeEvidence) -> bool:
    """Return whether who has ended the connection is the server: a reset may come from anybody."""
    resets = evidence.journey.first(Part.ERROR)
    if not resets:
        return True
    reporter = evidence.reporters.get(server)
    by_rule = (server, Part.REQUEST) in evidence.drops or (reporter and reporter.legacy_tool)
    return sender_of(resets[0]) == server and not by_rule
