"""Connection tracking's entries for a namespace's traffic, translations included."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from contextlib import closing
from ipaddress import ip_address
from typing import Any

from pyroute2.netlink import NETLINK_NETFILTER
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_CTNETLINK, nfgen_msg

from netlab.kernel import files
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.channel import Netlink, Refused
from netlab.kernel.netlink.codec import Reader, encode
from netlab.kernel.netlink.missing import (
    IPCTNL_MSG_CT_DELETE,
    IPCTNL_MSG_CT_GET,
    IPCTNL_MSG_CT_GET_STATS_CPU,
    IPCTNL_MSG_CT_NEW,
    IPS_ASSURED,
    IPS_SEEN_REPLY,
    TCP_STATES,
    connection_counts_msg,
    connection_msg,
)
from netlab.kernel.rows import Connection, Flow, IPAddress

NEW = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW
GONE = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
"""Types of notifications: a new or changed connection, and one that has ended."""
_GET = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET
_GET_COUNTS = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS_CPU
_COUNTERS = Reader(
    connection_counts_msg, attributes=[name for _, name, _ in connection_counts_msg.nla_map]
)
_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"
_PROTOCOLS = {
    number: name.removeprefix("IPPROTO_").lower()
    for name, number in vars(socket).items()
    if name in ("IPPROTO_ICMP", "IPPROTO_ICMPV6", "IPPROTO_TCP", "IPPROTO_UDP", "IPPROTO_GRE")
}

_MESSAGE = Reader(connection_msg, attributes=[name for _, name, _ in connection_msg.nla_map])
_TUPLE = Reader(connection_msg.cta_tuple, attributes=("CTA_TUPLE_IP", "CTA_TUPLE_PROTO"))
_ADDRESSES = Reader(connection_msg.cta_tuple.cta_ip, attributes=None)
_PROTOCOL = Reader(connection_msg.cta_tuple.cta_proto, attributes=None)
_PROTOCOL_INFO = Reader(connection_msg.cta_protoinfo, attributes=("CTA_PROTOINFO_TCP",))
_TCP = Reader(
    connection_msg.cta_protoinfo.cta_protoinfo_tcp, attributes=("CTA_PROTOINFO_TCP_STATE",)
)


def read(namespace: str) -> list[Connection]:
    """Read every connection of a namespace; none where no rule needs tracking. Raises KernelError, Refused.

    All namespaces of a machine share one table, and a dump walks through the
    whole of it (10 ms): so the namespace's entries are counted first.
    """
    with netns.inside(namespace):
        if (files.read(_COUNT) or "0").strip() == "0":
            return []
        netfilter = Netlink(NETLINK_NETFILTER)
    with closing(netfilter):
        return [decode(message) for message in netfilter.dump(encode(nfgen_msg, {}), _GET)]


def counters() -> dict[str, int]:
    """Read the present namespace's counters: drop, early_drop, insert_failed, invalid, since it was made.

    A kernel without connection tracking has none. Raises Refused.
    """
    with closing(Netlink(NETLINK_NETFILTER)) as netfilter:
        try:
            messages = netfilter.dump(encode(nfgen_msg, {}), _GET_COUNTS)
        except Refused as error:
            if error.errno != errno.EINVAL:
                raise
            return {}
    sums = Counter[str]()
    for message in messages:  # One of each processor.
        sums.update(_COUNTERS.attributes(message))
    return {name.removeprefix("CTA_STATS_").lower(): count for name, count in sums.items()}


def decode(message: bytes) -> Connection:
    """Decode a connection from a message with its header. A notification may lack the timeout."""
    attributes = _MESSAGE.attributes(message)
    original = _TUPLE.attributes(attributes["CTA_TUPLE_ORIG"])
    protocol = _PROTOCOL.attributes(original["CTA_TUPLE_PROTO"])["CTA_PROTO_NUM"]
    return Connection(
        attributes["CTA_ID"],
        _PROTOCOLS.get(protocol, str(protocol)),
        _flow(original),
        _flow(_TUPLE.attributes(attributes["CTA_TUPLE_REPLY"])),
        _state(attributes),
        attributes.get("CTA_TIMEOUT"),
    )


def _state(attributes: dict[str, Any]) -> str:
    info = _PROTOCOL_INFO.attributes(attributes.get("CTA_PROTOINFO", b""))
    if tcp := info.get("CTA_PROTOINFO_TCP"):
        number = _TCP.attributes(tcp)["CTA_PROTOINFO_TCP_STATE"]
        return TCP_STATES.get(number, str(number))
    status = attributes.get("CTA_STATUS", 0)
    if status & IPS_ASSURED:
        return "assured"
    return "replied" if status & IPS_SEEN_REPLY else "unreplied"


def _flow(direction: dict[str, Any]) -> Flow:
    addresses = _ADDRESSES.attributes(direction["CTA_TUPLE_IP"])
    protocol = _PROTOCOL.attributes(direction["CTA_TUPLE_PROTO"])
    return Flow(
        _address(addresses, "CTA_IP_V4_SRC", "CTA_IP_V6_SRC"),
        _address(addresses, "CTA_IP_V4_DST", "CTA_IP_V6_DST"),
        protocol.get("CTA_PROTO_SRC_PORT"),
        protocol.get("CTA_PROTO_DST_PORT"),
        protocol.get("CTA_PROTO_ICMP_ID", protocol.get("CTA_PROTO_ICMPV6_ID")),
    )


def _address(addresses: dict[str, Any], ipv4_name: str, ipv6_name: str) -> IPAddress:
    return ip_address(addresses.get(ipv4_name) or addresses[ipv6_name])
