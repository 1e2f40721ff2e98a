"""Messages that pyroute2 0.9.7 lacks, in its own notation; and some that it has where an import takes long.

No class is derived from one of pyroute2's that has an attribute map: pyroute2 compiles a map at its first use
and keeps it in the class, for subclasses too.
`pyroute2.netlink.nfnetlink.nfctsocket` has conntrack's messages beside its socket, and `rtnl.tcmsg` those of
traffic control beside the options of thirty kinds: each import takes 20 ms, as long as all others together.
A test compares the copies here with pyroute2's own.
"""

from __future__ import annotations

from socket import AF_INET

from pyroute2.netlink import nla, nlmsg
from pyroute2.netlink.nfnetlink import nfgen_msg
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

# linux/netlink.h, if_arp.h
NETLINK_CAP_ACK = 10
ARPHRD_ETHER = 1

# linux/rtnetlink.h, if_bridge.h, net/ipv6.h
RTEXT_FILTER_SKIP_STATS = 1 << 3
RTM_F_CLONED = 0x200
RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH = 0x1000, 0x2000
RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL = 253, 254, 255
BR_STATE_FORWARDING = 3
BR_STATES = dict(enumerate(("disabled", "listening", "learning", "forwarding", "blocking")))
IP6_RT_PRIO_ADDRCONF = 256


class link_settings_msg(nlmsg):  # noqa: N801
    """A link with settings of IPv4: pyroute2 can only read them, as one list of numbers."""

    fields = ifinfmsg.fields
    nla_map = tuple(
        (name, "af_spec" if name == "IFLA_AF_SPEC" else "hex") for name, *_ in ifinfmsg.nla_map
    )

    class af_spec(nla):  # noqa: N801
        """Settings by address family."""

        nla_map = ((int(AF_INET), "AF_INET", "inet"),)

        class inet(nla):  # noqa: N801
            """IFLA_INET_* of if_link.h."""

            nla_map = (("IFLA_INET_UNSPEC", "none"), ("IFLA_INET_CONF", "conf"))

            class conf(nla):  # noqa: N801
                """Each setting by its position in the list."""

                nla_map = tuple(
                    (f"IPV4_DEVCONF_{name.upper()}", "uint32")
                    for name in ifinfmsg.af_spec_inet.inet.field_names
                )


class rule_msg(nlmsg):  # noqa: N801
    """A rule with the attributes of kernels since 6.13 (linux/fib_rules.h)."""

    fields = fibmsg.fields
    nla_map = (
        *fibmsg.nla_map,
        (25, "FRA_DSCP", "uint8"),
        (26, "FRA_FLOWLABEL", "be32"),
        (27, "FRA_FLOWLABEL_MASK", "be32"),
        (28, "FRA_SPORT_MASK", "uint16"),
        (29, "FRA_DPORT_MASK", "uint16"),
        (30, "FRA_DSCP_MASK", "uint8"),
    )
    uid_range, port_range = fibmsg.uid_range, fibmsg.port_range


class route_question(nlmsg):  # noqa: N801
    """A packet whose route is asked for (linux/rtnetlink.h), with attributes that `rtmsg` lacks."""

    fields = rtmsg.fields
    nla_map = (
        (1, "RTA_DST", "ipaddr"),
        (2, "RTA_SRC", "ipaddr"),
        (3, "RTA_IIF", "uint32"),
        (16, "RTA_MARK", "uint32"),
        (25, "RTA_UID", "uint32"),
        (27, "RTA_IP_PROTO", "uint8"),
        (28, "RTA_SPORT", "be16"),
        (29, "RTA_DPORT", "be16"),
    )


# linux/netfilter/nf_tables.h and netfilter.h: pyroute2 has most of it, behind asyncio.
NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_TRACE = 1, 4, 17
NFT_TABLE_F_DORMANT, NF_ACCEPT = 1, 1
NFPROTOS = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
NF_INET_HOOKS = dict(
    enumerate(("prerouting", "input", "forward", "output", "postrouting", "ingress"))
)
NF_ARP_HOOKS = dict(enumerate(("input", "output", "forward")))
NF_NETDEV_HOOKS = dict(enumerate(("ingress", "egress")))
NFT_TRACETYPE_POLICY, NFT_TRACETYPE_RULE = 1, 3


class table_msg(nfgen_msg):  # noqa: N801
    """A table of nftables: NFTA_TABLE_*."""

    nla_map = ((1, "NFTA_TABLE_NAME", "asciiz"), (2, "NFTA_TABLE_FLAGS", "be32"))


class chain_msg(nfgen_msg):  # noqa: N801
    """A chain of nftables: those attributes of NFTA_CHAIN_* that are read."""

    nla_map = (
        (1, "NFTA_CHAIN_TABLE", "asciiz"),
        (3, "NFTA_CHAIN_NAME", "asciiz"),
        (4, "NFTA_CHAIN_HOOK", "hook"),
        (5, "NFTA_CHAIN_POLICY", "be32"),
        (6, "NFTA_CHAIN_USE", "be32"),
        (7, "NFTA_CHAIN_TYPE", "asciiz"),
    )

    class hook(nla):  # noqa: N801
        """A base chain's hook: NFTA_HOOK_*."""

        nla_map = (
            (1, "NFTA_HOOK_HOOKNUM", "be32"),
            (2, "NFTA_HOOK_PRIORITY", "be32"),
            (3, "NFTA_HOOK_DEV", "asciiz"),
            (4, "NFTA_HOOK_DEVS", "cdata"),
        )


class trace_msg(nfgen_msg):  # noqa: N801
    """An event of nftables about a traced packet (NFTA_TRACE_* of linux/netfilter/nf_tables.h)."""

    nla_map = (
        ("NFTA_TRACE_UNSPEC", "none"),
        ("NFTA_TRACE_TABLE", "asciiz"),
        ("NFTA_TRACE_CHAIN", "asciiz"),
        ("NFTA_TRACE_RULE_HANDLE", "be64"),
        ("NFTA_TRACE_TYPE", "be32"),
        ("NFTA_TRACE_VERDICT", "verdict"),
        ("NFTA_TRACE_ID", "be32"),
        ("NFTA_TRACE_LL_HEADER", "cdata"),
        ("NFTA_TRACE_NETWORK_HEADER", "cdata"),
        ("NFTA_TRACE_TRANSPORT_HEADER", "cdata"),
        ("NFTA_TRACE_IIF", "be32"),
        ("NFTA_TRACE_IIFTYPE", "be16"),
        ("NFTA_TRACE_OIF", "be32"),
        ("NFTA_TRACE_OIFTYPE", "be16"),
        ("NFTA_TRACE_MARK", "be32"),
        ("NFTA_TRACE_NFPROTO", "be32"),
        ("NFTA_TRACE_POLICY", "be32"),
    )

    class verdict(nla):  # noqa: N801
        """A rule's verdict: NFTA_VERDICT_*."""

        nla_map = (("NFTA_VERDICT_UNSPEC", "none"), ("NFTA_VERDICT_CODE", "be32"))


class link_counters(nla):  # noqa: N801
    """IFLA_STATS64 with the counter of kernels since 4.6 (linux/if_link.h)."""

    fields = (*ifinfmsg.ifstats64.fields, ("rx_nohandler", "Q"))


# linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_common.h: pyroute2's, behind asyncio.
IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = 0, 1, 2
IPCTNL_MSG_CT_GET_STATS_CPU = 4
IPS_SEEN_REPLY, IPS_ASSURED = 1 << 1, 1 << 2
TCP_STATES = dict(enumerate((
    "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT",
    "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
)))  # fmt: skip
"""nf_conntrack_tcp.h; pyroute2 calls the last one LISTEN, as it was called before Linux 2.6.31."""


class connection_counts_msg(nfgen_msg):  # noqa: N801
    """A processor's counters of connection tracking: those of packets that it dropped, or could not place."""

    nla_map = (
        (4, "CTA_STATS_INVALID", "be32"),
        (9, "CTA_STATS_INSERT_FAILED", "be32"),
        (10, "CTA_STATS_DROP", "be32"),
        (11, "CTA_STATS_EARLY_DROP", "be32"),
    )


class connection_msg(nfgen_msg):  # noqa: N801
    """An entry of connection tracking: those attributes of `nfct_msg` that are read."""

    nla_map = (
        (1, "CTA_TUPLE_ORIG", "cta_tuple"),
        (2, "CTA_TUPLE_REPLY", "cta_tuple"),
        (3, "CTA_STATUS", "be32"),
        (4, "CTA_PROTOINFO", "cta_protoinfo"),
        (7, "CTA_TIMEOUT", "be32"),
        (12, "CTA_ID", "be32"),
    )

    class cta_tuple(nla):  # noqa: N801
        """A direction of a connection."""

        nla_map = ((1, "CTA_TUPLE_IP", "cta_ip"), (2, "CTA_TUPLE_PROTO", "cta_proto"))

        class cta_ip(nla):  # noqa: N801
            """Its source and destination."""

            nla_map = (
                (1, "CTA_IP_V4_SRC", "ip4addr"),
                (2, "CTA_IP_V4_DST", "ip4addr"),
                (3, "CTA_IP_V6_SRC", "ip6addr"),
                (4, "CTA_IP_V6_DST", "ip6addr"),
            )

        class cta_proto(nla):  # noqa: N801
            """Its protocol, with ports or an identifier."""

            nla_map = (
                (1, "CTA_PROTO_NUM", "uint8"),
                (2, "CTA_PROTO_SRC_PORT", "be16"),
                (3, "CTA_PROTO_DST_PORT", "be16"),
                (4, "CTA_PROTO_ICMP_ID", "be16"),
                (7, "CTA_PROTO_ICMPV6_ID", "be16"),
            )

    class cta_protoinfo(nla):  # noqa: N801
        """Attributes of one protocol."""

        nla_map = ((1, "CTA_PROTOINFO_TCP", "cta_protoinfo_tcp"),)

        class cta_protoinfo_tcp(nla):  # noqa: N801
            """TCP's attributes."""

            nla_map = ((1, "CTA_PROTOINFO_TCP_STATE", "uint8"),)


# linux/sock_diag.h, net/tcp_states.h: pyroute2 has them, behind asyncio.
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
INET_DIAG_SKMEMINFO = 7
TCP_CLOSE, TCP_LISTEN = 7, 10
_SOCKET_ENDS = (("ports", "4s"), ("addresses", "32s"), ("interface", "I"), ("cookie", "8s"))


class inet_diag_req(nlmsg):  # noqa: N801
    """A list of sockets that is asked for: of a family and protocol, in some states (linux/inet_diag.h)."""

    fields = (
        ("family", "B"),
        ("protocol", "B"),
        ("ext", "B"),
        ("pad", "B"),
        ("states", "I"),
        *_SOCKET_ENDS,
    )


class inet_diag_msg(nlmsg):  # noqa: N801
    """A socket."""

    fields = (
        *(("family", "B"), ("state", "B"), ("timer", "B"), ("retrans", "B"), *_SOCKET_ENDS),
        *(("expires", "I"), ("rqueue", "I"), ("wqueue", "I"), ("uid", "I"), ("inode", "I")),
    )
    nla_map = ((7, "INET_DIAG_SKMEMINFO", "memory"), (11, "INET_DIAG_SKV6ONLY", "uint8"))

    class memory(nla):  # noqa: N801
        """The memory of a socket's queues, in bytes: SK_MEMINFO_*."""

        fields = (("received", "I"), ("receive_limit", "I"))


# linux/pkt_sched.h and pkt_cls.h
TC_H_MIN_INGRESS, TC_H_MIN_EGRESS = 0xFFF2, 0xFFF3
TCA_GACT_PROB, TCA_ACT_PARMS = 3, 2
TCA_BPF_NAME, TCA_BPF_FLAGS = 7, 8
TCA_BPF_FLAG_ACT_DIRECT = 1
TCA_U32_DIVISOR = 4
TC_ACTIONS = {
    -1: "continue", 0: "pass", 1: "reclassify", 2: "drop", 3: "pipe", 4: "stolen", 5: "queued",
    6: "repeat", 7: "redirect", 8: "trap",
}  # fmt: skip
"""TC_ACT_*, by the words of tc-actions(8)."""
FILTER_ACTIONS = {
    "basic": (3, 4), "bpf": (1, 2), "cgroup": (1, 2), "flow": (9, 10), "flower": (3,), "fw": (4, 2),
    "matchall": (2,), "route": (6, 5), "u32": (7, 6),
}  # fmt: skip
"""TCA_*_ACT and TCA_*_POLICE of each kind of filter."""


class traffic_msg(nlmsg):  # noqa: N801
    """A queueing discipline or a filter of any kind, with what all of them have."""

    fields = (
        ("family", "B"),
        ("pad1", "B"),
        ("pad2", "H"),
        ("index", "i"),
        ("handle", "I"),
        ("parent", "I"),
        ("info", "I"),
    )
    nla_map = (
        (1, "TCA_KIND", "asciiz"),
        (2, "TCA_OPTIONS", "cdata"),
        (7, "TCA_STATS2", "cdata"),
    )

    class stats2(nla):  # noqa: N801
        """TCA_STATS_*, of an action too."""

        nla_map = ((1, "TCA_STATS_BASIC", "basic"), (3, "TCA_STATS_QUEUE", "queue"))

        class basic(nla):  # noqa: N801
            """Packets that went through it."""

            fields = (("bytes", "Q"), ("packets", "I"))

        class queue(nla):  # noqa: N801
            """Packets that wait, and that were dropped."""

            fields = (("qlen", "I"), ("backlog", "I"), ("drops", "I"))


class any_nla(nla):  # noqa: N801
    """A nest whose attributes are known by their numbers only."""

    nla_map = ()


class action_nla(nla):  # noqa: N801
    """An action of a filter: TCA_ACT_*."""

    nla_map = (
        (1, "TCA_ACT_KIND", "asciiz"),
        (2, "TCA_ACT_OPTIONS", "cdata"),
        (4, "TCA_ACT_STATS", "cdata"),
    )

    class parameters(nla):  # noqa: N801
        """The beginning of most actions' parameters: tc_gen."""

        fields = (("index", "I"), ("capab", "I"), ("action", "i"))


# linux/xfrm.h
XFRM_MSG_GETPOLICY, XFRM_MSG_GETDEFAULT = 0x15, 0x28
XFRM_POLICY_BLOCK = XFRM_USERPOLICY_BLOCK = 1


class policy_id_msg(nlmsg):  # noqa: N801
    """struct xfrm_userpolicy_id: the request for all policies leaves it empty."""

    fields = tuple((f"word_{number}", "I") for number in range(16))


class policy_msg(nlmsg):  # noqa: N801
    """struct xfrm_userpolicy_info, with the templates of what has to be done to packets."""

    fields = (
        *(("daddr", "16s"), ("saddr", "16s"), ("dport", "H"), ("dport_mask", "H")),
        *(("sport", "H"), ("sport_mask", "H"), ("family", "H"), ("prefixlen_d", "B")),
        *(("prefixlen_s", "B"), ("proto", "B"), ("pad", "3s"), ("ifindex", "i"), ("user", "I")),
        *((f"lifetime_{number}", "Q") for number in range(12)),
        *(("priority", "I"), ("index", "I"), ("dir", "B"), ("action", "B"), ("flags", "B")),
        *(("share", "B"), ("pad_info", "4s")),
    )
    nla_map = ((5, "XFRMA_TMPL", "cdata"),)


class default_policy_msg(nlmsg):  # noqa: N801
    """struct xfrm_userpolicy_default: what becomes of packets without a policy."""

    fields = (("in", "B"), ("fwd", "B"), ("out", "B"), ("pad", "B"))
