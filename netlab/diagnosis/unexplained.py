"""The end of a packet of which rules, errors and counts tell nothing, by what a second look found. Pure.

It is asked last, so it speaks against no other evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from netlab.diagnosis import kernel_drops
from netlab.diagnosis.blocked import blocked
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.evidence import ProbeEvidence, version_of
from netlab.diagnosis.findings import (
    dropped,
    duplicate,
    in_short,
    never_answered,
    twins_of,
    unknown,
)
from netlab.diagnosis.journey import Step
from netlab.diagnosis.second_look import SecondLook
from netlab.kernel.obstacles import ObstacleKind
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part

_COUNTED = {
    ObstacleKind.IPTABLES: Cause.FIREWALL,
    ObstacleKind.TC: Cause.TC,
    ObstacleKind.XDP: Cause.XDP,
    ObstacleKind.XFRM: Cause.XFRM_POLICY,
    ObstacleKind.NETDEV_RULES: Cause.FIREWALL,
    ObstacleKind.CONNTRACK_FULL: Cause.CONNTRACK_FULL,
}
"""Kinds of obstacles that count the packets that they end, with their causes."""
_ECHO_IGNORED = ("net.ipv4.icmp_echo_ignore_all", "net.ipv6.icmp.echo_ignore_all")
_BY_ECHO = ("icmp", "mtu", "route")
"""Kinds of probes that are echo requests."""
_TOLERANCE = 4
"""Bytes of a VLAN's tag, which an interface takes besides its MTU (is_skb_forwardable)."""


def unexplained_at(step: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a packet that was seen last on this step."""
    look = evidence.second_look
    nothing = unknown(step.node, Message("no rule, no error and no count tells why"))
    if look is None:
        return replace(nothing, unexplained=True)
    for rule in _RULES:
        if diagnosis := rule(step, evidence, look):
            return diagnosis
    suspect = _suspect(step, evidence, look)
    return replace(nothing, evidence=suspect or nothing.evidence, unexplained=True)


def never_seen(nothing: Diagnosis, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a packet that was not seen leaving its source; `nothing` if there is none."""
    look, source = evidence.second_look, evidence.source
    if look is None:
        return replace(nothing, unexplained=True)
    drops = [drop for drop in look.drops if drop.node == source]
    if end := kernel_drops.agreed(drops, look):
        return dropped(source, end.cause, end.text)
    if diagnosis := _by_settings_of_the_source(evidence, look):
        return diagnosis
    if diagnosis := _by_count(source, look):
        return diagnosis
    return replace(nothing, unexplained=True)


def _by_kernel(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """By the kernel's own reason, if it names one place and one cause."""
    places = {step.node, *_next(step, evidence)}
    drops = [
        drop
        for drop in look.drops
        if drop.node in places and drop.packet == step.packet and not drop.is_arp
    ]
    if end := kernel_drops.agreed([drop for drop in drops if not drop.made], look):
        twins = twins_of(evidence, step.after)
        if end.cause is Cause.MARTIAN and end.node in twins:
            return duplicate(end.node, step.after["ip.src"], twins)
        return dropped(end.node, end.cause, end.text)
    replies = [drop for drop in drops if drop.made and _has_arrived(step, evidence)]
    if end := kernel_drops.agreed(replies, look):
        return never_answered(end.node, in_short(dropped(end.node, end.cause, end.text)))
    return None


def _by_setting(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """By what is set where the packet ended, if that leaves no other way."""
    for rule in (_ignored, _switched_off, _too_big, _taken_by_xdp):
        if diagnosis := rule(step, evidence, look):
            return diagnosis
    return None


def _by_growth(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """By a count of the node that grew."""
    return None if step.went_out else _by_count(step.node, look)


_RULES: tuple[Callable[[Step, ProbeEvidence, SecondLook], Diagnosis | None], ...] = (
    _by_kernel,
    _by_setting,
    _by_growth,
)


def _by_count(node: str, look: SecondLook) -> Diagnosis | None:
    """Return the diagnosis by the only kind of obstacle of a node that packets met meanwhile."""
    grown = [obstacle for obstacle in look.grown.get(node, ()) if obstacle.kind in _COUNTED]
    causes = {_COUNTED[obstacle.kind] for obstacle in grown}
    if len(causes) != 1:
        return None
    (cause,) = causes
    text = Message("{obstacle}: its count grew", obstacle=grown[0].text)
    return dropped(node, cause, text)


def _ignored(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    if evidence.kind not in _BY_ECHO or not _has_arrived(step, evidence):
        return None
    for obstacle in look.obstacles.get(step.node, ()):
        if obstacle.text.startswith(_ECHO_IGNORED) and obstacle.version == version_of(evidence):
            return dropped(step.node, Cause.ECHO_IGNORED, obstacle.text)
    return None


def _switched_off(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """Return the diagnosis of a frame that a switch does not pass on, by the settings of its ports."""
    if step.went_out:
        return None
    text = blocked(step, step.after.get("eth.dst", ""), look)
    return dropped(step.node, Cause.PORT_BLOCKED, text) if text else None


def _too_big(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """Return the diagnosis of a frame that the next interface, of a switch or behind a cable, does not
    take."""
    length = int(step.after.get("ip.length", "0"))
    for end in _next_ends(step, evidence, look):
        mtu = look.mtus.get(end)
        if mtu is not None and length > mtu + _TOLERANCE:
            text = Message(
                "{length} bytes, and the MTU of {interface} of {node} is {mtu}",
                length=length,
                interface=end.interface,
                node=end.node,
                mtu=mtu,
            )
            return dropped(step.node, Cause.MTU_EXCEEDED, text)
    return None


def _next_ends(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Iterator[NodeInterface]:
    """Yield the interfaces by which a frame should have gone on: those by which a switch would send it to its
    receiver, or those behind the cables by which it left."""
    if step.went_out:
        for peer in _next(step, evidence):
            ends = look.cables.get((peer, step.node), frozenset())
            yield from (NodeInterface(peer, interface) for interface in sorted(ends))
        return
    leading = look.leading.get((step.node, step.after.get("eth.dst", "")), frozenset())
    yield from (NodeInterface(step.node, port) for port in sorted(leading - {step.inlet or ""}))


def _taken_by_xdp(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """Return the diagnosis of a frame that left for an interface with an XDP program and was not seen
    there: a program is asked before anybody who listens."""
    ends = set(_next_ends(step, evidence, look)) if step.went_out else set()
    for peer in {end.node for end in ends}:
        programs = {
            NodeInterface(peer, obstacle.interface): obstacle.text
            for obstacle in look.obstacles.get(peer, ())
            if obstacle.kind is ObstacleKind.XDP
        }
        if ends <= programs.keys():
            return dropped(peer, Cause.XDP, programs[min(ends)])
    return None


def _by_settings_of_the_source(evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    source = evidence.source
    if look.broadcast:
        text = Message("its routing takes {address} for that", address=evidence.address)
        return dropped(source, Cause.BROADCAST_ADDRESS, text)
    for obstacle in look.obstacles.get(source, ()):
        unasked = ".mcast_solicit" in obstacle.text and obstacle.version == version_of(evidence)
        if obstacle.kind is ObstacleKind.ARP_OFF or unasked:
            return dropped(source, Cause.ARP_OFF, obstacle.text)
    return None


def _next(step: Step, evidence: ProbeEvidence) -> Iterator[str]:
    """Yield the nodes behind the cables by which a packet left that must take it: others only hear it."""
    owners = evidence.lab.owners.get(step.after.get("eth.dst", ""), frozenset())
    for outlet in step.went_out:
        if outlet.peer in owners | evidence.lab.switches:
            yield outlet.peer


def _has_arrived(step: Step, evidence: ProbeEvidence) -> bool:
    return step.part is Part.REQUEST and step.node == evidence.target and not step.went_out


def _suspect(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Message | None:
    """Return in words what may have ended a packet, if there is one such thing on its way there."""
    drops = [drop for drop in look.drops if drop.packet == step.packet and drop.reason]
    if len(drops) == 1:
        return kernel_drops.in_words(drops[0])
    interfaces = {step.inlet, *(outlet.interface for outlet in step.went_out), ""}
    suspects = {
        obstacle.text
        for obstacle in look.obstacles.get(step.node, ())
        if obstacle.kind in _COUNTED or obstacle.kind is ObstacleKind.BRIDGE_NETFILTER
        if obstacle.version in (None, version_of(evidence))
        if obstacle.hook not in ("ingress", "prerouting") or obstacle.interface in interfaces
    }
    if len(suspects) != 1:
        return None
    return Message("{obstacle} may have dropped it, and has no count", obstacle=suspects.pop())


def with_waiting(diagnosis: Diagnosis, evidence: ProbeEvidence) -> Diagnosis:
    """Return a diagnosis that rests on silence with how long was waited."""
    look = evidence.second_look
    if not (diagnosis.unexplained and look and look.seconds):
        return diagnosis
    text = Message(
        "{why}; no answer within {seconds} s", why=diagnosis.evidence, seconds=f"{look.seconds:g}"
    )
    return replace(diagnosis, evidence=text)
