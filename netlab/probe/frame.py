"""Frames, read: which of a probe's packets one is, and its header fields by name."""

from __future__ import annotations

from dataclasses import dataclass

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from netlab.probe.icmp import KINDS, Kind, token_of
from netlab.probe.tap import Sighting

_ARP_NAMES = {1: "request", 2: "answer"}


@dataclass(frozen=True)
class Frame:
    """One sighting with its headers. Fields are text, in the order in which they stand in the packet."""

    sighting: Sighting
    part: Kind | None
    """None: no packet of the probe."""
    fields: dict[str, str]


def read(sighting: Sighting, token: bytes) -> Frame:
    """Take a frame apart. Anything that is not understood has fewer fields."""
    frame = Ether(sighting.data)
    fields = {"eth.src": frame.src, "eth.dst": frame.dst}
    part = None
    if ARP in frame:
        arp = frame[ARP]
        fields |= {
            "arp.op": _ARP_NAMES.get(arp.op, str(arp.op)),
            "arp.sender": arp.psrc,
            "arp.target": arp.pdst,
        }
    if IP in frame:
        ip = frame[IP]
        fields |= {"ip.src": ip.src, "ip.dst": ip.dst, "ip.ttl": str(ip.ttl), "ip.id": str(ip.id)}
        if ICMP in ip and ip[ICMP].haslayer("ICMP"):
            icmp = ip[ICMP]
            fields |= {"icmp.type": str(icmp.type), "icmp.code": str(icmp.code)}
            if icmp.type in (0, 8):
                fields |= {"icmp.id": f"{icmp.id:#06x}", "icmp.seq": str(icmp.seq)}
            if token_of(sighting.data) == token and icmp.type in KINDS:
                part = KINDS[icmp.type]
        for layer, name in ((TCP, "tcp"), (UDP, "udp")):
            if layer in ip and ICMP not in ip:
                fields |= {f"{name}.src": str(ip[layer].sport), f"{name}.dst": str(ip[layer].dport)}
    return Frame(sighting, part, fields)
