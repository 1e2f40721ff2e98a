"""The kernel's counters of packets that end without a rule and without a word, each with its cause. Pure."""

from __future__ import annotations

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.evidence import ProbeEvidence
from netlab.diagnosis.journey import Step

COUNTED = {
    "Ip.InAddrErrors": Cause.NOT_FORWARDING,
    "TcpExt.IPReversePathFilter": Cause.REVERSE_PATH,
    "Ip.InHdrErrors": Cause.TTL_EXCEEDED,
    "Ip.FragFails": Cause.MTU_EXCEEDED,
    "Ip6.InAddrErrors": Cause.NOT_FORWARDING,
    "Ip6.InHdrErrors": Cause.TTL_EXCEEDED,
    "Ip6.InTooBigErrors": Cause.MTU_EXCEEDED,
}
"""Counters of the kernel that grow where a packet ends without a rule and without a word, and its cause."""


def is_no_router(step: Step, evidence: ProbeEvidence) -> bool:
    """Return whether the machine has counted the packet as somebody else's: then it asked no route for it.

    The kernel's answer to "what of this packet" is the same for both: no route to host.
    """
    counted = evidence.lab.counts.get(step.node, {})
    names = ("Ip.InAddrErrors", "Ip6.InAddrErrors")
    return any(name in counted and may_count(name, step, evidence) for name in names)


def may_count(name: str, step: Step, evidence: ProbeEvidence) -> bool:
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
