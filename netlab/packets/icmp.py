"""ICMP messages that carry a token: built and read.

Every probe is an echo request whose payload is a random token and a mark; a
router that reports an error quotes them, so one search finds the probe in
requests, replies and errors alike. The token comes first, where an nftables
rule finds it. One request is built by scapy, which takes 0.4 ms, and the others
are made of it: a matrix of 200 VMs has 40,000.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv6Address

from netlab.frozen import frozen
from netlab.messages import Message
from netlab.packets import layers, protocols
from netlab.packets.frame import ETHERNET, decode, message_name
from netlab.packets.packet import Part
from netlab.packets.template import template

MARK = b" netlab probe"
TOKEN_BYTES = 8

KINDS = {
    str(protocols.ICMP_ECHO_REPLY): Part.REPLY,
    "3": Part.ERROR,  # destination unreachable
    str(protocols.ICMP_ECHO_REQUEST): Part.REQUEST,
    "11": Part.ERROR,  # time exceeded
    "12": Part.ERROR,  # parameter problem
}


_IPV6_KINDS = {
    1: Part.ERROR,  # destination unreachable
    2: Part.ERROR,  # packet too big
    3: Part.ERROR,  # time exceeded
    4: Part.ERROR,  # parameter problem
    protocols.ICMPV6_ECHO_REQUEST: Part.REQUEST,
    protocols.ICMPV6_ECHO_REPLY: Part.REPLY,
}

_ECHO = {
    bytes([protocols.ICMP_ECHO_REQUEST]): Part.REQUEST,
    bytes([protocols.ICMP_ECHO_REPLY]): Part.REPLY,
}
_IPV6_ECHO = {
    bytes([protocols.ICMPV6_ECHO_REQUEST]): Part.REQUEST,
    bytes([protocols.ICMPV6_ECHO_REPLY]): Part.REPLY,
}
_IPV4_BYTES, _ICMP_BYTES = 20, 8


@frozen
class IcmpMessage:
    """An ICMP message that carries a token."""

    kind: Part
    token: bytes
    source: str
    """IP address of the sender."""
    local: bool
    """True if it is from the receiver's own kernel: it gave up sending."""
    text: str
    """The message in words: who says what."""


class EchoRequest:
    """Echo requests without IP header, as raw sockets send them, which differ in the values of `build`."""

    def __init__(self, is_ipv6: bool = False, padding: bytes = b"") -> None:
        """Build the form of a request. `padding` comes behind token and mark. Imports scapy: 0.1 s."""
        content = MARK + padding
        self._is_ipv6 = is_ipv6
        if is_ipv6:
            self._form = template(partial(_ipv6_request, content), 2, 2, TOKEN_BYTES)
        else:
            self._form = template(partial(_ipv4_request, content), 2, 2, 2, TOKEN_BYTES)
            empty = self._form % (bytes(2), bytes(2), bytes(2), bytes(TOKEN_BYTES))
            self._checksum = int(layers.checksum(empty))

    def build(self, token: bytes, identifier: int, sequence: int = 1) -> bytes:
        """Return the request with this token, identifier and sequence number."""
        if self._is_ipv6:  # The kernel fills in ICMPv6's checksum, which covers the addresses too.
            return self._form % (identifier.to_bytes(2), sequence.to_bytes(2), token)
        # RFC 1624: a sum with end-around carry is a remainder. All values begin at even places.
        checksum = (self._checksum - identifier - sequence - int.from_bytes(token)) % 0xFFFF
        values = checksum.to_bytes(2), identifier.to_bytes(2), sequence.to_bytes(2), token
        return self._form % values


def _ipv4_request(
    content: bytes, checksum: bytes, identifier: bytes, sequence: bytes, token: bytes
) -> bytes:
    header = layers.ICMP(
        type="echo-request",
        chksum=int.from_bytes(checksum),
        id=int.from_bytes(identifier),
        seq=int.from_bytes(sequence),
    )
    return bytes(header / layers.Raw(token + content))


def _ipv6_request(content: bytes, identifier: bytes, sequence: bytes, token: bytes) -> bytes:
    return bytes(
        layers.ICMPv6EchoRequest(
            cksum=0,
            id=int.from_bytes(identifier),
            seq=int.from_bytes(sequence),
            data=token + content,
        )
    )


def token_of(data: bytes) -> bytes | None:
    """Return the token in any packet, None if it is no probe's. Cheap: no dissection."""
    at = data.find(MARK)
    return data[at - TOKEN_BYTES : at] if at >= TOKEN_BYTES else None


def echo(data: bytes, is_ipv6: bool) -> tuple[Part | None, bytes]:
    """Return an echo message's part in a probe, and its token. `data`: as a raw socket delivers it.

    Of anything else, and behind IPv4 options, neither means anything: no probe has such a token.
    """
    if is_ipv6:
        return _IPV6_ECHO.get(data[:1]), data[_ICMP_BYTES : _ICMP_BYTES + TOKEN_BYTES]
    at = _IPV4_BYTES + _ICMP_BYTES
    return _ECHO.get(data[_IPV4_BYTES : _IPV4_BYTES + 1]), data[at : at + TOKEN_BYTES]


def read_ipv4_packet(data: bytes) -> IcmpMessage | None:
    """Read an IP packet as a raw ICMP socket delivers it; None if it carries no token."""
    token = token_of(data)
    if token is None:
        return None
    fields = decode(ETHERNET + data)
    kind = KINDS.get(fields.get("icmp.type", ""))
    if kind is None:
        return None  # A redirect, for example: it quotes a packet that was forwarded all the same.
    source = fields["ip.src"]
    return IcmpMessage(
        kind,
        token,
        source,
        source == fields["ip.dst"],
        Message("{node} says: {message}", node=source, message=message_name(fields)),
    )


def read_ipv6_message(data: bytes, source: str) -> IcmpMessage | None:
    """Read a message as a raw ICMPv6 socket delivers it, without IP header; None if it carries no token."""
    token = token_of(data)
    kind = _IPV6_KINDS.get(data[0]) if data else None
    if token is None or kind is None:
        return None
    # The quoted packet's source is at 8: an error of one's own kernel comes from that very address.
    local = kind is Part.ERROR and data[16:32] == IPv6Address(source).packed
    fields = {"ip.protocol": "58", "icmp.type": str(data[0]), "icmp.code": str(data[1])}
    says = Message("{node} says: {message}", node=source, message=message_name(fields))
    return IcmpMessage(kind, token, source, local, says)
