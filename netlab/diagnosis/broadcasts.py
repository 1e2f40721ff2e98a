"""Probes that go to everybody: where one was seen last says nothing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from netlab.diagnosis import kernel_drops
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.endings import ended_by_rule
from netlab.diagnosis.evidence import ProbeEvidence
from netlab.diagnosis.findings import (
    dropped,
    in_short,
    never_answered,
    not_resolved,
    silent,
    unknown,
)
from netlab.diagnosis.journey import Step
from netlab.diagnosis.verdict import Verdict
from netlab.messages import Message
from netlab.packets.packet import Part


def _no_offer(evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a DHCP question that nobody answered."""
    asked = [step for step in evidence.journey.of(Part.REQUEST) if step.came_in]
    if ended := _dropped_for_all(asked, evidence):
        return ended
    servers = [s.node for s in asked if "udp/67" in evidence.lab.listening.get(s.node, ())]
    for server in servers:
        if server in evidence.lab.no_address_left:
            return dropped(server, Cause.DHCP_POOL_EXHAUSTED, evidence.lab.no_address_left[server])
        if rule := evidence.drops.get((server, Part.REQUEST)):
            return dropped(server, rule.cause, rule.rule)
        if rule := evidence.drops.get((server, Part.REPLY)):
            return never_answered(server, in_short(dropped(server, rule.cause, rule.rule)))
    text = Message("nobody whom it reached listens on udp/67")
    if servers:
        return _kept_to_itself(servers[0], asked, evidence)
    return dropped(asked[0].node if asked else evidence.source, Cause.DHCP_NO_OFFER, text)


def _kept_to_itself(server: str, asked: Sequence[Step], evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a question that has come to a server's interface and stayed without offer."""
    questions = {step.packet for step in asked if step.node == server}
    if look := evidence.second_look:
        drops = [drop for drop in look.drops if drop.node == server and drop.packet in questions]
        if end := kernel_drops.agreed([drop for drop in drops if not drop.made], look):
            return dropped(server, end.cause, end.text)
    text = Message("{server} got it and offered nothing", server=server)
    return replace(dropped(server, Cause.DHCP_NO_OFFER, text), unexplained=True)


def _nobody_has_it(evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of an ARP question of the prober's own that nobody answered."""
    asked = evidence.journey.of(Part.REQUEST)
    if ended := _dropped_for_all(asked, evidence):
        return ended
    if evidence.source in evidence.silenced:
        return silent(evidence.silenced[evidence.source])
    address = asked[0].before["arp.target"]
    return not_resolved(evidence.source, replace(evidence, unanswered={evidence.source: address}))


GROUP = "group"
"""The kind of every probe to a group, or to all of a subnet, whatever it consists of."""


def _heard(evidence: ProbeEvidence) -> Diagnosis:
    """Return who has heard what was sent to a group or to all, and whether anybody passed it on."""
    asked = evidence.journey.of(Part.REQUEST)
    machines = [
        step
        for step in asked
        if step.came_in and step.node not in {evidence.source, *evidence.lab.switches}
    ]
    reached = list(dict.fromkeys(step.node for step in machines))
    drops = {node: rule for node in reached if (rule := evidence.drops.get((node, Part.REQUEST)))}
    rules = {node: rule for node, rule in drops.items() if not rule.onward}
    hearing = [node for node in reached if node not in rules]
    if not reached:
        ended = _dropped_for_all([step for step in asked if step.came_in], evidence)
        return ended or unknown(evidence.source, Message("it came to no machine"))
    if not hearing:
        node, rule = next(iter(rules.items()))
        return dropped(node, rule.cause, rule.rule)
    text = Message("it came to {who}", who=", ".join(hearing))
    for node, rule in rules.items():
        text = Message("{what}; {node} drops it: {rule}", what=text, node=node, rule=rule.rule)
    for node in drops.keys() - rules.keys():
        why = Message("{node} keeps it from others: {rule}", node=node, rule=drops[node].rule)
        text = Message("{what}; {why}", what=text, why=why)
    for passing in (_passed_on(machines), _waiting(machines[0], hearing, evidence)):
        text = Message("{what}; {why}", what=text, why=passing) if passing else text
    return Diagnosis(Verdict.HEARD, evidence.source, evidence=text)


def _passed_on(machines: Sequence[Step]) -> Message:
    """Return which machines have sent it on as routers do; a bridge's frames keep their TTL."""
    passing = dict.fromkeys(
        step.node
        for step in machines
        if step.went_out and step.before.get("ip.ttl") != step.after.get("ip.ttl")
    )
    if passing:
        return Message("{who} sent it on", who=", ".join(passing))
    return Message("nobody passed it on to another network")


def _waiting(step: Step, hearing: Sequence[str], evidence: ProbeEvidence) -> Message | None:
    """Return on which machines a program waits for it; None if it has no port."""
    port = step.before.get("udp.dst")
    if port is None:
        return None
    waiting = [node for node in hearing if f"udp/{port}" in evidence.lab.listening.get(node, ())]
    if not waiting:
        return Message("no program waits on udp/{port} there", port=port)
    return Message("a program waits on udp/{port} on {who}", port=port, who=", ".join(waiting))


def _dropped_for_all(asked: Iterable[Step], evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis by a rule of a switch, or of a machine that bridges, that let a broadcast reach
    nobody; None if there is none."""
    at_switches = (
        step for step in asked if step.node in evidence.lab.switches or _keeps(step.node, evidence)
    )
    return next(filter(None, (ended_by_rule(step, evidence) for step in at_switches)), None)


def _keeps(node: str, evidence: ProbeEvidence) -> bool:
    """Return whether a machine's rule has ended what was on its way through it."""
    rule = evidence.drops.get((node, Part.REQUEST))
    return rule is not None and rule.onward


TO_EVERYBODY: dict[str, Callable[[ProbeEvidence], Diagnosis]] = {
    "dhcp": _no_offer,
    "arp": _nobody_has_it,
    GROUP: _heard,
}
"""Kinds of probes that are broadcast: where one was seen last says nothing."""
