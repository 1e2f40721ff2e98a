"""The causes for which a packet is dropped: a closed list; and the diagnosis of a probe."""

from __future__ import annotations

from enum import StrEnum

from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen


class Cause(StrEnum):
    """The cause of a packet's drop."""

    NIC_DOWN = "nic-down"
    NO_ADDRESS = "no-address"
    NO_ROUTE = "no-route"
    ARP_UNANSWERED = "arp-unanswered"
    MAC_UNKNOWN = "mac-unknown"
    WRONG_SEGMENT = "wrong-segment"
    ISOLATED_PORT = "isolated-port"
    MAC_NOT_ALLOWED = "mac-not-allowed"
    LOST = "lost"
    NOT_FORWARDING = "not-forwarding"
    FIREWALL = "firewall"
    REVERSE_PATH_FILTER = "reverse-path-filter"
    NO_RETURN_PATH = "no-return-path"
    PORT_CLOSED = "port-closed"
    NO_PORT_FORWARD = "no-port-forward"
    PROTOCOL_NOT_TRANSLATED = "protocol-not-translated"
    NAT_MAPPING_EXPIRED = "nat-mapping-expired"
    TTL_EXCEEDED = "ttl-exceeded"
    MTU_EXCEEDED = "mtu-exceeded"
    DHCP_NO_OFFER = "dhcp-no-offer"
    DHCP_POOL_EXHAUSTED = "dhcp-pool-exhausted"
    DNS_TIMEOUT = "dns-timeout"
    NXDOMAIN = "nxdomain"
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
        "en": "nobody answered the question for the next hop's MAC address",
        "zh": "没有人应答查询下一跳 MAC 地址的请求",
    },
    Cause.MAC_UNKNOWN: {
        "en": "nobody to whom the frame was given has its MAC address",
        "zh": "收到帧的机器都没有该 MAC 地址",
    },
    Cause.WRONG_SEGMENT: {
        "en": "the machine with that address is on another network, so it does not hear the question",
        "zh": "拥有该地址的机器在另一个网段，听不到这个请求",
    },
    Cause.ISOLATED_PORT: {
        "en": "the switch keeps these two ports apart",
        "zh": "交换机的端口隔离不让这两个端口互通",
    },
    Cause.MAC_NOT_ALLOWED: {
        "en": "the network does not admit this MAC address",
        "zh": "网络不允许这个 MAC 地址接入",
    },
    Cause.LOST: {
        "en": "it got lost on a cable that is set to lose some",
        "zh": "网线设置了丢包率，它在途中丢失",
    },
    Cause.NOT_FORWARDING: {
        "en": "it took the frame, but the packet is for somebody else and it is no router",
        "zh": "它收下了帧，但包不是给它的，而它不是路由器，不做转发",
    },
    Cause.FIREWALL: {"en": "a firewall rule dropped it", "zh": "被防火墙规则丢弃"},
    Cause.REVERSE_PATH_FILTER: {
        "en": "a reply to its source would leave by another interface, so it was dropped",
        "zh": "反向路径检查失败：回包会走另一个接口，因此丢弃",
    },
    Cause.NO_RETURN_PATH: {
        "en": "it arrived, but the reply was dropped on its way back",
        "zh": "请求到达了，但应答在返回途中丢失",
    },
    Cause.PORT_CLOSED: {
        "en": "it arrived, but no program listens on that port",
        "zh": "请求到达了，但该端口没有程序在监听",
    },
    Cause.NO_PORT_FORWARD: {
        "en": "the host has no program on that port, and NAT forwards it to no VM",
        "zh": "宿主机的该端口没有程序监听，NAT 也没有把它转发给虚拟机",
    },
    Cause.PROTOCOL_NOT_TRANSLATED: {
        "en": "the NAT device translates TCP, UDP and ICMP only",
        "zh": "NAT 设备只转换 TCP、UDP 和 ICMP",
    },
    Cause.NAT_MAPPING_EXPIRED: {
        "en": "the reply came too late: NAT had forgotten whom it was for",
        "zh": "应答来得太晚：NAT 的映射已过期，不知道该交给谁",
    },
    Cause.TTL_EXCEEDED: {"en": "its time to live ran out", "zh": "生存时间（TTL）用完了"},
    Cause.MTU_EXCEEDED: {
        "en": "it is too big for the next cable and may not be cut",
        "zh": "包太大，下一段链路传不了，又不允许分片",
    },
    Cause.DHCP_NO_OFFER: {
        "en": "nobody on this network offers an address by DHCP",
        "zh": "这个网络上没有 DHCP 服务器应答",
    },
    Cause.DHCP_POOL_EXHAUSTED: {
        "en": "the DHCP server has no address left",
        "zh": "DHCP 服务器的地址池已用完",
    },
    Cause.DNS_TIMEOUT: {
        "en": "the DNS server got the question and did not answer",
        "zh": "DNS 服务器收到了查询，但没有应答",
    },
    Cause.NXDOMAIN: {
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
    Cause.MAC_UNKNOWN: "bridge fdb",
    Cause.NOT_FORWARDING: "sysctl net.ipv4.ip_forward",
    Cause.FIREWALL: "nft list ruleset",
    Cause.REVERSE_PATH_FILTER: "sysctl -a -r '\\.rp_filter'",
    Cause.NO_RETURN_PATH: "ip route",
    Cause.TTL_EXCEEDED: "ip route",
    Cause.MTU_EXCEEDED: "ip link",
    Cause.WRONG_SEGMENT: "ip address",
    Cause.ISOLATED_PORT: "bridge -d link",
    Cause.MAC_NOT_ALLOWED: "nft list ruleset",
    Cause.LOST: "nft list ruleset",
    Cause.PORT_CLOSED: "ss -ltun",
    Cause.NO_PORT_FORWARD: "ss -ltun",
    Cause.PROTOCOL_NOT_TRANSLATED: "nft list ruleset",
    Cause.NAT_MAPPING_EXPIRED: "sysctl -a -r conntrack_.*timeout",
    Cause.DHCP_NO_OFFER: "ss -lun",
    Cause.DHCP_POOL_EXHAUSTED: "ss -lun",
    Cause.DNS_TIMEOUT: "ss -lunp",
    Cause.NXDOMAIN: "cat /etc/resolv.conf",
    Cause.DUPLICATE_MAC: "ip link",
    Cause.DUPLICATE_IP: "ip address",
}
_OF_IPV6 = {
    "ip route": "ip -6 route",
    "sysctl net.ipv4.ip_forward": "sysctl net.ipv6.conf.all.forwarding",
}


_ON_A_SWITCH = {"ip route": "bridge fdb"}
_ON_A_MACHINE = {"bridge fdb": "ip neighbour"}
"""Commands that show the same there: a switch has no routes, and a machine knows no ports."""


def look_at(cause: Cause | None, version: int, on_a_switch: bool) -> str:
    """Return a command that shows a cause, for the node where a packet of an IP version was dropped; empty
    if there is none."""
    command = _LOOK_AT.get(cause, "") if cause else ""
    command = (_ON_A_SWITCH if on_a_switch else _ON_A_MACHINE).get(command, command)
    return _OF_IPV6.get(command, command) if version == 6 else command


DNS_WORDS = {
    "0": "no address of that name",
    "2": "server failure",
    "3": "no such name",
    "5": "refused",
}
"""Meanings of the code of a DNS response without an address (RFC 1035, 4.1.1)."""
DNS_CODES = {"0": Cause.NXDOMAIN, "3": Cause.NXDOMAIN}
"""The causes for such codes."""


@frozen
class Diagnosis:
    """The end of a probe; of one that was dropped: where, why, and how that is known."""

    verdict: Verdict
    at: str
    """Node: the last one that had the packet."""
    cause: Cause | None = None
    evidence: str = ""
    """English; `messages.told` says it in other languages."""
    look_at: str = ""
    """A command for that node."""
    counted: str = ""
    """The kernel's count that is the evidence, if it is one."""


def sentences(diagnosis: Diagnosis) -> dict[str, str]:
    """Return the cause as a sentence, by language; empty for a probe that was answered."""
    if diagnosis.cause is None:
        return {}
    rejected = (diagnosis.cause, diagnosis.verdict) == (Cause.FIREWALL, Verdict.REFUSED)
    return _REJECTED if rejected else SENTENCES[diagnosis.cause]


_REJECTED = {"en": "a firewall rule rejected it", "zh": "被防火墙规则拒绝"}
