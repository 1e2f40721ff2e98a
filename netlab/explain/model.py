"""The model of a lab that `explain` leads a packet through, the packet, and what becomes of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property

from netlab import probe_kinds
from netlab.diagnosis.absence import because_gone
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.decision import Decision
from netlab.diagnosis.journey import NetworkMap, Outlet
from netlab.diagnosis.verdict import Verdict
from netlab.diagnosis.whereabouts import Whereabouts
from netlab.errors import UsageError
from netlab.explain.nft_rules import ParsedRuleset
from netlab.frozen import frozen
from netlab.kernel.netlink.objects.link_details import LinkDetails
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.obstacles import Obstacle
from netlab.kernel.rows import IPAddress, Neighbour, RouteRow, Socket, at_port
from netlab.kernel.state.owners import Owners, owners
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import RouteResult, RoutingEntry, no_entry
from netlab.kernel.state.spaces import Space
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets import protocols
from netlab.packets.packet import Part


@frozen
class PredictedProbe:
    """The kind of packet that would be sent."""

    protocol: str = "icmp"
    """icmp (an echo request), tcp or udp."""
    port: int | None = None

    def __str__(self) -> str:
        return self.protocol if self.port is None else f"{self.protocol}:{self.port}"


def probe(by: str) -> PredictedProbe:
    """Parse `icmp`, `tcp:80` or `udp:53`. Raises UsageError for any other kind of probe."""
    probe_kinds.check(by)
    word, _, port = by.partition(":")
    if word == "icmp":
        return PredictedProbe()
    if word in ("tcp", "udp") and port:
        return PredictedProbe(word, int(port))
    raise UsageError(f"explain cannot work out '{by}'", "use icmp, tcp:PORT or udp:PORT")


def protocol_number(word: str, version: int) -> int:
    """Return the number of icmp, tcp or udp, in a version of IP."""
    echo = protocols.ICMPV6 if version == 6 else protocols.ICMP
    return {"icmp": echo, "tcp": protocols.TCP, "udp": protocols.UDP}[word]


@frozen
class NodeModel:
    """A machine or switch, as its kernel's tables describe it."""

    space: Space
    rules: ParsedRuleset = field(default_factory=ParsedRuleset)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Kernel settings by key."""
    listening: Sequence[Socket] = ()
    """Sockets that wait for connections or datagrams."""
    links: Mapping[str, LinkDetails] = field(default_factory=dict)
    """Further settings of its interfaces, by name."""
    proxies: frozenset[tuple[str, IPAddress]] = frozenset()
    """Addresses of others for which the node answers, by the interface; empty: on each."""
    obstacles: tuple[Obstacle, ...] = ()
    """All else that can end packets, but what `rules` has too."""

    def interface(self, name: str) -> Interface | None:
        """Return an interface by its name, None if there is none."""
        interfaces = self.space.interfaces
        return next((interface for interface in interfaces if interface.name == name), None)

    @cached_property
    def addresses(self) -> frozenset[tuple[str | None, IPAddress]]:
        """(interface, address) of all its addresses."""
        return frozenset((name, address.ip) for name, address in self.space.addresses)

    def setting(self, key: str) -> int:
        """Return a kernel setting; 0 where the kernel has none of that name."""
        return int(self.settings.get(key) or 0)

    def setting_of(self, key: str, interface: str) -> int:
        """Return a setting of an interface, as the kernel takes it: the higher one of `all` and its own.

        key: with `{}` in place of the interface.
        """
        return max(self.setting(key.format(scope)) for scope in ("all", interface))

    def has(self, address: IPAddress) -> bool:
        """Return whether the node has an IP address."""
        return any(ip == address for _, ip in self.addresses)

    def address_on(self, interface: str, towards: IPAddress) -> IPAddress | None:
        """Return the address that the kernel takes (inet_select_addr): one in the subnet of `towards`, or
        the first; None if the interface has none."""
        addresses = [
            address
            for name, address in self.space.addresses
            if name == interface and address.version == towards.version
        ]
        near = [address for address in addresses if towards in address.network]
        wide = [
            address for address in addresses if not (address.version == 6 and address.is_link_local)
        ]
        return next((address.ip for address in (*near, *wide, *addresses)), None)


@frozen
class LabModel:
    """A lab as it is: its nodes, the cables between them, and the kernel's routing decisions."""

    nodes: Mapping[str, NodeModel]
    """Machines and switches by name."""
    spaces: Mapping[str, Space]
    """Their tables, which cost less than the nodes."""
    settings: Mapping[str, Mapping[str, str]]
    """Their kernel settings."""
    netmap: NetworkMap
    cables: Mapping[NodeInterface, NodeInterface]
    """Both ends of every cable, by the other end."""
    ask: Callable[[str, RouteLookup], RouteResult]
    """A node's routing decision."""
    entry: Callable[[str, RouteLookup], RoutingEntry | None] = no_entry
    """The route of any table by which it decides, or the rule that stops the packet, if that is known."""

    @cached_property
    def whereabouts(self) -> Whereabouts:
        """The places of all addresses."""
        return Whereabouts(self)

    def routes(self, node: str) -> Sequence[RouteRow]:
        """Return the routes of a node's main table."""
        return self.nodes[node].space.routes

    def interfaces(self, node: str) -> Sequence[Interface]:
        """Return the interfaces of a node."""
        return self.nodes[node].space.interfaces

    def neighbours(self, node: str) -> Sequence[Neighbour]:
        """Return the neighbours of a node."""
        return self.nodes[node].space.neighbours

    @cached_property
    def owners(self) -> Owners:
        """The owners of all IP and MAC addresses."""
        return owners(
            (name, space.interfaces, space.addresses) for name, space in self.spaces.items()
        )

    @cached_property
    def _without_cable(self) -> Mapping[str, frozenset[str]]:
        return self.netmap.without_cable(
            lambda node: {interface.name for interface in self.spaces[node].interfaces}
        )

    def missing(self, node: str, address: str, evidence: str) -> Ended | None:
        """Return the end on a node of a packet that needs a machine by its IP or MAC address, if that
        machine is gone; None if none of those that are gone had the address."""
        for gone, known_by in self.netmap.gone.items():
            if address in known_by and gone in self._without_cable:
                return Ended(node, Cause.NODE_GONE, because_gone(gone, evidence))
            if address in known_by:
                return out_of_sight(node, gone)
        return None

    def beyond(self, end: NodeInterface) -> Ended:
        """Return the end of a frame that leaves by an interface which no cable leads on from."""
        if lost := self.netmap.lost.get(end):
            return out_of_sight(end.node, lost.peer)
        why = Message(
            "nobody knows what is behind {interface} of {node}",
            interface=end.interface,
            node=end.node,
        )
        return uncertain(end.node, why)

    def interface(self, end: NodeInterface) -> Interface | None:
        """Return an interface of a node, None if there is none."""
        interfaces = self.spaces[end.node].interfaces
        return next((entry for entry in interfaces if entry.name == end.interface), None)


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
    """The way that a packet would go, and what would become of it."""

    source: str
    target: str
    to: str
    probe: PredictedProbe
    stays: tuple[PredictedStay, ...]
    diagnosis: Diagnosis

    def of(self, part: Part) -> tuple[PredictedStay, ...]:
        """Return the stays of the request or of the reply."""
        return tuple(stay for stay in self.stays if stay.part is part)


@frozen
class PredictedPacket:
    """A packet under way, with the header that it has now."""

    source: IPAddress
    target: IPAddress
    probe: PredictedProbe
    part: Part
    ttl: int
    source_port: int | range | None = None
    """One that is yet to be chosen is a range; None without ports, or if nothing is known of it."""
    target_port: int | range | None = None
    mark: int | None = 0
    """The mark that rules of the present node have given it; None: not known."""
    untracked: bool = False
    """A rule of the present node keeps it from connection tracking."""
    macs: tuple[str, str] | None = None
    """Source and destination of the frame in which it came in; None at the node that makes it."""
    uid: int | None = 0
    """The user who has sent it, where it is the node's own packet; None: not known."""

    @property
    def protocol(self) -> int:
        """The number of its IP protocol."""
        return protocol_number(self.probe.protocol, self.version)

    @property
    def version(self) -> int:
        """The IP version: 4 or 6."""
        return self.target.version

    @property
    def ends(self) -> tuple[IPAddress, int | range | None, IPAddress, int | range | None]:
        """Source and destination, each with its port."""
        return self.source, self.source_port, self.target, self.target_port

    @property
    def shown(self) -> tuple[str, str]:
        """Source and destination, with their ports where they are known."""
        ends = ((self.source, self.source_port), (self.target, self.target_port))
        source, target = (
            at_port(address, port if isinstance(port, int) else None) for address, port in ends
        )
        return source, target


class Ended(Exception):
    """The packet comes no further."""

    def __init__(
        self, at: str, cause: Cause, evidence: str, verdict: Verdict = Verdict.DROPPED
    ) -> None:
        super().__init__(evidence)
        self.at, self.cause, self.evidence = at, cause, evidence
        self.verdict = Verdict.UNKNOWN if cause is Cause.UNKNOWN else verdict


def out_of_sight(node: str, gone: str) -> Ended:
    """Return the end on a node of a packet for a machine whose namespace has lost its name and goes on."""
    why = Message("nobody can look into {node}, whose namespace has no name any more", node=gone)
    return uncertain(node, why)


def uncertain(at: str, why: str) -> Ended:
    """Return the end of a packet of which nobody can tell what becomes of it."""
    return Ended(at, Cause.UNKNOWN, Message("not certain, because {why}", why=why))


def may_end(at: str, thing: str) -> Ended:
    """Return the end at something that may end the packet, or not."""
    return uncertain(at, Message("{thing} may end it", thing=thing))
