"""A lab as `explain` sees it, the packet that is led through it, and what comes of that. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property

from netlab import probes
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.decision import Decision
from netlab.diagnosis.journey import NetworkMap, Outlet
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError
from netlab.explain.nft_rules import ParsedRuleset
from netlab.frozen import frozen
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.rows import IPAddress, Socket, at_port
from netlab.kernel.state.owners import Owners, Plug, owners
from netlab.kernel.state.routing import RouteLookup, RouteResult
from netlab.kernel.state.spaces import Space
from netlab.packets.packet import Part


@frozen
class PredictedProbe:
    """What would be sent."""

    protocol: str = "icmp"
    """icmp (an echo request), tcp or udp."""
    port: int | None = None

    def __str__(self) -> str:
        return self.protocol if self.port is None else f"{self.protocol}:{self.port}"


def probe(by: str) -> PredictedProbe:
    """`icmp`, `tcp:80` or `udp:53`. Raises UsageError."""
    probes.check(by)
    word, _, port = by.partition(":")
    if word == "icmp":
        return PredictedProbe()
    if word in ("tcp", "udp") and port:
        return PredictedProbe(word, int(port))
    raise UsageError(f"explain cannot work out '{by}'", "use icmp, tcp:PORT or udp:PORT")


@frozen
class NodeModel:
    """A machine or switch."""

    space: Space
    rules: ParsedRuleset = field(default_factory=ParsedRuleset)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Kernel settings by key."""
    waiting: tuple[Socket, ...] = ()

    def interface(self, name: str) -> Interface | None:
        return next((one for one in self.space.interfaces if one.name == name), None)

    @cached_property
    def own(self) -> frozenset[tuple[str | None, IPAddress]]:
        """(interface, address) of all its addresses."""
        return frozenset((name, own.ip) for name, own in self.space.addresses)

    def has(self, address: IPAddress) -> bool:
        return any(own == address for _, own in self.own)

    def address_on(self, interface: str, towards: IPAddress) -> IPAddress | None:
        """The one that the kernel takes (inet_select_addr): in the other's subnet, or the first."""
        own = [
            address
            for name, address in self.space.addresses
            if name == interface and address.version == towards.version
        ]
        near = [address for address in own if towards in address.network]
        wide = [address for address in own if not (address.version == 6 and address.is_link_local)]
        return next((one.ip for one in (*near, *wide, *own)), None)


@frozen
class LabModel:
    """A lab as it is."""

    places: Mapping[str, NodeModel]
    """By node or switch."""
    netmap: NetworkMap
    cables: Mapping[Plug, Plug]
    """Both ends of every cable, by the other end."""
    ask: Callable[[str, RouteLookup], RouteResult]
    """A node's routing decision."""

    @cached_property
    def owners(self) -> Owners:
        """Whose every IP and MAC address is."""
        return owners(
            (node, place.space.interfaces, place.space.addresses)
            for node, place in self.places.items()
        )


@frozen
class PredictedStay:
    """A packet's stay on one node."""

    node: str
    part: Part
    came_in: Outlet | None
    went_out: tuple[Outlet, ...]
    before: tuple[str, str]
    after: tuple[str, str]
    """Source and destination, with their ports where they are known."""
    ttl: int
    decisions: tuple[Decision, ...] = ()


@frozen
class Explanation:
    """Where a packet would go, and what would become of it."""

    source: str
    target: str
    to: str
    probe: PredictedProbe
    stays: tuple[PredictedStay, ...]
    finding: Diagnosis

    def of(self, part: Part) -> tuple[PredictedStay, ...]:
        """The stays of the request or of the reply."""
        return tuple(stay for stay in self.stays if stay.part is part)


@frozen
class PredictedPacket:
    """A packet under way, as it is now."""

    source: IPAddress
    target: IPAddress
    probe: PredictedProbe
    part: Part
    ttl: int
    source_port: int | None = None
    """None: not chosen yet, so rules about it cannot be worked out."""
    target_port: int | None = None

    @property
    def version(self) -> int:
        """Of IP."""
        return self.target.version

    @property
    def ends(self) -> tuple[IPAddress, int | None, IPAddress, int | None]:
        """Source and destination, each with its port."""
        return self.source, self.source_port, self.target, self.target_port

    @property
    def shown(self) -> tuple[str, str]:
        """Source and destination, with their ports where they are known."""
        ends = ((self.source, self.source_port), (self.target, self.target_port))
        source, target = (at_port(a, port) for a, port in ends)
        return source, target


class Ended(Exception):
    """The packet comes no further."""

    def __init__(
        self, at: str, cause: Cause, evidence: str, verdict: Verdict = Verdict.DROPPED
    ) -> None:
        super().__init__(evidence)
        self.at, self.cause, self.evidence = at, cause, evidence
        self.verdict = Verdict.UNKNOWN if cause is Cause.UNKNOWN else verdict
