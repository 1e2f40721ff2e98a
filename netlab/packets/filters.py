"""Filters of netlab's own: programs of classic BPF for sockets that are to receive only some packets.

What others send in a lab may be any amount. Whoever follows echo requests is given those that carry the mark,
and what is needed of ARP and neighbour discovery.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import NamedTuple

from netlab.packets import protocols
from netlab.packets.icmp import MARK
from netlab.packets.icmp_socket import STEP

_LENGTH, _WORD, _HALF, _BYTE = 0x80, 0x20, 0x28, 0x30
"""What is loaded: the frame's length, or what stands at a place."""
_HEADER, _WORD_BEHIND, _HALF_BEHIND, _BYTE_BEHIND = 0xB1, 0x40, 0x48, 0x50
"""How long an IPv4 header is, and what stands so many bytes behind a place."""
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
"""Code and operand; of a test also where it goes on if it holds, and if not: a label, or `next`."""


def _program(*steps: _Step) -> bytes:
    """Jumps go forward to labels, which stand before a step."""
    places: dict[str, int] = {}
    real: list[tuple[int, int] | tuple[int, int, str, str]] = []
    for step in steps:
        if isinstance(step, str):
            places[step] = len(real)
        else:
            real.append(step)
    packed = []
    for place, (code, operand, *ways) in enumerate(real, 1):
        jumps = [0 if way == "next" else places[str(way)] - place for way in ways] or [0, 0]
        packed.append(STEP.pack(code, *jumps, operand))
    return b"".join(packed)


def _marked(echo: int, quoted: int, enough: int) -> tuple[_Step, ...]:
    """Of ICMP: what has the mark where an echo message of netlab's has it, or an error that quotes one.

    Who loads what is beyond the end receives nothing.
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


_OF_FOUR = (_BYTE, _ETHERNET), (_IS, _WITHOUT_OPTIONS, "marked", "take")
"""Packets with options are rare: they are looked at in full."""
_MARKED_OF_FOUR = _marked(_ETHERNET + 36, _ETHERNET + 64, 128)
_MARKED_OF_SIX = _marked(_ETHERNET + 56, _ETHERNET + 104, 160)

ON_A_SWITCH = _program(
    # No ARP: a switch with 64 ports floods every question to 63 of them.
    (_HALF, 12),
    (_IS, _IPV4, "next", "nothing"),
    (_BYTE, 23),
    (_IS, _ICMP, "next", "nothing"),
    *_OF_FOUR,
    *_MARKED_OF_FOUR,
)
ON_A_MACHINE = _program(
    # Marked ICMP, ARP questions that leave, and ARP replies that come in.
    (_HALF, 12),
    (_IS, _ARP, "arp", "next"),
    (_IS, _IPV4, "next", "nothing"),
    (_BYTE, 23),
    (_IS, _ICMP, "next", "nothing"),
    *_OF_FOUR,
    "arp",
    (_HALF, _PACKET_TYPE),
    (_IS, _OUTGOING, "take", "next"),
    (_HALF, 20),
    (_IS, 2, "take", "nothing"),
    *_MARKED_OF_FOUR,
)
SIX_ON_A_SWITCH = _program(
    (_HALF, 12),
    (_IS, _IPV6, "next", "nothing"),
    (_BYTE, 20),
    (_IS, _ICMPV6, "marked", "nothing"),
    *_MARKED_OF_SIX,
)
SIX_ON_A_MACHINE = _program(
    # Neighbour discovery is ICMPv6 too: questions that leave, and replies that come in.
    (_HALF, 12),
    (_IS, _IPV6, "next", "nothing"),
    (_BYTE, 20),
    (_IS, _ICMPV6, "next", "nothing"),
    (_BYTE, 54),
    (_IS, protocols.ND_NEIGHBOR_SOLICIT, "question", "next"),
    (_IS, protocols.ND_NEIGHBOR_ADVERT, "take", "marked"),
    "question",
    (_HALF, _PACKET_TYPE),
    (_IS, _OUTGOING, "take", "nothing"),
    *_MARKED_OF_SIX,
)
DELIVERED = _program(
    (_BYTE, 0), (_IS, _WITHOUT_OPTIONS, "marked", "take"), *_marked(36, 64, _WHOLE)
)
"""Marked ICMP, as a raw socket gets it: from the IP header on."""
SIX_DELIVERED = _program(*_marked(16, 64, _WHOLE))
"""The same of ICMPv6, which comes without it."""


class Wanted(NamedTuple):
    """What the packets of a probe are, besides errors."""

    protocol: int = 256
    """IP's; 256, which is none: echo messages."""
    token: bytes = b""
    """Of echo messages: how their content begins."""
    ports: tuple[int, ...] = ()
    """One of the two is one of these."""
    numbers: tuple[int, int] | None = None
    """From where to where TCP's own number, or the other one's, is."""


def arp_of(address: str) -> bytes:
    """What somebody says by ARP who has an IPv4 address, or says so."""
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


def watcher(wanted: Wanted) -> bytes:
    """Everything by which one probe is followed: its packets, errors, and who asks for MAC addresses.

    Not the echo messages of others, and not the later fragments of what is cut in pieces.
    """
    first, second = wanted.token[:4], wanted.token[4:8]
    echo = "echo" if wanted.token else "nothing"
    echo_of_six = "echo six" if wanted.token else "nothing"
    return _program(
        (_HALF, 12),
        (_IS, _ARP, "take", "next"),
        (_IS, _IPV6, "six", "next"),
        (_IS, _IPV4, "next", "nothing"),
        (_HALF, 20),
        (_HAS, _FRAGMENT, "nothing", "next"),
        (_HEADER, _ETHERNET),
        (_BYTE, 23),
        (_IS, wanted.protocol, "own", "next"),
        (_IS, _ICMP, "next", "nothing"),
        (_BYTE_BEHIND, _ETHERNET),
        (_IS, 8, echo, "next"),
        (_IS, 0, echo, "take"),
        "echo",
        (_WORD_BEHIND, _ETHERNET + 8),
        (_IS, int.from_bytes(first), "next", "nothing"),
        (_WORD_BEHIND, _ETHERNET + 12),
        (_IS, int.from_bytes(second), "take", "nothing"),
        "own",
        *_own(wanted, (_WORD_BEHIND, _HALF_BEHIND), _ETHERNET, "four"),
        "six",
        (_BYTE, 20),
        (_IS, wanted.protocol, "own six", "next"),
        (_IS, _ICMPV6, "next", "nothing"),
        (_BYTE, 54),
        (_IS, protocols.ICMPV6_ECHO_REQUEST, echo_of_six, "next"),
        (_IS, protocols.ICMPV6_ECHO_REPLY, echo_of_six, "take"),
        "echo six",
        (_WORD, _ETHERNET + 48),
        (_IS, int.from_bytes(first), "next", "nothing"),
        (_WORD, _ETHERNET + 52),
        (_IS, int.from_bytes(second), "take", "nothing"),
        "own six",
        *_own(wanted, (_WORD, _HALF), _ETHERNET + 40, "six"),
        "take",
        (_RETURN, _WHOLE),
        "nothing",
        (_RETURN, _NOTHING),
    )


def _own(wanted: Wanted, codes: tuple[int, int], begin: int, name: str) -> tuple[_Step, ...]:
    """Whether a packet of the protocol may be the probe's. `codes` load a word and a half at a place."""
    word, half = codes
    if wanted.numbers:
        first, last = wanted.numbers
        answer = f"answer {name}"
        return (
            (word, begin + 4),
            (_IS_AT_LEAST, first, "next", answer),
            (_IS_MORE, last, "next", "take"),
            answer,
            (word, begin + 8),
            (_IS_AT_LEAST, first, "next", "nothing"),
            (_IS_MORE, last, "nothing", "take"),
        )
    if wanted.ports:
        ports = tuple((_IS, port, "take", "next") for port in wanted.ports)
        return (half, begin), *ports, (half, begin + 2), *ports, (_RETURN, _NOTHING)
    return ((_RETURN, _WHOLE),)


_OF_TCP, _OF_ALL = 160, 2048
"""Bytes of a frame: all headers of TCP; and what is enough to tell any other packet from the next."""
HEADERS = _program(
    (_LENGTH, 0),
    (_IS_AT_LEAST, 34, "next", "all"),
    (_HALF, 12),
    (_IS, _IPV4, "next", "six"),
    (_BYTE, 23),
    (_IS, _TCP, "tcp", "all"),
    "six",
    (_IS, _IPV6, "next", "all"),
    (_BYTE, 20),
    (_IS, _TCP, "tcp", "all"),
    "tcp",
    (_RETURN, _OF_TCP),
    "all",
    (_RETURN, _OF_ALL),
)
"""For those who do not want what packets carry: 64 kB a frame fill a buffer soon."""
