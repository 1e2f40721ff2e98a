"""Why a packet died: a closed list, and the rules by which evidence proves one of them. Pure.

What is not proved is `unknown`, and `unknown` is a fault of the measurement,
never a finding.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from netlab.probe.icmp import Kind
from netlab.probe.journey import Journey, Step
from netlab.probe.verdict import Verdict


class Cause(StrEnum):
    """Why a packet died."""

    NIC_DOWN = "nic-down"
    NO_ADDRESS = "no-address"
    NO_ROUTE = "no-route"
    ARP_UNANSWERED = "arp-unanswered"
    NO_TAKER = "no-taker"
    NOT_FORWARDING = "not-forwarding"
    FIREWALL = "firewall"
    REVERSE_PATH = "reverse-path"
    NO_WAY_BACK = "no-way-back"
    TTL = "ttl"
    TOO_BIG = "too-big"
    REFUSED = "refused"
    UNKNOWN = "unknown"


SENTENCES: dict[Cause, dict[str, str]] = {
    Cause.NIC_DOWN: {
        "en": "the adapter is switched off or has no cable",
        "zh": "网卡已停用，或者没有插网线",
    },
    Cause.NO_ADDRESS: {"en": "the adapter has no IP address", "zh": "网卡没有 IP 地址"},
    Cause.NO_ROUTE: {
        "en": "the routing table has no way to that address",
        "zh": "路由表里没有到该地址的路由",
    },
    Cause.ARP_UNANSWERED: {
        "en": "nobody answered the ARP question for the next hop",
        "zh": "没有人应答查询下一跳的 ARP 请求",
    },
    Cause.NO_TAKER: {
        "en": "the frame went to every port, and nobody there has its MAC address",
        "zh": "帧被泛洪到所有端口，但没有机器拥有该 MAC 地址",
    },
    Cause.NOT_FORWARDING: {
        "en": "it took the frame, but the packet is for somebody else and it is no router",
        "zh": "它收下了帧，但包不是给它的，而它不是路由器，不做转发",
    },
    Cause.FIREWALL: {"en": "a firewall rule dropped it", "zh": "被防火墙规则丢弃"},
    Cause.REVERSE_PATH: {
        "en": "an answer to its source would leave by another interface, so it was dropped",
        "zh": "反向路径检查失败：回包会走另一个接口，因此丢弃",
    },
    Cause.NO_WAY_BACK: {
        "en": "it arrived, but the answer died on its way back",
        "zh": "请求到达了，但应答在返回途中丢失",
    },
    Cause.TTL: {"en": "its time to live ran out", "zh": "生存时间（TTL）用完了"},
    Cause.TOO_BIG: {
        "en": "it is too big for the next cable and may not be cut",
        "zh": "包太大，下一段链路传不了，又不允许分片",
    },
    Cause.REFUSED: {"en": "a machine on the way refused it", "zh": "途中的机器明确拒绝了它"},
    Cause.UNKNOWN: {
        "en": "what was seen does not prove any cause",
        "zh": "看到的证据不足以判断原因",
    },
}

_LOOK_AT = {
    Cause.NIC_DOWN: "ip link",
    Cause.NO_ADDRESS: "ip address",
    Cause.NO_ROUTE: "ip route",
    Cause.ARP_UNANSWERED: "ip neighbour",
    Cause.NO_TAKER: "bridge fdb",
    Cause.NOT_FORWARDING: "sysctl net.ipv4.ip_forward",
    Cause.FIREWALL: "nft list ruleset",
    Cause.REVERSE_PATH: "sysctl -a -r '\\.rp_filter'",
    Cause.NO_WAY_BACK: "ip route",
    Cause.TTL: "ip route",
    Cause.TOO_BIG: "ip link",
}

_COUNTED = {
    "Ip.InAddrErrors": Cause.NOT_FORWARDING,
    "TcpExt.IPReversePathFilter": Cause.REVERSE_PATH,
    "Ip.InHdrErrors": Cause.TTL,
    "Ip.FragFails": Cause.TOO_BIG,
    "Ip.OutNoRoutes": Cause.NO_ROUTE,
}
"""What the kernel counts where a packet ends without a rule and without a word."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one probe when it is over."""

    source: str
    target: str
    journey: Journey
    send_error: int | None = None
    carriers: frozenset[str] = frozenset()
    """Interfaces of the source that are up with a cable that is up."""
    addressed: bool = True
    """The source has an address besides that of `lo`."""
    drops: Mapping[str, str] = field(default_factory=dict)
    """Node to the rule that ended the packet there."""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    """Node to the address for which it asked by ARP, and nobody answered."""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Node to the kernel's counts that have grown."""
    lost: int = 0
    """Frames that no tap had room for."""


@dataclass(frozen=True)
class Finding:
    """What became of a probe; for one that died: where, why, and how that is known."""

    verdict: Verdict
    at: str
    """Node: the last one that had the packet."""
    cause: Cause | None = None
    evidence: str = ""
    look_at: str = ""
    """A command for that node."""


def judge(evidence: Evidence) -> Finding:
    """What the evidence proves. First what is certain, then what the last node counted."""
    request = evidence.journey.of(Kind.REQUEST)
    answer = evidence.journey.of(Kind.ANSWER)
    if evidence.lost:
        return _unknown(evidence.source, f"{evidence.lost} frames found no room in a buffer")
    if not request:
        return _never_left(evidence)
    if answer and answer[-1].node == evidence.source and answer[-1].came_in:
        return Finding(Verdict.ANSWERED, evidence.target)
    if answer:
        why = _end_of(answer[-1], evidence)
        text = f"the answer was last seen on {answer[-1].node}: {_in_short(why)}"
        return _dead(answer[-1].node, Cause.NO_WAY_BACK, text)
    errors = evidence.journey.of(Kind.ERROR)
    if errors:
        return _reported(errors[0], request[-1])
    return _end_of(request[-1], evidence)


def _never_left(evidence: Evidence) -> Finding:
    source, error = evidence.source, evidence.send_error
    if not evidence.carriers:
        return _dead(source, Cause.NIC_DOWN, "no interface of it is up with a cable that is up")
    if not evidence.addressed:
        return _dead(source, Cause.NO_ADDRESS, "no interface of it has an IPv4 address")
    if error in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return _dead(source, Cause.NO_ROUTE, f"the kernel: {os.strerror(error)}")
    if source in evidence.drops:
        return _dead(source, Cause.FIREWALL, evidence.drops[source])
    if source in evidence.unanswered:
        return _dead(source, Cause.ARP_UNANSWERED, _asked(evidence.unanswered[source]))
    if error:
        return _unknown(source, f"could not be sent: {os.strerror(error)}")
    return _unknown(source, "was not seen leaving its source")


def _end_of(step: Step, evidence: Evidence) -> Finding:
    """Why a packet, request or answer, came no further than this stay."""
    node = step.node
    if node in evidence.drops:
        return _dead(node, Cause.FIREWALL, evidence.drops[node])
    if node in evidence.unanswered and not step.went_out:
        return _dead(node, Cause.ARP_UNANSWERED, _asked(evidence.unanswered[node]))
    overheard = {frame.sighting.interface for frame in evidence.journey.overheard}
    if step.went_out and overheard:
        text = (
            f"frames for {step.after['eth.dst']} reached {len(evidence.journey.overheard)} others"
        )
        return _dead(node, Cause.NO_TAKER, text)
    grown = evidence.counts.get(node, {})
    suspects = [name for name in _COUNTED if name in grown]
    if len(suspects) == 1 and not step.went_out:
        (name,) = suspects
        return _dead(node, _COUNTED[name], f"{name} of {node} grew by {grown[name]}")
    return _unknown(node, "no rule, no error and no count tells why")


_REPORTS = {
    ("3", "4"): Cause.TOO_BIG,
    ("11", "0"): Cause.TTL,
    ("3", "0"): Cause.NO_ROUTE,
    ("3", "1"): Cause.ARP_UNANSWERED,
}


def _reported(error: Step, last: Step) -> Finding:
    """An ICMP error quotes the probe: its sender says itself what happened."""
    kind = (error.before["icmp.type"], error.before["icmp.code"])
    cause = _REPORTS.get(kind, Cause.REFUSED)
    text = f"{error.before['ip.src']} reports ICMP type {kind[0]}, code {kind[1]}"
    verdict = Verdict.REFUSED if cause is Cause.REFUSED else Verdict.DEAD
    return Finding(verdict, last.node, cause, text, _LOOK_AT.get(cause, ""))


def _dead(at: str, cause: Cause, evidence: str) -> Finding:
    return Finding(Verdict.DEAD, at, cause, evidence, _LOOK_AT[cause])


def _unknown(at: str, evidence: str) -> Finding:
    return Finding(Verdict.UNKNOWN, at, Cause.UNKNOWN, evidence)


def _asked(address: str) -> str:
    return f"it asked who has {address}, and nobody answered"


def _in_short(finding: Finding) -> str:
    return finding.evidence if finding.cause is None else f"{finding.cause}, {finding.evidence}"
