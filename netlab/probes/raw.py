"""Another IP protocol: what NAT devices do not translate."""

from __future__ import annotations

import socket

from netlab.errors import UsageError
from netlab.messages import N_, Message
from netlab.packets import layers
from netlab.packets.filters import Wanted
from netlab.packets.frame import Fields
from netlab.packets.icmp import MARK
from netlab.packets.packet import Packet, Part
from netlab.probes.base import Ends, Probe, Receiver, received

_BEFORE = bytes(7)
"""So that, with the mark, the token stands where it does behind a UDP or ICMP header, and of what the
kernel's trace shows of a packet, it shows both."""
_THERE, _BACK = b">", b"<"


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
        self._request, self._reply = self._content(_THERE), self._content(_BACK)
        self.socket = self.open(ends.source, ends.family, socket.SOCK_RAW, self.protocol)
        there = self.open(ends.target, ends.family, socket.SOCK_RAW, self.protocol)
        self.receiver = _RawReceiver(there, ends.wait)

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.protocol)

    def send(self) -> None:
        self.socket.sendto(self._request, (self.ends.to, 0))

    def poll(self) -> None:
        if self.receiver:
            self.receiver.poll()
        for data, _ in received(self.socket):
            self.answered |= self._reply in data

    def own(self, fields: Fields, data: bytes) -> Packet | None:
        if fields.get("ip.protocol") != str(self.protocol):
            return None
        for mark, part, name in (
            (_THERE, Part.REQUEST, N_("IP protocol {number} packet")),
            (_BACK, Part.REPLY, N_("IP protocol {number} reply")),
        ):
            if mark + self.token in data:
                return Packet(part, Message(name, number=self.protocol))
        return None

    def _content(self, mark: bytes) -> bytes:
        return bytes(layers.Raw(_BEFORE + mark + self.token + MARK))


class _RawReceiver(Receiver):
    def strip(self, data: bytes) -> bytes:
        """Without the IP header, which a raw socket delivers; marked as a reply."""
        content = data[(data[0] & 0xF) * 4 :]
        return content.replace(_BEFORE + _THERE, _BEFORE + _BACK)
