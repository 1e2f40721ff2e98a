"""DHCP: the offers of all servers, none of which is taken."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address

from netlab.kernel.state.sockets import has_udp_port
from netlab.packets import layers
from netlab.packets.filters import PacketPattern, probe_filter
from netlab.packets.frame import DHCP_OPTIONS, Fields, decode, dhcp_name, dhcp_options, payload
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes.answers import DhcpOffer, DhcpOffers
from netlab.probes.base import Ends, Probe, received
from netlab.visible import visible

_BROADCAST = "ff:ff:ff:ff:ff:ff"
_ETH_P_IP = socket.htons(0x0800)
_SERVER_PORT = "67"
_PORTS = (67, 68)
_ETHERNET = b"\1"
"""The type of address that a client's identifier begins with (RFC 2132, 9.14)."""
_XID_AT = 8 * 8 + 4 * 8
"""Offset in bits from the UDP header on."""
_MASK, _ROUTER, _DNS, _SERVER = 1, 3, 6, 54
_LEASE_SECONDS = 51
_LATE_SECONDS = 2.5
"""Time for a server that is to let others be first: the longest `delay`, and half a second."""
_DOMAIN = 15


class DhcpProbe(Probe):
    """A DISCOVER with the interface's MAC and identifier, as the lab's clients send it; no offer is accepted.

    Like udhcpc's, it asks for a reply to that MAC address, and for none to everybody: a switch that
    does not let such frames through keeps the address from both.
    """

    def __init__(self, ends: Ends) -> None:
        super().__init__(ends)
        self._servers: set[str] = set()
        self._offering: set[str] = set()
        self._number = secrets.randbits(32)
        self.token = self._number.to_bytes(4)
        self._discover = _discover(ends, self._number)
        kind = socket.AF_PACKET, socket.SOCK_RAW, _ETH_P_IP
        self.socket = self.open(ends.source, *kind, program=probe_filter(self.pattern))

    @property
    def matches(self) -> tuple[str, ...]:
        return (f"@th,{_XID_AT},32 {self._number:#x}",)

    @property
    def pattern(self) -> PacketPattern:
        return PacketPattern(socket.IPPROTO_UDP, ports=_PORTS)

    @property
    def over(self) -> bool:
        return False  # A second server may answer too.

    @property
    def patience(self) -> float:
        # dnsmasq pings an address for 3 s before it offers it, and may be told to let another be first.
        if self._servers and not self.answered:
            return 3.5
        return _LATE_SECONDS if len(self._offering) < len(self._servers) else 0.5

    @property
    def client_patience(self) -> float:
        """Return 3.0: busybox udhcpc, -T, the lab's client, asks again then."""
        return 3.0

    def note_reached(self, namespace: str) -> None:
        if has_udp_port(namespace, int(_SERVER_PORT)):
            self._servers.add(namespace)

    def send(self) -> None:
        self.socket.sendto(self._discover, (self.ends.interface, 0))

    def poll(self) -> None:
        for data, _ in received(self.socket):
            packet = self.packet(decode(data), data)
            if packet and packet.part is Part.REPLY:
                self.answered = True
                self._offering.add(str(packet.key))

    def part(self, fields: Fields, data: bytes) -> Part | None:
        if "udp.dst" not in fields:
            return None
        return Part.REQUEST if fields["udp.dst"] == _SERVER_PORT else Part.REPLY

    def plain_packet(self, fields: Fields, data: bytes) -> Packet | None:
        if fields.get("dhcp.xid") != f"{self._number:#010x}":
            return None
        if fields.get("dhcp.type") == "discover":
            return Packet(Part.REQUEST, dhcp_name("discover"))
        return Packet(Part.REPLY, dhcp_name(fields.get("dhcp.type", "reply")), (fields["ip.src"],))

    def results(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        """Return a line for each offer, and how many servers there are."""
        offers, arrived = _first_of_each(frames), _first_of_each(filter(self._is_home, frames))
        servers = f"{len(offers)} server" + "s" * (len(offers) != 1)
        lost = f", {len(offers) - len(arrived)} in vain" * (len(arrived) < len(offers))
        lines = [_line(_read(frame, names)) for frame in offers.values()]
        return [*lines, f"{servers} answered{lost}"]

    def answer(self, frames: Sequence[Frame], names: Mapping[str, str]) -> DhcpOffers | None:
        arrived = _first_of_each(filter(self._is_home, frames)).values()
        return DhcpOffers(tuple(_read(frame, names) for frame in arrived)) if arrived else None

    def _is_home(self, frame: Frame) -> bool:
        return frame.sighting.namespace == self.ends.source and not frame.sighting.foreign


def _first_of_each(frames: Iterable[Frame]) -> dict[object, Frame]:
    """Return the first sighting of each reply."""
    replies: dict[object, Frame] = {}
    for frame in frames:
        if frame.packet and frame.packet.part is Part.REPLY:
            replies.setdefault(frame.packet.key, frame)
    return replies


def _discover(ends: Ends, number: int) -> bytes:
    """Build the frame."""
    hardware = bytes.fromhex(ends.mac.replace(":", ""))
    client_id = bytes.fromhex(ends.client_id.replace(":", "")) or _ETHERNET + hardware
    options = [
        ("message-type", "discover"),
        ("client_id", client_id),
        ("max_dhcp_size", 576),
        ("param_req_list", [1, 3, 6, 12, 15, 28, 42]),
        "end",
    ]
    return bytes(
        layers.Ether(dst=_BROADCAST, src=ends.mac)
        / layers.IP(src="0.0.0.0", dst="255.255.255.255")
        / layers.UDP(sport=68, dport=67)
        / layers.BOOTP(chaddr=hardware, xid=number)
        / layers.DHCP(options=options)
    )


def _read(frame: Frame, names: Mapping[str, str]) -> DhcpOffer:
    """Return what an offer says."""
    options = dict(dhcp_options(payload(frame.sighting.data)[DHCP_OPTIONS:]))

    def addresses(code: int) -> tuple[str, ...]:
        content = options.get(code, b"")
        whole = content if len(content) % 4 == 0 else b""
        return tuple(str(IPv4Address(raw)) for (raw,) in struct.iter_unpack("4s", whole))

    seconds = options.get(_LEASE_SECONDS, b"")
    return DhcpOffer(
        names.get(frame.fields["ip.src"], frame.fields["ip.src"]),
        frame.fields.get("dhcp.address", ""),
        addresses(_MASK),
        addresses(_ROUTER),
        addresses(_DNS),
        addresses(_SERVER),
        visible(options.get(_DOMAIN, b"").rstrip(b"\0").decode(errors="replace")),
        int.from_bytes(seconds) if len(seconds) == 4 else 0,
    )


def _line(offer: DhcpOffer) -> str:
    values = {
        "mask": ", ".join(offer.mask),
        "router": ", ".join(offer.router),
        "DNS": ", ".join(offer.dns),
        "server": ", ".join(offer.identifier),
        "lease": f"{offer.lease} s" if offer.lease else "",
        "domain": offer.domain,
    }
    detail = " · ".join(f"{word} {value}" for word, value in values.items() if value)
    return f"{offer.server} offers {offer.address or 'nothing'} · {detail}"
