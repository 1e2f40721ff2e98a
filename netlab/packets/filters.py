"""Filters of netlab's own: programs of classic BPF for sockets that are to receive only some packets.

Others may send any amount in a lab. A socket that follows echo requests is given those that carry the mark,
and the packets of ARP and neighbour discovery that it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

from netlab.packets import protocols
from netlab.packets.icmp import MARK, TOKEN_BYTES
from netlab.packets.icmp_socket import STEP

_LENGTH, _WORD, _HALF, _BYTE = 0x80, 0x20, 0x28, 0x30
"""Loads: the frame's length, or a word, half-word or byte at an offset."""
_HEADER, _WORD_BEHIND, _HALF_BEHIND, _BYTE_BEHIND = 0xB1, 0x40, 0x48, 0x50
"""Loads: an IPv4 header's length, or a word, half-word or byte at an offset behind that header."""
_IS, _IS_MORE, _IS_AT_LEAST, _HAS, _RETURN = 0x15, 0x25, 0x35, 0x45, 0x06
_PACKET_TYPE = 0xFFFFF004  # SKF_AD_PKTTYPE
_OUTGOING = 4  # PACKET_OUTGOING
_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_TCP, _ICMP, _ICMPV6 = protocols.TCP, protocols.ICMP, protocols.ICMPV6
_ETHERNET, _WITHOUT_OPTIONS = 14, 0x45
_FRAGMENT = 0x1FFF
_NOTHING, _WHOLE = 0, 1 << 18
_MARK = int.from_bytes(MARK[:4])

_Step = tuple[int, int] | tuple[int, int, str, str] | str
"""Code and operand; of a test also two labels: where to go on if it holds, and if not. `next`: below."""


def _program(*steps: _Step) -> bytes:
    """Assemble steps. Jumps go forward to labels, which stand before a step."""
    labels: dict[str, int] = {}
    instructions: list[tuple[int, int] | tuple[int, int, str, str]] = []
    for step in steps:
        if isinstance(step, str):
            labels[step] = len(instructions)
        else:
            instructions.append(step)
    packed = []
    for index, (code, operand, *targets) in enumerate(instructions, 1):
        jumps = [0 if label == "next" else labels[str(label)] - index for label in targets]
        packed.append(STEP.pack(code, *(jumps or [0, 0]), operand))
    return b"".join(packed)


def _marked(echo: int, quoted: int, enough: int) -> tuple[_Step, ...]:
    """Return the steps that take ICMP with the mark, in an echo message or in one that an error quotes.

    A step that loads what is beyond the end ends the program: the packet is not received.
    """
    return (
        "marked",
        (_WORD, echo),
        (_IS, _MARK, "take", "next"),
        (_WORD, quoted),
        (_IS, _MARK, "take", "nothing"),
        "take",
        (_RETURN, enough),
        "nothing",
        (_RETURN, _NOTHING),
    )


_IPV4_OPTIONS = (_BYTE, _ETHERNET), (_IS, _WITHOUT_OPTIONS, "marked", "take")
"""Packets with options are rare: all of them are taken, and looked at later."""
_MARKED_IPV4 = _marked(_ETHERNET + 36, _ETHERNET + 64, 128)
_MARKED_IPV6 = _marked(_ETHERNET + 56, _ETHERNET + 104, 160)

IPV4_ECHOES = _program(
    (_HALF, 12),
    (_IS, _IPV4, "next", "nothing"),
    (_BYTE, 23),
    (_IS, _ICMP, "next", "nothing"),
    *_IPV4_OPTIONS,
    *_MARKED_IPV4,
)
"""Marked ICMP."""
IPV6_ECHOES = _program(
    (_HALF, 12),
    (_IS, _IPV6, "next", "nothing"),
    (_BYTE, 20),
    (_IS, _ICMPV6, "marked", "nothing"),
    *_MARKED_IPV6,
)
"""Marked ICMPv6."""
_TAKE_OR_NOT: tuple[_Step, ...] = (
    "take",
    (_RETURN, _WHOLE),
    "nothing",
    (_RETURN, _NOTHING),
)
IPV4_QUESTIONS = _program(
    # A switch with 64 ports floods every question to 63 of them.
    (_HALF, 12),
    (_IS, _ARP, "next", "nothing"),
    (_HALF, _PACKET_TYPE),
    (_IS, _OUTGOING, "take", "next"),
    (_HALF, 20),
    (_IS, 2, "take", "nothing"),
    *_TAKE_OR_NOT,
)
"""ARP questions that leave, and ARP replies that come in."""
IPV6_QUESTIONS = _program(
    (_HALF, 12),
    (_IS, _IPV6, "next", "nothing"),
    (_BYTE, 20),
    (_IS, _ICMPV6, "next", "nothing"),
    (_BYTE, 54),
    (_IS, protocols.ND_NEIGHBOR_SOLICIT, "question", "next"),
    (_IS, protocols.ND_NEIGHBOR_ADVERT, "take", "nothing"),
    "question",
    (_HALF, _PACKET_TYPE),
    (_IS, _OUTGOING, "take", "nothing"),
    *_TAKE_OR_NOT,
)
"""The same of neighbour discovery."""
QUESTIONS = _program(
    (_HALF, 12),
    (_IS, _ARP, "take", "next"),
    (_IS, _IPV6, "next", "nothing"),
    (_BYTE, 20),
    (_IS, _ICMPV6, "next", "nothing"),
    (_BYTE, 54),
    (_IS, protocols.ND_NEIGHBOR_SOLICIT, "take", "next"),
    (_IS, protocols.ND_NEIGHBOR_ADVERT, "take", "nothing"),
    *_TAKE_OR_NOT,
)
"""Everything of ARP and neighbour discovery."""
IPV4_DELIVERED = _program(
    (_BYTE, 0), (_IS, _WITHOUT_OPTIONS, "marked", "take"), *_marked(36, 64, _WHOLE)
)
"""Marked ICMP, as a raw socket gets it: from the IP header on."""
IPV6_DELIVERED = _program(*_marked(16, 64, _WHOLE))
"""Marked ICMPv6, as a raw socket gets it: without the IP header."""


ECHO_MESSAGES = 256
"""Instead of an IP protocol: a number that none has."""


class PacketPattern(NamedTuple):
    """A description of a probe's packets, besides errors."""

    protocol: int = ECHO_MESSAGES
    """IP protocol."""
    token: bytes = b""
    """Bytes of the content of echo messages."""
    before: int = 0
    """Bytes of the content before the token."""
    ports: tuple[int, ...] = ()
    """Ports of which the source or the target port is one."""
    numbers: tuple[int, int] | None = None
    """First and last of the TCP sequence or acknowledgement numbers."""


def common(patterns: Sequence[PacketPattern]) -> PacketPattern:
    """Return a pattern that the packets of all these probes have, which are of one IP protocol: of echo
    messages, that of the mark that they share."""
    first = patterns[0]
    if len(patterns) == 1:
        return first
    if first.token:
        return first._replace(token=MARK[:8], before=TOKEN_BYTES)
    numbers = [pattern.numbers for pattern in patterns if pattern.numbers]
    ports = {port for pattern in patterns for port in pattern.ports}
    return first._replace(
        ports=tuple(sorted(ports)) if all(pattern.ports for pattern in patterns) else (),
        numbers=(min(low for low, _ in numbers), max(high for _, high in numbers))
        if len(numbers) == len(patterns)
        else None,
    )


def arp_from(address: str) -> bytes:
    """Compile a filter of the ARP packets whose sender has an IPv4 address, or says so."""
    return _program(
        (_HALF, 12),
        (_IS, _ARP, "next", "nothing"),
        (_WORD, 28),
        (_IS, int(IPv4Address(address)), "take", "nothing"),
        "take",
        (_RETURN, _WHOLE),
        "nothing",
        (_RETURN, _NOTHING),
    )


def probe_filter(pattern: PacketPattern, questions: bool = True) -> bytes:
    """Compile a filter of all that shows a probe's way: its packets, errors, and `questions` for MAC
    addresses.

    Not the echo messages of others, and not the later fragments of a packet.
    """
    arp = "take" if questions else "nothing"
    first, second = pattern.token[:4], pattern.token[4:8]
    at, at_ipv6 = _ETHERNET + 8 + pattern.before, _ETHERNET + 48 + pattern.before
    echo = "echo" if pattern.token else "nothing"
    echo_ipv6 = "echo ipv6" if pattern.token else "nothing"
    return _program(
        (_HALF, 12),
        (_IS, _ARP, arp, "next"),
        (_IS, _IPV6, "ipv6", "next"),
        (_IS, _IPV4, "next", "nothing"),
        (_HALF, 20),
        (_HAS, _FRAGMENT, "nothing", "next"),
        (_HEADER, _ETHERNET),
        (_BYTE, 23),
        (_IS, pattern.protocol, "probe", "next"),
        (_IS, _ICMP, "next", "nothing"),
        (_BYTE_BEHIND, _ETHERNET),
        (_IS, 8, echo, "next"),
        (_IS, 0, echo, "take"),
        "echo",
        (_WORD_BEHIND, at),
        (_IS, int.from_bytes(first), "next", "nothing"),
        (_WORD_BEHIND, at + 4),
        (_IS, int.from_bytes(second), "take", "nothing"),
        "probe",
        *_probe_packets(pattern, (_WORD_BEHIND, _HALF_BEHIND), _ETHERNET, "ipv4"),
        "ipv6",
        (_BYTE, 20),
        (_IS, pattern.protocol, "probe ipv6", "next"),
        (_IS, _ICMPV6, "next", "nothing"),
        (_BYTE, 54),
        (_IS, protocols.ICMPV6_ECHO_REQUEST, echo_ipv6, "next"),
        (_IS, protocols.ICMPV6_ECHO_REPLY, echo_ipv6, "next"),
        (_IS, protocols.ND_NEIGHBOR_SOLICIT, arp, "next"),
        (_IS, protocols.ND_NEIGHBOR_ADVERT, arp, "take"),
        "echo ipv6",
        (_WORD, at_ipv6),
        (_IS, int.from_bytes(first), "next", "nothing"),
        (_WORD, at_ipv6 + 4),
        (_IS, int.from_bytes(second), "take", "nothing"),
        "probe ipv6",
        *_probe_packets(pattern, (_WORD, _HALF), _ETHERNET + 40, "ipv6"),
        "take",
        (_RETURN, _WHOLE),
        "nothing",
        (_RETURN, _NOTHING),
    )


def _probe_packets(
    pattern: PacketPattern, codes: tuple[int, int], begin: int, name: str
) -> tuple[_Step, ...]:
    """Return the steps that take the protocol's packets of the probe. `codes` load a word and a half-word."""
    word, half = codes
    if pattern.numbers:
        first, last = pattern.numbers
        reply = f"reply {name}"
        return (
            (word, begin + 4),
            (_IS_AT_LEAST, first, "next", reply),
            (_IS_MORE, last, "next", "take"),
            reply,
            (word, begin + 8),
            (_IS_AT_LEAST, first, "next", "nothing"),
            (_IS_MORE, last, "nothing", "take"),
        )
    if pattern.ports:
        ports = tuple((_IS, port, "take", "next") for port in pattern.ports)
        return (half, begin), *ports, (half, begin + 2), *ports, (_RETURN, _NOTHING)
    return ((_RETURN, _WHOLE),)


_TCP_BYTES, _OTHER_BYTES = 160, 2048
"""Bytes of a frame: all headers of TCP; and enough to tell any other packet from the next."""
HEADERS = _program(
    (_LENGTH, 0),
    (_IS_AT_LEAST, 34, "next", "all"),
    (_HALF, 12),
    (_IS, _IPV4, "next", "ipv6"),
    (_BYTE, 23),
    (_IS, _TCP, "tcp", "all"),
    "ipv6",
    (_IS, _IPV6, "next", "all"),
    (_BYTE, 20),
    (_IS, _TCP, "tcp", "all"),
    "tcp",
    (_RETURN, _TCP_BYTES),
    "all",
    (_RETURN, _OTHER_BYTES),
)
"""A filter for those who do not need what packets carry: 64 kB a frame fill a buffer soon."""
