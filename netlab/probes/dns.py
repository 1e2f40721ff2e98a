"""DNS: each server's answer, also through a relay."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress

from netlab.diagnosis.cause import DNS_WORDS
from netlab.messages import N_, Message
from netlab.packets import layers
from netlab.packets.filters import PacketPattern
from netlab.packets.frame import Fields, dns_addresses, dns_name
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes.answers import DnsAnswer
from netlab.probes.base import Ends, Probe

_PORT = 53
_DNS_BYTES = 12
_HEADER_BYTES = 8 + _DNS_BYTES
"""Bytes of UDP and of DNS: the name stands behind them."""
_IS_REPLY, _CODE = 0x8000, 0x000F
"""Bits of a message's flags."""
_MATCHED_BYTES = 16
"""nftables compares at most 128 bits of a packet."""


def _spelling(name: str) -> str:
    """Return a name in upper and lower case at random, as others do not spell it."""
    if name.upper() == name:
        return name
    while True:
        spelt = "".join(secrets.choice((letter, letter.upper())) for letter in name)
        if spelt != name:
            return spelt


class DnsProbe(Probe):
    """A query for the address of a name.

    A relay asks again, with an id and a port of its own; what stays is the
    name, letter by letter, so its upper and lower case are the token.
    """

    port = _PORT

    def __init__(self, ends: Ends, name: str) -> None:
        super().__init__(ends)
        spelt = _spelling(name.rstrip(".").lower())
        self.token = spelt.encode()
        self._id = secrets.randbelow(1 << 16)
        self._question = bytes(layers.DNS(id=self._id, qd=layers.DNSQR(qname=spelt)))
        self.name, _ = dns_name(self._question, _DNS_BYTES)
        self.asked = self.name.lower()
        self.refused = False
        self.reply: bytes | None = None
        """The response that has come back."""
        self.socket = self.open(ends.source, ends.family, socket.SOCK_DGRAM)
        self.bind(self.socket)
        self.socket.connect_ex((ends.to, _PORT))

    @property
    def matches(self) -> tuple[str, ...]:
        at = _HEADER_BYTES - 8
        wire = self._question[at : at + _MATCHED_BYTES]
        return (f"@th,{_HEADER_BYTES * 8},{len(wire) * 8} 0x{wire.hex()}",)

    @property
    def pattern(self) -> PacketPattern:
        return PacketPattern(socket.IPPROTO_UDP, ports=(_PORT,))

    @property
    def client_patience(self) -> float:
        """Return 5.0: dig(1), +time, and resolv.conf(5), timeout, ask again or elsewhere then."""
        return 5.0

    @property
    def over(self) -> bool:
        return self.answered or self.refused

    def send(self) -> None:
        self.socket.sendto(self._question, (self.ends.to, _PORT))

    def poll(self) -> None:
        with suppress(OSError):  # Nothing yet, or an ICMP error, which the journey tells of.
            self._take_message(self.socket.recv(1 << 16))

    def _take_message(self, message: bytes) -> None:
        """Take in the reply to this question, and ignore all else: anybody may send anything."""
        if len(message) < _DNS_BYTES:
            return
        number, flags, _, answers = struct.unpack_from("!HHHH", message)
        if number == self._id and flags & _IS_REPLY:
            self.answered = flags & _CODE == 0 and answers > 0
            self.refused = not self.answered
            self.reply = message

    @property
    def code(self) -> int | None:
        """The response's code (RFC 1035, 4.1.1: RCODE); None as long as there is none."""
        return self.reply[3] & _CODE if self.reply else None

    @property
    def addresses(self) -> list[str]:
        """The addresses that the response has."""
        return dns_addresses(self.reply) if self.reply else []

    def part(self, fields: Fields, data: bytes) -> Part | None:
        if "udp.dst" not in fields:
            return None
        return Part.REQUEST if fields["udp.dst"] == str(_PORT) else Part.REPLY

    def plain_packet(self, fields: Fields, data: bytes) -> Packet | None:
        name, is_reply = fields.get("dns.name", ""), "dns.code" in fields
        # A relay asks once for several who ask the same, and spells its replies like the first.
        shared = name.lower() == self.asked and fields.get("dns.id") == f"{self._id:#06x}"
        if name != self.name and not (is_reply and shared):
            return None
        return Packet(
            Part.REPLY if is_reply else Part.REQUEST,
            Message(N_("DNS response") if is_reply else N_("DNS query")),
            (fields["dns.id"],),
        )

    def results(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        """Return a line for every server that replied, nearest first."""
        answers: dict[object, str] = {}
        for frame in frames:
            if frame.packet and frame.packet.part is Part.REPLY and frame.sighting.outgoing:
                fields = frame.fields
                server = names.get(fields["ip.src"], fields["ip.src"])
                answer = fields["dns.answer"]
                if answer == "none":
                    answer = DNS_WORDS.get(fields["dns.code"], f"error {fields['dns.code']}")
                answers.setdefault(frame.packet.key, f"{server} answers: {answer}")
        return list(answers.values())[::-1]

    def answer(self, frames: Sequence[Frame], names: Mapping[str, str]) -> DnsAnswer | None:
        if self.reply is None:
            return None
        return DnsAnswer(names.get(self.ends.to, self.ends.to), tuple(self.addresses))
