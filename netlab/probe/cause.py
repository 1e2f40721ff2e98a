"""Why a packet died: a closed list, and the rules by which evidence proves one of them. Pure.

What is not proved is `unknown`, and `unknown` is a fault of the measurement,
never a finding.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from netlab.probe.journey import Journey, Step
from netlab.probe.packet import Part
from netlab.probe.verdict import Verdict


class Cause(StrEnum):
    """Why a packet died."""

    NIC_DOWN = "nic-down"
    NO_ADDRESS = "no-address"
    NO_ROUTE = "no-route"
    ARP_UNANSWERED = "arp-unanswered"
    NO_TAKER = "no-taker"
    WRONG_SEGMENT = "wrong-segment"
    ISOLATED_PORT = "isolated-port"
    NOT_ADMITTED = "not-admitted"
    NOT_FORWARDING = "not-forwarding"
    FIREWALL = "firewall"
    REVERSE_PATH = "reverse-path"
    NO_WAY_BACK = "no-way-back"
    PORT_CLOSED = "port-closed"
    NO_FORWARD = "no-forward"
    PROTOCOL_NOT_TRANSLATED = "protocol-not-translated"
    MAPPING_EXPIRED = "mapping-expired"
    TTL = "ttl"
    TOO_BIG = "too-big"
    NO_OFFER = "no-offer"
    POOL_EMPTY = "pool-empty"
    DNS_SILENT = "dns-silent"
    DNS_NO_NAME = "dns-no-name"
    DUPLICATE_MAC = "duplicate-mac"
    DUPLICATE_IP = "duplicate-ip"
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
    Cause.WRONG_SEGMENT: {
        "en": "the machine with that address is on another network, so it does not hear the question",
        "zh": "拥有该地址的机器在另一个网段，听不到这个 ARP 请求",
    },
    Cause.ISOLATED_PORT: {
        "en": "the switch keeps these two ports apart",
        "zh": "交换机的端口隔离不让这两个端口互通",
    },
    Cause.NOT_ADMITTED: {
        "en": "the network does not admit this MAC address",
        "zh": "网络不允许这个 MAC 地址接入",
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
    Cause.PORT_CLOSED: {
        "en": "it arrived, but no program listens on that port",
        "zh": "请求到达了，但该端口没有程序在监听",
    },
    Cause.NO_FORWARD: {
        "en": "the host has no program on that port, and NAT forwards it to no VM",
        "zh": "宿主机的该端口没有程序监听，NAT 也没有把它转发给虚拟机",
    },
    Cause.PROTOCOL_NOT_TRANSLATED: {
        "en": "the NAT device translates TCP, UDP and ICMP only",
        "zh": "NAT 设备只转换 TCP、UDP 和 ICMP",
    },
    Cause.MAPPING_EXPIRED: {
        "en": "the answer came too late: NAT had forgotten whom it was for",
        "zh": "应答来得太晚：NAT 的映射已过期，不知道该交给谁",
    },
    Cause.TTL: {"en": "its time to live ran out", "zh": "生存时间（TTL）用完了"},
    Cause.TOO_BIG: {
        "en": "it is too big for the next cable and may not be cut",
        "zh": "包太大，下一段链路传不了，又不允许分片",
    },
    Cause.NO_OFFER: {
        "en": "nobody on this network offers an address by DHCP",
        "zh": "这个网络上没有 DHCP 服务器应答",
    },
    Cause.POOL_EMPTY: {
        "en": "the DHCP server has no address left",
        "zh": "DHCP 服务器的地址池已用完",
    },
    Cause.DNS_SILENT: {
        "en": "the DNS server got the question and did not answer",
        "zh": "DNS 服务器收到了查询，但没有应答",
    },
    Cause.DNS_NO_NAME: {
        "en": "the DNS server says that there is no such name",
        "zh": "DNS 服务器说没有这个域名",
    },
    Cause.DUPLICATE_MAC: {
        "en": "two machines have the same MAC address, and the switch gave it to the other one",
        "zh": "两台机器的 MAC 地址相同，交换机把帧交给了另一台",
    },
    Cause.DUPLICATE_IP: {
        "en": "two machines have the same IP address, and the other one got it",
        "zh": "两台机器的 IP 地址相同，包到了另一台",
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
    Cause.WRONG_SEGMENT: "ip address",
    Cause.ISOLATED_PORT: "bridge -d link",
    Cause.NOT_ADMITTED: "nft list ruleset",
    Cause.PORT_CLOSED: "ss -ltun",
    Cause.NO_FORWARD: "ss -ltun",
    Cause.PROTOCOL_NOT_TRANSLATED: "nft list ruleset",
    Cause.MAPPING_EXPIRED: "sysctl -a -r conntrack_.*timeout",
    Cause.NO_OFFER: "ss -lun",
    Cause.POOL_EMPTY: "ss -lun",
    Cause.DNS_SILENT: "ss -lunp",
    Cause.DNS_NO_NAME: "cat /etc/resolv.conf",
    Cause.DUPLICATE_MAC: "bridge fdb",
    Cause.DUPLICATE_IP: "ip address",
}

DNS_WORDS = {
    "0": "no address of that name",
    "2": "server failure",
    "3": "no such name",
    "5": "refused",
}
"""What the code of a DNS answer without an address means (RFC 1035, 4.1.1)."""
_DNS_CODES = {"0": Cause.DNS_NO_NAME, "3": Cause.DNS_NO_NAME}

_COUNTED = {
    "Ip.InAddrErrors": Cause.NOT_FORWARDING,
    "TcpExt.IPReversePathFilter": Cause.REVERSE_PATH,
    "Ip.InHdrErrors": Cause.TTL,
    "Ip.FragFails": Cause.TOO_BIG,
}
"""What the kernel counts where a packet ends without a rule and without a word."""


@dataclass(frozen=True)
class Scene:
    """What is the same for all probes that were under way at the same time."""

    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Node to the kernel's counts that have grown."""
    owners: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """IP or MAC address to the nodes that have it."""
    switches: frozenset[str] = frozenset()
    nat_devices: frozenset[str] = frozenset()
    doors: frozenset[tuple[str, str]] = frozenset()
    """(host, card) where a NAT device's port forwards are reached from outside."""
    isolated: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """(switch, port) of ports that reach no other such port, and the machines behind them."""
    listening: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Node to what programs listen on: `udp/53`."""
    unread: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Node to sockets with packets that no program has taken yet: `udp/53`."""
    no_address_left: Mapping[str, str] = field(default_factory=dict)
    """Node to what its DHCP server said of it."""
    lost: int = 0
    """Frames that no tap had room for."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one probe when it is over."""

    source: str
    target: str
    journey: Journey
    scene: Scene = field(default_factory=Scene)
    kind: str = "icmp"
    """The probe's kind: `icmp`, `tcp`, `dns`, …"""
    answered: bool = False
    """The program that asked has got what it asked for."""
    send_error: int | None = None
    address: str = ""
    """Where the probe was sent; empty: to nobody's in particular."""
    carriers: frozenset[str] = frozenset()
    """Interfaces of the source that are up with a cable that is up."""
    addressed: bool = True
    """The source has an address besides that of `lo`."""
    drops: Mapping[str, str] = field(default_factory=dict)
    """Node to the rule that ended the packet there."""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    """Node to the address for which it asked by ARP, and nobody answered."""
    no_route_back: str = ""
    """The address to which the target would have to answer, if its routing table does not lead there."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Address that was asked for in vain, to the machine that has it on another network."""
    forgotten: frozenset[str] = frozenset()
    """Nodes that translated the request and have no entry for it any more."""


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
    counted: str = ""
    """The kernel's count that is the evidence, if it is one."""


def judge(evidence: Evidence) -> Finding:
    """What the evidence proves. First what is certain, then what the last node counted."""
    journey = evidence.journey
    if evidence.scene.lost:
        return _unknown(evidence.source, f"{evidence.scene.lost} frames found no room in a buffer")
    if not journey.of(Part.REQUEST):
        return _never_left(evidence)
    if evidence.answered:
        return _answered(evidence)
    if not journey.of(Part.ANSWER) and evidence.kind in _TO_EVERYBODY:
        return _TO_EVERYBODY[evidence.kind](evidence)
    last = [steps for packet, steps in journey.packets.items() if packet.part is not Part.ARP][-1]
    match last[0].part:
        case Part.ERROR if last[0].packet.about is Part.ANSWER:
            return _answer_lost(journey.of(Part.ANSWER)[-1], evidence)
        case Part.ERROR:
            return _reported(last[0], journey.of(Part.REQUEST)[-1], evidence)
        case Part.ANSWER:
            return _answer_lost(last[-1], evidence)
        case _:
            return _end_of(last[-1], evidence)


def _answered(evidence: Evidence) -> Finding:
    home = [step for step in evidence.journey.of(Part.ANSWER) if _is_home(step, evidence)]
    if not home:
        return _unknown(evidence.source, "a program got an answer, and no tap saw it arrive")
    passed = [step.node for step in evidence.journey.of(Part.REQUEST)]
    twins = _twins(evidence, home[-1].before)
    if evidence.target in twins and evidence.target not in passed:
        answerer = next(node for node in reversed(passed) if node in twins)
        return _duplicate(answerer, home[-1].before["ip.src"], twins)
    return Finding(Verdict.ANSWERED, evidence.target)


def _never_left(evidence: Evidence) -> Finding:
    source, error = evidence.source, evidence.send_error
    if not evidence.carriers:
        return _dead(source, Cause.NIC_DOWN, "no interface of it is up with a cable that is up")
    if not evidence.addressed:
        return _dead(source, Cause.NO_ADDRESS, "no interface of it has an IP address")
    if error in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return _dead(source, Cause.NO_ROUTE, f"the kernel: {os.strerror(error)}")
    if source in evidence.drops:
        return _dead(source, Cause.FIREWALL, evidence.drops[source])
    if source in evidence.unanswered:
        return _not_resolved(source, evidence)
    owners = evidence.scene.owners.get(evidence.address, frozenset())
    if {source, evidence.target} <= owners:
        return _duplicate(source, evidence.address, owners)
    if error:
        return _unknown(source, f"could not be sent: {os.strerror(error)}")
    return _unknown(source, "was not seen leaving its source")


def _answer_lost(step: Step, evidence: Evidence) -> Finding:
    """The answer came no further than this stay, or was not what was asked for."""
    said_no = step.after.get("dns.answer") == "none" and step.node not in evidence.drops
    if said_no and _is_home(step, evidence):
        server, code = evidence.journey.of(Part.ANSWER)[0].node, step.after["dns.code"]
        cause = _DNS_CODES.get(code, Cause.REFUSED)
        text = f"{server} answers: {DNS_WORDS.get(code, f'error {code}')}"
        return Finding(Verdict.REFUSED, server, cause, text, _LOOK_AT.get(cause, ""))
    if step.node in evidence.forgotten:
        text = f"{step.node} had translated the request, and has no entry for it now"
        return _dead(step.node, Cause.MAPPING_EXPIRED, text)
    why = _end_of(step, evidence)
    if why.cause in (Cause.DUPLICATE_MAC, Cause.DUPLICATE_IP):
        return why
    if why.cause is Cause.UNKNOWN and _is_home(step, evidence):
        return _unknown(step.node, "an answer came in, and no program got it")
    text = f"the answer was last seen on {step.node}: {_in_short(why)}"
    return _dead(step.node, Cause.NO_WAY_BACK, text)


def _end_of(step: Step, evidence: Evidence) -> Finding:
    """Why a packet, request or answer, came no further than this stay."""
    node = step.node
    if node in evidence.drops:
        return _dropped(step, evidence)
    if node in evidence.unanswered and not step.went_out:
        why = _not_resolved(node, evidence)
        return _never_answered(node, _in_short(why)) if _arrived(step, evidence) else why
    if evidence.no_route_back and _arrived(step, evidence):
        return _never_answered(node, f"it has no route to {evidence.no_route_back}")
    overheard = [f for f in evidence.journey.overheard if f.packet == step.packet]
    if step.went_out and overheard:
        text = f"frames for {step.after['eth.dst']} reached {len(overheard)} others"
        return _dead(node, Cause.NO_TAKER, text)
    twins = evidence.scene.owners.get(step.after.get("eth.dst", ""), frozenset())
    meant = evidence.target if step.part is Part.REQUEST else evidence.source
    if node not in evidence.scene.switches | {meant} and node in twins and len(twins) > 1:
        others = ", ".join(sorted(twins - {node}))
        text = f"{step.after['eth.dst']} is the MAC address of {node} and of {others}"
        return _dead(node, Cause.DUPLICATE_MAC, text)
    twins = _twins(evidence, {"ip.src": step.after.get("ip.dst", "")})
    if node in twins and evidence.target in twins - {node}:
        return _duplicate(node, step.after["ip.dst"], twins)
    if step.came_in and not step.went_out:
        owners = evidence.scene.owners.get(step.after.get("eth.dst", ""), frozenset())
        if apart := _apart(node, step.came_in.interface, owners, evidence):
            return apart
    grown = evidence.scene.counts.get(node, {})
    suspects = [name for name in _COUNTED if name in grown and _may_count(name, step, evidence)]
    if len(suspects) == 1 and not step.went_out:
        (name,) = suspects
        found = _dead(node, _COUNTED[name], f"{name} of {node} grew by {grown[name]}")
        return replace(found, counted=name)
    taken = evidence.scene.counts.get(node, {}).get("Udp.InDatagrams")
    delivered = taken or "udp/53" in evidence.scene.unread.get(node, ())
    if evidence.kind == "dns" and delivered and "udp/53" in evidence.scene.listening.get(node, ()):
        return _dead(node, Cause.DNS_SILENT, f"{node} listens on udp/53, and nothing came back")
    return _unknown(node, "no rule, no error and no count tells why")


def _arrived(step: Step, evidence: Evidence) -> bool:
    """The request is where it was meant to go."""
    return step.part is Part.REQUEST and step.node == evidence.target and not step.went_out


def _never_answered(node: str, why: str) -> Finding:
    return _dead(node, Cause.NO_WAY_BACK, f"the answer could not leave {node}: {why}")


def _may_count(name: str, step: Step, evidence: Evidence) -> bool:
    """Whether this packet can be the one that was counted: the count may be another's."""
    match name:
        case "Ip.InAddrErrors":
            return step.node not in evidence.scene.owners.get(
                step.after.get("ip.dst", ""), frozenset()
            )
        case "Ip.InHdrErrors":
            return step.after.get("ip.ttl") in ("0", "1")
        case "Ip.FragFails":
            return step.after.get("ip.df") == "1"
        case _:
            return True


def _dropped(step: Step, evidence: Evidence) -> Finding:
    """A rule ended it: whose, and what for?"""
    node, rule = step.node, evidence.drops[step.node]
    if node in evidence.scene.switches:
        return _dead(node, Cause.NOT_ADMITTED, f"{step.before['eth.src']}: {rule}")
    protocol = step.after.get("ip.protocol")
    if node in evidence.scene.nat_devices and protocol not in _TRANSLATED:
        return _dead(node, Cause.PROTOCOL_NOT_TRANSLATED, f"IP protocol {protocol}: {rule}")
    return _dead(node, Cause.FIREWALL, rule)


_TRANSLATED = ("1", "6", "17")
"""ICMP, TCP, UDP."""


def _no_offer(evidence: Evidence) -> Finding:
    """A DHCP question that nobody answered."""
    asked = [step for step in evidence.journey.of(Part.REQUEST) if step.came_in]
    for step in asked:
        if (
            step.node in evidence.scene.switches
            and step.node in evidence.drops
            and not step.went_out
        ):
            return _dropped(step, evidence)
    servers = [s.node for s in asked if "udp/67" in evidence.scene.listening.get(s.node, ())]
    for server in servers:
        if server in evidence.scene.no_address_left:
            return _dead(server, Cause.POOL_EMPTY, evidence.scene.no_address_left[server])
        if server in evidence.drops:
            return _dead(server, Cause.FIREWALL, evidence.drops[server])
    text = "nobody whom it reached listens on udp/67"
    if servers:
        return _dead(servers[0], Cause.NO_OFFER, f"{servers[0]} got it and offered nothing")
    return _dead(asked[0].node if asked else evidence.source, Cause.NO_OFFER, text)


def _nobody_has_it(evidence: Evidence) -> Finding:
    """An ARP question of the prober's own that nobody answered."""
    address = evidence.journey.of(Part.REQUEST)[0].before["arp.target"]
    return _not_resolved(evidence.source, replace(evidence, unanswered={evidence.source: address}))


_TO_EVERYBODY: dict[str, Callable[[Evidence], Finding]] = {
    "dhcp": _no_offer,
    "arp": _nobody_has_it,
}
"""Kinds whose question goes to every machine of a network: where it was seen last says nothing."""

_REPORTS = {
    ("3", "4"): Cause.TOO_BIG,
    ("11", "0"): Cause.TTL,
    ("3", "0"): Cause.NO_ROUTE,
    ("3", "1"): Cause.ARP_UNANSWERED,
    ("3", "3"): Cause.PORT_CLOSED,
}
_REPORTS_V6 = {
    ("2", "0"): Cause.TOO_BIG,
    ("3", "0"): Cause.TTL,
    ("1", "0"): Cause.NO_ROUTE,
    ("1", "3"): Cause.ARP_UNANSWERED,
    ("1", "4"): Cause.PORT_CLOSED,
}
_SAYS_NO = (Cause.REFUSED, Cause.PORT_CLOSED, Cause.NO_FORWARD)
"""A machine refuses, rather than fails."""


def _reported(error: Step, last: Step, evidence: Evidence) -> Finding:
    """An error quotes the probe: its sender says itself what happened."""
    who = error.before["ip.src"]
    if "tcp.flags" in error.before:
        cause, text = Cause.PORT_CLOSED, f"{who} resets the connection"
    else:
        kind = (error.before["icmp.type"], error.before["icmp.code"])
        cause = (_REPORTS_V6 if ":" in who else _REPORTS).get(kind, Cause.REFUSED)
        text = f"{who} reports ICMP type {kind[0]}, code {kind[1]}"
    if error.node in evidence.drops:  # `reject` says whatever the rule wants it to say.
        text = f"{text}; {evidence.drops[error.node]}"
        return Finding(Verdict.REFUSED, error.node, Cause.FIREWALL, text, _LOOK_AT[Cause.FIREWALL])
    if cause is Cause.ARP_UNANSWERED and evidence.unanswered.get(last.node) in evidence.elsewhere:
        return _not_resolved(last.node, evidence)
    if cause is Cause.ARP_UNANSWERED and ":" not in who and last.node not in evidence.unanswered:
        cause = Cause.NO_ROUTE  # A route that says `unreachable` gives the same answer.
    if cause is Cause.PORT_CLOSED and last.came_in:
        at_door = (last.node, last.came_in.interface) in evidence.scene.doors
        cause = Cause.NO_FORWARD if at_door else cause
    verdict = Verdict.REFUSED if cause in _SAYS_NO else Verdict.DEAD
    return Finding(verdict, last.node, cause, text, _LOOK_AT.get(cause, ""))


def _apart(switch: str, port: str, owners: frozenset[str], evidence: Evidence) -> Finding | None:
    """Whether a switch keeps a port apart from that of those to whom a frame is addressed."""
    if (switch, port) in evidence.scene.isolated:
        for (other, its), behind in evidence.scene.isolated.items():
            if other == switch and its != port and behind & owners:
                text = f"the ports {port} and {its} of {switch} are isolated"
                return _dead(switch, Cause.ISOLATED_PORT, text)
    return None


def _not_resolved(node: str, evidence: Evidence) -> Finding:
    """A question for a MAC address stays without answer."""
    address = evidence.unanswered[node]
    text = f"it asked who has {address}, and nobody answered"
    owners = evidence.scene.owners.get(address, frozenset())
    asking = [step for step in evidence.journey.steps if step.before.get("arp.target") == address]
    for step in asking:
        if step.node in evidence.scene.switches and step.came_in:
            if step.node in evidence.drops and not step.went_out:
                return _dropped(step, evidence)
            if apart := _apart(step.node, step.came_in.interface, owners, evidence):
                return apart
    if address in evidence.elsewhere:
        owner = evidence.elsewhere[address]
        return _dead(node, Cause.WRONG_SEGMENT, f"{text}; {owner} has it, on another network")
    return _dead(node, Cause.ARP_UNANSWERED, text)


def _twins(evidence: Evidence, fields: Mapping[str, str]) -> frozenset[str]:
    """The machines that have this source address, if they are more than one."""
    owners = evidence.scene.owners.get(fields.get("ip.src", ""), frozenset())
    return owners if len(owners) > 1 else frozenset()


def _duplicate(at: str, address: str, twins: frozenset[str]) -> Finding:
    text = f"{' and '.join(sorted(twins))} both have {address}; {at} got it"
    return _dead(at, Cause.DUPLICATE_IP, text)


def _is_home(step: Step, evidence: Evidence) -> bool:
    return step.node == evidence.source and step.came_in is not None


def _dead(at: str, cause: Cause, evidence: str) -> Finding:
    return Finding(Verdict.DEAD, at, cause, evidence, _LOOK_AT[cause])


def _unknown(at: str, evidence: str) -> Finding:
    return Finding(Verdict.UNKNOWN, at, Cause.UNKNOWN, evidence)


def _in_short(finding: Finding) -> str:
    return finding.evidence if finding.cause is None else f"{finding.cause}, {finding.evidence}"
