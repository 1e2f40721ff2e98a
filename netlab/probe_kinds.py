"""Kinds of probes as they are written: `tcp:80`, `dns:www.example.com`. Pure."""

from __future__ import annotations

import re

from netlab.errors import UsageError
from netlab.suggest import instead

KINDS = ("icmp", "tcp", "udp", "dns", "dhcp", "http", "arp", "raw", "route", "mtu")
"""The words before the colon."""
PORTS = range(1, 65536)
PROTOCOLS = range(1, 256)
MTUS = range(68, 9001)
"""Bytes of an IP packet: from the least that IPv4 has (RFC 791) to the largest of a lab's cables."""
_ICMP_TCP_UDP = (1, 6, 17)
_LABEL = re.compile(r"[!-~]{1,63}")
"""One of a DNS name's labels, in letters that can be seen (RFC 1035, 2.3.4)."""
_LONGEST_NAME = 253
_WITHOUT_DETAIL = {"icmp", "dhcp", "arp", "route"}
_NEED_DETAIL = {"dns": "dns:www.example.com", "raw": "raw:47"}
"""Kinds that need a word behind the colon, and an example."""
_NUMBERS = {"tcp": PORTS, "udp": PORTS, "http": PORTS, "raw": PROTOCOLS, "mtu": MTUS}
"""Kinds with a number behind the colon."""


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
    if word == "dns" and not _is_dns_name(detail):
        raise UsageError(f"'{detail}' is no DNS name", "write, for example, dns:www.example.com")
    if word in _NUMBERS and number(detail, _NUMBERS[word]) in _ICMP_TCP_UDP and word == "raw":
        raise UsageError(f"'{by}' has a kind of its own", "use icmp, tcp or udp")
    return word


def _is_dns_name(name: str) -> bool:
    labels = name.removesuffix(".").split(".")
    return len(name) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, labels))


def number(text: str, allowed: range) -> int | None:
    """Return the number that a text is, None if it is empty. Raises UsageError if it is not one of these."""
    if not text:
        return None
    is_short = len(text) <= len(str(allowed[-1]))
    if not (is_short and text.isascii() and text.isdecimal() and int(text) in allowed):
        raise UsageError(
            f"'{text}' is not a number from {allowed[0]} to {allowed[-1]}", "correct it"
        )
    return int(text)
