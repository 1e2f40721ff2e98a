"""The causes for which a packet is dropped: a closed list; and the diagnosis of a probe."""

from __future__ import annotations

from enum import StrEnum

from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.messages import Message


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
    MACVTAP = "macvtap"
    LOST = "lost"
    NOT_FORWARDING = "not-forwarding"
    FIREWALL = "firewall"
    REVERSE_PATH = "reverse-path"
    NO_RETURN_PATH = "no-return-path"
    PORT_CLOSED = "port-closed"
    NO_FORWARD = "no-forward"
    FORWARD_ELSEWHERE = "forward-elsewhere"
    PROTOCOL_NOT_TRANSLATED = "protocol-not-translated"
    NOT_TRANSLATED = "not-translated"
    NAT_MAPPING_EXPIRED = "nat-mapping-expired"
    TTL_EXCEEDED = "ttl-exceeded"
    MTU_EXCEEDED = "mtu-exceeded"
    DHCP_NO_OFFER = "dhcp-no-offer"
    DHCP_POOL_EXHAUSTED = "dhcp-pool-exhausted"
    DNS_SILENT = "dns-silent"
    NXDOMAIN = "nxdomain"
    DUPLICATE_MAC = "duplicate-mac"
    DUPLICATE_IP = "duplicate-ip"
    ARP_OFF = "arp-off"
    BROADCAST_ADDRESS = "broadcast-address"
    MARTIAN = "martian"
    PORT_BLOCKED = "port-blocked"
    TC = "tc"
    XDP = "xdp"
    XFRM_POLICY = "xfrm-policy"
    CONNTRACK_FULL = "conntrack-full"
    NAT_PORTS_EXHAUSTED = "nat-ports-exhausted"
    BAD_CHECKSUM = "bad-checksum"
    ECHO_IGNORED = "echo-ignored"
    PROGRAM_SILENT = "program-silent"
    QUEUE_FULL = "queue-full"
    NODE_GONE = "node-gone"
    REFUSED = "refused"
    UNKNOWN = "unknown"


_LOOK_AT = {
    Cause.NIC_DOWN: "ip link",
    Cause.NO_ADDRESS: "ip address",
    Cause.NO_ROUTE: "ip route",
    Cause.ARP_UNANSWERED: "ip neighbour",
    Cause.MAC_UNKNOWN: "bridge fdb",
    Cause.NOT_FORWARDING: "sysctl net.ipv4.ip_forward",
    Cause.FIREWALL: "nft list ruleset",
    Cause.REVERSE_PATH: "sysctl -a -r '\\.rp_filter'",
    Cause.NO_RETURN_PATH: "ip route",
    Cause.TTL_EXCEEDED: "ip route",
    Cause.MTU_EXCEEDED: "ip link",
    Cause.WRONG_SEGMENT: "ip address",
    Cause.ISOLATED_PORT: "bridge -d link",
    Cause.MAC_NOT_ALLOWED: "nft list ruleset",
    Cause.MACVTAP: "nft list ruleset",
    Cause.LOST: "nft list ruleset",
    Cause.PORT_CLOSED: "ss -ltun",
    Cause.NO_FORWARD: "ss -ltun",
    Cause.FORWARD_ELSEWHERE: "nft list ruleset",
    Cause.PROTOCOL_NOT_TRANSLATED: "nft list ruleset",
    Cause.NOT_TRANSLATED: "nft list ruleset",
    Cause.NAT_MAPPING_EXPIRED: "sysctl -a -r conntrack_.*timeout",
    Cause.DHCP_NO_OFFER: "ss -lun",
    Cause.DHCP_POOL_EXHAUSTED: "ss -lun",
    Cause.DNS_SILENT: "ss -lunp",
    Cause.NXDOMAIN: "cat /etc/resolv.conf",
    Cause.DUPLICATE_MAC: "ip link",
    Cause.DUPLICATE_IP: "ip address",
    Cause.ARP_OFF: "ip link",
    Cause.BROADCAST_ADDRESS: "ip address",
    Cause.MARTIAN: "ip address",
    Cause.PORT_BLOCKED: "bridge -d link",
    Cause.TC: "tc -s qdisc",
    Cause.XDP: "ip link",
    Cause.XFRM_POLICY: "ip xfrm policy",
    Cause.CONNTRACK_FULL: "sysctl -a -r 'conntrack_(count|max)'",
    Cause.NAT_PORTS_EXHAUSTED: "nft list ruleset",
    Cause.BAD_CHECKSUM: "tcpdump -vv",
    Cause.ECHO_IGNORED: "sysctl -a -r echo_ignore_all",
    Cause.PROGRAM_SILENT: "ss -tulnp",
    Cause.QUEUE_FULL: "ss -tuln",
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
    "0": Message("no address of that name"),
    "2": Message("server failure"),
    "3": Message("no such name"),
    "5": Message("query refused"),
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
    """A `Message`, or Linux's own words."""
    look_at: str = ""
    """A command that shows the cause."""
    look_on: str = ""
    """Node: the one for that command, where the entry is that the evidence names."""
    counted: str = ""
    """The kernel's count that is the evidence, if it is one."""
    unexplained: bool = False
    """Its evidence is silence alone: a second look may tell more."""
