"""The end of a packet on the node that had it last. Pure."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

from netlab.diagnosis.blocked import blocked
from netlab.diagnosis.cause import DNS_CODES, DNS_WORDS, Cause, Diagnosis
from netlab.diagnosis.counts import COUNTED, is_no_router, may_count
from netlab.diagnosis.evidence import ProbeEvidence, is_home, version_of
from netlab.diagnosis.findings import (
    closed,
    could_not_send,
    dropped,
    duplicate,
    in_short,
    kept_apart,
    never_answered,
    no_route,
    not_resolved,
    placed,
    silent,
    twins_of,
    unknown,
    unplugged,
)
from netlab.diagnosis.journey import Step
from netlab.diagnosis.leads import led
from netlab.diagnosis.programs import at_program
from netlab.diagnosis.unexplained import never_seen, unexplained_at
from netlab.diagnosis.verdict import Verdict
from netlab.messages import Message, join_and
from netlab.packets import protocols
from netlab.packets.frame import is_group
from netlab.packets.packet import Part


def never_left(evidence: ProbeEvidence) -> Diagnosis:
    """Return why a probe was not seen leaving its source."""
    return led(_never_left(evidence), evidence.leads.get(Part.REQUEST))


def _never_left(evidence: ProbeEvidence) -> Diagnosis:
    source, error = evidence.source, evidence.send_error
    if not evidence.carriers:
        return dropped(
            source, Cause.NIC_DOWN, Message("no interface of it is up with a cable that is up")
        )
    if source in evidence.dark:
        return unplugged(source, evidence)
    if not evidence.addressed:
        return dropped(
            source,
            Cause.NO_ADDRESS,
            Message("no interface of it has an IPv{version} address", version=version_of(evidence)),
        )
    if source in evidence.closed_route and error:
        return closed(source, evidence)
    if error in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        words = Message("the kernel: {error}", error=os.strerror(error))
        return no_route(source, evidence.address, words, evidence)
    if error == errno.EMSGSIZE:
        words = Message("the kernel: {error}", error=os.strerror(error))
        return dropped(source, Cause.MTU_EXCEEDED, words)
    if rule := evidence.drops.get((source, Part.REQUEST)):
        return dropped(source, rule.cause, rule.rule)
    if source in evidence.silenced:
        return silent(evidence.silenced[source])
    if source in evidence.unanswered:
        return not_resolved(source, evidence)
    owners = evidence.lab.owners.get(evidence.address, frozenset())
    if source != evidence.target and {source, evidence.target} <= owners:
        return duplicate(source, evidence.address, owners)
    text = (
        Message("could not be sent: {error}", error=os.strerror(error))
        if error
        else Message("was not seen leaving its source")
    )
    return never_seen(unknown(source, text), evidence)


def reply_lost(step: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a reply that came no further than this step, or that has no address."""
    by_rule = (step.node, Part.REPLY) in evidence.drops
    has_no_address = step.after.get("dns.answer") == "none" and not by_rule
    if has_no_address and is_home(step, evidence):
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
        return dropped(step.node, Cause.NAT_MAPPING_EXPIRED, text)
    why = end_of(step, evidence)
    if why.cause in (Cause.DUPLICATE_MAC, Cause.DUPLICATE_IP):
        return why
    if why.cause is Cause.UNKNOWN and is_home(step, evidence):
        return replace(why, evidence=Message("a reply came in, and no program got it"))
    text = Message("the reply was last seen on {node}: {why}", node=step.node, why=in_short(why))
    if evidence.turned:
        text = Message("{why}; {what}", why=evidence.turned, what=text)
    return replace(dropped(step.node, Cause.NO_RETURN_PATH, text), unexplained=why.unexplained)


def end_of(step: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return why a packet, request or reply, came no further than this step, and who led it there."""
    return led(_end_of(step, evidence), evidence.leads.get(step.part))


def _end_of(step: Step, evidence: ProbeEvidence) -> Diagnosis:
    node = step.node
    if ended := ended_by_rule(step, evidence):
        return ended
    if group := _to_a_group(step, evidence):
        return group
    if _arrived(step, evidence):
        for part in (Part.REPLY, Part.ERROR):
            if rule := evidence.drops.get((node, part)):
                end = dropped(node, rule.cause, rule.rule)
                return never_answered(node, in_short(led(end, evidence.leads.get(Part.REPLY))))
    if not step.went_out and (why := could_not_send(node, evidence)):
        return never_answered(node, in_short(why)) if _arrived(step, evidence) else why
    if node in evidence.closed_route and not step.went_out and not is_no_router(step, evidence):
        return closed(node, evidence)
    if evidence.route_errors.get(node) == errno.ENETUNREACH and not is_no_router(step, evidence):
        words = Message("the kernel: {error}", error=os.strerror(errno.ENETUNREACH))
        return no_route(node, step.after.get("ip.dst", ""), words, evidence)
    if evidence.no_route_back and _arrived(step, evidence):
        text = Message("it has no route to {address}", address=evidence.no_route_back)
        return never_answered(node, placed(text, evidence.no_route_back, evidence))
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
        return dropped(node, Cause.DUPLICATE_MAC, text)
    twins = twins_of(evidence, {"ip.src": step.after.get("ip.dst", "")})
    if node in twins and meant in twins - {node}:
        return duplicate(node, step.after["ip.dst"], twins)
    if step.came_in and not step.went_out:
        owners = evidence.lab.owners.get(step.after.get("eth.dst", ""), frozenset())
        if apart := kept_apart(node, step.came_in.interface, owners, evidence):
            return apart
    leads = evidence.leads.get(step.part)
    if leads and leads.not_taken and not step.went_out and node in evidence.lab.switches:
        return dropped(node, Cause.MAC_UNKNOWN, leads.not_taken)
    grown = evidence.lab.counts.get(node, {})
    suspects = [name for name in COUNTED if name in grown and may_count(name, step, evidence)]
    if len(suspects) == 1 and not step.went_out:
        (name,) = suspects
        text = Message(
            "{count} of {node} grew by {number}", count=name, node=node, number=grown[name]
        )
        return replace(dropped(node, COUNTED[name], text), counted=name)
    ended = unexplained_at(step, evidence)
    if ended.unexplained and (at_its_program := at_program(step, evidence)):
        return at_its_program
    return ended


def _to_a_group(step: Step, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a packet that came to machines on its way by a group's MAC address; None if
    it did not, or has gone on."""
    mac = step.before.get("eth.dst", "")
    meant = evidence.target if step.part is Part.REQUEST else evidence.source
    has_ended = step.came_in and not step.went_out and "ip.dst" in step.before
    if not (has_ended and mac and is_group(mac)) or step.node == meant:
        return None
    steps = evidence.journey.packets[step.packet]
    givers = [passed for passed in steps if passed.went_out and passed.after["eth.dst"] == mac]
    text = Message("{mac} is a group's MAC address: no router takes what is sent to it", mac=mac)
    return dropped(givers[-1].node if givers else step.node, Cause.MAC_UNKNOWN, text)


def _not_taken(step: Step, count: int, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a frame that reached `count` machines, and none to which it was addressed."""
    node, mac, look = step.node, step.after["eth.dst"], evidence.second_look
    owners = evidence.lab.owners.get(mac, frozenset())
    present = Message("{owner} has {mac}, on the same network", mac=mac, owner=join_and(owners))
    nobody = _nobody_took_it(step, count)
    leads = evidence.leads.get(step.part)
    if leads and leads.not_taken:
        return replace(
            nobody,
            evidence=Message("{what}; {where}", what=nobody.evidence, where=leads.not_taken),
        )
    for passed in evidence.journey.packets[step.packet]:
        if (passed.node, mac) not in evidence.present:
            continue
        if apart := kept_apart(passed.node, passed.inlet or "", owners, evidence):
            return apart
        if ended := ended_by_rule(passed, evidence):  # The copy for its receiver; others went on.
            return ended
        if look is None:
            return replace(unknown(node, present), unexplained=True)
        if settings := blocked(passed, mac, look):
            return dropped(passed.node, Cause.PORT_BLOCKED, settings)
        if passed is not step or len(step.went_out) > 1:
            return replace(unknown(node, present), unexplained=True)
        return replace(nobody, evidence=Message("{what}; {why}", what=nobody.evidence, why=present))
    return nobody


def _nobody_took_it(step: Step, count: int) -> Diagnosis:
    node, mac = step.node, step.after["eth.dst"]
    if len(step.went_out) > 1:
        text = Message("frames for {mac} reached {count} others", mac=mac, count=count)
    else:
        text = Message(
            "{node} gave it to {peer} alone, and nobody there has {mac}",
            node=node,
            peer=step.went_out[0].peer,
            mac=mac,
        )
    return dropped(node, Cause.MAC_UNKNOWN, text)


def _arrived(step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether this is the request, where it was meant to go."""
    return step.part is Part.REQUEST and step.node == evidence.target and not step.went_out


def ended_by_rule(step: Step, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis of a packet that a rule ended on this node; None if no rule did.

    A packet that has gone out was ended by no rule, unless it was the copy for its receiver.
    """
    node, rule = step.node, evidence.drops.get((step.node, step.part))
    if rule is None or (step.went_out and not rule.copy):
        return None
    protocol = step.after.get("ip.protocol")
    if node in evidence.lab.nat_devices and rule.policy and protocol not in _TRANSLATED:
        text = Message("IP protocol {protocol}: {rule}", protocol=protocol, rule=rule.rule)
        return dropped(node, Cause.PROTOCOL_NOT_TRANSLATED, text)
    if rule.cause is Cause.MAC_NOT_ALLOWED:
        text = Message("{mac}: {rule}", mac=step.before["eth.src"], rule=rule.rule)
        return dropped(node, rule.cause, text)
    return dropped(node, rule.cause, rule.rule)


_TRANSLATED = tuple(
    str(number) for number in (protocols.ICMP, protocols.TCP, protocols.UDP, protocols.ICMPV6)
)
"""Protocols that a NAT device passes on."""
