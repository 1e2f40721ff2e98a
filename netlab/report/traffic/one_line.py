"""A frame in a few words, as tcpdump has them."""

from __future__ import annotations

from netlab.messages import N_, render, translator
from netlab.packets.frame import Fields, dhcp_name, message_name

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
    remarks = []
    if "ip.fragment" in fields:
        text = translator(language)(N_("fragment from byte {at} on"))
        remarks.append(text.format(at=fields["ip.fragment"]))
    if "malformed" in fields:
        remarks.append(render(fields["malformed"], language))
    return "; ".join(remarks)


def _protocol(fields: Fields, language: str) -> str:
    text = translator(language)(N_("protocol {number}"))
    return text.format(number=fields.get("ip.protocol", "?"))


def _content(fields: Fields, language: str) -> str:
    """Return the content in words; empty if it is not understood, and something is wrong with it."""
    gettext = translator(language)
    if "icmp.type" in fields:
        return _icmp(fields, language)
    if "dns.name" in fields:
        return _dns(fields, language)
    if "dhcp.xid" in fields:
        name = render(dhcp_name(fields.get("dhcp.type", "?")), language)
        return gettext("{name}, client {client}").format(name=name, client=fields["dhcp.client"])
    if "tcp.flags" in fields:
        flags = fields["tcp.flags"] or gettext("no flags")
        return gettext("TCP {flags}, {bytes} bytes").format(flags=flags, bytes=fields["tcp.length"])
    if "udp.length" in fields:
        return gettext("UDP {bytes} bytes").format(bytes=fields["udp.length"])
    return "" if "malformed" in fields else _protocol(fields, language)


def _arp(fields: Fields, language: str) -> str:
    gettext = translator(language)
    name = render(message_name(fields), language) if "icmp.type" in fields else "ARP"
    match fields["arp.op"]:
        case "reply":
            text = gettext("{name} {sender} is at {mac}")
        case "request":
            text = gettext("{name} who has {target}? tell {sender}")
        case _:
            text = gettext("{name} operation {number}")
    return text.format(
        name=name,
        sender=fields["arp.sender"],
        mac=fields["arp.sender_mac"],
        target=fields["arp.target"],
        number=fields["arp.op"],
    )


def _icmp(fields: Fields, language: str) -> str:
    name = render(message_name(fields), language)
    if "icmp.seq" not in fields:
        return name
    text = translator(language)(N_("{name}, id {id}, seq {seq}"))
    return text.format(name=name, id=fields["icmp.id"], seq=fields["icmp.seq"])


def _dns(fields: Fields, language: str) -> str:
    kind = fields["dns.type"]
    record = _RECORDS.get(kind) or translator(language)(N_("type {number}")).format(number=kind)
    text = f"DNS {record} {fields['dns.name']}"
    if "dns.code" not in fields:
        return text + "?"
    return f"{text}: {_DNS_FAILURES.get(fields['dns.code'], fields.get('dns.answer', '?'))}"
