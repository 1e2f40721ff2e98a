"""A frame in a few words, as tcpdump has them."""

from __future__ import annotations

from netlab.messages import told
from netlab.packets.frame import Fields, message_name
from netlab.report.words import WORDS, packet_name

_RECORDS = {"1": "A", "2": "NS", "5": "CNAME", "12": "PTR", "15": "MX", "16": "TXT", "28": "AAAA"}
_DNS_FAILURES = {"2": "SERVFAIL", "3": "NXDOMAIN", "5": "REFUSED"}


def summary(fields: Fields, language: str = "en") -> str:
    """Return a frame's addresses and content in a line."""
    if "arp.op" in fields:
        return _with_remarks(_arp(fields, language), fields, language)
    if "ip.src" not in fields:
        ends = f"{fields.get('eth.src', '?')} > {fields.get('eth.dst', '?')}"
        remarks = _remarks(fields, language)
        return f"{ends}  {remarks}" if remarks else ends
    transport = next((name for name in ("tcp", "udp") if f"{name}.src" in fields), None)
    ends = " > ".join(
        f"{fields[f'ip.{end}']}{':' + fields[f'{transport}.{end}'] if transport else ''}"
        for end in ("src", "dst")
    )
    return f"{ends}  {packet_text(fields, language)}"


def packet_text(fields: Fields, language: str = "en") -> str:
    """Return the packet without its addresses: `ICMP echo request, seq 1`."""
    return _with_remarks(_content(fields, language), fields, language)


def _with_remarks(text: str, fields: Fields, language: str) -> str:
    remarks = _remarks(fields, language)
    return "; ".join(filter(None, (text, remarks))) or _protocol(fields, language)


def _remarks(fields: Fields, language: str) -> str:
    """Return that it is a fragment, and what is wrong with it."""
    remarks = [told(fields["malformed"], language)] if "malformed" in fields else []
    if "ip.fragment" in fields:
        remarks.insert(0, WORDS[language]["fragment"].format(at=fields["ip.fragment"]))
    return "; ".join(remarks)


def _protocol(fields: Fields, language: str) -> str:
    return WORDS[language]["protocol"].format(number=fields.get("ip.protocol", "?"))


def _content(fields: Fields, language: str) -> str:
    """Return the content in words; empty if it is not understood, and something is wrong with it."""
    words = WORDS[language]
    if "icmp.type" in fields:
        return _icmp(fields, language)
    if "dns.name" in fields:
        return _dns(fields, language)
    if "dhcp.xid" in fields:
        name = packet_name(f"DHCP {fields.get('dhcp.type', '?')}", language)
        return words["frame dhcp"].format(name=name, client=fields["dhcp.client"])
    if "tcp.flags" in fields:
        flags = fields["tcp.flags"] or words["no flags"]
        return words["frame tcp"].format(flags=flags, bytes=fields["tcp.length"])
    if "udp.length" in fields:
        return words["frame udp"].format(bytes=fields["udp.length"])
    return "" if "malformed" in fields else _protocol(fields, language)


def _arp(fields: Fields, language: str) -> str:
    words = WORDS[language]
    name = packet_name(message_name(fields), language) if "icmp.type" in fields else "ARP"
    sender = fields["arp.sender"]
    match fields["arp.op"]:
        case "reply":
            return words["frame has"].format(name=name, sender=sender, mac=fields["arp.sender_mac"])
        case "request":
            return words["frame asks"].format(name=name, sender=sender, target=fields["arp.target"])
        case operation:
            return words["frame arp"].format(name=name, number=operation)


def _icmp(fields: Fields, language: str) -> str:
    name = packet_name(message_name(fields), language)
    if "icmp.seq" not in fields:
        return name
    echo = {"id": fields["icmp.id"], "seq": fields["icmp.seq"]}
    return WORDS[language]["frame echo"].format(name=name, **echo)


def _dns(fields: Fields, language: str) -> str:
    unknown = WORDS[language]["record"].format(number=fields["dns.type"])
    text = f"DNS {_RECORDS.get(fields['dns.type'], unknown)} {fields['dns.name']}"
    if "dns.code" not in fields:
        return text + "?"
    return f"{text}: {_DNS_FAILURES.get(fields['dns.code'], fields.get('dns.answer', '?'))}"
