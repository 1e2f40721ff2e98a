"""The kernel's counters of packets that end without a rule and without a word, each with its cause. Pure."""

from __future__ import annotations

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.evidence import LabEvidence, ProbeEvidence
from netlab.diagnosis.journey import Step
from netlab.packets import protocols

COUNTED = {
    "Ip.InAddrErrors": Cause.NOT_FORWARDING,
    "TcpExt.IPReversePathFilter": Cause.REVERSE_PATH,
    "Ip.InHdrErrors": Cause.TTL_EXCEEDED,
    "Ip.FragFails": Cause.MTU_EXCEEDED,
    "Ip6.InAddrErrors": Cause.NOT_FORWARDING,
    "Ip6.InHdrErrors": Cause.TTL_EXCEEDED,
    "Ip6.InTooBigErrors": Cause.MTU_EXCEEDED,
    "Icmp.InCsumErrors": Cause.BAD_CHECKSUM,
    "Icmp6.InCsumErrors": Cause.BAD_CHECKSUM,
    "Tcp.InCsumErrors": Cause.BAD_CHECKSUM,
    "Udp.InCsumErrors": Cause.BAD_CHECKSUM,
    "Udp6.InCsumErrors": Cause.BAD_CHECKSUM,
    "Udp.RcvbufErrors": Cause.QUEUE_FULL,
    "Udp6.RcvbufErrors": Cause.QUEUE_FULL,
    "TcpExt.ListenOverflows": Cause.QUEUE_FULL,
}
"""Counters of the kernel that grow where a packet ends without a rule and without a word, and its cause."""
_OF_RECEIVERS = {
    "Icmp.InCsumErrors": (protocols.ICMP, (4,)),
    "Icmp6.InCsumErrors": (protocols.ICMPV6, (6,)),
    "Tcp.InCsumErrors": (protocols.TCP, (4, 6)),
    "Udp.InCsumErrors": (protocols.UDP, (4,)),
    "Udp6.InCsumErrors": (protocols.UDP, (6,)),
    "Udp.RcvbufErrors": (protocols.UDP, (4,)),
    "Udp6.RcvbufErrors": (protocols.UDP, (6,)),
    "TcpExt.ListenOverflows": (protocols.TCP, (4, 6)),
}
"""Counters of the machine that a packet is for, with the number of its protocol and the versions of IP."""
_OF_QUEUES = {
    "Udp.RcvbufErrors": "udp",
    "Udp6.RcvbufErrors": "udp",
    "TcpExt.ListenOverflows": "tcp",
}
"""Counters of sockets that had no room, with their kind."""


def _may_be_full(name: str, step: Step, lab: LabEvidence) -> bool:
    """Return whether packets wait at the port that the packet was for, if the counter is of queues."""
    if name not in _OF_QUEUES:
        return True
    kind = _OF_QUEUES[name]
    return f"{kind}/{step.after.get(f'{kind}.dst')}" in lab.unread.get(step.node, frozenset())


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
    is_for_others = step.node not in lab.owners.get(target, frozenset())
    if name in _OF_RECEIVERS:
        protocol, versions = _OF_RECEIVERS[name]
        is_such = step.after.get("ip.protocol") == str(protocol) and version in versions
        return is_such and not is_for_others and _may_be_full(name, step, lab)
    if (version == 6) is not name.startswith("Ip6."):
        return False
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
