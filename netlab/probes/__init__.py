"""Kinds of probe: how each is sent, and which frames belong to it. One file a family.

A new kind is a class below `base.Probe` and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable

from netlab.errors import UsageError
from netlab.probes.arp import ArpProbe
from netlab.probes.base import Ends, Probe
from netlab.probes.dhcp import DhcpProbe
from netlab.probes.dns import DnsProbe
from netlab.probes.icmp import EchoProbe
from netlab.probes.path import MtuProbe, RouteProbe
from netlab.probes.raw import RawProbe
from netlab.probes.tcp import HttpProbe, TcpProbe
from netlab.probes.udp import UdpProbe
from netlab.suggest import instead

_PORTS = range(1, 65536)
_PROTOCOLS = range(1, 256)
_ICMP_TCP_UDP = (1, 6, 17)

KINDS: dict[str, Callable[[Ends, str], Probe]] = {
    "icmp": lambda ends, _: EchoProbe(ends),
    "tcp": lambda ends, port: TcpProbe(ends, _number(port, _PORTS)),
    "udp": lambda ends, port: UdpProbe(ends, _number(port, _PORTS)),
    "dns": lambda ends, name: DnsProbe(ends, name),
    "dhcp": lambda ends, _: DhcpProbe(ends),
    "http": lambda ends, port: HttpProbe(ends, _number(port, _PORTS)),
    "arp": lambda ends, _: ArpProbe(ends),
    "raw": lambda ends, protocol: RawProbe(ends, _number(protocol, _PROTOCOLS)),
    "route": lambda ends, _: RouteProbe(ends),
    "mtu": lambda ends, _: MtuProbe(ends),
}
"""The word before the colon, and the function that makes the probe of it and of the word behind the colon."""

_WITHOUT_DETAIL = {"icmp", "dhcp", "arp", "route", "mtu"}
_NEED_DETAIL = {"dns": "dns:www.example.com", "raw": "raw:47"}
"""Kinds that need a word behind the colon, and an example."""


def check(by: str) -> str:
    """Return the kind's word. Raises UsageError if `by` is no kind of probe."""
    word, colon, detail = by.partition(":")
    if word not in KINDS:
        raise UsageError(f"'{by}' is no kind of probe", instead(word, KINDS))
    if word in _NEED_DETAIL and not detail:
        raise UsageError(
            f"'{by}' lacks what is asked for", f"write '{_NEED_DETAIL[word]}', for example"
        )
    if colon and (word in _WITHOUT_DETAIL or not detail):
        raise UsageError(f"'{by}' has a colon too many", f"write '{word}'")
    if word in ("tcp", "udp", "http"):
        _number(detail, _PORTS)
    if word == "raw" and _number(detail, _PROTOCOLS) in _ICMP_TCP_UDP:
        raise UsageError(f"'{by}' has a kind of its own", "use icmp, tcp or udp")
    return word


def probe(by: str, ends: Ends) -> Probe:
    """Make a probe, its sockets open. Raises UsageError, OSError."""
    detail = by.partition(":")[2]
    return KINDS[check(by)](ends, detail)


def _number(text: str, allowed: range) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) not in allowed:
        raise UsageError(
            f"'{text}' is not a number from {allowed[0]} to {allowed[-1]}", "correct it"
        )
    return int(text)
