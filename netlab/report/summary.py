"""A frame in a few words, as tcpdump has them; in its language, which people know."""

from __future__ import annotations

from netlab.probe.frame import Fields, message_name

_RECORDS = {"1": "A", "2": "NS", "5": "CNAME", "12": "PTR", "15": "MX", "16": "TXT", "28": "AAAA"}
_DNS_FAILURES = {"2": "SERVFAIL", "3": "NXDOMAIN", "5": "REFUSED"}


def summary(fields: Fields) -> str:
    """From whom to whom, and what."""
    if "arp.op" in fields:
        return _arp(fields)
    if "ip.src" not in fields:
        return f"{fields.get('eth.src', '?')} > {fields.get('eth.dst', '?')}"
    transport = next((name for name in ("tcp", "udp") if f"{name}.src" in fields), None)
    ends = (
        f"{fields[f'ip.{end}']}{':' + fields[f'{transport}.{end}'] if transport else ''}"
        for end in ("src", "dst")
    )
    return f"{' > '.join(ends)}  {what(fields)}"


def what(fields: Fields) -> str:
    """The packet without its addresses: `ICMP echo request, seq 1`."""
    if "icmp.type" in fields:
        return _icmp(fields)
    if "dns.name" in fields:
        return _dns(fields)
    if "dhcp.xid" in fields:
        return f"DHCP {fields.get('dhcp.type', '?')}, client {fields['dhcp.client']}"
    if "tcp.flags" in fields:
        return f"TCP {fields['tcp.flags'] or 'no flags'}, {fields['tcp.length']} bytes"
    if "udp.length" in fields:
        return f"UDP {fields['udp.length']} bytes"
    return f"protocol {fields.get('ip.protocol', '?')}"


def _arp(fields: Fields) -> str:
    name = message_name(fields) if "icmp.type" in fields else "ARP"
    if fields["arp.op"] == "answer":
        return f"{name} {fields['arp.sender']} is at {fields['arp.sender_mac']}"
    return f"{name} who has {fields['arp.target']}? tell {fields['arp.sender']}"


def _icmp(fields: Fields) -> str:
    text = message_name(fields)
    if "icmp.seq" in fields:
        text += f", id {fields['icmp.id']}, seq {fields['icmp.seq']}"
    return text


def _dns(fields: Fields) -> str:
    record = _RECORDS.get(fields["dns.type"], f"type {fields['dns.type']}")
    text = f"DNS {record} {fields['dns.name']}"
    if "dns.code" not in fields:
        return text + "?"
    return f"{text}: {_DNS_FAILURES.get(fields['dns.code'], fields.get('dns.answer', '?'))}"
