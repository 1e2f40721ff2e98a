"""Frames that a hostile machine may send, and everything that reads frames.

`python -m tests.hostile_frames 1000000 SEED` tries so many; the unit test tries a few thousand of them.
"""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Iterator
from functools import cache

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror, UDPerror, fragment
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from netlab.diagnosis import drops
from netlab.diagnosis.journey import BridgeInside, follow
from netlab.kernel.nftables.nftrace import Hit
from netlab.messages import languages
from netlab.packets import icmp
from netlab.packets.frame import Fields, decode, payload
from netlab.packets.icmp import MARK
from netlab.packets.packet import Frame
from netlab.probes.arp import ArpProbe
from netlab.probes.base import Ends, Probe
from netlab.probes.dhcp import DhcpProbe
from netlab.probes.dns import DnsProbe
from netlab.probes.icmp import EchoProbe
from netlab.probes.path import MtuProbe, RouteProbe
from netlab.probes.raw import RawProbe
from netlab.probes.tcp import TcpProbe
from netlab.probes.udp import UdpProbe
from netlab.report.pcapng import Pcapng
from netlab.report.traffic import conversation_lines, packet_lines, page
from netlab.report.traffic.one_line import summary
from netlab.traffic import packet_key
from netlab.traffic.conversations import ConversationTracker
from netlab.visible import is_visible
from tests.unit.world import CABLES, NAT_CABLE, THERE, network, sighting

TOKEN = b"\x00token\x01\x02"
MAC = "00:0c:29:00:00:01"
ETHER = Ether(src=MAC, dst="00:50:56:00:00:02")
FOUR, SIX = IP(src="10.0.0.128", dst="203.0.113.80", id=777), IPv6(src="fd00::1", dst="fd00::2")
ECHO = TOKEN + MARK
QUERY = DNS(id=7, qd=DNSQR(qname="wWw.example.com"))
REPLY = DNS(
    id=7,
    qr=1,
    qd=DNSQR(qname="wWw.example.com"),
    an=[
        DNSRR(rrname="www.example.com", type="CNAME", rdata="a.example.com"),
        DNSRR(rrname="a.example.com", rdata="203.0.113.80"),
        DNSRR(rrname="a.example.com", type="AAAA", rdata="fd00::80"),
    ],
)
OFFER = BOOTP(op=2, xid=0xABCD, yiaddr="10.0.0.128", chaddr=bytes.fromhex("000c29000001")) / DHCP(
    options=[
        ("message-type", "offer"),
        ("router", "10.0.0.2"),
        ("domain", b"a\x1b[2Jb"),
        ("lease_time", 60),
        "end",
    ]
)
SYN = TCP(sport=1025, dport=80, seq=5000, flags="S", options=[("MSS", 1460), ("NOP", None)])
DATA = TCP(sport=1025, dport=80, seq=5001, ack=9, flags="PA")
QUOTED_TCP = IPerror(src="10.0.0.128", dst="203.0.113.80") / TCPerror(sport=1, dport=2, seq=5000)
QUOTED_UDP = IPerror(src="10.0.0.128", dst="203.0.113.80") / UDPerror(sport=4000, dport=53, len=8)
OPTIONS = IP(src="10.0.0.128", dst="203.0.113.80", options=Raw(b"\x07\x07\x04\0\0\0\0\0"))
PIECES = fragment(FOUR.copy() / UDP(sport=5, dport=6) / Raw(bytes(1000)), 600)


def packets() -> Iterator[Packet]:
    """A whole one of every kind that the project knows."""
    four, is_ipv6 = ETHER / FOUR, ETHER / SIX
    yield from (four / ICMP(id=7, seq=3) / ECHO, four / ICMP(type=0, id=7, seq=3) / ECHO)
    yield from (four / ICMP(type=11) / QUOTED_UDP, four / ICMP(type=3, code=13) / QUOTED_TCP)
    yield from (four / ICMP(type=3, code=4, nexthopmtu=1300) / FOUR / ICMP(id=7) / ECHO,)
    yield from (four / ICMP(type=5) / QUOTED_UDP, four / ICMP(type=13))
    for ip in (four, is_ipv6):
        yield from (ip / SYN, ip / DATA / b"hello", ip / TCP(flags="SA", seq=1, ack=5001))
        yield from (ip / TCP(flags="RA", ack=5001), ip / UDP(sport=4000, dport=7) / ECHO)
        yield from (ip / UDP(sport=4000) / QUERY, ip / UDP(sport=53, dport=4000) / REPLY)
        yield ip / UDP(sport=67, dport=68) / OFFER
        yield (
            ip
            / UDP(sport=68, dport=67)
            / BOOTP(xid=0xABCD)
            / DHCP(options=[("message-type", "discover"), "end"])
        )
    yield from (
        is_ipv6 / ICMPv6EchoRequest(id=7, data=ECHO),
        is_ipv6 / ICMPv6EchoReply(id=7, data=ECHO),
    )
    yield from (
        is_ipv6 / ICMPv6PacketTooBig() / SIX / UDP(sport=1),
        is_ipv6 / ICMPv6TimeExceeded() / SIX,
    )
    yield is_ipv6 / ICMPv6DestUnreach() / SIX / ICMPv6EchoRequest(id=7, data=ECHO)
    yield from (is_ipv6 / ICMPv6ND_NS(tgt="fd00::2"), is_ipv6 / ICMPv6ND_NA(tgt="fd00::2"))
    yield from (is_ipv6 / ICMPv6ND_RA(), is_ipv6 / IPv6ExtHdrHopByHop() / ICMPv6MLReport2())
    chain = IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(addresses=["fd00::3"]) / IPv6ExtHdrDestOpt()
    yield from (is_ipv6 / chain / SYN, is_ipv6 / chain / AH(payloadlen=4) / UDP() / b"x")
    yield from (is_ipv6 / IPv6ExtHdrFragment(m=1) / UDP(len=2000) / bytes(64),)
    yield from (is_ipv6 / IPv6ExtHdrFragment(offset=9) / bytes(64), is_ipv6 / ESP() / b"secret")
    yield from (ETHER / ARP(psrc="10.0.0.1", pdst="10.0.0.2", hwsrc=MAC),)
    yield from (ETHER / ARP(op=2, psrc="203.0.113.80"), ETHER / ARP(op=9))
    yield from (ETHER / OPTIONS / DATA, ETHER / OPTIONS / ICMP(id=7) / ECHO)
    yield from (ETHER / piece for piece in PIECES)
    yield from (ETHER / IP(proto=47) / ECHO, ETHER / FOUR / Raw(b""), ETHER / Dot1Q() / FOUR / SYN)
    yield from (Ether(type=0x88CC) / b"lldp", Ether(type=100) / bytes(100))


@cache
def corpus() -> tuple[bytes, ...]:
    """Their bytes."""
    return tuple(bytes(packet) for packet in packets())


def cut() -> Iterator[bytes]:
    """Every one of them, at every length."""
    for whole in corpus():
        for length in range(len(whole) + 1):
            yield whole[:length]


def mutated(chance: random.Random) -> Iterator[bytes]:
    """Without end: bytes changed, put in, taken out and cut off, most of them in headers."""
    interesting = (0, 1, 4, 5, 6, 7, 8, 15, 16, 17, 40, 44, 58, 63, 127, 128, 192, 240, 254, 255)
    while True:
        data = bytearray(chance.choice(corpus()))
        for _ in range(chance.randrange(1, 9)):
            if not data:
                break
            at = chance.randrange(min(len(data), chance.choice((40, 80, len(data)))))
            match chance.randrange(8):
                case 0:
                    del data[at : at + chance.randrange(1, 9)]
                case 1:
                    data[at:at] = chance.randbytes(chance.randrange(1, 9))
                case 2:
                    del data[at:]
                case 3:
                    other = chance.choice(corpus())
                    data[at:] = other[chance.randrange(len(other)) :]
                case 4:
                    data[at] = chance.choice(interesting)
                case _:
                    data[at] = chance.randrange(256)
        yield bytes(data)


MAP = network(
    *CABLES,
    nat_cables=[NAT_CABLE],
    macs={"sw": "00:50:56:00:00:07"},
    bridges={"pc": BridgeInside("br0", "00:50:56:00:00:09", frozenset({"eth0", "eth1"}))},
)
POINTS = THERE.split()
GROUPS = [
    set(group.split())
    for group in (
        "eth.src eth.dst",
        "arp.op arp.sender arp.sender_mac arp.target",
        "ip.src ip.dst ip.ttl ip.length ip.protocol",
        "icmp.type icmp.code",
        "icmp.id icmp.seq",
        "tcp.src tcp.dst tcp.seq tcp.ack tcp.flags tcp.length",
        "udp.src udp.dst udp.length",
        "dns.id dns.name dns.type",
        "dns.code dns.answer",
        "dhcp.xid dhcp.client",
    )
]
"""Fields that are there together or not at all."""


def probes() -> list[Probe]:
    """One of each kind, without sockets, which recognises packets of the corpus."""
    ends = Ends("lab.vm1", "lab.pc", "203.0.113.80", "eth0", MAC, "10.0.0.128")
    kinds = (
        EchoProbe,
        RouteProbe,
        MtuProbe,
        TcpProbe,
        UdpProbe,
        DnsProbe,
        DhcpProbe,
        ArpProbe,
        RawProbe,
    )
    found = []
    for kind in kinds:
        probe = kind.__new__(kind)
        Probe.__init__(probe, ends)
        probe.token, probe.sizes, probe.largest = TOKEN, {1: 1500}, 0
        probe._first, probe._own_receiver, probe.received = 5000, False, b"hello"
        probe.port, probe.own_port, probe.protocol = 7, "4000", 47
        probe.name, probe.asked, probe._id, probe._number = (
            "wWw.example.com",
            "www.example.com",
            7,
            0xABCD,
        )
        found.append(probe)
    return found


class Everything:
    """Everything that reads frames, fed with one after the other."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000_000
        self.tracker = ConversationTracker(lambda: MAP, ("arp", "ndp", "dhcp", "other"))
        self.traffic = page.Traffic(lambda event, data: json.dumps(data) and None)
        self.probes = probes()
        self.file = Pcapng(io.BytesIO())

    def read(self, data: bytes, length: int) -> None:
        """Raises whatever it is that must not be raised."""
        fields = decode(data, length)
        check(fields)
        payload(data)
        packet_key.identify(data, length)
        for part in (data, data[14:], data[34:], data[54:]):
            icmp.read_ipv4_packet(part)
            icmp.read_ipv6_message(part, "fd00::1")
            icmp.echo(part, True)
            icmp.echo(part, False)
        hit = Hit("lab.sw", "bridge filter", "a rule", True, data[:60])
        drops.is_about_neighbours(drops.fields_of(hit))
        drops.unheard([hit])
        self.see(data, length, fields)
        self.tell(fields)

    def see(self, data: bytes, length: int, fields: Fields) -> None:
        """At some points of the lab, by everybody who looks."""
        seen = []
        for point in POINTS[: 1 + self.now % len(POINTS)]:
            self.now += 1_000_003
            if self.now % 5 == 0:
                point = point.replace("<", "x")
            seen.append(sighting(point, self.now, data, length))
        self.tracker.take(seen)
        for first in seen[:1]:
            assert all(map(is_visible, packet_lines._text(first)))
            json.loads(packet_lines._document(first))
            self.file.packet("vm1.eth0", first.at, data, outgoing=True, length=length)
        for probe in self.probes:
            probe.part(decode(data[:54], 1 << 16), data[:54])
            if packet := probe.packet(fields, data):
                frames = [Frame(one, packet, fields) for one in seen]
                follow(frames, MAP)
                assert all(map(is_visible, "".join(probe.results(frames, {}))))

    def tell(self, fields: Fields) -> None:
        """What is told of it, and of what has come to its end."""
        for language in languages():
            assert all(map(is_visible, summary(fields, language)))
        for told in self.tracker.ended(self.now):
            assert all(map(is_visible, conversation_lines.line(told, {})))
            json.dumps(conversation_lines.document(told, {}))
            self.traffic.add(page.journey(told, {}, "lab"), sum(told.packets))


def check(fields: Fields) -> None:
    """That each header is there as a whole or not at all, and that all of it can be shown."""
    for group in GROUPS:
        there = group & fields.keys()
        assert there in (set(), group), (there, fields)
    assert all(isinstance(value, str) and all(map(is_visible, value)) for value in fields.values())
    if not any(name.startswith(("ip.", "arp.")) for name in fields):
        assert packet_key._kind(fields) == "other"


def main(count: int, seed: int) -> None:
    """Try so many frames; the seed and the frame are said of one that is not survived."""
    chance, everything = random.Random(seed), Everything()
    frames = mutated(chance)
    for number in range(count):
        data = next(frames)
        length = len(data) + chance.choice((0, 0, 0, 1400, -14))
        try:
            everything.read(data, max(length, 0))
        except Exception:
            print(f"frame {number} of seed {seed}: {data.hex()}")
            raise


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
