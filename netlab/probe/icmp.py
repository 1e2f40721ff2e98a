"""ICMP messages: built and read by scapy, nothing else.

Every probe is an echo request whose payload is a random token and a mark; a
router that reports an error quotes them, so one search finds the probe in
requests, answers and errors alike. The token comes first, where an nftables
rule finds it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from scapy.layers.inet import ICMP, IP
from scapy.packet import Raw

from netlab.probe.packet import Part

MARK = b" netlab probe"
TOKEN_BYTES = 8


KINDS = {
    0: Part.ANSWER,
    3: Part.ERROR,  # destination unreachable
    8: Part.REQUEST,
    11: Part.ERROR,  # time exceeded
    12: Part.ERROR,  # parameter problem
}


@dataclass(frozen=True)
class Message:
    """An ICMP message that carries a token."""

    kind: Part
    token: bytes
    source: str
    """IP address of the sender."""
    own: bool
    """From the receiver's own kernel: it gave up sending."""
    text: str
    """In words: who says what."""


def echo_request(
    token: bytes, identifier: int, sequence: int = 1, padding: bytes = b"", six: bool = False
) -> bytes:
    """An echo request without IP header, as a raw socket sends it."""
    content = token + MARK + padding
    if six:  # The kernel fills in ICMPv6's checksum, which covers the addresses too.
        return struct.pack("!BBHHH", 128, 0, 0, identifier, sequence) + content
    return bytes(ICMP(type="echo-request", id=identifier, seq=sequence) / Raw(content))


def token_of(data: bytes) -> bytes | None:
    """The token in any packet, None if it is no probe's. Cheap: no dissection."""
    at = data.find(MARK)
    return data[at - TOKEN_BYTES : at] if at >= TOKEN_BYTES else None


def read_packet(data: bytes) -> Message | None:
    """An IP packet as a raw ICMP socket delivers it; None if it carries no token."""
    token = token_of(data)
    if token is None:
        return None
    packet = IP(data)
    if ICMP not in packet:
        return None
    kind = KINDS.get(packet[ICMP].type)
    if kind is None:
        return None  # A redirect, for example: it quotes a packet that was forwarded all the same.
    return Message(kind, token, packet.src, packet.src == packet.dst, _summary(packet))


def _summary(packet: IP) -> str:
    layer = packet[ICMP]
    return f"{packet.src} says: {layer.sprintf('%ICMP.type% %ICMP.code%')}"
