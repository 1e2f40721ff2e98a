"""Packets in nftables' words, for its rules. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

from netlab.explain.model import PredictedPacket
from netlab.explain.nft_rules import NOT_THERE, Facts
from netlab.kernel.nftables.nft import PROTOCOLS
from netlab.kernel.rows import IPAddress
from netlab.packets.packet import Part

_HEADERS = frozenset({"ip", "ip6", "icmp", "icmpv6", "tcp", "udp", "arp"})
_NUMBERS = {word: number for number, word in PROTOCOLS.items()}
_SOLICITED = int(IPv6Address("ff02::1:ff00:0"))
"""The prefix of a solicited-node multicast address (RFC 4291, 2.7.1); its last 24 bits are the address'."""


def packet_facts(
    packet: PredictedPacket, came_in: str | None, out: str | None, state: str
) -> Facts:
    """Return the facts of a packet at a hook; ports that are chosen at random are not among them."""
    protocol = packet.probe.protocol
    if protocol == "icmp" and packet.version == 6:
        protocol = "icmpv6"
    facts = {
        **_ip_facts(packet.source, packet.target, packet.ttl, protocol),
        # No interface has an empty name: `iifname != "eth0"` is true of a packet of the machine's own.
        "meta iifname": came_in or "",
        "meta iif": came_in or "",
        "meta oifname": out or "",
        "meta oif": out or "",
        "ct state": frozenset({state}),
    }
    if packet.probe.protocol == "icmp":
        kind = "echo-request" if packet.part is Part.REQUEST else "echo-reply"
        return {**facts, f"{protocol} type": kind}
    ports = {"sport": packet.source_port, "dport": packet.target_port}
    return facts | {
        f"{word} {end}": port for end, port in ports.items() for word in (protocol, "th")
    }


def connection_facts(first: PredictedPacket) -> Facts:
    """Return the facts that connection tracking has of a connection's first packet, as it came in."""
    header = "ip" if first.version == 4 else "ip6"
    ends = {f"{header} saddr": first.source, f"{header} daddr": first.target}
    ports = {"proto-src": first.source_port, "proto-dst": first.target_port}
    return {f"ct original {key}": value for key, value in (ends | ports).items()}


def neighbour_facts(address: IPAddress, asker: IPAddress | None) -> tuple[Facts, Facts]:
    """Return the facts of a neighbour solicitation for an address, and of its reply. Connection tracking
    leaves both alone."""
    group = IPv6Address(_SOLICITED | int(address) & 0xFFFFFF)
    none = {f"meta {field}": NOT_THERE for field in ("iif", "iifname", "oif", "oifname")}
    asking, answering = (
        {
            **none,
            **_ip_facts(source, target, 255, "icmpv6"),
            "icmpv6 type": f"nd-neighbor-{word}",
            "meta mark": 0,
            "ct state": frozenset({"untracked"}),
        }
        for source, target, word in ((asker, group, "solicit"), (address, asker, "advert"))
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
        "meta protocol": header,
        "meta nfproto": "ipv6" if is_ipv6 else "ipv4",
        "meta l4proto": number,
        f"{header} {'nexthdr' if is_ipv6 else 'protocol'}": number,
        f"{header} saddr": source,
        f"{header} daddr": target,
        f"{header} {'hoplimit' if is_ipv6 else 'ttl'}": ttl,
    }
