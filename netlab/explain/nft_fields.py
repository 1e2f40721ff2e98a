"""Packets and frames in nftables' words, for its rules. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

from netlab.explain.model import PredictedPacket
from netlab.explain.nft_values import NOT_THERE, WORDS, Facts
from netlab.kernel.nftables.nft import PROTOCOLS
from netlab.kernel.rows import IPAddress
from netlab.packets.packet import Part

_HEADERS = frozenset({"ip", "ip6", "icmp", "icmpv6", "tcp", "udp", "arp", "vlan", "sctp", "dccp"})
_NUMBERS = {word: number for number, word in PROTOCOLS.items()}
_TYPES = WORDS["ether type"]
_ARP_OPERATIONS = WORDS["arp operation"]
_SOLICITED = int(IPv6Address("ff02::1:ff00:0"))
"""The prefix of a solicited-node multicast address (RFC 4291, 2.7.1); its last 24 bits are the address'."""
_NO_INTERFACES = dict.fromkeys(("meta iif", "meta iifname", "meta oif", "meta oifname"), "")
"""The kernel takes the empty name where a packet has no interface (nft_meta_store_ifname)."""
_FLAGS = {
    Part.REQUEST: frozenset({"syn"}),
    Part.REPLY: frozenset({"syn", "ack"}),
    Part.ERROR: frozenset({"rst", "ack"}),
}
"""Flags of TCP's first packet, and of what answers it (RFC 9293, 3.5)."""
_MESSAGES = {Part.REQUEST: ("echo-request", 0), Part.REPLY: ("echo-reply", 0)}
_PORT_CLOSED = {"icmp": 3, "icmpv6": 4}
"""Codes of ICMP's "destination unreachable" for a port without program (RFC 792, RFC 4443)."""


def interfaces(came_in: str | None, out: str | None) -> Facts:
    """Return the interfaces of a packet or frame at a hook."""
    facts = dict(_NO_INTERFACES)
    if came_in:
        facts |= {"meta iif": came_in, "meta iifname": came_in}
    if out:
        facts |= {"meta oif": out, "meta oifname": out}
    return facts


def packet_facts(
    packet: PredictedPacket, came_in: str | None, out: str | None, state: str
) -> Facts:
    """Return the facts of a packet at a hook of IP's."""
    link = dict(zip(("ether saddr", "ether daddr"), packet.macs or (), strict=False))
    return {
        **_content(packet),
        **interfaces(came_in, out),
        "ether": None if packet.macs else NOT_THERE,
        **link,
        "ct state": frozenset({state}),
        "ct direction": "original" if packet.part is Part.REQUEST else "reply",
        "meta mark": packet.mark,
        **dict.fromkeys(("meta skuid", "meta skgid"), None if came_in is None else NOT_THERE),
    }


def _content(packet: PredictedPacket) -> dict[str, Any]:
    """Return the facts of a packet that are the same everywhere; ports that are chosen at random are not
    among them."""
    protocol, is_error = packet.probe.protocol, packet.part is Part.ERROR
    icmp = "icmp" if packet.version == 4 else "icmpv6"
    if protocol == "icmp" or (is_error and protocol == "udp"):
        facts = _ip_facts(packet.source, packet.target, packet.ttl, icmp)
        kind, code = _MESSAGES.get(packet.part, ("destination-unreachable", _PORT_CLOSED[icmp]))
        return {**facts, f"{icmp} type": WORDS[f"{icmp} type"][kind], f"{icmp} code": code}
    facts = _ip_facts(packet.source, packet.target, packet.ttl, protocol)
    ports = {"sport": packet.source_port, "dport": packet.target_port}
    facts |= {f"{word} {end}": port for end, port in ports.items() for word in (protocol, "th")}
    if protocol == "tcp":
        facts["tcp flags"] = _FLAGS[packet.part]
    return facts


def connection_facts(first: PredictedPacket) -> Facts:
    """Return the facts that connection tracking has of a connection's first packet, as it came in."""
    header = "ip" if first.version == 4 else "ip6"
    ends = {f"{header} saddr": first.source, f"{header} daddr": first.target}
    ports = {"proto-src": first.source_port, "proto-dst": first.target_port}
    return {f"ct original {key}": value for key, value in (ends | ports).items()}


def packet_in_frame(packet: PredictedPacket) -> Facts:
    """Return the facts of a packet that a frame carries."""
    kind = "ip" if packet.version == 4 else "ip6"
    return {**_content(packet), "ether type": _TYPES[kind]}


def neighbour_facts(address: IPAddress, asker: IPAddress | None) -> tuple[Facts, Facts]:
    """Return the facts of a neighbour solicitation for an address, and of its reply. Connection tracking
    leaves both alone."""
    group = IPv6Address(_SOLICITED | int(address) & 0xFFFFFF)
    asking, answering = (
        {
            **_NO_INTERFACES,
            **_ip_facts(source, target, 255, "icmpv6"),
            "icmpv6 type": WORDS["icmpv6 type"][f"nd-neighbor-{word}"],
            "ether type": _TYPES["ip6"],
            "ct state": frozenset({"untracked"}),
            "meta mark": 0,
        }
        for source, target, word in ((asker, group, "solicit"), (address, asker, "advert"))
    )
    return asking, answering


def arp_facts(address: IPAddress, asker: IPAddress | None) -> tuple[Facts, Facts]:
    """Return the facts of an ARP request for an address, and of its reply, without the MAC addresses."""
    asking, answering = (
        {
            **dict.fromkeys(_HEADERS - {"arp"}, NOT_THERE),
            "th": NOT_THERE,
            "meta l4proto": NOT_THERE,
            "meta protocol": _TYPES["arp"],
            "ether type": _TYPES["arp"],
            "arp htype": 1,
            "arp ptype": _TYPES["ip"],
            "arp hlen": 6,
            "arp plen": 4,
            "arp operation": _ARP_OPERATIONS[word],
            "arp saddr ip": source,
            "arp daddr ip": target,
        }
        for source, target, word in ((asker, address, "request"), (address, asker, "reply"))
    )
    return asking, answering


def _ip_facts(
    source: IPAddress | None, target: IPAddress | None, ttl: int, protocol: str
) -> dict[str, Any]:
    """Return the facts of the IP header; one that is None is not known."""
    is_ipv6 = (source or target or IPv6Address(0)).version == 6
    header = "ip6" if is_ipv6 else "ip"
    number = _NUMBERS[protocol]
    return {
        **dict.fromkeys(_HEADERS - {protocol, header}, NOT_THERE),
        "meta protocol": _TYPES[header],
        "meta nfproto": "ipv6" if is_ipv6 else "ipv4",
        "meta l4proto": number,
        f"{header} version": 6 if is_ipv6 else 4,
        f"{header} {'nexthdr' if is_ipv6 else 'protocol'}": number,
        f"{header} saddr": source,
        f"{header} daddr": target,
        f"{header} {'hoplimit' if is_ipv6 else 'ttl'}": ttl,
    }
