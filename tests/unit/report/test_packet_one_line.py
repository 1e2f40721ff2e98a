"""Frames in a few words; the frames are scapy's, as an independent witness."""

from __future__ import annotations

import re

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from netlab.packets.frame import decode
from netlab.report.traffic.one_line import summary

VM, SERVER = "10.0.0.128", "203.0.113.80"
THERE = Ether(src="00:0c:29:00:00:01", dst="00:50:56:00:00:02") / IP(src=VM, dst=SERVER)
QUESTION = DNSQR(qname="www.example.com")
REPLY = DNSRR(rrname="www.example.com", rdata=SERVER)
UDP_53 = UDP(sport=4000, dport=53)

FRAMES = [
    (THERE / ICMP(id=7, seq=2), f"{VM} > {SERVER}  ICMP echo request, id 0x0007, seq 2"),
    (THERE / ICMP(type=3, code=3), f"{VM} > {SERVER}  ICMP port unreachable"),
    (THERE / ICMP(type=11), f"{VM} > {SERVER}  ICMP time exceeded"),
    (THERE / TCP(sport=40000, dport=80, flags="SA") / b"abc",
     f"{VM}:40000 > {SERVER}:80  TCP SYN ACK, 3 bytes"),
    (THERE / UDP(sport=4000, dport=9) / b"abcd", f"{VM}:4000 > {SERVER}:9  UDP 4 bytes"),
    (THERE / UDP_53 / DNS(qd=QUESTION), f"{VM}:4000 > {SERVER}:53  DNS A www.example.com?"),
    (THERE / UDP_53 / DNS(qr=1, qd=QUESTION, an=REPLY),
     f"{VM}:4000 > {SERVER}:53  DNS A www.example.com: {SERVER}"),
    (THERE / UDP_53 / DNS(qr=1, rcode=3, qd=QUESTION),
     f"{VM}:4000 > {SERVER}:53  DNS A www.example.com: NXDOMAIN"),
    (Ether() / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
     / BOOTP(chaddr=bytes.fromhex("000c29000001")) / DHCP(options=[("message-type", "discover"), "end"]),
     "0.0.0.0:68 > 255.255.255.255:67  DHCP discover, client 00:0c:29:00:00:01"),
    (Ether() / ARP(psrc=VM, pdst="10.0.0.2"), f"ARP who has 10.0.0.2? tell {VM}"),
    (Ether() / ARP(op=2, psrc="10.0.0.2", hwsrc="00:50:56:00:00:02"),
     "ARP 10.0.0.2 is at 00:50:56:00:00:02"),
    (THERE / b"" , f"{VM} > {SERVER}  protocol 0"),
    (Ether(src="00:0c:29:00:00:01", dst="ff:ff:ff:ff:ff:ff", type=0x88B5),
     "00:0c:29:00:00:01 > ff:ff:ff:ff:ff:ff"),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "words"), FRAMES, ids=[words for _, words in FRAMES])
def test_a_frame_is_told_in_a_line(frame: Packet, words: str):
    assert summary(decode(bytes(frame))) == words


NAMED = {
    "DNS",
    "SYN",
    "ACK",
    "ICMP",
    "TCP",
    "UDP",
    "DHCP",
    "ARP",
    "MAC",
    "NXDOMAIN",
    "www",
    "example",
    "com",
}


@pytest.mark.parametrize(("frame", "words"), FRAMES, ids=[words for _, words in FRAMES])
def test_in_chinese_only_names_are_left(frame: Packet, words: str):
    told = re.sub(r"(\w\w:){5}\w\w|0x\w+", "", summary(decode(bytes(frame)), "zh"))
    assert {*re.findall("[A-Za-z]{2,}", told)} <= NAMED
