"""Which rules a probe meets: nftables' own trace of its packets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from netlab.errors import KernelError
from netlab.frozen import frozen
from netlab.kernel import netns, nft
from netlab.kernel.netlink import HEADER_BYTES, NETFILTER, Subscription, attributes

TRACE_TABLE = "netlab_trace_"
"""How the name of a trace's own table begins: it is no rule of the lab's."""
_NFNLGRP_NFTRACE = 9
_TRACE_MESSAGE = (10 << 8) | 17  # NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE
_HEADERS_BYTES = HEADER_BYTES + 4  # of netlink and of nfnetlink
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _ID, _POLICY = 1, 2, 3, 4, 5, 6, 16  # NFTA_TRACE_*
_LINK_HEADER, _NETWORK_HEADER, _TRANSPORT_HEADER, _OUT = 7, 8, 9, 12
_ETHERNET_BYTES = 14
_UNKNOWN_LINKS = {4: bytes(12) + b"\x08\x00", 6: bytes(12) + b"\x86\xdd"}
"""By IP version: headers without addresses."""
_VERDICT_CODE = 1
_BY_RULE, _BY_POLICY = 3, 1  # NFT_TRACETYPE_*
_DROP = 0
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
"""NFPROTO_*, as the headers have it, by the words of nft."""
_IP_FAMILIES = {"ip", "ip6", "inet"}


_NO_QUESTIONS = """\
arp operation request meta nftrace set 0
icmpv6 type nd-neighbor-solicit meta nftrace set 0"""
"""Each port's copy of what everybody is asked may meet a rule of each port: n² of n ports; and what the
switch itself is asked is nobody's loss."""


@frozen
class Hit:
    """A rule that a packet has met, or a chain's policy that ended it."""

    namespace: str
    table: str
    """Its family and name: `bridge admission`."""
    text: str
    """Table, chain, and the rule as `nft list ruleset` shows it."""
    drops: bool
    frame: bytes
    """The packet's headers, with the first bytes behind (20 of the transport header on), as they were
    when the kernel first told of it in this chain; empty if it did not. Where there is no Ethernet
    header (yet), one without addresses stands for it."""
    out: int = 0
    """Index of the interface by which it was to leave; 0 if that was not decided yet, or nowhere."""
    policy: bool = False
    """It is the chain's policy, and no rule."""


class RuleTrace:
    """Watches a probe's packets in a namespace that has rules. A context manager: leaves no table.

    `listing` is its ruleset with handles, `matches` are nftables expressions for the family inet,
    `frames` more of them for the family bridge alone, `name` is the probe's own, since another
    trace may be under way.
    """

    def __init__(
        self,
        namespace: str,
        listing: str,
        matches: Sequence[str],
        name: str,
        frames: Sequence[str] = (),
    ) -> None:
        self.namespace = namespace
        self._rules = nft.rules(listing)
        self._tables = {
            family: f"{TRACE_TABLE}{name}"
            for family, wanted in (
                ("inet", nft.families(listing) & _IP_FAMILIES),
                ("bridge", nft.families(listing) & {"bridge"}),
            )
            if wanted
        }
        self._matches = {"inet": matches, "bridge": (*matches, *frames)}
        self._packets: dict[bytes, tuple[bytes, int]] = {}

    def __enter__(self) -> RuleTrace:
        with netns.inside(self.namespace):
            self._heard = Subscription(NETFILTER, [_NFNLGRP_NFTRACE])
        try:
            nft.create(self.namespace, "".join(map(self._table, self._tables)))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _table(self, family: str) -> str:
        rules = "\n".join(f"{match} meta nftrace set 1" for match in self._matches[family])
        chains = "".join(_chain(hook, rules) for hook in ("prerouting", "output"))
        if family == "bridge":
            chains += "".join(_chain(hook, _NO_QUESTIONS) for hook in ("input", "postrouting"))
        return f"table {family} {self._tables[family]} {{ {chains} }}\n"

    def __exit__(self, *_: object) -> None:
        self._heard.close()
        for family, table in self._tables.items():
            with suppress(KernelError):  # The namespace has gone meanwhile.
                nft.delete_table(self.namespace, family, table)

    @property
    def socket(self) -> socket.socket:
        """Readable when there are hits."""
        return self._heard.socket

    def forget(self) -> None:
        """No packet that was seen until now will be told of again."""
        self._packets.clear()

    def hits(self) -> Iterator[Hit]:
        """What the probe's packets have met since the last call. Raises Overflow."""
        for kind, data in self._heard.messages():
            if kind != _TRACE_MESSAGE:
                continue
            message = attributes(data, _HEADERS_BYTES)
            number = message.get(_ID, b"")
            if _NETWORK_HEADER in message:
                self._packets[number] = _frame(message), _number(message.get(_OUT, b""))
            table, chain = (_text(message.get(key, b"")) for key in (_TABLE, _CHAIN))
            if table in self._tables.values():
                continue
            packet = self._packets.get(number, (b"", 0))
            why = _number(message.get(_TYPE, b""))
            family = _FAMILIES.get(data[HEADER_BYTES], "")
            whose = f"{family} {table}"
            if why == _BY_RULE and _HANDLE in message:  # Without one: the end of a chain.
                rule = self._rules.get((family, table, chain, _number(message[_HANDLE])), "a rule")
                drops = _code(message.get(_VERDICT, b"")) == _DROP
                yield Hit(self.namespace, whose, f"{table} {chain}: {rule}", drops, *packet)
            elif why == _BY_POLICY and _number(message.get(_POLICY, b"\1")) == _DROP:
                text = f"{table} {chain}: policy drop"
                yield Hit(self.namespace, whose, text, True, *packet, policy=True)


def _chain(hook: str, rules: str) -> str:
    return f"chain {hook} {{ type filter hook {hook} priority -400;\n{rules}\n }}\n"


def _frame(message: Mapping[int, bytes]) -> bytes:
    link, network = message.get(_LINK_HEADER, b""), message[_NETWORK_HEADER]
    if len(link) != _ETHERNET_BYTES:  # With a VLAN's tag, it is longer.
        version = network[0] >> 4 if network else 4
        link = _UNKNOWN_LINKS.get(version, _UNKNOWN_LINKS[4])
    return link + network + message.get(_TRANSPORT_HEADER, b"")


def _text(data: bytes) -> str:
    return os.fsdecode(data.rstrip(b"\0"))


def _number(data: bytes) -> int:
    return int.from_bytes(data)


def _code(verdict: bytes) -> int | None:
    found = attributes(verdict)
    return _number(found[_VERDICT_CODE]) if _VERDICT_CODE in found else None
