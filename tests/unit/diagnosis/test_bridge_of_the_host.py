"""A machine with a bridge inside and further interfaces: what is joined, and what is not."""

from __future__ import annotations

from netlab.diagnosis.broadcasts import GROUP
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.drops import RuleDrop
from netlab.diagnosis.journey import BridgeInside, follow
from netlab.diagnosis.verdict import Verdict
from netlab.diagnosis.ways import Ways
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part
from tests.unit.world import evidence, frames, network

PORTS = frozenset({"eth0", "vm1-eth0", "vm2-eth0"})
MAP = network(
    "vm1.eth0 host.vm1-eth0",
    "vm2.eth0 host.vm2-eth0",
    "host.eth0 lan.p1",
    "pc.eth0 lan.p2",
    "tv.eth0 lan.p3",
    "host.vmnet8 vmnet8.p1",
    "vm3.eth0 vmnet8.p2",
    "nat.up host.vmnet8-nat",
    switches="lan vmnet8",
    bridges={"host": BridgeInside("vmbr0", "h", PORTS)},
)


def end(text: str) -> NodeInterface:
    return NodeInterface(*text.split("."))


def test_ports_of_the_bridge_are_one_segment_and_further_interfaces_are_others():
    one = [end(text) for text in ("vm1.eth0", "vm2.eth0", "pc.eth0", "host.vmbr0", "host.eth0")]
    others = [end(text) for text in ("vm3.eth0", "host.vmnet8", "nat.up", "host.vmnet8-nat")]
    assert all(MAP.same_segment(first, second) for first in one for second in one)
    assert not any(MAP.same_segment(first, second) for first in one for second in others)
    assert MAP.same_segment(end("vm3.eth0"), end("host.vmnet8"))
    assert not MAP.same_segment(end("vm3.eth0"), end("nat.up"))


def test_who_is_behind_a_port():
    assert MAP.behind(end("lan.p1")) == {"host", "vm1", "vm2"}
    assert MAP.behind(end("vmnet8.p1")) == {"host"}
    assert MAP.behind(end("host.eth0")) == {"pc", "tv"}


def test_routes_know_the_bridge_and_its_ports_by_one_name():
    assert MAP.device("host", "eth0") == "vmbr0"
    assert MAP.device("host", "vmnet8") == "vmnet8"


def test_networks_of_ways():
    ways = Ways(MAP)
    joined = frozenset({"host", "lan"})
    for text in ("vm1.eth0", "pc.eth0", "host.eth0", "host.vmbr0"):
        assert ways.network(end(text)) == joined, text
    assert ways.network(end("vm3.eth0")) == ways.network(end("host.vmnet8")) == {"vmnet8"}
    assert ways.network(end("nat.up")) == {"nat", "host"}


def test_a_frame_that_was_given_to_the_bridge_alone_has_ended_there():
    journey = follow(frames("vm1.eth0> host.vm1-eth0x"), MAP)
    assert [step.node for step in journey.steps] == ["vm1", "host"]
    flooded = follow(frames("pc.eth0> lan.p2x lan.p1> lan.p3> host.eth0x"), MAP)
    assert [step.node for step in flooded.steps] == ["pc", "lan"], "others may have taken it"
    assert len(flooded.overheard) == 1


HEARD = "vm1.eth0> sw.p1< sw.p2> sw.p3> nat.eth0< pc.eth1<"


def heard(points: str = HEARD, **given: object):
    return diagnose(evidence(frames(points), kind=GROUP, **{"switches": {"sw"}, **given}))


def test_who_hears_what_is_sent_to_a_group():
    found = heard()
    assert (found.verdict, found.at, found.cause) == (Verdict.HEARD, "vm1", None)
    assert found.evidence == "it came to nat, pc; nobody passed it on to another network"


def test_who_drops_it_has_not_heard_it():
    rule = RuleDrop("input: drop", Cause.FIREWALL)
    found = heard(drops={("pc", Part.REQUEST): rule})
    assert "it came to nat; pc drops it: input: drop" in found.evidence
    both = {(node, Part.REQUEST): rule for node in ("nat", "pc")}
    assert (heard(drops=both).verdict, heard(drops=both).at) == (Verdict.DROPPED, "nat")


def test_a_bridge_that_keeps_it_from_others_has_heard_it_itself():
    rule = RuleDrop("FORWARD: policy drop", Cause.FIREWALL, onward=True)
    found = heard("vm1.eth0> sw.p1< sw.p2> nat.eth0<", drops={("nat", Part.REQUEST): rule})
    assert found.verdict is Verdict.HEARD
    assert "it came to nat; nat keeps it from others: FORWARD: policy drop" in found.evidence


def test_a_question_for_dhcp_that_a_bridge_s_rule_keeps_from_the_server():
    request = frames("vm1.eth0> sw.p1< sw.p2> nat.eth0<")
    for onward, cause in ((True, Cause.FIREWALL), (False, Cause.DHCP_NO_OFFER)):
        drops = {("nat", Part.REQUEST): RuleDrop("rule", Cause.FIREWALL, onward=onward)}
        found = diagnose(evidence(request, kind="dhcp", switches={"sw"}, drops=drops))
        assert found.cause is cause, "what came to nat itself is no server's"


def test_a_router_that_sends_it_on_is_named_and_a_bridge_is_none():
    request = frames("vm1.eth0> sw.p1< sw.p2> nat.eth0< nat.up>")
    same = diagnose(evidence(request, kind=GROUP, switches={"sw"}))
    assert "nobody passed it on" in same.evidence
    request[-1].fields["ip.ttl"] = "63"
    routed = diagnose(evidence(request, kind=GROUP, switches={"sw"}))
    assert routed.evidence == "it came to nat; nat sent it on"


def test_a_switch_that_lets_it_reach_nobody():
    rule = RuleDrop("t c: drop", Cause.FIREWALL)
    alone = heard("vm1.eth0> sw.p1<")
    assert (alone.verdict, alone.evidence) == (Verdict.UNKNOWN, "it came to no machine")
    ended = heard("vm1.eth0> sw.p1<", drops={("sw", Part.REQUEST): rule})
    assert (ended.verdict, ended.at, ended.cause) == (Verdict.DROPPED, "sw", Cause.FIREWALL)
