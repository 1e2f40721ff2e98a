"""The kernel's reasons for drops, and what each proves. Pure.

The reasons are those of include/net/dropreason-core.h of Linux 6.18. One that may mean several things, as
NOT_SPECIFIED, proves nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.second_look import PlacedDrop, SecondLook
from netlab.frozen import frozen
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.messages import Message

_CAUSES = {
    **dict.fromkeys(("TC_INGRESS", "TC_EGRESS", "TC_COOKIE_ERROR", "TC_CHAIN_NOTFOUND"), Cause.TC),
    **dict.fromkeys(("QDISC_DROP", "QDISC_OVERLIMIT", "QDISC_CONGESTED", "CAKE_FLOOD"), Cause.TC),
    **dict.fromkeys(("FQ_BAND_LIMIT", "FQ_HORIZON_LIMIT", "FQ_FLOW_LIMIT"), Cause.TC),
    "XDP": Cause.XDP,
    "XFRM_POLICY": Cause.XFRM_POLICY,
    "IP_RPFILTER": Cause.REVERSE_PATH,
    **dict.fromkeys(("SOCKET_RCVBUFF", "SOCKET_BACKLOG", "TCP_LISTEN_OVERFLOW"), Cause.QUEUE_FULL),
    **dict.fromkeys(
        ("IP_CSUM", "ICMP_CSUM", "TCP_CSUM", "UDP_CSUM", "SKB_CSUM"), Cause.BAD_CHECKSUM
    ),
    "BRIDGE_INGRESS_STP_STATE": Cause.PORT_BLOCKED,
    "NEIGH_FAILED": Cause.ARP_UNANSWERED,
    **dict.fromkeys(
        ("IP_LOCAL_SOURCE", "IP_INVALID_SOURCE", "IP_LOCALNET", "IP_INVALID_DEST"), Cause.MARTIAN
    ),
    "PKT_TOO_BIG": Cause.MTU_EXCEEDED,
}
_NOT_ITS_OWN = ("IP_INADDRERRORS", "ip_error")
"""The reason and function of a packet of IPv4 that is for somebody else, on a machine that does not forward
what comes in there. IPv6 gives the same reason for other ends too."""
_RULE = "NETFILTER_DROP"
_BY_NFTABLES = "nft_do_chain"
"""The function in which nftables drops. Everything else of netfilter's is dropped in nf_hook_slow: legacy
tables, and connection tracking."""
_KINDS = {
    Cause.TC: (ObstacleKind.TC,),
    Cause.XDP: (ObstacleKind.XDP,),
    Cause.XFRM_POLICY: (ObstacleKind.XFRM,),
    Cause.PORT_BLOCKED: (ObstacleKind.BRIDGE_PORT,),
    Cause.CONNTRACK_FULL: (ObstacleKind.CONNTRACK_FULL,),
}
"""Kinds of obstacles that go with a cause."""
RULE_KINDS = (ObstacleKind.NETDEV_RULES, ObstacleKind.BRIDGE_NETFILTER, ObstacleKind.IPTABLES)
_NO_PORT = "conntrack.insert_failed"
"""The counter of connections that would have had the same addresses and ports as another one."""
_HOOKS = {"TC_INGRESS": "ingress", "XDP": "ingress"}
_LEAVING = ("TC_EGRESS", "QDISC_DROP", "QDISC_OVERLIMIT", "QDISC_CONGESTED")


@frozen
class Proof:
    """The end of a packet, as a drop proves it."""

    node: str
    cause: Cause
    text: str


def agreed(drops: Iterable[PlacedDrop], look: SecondLook) -> Proof | None:
    """Return what drops prove of one packet's end; None if nothing, or not one place and cause."""
    proofs = [proof for drop in drops if (proof := _proof(drop, look))]
    return proofs[0] if len({(proof.node, proof.cause) for proof in proofs}) == 1 else None


def _proof(drop: PlacedDrop, look: SecondLook) -> Proof | None:
    """Return what a drop proves; None if its reason may mean several things."""
    present, grown = look.obstacles.get(drop.node, ()), look.grown.get(drop.node, {})
    cause = _of_a_rule(drop, look) if drop.reason == _RULE else _CAUSES.get(drop.reason)
    if (drop.reason, drop.function) == _NOT_ITS_OWN:
        cause = Cause.NOT_FORWARDING
    if cause is None:
        return None
    kinds: tuple[ObstacleKind, ...] = _KINDS.get(cause, ())
    if cause is Cause.FIREWALL:
        kinds = RULE_KINDS[:2] if drop.function == _BY_NFTABLES else RULE_KINDS[1:]
    obstacle = _the_one(drop, [it for it in grown if it.kind in kinds]) or _the_one(
        drop, [it for it in present if it.kind in kinds]
    )
    if obstacle is None:
        return Proof(drop.node, cause, in_words(drop))
    text = Message("{obstacle}; {reason}", obstacle=obstacle.text, reason=in_words(drop))
    return Proof(drop.node, cause, text)


def in_words(drop: PlacedDrop) -> Message:
    """Return the kernel's own words about a drop."""
    if not drop.function:
        return Message("the kernel's drop reason is {reason}", reason=drop.reason)
    return Message(
        "the kernel's drop reason is {reason}, in {function}",
        reason=drop.reason,
        function=drop.function,
    )


def _of_a_rule(drop: PlacedDrop, look: SecondLook) -> Cause | None:
    """Return the cause of a drop by netfilter: rules, or its connection tracking; None if both may be."""
    if drop.function == _BY_NFTABLES:
        return Cause.FIREWALL
    present, grown = look.obstacles.get(drop.node, ()), look.grown.get(drop.node, {})
    suspects = {
        Cause.FIREWALL: any(
            _may_have_met(obstacle, grown, ObstacleKind.IPTABLES) for obstacle in present
        ),
        Cause.CONNTRACK_FULL: any(
            _may_have_met(obstacle, grown, ObstacleKind.CONNTRACK_FULL) for obstacle in present
        ),
        Cause.NAT_PORTS_EXHAUSTED: _NO_PORT in look.counts.get(drop.node, {}),
    }
    causes = [cause for cause, is_suspect in suspects.items() if is_suspect]
    return causes[0] if len(causes) == 1 else None


def _may_have_met(obstacle: Obstacle, grown: Mapping[Obstacle, int], kind: ObstacleKind) -> bool:
    """Return whether a packet can have met an obstacle of a kind meanwhile: those without a count do not
    say."""
    return obstacle.kind is kind and (obstacle.count is None or obstacle in grown)


def _the_one(drop: PlacedDrop, obstacles: Collection[Obstacle]) -> Obstacle | None:
    """Return the only obstacle that the packet can have met, where it was; None if there are several."""
    fitting = [obstacle for obstacle in obstacles if _may_be(drop, obstacle)]
    return fitting[0] if len(fitting) == 1 else None


def _may_be(drop: PlacedDrop, obstacle: Obstacle) -> bool:
    hook = _HOOKS.get(drop.reason)
    if hook:
        return obstacle.hook in (hook, "") and obstacle.interface in (drop.interface, "")
    if drop.reason in _LEAVING:
        return obstacle.hook in ("egress", "")
    return True
