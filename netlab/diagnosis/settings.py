"""Settings that leave a packet no way on from where it was seen last. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.diagnosis.blocked import blocked
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.evidence import ProbeEvidence, version_of
from netlab.diagnosis.findings import dropped
from netlab.diagnosis.journey import Step
from netlab.diagnosis.second_look import SecondLook
from netlab.kernel.obstacles import ObstacleKind
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part

_ECHO_IGNORED = ("net.ipv4.icmp_echo_ignore_all", "net.ipv6.icmp.echo_ignore_all")
_BY_ECHO = ("icmp", "mtu", "route")
"""Kinds of probes that are echo requests."""
_NEVER_ASKS = ".mcast_solicit"
_TOLERANCE = 4
"""Bytes of a VLAN's tag, which an interface takes besides its MTU (is_skb_forwardable)."""


def by_setting(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """Return the diagnosis by what is set where a packet ended, None if that leaves it a way."""
    rules = (_ignored, _switched_off, _too_big, _taken_by_xdp)
    return next(filter(None, (rule(step, evidence, look) for rule in rules)), None)


def by_setting_of_the_source(evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    """Return the diagnosis of a packet that was not seen leaving its source, by what is set there; None if
    that does not keep it from leaving."""
    source = evidence.source
    if look.broadcast:
        text = Message("its routing takes {address} for that", address=evidence.address)
        return dropped(source, Cause.BROADCAST_ADDRESS, text)
    for obstacle in look.obstacles.get(source, ()):
        never_asks = _NEVER_ASKS in obstacle.text and obstacle.version == version_of(evidence)
        is_off = obstacle.kind is ObstacleKind.ARP_OFF or never_asks
        if is_off and obstacle.interface in (look.outlet, ""):
            return dropped(source, Cause.ARP_OFF, obstacle.text)
    return None


def _ignored(step: Step, evidence: ProbeEvidence, look: SecondLook) -> Diagnosis | None:
    if evidence.kind not in _BY_ECHO or not has_arrived(step, evidence):
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
        for peer in receivers(step, evidence):
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


def receivers(step: Step, evidence: ProbeEvidence) -> Iterator[str]:
    """Yield the nodes behind the cables by which a packet left that must take it: others only hear it."""
    owners = evidence.lab.owners.get(step.after.get("eth.dst", ""), frozenset())
    for outlet in step.went_out:
        if outlet.peer in owners | evidence.lab.switches:
            yield outlet.peer


def has_arrived(step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether a step is the request's, where it was meant to go."""
    return step.part is Part.REQUEST and step.node == evidence.target and not step.went_out
