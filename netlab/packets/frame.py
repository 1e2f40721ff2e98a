"""Frames, read: their header fields by name.

Read by struct: a busy lab shows 50,000 frames a second, and scapy reads 4,000. The fields are those that
scapy would read; a test holds it. They are text, in the order in which they stand in the packet. The fields
of a header are all there, or none is, and `malformed` says which header is incomplete, or what in it cannot
be true. An error quotes the beginning of a packet: of its TCP header, ports and sequence number may be all
that is there.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from netlab.messages import N_, Message
from netlab.packets import protocols

Fields = dict[str, str]

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_ARP_NAMES = {1: "request", 2: "reply"}
_VERSIONS = {_IPV4: 4, _IPV6: 6}
_ETHERNET_BYTES = 14
_ARP_BYTES = 28
_ARP_SIZES = (6, 4)
"""Bytes of Ethernet's and IPv4's addresses."""
_IP_BYTES = {4: 20, 6: 40}
"""Bytes of a header without options and extensions, by IP version."""
_FRAGMENT = 44
_EXTENSIONS = {
    **dict.fromkeys((0, 43, 60, 135, 139, 140), (8, 8)),
    _FRAGMENT: (0, 8),
    51: (4, 8),
}
"""IPv6's extension headers: bytes of each unit of their length, and bytes in addition."""
_MOST_EXTENSIONS = 16
_ICMP_BYTES = _UDP_BYTES = _QUOTED_BYTES = 8
_TCP_BYTES = 20
_ECHO = {
    4: (protocols.ICMP_ECHO_REPLY, protocols.ICMP_ECHO_REQUEST),
    6: (protocols.ICMPV6_ECHO_REQUEST, protocols.ICMPV6_ECHO_REPLY),
}
_ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}
_TOO_BIG = {4: (b"\3\4", 6), 6: (b"\2", 4)}
"""First bytes of an error that names an MTU, and where the MTU stands, up to the header's end."""
_NEIGHBOUR_DISCOVERY = {
    protocols.ND_NEIGHBOR_SOLICIT: "request",
    protocols.ND_NEIGHBOR_ADVERT: "reply",
}
_WITH_SUBJECT = 24
"""Bytes of such a message up to the address that it is about; the kernel's trace shows fewer."""
_DNS_PORT = 53
_DNS_BYTES = 12
_DNS_ANSWERS = 0x8000
_LONGEST_NAME = 255
"""Bytes of a DNS name."""
_MOST_ADDRESSES = 16
"""Addresses of a reply that are shown."""
_UNUSUAL = re.compile(rb"[^!-~]|[.\\]")
"""Bytes of a DNS label that are escaped."""
_BOOTP_BYTES, DHCP_OPTIONS = 236, 240
"""Bytes without and with the magic cookie; the options stand behind it."""
_DHCP_PORTS = {67, 68}
_DHCP_COOKIE = b"\x63\x82\x53\x63"
_DHCP_TYPES = ("", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform")
_CUT_OFF = (struct.error, IndexError, ValueError, OSError)
"""Errors of reading a DNS message beyond its end; ValueError and OSError are inet_ntop's."""
_TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")

_MESSAGES = {
    "ICMP": {
        "0": N_("echo reply"),
        "3": N_("destination unreachable"),
        "3/0": N_("network unreachable"),
        "3/1": N_("host unreachable"),
        "3/2": N_("protocol unreachable"),
        "3/3": N_("port unreachable"),
        "3/4": N_("too big"),
        "3/9": N_("network prohibited"),
        "3/10": N_("host prohibited"),
        "3/13": N_("administratively prohibited"),
        "5": N_("redirect"),
        "8": N_("echo request"),
        "11": N_("time exceeded"),
        "12": N_("parameter problem"),
    },
    "ICMPv6": {
        "1": N_("destination unreachable"),
        "1/0": N_("no route"),
        "1/1": N_("administratively prohibited"),
        "1/3": N_("address unreachable"),
        "1/4": N_("port unreachable"),
        "1/5": N_("source address prohibited"),
        "1/6": N_("route prohibited"),
        "2": N_("too big"),
        "3": N_("time exceeded"),
        "4": N_("parameter problem"),
        "128": N_("echo request"),
        "129": N_("echo reply"),
        "133": N_("router solicitation"),
        "134": N_("router advertisement"),
        "135": N_("neighbour solicitation"),
        "136": N_("neighbour advertisement"),
        "137": N_("redirect"),
        "143": N_("multicast listener report"),
    },
}
"""Type, or type and code, to the name of a message (RFC 792, 4443, 4861, 3810)."""

_ARP_MESSAGES = {"request": N_("ARP request"), "reply": N_("ARP reply")}
_DHCP_MESSAGES = {
    "discover": N_("DHCP discover"),
    "offer": N_("DHCP offer"),
    "request": N_("DHCP request"),
    "decline": N_("DHCP decline"),
    "ack": N_("DHCP ack"),
    "nak": N_("DHCP nak"),
    "release": N_("DHCP release"),
    "inform": N_("DHCP inform"),
    "reply": N_("DHCP reply"),
}

_ODD = frozenset("13579bdf")

ETHERNET = bytes(12) + _IPV4.to_bytes(2)
"""Ethernet header that makes a frame of an IPv4 packet."""


def decode(data: bytes, length: int = 0) -> Fields:
    """Return the fields of an Ethernet frame. `length`: its bytes, if `data` may be only its beginning."""
    return read(data, length)[0]


def payload(data: bytes) -> bytes:
    """Return the content of an IPv4 or IPv6 frame behind its last header that is understood; else nothing."""
    fields, content = read(data)
    return content if "ip.src" in fields else b""


def read(data: bytes, length: int = 0) -> tuple[Fields, bytes]:
    """Return the fields as `decode` has them, and the content behind the last header that is understood."""
    fields: Fields = {}
    if len(data) < _ETHERNET_BYTES:
        return fields, _cut("Ethernet", data, _ETHERNET_BYTES, fields)
    fields["eth.src"], fields["eth.dst"] = _mac(data[6:12]), _mac(data[:6])
    kind, packet = int.from_bytes(data[12:14]), data[_ETHERNET_BYTES:]
    if kind == _ARP:
        return fields, _arp(packet, fields)
    if kind in _VERSIONS:
        extent = _Extent(max(length - len(data), 0))
        return fields, _ip(packet, fields, _VERSIONS[kind], extent)
    return fields, packet


def _malformed(why: str, data: bytes, fields: Fields) -> bytes:
    """Note a header that is not read. Of several, the innermost one is kept."""
    fields["malformed"] = why
    return data


def _cut(
    protocol: str, data: bytes, size: int, fields: Fields, part: str = N_("{protocol} header")
) -> bytes:
    """Note that `data` begins with a header, or is a packet, that ought to have `size` bytes."""
    subject = Message(part, protocol=protocol)
    return _malformed(
        Message("{what} cut after {have} of {size} bytes", what=subject, have=len(data), size=size),
        data,
        fields,
    )


def _lies(
    protocol: str, data: bytes, size: int, fields: Fields, part: str = N_("{protocol} header")
) -> bytes:
    """Note that a header gives itself, or the packet, fewer bytes than headers have."""
    subject = Message(part, protocol=protocol)
    return _malformed(
        Message("{what} says that it has {size} bytes", what=subject, size=size), data, fields
    )


def _arp(data: bytes, fields: Fields) -> bytes:
    if len(data) < _ARP_BYTES:
        return _cut("ARP", data, _ARP_BYTES, fields, N_("{protocol} message"))
    operation, sizes = int.from_bytes(data[6:8]), (data[4], data[5])
    if sizes != _ARP_SIZES:
        return _malformed(
            Message(
                "ARP message with addresses of {mac} and {ip} bytes", mac=sizes[0], ip=sizes[1]
            ),
            data,
            fields,
        )
    fields |= {
        "arp.op": _ARP_NAMES.get(operation, str(operation)),
        "arp.sender": socket.inet_ntoa(data[14:18]),
        "arp.sender_mac": _mac(data[8:14]),
        "arp.target": socket.inet_ntoa(data[24:28]),
    }
    return data[_ARP_BYTES:]


class _Carried(NamedTuple):
    """Content of an IP packet."""

    protocol: int
    data: bytes
    fragment: int | None = None
    """Offset in bytes of a fragment in the whole content; None: it is the whole."""


class _Extent(NamedTuple):
    """Known extent of the data that a header begins."""

    missing: int = 0
    """Bytes that were on the wire, and are not in hand."""
    quoted: bool = False
    """Quoted by an error, which has only a packet's beginning: eight bytes behind IP's header at least."""
    fragment: bool = False
    """The headers' lengths are those of all fragments together."""


_QUOTED = _Extent(quoted=True)


def _ip(data: bytes, fields: Fields, version: int, extent: _Extent) -> bytes:
    """Read an IP packet, and return the content behind the headers that are understood."""
    least = _IP_BYTES[version]
    if len(data) < least:
        return _cut(f"IPv{version}", data, least, fields)
    if data[0] >> 4 != version:
        wrong = Message(
            "IPv{version} header says that it is version {found}",
            version=version,
            found=data[0] >> 4,
        )
        return _malformed(wrong, data, fields)
    carried = (_ipv4 if version == 4 else _ipv6)(data, fields)
    if carried is None:
        return data
    missing = max(int(fields["ip.length"]) - len(data), 0)
    if missing > extent.missing and not extent.quoted:
        _cut(f"IPv{version}", data, int(fields["ip.length"]), fields, N_("{protocol} packet"))
    fields["ip.protocol"] = str(carried.protocol)
    if carried.fragment is not None:
        fields["ip.fragment"] = str(carried.fragment)
    reader = _TRANSPORTS.get((version, carried.protocol))
    if reader is None or carried.fragment:
        return carried.data
    inner = _Extent(min(missing, extent.missing), extent.quoted, carried.fragment is not None)
    return reader(carried.data, fields, inner)


def _ipv4(data: bytes, fields: Fields) -> _Carried | None:
    header = (data[0] & 0xF) * 4
    if header < _IP_BYTES[4]:
        _lies("IPv4", data, header, fields)
        return None
    if header > len(data):
        _cut("IPv4", data, header, fields)
        return None
    length, number, fragment, ttl, protocol = struct.unpack_from("!HHHBB", data, 2)
    fields["ip.src"], fields["ip.dst"] = map(socket.inet_ntoa, (data[12:16], data[16:20]))
    fields["ip.ttl"], fields["ip.id"] = str(ttl), str(number)
    fields["ip.length"] = str(length)
    fields["ip.df"] = str(fragment >> 14 & 1)
    _note_tos(data[1], fields)
    fields["ip.protocol"] = str(protocol)
    if length < header:
        _lies("IPv4", data, length, fields, N_("{protocol} packet"))
        return None
    offset = (fragment & 0x1FFF) * 8 if fragment & 0x3FFF else None
    return _Carried(protocol, data[header:length], offset)


def _ipv6(data: bytes, fields: Fields) -> _Carried | None:
    length, protocol, limit = struct.unpack_from("!HBB", data, 4)
    source, target = (socket.inet_ntop(socket.AF_INET6, raw) for raw in (data[8:24], data[24:40]))
    fields["ip.src"], fields["ip.dst"] = source, target
    whole = length + _IP_BYTES[6]
    fields["ip.ttl"], fields["ip.length"] = str(limit), str(whole)
    _note_tos(int.from_bytes(data[:2]) >> 4 & 0xFF, fields)
    return _behind_extensions(protocol, data[_IP_BYTES[6] : whole], fields)


def _note_tos(tos: int, fields: Fields) -> None:
    """Note the type of service (IPv6: traffic class), which few packets have."""
    if tos:
        fields["ip.tos"] = f"{tos:#04x}"


def _behind_extensions(protocol: int, data: bytes, fields: Fields) -> _Carried | None:
    """Read IPv6's extension headers (RFC 8200, 4), and return the packet behind them."""
    fragment: int | None = None
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in _EXTENSIONS or fragment:
            return _Carried(protocol, data, fragment)
        fields["ip.protocol"] = str(protocol)
        unit, base = _EXTENSIONS[protocol]
        size = data[1] * unit + base if len(data) > 1 else base
        if len(data) < size:
            _cut("IPv6", data, size, fields, N_("{protocol} extension header"))
            return None
        if protocol == _FRAGMENT:
            offset = int.from_bytes(data[2:4])
            fragment = offset & ~7 if offset & ~6 else None
        protocol, data = data[0], data[size:]
    _malformed(
        Message("more than {most} IPv6 extension headers", most=_MOST_EXTENSIONS), data, fields
    )
    return None


def _icmp(data: bytes, fields: Fields, extent: _Extent) -> bytes:
    if len(data) < _ICMP_BYTES:
        return _cut("ICMP", data, _ICMP_BYTES, fields)
    return _control(data, fields, 4)


def _icmpv6(data: bytes, fields: Fields, extent: _Extent) -> bytes:
    if len(data) < _ICMP_BYTES:
        return _cut("ICMPv6", data, _ICMP_BYTES, fields)
    content = _control(data, fields, 6)
    operation = _NEIGHBOUR_DISCOVERY.get(data[0])
    if operation and len(data) < _WITH_SUBJECT:
        _cut("ICMPv6", data, _WITH_SUBJECT, fields, N_("{protocol} message"))
    elif operation:
        subject = socket.inet_ntop(socket.AF_INET6, data[8:24])
        asks = operation == "request"
        fields |= {
            "arp.op": operation,
            "arp.sender": fields["ip.src"] if asks else subject,
            "arp.sender_mac": fields.get("eth.src", ""),
            "arp.target": subject if asks else fields["ip.dst"],
        }
    return content


def _control(data: bytes, fields: Fields, version: int) -> bytes:
    kind, code = data[0], data[1]
    fields["icmp.type"], fields["icmp.code"] = str(kind), str(code)
    if kind in _ECHO[version]:
        identifier, sequence = struct.unpack_from("!HH", data, 4)
        fields["icmp.id"], fields["icmp.seq"] = f"{identifier:#06x}", str(sequence)
    if kind in _ERRORS[version]:
        if (mtu := named_mtu(data, version)) is not None:
            fields["icmp.mtu"] = str(mtu)
        quoted: Fields = {}
        _ip(data[_ICMP_BYTES:], quoted, version, _QUOTED)
        fields |= {f"quoted.{name}": value for name, value in quoted.items()}
    return data[_ICMP_BYTES:]


def named_mtu(message: bytes, version: int) -> int | None:
    """Return the MTU that an ICMP message names which says that a packet was too big; else None."""
    begin, at = _TOO_BIG[version]
    return int.from_bytes(message[at:_ICMP_BYTES]) if message.startswith(begin) else None


def _tcp(data: bytes, fields: Fields, extent: _Extent) -> bytes:
    if len(data) < (_QUOTED_BYTES if extent.quoted else _TCP_BYTES):
        return _cut("TCP", data, _TCP_BYTES, fields)
    source, target, sequence = struct.unpack_from("!HHI", data)
    ports = {"tcp.src": str(source), "tcp.dst": str(target), "tcp.seq": str(sequence)}
    if len(data) < _TCP_BYTES:
        fields |= ports
        return b""
    acknowledged, offset, flags = struct.unpack_from("!IBB", data, 8)
    header = (offset >> 4) * 4
    if header < _TCP_BYTES:
        return _lies("TCP", data, header, fields)
    size = len(data) + extent.missing
    if header > size and not extent.quoted:
        return _cut("TCP", data, header, fields)
    fields |= ports
    fields |= {
        "tcp.ack": str(acknowledged),
        "tcp.flags": " ".join(name for n, name in enumerate(_TCP_FLAGS) if flags >> n & 1),
        "tcp.length": str(max(size - header, 0)),
    }
    return data[header:]


def _udp(data: bytes, fields: Fields, extent: _Extent) -> bytes:
    if len(data) < _UDP_BYTES:
        return _cut("UDP", data, _UDP_BYTES, fields)
    source, target, length = struct.unpack_from("!HHH", data)
    if length < _UDP_BYTES:
        return _lies("UDP", data, length, fields, N_("{protocol} datagram"))
    fields["udp.src"], fields["udp.dst"] = str(source), str(target)
    fields["udp.length"] = str(length - _UDP_BYTES)
    content = data[_UDP_BYTES:length]
    if length > len(data) + extent.missing and not (extent.quoted or extent.fragment):
        _cut("UDP", data, length, fields, N_("{protocol} datagram"))
    elif _DNS_PORT in (source, target):
        _dns(content, fields)
    elif {source, target} <= _DHCP_PORTS:
        _dhcp(content, fields)
    return content


def _dns(data: bytes, fields: Fields) -> None:
    if len(data) < _DNS_BYTES:
        _cut("DNS", data, _DNS_BYTES, fields)
        return
    number, flags, questions, answers = struct.unpack_from("!HHHH", data)
    if questions != 1:
        return
    try:
        name, at = dns_name(data, _DNS_BYTES)
        (kind,) = struct.unpack_from("!H", data, at)
    except _CUT_OFF:
        _malformed(
            Message("{what} cut off", what=Message("{protocol} question", protocol="DNS")),
            data,
            fields,
        )
        return
    fields |= {"dns.id": f"{number:#06x}", "dns.name": name, "dns.type": str(kind)}
    if flags & _DNS_ANSWERS:
        addresses: list[str] = []
        try:
            addresses.extend(_addresses(data, at + 4, answers))
        except _CUT_OFF:
            _malformed(
                Message("{what} cut off", what=Message("{protocol} response", protocol="DNS")),
                data,
                fields,
            )
        shown = [*addresses[:_MOST_ADDRESSES], *(["…"] if len(addresses) > _MOST_ADDRESSES else [])]
        fields |= {"dns.code": str(flags & 0xF), "dns.answer": " ".join(shown) or "none"}


def dns_name(data: bytes, at: int) -> tuple[str, int]:
    """Return a DNS name and where it ends. A pointer ends it: only the question is read in full.

    Raises ValueError if it is longer than names are, and the errors of reading beyond the end.
    """
    labels: list[str] = []
    start = at
    while length := data[at]:
        if length & 0xC0:
            return ".".join(labels), at + 2
        label = data[at + 1 : at + 1 + length]
        at += 1 + length
        if len(label) < length or at - start > _LONGEST_NAME:
            raise ValueError("no DNS name")
        labels.append(_UNUSUAL.sub(_escaped, label).decode("ascii"))
    return ".".join(labels), at + 1


def _escaped(byte: re.Match[bytes]) -> bytes:
    """Escape as in master files (RFC 1035, 5.1): a dot in a label ends none, and all of it can be printed."""
    raw = byte[0]
    return b"\\" + raw if raw in b".\\" else b"\\%03d" % raw[0]


def dns_addresses(message: bytes) -> list[str]:
    """Return the addresses that a DNS response to one question has; none of what is cut off or malformed."""
    addresses: list[str] = []
    with suppress(*_CUT_OFF):
        _, _, questions, answers = struct.unpack_from("!HHHH", message)
        _, at = dns_name(message, _DNS_BYTES)
        if questions == 1:
            addresses.extend(_addresses(message, at + 4, answers))
    return addresses


def _addresses(data: bytes, at: int, count: int) -> Iterator[str]:
    """Yield the addresses of a reply's A and AAAA records."""
    for _ in range(count):
        _, at = dns_name(data, at)
        kind, _, _, length = struct.unpack_from("!HHIH", data, at)
        at += 10
        if kind in (1, 28):
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            yield socket.inet_ntop(family, data[at : at + length])
        at += length


def _dhcp(data: bytes, fields: Fields) -> None:
    if len(data) < _BOOTP_BYTES:
        _cut("DHCP", data, _BOOTP_BYTES, fields)
        return
    fields["dhcp.xid"], fields["dhcp.client"] = f"0x{data[4:8].hex()}", _mac(data[28:34])
    address = socket.inet_ntoa(data[16:20])
    if address != "0.0.0.0":
        fields["dhcp.address"] = address
    if data[_BOOTP_BYTES:DHCP_OPTIONS] == _DHCP_COOKIE:
        for code, value in dhcp_options(data[DHCP_OPTIONS:]):
            if code == 53 and len(value) == 1 and value[0] < len(_DHCP_TYPES):
                fields["dhcp.type"] = _DHCP_TYPES[value[0]]


def dhcp_options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of each option behind the magic cookie (RFC 2132) that is there in full."""
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
    return data.hex(":")


_TRANSPORTS: dict[tuple[int, int], Callable[[bytes, Fields, _Extent], bytes]] = {
    (4, _ICMP): _icmp,
    (6, _ICMPV6): _icmpv6,
    **{(version, _TCP): _tcp for version in (4, 6)},
    **{(version, _UDP): _udp for version in (4, 6)},
}
"""Readers by IP version and protocol."""


def is_mac(address: str) -> bool:
    """Return whether a text is a MAC address, and no IP address."""
    return re.fullmatch(r"..(:..){5}", address) is not None


def is_group(mac: str) -> bool:
    """Return whether a MAC address is the broadcast address, or a multicast group's."""
    return mac[1:2] in _ODD


def question_name(fields: Fields) -> str:
    """Return the name of a request for a MAC address, or of the reply to one."""
    return message_name(fields) if "icmp.type" in fields else arp_name(fields["arp.op"])


def arp_name(operation: str) -> str:
    """Return the name of an ARP message: `ARP request`."""
    return Message(_ARP_MESSAGES[operation]) if operation in _ARP_MESSAGES else f"ARP {operation}"


def dhcp_name(kind: str) -> str:
    """Return the name of a DHCP message: `DHCP discover`."""
    return Message(_DHCP_MESSAGES[kind]) if kind in _DHCP_MESSAGES else f"DHCP {kind}"


def message_name(fields: Fields) -> Message:
    """Return the name of an ICMP message: `ICMP time exceeded`."""
    protocol = "ICMPv6" if fields["ip.protocol"] == str(_ICMPV6) else "ICMP"
    kind, code = fields["icmp.type"], fields["icmp.code"]
    names = _MESSAGES[protocol]
    exact = names.get(f"{kind}/{code}", names.get(kind) if code == "0" else None)
    if exact:
        return Message("{protocol} {name}", protocol=protocol, name=Message(exact))
    if kind in names:
        name = Message(names[kind])
        return Message("{protocol} {name}, code {code}", protocol=protocol, name=name, code=code)
    return Message("{protocol} type {kind}, code {code}", protocol=protocol, kind=kind, code=code)
