"""Other IP protocols, which NAT devices do not translate."""

from __future__ import annotations

import socket

from netlab.errors import UsageError
from netlab.messages import N_, Message
from netlab.packets import layers
from netlab.packets.filters import PacketPattern
from netlab.packets.frame import Fields
from netlab.packets.icmp import MARK
from netlab.packets.packet import Packet, Part
from netlab.probes.base import Ends, Probe, Receiver, received

_PADDING = bytes(7)
"""Padding: with it and the mark, the token stands at the offset that it has behind a UDP or ICMP header,
and both are in the part of a packet that the kernel's trace shows."""
_REQUEST_MARK, _REPLY_MARK = b">", b"<"


class RawProbe(Probe):
    """A packet of any IP protocol, sent back by netlab's own receiver at the target."""

    def __init__(self, ends: Ends, protocol: int | None) -> None:
        super().__init__(ends)
        if ends.target is None:
            raise UsageError(
                f"{ends.to} is no machine of the lab, so netlab cannot listen there",
                "name a node",
            )
        if ends.family is socket.AF_INET6:
            raise UsageError("raw probes are IPv4's", "name an IPv4 address")
        self.protocol = protocol or 0
        self._request, self._reply = self._content(_REQUEST_MARK), self._content(_REPLY_MARK)
        self.socket = self.open(ends.source, ends.family, socket.SOCK_RAW, self.protocol)
        sock = self.open(ends.target, ends.family, socket.SOCK_RAW, self.protocol)
        self.receiver = _RawReceiver(sock, ends.wait)

    @property
    def pattern(self) -> PacketPattern:
        return PacketPattern(self.protocol)

    def send(self) -> None:
        self.socket.sendto(self._request, (self.ends.to, 0))

    def poll(self) -> None:
        if self.receiver:
            self.receiver.poll()
        for data, _ in received(self.socket):
            self.answered |= self._reply in data

    def plain_packet(self, fields: Fields, data: bytes) -> Packet | None:
        if fields.get("ip.protocol") != str(self.protocol):
            return None
        for mark, part, name in (
            (_REQUEST_MARK, Part.REQUEST, N_("IP protocol {number} packet")),
            (_REPLY_MARK, Part.REPLY, N_("IP protocol {number} reply")),
        ):
            if mark + self.token in data:
                return Packet(part, Message(name, number=self.protocol))
        return None

    def _content(self, mark: bytes) -> bytes:
        return bytes(layers.Raw(_PADDING + mark + self.token + MARK))


class _RawReceiver(Receiver):
    def strip(self, data: bytes) -> bytes:
        """Return the packet without the IP header, which a raw socket delivers; marked as a reply."""
        content = data[(data[0] & 0xF) * 4 :]
        return content.replace(_PADDING + _REQUEST_MARK, _PADDING + _REPLY_MARK)
