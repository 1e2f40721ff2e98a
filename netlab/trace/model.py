"""A probe that is to be traced, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from netlab.diagnosis.cause import Diagnosis
from netlab.diagnosis.decision import Decision
from netlab.diagnosis.history import History
from netlab.diagnosis.journey import Journey
from netlab.diagnosis.second_look import SecondLook
from netlab.frozen import frozen
from netlab.packets.packet import Frame
from netlab.probes.answers import Answer
from netlab.probes.base import Ends


@frozen
class TraceRequest:
    """A probe that is to be traced: from where to where, and of which kind."""

    source: str
    """Node."""
    target: str
    """Node, or the address if no node of the lab has it."""
    ends: Ends
    by: str = "icmp"
    """The kind of probe: `tcp:80`."""
    named: bool = True
    """The target was called by its name; False: an address was typed, and whoever has it is meant."""


_NOTHING = History()


@frozen
class Trace:
    """A probe's journey, its end, and the evidence for it."""

    request: TraceRequest
    token: str
    """Hexadecimal: what the probe is known by."""
    sent_at: int
    """Nanoseconds, by the kernel's clock: the first sighting, or when it was sent."""
    cold: bool
    """Some machine on the way had to ask for a MAC address first."""
    journey: Journey
    diagnosis: Diagnosis
    decisions: tuple[tuple[Decision, ...], ...] = ()
    """Entries and rules that decided each step of the journey."""
    found: tuple[str, ...] = ()
    """Lines that tell what the probe has learnt."""
    frames: tuple[Frame, ...] = ()
    """The probe's own, and ARP's, as they were seen."""
    history: History = _NOTHING
    names: Mapping[str, str] = field(default_factory=dict)
    """IP or MAC address to the machine that has it."""
    answer: Answer | None = None
    """The content of the reply, where the kind of probe has one."""
    second_look: SecondLook | None = None
    """None: the first probe was explained."""
