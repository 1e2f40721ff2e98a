"""Which rules a probe meets: nftables' own trace of packets that carry a token."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from netlab.errors import KernelError
from netlab.kernel import netns, nft
from netlab.kernel.netlink import attributes

TRACE_TABLE = "netlab_trace_"
"""How the name of a trace's own table begins: it is no rule of the lab's."""
_NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_NFNLGRP_NFTRACE = 9
_TRACE_MESSAGE = (10 << 8) | 17  # NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE
_HEADER_BYTES = 16 + 4  # of netlink and of nfnetlink
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _POLICY = 1, 2, 3, 4, 5, 16  # NFTA_TRACE_*
_VERDICT_CODE = 1
_BY_RULE, _BY_POLICY = 3, 1  # NFT_TRACETYPE_*
_DROP = 0


@dataclass(frozen=True)
class Drop:
    """A rule, or a chain's policy, that ended a packet."""

    namespace: str
    text: str
    """Table, chain, and the rule as `nft list ruleset` shows it."""


class RuleTrace:
    """Watches packets with a token in a namespace that has rules. A context manager: leaves no table.

    The token stands where an ICMP or UDP payload begins, so one rule finds it
    before and after any translation.
    """

    def __init__(self, namespace: str, token: bytes) -> None:
        self.namespace = namespace
        self._token = token
        self._table = f"{TRACE_TABLE}{token.hex()}"  # Another trace may be under way.

    def __enter__(self) -> RuleTrace:
        self._rules = nft.rules(self.namespace)
        with netns.inside(self.namespace):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))  # Without an address of its own it would receive nothing.
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFNLGRP_NFTRACE)
        self._socket.setblocking(False)
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority -400; "
            f"@th,64,64 {int.from_bytes(self._token):#x} meta nftrace set 1\n }}\n"
            for hook in ("prerouting", "output")
        )
        try:
            nft.create(self.namespace, f"table inet {self._table} {{ {chains} }}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        with suppress(KernelError):  # The namespace has gone meanwhile.
            nft.delete_table(self.namespace, "inet", self._table)

    def drops(self) -> Iterator[Drop]:
        """Packets with the token that rules have ended since the last call."""
        for message in self._messages():
            table, chain = (_text(message.get(key, b"")) for key in (_TABLE, _CHAIN))
            kind = _number(message.get(_TYPE, b""))
            if kind == _BY_RULE and _code(message.get(_VERDICT, b"")) == _DROP:
                rule = self._rules.get((table, chain, _number(message[_HANDLE])), "a rule")
                yield Drop(self.namespace, f"{table} {chain}: {rule}")
            elif kind == _BY_POLICY and _number(message.get(_POLICY, b"\1")) == _DROP:
                yield Drop(self.namespace, f"{table} {chain}: policy drop")

    def _messages(self) -> Iterator[dict[int, bytes]]:
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            while len(data) >= _HEADER_BYTES:
                length, kind = struct.unpack_from("IH", data)
                if kind == _TRACE_MESSAGE:
                    yield dict(attributes(data[_HEADER_BYTES:length]))
                data = data[(length + 3) & ~3 :]


def _text(data: bytes) -> str:
    return os.fsdecode(data.rstrip(b"\0"))


def _number(data: bytes) -> int:
    return int.from_bytes(data)


def _code(verdict: bytes) -> int | None:
    found = dict(attributes(verdict))
    return _number(found[_VERDICT_CODE]) if _VERDICT_CODE in found else None
