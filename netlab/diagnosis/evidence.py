"""The evidence that a diagnosis rests on: of a probe that is over, and of the lab while it was under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from netlab.diagnosis.drops import RuleDrop, Silence
from netlab.diagnosis.journey import BoundForward, Journey, Step
from netlab.diagnosis.leads import Lead, Leads
from netlab.diagnosis.second_look import SecondLook
from netlab.frozen import frozen
from netlab.kernel.rows import Flow, Socket
from netlab.kernel.state.routing import RoutingEntry
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part


@frozen
class LabEvidence:
    """Evidence of a whole lab: the same for all probes that were under way at the same time."""

    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Node to the kernel's counters that have grown, and by how much."""
    smallest_mtu: Mapping[str, int] = field(default_factory=dict)
    """Node to the bytes that each of its interfaces can send."""
    ends_at: frozenset[tuple[str, str, int]] = frozenset()
    """(node, interface, IP version): a machine that has counted packets for somebody else passes on none
    that comes in there."""
    owners: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """IP or MAC address to the nodes that have it."""
    twins: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """(node, its MAC address) to the others on one network with it that have the same."""
    switches: frozenset[str] = frozenset()
    nat_devices: frozenset[str] = frozenset()
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """NAT device to the nodes that are shown as it: itself, and its host."""
    forwarded_ports: frozenset[NodeInterface] = frozenset()
    """Adapters of the host where a NAT device's port forwards are reached from outside."""
    bound_forwards: tuple[BoundForward, ...] = ()
    """Port forwards of the host that lead on at one of its addresses."""
    isolated: Mapping[NodeInterface, frozenset[str]] = field(default_factory=dict)
    """Ports of switches that reach no other such port, and the machines behind each."""
    listening: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Node to the ports on which programs listen: `udp/53`."""
    unread: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Node to sockets with packets that no program has taken yet: `udp/53`."""
    no_address_left: Mapping[str, str] = field(default_factory=dict)
    """Node to the words of its DHCP server's log."""
    gone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Machine or switch whose namespace is gone, to the IP and MAC addresses that it had."""
    lost: int = 0
    """Frames that no tap had room for."""
    unfinished: str = ""
    """In words, the reason for which the probe was not waited for until its end; empty if it was."""


@frozen
class Reporter:
    """A machine that has sent an error about a request which it had, and what may have made it do so."""

    received: Flow | None = None
    """The request as it was delivered to the machine itself, after its own translation; None: it was for
    somebody else."""
    inlet: str = ""
    """The interface by which it came in."""
    sockets: tuple[Socket, ...] = ()
    """Those on which its programs wait; read for TCP and UDP."""
    legacy_tool: str = ""
    """`iptables-legacy` or `ip6tables-legacy`, if the machine has a table of it whose rules may reject."""


@frozen
class ProbeConnection:
    """A TCP connection that was made, as the socket of the probe knows it when the probe is over."""

    acknowledged: bool = False
    """The other end has acknowledged all that was sent."""
    received: int = 0
    """Bytes that have come in."""
    closed: bool = False
    """The other end has ended it, in order or by a reset."""


@frozen
class ProbeEvidence:
    """Evidence of one probe that is over."""

    source: str
    target: str
    journey: Journey
    lab: LabEvidence = field(default_factory=LabEvidence)
    kind: str = "icmp"
    """The probe's kind: `icmp`, `tcp`, `dns`, …"""
    answered: bool = False
    """The program that asked has got what it asked for."""
    connection: ProbeConnection | None = None
    """The connection, if one was made."""
    send_error: int | None = None
    address: str = ""
    """IP address to which the probe was sent; empty: to nobody's in particular."""
    meant: frozenset[str] = frozenset()
    """Further machines whose reply is as good as the target's: they have the address that was typed."""
    carriers: frozenset[str] = frozenset()
    """Interfaces of the source that are up with a cable that is up."""
    dark: Mapping[str, str] = field(default_factory=dict)
    """Node to the interface by which its packet would have to leave, which has no carrier."""
    cut_off: Mapping[str, str] = field(default_factory=dict)
    """Node to the machine or switch that is gone, and with it the interface by which its packet had to
    leave."""
    addressed: bool = True
    """The source has an address besides that of `lo`."""
    drops: Mapping[tuple[str, Part], RuleDrop] = field(default_factory=dict)
    """Node, and which of the probe's packets, to the rule that ended it there."""
    present: frozenset[tuple[str, str]] = frozenset()
    """(switch, MAC address) of frames that reached others, and their receiver is behind the switch."""
    closed_route: Mapping[str, RoutingEntry] = field(default_factory=dict)
    """Node to the route or rule of routing by which its packet goes nowhere (blackhole, prohibit, …)."""
    silenced: Mapping[str, Silence] = field(default_factory=dict)
    """Node to the rule that ended its question for a MAC address, or the reply."""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    """Node to the address for which it asked by ARP or neighbour discovery, and nobody answered."""
    misplaced: frozenset[str] = frozenset()
    """Nodes whose routing does not admit the packet's source where it came in."""
    no_route_back: str = ""
    """The address to which the target would have to answer, if its routing table does not lead there."""
    turned: str = ""
    """In words: the target answers by another interface than the request came in by; empty if not."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Address that was asked for in vain, to the machine that has it on another network."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Address that was asked for in vain, to the machine on the same network that had it, and is gone."""
    leads: Mapping[Part, Leads] = field(default_factory=dict)
    """Part of the probe to why its last packet came to where it ended."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Address that was asked for in vain, or to which no route leads, to where it is, in words."""
    forgotten: frozenset[str] = frozenset()
    """Nodes that translated the request and have no entry for it any more."""
    second_look: SecondLook | None = None
    """None: it is the first probe."""
    reporters: Mapping[str, Reporter] = field(default_factory=dict)
    """Node to what is known of it, of each that has reported an error about a request which it had."""
    route_errors: Mapping[str, int] = field(default_factory=dict)
    """Node on which a packet ended to the errno with which its routing answers about that packet."""


def version_of(evidence: ProbeEvidence) -> int:
    """Return the IP version of the probe."""
    return 6 if ":" in evidence.address else 4


def leads_of(evidence: ProbeEvidence) -> list[Lead]:
    """Return every machine that has led a packet of the probe to where it ended."""
    both = (lead for leads in evidence.leads.values() for lead in (leads.away, leads.astray))
    return [lead for lead in both if lead]


def is_home(step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether a packet has come in at the source of the probe."""
    return step.node == evidence.source and step.came_in is not None


def sender_of(first: Step) -> str:
    """Return the node that made a packet, by its first step; one that was not seen leaving came from the
    cable's other end."""
    return first.came_in.peer if first.came_in else first.node
