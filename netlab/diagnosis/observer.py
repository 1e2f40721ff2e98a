"""Observation of everything that happens to probes in a lab: frames, rules, counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing

from netlab.diagnosis.evidence import LabEvidence
from netlab.diagnosis.journey import LOOPBACK, NetworkMap
from netlab.diagnosis.tables import LabTables
from netlab.kernel.closing import close_together
from netlab.kernel.namespaces import netns
from netlab.kernel.namespaces.sysctl import Settings
from netlab.kernel.netlink.channel import Overflow
from netlab.kernel.nftables import nft
from netlab.kernel.nftables.nftrace import Hit, RuleTrace
from netlab.kernel.rows import Socket
from netlab.kernel.state import counters, sockets
from netlab.node_interface import NodeInterface
from netlab.packets import filters
from netlab.packets.tap import Tap

_ARP = ("arp operation { request, reply }",)
_NEIGHBOUR_DISCOVERY = ("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }",)
"""Rules of IP meet it too."""
_FOR_SOMEBODY_ELSE = {"Ip.InAddrErrors", "Ip6.InAddrErrors"}


def _ends(namespace: str, devices: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Return (interface, IP version) by which a machine passes nothing on that comes in: IPv6 has one
    setting for all."""
    ipv6_forwarding = "net.ipv6.conf.all.forwarding"
    settings = {
        (name, version): f"net.ipv4.conf.{device}.forwarding" if version == 4 else ipv6_forwarding
        for name, device in devices.items()
        for version in (4, 6)
    }
    with netns.inside(namespace), closing(Settings()) as kernel:
        values = kernel.values(namespace, {*settings.values()})
    return (end for end, key in settings.items() if values.get(key) == "0")


class LabObserver:
    """A context manager: listens in every namespace of a lab, and leaves nothing behind.

    `matches` are nftables expressions that fit the probes, `name` is this observer's own. With
    `echoes_only`, it sees just marked ICMP and the ARP for it; with `is_ipv6`, that of IPv6. Without it,
    taps filter by the BPF `program`; with `questions`, what is about MAC addresses has taps of its own.
    """

    def __init__(
        self,
        netmap: NetworkMap,
        matches: Sequence[str],
        name: str,
        echoes_only: bool = False,
        is_ipv6: bool = False,
        program: bytes = b"",
        questions: bool = True,
    ) -> None:
        """Nothing is opened before the block begins."""
        self.netmap = netmap
        self._is_ipv6 = is_ipv6
        self._matches = (*matches, *(_NEIGHBOUR_DISCOVERY if is_ipv6 else ()))
        self._questions = () if is_ipv6 else _ARP
        self._name = name
        self._echoes_only = echoes_only
        self._program = program
        self._hears = questions
        self._overflown = 0

    def __enter__(self) -> LabObserver:
        with ExitStack() as stack:
            self.rules = [
                stack.enter_context(
                    RuleTrace(name, listing, self._matches, self._name, self._questions)
                )
                for name in self.netmap.nodes
                if (listing := nft.read_with_handles(name)).strip()
            ]
            self.taps: list[Tap] = []
            self.questions: list[Tap] = []
            """Taps of their own: others may ask without end, and displace no packet of a probe's."""
            stack.callback(lambda: close_together((*self.taps, *self.questions)))
            for name, node in self.netmap.nodes.items():
                self._open(name, node)
            self.begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, namespace: str, node: str) -> None:
        """Open the taps of a namespace."""
        six, program, about_macs = self._is_ipv6, self._program, filters.QUESTIONS
        if self._echoes_only:
            program = filters.IPV6_ECHOES if six else filters.IPV4_ECHOES
            about_macs = filters.IPV6_QUESTIONS if six else filters.IPV4_QUESTIONS
        own = NodeInterface(node, LOOPBACK) in self.netmap.peers
        self.taps.append(Tap(namespace, (), () if own else (LOOPBACK,), program))
        if self._hears and not (self._echoes_only and node in self.netmap.switches):
            self.questions.append(Tap(namespace, program=about_macs, expendable=True))

    @property
    def deaf(self) -> frozenset[str]:
        """The namespaces where questions for MAC addresses are not heard any more: there are too many."""
        return frozenset(tap.namespace for tap in self.questions if tap.flooded)

    def begin(self) -> None:
        """Read the counters: what they grow by from now on is the probes' doing."""
        self._counted = counters.read(list(self.netmap.nodes))

    def hits(self) -> list[Hit]:
        """Return the rules that probes have met since the last call."""
        return [hit for trace in self.rules for hit in self.hits_on(trace)]

    @property
    def watched(self) -> frozenset[str]:
        """The namespaces whose rules are traced."""
        return frozenset(trace.namespace for trace in self.rules)

    def hits_on(self, trace: RuleTrace) -> list[Hit]:
        """Return the rules of one machine that probes have met since the last call."""
        hits: list[Hit] = []
        try:
            hits.extend(trace.hits())
        except Overflow:
            # Rules are asked about others' questions too, where there are rules for switches.
            self._overflown += trace.namespace not in self.deaf
        return hits

    def evidence(self, tables: LabTables) -> LabEvidence:
        """Return the evidence that is the same for all probes. Raises KernelError."""
        nodes = self.netmap.nodes
        counted = counters.read(list(nodes))
        listening = sockets.read_listening(list(nodes))
        grown = {
            name: counters.increases(self._counted[name], counts)
            for name, counts in counted.items()
        }
        return LabEvidence(
            counts={nodes[name]: counts for name, counts in grown.items()},
            smallest_mtu=tables.smallest_mtu,
            ends_at=frozenset(
                (nodes[name], *end)
                for name, counts in grown.items()
                if _FOR_SOMEBODY_ELSE & counts.keys()
                for end in _ends(name, tables.devices(nodes[name]))
            ),
            owners=tables.owners.nodes,
            switches=self.netmap.switches,
            nat_devices=frozenset(self.netmap.nat_uplinks.values()),
            parts={
                box: frozenset(self.netmap.parts(box)) for box in self.netmap.nat_uplinks.values()
            },
            forwarded_ports=self.netmap.forwarded_ports,
            bound_forwards=self.netmap.bound_forwards,
            isolated=tables.isolated,
            twins=tables.twins,
            listening={nodes[name]: _ports(listed) for name, listed in listening.items()},
            unread={
                nodes[name]: _ports(socket for socket in listed if socket.unread)
                for name, listed in listening.items()
            },
            gone=tables.gone,
            lost=sum(tap.lost() for tap in self.taps) + self._overflown,
        )


def _ports(listening: Iterable[Socket]) -> frozenset[str]:
    return frozenset(f"{socket.protocol}/{socket.port}" for socket in listening)
