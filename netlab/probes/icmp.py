"""ICMP echo, of IPv4 and IPv6."""

from __future__ import annotations

import secrets
import socket
from functools import cache

from netlab.packets import protocols
from netlab.packets.filters import IPV4_DELIVERED, IPV6_DELIVERED, PacketPattern
from netlab.packets.frame import Fields, message_name
from netlab.packets.icmp import MARK, EchoRequest
from netlab.packets.packet import Packet, Part
from netlab.probes.base import Ends, Probe, received

_HEADER_BYTES = 8
ECHO_REPLIES = (protocols.ICMP_ECHO_REPLY, protocols.ICMPV6_ECHO_REPLY)
"""Types of ICMP and ICMPv6."""
_PARTS = {
    **dict.fromkeys(map(str, ECHO_REPLIES), Part.REPLY),
    str(protocols.ICMP_ECHO_REQUEST): Part.REQUEST,
    str(protocols.ICMPV6_ECHO_REQUEST): Part.REQUEST,
}


@cache
def _request(is_ipv6: bool) -> EchoRequest:
    """Return the form of all requests of an IP version: building it takes 10 ms."""
    return EchoRequest(is_ipv6)


class EchoProbe(Probe):
    """An echo request with the token as payload."""

    def __init__(self, ends: Ends) -> None:
        super().__init__(ends)
        # A fresh identifier: a NAT entry of an earlier probe must not carry this one.
        self.identifier = secrets.randbelow(1 << 16)
        is_ipv6 = ends.family is socket.AF_INET6
        self.request = _request(is_ipv6)
        protocol = socket.IPPROTO_ICMPV6 if is_ipv6 else socket.IPPROTO_ICMP
        program = IPV6_DELIVERED if is_ipv6 else IPV4_DELIVERED
        kind = ends.family, socket.SOCK_RAW, protocol
        self.socket = self.open(ends.source, *kind, program=program)
        self.open_to_all(self.socket)

    @property
    def pattern(self) -> PacketPattern:
        return PacketPattern(token=self.token)

    @property
    def over(self) -> bool:
        return self.answered and not self.ends.to_all  # Others may reply too.

    @property
    def client_patience(self) -> float:
        """Return 4.0: Windows' ping says `Request timed out` then (learn.microsoft.com, ping: /w).

        iputils' says nothing, and waits for 10 s (ping(8): -W).
        """
        return 4.0

    def send(self) -> None:
        self.bind(self.socket)
        self.send_numbered(self.request, 1)

    def send_numbered(self, request: EchoRequest, sequence: int) -> None:
        """Send the probe with that sequence number. Raises OSError."""
        message = request.build(self.token, self.identifier, sequence)
        self.socket.sendto(message, (self.ends.to, 0))

    def poll(self) -> None:
        for data, _ in received(self.socket):
            # An IPv4 raw socket delivers the IP header too.
            at = 0 if self.ends.family is socket.AF_INET6 else (data[0] & 0xF) * 4
            if self.token + MARK in data[at + _HEADER_BYTES :]:
                self.take_message(data[at:])

    def take_message(self, message: bytes) -> None:
        """Take in an ICMP message with the token, from its header on: an echo reply or an error."""
        self.answered |= message[0] in ECHO_REPLIES

    def packet(self, fields: Fields, data: bytes) -> Packet | None:
        # Of many probes, most frames are others'.
        return super().packet(fields, data) if self.token in data else None

    def plain_packet(self, fields: Fields, data: bytes) -> Packet | None:
        return echo(fields) if self.token in data else None


def echo(fields: Fields) -> Packet | None:
    """Return the packet, if it is an echo request or reply."""
    kind = fields.get("icmp.type", "")
    if kind not in _PARTS:
        return None
    return Packet(_PARTS[kind], message_name(fields), (fields.get("icmp.seq"),))
