"""Roles of packets in the probe that they belong to, by their sightings alone."""

from __future__ import annotations

from enum import StrEnum

from netlab.frozen import frozen
from netlab.packets.frame import Fields
from netlab.packets.tap import Sighting


class Part(StrEnum):
    """Role of a packet in a probe."""

    REQUEST = "request"
    """A packet towards the target."""
    REPLY = "reply"
    """A packet back to the source."""
    ERROR = "error"
    """A machine on the way reports that it could not go on: an ICMP error, a TCP reset."""
    ARP = "arp"
    """A request for a MAC address, or the reply to one."""


@frozen
class Packet:
    """A packet, the same before and after every router, translator and switch."""

    part: Part
    name: str
    """Name in words: `TCP SYN`."""
    key: tuple[object, ...] = ()
    """Tells it from the other packets of its part and name."""
    about: Part | None = None
    """Part of the packet that an error quotes."""


@frozen
class Frame:
    """A sighting, decoded."""

    sighting: Sighting
    packet: Packet | None
    """The probe's packet; None if it is none of the probe's."""
    fields: Fields
