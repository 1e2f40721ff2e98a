"""Routers of a route, and the largest packet that goes through."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress

from netlab.packets.frame import named_mtu
from netlab.packets.icmp import EchoRequest
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes.answers import PathMtu
from netlab.probes.base import Ends
from netlab.probes.icmp import ECHO_REPLIES, EchoProbe

_MAX_HOPS = 16
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3
_HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}
"""Bytes of the IP and the ICMP header."""
_LEAST = {socket.AF_INET: 68, socket.AF_INET6: 1280}
_CONTENT = 21
"""Bytes of token and mark."""


class RouteProbe(EchoProbe):
    """traceroute: echo requests with a TTL of 1, 2, 3, …, all at once."""

    def send(self) -> None:
        is_ipv6 = self.ends.family is socket.AF_INET6
        option = (
            (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
            if is_ipv6
            else (socket.IPPROTO_IP, socket.IP_TTL)
        )
        for hops in range(1, _MAX_HOPS + 1):
            self.socket.setsockopt(*option, hops)
            self.send_numbered(self.request, hops)

    @property
    def client_patience(self) -> float:
        """Return 5.0, as traceroute(8) does by default: -w."""
        return 5.0

    @property
    def over(self) -> bool:
        return False  # Errors may still be under way when the first reply is there.

    def decides(self, packet: Packet) -> bool:
        """Return True of ARP, and of the request with the longest life."""
        return packet.part is Part.ARP or packet.key == (str(_MAX_HOPS),)

    def results(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        lines: list[str] = []
        for hop in range(1, _MAX_HOPS + 1):
            of_hop = [frame for frame in frames if frame.packet and frame.packet.key == (str(hop),)]
            sent = [frame for frame in of_hop if frame.packet and frame.packet.part is Part.REQUEST]
            returned = [
                frame for frame in of_hop if frame.packet and frame.packet.part is not Part.REQUEST
            ]
            last = returned[-1] if returned and _is_back(returned[-1], self.ends) else None
            if last is None or last.packet is None:
                lines.append(f"{hop:2}  no reply")
                continue
            address = last.fields["ip.src"]
            microseconds = (last.sighting.at - sent[0].sighting.at) // 1000 if sent else 0
            line = f"{hop:2}  {address}  {names.get(address, '')}  {microseconds} µs"
            lines.append(line.replace("    ", "  "))
            if last.packet.part is Part.REPLY:
                return lines
        while len(lines) > 1 and lines[-2].endswith("no reply"):
            lines.pop()
        return lines


class MtuProbe(EchoProbe):
    """Path MTU: uncut echo requests, each as long as the last error allows; or one of a size."""

    def __init__(self, ends: Ends, size: int | None = None) -> None:
        super().__init__(ends)
        self._only_size = size
        is_ipv6 = ends.family is socket.AF_INET6
        self.socket.setsockopt(
            socket.IPPROTO_IPV6 if is_ipv6 else socket.IPPROTO_IP,
            _IPV6_MTU_DISCOVER if is_ipv6 else _IP_MTU_DISCOVER,
            _PROBE,
        )
        self.sizes: dict[int, int] = {}
        """Sequence number to bytes of the IP packet."""
        self.largest = 0
        """Bytes of the packet that was answered."""

    def send(self) -> None:
        self._send_sized(self._only_size or self._first_mtu())

    def _first_mtu(self) -> int:
        import fcntl

        request = struct.pack("16si12x", self.ends.interface.encode(), 0)
        return int(struct.unpack_from("i", fcntl.ioctl(self.socket, 0x8921, request), 16)[0])

    def _send_sized(self, size: int) -> None:
        number = len(self.sizes) + 1
        self.sizes[number] = size
        padding = bytes(max(0, size - _HEADERS[self.ends.family] - _CONTENT))
        request = EchoRequest(self.ends.family is socket.AF_INET6, padding)
        self.send_numbered(request, number)

    def take_message(self, message: bytes) -> None:
        super().take_message(message)
        mtu = named_mtu(message, 6 if self.ends.family is socket.AF_INET6 else 4)
        if message[0] in ECHO_REPLIES:
            self.largest = self.sizes.get(int.from_bytes(message[6:8]), 0)
        elif mtu is not None and self._only_size is None:
            self._try_smaller(mtu)

    def decides(self, packet: Packet) -> bool:
        """Return True of ARP, and of the last size that was tried."""
        return packet.part is Part.ARP or packet.key == (str(len(self.sizes)),)

    def _try_smaller(self, mtu: int) -> None:
        """Try again at the size that a router names, if it is smaller than all before."""
        if _LEAST[self.ends.family] <= mtu < min(self.sizes.values()):
            with suppress(OSError):  # No route any more: the journey of the last try tells why.
                self._send_sized(mtu)

    def results(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        lines = [
            f"{names.get(frame.fields['ip.src'], frame.fields['ip.src'])} says: at most "
            f"{frame.fields['icmp.mtu']} bytes"
            for frame in frames
            if frame.packet and "icmp.mtu" in frame.fields and _is_back(frame, self.ends)
        ]
        if self.largest and self._only_size is None:
            lines.append(f"path MTU: {self.largest} bytes")
        return lines

    def answer(self, frames: Sequence[Frame], names: Mapping[str, str]) -> PathMtu | None:
        return PathMtu(self.largest) if self.largest else None


def _is_back(frame: Frame, ends: Ends) -> bool:
    """Return whether the frame was seen entering the source."""
    return frame.sighting.namespace == ends.source and not frame.sighting.outgoing
