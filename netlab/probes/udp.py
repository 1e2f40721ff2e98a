"""UDP: a datagram and its reply."""

from __future__ import annotations

import socket
from contextlib import suppress

from netlab.errors import UsageError
from netlab.messages import Message
from netlab.packets import layers
from netlab.packets.filters import PacketPattern
from netlab.packets.frame import Fields, payload
from netlab.packets.icmp import MARK
from netlab.packets.packet import Packet, Part
from netlab.probes.base import Ends, Probe, Receiver


class UdpProbe(Probe):
    """A datagram with the token, to a port; without one, to netlab's own receiver."""

    def __init__(self, ends: Ends, port: int | None) -> None:
        super().__init__(ends)
        self._datagram = bytes(layers.Raw(self.token + MARK))
        if port is None:
            port = self._listen()
        self.port: int = port
        self.received: bytes | None = None
        self.socket = self.open(ends.source, ends.family, socket.SOCK_DGRAM)
        self.open_to_all(self.socket)
        if ends.to_all:  # Who replies does so from an address of its own.
            self.socket.bind(("", 0))
        else:
            self.bind(self.socket)
            self.socket.connect_ex((ends.to, port))
        self.own_port = str(self.socket.getsockname()[1])

    def _listen(self) -> int:
        if self.ends.target is None:
            raise UsageError(
                f"{self.ends.to} is no machine of the lab, so netlab cannot listen there",
                "name a port: udp:53",
            )
        sock = self.open(self.ends.target, self.ends.family, socket.SOCK_DGRAM)
        sock.bind(("", 0))
        self.receiver = Receiver(sock, self.ends.wait)
        return int(sock.getsockname()[1])

    @property
    def over(self) -> bool:
        return self.answered and not self.ends.to_all  # Others may reply too.

    @property
    def client_patience(self) -> float:
        """Return 5.0, as what asks by UDP most, a resolver, waits: resolv.conf(5), timeout."""
        return 5.0 + self.ends.wait

    @property
    def pattern(self) -> PacketPattern:
        return PacketPattern(socket.IPPROTO_UDP)

    def send(self) -> None:
        # Not connected if there was no route; the kernel says so now.
        self.socket.sendto(self._datagram, (self.ends.to, self.port))

    def poll(self) -> None:
        if self.receiver:
            self.receiver.poll()
        with suppress(OSError):  # Nothing yet, or an ICMP error, which the journey tells of.
            self.received = self.socket.recv(1 << 16)
            self.answered = self.receiver is None or self.received == self._datagram

    def plain_packet(self, fields: Fields, data: bytes) -> Packet | None:
        if "udp.src" not in fields:
            return None
        ports = (fields["udp.src"], fields["udp.dst"])
        # NAT changes one of the two; an echo service may answer from a third.
        is_reply = ports[0] == str(self.port) or ports[1] == self.own_port
        if self.token in data and (not is_reply or self.own_port == ports[0]):
            return Packet(Part.REQUEST, Message("UDP datagram"))
        if self.token in data or (self.received and payload(data) == self.received):
            return Packet(Part.REPLY, Message("UDP reply"))
        return None
