"""Names that several views share: of header fields, of a packet's part in a probe, of what decided a step."""

from __future__ import annotations

from netlab.diagnosis.decision import By
from netlab.messages import N_, translator
from netlab.packets.packet import Part

FIELDS = {
    "eth.dst": N_("destination MAC"),
    "eth.src": N_("source MAC"),
    "arp.op": N_("operation"),
    "arp.sender": N_("sender's IP"),
    "arp.sender_mac": N_("sender's MAC"),
    "arp.target": N_("target's IP"),
    "ip.src": N_("source"),
    "ip.dst": N_("destination"),
    "ip.ttl": N_("TTL"),
    "ip.id": N_("identification"),
    "ip.df": N_("don't fragment"),
    "ip.tos": N_("type of service"),
    "ip.length": N_("length"),
    "ip.protocol": N_("protocol"),
    "ip.fragment": N_("fragment from byte"),
    "icmp.type": N_("ICMP type"),
    "icmp.code": N_("ICMP code"),
    "icmp.id": N_("ICMP id"),
    "icmp.seq": N_("ICMP sequence"),
    "icmp.mtu": N_("ICMP MTU"),
    "tcp.src": N_("source port"),
    "tcp.dst": N_("destination port"),
    "tcp.seq": N_("sequence number"),
    "tcp.ack": N_("acknowledgment"),
    "tcp.flags": N_("flags"),
    "tcp.length": N_("bytes of data"),
    "udp.src": N_("source port"),
    "udp.dst": N_("destination port"),
    "udp.length": N_("bytes of data"),
    "dns.id": N_("DNS id"),
    "dns.name": N_("DNS name"),
    "dns.type": N_("DNS record type"),
    "dns.code": N_("DNS result code"),
    "dns.answer": N_("DNS response"),
    "dhcp.type": N_("DHCP message"),
    "dhcp.xid": N_("DHCP transaction"),
    "dhcp.client": N_("DHCP client's MAC"),
    "dhcp.address": N_("DHCP address"),
    "malformed": N_("malformed"),
}
"""Header fields, in the order in which they stand in a frame."""

_PARTS = {Part.REQUEST: N_("REQUEST"), Part.REPLY: N_("REPLY"), Part.ERROR: N_("ERROR")}
_DECIDERS = {
    By.ROUTE: N_("route"),
    By.ARP: N_("arp"),
    By.NDP: N_("ndp"),
    By.FDB: N_("fdb"),
    By.NAT: N_("nat"),
    By.RULE: N_("rule"),
}
_DISCOVERIES = {By.ARP: N_("ARP"), By.NDP: N_("NEIGHBOUR DISCOVERY")}
_PROBES = {"icmp": N_("ICMP echo")}


def field_name(field: str, language: str) -> str:
    """Return `source port` for `tcp.src`; a field without a name is called as it is."""
    gettext = translator(language)
    if field.startswith("quoted."):
        name = field_name(field.removeprefix("quoted."), language)
        return gettext("quoted {field}").format(field=name)
    return gettext(FIELDS[field]) if field in FIELDS else field


def part_name(part: Part, language: str) -> str:
    """Return `REQUEST`, the heading above such packets."""
    return translator(language)(_PARTS[part])


def decider_name(decider: By, language: str) -> str:
    """Return `route`, the word before a decision."""
    return translator(language)(_DECIDERS[decider])


def discovery_name(protocol: By, language: str) -> str:
    """Return the heading above questions for MAC addresses: ARP, or IPv6's neighbour discovery."""
    return translator(language)(_DISCOVERIES[protocol])


def probe_name(kind: str, language: str) -> str:
    """Return `ICMP echo` for `icmp`; other kinds are called as they are written."""
    return translator(language)(_PROBES[kind]) if kind in _PROBES else kind


def translations(count: int, language: str) -> str:
    """Return `2 translations`."""
    gettext = translator(language)
    text = gettext("1 translation") if count == 1 else gettext("{times} translations")
    return text.format(times=count)
