"""ARP: the owner of an address, and whether there is more than one."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from netlab.errors import UsageError
from netlab.messages import Message
from netlab.packets import layers
from netlab.packets.filters import arp_from
from netlab.packets.frame import Fields, decode
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes.answers import MacOwners
from netlab.probes.base import Ends, Probe, received

_BROADCAST = "ff:ff:ff:ff:ff:ff"
_ETH_P_ARP = socket.htons(0x0806)


class ArpProbe(Probe):
    """A request to all machines on the network of one interface."""

    def __init__(self, ends: Ends) -> None:
        super().__init__(ends)
        if ends.family is socket.AF_INET6:
            raise UsageError("ARP is IPv4's", "name an IPv4 address")
        request = layers.Ether(dst=_BROADCAST, src=ends.mac) / layers.ARP(
            op="who-has", hwsrc=ends.mac, psrc=ends.address or "0.0.0.0", pdst=ends.to
        )
        self._request = bytes(request)
        kind = socket.AF_PACKET, socket.SOCK_RAW, _ETH_P_ARP
        self.socket = self.open(ends.source, *kind, program=arp_from(ends.to))

    @property
    def matches(self) -> tuple[str, ...]:
        return ()  # ARP does not meet the rules of the inet family.

    @property
    def client_patience(self) -> float:
        """Return 1.0: arping(8) and the kernel ask again then (RFC 4861, 10: RETRANS_TIMER is the same)."""
        return 1.0

    @property
    def over(self) -> bool:
        return False  # A second machine may answer too.

    def send(self) -> None:
        self.socket.sendto(self._request, (self.ends.interface, 0))

    def poll(self) -> None:
        for data, _ in received(self.socket):
            packet = self.packet(decode(data), data)
            self.answered |= packet is not None and packet.part is Part.REPLY

    def plain_packet(self, fields: Fields, data: bytes) -> Packet | None:
        ends = self.ends
        is_ours = (fields.get("arp.sender_mac"), fields.get("arp.target")) == (ends.mac, ends.to)
        if fields.get("arp.op") == "request" and is_ours:
            return Packet(Part.REQUEST, Message("ARP request"))
        is_reply = fields.get("arp.op") == "reply" and fields["arp.sender"] == ends.to
        if is_reply and fields["eth.dst"] == ends.mac:
            return Packet(Part.REPLY, Message("ARP reply"), (fields["arp.sender_mac"],))
        return None

    def results(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        macs = _replying(frames)
        return [f"{self.ends.to} is at {mac} {names.get(mac, '')}".rstrip() for mac in macs]

    def answer(self, frames: Sequence[Frame], names: Mapping[str, str]) -> MacOwners | None:
        macs = _replying(frames)
        return MacOwners(tuple(names.get(mac, mac) for mac in macs)) if macs else None


def _replying(frames: Sequence[Frame]) -> list[str]:
    """Return the MAC addresses of those who replied, each once."""
    replies = (frame for frame in frames if frame.packet and frame.packet.part is Part.REPLY)
    return list(dict.fromkeys(frame.fields["arp.sender_mac"] for frame in replies))
