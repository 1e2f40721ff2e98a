"""A frame in a few words, as tcpdump has them; in its language, which people know."""

from __future__ import annotations

from netlab.probe.frame import Fields

_ICMP = {
    "0": "ICMP echo reply",
    "3": "ICMP destination unreachable",
    "5": "ICMP redirect",
    "8": "ICMP echo request",
    "11": "ICMP time exceeded",
    "12": "ICMP parameter problem",
}
_UNREACHABLE = {
    "0": "network",
    "1": "host",
    "2": "protocol",
    "3": "port",
    "4": "too big, DF set",
    "9": "network prohibited",
    "10": "host prohibited",
    "13": "filtered",
}
_ICMPV6 = {
    "1": "ICMPv6 destination unreachable",
    "2": "ICMPv6 packet too big",
    "3": "ICMPv6 time exceeded",
    "128": "ICMPv6 echo request",
    "129": "ICMPv6 echo reply",
}
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
    if fields["arp.op"] == "answer":
        return f"ARP {fields['arp.sender']} is at {fields['arp.sender_mac']}"
    return f"ARP who has {fields['arp.target']}? tell {fields['arp.sender']}"


def _icmp(fields: Fields) -> str:
    kind, code = fields["icmp.type"], fields["icmp.code"]
    names = _ICMPV6 if fields["ip.protocol"] == "58" else _ICMP
    text = names.get(kind, f"ICMP type {kind}")
    if names is _ICMP and kind == "3":
        text += f" ({_UNREACHABLE.get(code, f'code {code}')})"
    if "icmp.seq" in fields:
        text += f", id {fields['icmp.id']}, seq {fields['icmp.seq']}"
    return text


def _dns(fields: Fields) -> str:
    record = _RECORDS.get(fields["dns.type"], f"type {fields['dns.type']}")
    text = f"DNS {record} {fields['dns.name']}"
    if "dns.code" not in fields:
        return text + "?"
    return f"{text}: {_DNS_FAILURES.get(fields['dns.code'], fields.get('dns.answer', '?'))}"
