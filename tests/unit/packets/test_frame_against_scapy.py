"""What `frame.decode` says of a packet is what scapy says of the same bytes.

One frame of each kind was captured on a lab (`tests/frames.py`); `tests/hostile_frames.py` makes up others.
"""

from __future__ import annotations

import pytest
from scapy.layers.dhcp import BOOTP, DHCP, DHCPTypes
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    IPerror6,
    IPv6,
    IPv6ExtHdrFragment,
    _ICMPv6,
    _IPv6ExtHdr,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, Ether
from scapy.packet import NoPayload, Packet
from scapy.utils import rdpcap

from netlab.packets.frame import Fields, decode
from tests import frames, hostile_frames

CAPTURED = [bytes(packet) for packet in rdpcap(str(frames.FILE))]
FRAMES = (*CAPTURED, *hostile_frames.corpus())
A, AAAA, UDP_NUMBER = 1, 28, 17
OPERATIONS = {1: "request", 2: "reply"}
FLAGS = {
    "F": "FIN",
    "S": "SYN",
    "R": "RST",
    "P": "PSH",
    "A": "ACK",
    "U": "URG",
    "E": "ECE",
    "C": "CWR",
}


def by_scapy(data: bytes) -> Fields:
    """The fields of a frame, as far as scapy finds their headers."""
    if len(data) < 14:
        return {}
    frame = Ether(data)
    if not isinstance(frame, Ether):  # Dot3: what is a type for one is a length for the other.
        return {"eth.src": frame.src, "eth.dst": frame.dst}
    fields = {"eth.src": frame.src, "eth.dst": frame.dst}
    inner = frame.payload
    if isinstance(inner, ARP) and (inner.hwlen, inner.plen) == (6, 4):
        fields |= {
            "arp.op": OPERATIONS.get(inner.op, str(inner.op)),
            "arp.sender": inner.psrc,
            "arp.sender_mac": inner.hwsrc,
            "arp.target": inner.pdst,
        }
    return fields | ip(inner, frame.src)


def ip(packet: Packet, mac: str) -> Fields:
    """The fields of an IP packet and of all that it carries; none if it is no IP packet."""
    if isinstance(packet, IP):
        fields = {
            "ip.src": packet.src,
            "ip.dst": packet.dst,
            "ip.ttl": str(packet.ttl),
            "ip.id": str(packet.id),
            "ip.length": str(packet.len),
            "ip.df": str(int(packet.flags.DF)),
            "ip.protocol": str(packet.proto),
        }
        if packet.tos:
            fields["ip.tos"] = f"{packet.tos:#04x}"
        if packet.frag or packet.flags.MF:
            fields["ip.fragment"] = str(packet.frag * 8)
        size = packet.len - packet.ihl * 4
        return fields | transport(packet.payload, size, {**fields, "eth.src": mac})
    if isinstance(packet, IPv6):
        fields = {
            "ip.src": packet.src,
            "ip.dst": packet.dst,
            "ip.ttl": str(packet.hlim),
            "ip.length": str(packet.plen + 40),
            "ip.protocol": str(packet.nh),
        }
        if packet.tc:
            fields["ip.tos"] = f"{packet.tc:#04x}"
        size = packet.plen
        while is_extension(packet.payload):
            packet = packet.payload
            size -= len(packet) - len(packet.payload)
            fields["ip.protocol"] = str(packet.nh)
            if isinstance(packet, AH) and packet.nh == UDP_NUMBER:  # scapy does not read on.
                packet.payload = read(UDP, bytes(packet.payload), 8)
            if isinstance(packet, IPv6ExtHdrFragment) and (packet.offset or packet.m):
                fields["ip.fragment"] = str(packet.offset * 8)
        return fields | transport(packet.payload, size, {**fields, "eth.src": mac})
    return {}


def transport(packet: Packet, size: int, outer: Fields) -> Fields:
    """`size`: of the packet, as IP's header says."""
    if isinstance(packet, TCP):
        fields = {
            "tcp.src": str(packet.sport),
            "tcp.dst": str(packet.dport),
            "tcp.seq": str(packet.seq),
        }
        if packet.dataofs:
            fields["tcp.ack"] = str(packet.ack)
            fields["tcp.flags"] = " ".join(
                FLAGS[flag] for flag in str(packet.flags) if flag in FLAGS
            )
            fields["tcp.length"] = str(size - packet.dataofs * 4)
        return fields
    if isinstance(packet, UDP):
        fields = {
            "udp.src": str(packet.sport),
            "udp.dst": str(packet.dport),
            "udp.length": str(packet.len - 8),
        }
        return fields | dns(packet.payload) | dhcp(packet.payload)
    if isinstance(packet, ICMP):
        return icmp(packet)
    if isinstance(packet, _ICMPv6):
        return icmp6(packet, outer)
    return {}


def icmp(packet: ICMP) -> Fields:
    fields = {"icmp.type": str(packet.type), "icmp.code": str(packet.code)}
    if packet.type in (0, 8):
        fields |= {"icmp.id": f"{packet.id:#06x}", "icmp.seq": str(packet.seq)}
    if (packet.type, packet.code) == (3, 4):
        fields["icmp.mtu"] = str(packet.nexthopmtu)
    if packet.type in (3, 11, 12):
        fields |= quoted(IPerror, 20, packet)
    return fields


def icmp6(packet: _ICMPv6, outer: Fields) -> Fields:
    code = packet.fields.get("code", packet.fields.get("res"))  # Reserved, in some messages.
    fields = {"icmp.type": str(packet.type), "icmp.code": str(code)}
    if packet.type in (128, 129):
        fields |= {"icmp.id": f"{packet.id:#06x}", "icmp.seq": str(packet.seq)}
    if isinstance(packet, ICMPv6PacketTooBig):
        fields["icmp.mtu"] = str(packet.mtu)
    if packet.type in (1, 2, 3, 4):
        fields |= quoted(IPerror6, 40, packet)
    if isinstance(packet, ICMPv6ND_NS | ICMPv6ND_NA):
        asks = isinstance(packet, ICMPv6ND_NS)
        fields |= {
            "arp.op": "request" if asks else "reply",
            "arp.sender": outer["ip.src"] if asks else packet.tgt,
            "arp.sender_mac": outer["eth.src"],
            "arp.target": packet.tgt if asks else outer["ip.dst"],
        }
    return fields


def is_extension(packet: Packet) -> bool:
    """And there as a whole: of half an extension, scapy reads half."""
    match packet:
        case AH():
            size = (packet.payloadlen + 2) * 4
        case IPv6ExtHdrFragment():
            size = 8
        case _IPv6ExtHdr():
            size = (packet.len or 0) * 8 + 8
        case _:
            return False
    return len(packet.original) >= size


def quoted(kind: type[Packet], least: int, error: Packet) -> Fields:
    """Read anew: behind 128 bytes scapy sees an extension (RFC 4884) where none is said to be."""
    inner = read(kind, error.original[8:], least)
    return {f"quoted.{name}": value for name, value in ip(inner, "").items()}


def read(kind: type[Packet], data: bytes, least: int) -> Packet:
    """No packet if there is too little of its header, or of an extension's."""
    try:
        return kind(data) if len(data) >= least else NoPayload()
    except IndexError:
        return NoPayload()


def dns(packet: Packet) -> Fields:
    if not isinstance(packet, DNS) or packet.qdcount != 1:
        return {}
    question = next(iter(packet.qd), None)
    if not isinstance(question, DNSQR):  # It is cut off.
        return {}
    fields = {
        "dns.id": f"{packet.id:#06x}",
        "dns.name": question.qname.decode().removesuffix("."),
        "dns.type": str(question.qtype),
    }
    if packet.qr:
        records = [one for one in packet.an if isinstance(one, DNSRR)]
        addresses = [one.rdata for one in records if one.type in (A, AAAA)]
        fields |= {"dns.code": str(packet.rcode), "dns.answer": " ".join(addresses) or "none"}
    return fields


def dhcp(packet: Packet) -> Fields:
    if not isinstance(packet, BOOTP):
        return {}
    fields = {"dhcp.xid": f"{packet.xid:#010x}", "dhcp.client": packet.chaddr[:6].hex(":")}
    if packet.yiaddr != "0.0.0.0":
        fields["dhcp.address"] = packet.yiaddr
    options = packet.payload.options if isinstance(packet.payload, DHCP) else []
    kinds = [one[1] for one in options if one[0] == "message-type"]
    return fields | ({"dhcp.type": DHCPTypes[kinds[0]]} if kinds else {})


@pytest.mark.parametrize("data", FRAMES, ids=lambda data: Ether(data).summary()[:60])
def test_a_frame_is_read_as_scapy_reads_it(data):
    found = decode(data)
    assert {name: found[name] for name in found if "malformed" not in name} == by_scapy(data)


@pytest.mark.parametrize("data", CAPTURED, ids=lambda data: Ether(data).summary()[:60])
def test_of_a_frame_that_is_cut_off_nothing_else_is_said_than_scapy_says(data):
    for length in range(len(data)):
        part, expected = data[:length], by_scapy(data[:length])
        in_hand = decode(part)
        in_hand.pop(
            "tcp.length", None
        )  # How much of the content there is, and not how much there was.
        for found in (in_hand, decode(part, len(data))):
            both = found.keys() & expected.keys()
            assert {name: found[name] for name in both} == {name: expected[name] for name in both}


def test_a_frame_of_every_kind_was_captured():
    """Every field that is told at all, and every message that is called by a name."""
    fields = set().union(*map(decode, CAPTURED))
    quoted = {name.removeprefix("quoted.") for name in fields if name.startswith("quoted.")}
    assert fields >= quoted | {name for group in hostile_frames.GROUPS for name in group}
    assert quoted >= {"tcp.src", "udp.src", "icmp.id", "dns.id", "dhcp.xid", "ip.fragment"}
    types = {found["icmp.type"] for found in map(decode, CAPTURED) if "icmp.type" in found}
    assert types >= {"0", "3", "4", "5", "8", "11", "12", "13", "14"}
    assert types >= {"1", "2", "3", "4", "128", "129", "133", "134", "135", "136", "137", "143"}
