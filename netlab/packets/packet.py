"""What a packet is to the probe that it belongs to, told by its sightings alone."""

from __future__ import annotations

from enum import StrEnum

from netlab.frozen import frozen
from netlab.packets.frame import Fields
from netlab.packets.tap import Sighting


class Part(StrEnum):
    """What a packet is to a probe."""

    REQUEST = "request"
    """Towards the target."""
    REPLY = "reply"
    """Back to the source."""
    ERROR = "error"
    """A machine on the way says that it could not go on: an ICMP error, a TCP reset."""
    ARP = "arp"
    """A question for a MAC address, or the reply to one."""


@frozen
class Packet:
    """One packet, the same before and after every router, translator and switch."""

    part: Part
    name: str
    """What it is, in words: `TCP SYN`."""
    key: tuple[object, ...] = ()
    """What tells it from the other packets of its part and name."""
    about: Part | None = None
    """An error's: what it quotes."""


@frozen
class Frame:
    """One sighting, read."""

    sighting: Sighting
    packet: Packet | None
    """None: no packet of the probe."""
    fields: Fields
