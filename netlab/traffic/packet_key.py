"""Keys of packets, equal before and after every NAT. Pure.

For foreign traffic, which carries no token: what translators leave alone makes the key. Where that is not
unique (equal datagrams without an IP id), the way that a packet can have come decides; see `conversations`.
"""

from __future__ import annotations

from functools import lru_cache

from netlab.frozen import frozen
from netlab.packets import protocols
from netlab.packets.frame import Fields, read

FlowEnd = tuple[str, str]
"""An address, and the port or ICMP id there."""

WEAK = frozenset({"udp", "dns", "arp", "ndp", "dhcp", "other"})
"""Kinds of which two packets may be equal: the key holds for a moment only."""

_ECHO_REPLY = {str(protocols.ICMP_ECHO_REPLY), str(protocols.ICMPV6_ECHO_REPLY)}
_ECHO = {*_ECHO_REPLY, str(protocols.ICMP_ECHO_REQUEST), str(protocols.ICMPV6_ECHO_REQUEST)}
_ICMPV6 = str(protocols.ICMPV6)
_REMEMBERED = 1 << 12
_INFORMS = 128
"""From this type on, a message of ICMPv6 is no error (RFC 4443, 2.1)."""


@frozen
class Identity:
    """A frame, as one packet among others."""

    kind: str
    """icmp (echo), error, tcp, udp, dns, dhcp, arp, ndp; or other."""
    key: tuple[object, ...]
    """Equal in all sightings of the packet."""
    source: FlowEnd
    target: FlowEnd
    """Both ends as they are in this frame: NAT changes them."""
    turn: str
    """Tells several exchanges between the two apart; empty if they have only one."""
    quoted: tuple[frozenset[FlowEnd], str] | None
    """Both ends and the turn of the packet that an error quotes."""
    is_reply: bool
    """True if it can only follow what the other end has said: a reply, or TCP but for the first segment."""
    octets: int
    """Bytes of content of TCP and UDP."""
    fields: Fields

    @property
    def ends(self) -> frozenset[FlowEnd]:
        """Both ends, equal in both directions."""
        return frozenset((self.source, self.target))

    @property
    def mac(self) -> str:
        """MAC address of the interface that has sent this frame."""
        return self.fields.get("eth.src", "")


@lru_cache(maxsize=_REMEMBERED)
def identify(data: bytes, length: int = 0) -> Identity:
    """Identify a frame's packet; `length` as for `frame.decode`.

    Remembered: between two rewrites, a frame is seen several times.
    """
    fields, content = read(data, length)
    kind = _kind(fields)
    source, target, turn = _ends(kind, fields)
    octets = int(fields.get("tcp.length") or fields.get("udp.length") or 0)
    key = _key(kind, fields, hash(content if "ip.src" in fields else data))
    quoted = _quoted(fields) if kind == "error" else None
    return Identity(
        kind, key, source, target, turn, quoted, _is_reply(kind, fields), octets, fields
    )


def _quoted(fields: Fields) -> tuple[frozenset[FlowEnd], str] | None:
    """Return ends and turn of the packet that an error quotes; None if nothing of it can be read."""
    inner = {
        name.removeprefix("quoted."): value
        for name, value in fields.items()
        if name.startswith("quoted.")
    }
    if "ip.src" not in inner:
        return None
    source, target, turn = _ends(_kind(inner), inner)
    return frozenset((source, target)), turn


def _kind(fields: Fields) -> str:
    """Return the kind, by fields that are there with all others of their header, or not at all."""
    if "arp.op" in fields:
        return "ndp" if "icmp.type" in fields else "arp"
    if "dhcp.xid" in fields:
        return "dhcp"
    if "dns.name" in fields:
        return "dns"
    if "icmp.type" in fields:
        if "icmp.seq" in fields:
            return "icmp" if fields["icmp.type"] in _ECHO else "error"
        informs = fields.get("ip.protocol") == _ICMPV6 and int(fields["icmp.type"]) >= _INFORMS
        return "other" if informs else "error"
    return next((name for name in ("tcp", "udp") if f"{name}.dst" in fields), "other")


def _ends(kind: str, fields: Fields) -> tuple[FlowEnd, FlowEnd, str]:
    """Return source, target and turn."""
    match kind:
        case "arp" | "ndp":
            return (fields["arp.sender"], kind), (fields["arp.target"], kind), ""
        case "dhcp":
            # Servers and relays answer from and to changing addresses; the client's own is constant.
            client, server = (fields["dhcp.client"], kind), ("", kind)
            asks = fields.get("udp.dst") == "67"
            return (
                (client, server, fields["dhcp.xid"])
                if asks
                else (server, client, fields["dhcp.xid"])
            )
        case "icmp":
            number = fields["icmp.id"]
            return (fields["ip.src"], number), (fields["ip.dst"], number), fields["icmp.seq"]
        case "tcp" | "udp" | "dns":
            transport = "tcp" if kind == "tcp" else "udp"
            source, target = (
                (fields[f"ip.{end}"], fields[f"{transport}.{end}"]) for end in ("src", "dst")
            )
            return source, target, fields.get("dns.id", "")
    if "ip.src" in fields:
        return (fields["ip.src"], kind), (fields["ip.dst"], kind), ""
    return (fields.get("eth.src", ""), kind), (fields.get("eth.dst", ""), kind), ""


def _is_reply(kind: str, fields: Fields) -> bool:
    match kind:
        case "arp" | "ndp":
            return fields["arp.op"] != "request"
        case "icmp":
            return fields["icmp.type"] in _ECHO_REPLY
        case "dns":
            return "dns.code" in fields
        case "dhcp":
            return fields.get("udp.dst") != "67"
        case "tcp":
            flags = fields["tcp.flags"].split()
            return "SYN" not in flags or "ACK" in flags
    return False


def _key(kind: str, fields: Fields, content: int) -> tuple[object, ...]:
    """Return a packet's key. `content`: a hash of what is behind the headers."""
    number = fields.get("ip.id", "")
    match kind:
        case "arp" | "ndp":
            return kind, fields["arp.op"], fields["arp.sender"], fields["arp.target"]
        case "dhcp":
            return kind, fields.get("dhcp.type"), fields["dhcp.xid"], fields["dhcp.client"]
        case "icmp":
            return kind, fields["icmp.type"], fields["icmp.seq"], number, content
        case "tcp":
            order = fields["tcp.seq"], fields["tcp.ack"]
            return kind, *order, fields["tcp.flags"], fields["tcp.length"], number
        case "udp" | "dns":
            return kind, number, fields["udp.length"], content
        case "error":  # What it quotes is translated on the way.
            return (
                kind,
                fields["icmp.type"],
                fields["icmp.code"],
                number,
                fields.get("quoted.ip.id"),
            )
    protocol = fields.get("ip.protocol", ""), fields.get("icmp.type", "")
    return kind, number, *protocol, fields.get("ip.fragment", ""), content
