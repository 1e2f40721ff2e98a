"""The verdict on a probe from the evidence of its two sockets. Pure.

`dropped` is a diagnosis, not the absence of a reply: the probe was seen
leaving its source, and it did not arrive. What is not proved is `unknown`,
and `unknown` never meets an expectation.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from enum import StrEnum

from netlab.messages import Message


class Verdict(StrEnum):
    """The end of a probe, in one word."""

    ANSWERED = "answered"
    HEARD = "heard"
    """Sent to everybody, it came to machines, and none of them answered."""
    REFUSED = "refused"
    DROPPED = "dropped"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class EchoSightings:
    """Sightings of one probe on the sockets of its source and its target."""

    send_error: int | None = None
    """errno of the attempt to send."""
    left: bool = False
    """A frame with the probe was seen leaving an interface of the source."""
    delivered_from: list[str] = field(default_factory=list)
    """Source addresses with which the request reached the target's ICMP layer."""
    answered: bool = False
    """A reply reached the source's ICMP layer."""
    error: str | None = None
    """An ICMP error from another machine quoted the probe: its summary."""
    unresolved: bool = False
    """The source's own kernel gave up: nobody answered ARP for the next hop."""
    source_could_send: bool = False
    """Another probe of the same source left in the same run."""
    target_gone: bool = False
    """The target's namespace is gone: nobody can look at what reaches it."""
    sightings_lost: int = 0
    """Packets that overflowed a socket buffer of the source or the target."""

    shortage: str = ""
    """In words, the resource that the machine ran out of meanwhile: a loss is nobody's fault."""

    @property
    def decided(self) -> bool:
        """True if there is nothing more to wait for."""
        answered = self.answered and bool(self.delivered_from)
        return bool(answered or self.send_error or self.error or self.unresolved)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict with its reasons."""

    verdict: Verdict
    why: str
    seen_as: str | None = None
    """Source address that the target saw."""
    arrived: bool = False
    """The request reached the target."""
    at: str = ""
    """The node that had it last, if it was watched all the way and not answered."""
    cause: str | None = None
    """The `cause.Cause` for which it came no further."""
    source_sends: bool = True
    """False: nothing at all has left the source, so that this says nothing about the pair."""


_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH)


def outcome_of(evidence: EchoSightings) -> Outcome:
    """Return what the evidence proves."""
    arrived = bool(evidence.delivered_from)
    seen_as = evidence.delivered_from[0] if arrived else None

    def outcome(verdict: Verdict, why: str) -> Outcome:
        return Outcome(verdict, why, seen_as, arrived)

    if evidence.sightings_lost:
        return outcome(
            Verdict.UNKNOWN,
            Message("{count} packets were not recorded", count=evidence.sightings_lost),
        )
    if len(set(evidence.delivered_from)) > 1:
        return outcome(Verdict.UNKNOWN, Message("the target saw it from several addresses"))
    if evidence.answered and arrived:
        return outcome(
            Verdict.ANSWERED, Message("answered; the target saw {address}", address=seen_as)
        )
    if evidence.shortage:
        return outcome(Verdict.UNKNOWN, evidence.shortage)
    if evidence.answered and evidence.target_gone:
        text = Message("answered, though the target's namespace is gone: what it saw is not known")
        return outcome(Verdict.UNKNOWN, text)
    if evidence.answered:
        return outcome(Verdict.UNKNOWN, Message("answered, but not by the target"))
    if evidence.error:
        return outcome(Verdict.REFUSED, evidence.error)
    if arrived:
        return outcome(
            Verdict.DROPPED,
            Message("arrived from {address}, but no reply came back", address=seen_as),
        )
    if evidence.unresolved:
        return outcome(Verdict.DROPPED, Message("nobody answered ARP for the next hop"))
    if evidence.left:
        return outcome(Verdict.DROPPED, Message("left its source and never arrived"))
    if evidence.send_error in _NO_ROUTE and evidence.source_could_send:
        return outcome(Verdict.DROPPED, Message("the source has no route there"))
    if evidence.send_error:
        return outcome(
            Verdict.UNKNOWN,
            Message("could not be sent: {error}", error=os.strerror(evidence.send_error)),
        )
    return outcome(Verdict.UNKNOWN, Message("was not seen leaving its source"))
