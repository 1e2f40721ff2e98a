"""Kinds of probe: how each is sent, and which frames belong to it. One file a family.

A new kind is a class below `base.Probe`, a line in `KINDS`, and its word in `netlab.probe_kinds`.
"""

from __future__ import annotations

from collections.abc import Callable

from netlab.probe_kinds import MTUS, PORTS, PROTOCOLS, check, number
from netlab.probes.arp import ArpProbe
from netlab.probes.base import Ends, Probe
from netlab.probes.dhcp import DhcpProbe
from netlab.probes.dns import DnsProbe
from netlab.probes.icmp import EchoProbe
from netlab.probes.path import MtuProbe, RouteProbe
from netlab.probes.raw import RawProbe
from netlab.probes.tcp import HttpProbe, TcpProbe
from netlab.probes.udp import UdpProbe

KINDS: dict[str, Callable[[Ends, str], Probe]] = {
    "icmp": lambda ends, _: EchoProbe(ends),
    "tcp": lambda ends, port: TcpProbe(ends, number(port, PORTS)),
    "udp": lambda ends, port: UdpProbe(ends, number(port, PORTS)),
    "dns": lambda ends, name: DnsProbe(ends, name),
    "dhcp": lambda ends, _: DhcpProbe(ends),
    "http": lambda ends, port: HttpProbe(ends, number(port, PORTS)),
    "arp": lambda ends, _: ArpProbe(ends),
    "raw": lambda ends, protocol: RawProbe(ends, number(protocol, PROTOCOLS)),
    "route": lambda ends, _: RouteProbe(ends),
    "mtu": lambda ends, size: MtuProbe(ends, number(size, MTUS)),
}
"""The word before the colon, and the function that makes the probe of it and of the word behind the colon."""


def probe(by: str, ends: Ends) -> Probe:
    """Make a probe, its sockets open. Raises UsageError, OSError."""
    detail = by.partition(":")[2]
    return KINDS[check(by)](ends, detail)
