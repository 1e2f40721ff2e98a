"""Frames, read by struct: the fields of those that scapy builds; and nothing makes it fail."""

from __future__ import annotations

import random
import time
from itertools import chain

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror, fragment
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet as Built
from scapy.packet import Raw

from netlab.packets.frame import decode, dhcp_options, named_mtu, payload
from netlab.packets.packet import Frame, Packet, Part
from netlab.packets.tap import Sighting
from netlab.probes.base import Ends
from netlab.probes.dhcp import DhcpProbe
from netlab.probes.path import MtuProbe
from netlab.report.traffic.one_line import summary
from tests import hostile_frames

ETHER = Ether(src="00:0c:29:00:00:01", dst="00:50:56:00:00:02")
FOUR = IP(src="10.0.0.128", dst="203.0.113.80", ttl=63, id=777, flags="DF")
SIX = IPv6(src="fd00::1", dst="fd00::2", hlim=64)
QUESTION = DNS(id=0x9FC3, qd=DNSQR(qname="wWw.example.com"))
REPLY = DNS(
    id=0x9FC3,
    qr=1,
    qd=DNSQR(qname="www.example.com"),
    an=[
        DNSRR(rrname="www.example.com", type="CNAME", rdata="a.example.com"),
        DNSRR(rrname="a.example.com", rdata="203.0.113.80"),
        DNSRR(rrname="a.example.com", type="AAAA", rdata="fd00::80"),
    ],
)
OFFER = BOOTP(op=2, xid=0xABCD, yiaddr="10.0.0.128", chaddr=bytes.fromhex("000c29000001")) / DHCP(
    options=[("message-type", "offer"), ("router", "10.0.0.2"), "end"]
)
LOST = IP(src="10.0.0.2", dst="10.0.0.128") / ICMP(type=11, code=0)
QUOTED = IPerror(src="10.0.0.128", dst="203.0.113.80") / UDPerror(sport=4000, dport=53, len=8)

SECONDS, LEAST = 4.0, 9000
"""For how long hostile frames are tried, and how many at least: all that are only cut."""

CORPUS = {
    "echo": ETHER / FOUR / ICMP(id=0xFE07, seq=3) / b"token",
    "reply": ETHER / FOUR / ICMP(type=0, id=0xFE07, seq=3) / b"token",
    "error": ETHER / LOST / QUOTED,
    "too big": ETHER / IP() / ICMP(type=3, code=4, nexthopmtu=1300) / QUOTED,
    "syn": ETHER
    / FOUR
    / TCP(sport=1025, dport=80, seq=(1 << 32) - 1, flags="S", options=[("MSS", 1460)]),
    "data": ETHER / FOUR / TCP(sport=1025, dport=80, seq=5, ack=9, flags="PA") / b"hello",
    "udp": ETHER / FOUR / UDP(sport=4000, dport=7) / b"hello",
    "dns query": ETHER / FOUR / UDP(sport=4000, dport=53) / QUESTION,
    "dns answer": ETHER / FOUR / UDP(sport=53, dport=4000) / REPLY,
    "no name": ETHER / FOUR / UDP(sport=53, dport=4000) / DNS(qr=1, rcode=3, qd=DNSQR(qname="x.y")),
    "dhcp": ETHER / IP(src="10.0.0.254") / UDP(sport=67, dport=68) / OFFER,
    "arp": ETHER / ARP(op=1, hwsrc="00:0c:29:00:00:01", psrc="10.0.0.1", pdst="10.0.0.2"),
    "arp reply": ETHER / ARP(op=2, hwsrc="00:0c:29:00:00:01", psrc="10.0.0.1", pdst="10.0.0.2"),
    "other protocol": ETHER / IP(proto=47, src="10.0.0.1", dst="10.0.0.2") / Raw(b"12345678"),
    "ipv6 echo": ETHER / SIX / ICMPv6EchoRequest(id=7, seq=1, data=b"token"),
    "ipv6 too big": ETHER / SIX / ICMPv6PacketTooBig(mtu=1280) / SIX / UDP(sport=1, dport=2),
    "ndp": ETHER / SIX / ICMPv6ND_NS(tgt="fd00::2"),
    "ndp reply": ETHER / SIX / ICMPv6ND_NA(tgt="fd00::2"),
    "vlan": ETHER / Dot1Q(vlan=5) / FOUR / ICMP(),
    "not ip": Ether(type=0x88CC) / b"lldp",
}


def fields(name: str) -> dict[str, str]:
    return decode(bytes(CORPUS[name]))


def has(name: str, **expected: str) -> bool:
    actual = fields(name)
    return {
        key.replace("_", ".", 1): value for key, value in expected.items()
    }.items() <= actual.items()


def test_icmp():
    assert has("echo", icmp_type="8", icmp_id="0xfe07", icmp_seq="3")
    assert has("reply", icmp_type="0", icmp_id="0xfe07")
    assert has("ipv6 echo", icmp_type="128", icmp_id="0x0007", icmp_seq="1")


def test_an_error_quotes_the_packet_that_it_is_about():
    assert has("error", icmp_type="11", icmp_code="0")
    quoted = {k.removeprefix("quoted."): v for k, v in fields("error").items() if k[:2] == "qu"}
    assert (quoted["ip.src"], quoted["ip.dst"]) == ("10.0.0.128", "203.0.113.80")
    assert (quoted["udp.src"], quoted["udp.dst"]) == ("4000", "53")
    assert fields("too big")["icmp.mtu"] == "1300"
    assert fields("ipv6 too big")["icmp.mtu"] == "1280"
    assert fields("ipv6 too big")["quoted.udp.dst"] == "2"


def test_only_what_names_an_mtu_is_told_to():
    """By six it has four bytes; and other errors have something else there."""
    probe = MtuProbe.__new__(MtuProbe)
    probe.ends, probe.largest = Ends("n", None, "fd00::2", "eth0", "", ""), 0
    too_big = ETHER / SIX / ICMPv6PacketTooBig(mtu=70000) / SIX
    strange = ETHER / SIX / ICMPv6ParamProblem(ptr=1400) / SIX
    frames = []
    for packet in (too_big, strange):
        data = bytes(packet)
        sighting = Sighting(0, "n", "eth0", False, False, data)
        frames.append(Frame(sighting, Packet(Part.ERROR, ""), decode(data)))
    assert probe.results(frames, {}) == ["fd00::1 says: at most 70000 bytes"]
    assert named_mtu(bytes(CORPUS["too big"])[34:], 4) == 1300
    assert named_mtu(bytes(CORPUS["error"])[34:], 4) is None


def test_a_type_of_service_is_there_if_it_is_not_the_usual_one():
    plain, served = IP(dst="10.0.0.1") / UDP(), IP(dst="10.0.0.1", tos=0x10) / UDP()
    read = [decode(bytes(Ether() / packet)) for packet in (plain, served, IPv6(tc=0x2C) / UDP())]
    assert [fields.get("ip.tos") for fields in read] == [None, "0x10", "0x2c"]


def test_dns():
    assert has("dns query", dns_id="0x9fc3", dns_name="wWw.example.com", dns_type="1")
    assert "dns.code" not in fields("dns query")
    assert has("dns answer", dns_code="0", dns_answer="203.0.113.80 fd00::80")
    assert has("no name", dns_code="3", dns_answer="none", dns_name="x.y")


def test_dns_names_that_point_to_others():
    """As servers send them: the replies' names are pointers to the question's."""
    question = bytes(REPLY)[:12] + b"\3www\2ex\0" + b"\0\1\0\1"
    record = b"\xc0\x0c" + b"\0\1\0\1" + bytes(4) + b"\0\4" + bytes([203, 0, 113, 80])
    message = question[:6] + b"\0\1" + question[8:12] + question[12:] + record
    decoded = decode(bytes(ETHER / FOUR / UDP(sport=53, dport=9) / Raw(message)))
    assert (decoded["dns.name"], decoded["dns.answer"]) == ("www.ex", "203.0.113.80")


def test_dhcp():
    assert has("dhcp", dhcp_xid="0x0000abcd", dhcp_client="00:0c:29:00:00:01", dhcp_type="offer",
               dhcp_address="10.0.0.128")  # fmt: skip


def test_arp_and_neighbour_discovery():
    assert has("arp", arp_op="request", arp_sender="10.0.0.1", arp_target="10.0.0.2")
    assert has("arp reply", arp_op="reply", arp_sender_mac="00:0c:29:00:00:01")
    assert has("ndp", arp_op="request", arp_sender="fd00::1", arp_target="fd00::2")
    assert has("ndp reply", arp_op="reply", arp_sender="fd00::2", arp_target="fd00::2")


def test_only_the_first_fragment_has_ports():
    first, second = fragment(FOUR.copy() / UDP(sport=5, dport=6) / Raw(bytes(1000)), 600)
    assert decode(bytes(ETHER / first))["udp.dst"] == "6"
    later = decode(bytes(ETHER / second))
    assert later["ip.protocol"] == "17"
    assert "udp.dst" not in later


def test_the_payload_is_what_is_behind_the_last_header():
    assert payload(bytes(CORPUS["udp"])) == b"hello"
    assert payload(bytes(CORPUS["data"])) == b"hello"
    assert payload(bytes(CORPUS["echo"])).endswith(b"token")
    assert payload(bytes(CORPUS["arp"])) == b""
    assert payload(bytes(CORPUS["udp"]) + b"\0" * 14) == b"hello"  # Ethernet's padding.


def test_what_is_cut_off_has_fewer_fields_and_no_other():
    for name, packet in CORPUS.items():
        whole, full = bytes(packet), fields(name)
        for length in range(len(whole)):
            decoded = decode(whole[:length], len(whole))
            shortened = {"malformed", "dns.answer", "dhcp.type"}
            assert all(
                full.get(key) == value
                for key, value in decoded.items()
                if key.split("quoted.")[-1] not in shortened
            ), (name, length)


WIRE = bytes(CORPUS["syn"])


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (WIRE[:7], "Ethernet header cut after 7 of 14 bytes"),
        (WIRE[:14], "IPv4 header cut after 0 of 20 bytes"),
        (WIRE[:33], "IPv4 header cut after 19 of 20 bytes"),
        (WIRE[:14] + b"\x4f" + WIRE[15:], "IPv4 header cut after 44 of 60 bytes"),
        (WIRE[:14] + b"\x44" + WIRE[15:], "IPv4 header says that it has 16 bytes"),
        (WIRE[:14] + b"\x65" + WIRE[15:], "IPv4 header says that it is version 6"),
        (WIRE[:16] + b"\0\x13" + WIRE[18:], "IPv4 packet says that it has 19 bytes"),
        (WIRE[:16] + b"\5\xdc" + WIRE[18:], "IPv4 packet cut after 44 of 1500 bytes"),
        (IP(proto=6) / Raw(WIRE[34:42]), "TCP header cut after 8 of 20 bytes"),
        (IP(proto=6) / Raw(WIRE[34:54]), "TCP header cut after 20 of 24 bytes"),
        (IPv6(nh=6) / Raw(WIRE[34:46]), "TCP header cut after 12 of 20 bytes"),
        (WIRE[:46] + b"\x40" + WIRE[47:], "TCP header says that it has 16 bytes"),
        (IP(proto=17) / Raw(b"1234567"), "UDP header cut after 7 of 8 bytes"),
        (IP() / UDP(len=7) / b"x", "UDP datagram says that it has 7 bytes"),
        (IP() / UDP(len=100) / b"x", "UDP datagram cut after 9 of 100 bytes"),
        (IP(proto=1) / Raw(b"\x08\0\0"), "ICMP header cut after 3 of 8 bytes"),
        (IPv6(nh=58) / Raw(b"\x87\0\0\0\0\0\0\0"), "ICMPv6 message cut after 8 of 24 bytes"),
        (IPv6(nh=0) / Raw(b"\x06\x09" + bytes(14)), "IPv6 extension header cut after 16 of 80 bytes"),
        (IPv6(nh=60) / Raw((b"\x3c\0" + bytes(6)) * 20), "more than 16 IPv6 extension headers"),
        (IPv6(plen=900, nh=59), "IPv6 packet cut after 40 of 940 bytes"),
        (bytes(CORPUS["arp"])[:40], "ARP message cut after 26 of 28 bytes"),
        (ARP(hwlen=8), "ARP message with addresses of 8 and 4 bytes"),
        (IP() / UDP(dport=53) / Raw(b"\0" * 11), "DNS header cut after 11 of 12 bytes"),
        (IP() / UDP(dport=53) / Raw(bytes(QUESTION)[:20]), "DNS question cut off"),
        (IP() / UDP(dport=53) / DNS(qd=DNSQR(qname="a." * 200)), "DNS question cut off"),
        (IP() / UDP(sport=53) / Raw(bytes(REPLY)[:-1]), "DNS response cut off"),
        (IP() / UDP(sport=68, dport=67) / Raw(bytes(OFFER)[:200]), "DHCP header cut after 200 of 236 bytes"),
        (IP() / ICMP(type=3) / Raw(b"\x45rubbish"), None),
    ],
)  # fmt: skip
def test_a_header_that_is_there_in_part_or_lies_is_said_to(frame, reason):
    if isinstance(frame, Built):
        frame = bytes(frame if Ether in frame else Ether() / frame)
    decoded = decode(frame)
    assert decoded.get("malformed") == reason
    assert reason is None or summary(decoded).endswith(reason)
    assert "malformed" not in decode(bytes(CORPUS["syn"]))


def test_what_an_error_quotes_may_end_behind_the_ports():
    for length in range(8):
        quoted = Raw(bytes(FOUR / TCP(dport=80))[: 20 + length])
        decoded = decode(bytes(ETHER / LOST.copy() / quoted))
        assert decoded["quoted.malformed"] == f"TCP header cut after {length} of 20 bytes"
        assert "quoted.tcp.dst" not in decoded
    decoded = decode(bytes(ETHER / LOST.copy() / Raw(bytes(FOUR / TCP(dport=80, seq=5))[:28])))
    assert (decoded["quoted.tcp.dst"], decoded["quoted.tcp.seq"]) == ("80", "5")
    assert not {"quoted.tcp.ack", "quoted.malformed"} & decoded.keys()


def test_what_a_capture_has_cut_off_counts_and_is_not_called_wrong():
    whole = bytes(ETHER / FOUR / TCP(seq=7, options=[("MSS", 1460)]) / bytes(5000))
    for length in (54, 58, 160, len(whole)):
        assert decode(whole[:length], len(whole)) == decode(whole)
    assert decode(whole[:160])["malformed"] == "IPv4 packet cut after 146 of 5044 bytes"


def test_icmp_of_the_other_version_is_none():
    assert "icmp.type" not in decode(bytes(ETHER / IP(proto=58) / Raw(b"\x87" + bytes(30))))
    assert "icmp.type" not in decode(bytes(ETHER / IPv6(nh=1) / ICMP()))


def test_a_fragment_is_said_to_be_one():
    first, second = fragment(FOUR.copy() / UDP(sport=5, dport=53) / Raw(bytes(1000)), 600)
    tellings = [summary(decode(bytes(ETHER / packet))) for packet in (first, second)]
    assert tellings[0].endswith("UDP 1000 bytes; fragment from byte 0 on")
    assert tellings[1].endswith("protocol 17; fragment from byte 600 on")
    later = decode(bytes(Ether() / IPv6() / IPv6ExtHdrFragment(offset=9, nh=17) / bytes(8)))
    assert (later["ip.protocol"], later["ip.fragment"]) == ("17", "72")


def test_behind_extension_headers_of_ipv6_stands_what_they_lead_to():
    chain = IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(m=1)
    decoded = decode(bytes(Ether() / IPv6() / chain / TCP(dport=80) / b"abc"))
    assert (decoded["ip.protocol"], decoded["tcp.dst"], decoded["tcp.length"]) == ("6", "80", "3")


def test_a_dns_name_is_written_as_in_master_files():
    """A dot in a label, and what a terminal would obey."""
    name = b"\7www.\x1b[m\2\\ \0"
    message = bytes(QUESTION)[:12] + name + b"\0\1\0\1"
    decoded = decode(bytes(ETHER / FOUR / UDP(dport=53) / Raw(message)))
    assert decoded["dns.name"] == r"www\.\027[m.\\\032"
    many = [DNSRR(rrname="x", rdata=f"10.0.0.{n}") for n in range(99)]
    answer = DNS(qr=1, qd=DNSQR(qname="x"), an=many)
    shown = decode(bytes(ETHER / FOUR / UDP(sport=53) / answer))["dns.answer"].split()
    assert (len(shown), shown[-1]) == (17, "…")


def test_no_frame_makes_anything_fail():
    """Every kind of frame at every length, and bytes changed, put in and taken out."""
    everything, chance = hostile_frames.Everything(), random.Random(4)
    until = time.monotonic() + SECONDS
    for number, frame in enumerate(chain(hostile_frames.cut(), hostile_frames.mutated(chance))):
        everything.read(frame, len(frame) + 1400 * (number % 3))
        if number > LEAST and time.monotonic() > until:
            break


def test_dhcp_options_that_are_cut_off_are_left_out():
    assert list(dhcp_options(b"\x35\1\2\0\0\3\4abcd\x06\4ab")) == [(53, b"\2"), (3, b"abcd")]
    assert list(dhcp_options(b"\x35")) == []
    assert list(dhcp_options(b"\x35\1\2\xff\3\1a")) == [(53, b"\2")]


@pytest.mark.parametrize(
    "option", [b"\3\3abc", b"\x06\0", b"\x33\0", b"\x0f\1\xff", b"\x36\x05abcde"]
)
def test_an_offer_of_nonsense_is_no_traceback(option):
    """As a rogue server may send it."""
    whole = bytes(CORPUS["dhcp"])
    at = whole.index(b"\x63\x82\x53\x63") + 4
    message = whole[42:at] + b"\x35\1\2" + option + b"\xff"
    data = bytes(ETHER / IP(src="10.0.0.254") / UDP(sport=67, dport=68) / Raw(message))
    probe = DhcpProbe.__new__(DhcpProbe)
    probe.ends, probe._number = Ends("n", None, "", "eth0", "00:0c:29:00:00:01", ""), 0xABCD
    decoded = decode(data)
    packet = probe.packet(decoded, data)
    sighting = Sighting(0, "n", "eth0", False, False, data)
    assert probe.results([Frame(sighting, packet, decoded)], {})[-1] == "1 server answered"
