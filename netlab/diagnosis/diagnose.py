"""The rules by which evidence proves what became of a probe, and why. Pure.

What is not proved is `unknown`, and `unknown` is a fault of the measurement,
never a diagnosis.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace

from netlab.diagnosis.cause import DNS_CODES, DNS_WORDS, Cause, Diagnosis, look_at
from netlab.diagnosis.drops import RuleDrop, Silence
from netlab.diagnosis.journey import Journey, Step
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.kernel.rows import RouteRow
from netlab.messages import Message, join_and
from netlab.node_interface import NodeInterface
from netlab.packets import protocols
from netlab.packets.packet import Part

_COUNTED = {
    "Ip.InAddrErrors": Cause.NOT_FORWARDING,
    "TcpExt.IPReversePathFilter": Cause.REVERSE_PATH,
    "Ip.InHdrErrors": Cause.TTL_EXCEEDED,
    "Ip.FragFails": Cause.MTU_EXCEEDED,
    "Ip6.InAddrErrors": Cause.NOT_FORWARDING,
    "Ip6.InHdrErrors": Cause.TTL_EXCEEDED,
    "Ip6.InTooBigErrors": Cause.MTU_EXCEEDED,
}
"""Counters of the kernel that grow where a packet ends without a rule and without a word, and its cause."""


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
    isolated: Mapping[NodeInterface, frozenset[str]] = field(default_factory=dict)
    """Ports of switches that reach no other such port, and the machines behind each."""
    listening: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Node to the ports on which programs listen: `udp/53`."""
    unread: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Node to sockets with packets that no program has taken yet: `udp/53`."""
    no_address_left: Mapping[str, str] = field(default_factory=dict)
    """Node to the words of its DHCP server's log."""
    lost: int = 0
    """Frames that no tap had room for."""
    unfinished: str = ""
    """In words, the reason for which the probe was not waited for until its end; empty if it was."""


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
    send_error: int | None = None
    address: str = ""
    """IP address to which the probe was sent; empty: to nobody's in particular."""
    meant: frozenset[str] = frozenset()
    """Further machines whose reply is as good as the target's: they have the address that was typed."""
    carriers: frozenset[str] = frozenset()
    """Interfaces of the source that are up with a cable that is up."""
    dark: Mapping[str, str] = field(default_factory=dict)
    """Node to the interface by which its packet would have to leave, which has no carrier."""
    addressed: bool = True
    """The source has an address besides that of `lo`."""
    drops: Mapping[tuple[str, Part], RuleDrop] = field(default_factory=dict)
    """Node, and which of the probe's packets, to the rule that ended it there."""
    present: frozenset[tuple[str, str]] = frozenset()
    """(switch, MAC address) of frames that reached others, and their receiver is behind the switch."""
    closed_route: Mapping[str, RouteRow] = field(default_factory=dict)
    """Node to the route of its packet's destination, if that leads nowhere (blackhole, prohibit, …)."""
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
    forgotten: frozenset[str] = frozenset()
    """Nodes that translated the request and have no entry for it any more."""


def diagnose(evidence: ProbeEvidence) -> Diagnosis:
    """Return what the evidence proves: first what is certain, then what the last node counted."""
    diagnosis = _proved(evidence)
    on_a_switch = diagnosis.at in evidence.lab.switches
    return replace(diagnosis, look_at=look_at(diagnosis.cause, _version(evidence), on_a_switch))


def _proved(evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis that the evidence proves, without the command that shows its cause."""
    journey = evidence.journey
    if evidence.lab.lost:
        return _unknown(
            evidence.source,
            Message("{count} frames found no room in a buffer", count=evidence.lab.lost),
        )
    if not journey.of(Part.REQUEST):
        return _never_left(evidence)
    if evidence.answered:
        return _answered(evidence)
    if evidence.lab.unfinished:
        return _unknown(evidence.source, evidence.lab.unfinished)
    if not journey.of(Part.REPLY) and evidence.kind in TO_EVERYBODY:
        return TO_EVERYBODY[evidence.kind](evidence)
    if answered_as := _answered_as(evidence):
        return answered_as
    last = [steps for packet, steps in journey.packets.items() if packet.part is not Part.ARP][-1]
    asked = journey.of(Part.REQUEST)[-1]
    match last[0].part:
        case Part.ERROR if last[0].packet.about is Part.REPLY:
            return _reply_lost(journey.of(Part.REPLY)[-1], evidence)
        case Part.ERROR if asked.node in evidence.silenced and not asked.went_out:
            return _end_of(asked, evidence)
        case Part.ERROR:
            return _reported(last[0], asked, evidence)
        case Part.REPLY:
            return _reply_lost(last[-1], evidence)
        case _:
            return _end_of(last[-1], evidence)


def _answered_as(evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a reply that is home from an address that was not asked: no program waits
    for such a one."""
    asked = evidence.journey.of(Part.REQUEST)[0].after.get("ip.dst")
    home = [step for step in evidence.journey.of(Part.REPLY) if _is_home(step, evidence)]
    if evidence.kind in TO_EVERYBODY or asked != evidence.address or not home:
        return None
    replied_from = home[-1].before.get("ip.src", asked)
    if replied_from == asked:
        return None
    text = Message(
        "{node} asked {address}, and the reply comes from {other}",
        node=evidence.source,
        address=asked,
        other=replied_from,
    )
    if evidence.turned:
        text = Message("{why}; {what}", why=evidence.turned, what=text)
    return _dropped(evidence.source, Cause.NO_RETURN_PATH, text)


def _answered(evidence: ProbeEvidence) -> Diagnosis:
    home = [step for step in evidence.journey.of(Part.REPLY) if _is_home(step, evidence)]
    if not home:
        return _unknown(evidence.source, Message("a program got a reply, and no tap saw it arrive"))
    senders = [_sender(evidence.journey.packets[step.packet][0]) for step in home]
    if evidence.kind == "dhcp":
        return Diagnosis(Verdict.ANSWERED, senders[0])
    meant = next((sender for sender in senders if sender in _meant(evidence)), None)
    if meant:
        return Diagnosis(Verdict.ANSWERED, meant)
    sender = senders[-1]
    if twins := _rivals(evidence, sender):
        return _duplicate(sender, evidence.address, twins)
    if any(_had(step, evidence) for step in evidence.journey.of(Part.REQUEST)):
        # The target has passed it on: a port that leads there.
        return Diagnosis(Verdict.ANSWERED, sender)
    return _unknown(sender, Message("it was answered, but by {who}", who=sender))


def _sender(first: Step) -> str:
    """Return the node that made a packet, by its first step; one that was not seen leaving came from the
    cable's other end."""
    return first.came_in.peer if first.came_in else first.node


def _meant(evidence: ProbeEvidence) -> frozenset[str]:
    return evidence.meant | {evidence.target}


def _rivals(evidence: ProbeEvidence, node: str) -> frozenset[str]:
    """Return the owners of the target's address, if the machine `node`, which was not meant, is one of
    them."""
    owners = evidence.lab.owners.get(evidence.address, frozenset())
    is_rival = {node, evidence.target} <= owners and node not in _meant(evidence)
    return owners if is_rival else frozenset()


def _had(step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether the request was with the target, at the address that was asked."""
    parts = evidence.lab.parts.get(step.node, frozenset()) | {step.node}
    return evidence.target in parts and step.before.get("ip.dst") == evidence.address


def _never_left(evidence: ProbeEvidence) -> Diagnosis:
    source, error = evidence.source, evidence.send_error
    if not evidence.carriers:
        return _dropped(
            source, Cause.NIC_DOWN, Message("no interface of it is up with a cable that is up")
        )
    if source in evidence.dark:
        return _unplugged(source, evidence)
    if not evidence.addressed:
        return _dropped(
            source,
            Cause.NO_ADDRESS,
            Message("no interface of it has an IPv{version} address", version=_version(evidence)),
        )
    if source in evidence.closed_route and error:
        return _closed(source, evidence)
    if error in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return _dropped(
            source, Cause.NO_ROUTE, Message("the kernel: {error}", error=os.strerror(error))
        )
    if rule := evidence.drops.get((source, Part.REQUEST)):
        return _dropped(source, rule.cause, rule.rule)
    if source in evidence.silenced:
        return _silent(evidence.silenced[source])
    if source in evidence.unanswered:
        return _not_resolved(source, evidence)
    owners = evidence.lab.owners.get(evidence.address, frozenset())
    if {source, evidence.target} <= owners:
        return _duplicate(source, evidence.address, owners)
    if error:
        return _unknown(source, Message("could not be sent: {error}", error=os.strerror(error)))
    return _unknown(source, Message("was not seen leaving its source"))


def _reply_lost(step: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a reply that came no further than this step, or that has no address."""
    dropped = (step.node, Part.REPLY) in evidence.drops
    has_no_address = step.after.get("dns.answer") == "none" and not dropped
    if has_no_address and _is_home(step, evidence):
        server, code = evidence.journey.of(Part.REPLY)[0].node, step.after["dns.code"]
        cause = DNS_CODES.get(code, Cause.REFUSED)
        text = Message(
            "{server} answers: {word}", server=server, word=DNS_WORDS.get(code, f"error {code}")
        )
        return Diagnosis(Verdict.REFUSED, server, cause, text)
    if step.node in evidence.forgotten:
        text = Message(
            "{node} had translated the request, and has no entry for it now", node=step.node
        )
        return _dropped(step.node, Cause.NAT_MAPPING_EXPIRED, text)
    why = _end_of(step, evidence)
    if why.cause in (Cause.DUPLICATE_MAC, Cause.DUPLICATE_IP):
        return why
    if why.cause is Cause.UNKNOWN and _is_home(step, evidence):
        return _unknown(step.node, Message("a reply came in, and no program got it"))
    text = Message("the reply was last seen on {node}: {why}", node=step.node, why=_in_short(why))
    if evidence.turned:
        text = Message("{why}; {what}", why=evidence.turned, what=text)
    return _dropped(step.node, Cause.NO_RETURN_PATH, text)


def _end_of(step: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return why a packet, request or reply, came no further than this step."""
    node = step.node
    if ended := _ended_by_rule(step, evidence):
        return ended
    if _arrived(step, evidence):
        for part in (Part.REPLY, Part.ERROR):
            if rule := evidence.drops.get((node, part)):
                return _never_answered(node, _in_short(_dropped(node, rule.cause, rule.rule)))
    if not step.went_out and (why := _could_not_send(node, evidence)):
        return _never_answered(node, _in_short(why)) if _arrived(step, evidence) else why
    if node in evidence.closed_route and not step.went_out and not _is_no_router(step, evidence):
        return _closed(node, evidence)
    if evidence.no_route_back and _arrived(step, evidence):
        return _never_answered(
            node, Message("it has no route to {address}", address=evidence.no_route_back)
        )
    overheard = [frame for frame in evidence.journey.overheard if frame.packet == step.packet]
    if step.went_out and overheard:
        return _not_taken(step, len(overheard), evidence)
    meant = evidence.target if step.part is Part.REQUEST else evidence.source
    mac_twins = evidence.lab.twins.get((node, step.after.get("eth.dst", "")))
    if node not in evidence.lab.switches | {meant} and mac_twins:
        names = ", ".join(sorted(mac_twins))
        text = Message(
            "{mac} is the MAC address of {node} and of {others}",
            mac=step.after["eth.dst"],
            node=node,
            others=names,
        )
        return _dropped(node, Cause.DUPLICATE_MAC, text)
    twins = _twins(evidence, {"ip.src": step.after.get("ip.dst", "")})
    if node in twins and meant in twins - {node}:
        return _duplicate(node, step.after["ip.dst"], twins)
    if step.came_in and not step.went_out:
        owners = evidence.lab.owners.get(step.after.get("eth.dst", ""), frozenset())
        if apart := _apart(node, step.came_in.interface, owners, evidence):
            return apart
    grown = evidence.lab.counts.get(node, {})
    suspects = [name for name in _COUNTED if name in grown and _may_count(name, step, evidence)]
    if len(suspects) == 1 and not step.went_out:
        (name,) = suspects
        text = Message(
            "{count} of {node} grew by {number}", count=name, node=node, number=grown[name]
        )
        return replace(_dropped(node, _COUNTED[name], text), counted=name)
    taken = {"Udp.InDatagrams", "Udp6.InDatagrams"} & grown.keys()
    delivered = taken or "udp/53" in evidence.lab.unread.get(node, ())
    if evidence.kind == "dns" and delivered and "udp/53" in evidence.lab.listening.get(node, ()):
        return _kept_silent(node, evidence)
    return _unknown(node, Message("no rule, no error and no count tells why"))


def _could_not_send(node: str, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return why a node could not send a packet on: no carrier, or no MAC address of the next hop."""
    if node in evidence.dark:
        return _unplugged(node, evidence)
    if node in evidence.silenced:
        return _silent(evidence.silenced[node])
    if node in evidence.unanswered:
        return _not_resolved(node, evidence)
    return None


def _not_taken(step: Step, count: int, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a frame that reached `count` machines, and none to which it was addressed."""
    node, mac = step.node, step.after["eth.dst"]
    owners = evidence.lab.owners.get(mac, frozenset())
    for passed in evidence.journey.packets[step.packet]:
        port = passed.inlet or ""
        if (passed.node, mac) in evidence.present:
            text = Message(
                "{owner} has {mac}, on the same network", mac=mac, owner=join_and(owners)
            )
            return _apart(passed.node, port, owners, evidence) or _unknown(node, text)
    if len(step.went_out) == 1:
        text = Message(
            "{node} gave it to {peer} alone, and nobody there has {mac}",
            node=node,
            peer=step.went_out[0].peer,
            mac=mac,
        )
    else:
        text = Message("frames for {mac} reached {count} others", mac=mac, count=count)
    return _dropped(node, Cause.MAC_UNKNOWN, text)


def _arrived(step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether this is the request, where it was meant to go."""
    return step.part is Part.REQUEST and step.node == evidence.target and not step.went_out


def _never_answered(node: str, why: str) -> Diagnosis:
    return _dropped(
        node,
        Cause.NO_RETURN_PATH,
        Message("the reply could not leave {node}: {why}", node=node, why=why),
    )


def _kept_silent(server: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a DNS question that a program has taken; whatever its machine has sent may
    have been the reply."""
    if _SENT_BY_UDP & evidence.lab.counts.get(server, {}).keys():
        return _unknown(
            server,
            Message(
                "{node} has sent datagrams meanwhile, and no reply was seen leaving it", node=server
            ),
        )
    return _dropped(
        server,
        Cause.DNS_SILENT,
        Message("{node} listens on udp/53, and nothing came back", node=server),
    )


_SENT_BY_UDP = {
    f"Udp{six}.{name}" for six in ("", "6") for name in ("OutDatagrams", "SndbufErrors")
}
"""Counters of datagrams that were sent: one that an interface does not take at once is an error of the
buffer."""


def _is_no_router(step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether the machine has counted the packet as somebody else's: then it asked no route for it.

    The kernel's answer to "what of this packet" is the same for both: no route to host.
    """
    counted = evidence.lab.counts.get(step.node, {})
    names = ("Ip.InAddrErrors", "Ip6.InAddrErrors")
    return any(name in counted and _may_count(name, step, evidence) for name in names)


def _may_count(name: str, step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether this packet can be the one that was counted: the count may be another's."""
    lab, target = evidence.lab, step.after.get("ip.dst", "")
    version = 6 if ":" in target else 4
    if (version == 6) is not name.startswith("Ip6."):
        return False
    is_for_others = step.node not in lab.owners.get(target, frozenset())
    match name:
        case "Ip.InAddrErrors" | "Ip6.InAddrErrors":
            return is_for_others and (step.node, step.inlet or "", version) in lab.ends_at
        case "Ip.InHdrErrors" | "Ip6.InHdrErrors":
            return is_for_others and step.after.get("ip.ttl") in ("0", "1")
        case "Ip.FragFails" | "Ip6.InTooBigErrors":
            mtu, length = lab.smallest_mtu.get(step.node), step.after.get("ip.length", "0")
            may_be_cut = version == 4 and step.after.get("ip.df") != "1"
            return mtu is not None and int(length) > mtu and not may_be_cut
        case _:
            return step.node in evidence.misplaced


def _ended_by_rule(step: Step, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a packet that a rule ended on this node; None if no rule did.

    A packet that has gone out was ended by no rule, unless it was the copy for its receiver.
    """
    node, rule = step.node, evidence.drops.get((step.node, step.part))
    if rule is None or (step.went_out and not rule.copy):
        return None
    protocol = step.after.get("ip.protocol")
    if node in evidence.lab.nat_devices and rule.policy and protocol not in _TRANSLATED:
        text = Message("IP protocol {protocol}: {rule}", protocol=protocol, rule=rule.rule)
        return _dropped(node, Cause.PROTOCOL_NOT_TRANSLATED, text)
    if rule.cause is Cause.MAC_NOT_ALLOWED:
        text = Message("{mac}: {rule}", mac=step.before["eth.src"], rule=rule.rule)
        return _dropped(node, rule.cause, text)
    return _dropped(node, rule.cause, rule.rule)


_TRANSLATED = tuple(
    str(number) for number in (protocols.ICMP, protocols.TCP, protocols.UDP, protocols.ICMPV6)
)
"""Protocols that a NAT device passes on."""


def _no_offer(evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a DHCP question that nobody answered."""
    asked = [step for step in evidence.journey.of(Part.REQUEST) if step.came_in]
    if dropped := _dropped_for_all(asked, evidence):
        return dropped
    servers = [s.node for s in asked if "udp/67" in evidence.lab.listening.get(s.node, ())]
    for server in servers:
        if server in evidence.lab.no_address_left:
            return _dropped(server, Cause.DHCP_POOL_EXHAUSTED, evidence.lab.no_address_left[server])
        if rule := evidence.drops.get((server, Part.REQUEST)):
            return _dropped(server, rule.cause, rule.rule)
        if rule := evidence.drops.get((server, Part.REPLY)):
            return _never_answered(server, _in_short(_dropped(server, rule.cause, rule.rule)))
    text = Message("nobody whom it reached listens on udp/67")
    if servers:
        return _dropped(
            servers[0],
            Cause.DHCP_NO_OFFER,
            Message("{server} got it and offered nothing", server=servers[0]),
        )
    return _dropped(asked[0].node if asked else evidence.source, Cause.DHCP_NO_OFFER, text)


def _nobody_has_it(evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of an ARP question of the prober's own that nobody answered."""
    asked = evidence.journey.of(Part.REQUEST)
    if dropped := _dropped_for_all(asked, evidence):
        return dropped
    address = asked[0].before["arp.target"]
    return _not_resolved(evidence.source, replace(evidence, unanswered={evidence.source: address}))


def _dropped_for_all(asked: Iterable[Step], evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis by a switch's rule that let a broadcast reach nobody, None if there is none."""
    at_switches = (step for step in asked if step.node in evidence.lab.switches)
    return next(filter(None, (_ended_by_rule(step, evidence) for step in at_switches)), None)


TO_EVERYBODY: dict[str, Callable[[ProbeEvidence], Diagnosis]] = {
    "dhcp": _no_offer,
    "arp": _nobody_has_it,
}
"""Kinds of probes that are broadcast: where one was seen last says nothing."""

_REPORTS = {
    ("3", "4"): Cause.MTU_EXCEEDED,
    ("11", "0"): Cause.TTL_EXCEEDED,
    ("3", "0"): Cause.NO_ROUTE,
    ("3", "1"): Cause.ARP_UNANSWERED,
    ("3", "3"): Cause.PORT_CLOSED,
}
_REPORTS_V6 = {
    ("2", "0"): Cause.MTU_EXCEEDED,
    ("3", "0"): Cause.TTL_EXCEEDED,
    ("1", "0"): Cause.NO_ROUTE,
    ("1", "3"): Cause.ARP_UNANSWERED,
    ("1", "4"): Cause.PORT_CLOSED,
}
_NO_WAY = (Cause.NO_ROUTE, Cause.ARP_UNANSWERED)
"""Causes that a machine reports where a route leads nowhere, besides a refusal."""
_SAYS_NO = (Cause.REFUSED, Cause.PORT_CLOSED, Cause.NO_FORWARD)
"""Causes by which a machine refuses, rather than fails."""


def _reported(error: Step, last: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis by an error that quotes the probe: its sender says itself what happened."""
    # As who has asked sees it: a NAT on the way may have translated it.
    address, sender = evidence.journey.packets[error.packet][-1].after["ip.src"], _sender(error)
    if address == evidence.address and (twins := _rivals(evidence, sender)):
        return _duplicate(sender, address, twins)
    if "tcp.flags" in error.before:
        cause, text = Cause.PORT_CLOSED, Message("{who} resets the connection", who=address)
    else:
        kind = (error.before["icmp.type"], error.before["icmp.code"])
        cause = (_REPORTS_V6 if ":" in address else _REPORTS).get(kind, Cause.REFUSED)
        text = Message(
            "{who} reports {protocol} type {kind}, code {code}",
            who=address,
            protocol="ICMPv6" if ":" in address else "ICMP",
            kind=kind[0],
            code=kind[1],
        )
    if rule := evidence.drops.get((error.node, Part.REQUEST)):
        # `reject` says whatever the rule wants it to say.
        text = Message("{report}; {rule}", report=text, rule=rule.rule)
        return Diagnosis(Verdict.REFUSED, error.node, Cause.FIREWALL, text)
    if last.node in evidence.closed_route and cause in (Cause.REFUSED, *_NO_WAY):
        return _closed(last.node, evidence)
    if cause is Cause.ARP_UNANSWERED and evidence.unanswered.get(last.node) in evidence.elsewhere:
        return _not_resolved(last.node, evidence)
    if cause is Cause.ARP_UNANSWERED and last.node not in evidence.unanswered:
        cause = Cause.NO_ROUTE  # A route that says `unreachable` gives the same answer.
    if cause is Cause.PORT_CLOSED and last.came_in:
        end = NodeInterface(last.node, last.came_in.interface)
        at_door = end in evidence.lab.forwarded_ports
        cause = Cause.NO_FORWARD if at_door else cause
    verdict = Verdict.REFUSED if cause in _SAYS_NO else Verdict.DROPPED
    return Diagnosis(verdict, last.node, cause, text)


def _apart(
    switch: str, port: str, owners: frozenset[str], evidence: ProbeEvidence
) -> Diagnosis | None:
    """Return the diagnosis of a frame that a switch keeps apart, by port isolation, from the owners of its
    address; None if it does not."""
    if NodeInterface(switch, port) not in evidence.lab.isolated:
        return None
    for far, behind in evidence.lab.isolated.items():
        if far.node == switch and far.interface != port and behind & owners:
            text = Message(
                "the ports {one} and {other} of {switch} are isolated",
                one=port,
                other=far.interface,
                switch=switch,
            )
            return _dropped(switch, Cause.ISOLATED_PORT, text)
    return None


def _not_resolved(node: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a question for a MAC address that stays without reply."""
    address = evidence.unanswered[node]
    text = Message("it asked who has {address}, and nobody answered", address=address)
    owners = evidence.lab.owners.get(address, frozenset())
    asking = [step for step in evidence.journey.steps if step.before.get("arp.target") == address]
    for step in asking:
        if apart := _apart(step.node, step.inlet or "", owners, evidence):
            return apart
    if address in evidence.elsewhere:
        owner = evidence.elsewhere[address]
        return _dropped(
            node,
            Cause.WRONG_SEGMENT,
            Message("{asked}; {owner} has it, on another network", asked=text, owner=owner),
        )
    return _dropped(node, Cause.ARP_UNANSWERED, text)


def _silent(silence: Silence) -> Diagnosis:
    return _dropped(silence.at, silence.cause, silence.text)


def _unplugged(node: str, evidence: ProbeEvidence) -> Diagnosis:
    return _dropped(
        node,
        Cause.NIC_DOWN,
        Message("{interface} is down or has no carrier", interface=evidence.dark[node]),
    )


def _closed(node: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis by a route that leads nowhere, on purpose; `prohibit` also says so."""
    route = evidence.closed_route[node]
    text = Message("the route says {kind}: {route}", kind=route.kind, route=route)
    if route.kind == "prohibit":
        return Diagnosis(Verdict.REFUSED, node, Cause.REFUSED, text)
    return _dropped(node, Cause.NO_ROUTE, text)


def _twins(evidence: ProbeEvidence, fields: Mapping[str, str]) -> frozenset[str]:
    """Return the machines that have this source address, if they are more than one."""
    owners = evidence.lab.owners.get(fields.get("ip.src", ""), frozenset())
    return owners if len(owners) > 1 else frozenset()


def _duplicate(at: str, address: str, twins: frozenset[str]) -> Diagnosis:
    text = Message(
        "{twins} both have {address}; {at} got it", twins=join_and(twins), address=address, at=at
    )
    return _dropped(at, Cause.DUPLICATE_IP, text)


def _is_home(step: Step, evidence: ProbeEvidence) -> bool:
    return step.node == evidence.source and step.came_in is not None


def _dropped(at: str, cause: Cause, evidence: str) -> Diagnosis:
    return Diagnosis(Verdict.DROPPED, at, cause, evidence)


def _unknown(at: str, evidence: str) -> Diagnosis:
    return Diagnosis(Verdict.UNKNOWN, at, Cause.UNKNOWN, evidence)


def _in_short(diagnosis: Diagnosis) -> str:
    if diagnosis.cause is None:
        return diagnosis.evidence
    return Message("{cause}, {evidence}", cause=diagnosis.cause, evidence=diagnosis.evidence)


def _version(evidence: ProbeEvidence) -> int:
    """Return the IP version of the probe."""
    return 6 if ":" in evidence.address else 4
