"""nftables' own trace of a probe's packets: the rules that they meet."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from netlab.errors import KernelError
from netlab.frozen import frozen
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.missing import NFT_TRACETYPE_POLICY, NFT_TRACETYPE_RULE
from netlab.kernel.netlink.objects import hooks
from netlab.kernel.netlink.objects.nftables import trace_events, traces, verdict
from netlab.kernel.nftables import nft

TRACE_TABLE = "netlab_trace_"
"""Prefix of the name of a trace's own table, whose rules are not the lab's."""
FIRST_PRIORITY = -(1 << 31)
"""That of the trace, which comes first."""
_ETHERNET_BYTES = 14
_UNKNOWN_LINKS = {4: bytes(12) + b"\x08\x00", 6: bytes(12) + b"\x86\xdd"}
"""By IP version: Ethernet headers without addresses."""
_UNKNOWN_LINK_OF_ARP = bytes(12) + b"\x08\x06"
_DROP = 0
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
"""NFPROTO_* of the kernel's headers to the words of nft."""
_TRACED = {
    "inet": {"ip", "ip6", "inet"},
    "bridge": {"bridge"},
    "arp": {"arp"},
    "netdev": {"netdev"},
}
"""Family of a trace's table to the families whose rules it shows."""
_HOOKS = {
    "inet": ("prerouting", "output"),
    "bridge": ("prerouting", "output"),
    "arp": ("input", "output"),
}
"""By family, the hooks that packets meet first."""
_AT_INTERFACES = ("ingress", "egress")

_UNTRACED_QUESTIONS = """\
arp operation request meta nftrace set 0
icmpv6 type nd-neighbor-solicit meta nftrace set 0"""
"""Questions to everybody leave the trace before they leave a switch: each port's copy may meet a rule of each
port, n² events of n ports. The copy for the switch itself is nobody's loss."""


@frozen
class Hit:
    """A rule that a packet has met, or a chain's policy that dropped it."""

    namespace: str
    table: str
    """The table's family and name: `bridge admission`."""
    text: str
    """Table, chain, and the rule as `nft list ruleset` shows it."""
    drops: bool
    frame: bytes
    """The packet's headers, with the first bytes behind (20 from the transport header on), as they were
    in the kernel's first event of it in this chain; empty without one. Where there is no Ethernet
    header (yet), a header without addresses stands for it."""
    out: int = 0
    """Index of the interface by which it was to leave; 0 if that was not decided yet, or nowhere."""
    policy: bool = False
    """True if it is the chain's policy, and no rule."""
    mark: int | None = None
    """The packet's mark (fwmark) behind the rule; None in chains behind the routing decision, which they do
    not change."""

    @property
    def rule(self) -> str:
        """Family, table, chain and rule: `ip host forward: policy drop`."""
        return f"{self.table.partition(' ')[0]} {self.text}"


class _TracedPacket(NamedTuple):
    """A traced packet in a base chain."""

    frame: bytes
    out: int
    routed_later: bool
    """The routing decision comes after the chain."""


_UNKNOWN_PACKET = _TracedPacket(b"", 0, False)


class RuleTrace:
    """Watches a probe's packets in a namespace that has rules. A context manager: leaves no table.

    `listing` is the namespace's ruleset with handles, `matches` are nftables expressions for the family
    inet, `questions` more of them for the families bridge and arp, `name` is the probe's own, since
    another trace may be under way.
    """

    def __init__(
        self,
        namespace: str,
        listing: str,
        matches: Sequence[str],
        name: str,
        questions: Sequence[str] = (),
    ) -> None:
        self.namespace = namespace
        self._rules = nft.rules(listing)
        self._matches = {
            "inet": tuple(matches),
            "bridge": (*matches, *questions),
            "arp": tuple(questions),
            "netdev": tuple(matches),
        }
        self._tables = {
            family: f"{TRACE_TABLE}{name}"
            for family, traced in _TRACED.items()
            if self._matches[family] and nft.families(listing) & traced
        }
        self._at_interfaces = [hook for hook in _AT_INTERFACES if f" hook {hook} " in listing]
        self._devices: list[str] = []
        self._packets: dict[int, _TracedPacket] = {}

    def __enter__(self) -> RuleTrace:
        with netns.inside(self.namespace):
            self._subscription = traces()
            self._devices = [name for _, name in socket.if_nameindex()]
            self._routed_later = {
                (chain.family, chain.table, chain.name)
                for chain in hooks.base_chains()
                if chain.hook == "prerouting" or (chain.hook, chain.kind) == ("output", "route")
            }
        try:
            nft.create(self.namespace, "".join(map(self._table, self._tables)))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _table(self, family: str) -> str:
        rules = "\n".join(f"{match} meta nftrace set 1" for match in self._matches[family])
        if family == "netdev":
            return f"table netdev {self._tables[family]} {{ {self._chains_of_devices(rules)} }}\n"
        chains = "".join(_chain(hook, rules) for hook in _HOOKS[family])
        if family == "bridge":
            chains += "".join(
                _chain(hook, _UNTRACED_QUESTIONS) for hook in ("input", "postrouting")
            )
        return f"table {family} {self._tables[family]} {{ {chains} }}\n"

    def _chains_of_devices(self, rules: str) -> str:
        devices = ", ".join(f'"{name}"' for name in self._devices)
        return "".join(
            _chain(hook, rules, f"devices = {{ {devices} }}") for hook in self._at_interfaces
        )

    def __exit__(self, *_: object) -> None:
        self._subscription.close()
        for family, table in self._tables.items():
            with suppress(KernelError):  # The namespace has gone meanwhile.
                nft.delete_table(self.namespace, family, table)

    @property
    def socket(self) -> socket.socket:
        """The socket that is readable when there are hits."""
        return self._subscription.socket

    def forget(self) -> None:
        """Forget the packets of all events until now: the kernel sends no more of them."""
        self._packets.clear()

    def hits(self) -> Iterator[Hit]:
        """Yield the rules that the probe's packets have met since the last call. Raises Overflow."""
        for protocol, event in trace_events(self._subscription):
            number, family = event.get("NFTA_TRACE_ID", 0), _FAMILIES.get(protocol, "")
            table, chain = event.get("NFTA_TRACE_TABLE", ""), event.get("NFTA_TRACE_CHAIN", "")
            if "NFTA_TRACE_NETWORK_HEADER" in event:  # The first one of a base chain.
                later = (family, table, chain) in self._routed_later
                out = event.get("NFTA_TRACE_OIF", 0)
                self._packets[number] = _TracedPacket(_frame(event, family), out, later)
            if table in self._tables.values():
                continue
            packet = self._packets.get(number, _UNKNOWN_PACKET)
            kind, handle = event.get("NFTA_TRACE_TYPE"), event.get("NFTA_TRACE_RULE_HANDLE")
            full_name = f"{family} {table}"
            mark = event.get("NFTA_TRACE_MARK", 0) if packet.routed_later else None
            seen = packet.frame, packet.out
            if kind == NFT_TRACETYPE_RULE and handle is not None:  # None: the end of a chain.
                rule = self._rules.get((family, table, chain, handle), "a rule")
                drops = verdict(event) == _DROP
                text = f"{table} {chain}: {rule}"
                yield Hit(self.namespace, full_name, text, drops, *seen, mark=mark)
            elif kind == NFT_TRACETYPE_POLICY and event.get("NFTA_TRACE_POLICY") == _DROP:
                text = f"{table} {chain}: policy drop"
                yield Hit(self.namespace, full_name, text, True, *seen, policy=True)


def _chain(hook: str, rules: str, devices: str = "") -> str:
    words = f"type filter hook {hook} {devices} priority {FIRST_PRIORITY}"
    return f"chain {hook} {{ {words};\n{rules}\n }}\n"


def _frame(event: Mapping[str, Any], family: str) -> bytes:
    link = event.get("NFTA_TRACE_LL_HEADER", b"")
    network = event["NFTA_TRACE_NETWORK_HEADER"]
    if len(link) != _ETHERNET_BYTES:  # With a VLAN's tag, the header is longer.
        version = network[0] >> 4 if network else 4
        link = _UNKNOWN_LINKS.get(version, _UNKNOWN_LINKS[4])
        link = _UNKNOWN_LINK_OF_ARP if family == "arp" else link
    return bytes(link + network + event.get("NFTA_TRACE_TRANSPORT_HEADER", b""))
