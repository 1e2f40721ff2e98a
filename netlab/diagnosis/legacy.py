"""Rules of iptables-legacy that may have refused a packet: nftables' trace does not show them. Pure.

A first look knows that a machine has such tables, a second one which of their rules reject, and which of
these have counted a packet meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.evidence import ProbeEvidence, version_of
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.messages import Message


def may_reject(node: str, evidence: ProbeEvidence) -> str:
    """Return the tool by whose rules a machine may have refused the packet, as far as that is known; empty
    if none of them can have done it."""
    look, tool = evidence.second_look, evidence.reporters[node].legacy_tool
    if look is None or node not in look.obstacles:
        return tool
    is_hidden = any(rule.count is None for rule in _rules(look.obstacles[node], evidence))
    return tool if is_hidden else ""


def rejected_by_legacy_rule(node: str, report: str, evidence: ProbeEvidence) -> Diagnosis | None:
    """Return the diagnosis by a rule that rejects and has counted a packet meanwhile; None if there is
    none. `report`: the machine's error in words."""
    look = evidence.second_look
    grown = look.grown.get(node, ()) if look else ()
    for rule in _rules(grown, evidence):
        if rule.rejects:
            counted = Message("{obstacle}: its count grew", obstacle=rule.text)
            text = Message("{report}; {rule}", report=report, rule=counted)
            return Diagnosis(Verdict.REFUSED, node, Cause.FIREWALL, text)
    return None


def _rules(obstacles: Iterable[Obstacle], evidence: ProbeEvidence) -> list[Obstacle]:
    """Return those that are rules of iptables-legacy about the probe's version of IP."""
    return [
        obstacle
        for obstacle in obstacles
        if obstacle.kind is ObstacleKind.IPTABLES and obstacle.version == version_of(evidence)
    ]
