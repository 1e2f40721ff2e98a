"""Frames, read: their header fields by name.

Read by struct, not by scapy: a busy lab shows 50,000 frames a second, and scapy
reads 4,000. Fields are text, in the order in which they stand in the packet.
Whatever is not understood, or cut off, has fewer of them.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

Fields = dict[str, str]

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_ARP_NAMES = {1: "request", 2: "answer"}
_ICMP_ECHO, _ICMPV6_ECHO = (0, 8), (128, 129)
_ICMP_ERRORS, _ICMPV6_ERRORS = (3, 11, 12), (1, 2, 3, 4)
_NEIGHBOUR_DISCOVERY = {135: "request", 136: "answer"}
_WITH_SUBJECT = 24
"""Bytes of such a message up to the address that it is about; the kernel's trace shows fewer."""
_DNS_PORT = 53
_DHCP_PORTS = {67, 68}
_DHCP_COOKIE = b"\x63\x82\x53\x63"
_DHCP_TYPES = ("", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform")
_CUT_OFF = (struct.error, IndexError, ValueError, OSError)
"""What reading beyond the end raises; OSError is what socket.inet_ntoa raises."""
_TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")

_MESSAGES = {
    "ICMP": {
        "0": "echo reply",
        "3": "destination unreachable",
        "3/0": "network unreachable",
        "3/1": "host unreachable",
        "3/2": "protocol unreachable",
        "3/3": "port unreachable",
        "3/4": "too big",
        "3/9": "network prohibited",
        "3/10": "host prohibited",
        "3/13": "administratively prohibited",
        "5": "redirect",
        "8": "echo request",
        "11": "time exceeded",
        "12": "parameter problem",
    },
    "ICMPv6": {
        "1": "destination unreachable",
        "1/0": "no route",
        "1/1": "administratively prohibited",
        "1/3": "address unreachable",
        "1/4": "port unreachable",
        "1/5": "source address prohibited",
        "1/6": "route prohibited",
        "2": "too big",
        "3": "time exceeded",
        "4": "parameter problem",
        "128": "echo request",
        "129": "echo reply",
        "133": "router solicitation",
        "134": "router advertisement",
        "135": "neighbour solicitation",
        "136": "neighbour advertisement",
        "137": "redirect",
        "143": "multicast listener report",
    },
}
"""Type, or type and code, to what a message is called (RFC 792, 4443, 4861, 3810)."""

_ODD = frozenset("13579bdf")

ETHERNET = bytes(12) + _IPV4.to_bytes(2)
"""What to put before an IPv4 packet to have a frame."""


def decode(data: bytes) -> Fields:
    """The fields of an Ethernet frame."""
    fields: Fields = {}
    with suppress(*_CUT_OFF):
        fields["eth.src"], fields["eth.dst"] = _mac(data[6:12]), _mac(data[:6])
        (kind,) = struct.unpack_from("!H", data, 12)
        if kind == _ARP:
            _arp(data[14:], fields)
        elif kind in (_IPV4, _IPV6):
            _ip(data[14:], fields)
    return fields


def payload(data: bytes) -> bytes:
    """What an IPv4 or IPv6 frame carries behind its last header that is understood; else nothing."""
    fields: Fields = {}
    with suppress(*_CUT_OFF):
        (kind,) = struct.unpack_from("!H", data, 12)
        if kind in (_IPV4, _IPV6):
            return _ip(data[14:], fields)
    return b""


def _arp(data: bytes, fields: Fields) -> None:
    (operation,) = struct.unpack_from("!H", data, 6)
    fields |= {  # All of them or none: who finds one relies on the others.
        "arp.op": _ARP_NAMES.get(operation, str(operation)),
        "arp.sender": socket.inet_ntoa(data[14:18]),
        "arp.sender_mac": _mac(data[8:14]),
        "arp.target": socket.inet_ntoa(data[24:28]),
    }


def _ip(data: bytes, fields: Fields) -> bytes:
    """Read an IP packet of either version; returns what is behind the headers."""
    if data[0] >> 4 == 4:
        protocol, rest, first = _ipv4(data, fields)
    else:
        protocol, rest, first = _ipv6(data, fields)
    fields["ip.protocol"] = str(protocol)
    reader = _TRANSPORTS.get(protocol)
    return reader(rest, fields) if reader and first else rest


def _ipv4(data: bytes, fields: Fields) -> tuple[int, bytes, bool]:
    length, number, fragment, ttl, protocol = struct.unpack_from("!HHHBB", data, 2)
    source, target = map(socket.inet_ntoa, (data[12:16], data[16:20]))
    fields["ip.src"], fields["ip.dst"] = source, target
    fields["ip.ttl"], fields["ip.id"] = str(ttl), str(number)
    fields["ip.length"] = str(length)
    fields["ip.df"] = str(fragment >> 14 & 1)
    header = (data[0] & 0xF) * 4
    return protocol, data[header:length], not fragment & 0x1FFF


def _ipv6(data: bytes, fields: Fields) -> tuple[int, bytes, bool]:
    length, protocol, limit = struct.unpack_from("!HBB", data, 4)
    source, target = (socket.inet_ntop(socket.AF_INET6, raw) for raw in (data[8:24], data[24:40]))
    fields["ip.src"], fields["ip.dst"] = source, target
    fields["ip.ttl"], fields["ip.length"] = str(limit), str(length + 40)
    return protocol, data[40 : 40 + length], True


def _icmp(data: bytes, fields: Fields) -> bytes:
    return _control(data, fields, _ICMP_ECHO, _ICMP_ERRORS)


def _icmpv6(data: bytes, fields: Fields) -> bytes:
    if data[0] in _NEIGHBOUR_DISCOVERY and len(data) >= _WITH_SUBJECT:
        subject = socket.inet_ntop(socket.AF_INET6, data[8:24])
        fields["arp.op"] = _NEIGHBOUR_DISCOVERY[data[0]]
        asks = fields["arp.op"] == "request"
        fields["arp.sender"] = fields["ip.src"] if asks else subject
        fields["arp.sender_mac"] = fields.get("eth.src", "")
        fields["arp.target"] = subject if asks else fields["ip.dst"]
    return _control(data, fields, _ICMPV6_ECHO, _ICMPV6_ERRORS)


def _control(data: bytes, fields: Fields, echo: tuple[int, ...], errors: tuple[int, ...]) -> bytes:
    kind, code = data[0], data[1]
    fields["icmp.type"], fields["icmp.code"] = str(kind), str(code)
    if kind in echo:
        identifier, sequence = struct.unpack_from("!HH", data, 4)
        fields["icmp.id"], fields["icmp.seq"] = f"{identifier:#06x}", str(sequence)
    if kind in errors:
        fields["icmp.mtu"] = str(struct.unpack_from("!I", data, 4)[0] & 0xFFFF)
        quoted: Fields = {}
        with suppress(*_CUT_OFF):
            _ip(data[8:], quoted)
        fields |= {f"quoted.{name}": value for name, value in quoted.items()}
    return data[8:]


def _tcp(data: bytes, fields: Fields) -> bytes:
    source, target, sequence = struct.unpack_from("!HHI", data)
    fields["tcp.src"], fields["tcp.dst"], fields["tcp.seq"] = map(str, (source, target, sequence))
    acknowledged, offset, flags = struct.unpack_from("!IBB", data, 8)
    rest = data[(offset >> 4) * 4 :]
    fields |= {
        "tcp.ack": str(acknowledged),
        "tcp.flags": " ".join(name for n, name in enumerate(_TCP_FLAGS) if flags >> n & 1),
        "tcp.length": str(len(rest)),
    }
    return rest


def _udp(data: bytes, fields: Fields) -> bytes:
    source, target, length = struct.unpack_from("!HHH", data)
    fields["udp.src"], fields["udp.dst"] = str(source), str(target)
    fields["udp.length"] = str(length - 8)
    rest = data[8:length]
    with suppress(*_CUT_OFF):
        if _DNS_PORT in (source, target):
            _dns(rest, fields)
        elif {source, target} <= _DHCP_PORTS:
            _dhcp(rest, fields)
    return rest


def _dns(data: bytes, fields: Fields) -> None:
    number, flags, questions, answers = struct.unpack_from("!HHHH", data)
    if questions != 1:
        return
    name, at = _name(data, 12)
    (kind,) = struct.unpack_from("!H", data, at)
    fields |= {"dns.id": f"{number:#06x}", "dns.name": name, "dns.type": str(kind)}
    if flags & 0x8000:
        found: list[str] = []
        with suppress(*_CUT_OFF):
            found.extend(_addresses(data, at + 4, answers))
        fields |= {"dns.code": str(flags & 0xF), "dns.answer": " ".join(found) or "none"}


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A DNS name and where it ends. A pointer ends it: only the question is read in full."""
    labels: list[str] = []
    while length := data[at]:
        if length & 0xC0:
            return ".".join(labels), at + 2
        labels.append(data[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels), at + 1


def _addresses(data: bytes, at: int, count: int) -> Iterator[str]:
    """The A and AAAA records of an answer."""
    for _ in range(count):
        _, at = _name(data, at)
        kind, _, _, length = struct.unpack_from("!HHIH", data, at)
        at += 10
        if kind in (1, 28):
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            yield socket.inet_ntop(family, data[at : at + length])
        at += length


def _dhcp(data: bytes, fields: Fields) -> None:
    client, address = _mac(data[28:34]), socket.inet_ntoa(data[16:20])
    fields["dhcp.xid"], fields["dhcp.client"] = f"0x{data[4:8].hex()}", client
    if address != "0.0.0.0":
        fields["dhcp.address"] = address
    if data[236:240] == _DHCP_COOKIE:
        for code, value in dhcp_options(data[240:]):
            if code == 53 and len(value) == 1 and value[0] < len(_DHCP_TYPES):
                fields["dhcp.type"] = _DHCP_TYPES[value[0]]


def dhcp_options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option behind the magic cookie (RFC 2132) that is there in full."""
    at = 0
    while at + 1 < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        end = at + 2 + data[at + 1]
        if end <= len(data):
            yield data[at], data[at + 2 : end]
        at = end


def _mac(data: bytes) -> str:
    if len(data) != 6:
        raise ValueError("a MAC address has six bytes")
    return data.hex(":")


_TRANSPORTS: dict[int, Callable[[bytes, Fields], bytes]] = {
    _ICMP: _icmp,
    _ICMPV6: _icmpv6,
    _TCP: _tcp,
    _UDP: _udp,
}


def is_mac(address: str) -> bool:
    """Whether a text is a MAC address, and no IP address."""
    return re.fullmatch(r"..(:..){5}", address) is not None


def is_group(mac: str) -> bool:
    """Whether a MAC address is everybody's, or a multicast group's."""
    return mac[1:2] in _ODD


def question_name(fields: Fields) -> str:
    """What a question for a MAC address is, or the answer to one."""
    return message_name(fields) if "icmp.type" in fields else f"ARP {fields['arp.op']}"


def message_name(fields: Fields) -> str:
    """What an ICMP message is: `ICMP time exceeded`."""
    protocol = "ICMPv6" if fields["ip.protocol"] == str(_ICMPV6) else "ICMP"
    kind, code = fields["icmp.type"], fields["icmp.code"]
    names = _MESSAGES[protocol]
    exact = names.get(f"{kind}/{code}", names.get(kind) if code == "0" else None)
    return f"{protocol} {exact or names.get(kind, f'type {kind}') + f', code {code}'}"
