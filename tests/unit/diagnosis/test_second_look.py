"""What a second look proves: drops, obstacles and counts in, place and cause out. Without a kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlab.diagnosis import kernel_drops
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.second_look import PlacedDrop, SecondLook
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Packet, Part
from tests.unit.world import BACK, THERE, evidence, frames

ARRIVED = frames(THERE)
AT_NAT = frames("vm1.eth0> sw.p1< sw.p2> nat.eth0<")
ON_SWITCH = frames("vm1.eth0> sw.p1<")
TOWARDS_NAT = frames("vm1.eth0> sw.p1< sw.p2>")
REQUEST = Packet(Part.REQUEST, "request packet")
LEGACY = Obstacle(ObstacleKind.IPTABLES, "iptables-legacy filter FORWARD: -j DROP", count=3)
FILTER = Obstacle(ObstacleKind.TC, "tc eth0 ingress: filter", "eth0", "ingress", count=1)
FULL = Obstacle(ObstacleKind.CONNTRACK_FULL, "nf_conntrack_max = 8", count=2)


def dropped(reason: str, node: str = "nat", function: str = "nf_hook_slow", **more) -> PlacedDrop:
    return PlacedDrop(node, reason, function, "eth0", REQUEST, **more)


def looked(*drops: PlacedDrop, node: str = "nat", **more) -> SecondLook:
    """A second look at one node."""
    by_node = {
        name: {node: more.pop(name)} for name in ("obstacles", "grown", "counts") if name in more
    }
    return SecondLook(drops, recorded=True, **by_node, **more)


def judged(seen: list, look: SecondLook | None, **more) -> Diagnosis:
    return diagnose(evidence(seen, second_look=look, switches=frozenset({"sw"}), **more))


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("TC_INGRESS", Cause.TC),
        ("QDISC_DROP", Cause.TC),
        ("XDP", Cause.XDP),
        ("XFRM_POLICY", Cause.XFRM_POLICY),
        ("IP_RPFILTER", Cause.REVERSE_PATH),
        ("SOCKET_RCVBUFF", Cause.QUEUE_FULL),
        ("ICMP_CSUM", Cause.BAD_CHECKSUM),
        ("IP_LOCAL_SOURCE", Cause.MARTIAN),
        ("PKT_TOO_BIG", Cause.MTU_EXCEEDED),
    ],
)
def test_a_reason_that_means_one_thing_is_its_cause(reason, cause):
    diagnosis = judged(AT_NAT, looked(dropped(reason)))
    assert (diagnosis.verdict, diagnosis.at, diagnosis.cause) == (Verdict.DROPPED, "nat", cause)
    assert reason in diagnosis.evidence


@pytest.mark.parametrize(
    "reason", ["NOT_SPECIFIED", "OTHERHOST", "NO_SOCKET", "IP_OUTNOROUTES", ""]
)
def test_a_reason_that_may_mean_several_things_is_told_and_proves_nothing(reason):
    diagnosis = judged(AT_NAT, looked(dropped(reason)))
    assert (diagnosis.verdict, diagnosis.cause) == (Verdict.UNKNOWN, Cause.UNKNOWN)
    assert reason in diagnosis.evidence
    assert not diagnosis.unexplained, "the packet is gone: nobody waits for it"


def test_who_takes_a_packet_for_somebody_elses_and_is_no_router_is_told_by_the_function():
    drop = dropped("IP_INADDRERRORS", function="ip_error")
    assert judged(AT_NAT, looked(drop)).cause is Cause.NOT_FORWARDING
    by_another = dropped("IP_INADDRERRORS", function="ip6_pkt_drop")
    assert judged(AT_NAT, looked(by_another)).cause is Cause.UNKNOWN


def test_every_cause_has_a_reason_of_its_own_but_rules():
    assert "NETFILTER_DROP" not in kernel_drops._CAUSES
    assert Cause.UNKNOWN not in kernel_drops._CAUSES.values()


@pytest.mark.parametrize(
    "drop",
    [
        dropped("TC_INGRESS", node="pc"),
        replace(dropped("TC_INGRESS"), packet=Packet(Part.REPLY, "reply packet")),
        replace(dropped("TC_INGRESS"), packet=None),
        dropped("TC_INGRESS", made=True),
        dropped("TC_INGRESS", is_arp=True),
    ],
)
def test_a_drop_of_another_packet_or_elsewhere_says_nothing(drop):
    assert judged(AT_NAT, looked(drop)).cause is Cause.UNKNOWN


def test_two_causes_prove_none():
    both = looked(dropped("TC_INGRESS"), dropped("XFRM_POLICY"))
    assert judged(AT_NAT, both).cause is Cause.UNKNOWN


def test_a_rule_of_nftables_is_told_by_the_function():
    chain = Obstacle(ObstacleKind.NETDEV_RULES, "netdev x c", "eth0", "ingress")
    look = looked(dropped("NETFILTER_DROP", function="nft_do_chain"), obstacles=(chain,))
    diagnosis = judged(AT_NAT, look)
    assert diagnosis.cause is Cause.FIREWALL
    assert diagnosis.evidence.startswith("netdev x c; the kernel's drop reason is NETFILTER_DROP")


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"obstacles": (LEGACY,), "grown": {LEGACY: 1}}, Cause.FIREWALL),
        ({"obstacles": (LEGACY,)}, Cause.UNKNOWN),
        ({"obstacles": (replace(LEGACY, count=None),)}, Cause.FIREWALL),
        ({"obstacles": (FULL,), "grown": {FULL: 1}}, Cause.CONNTRACK_FULL),
        ({"obstacles": (LEGACY, FULL), "grown": {LEGACY: 1, FULL: 1}}, Cause.UNKNOWN),
        ({"counts": {"conntrack.insert_failed": 1}}, Cause.NAT_PORTS_EXHAUSTED),
        ({}, Cause.UNKNOWN),
    ],
)
def test_other_drops_of_netfilter_need_one_suspect(more, cause):
    assert judged(AT_NAT, looked(dropped("NETFILTER_DROP"), **more)).cause is cause


def test_of_several_obstacles_the_one_that_grew_is_named():
    other = replace(FILTER, text="tc eth0 ingress: another")
    look = looked(dropped("TC_INGRESS"), obstacles=(FILTER, other), grown={FILTER: 1})
    assert judged(AT_NAT, look).evidence.startswith(FILTER.text)
    unknown = replace(look, grown={})
    assert judged(AT_NAT, unknown).evidence.startswith("the kernel's drop reason")


def test_a_drop_behind_the_cable_counts_for_whom_the_frame_is_for():
    look = looked(dropped("XDP"))
    owners = {"b": frozenset({"nat"})}
    assert judged(TOWARDS_NAT, look, owners=owners).at == "nat"
    assert judged(TOWARDS_NAT, look, owners={"b": frozenset({"pc"})}).cause is Cause.UNKNOWN


def test_a_reply_that_its_machine_drops_could_not_leave():
    look = looked(dropped("XFRM_POLICY", node="pc", made=True))
    diagnosis = judged(ARRIVED, look)
    assert (diagnosis.at, diagnosis.cause) == ("pc", Cause.NO_RETURN_PATH)
    assert "xfrm-policy" in diagnosis.evidence


def test_a_reply_that_ends_on_its_way_is_told_with_its_reason():
    back = [*ARRIVED, *frames(BACK.partition(" nat.up<")[0], Part.REPLY, len(ARRIVED))]
    drop = replace(dropped("TC_INGRESS", node="host"), packet=Packet(Part.REPLY, "reply packet"))
    diagnosis = judged(back, looked(drop))
    assert diagnosis.cause is Cause.NO_RETURN_PATH
    assert "TC_INGRESS" in diagnosis.evidence
    assert judged(back, None).unexplained


def test_what_the_source_drops_was_never_seen():
    drop = PlacedDrop("vm1", "QDISC_DROP", "__dev_queue_xmit", "eth0")
    assert judged([], looked(drop), addressed=True).cause is Cause.TC
    assert judged([], looked(), addressed=True).unexplained


@pytest.mark.parametrize(
    ("grown", "cause"),
    [
        ({FILTER: 1}, Cause.TC),
        ({FILTER: 1, replace(FILTER, text="another"): 2}, Cause.TC),
        ({FILTER: 1, LEGACY: 1}, Cause.UNKNOWN),
        ({replace(FILTER, hook="input"): 1}, Cause.UNKNOWN),
        ({}, Cause.UNKNOWN),
    ],
)
def test_counts_of_one_kind_say_the_same(grown, cause):
    """What the machine's own packets met says nothing about one that it passes on."""
    assert judged(AT_NAT, looked(grown=grown)).cause is cause


def test_of_a_packet_that_was_followed_others_counts_say_nothing():
    """Had the rule dropped it, the kernel would have said so."""
    followed = looked(grown={LEGACY: 1}, followed=frozenset({REQUEST}))
    assert judged(AT_NAT, followed).cause is Cause.UNKNOWN
    assert judged(AT_NAT, replace(followed, followed=frozenset())).cause is Cause.FIREWALL


def test_the_only_suspect_of_what_never_left_is_named():
    leaving = replace(FILTER, hook="egress", count=None)
    look = looked(node="vm1", obstacles=(leaving,))
    diagnosis = judged([], look)
    assert diagnosis.cause is Cause.UNKNOWN
    assert diagnosis.evidence.endswith("tc eth0 ingress: filter may have dropped it")


def test_the_only_suspect_is_named():
    diagnosis = judged(AT_NAT, looked(obstacles=(FILTER,)))
    assert diagnosis.cause is Cause.UNKNOWN
    assert diagnosis.evidence == "tc eth0 ingress: filter may have dropped it"
    elsewhere = replace(FILTER, interface="up")
    assert "may have" not in judged(AT_NAT, looked(obstacles=(elsewhere,))).evidence
    assert "may have" not in judged(AT_NAT, looked(obstacles=(FILTER, LEGACY))).evidence


@pytest.mark.parametrize(("kind", "cause"), [("icmp", Cause.ECHO_IGNORED), ("tcp", Cause.UNKNOWN)])
def test_only_ping_is_ignored(kind, cause):
    text = "net.ipv4.icmp_echo_ignore_all = 1"
    ignoring = Obstacle(ObstacleKind.SYSCTL, text, hook="input", version=4)
    look = looked(node="pc", obstacles=(ignoring,))
    assert judged(ARRIVED, look, kind=kind).cause is cause
    assert judged(AT_NAT, looked(obstacles=(ignoring,))).cause is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("text", "interface", "cause"),
    [
        ("locked on of port p1", "p1", Cause.PORT_BLOCKED),
        ("locked on of port p2", "p2", Cause.UNKNOWN),
        ("flood off of port p2", "p2", Cause.PORT_BLOCKED),
        ("flood off of port p1", "p1", Cause.UNKNOWN),
        ("bcast_flood off of port p2", "p2", Cause.UNKNOWN),
        ("state listening of port p2", "p2", Cause.PORT_BLOCKED),
        ("bridge br0 is down", "br0", Cause.PORT_BLOCKED),
        ("hairpin on of port p1", "p1", Cause.UNKNOWN),
    ],
)
def test_a_port_blocks_what_its_setting_says(text, interface, cause):
    look = looked(
        node="sw",
        obstacles=(Obstacle(ObstacleKind.BRIDGE_PORT, text, interface),),
        leading={("sw", "b"): frozenset({"p2"})},
    )
    assert judged(ON_SWITCH, look).cause is cause


def test_a_frame_that_left_by_the_port_was_not_blocked():
    look = looked(
        node="sw",
        obstacles=(Obstacle(ObstacleKind.BRIDGE_PORT, "locked on of port p1", "p1"),),
        leading={("sw", "b"): frozenset({"p2"})},
    )
    assert judged(TOWARDS_NAT, look).cause is Cause.UNKNOWN


def test_a_frame_longer_than_the_next_interface_takes():
    look = looked(
        node="sw",
        leading={("sw", "b"): frozenset({"p2"})},
        mtus={NodeInterface("sw", "p2"): 1300},
    )
    seen = [
        replace(frame, fields={**frame.fields, "ip.length": length})
        for length in ("1500",)
        for frame in ON_SWITCH
    ]
    assert judged(seen, look).cause is Cause.MTU_EXCEEDED
    assert judged(ON_SWITCH, look).cause is Cause.UNKNOWN


def test_how_long_was_waited_is_told():
    waited = replace(looked(), seconds=4.0)
    assert judged(AT_NAT, waited).evidence.endswith("; no answer within 4 s")
    assert "within" not in judged(AT_NAT, looked()).evidence


def test_without_a_second_look_silence_is_marked():
    assert judged(AT_NAT, None).unexplained
    assert not judged(AT_NAT, looked(dropped("XDP"))).unexplained
