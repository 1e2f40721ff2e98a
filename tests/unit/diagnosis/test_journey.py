"""Sightings → journey → finding, without a kernel: the pure half of `trace`."""

from __future__ import annotations

import errno
from ipaddress import IPv4Network, ip_address

import pytest

from netlab.diagnosis import phrases
from netlab.diagnosis.cause import Cause, Diagnosis, look_at
from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.drops import RuleDrop, Silence
from netlab.diagnosis.evidence import ProbeEvidence, Reporter
from netlab.diagnosis.journey import (
    AsymmetricReply,
    NetworkMap,
    asymmetric_reply,
    follow,
    marks,
)
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.nftables.nftrace import Hit
from netlab.kernel.rows import Flow, RouteRow
from netlab.messages import languages
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes.base import Ends
from netlab.report.text import plain
from netlab.report.trace.steps import journey
from netlab.trace.model import Trace, TraceRequest
from tests.unit.world import BACK, MAP, THERE, evidence, frames


def nodes(frames: list[Frame]) -> list[str]:
    return [step.node for step in follow(frames, MAP).steps]


def test_a_box_and_its_plumbing_are_one_step_both_ways():
    round_trip = frames(THERE) + frames(BACK, Part.REPLY, 20)
    assert nodes(round_trip) == ["vm1", "sw", "nat", "pc", "pc", "nat", "sw", "vm1"]
    box = follow(round_trip, MAP).steps[2]
    assert (box.came_in.peer, [out.peer for out in box.went_out]) == ("sw", ["pc"])


def test_the_stay_on_the_host_is_kept_with_its_own_header_and_mark():
    request = frames(THERE)
    request[5].fields["ip.src"] = "169.254.0.2"  # As the device has translated it.
    packet = request[0].packet
    box = follow(request, MAP, {"nat": {}, "host": {packet: 7}}).steps[2]
    assert (box.node, box.mark, box.before["ip.src"]) == ("nat", 0, "10.0.0.1")
    inner = box.inner
    assert inner and (inner.node, inner.mark) == ("host", 7)
    assert (inner.before["ip.src"], inner.inlet) == ("169.254.0.2", "down")
    assert follow(request, MAP).steps[0].mark is None  # Nobody watched its rules.


def test_the_last_mark_before_the_routing_decision_counts():
    def hit(node: str, number: int | None, mark: int | None) -> Hit:
        return Hit(
            f"lab.{node}", "ip t", "", False, b"" if number is None else bytes([number]), mark=mark
        )

    hits = [
        hit("nat", 1, 7), hit("nat", 1, 8), hit("nat", 1, None), hit("nat", 2, 0), hit("host", 1, 0),
        hit("host", 1, 5), hit("host", 1, 0),
    ]  # fmt: skip
    watched = ["lab.nat", "lab.host", "lab.pc"]
    found = marks(hits, lambda hit: Packet(Part.REQUEST, str(hit.frame[0])), MAP, watched)
    one, two = Packet(Part.REQUEST, "1"), Packet(Part.REQUEST, "2")
    assert found == {"nat": {one: 8, two: 0}, "host": {one: 0}, "pc": {}}


def test_the_kernels_clock_decides_and_not_the_order_of_reading():
    assert nodes(frames(THERE)[::-1]) == nodes(frames(THERE))


def test_what_ends_inside_the_box_ends_at_the_host():
    assert nodes(frames("vm1.eth0> sw.p1< sw.p2> nat.eth0< nat.up> host.down<"))[-1] == "host"


def test_a_copy_for_somebody_else_is_overheard_and_no_step():
    journey = follow(frames("vm1.eth0> sw.p1x sw.p2> nat.eth0x sw.p3> pc.eth0x"), MAP)
    assert [step.node for step in journey.steps] == ["vm1", "sw"]
    assert len(journey.overheard) == 2
    assert [out.peer for out in journey.steps[1].went_out] == ["nat", "pc"]


def test_a_rewrite_is_a_difference_within_one_node():
    request = frames(THERE)
    for frame in request[6:]:
        frame.fields["ip.src"] = "192.168.1.100"
    rewrites = [step.rewrites for step in follow(request, MAP).steps]
    assert rewrites == [{}, {}, {"ip.src": ("10.0.0.1", "192.168.1.100")}, {}]


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        ("host.lan<", "host.down>", AsymmetricReply("host", "lan", "down")),
        ("host.lan<", "host.lan>", None),
        ("host.lan<", "pc.eth0>", None),  # Another machine's answer.
        ("host.lan< host.down>", "host.down>", AsymmetricReply("host", "lan", "down")),
        ("", "host.down>", None),
        ("host.lan<", "", None),
        ("host.down>", "host.lan>", None),  # It was not seen coming in.
    ],
)
def test_who_answers_by_another_interface_than_it_is_asked_by(asked, answered, expected):
    request, reply = (follow(frames(text), MAP).steps for text in (asked, answered))
    assert asymmetric_reply(request, reply, MAP) == expected


def test_whom_an_address_means():
    """The MAP's switch has vm1, nat and pc; the host is on another cable."""
    pc, vm1 = (NodeInterface(node, "eth0") for node in ("pc", "vm1"))
    owners = [pc, NodeInterface("host", "lan")]
    apart = NetworkMap(MAP.nodes, MAP.switches, {**MAP.peers, pc: "sw"}, {})
    assert apart.meant(owners, "pc", named=True) == {"pc"}
    assert apart.meant(owners, "pc", named=False) == {"pc", "host"}
    assert apart.meant([*owners, vm1], "pc", named=False) == {"pc", "host"}
    assert apart.meant([*owners, NodeInterface("vm1", "lo")], "pc", named=False) == {"pc", "host"}


def test_who_hears_a_question():
    inside, outside = NodeInterface("nat", "eth0"), NodeInterface("nat", "up")
    assert MAP.same_segment(inside, NodeInterface("vm1", ""))
    assert MAP.same_segment(NodeInterface("host", "down"), outside)  # A cable without a switch.
    assert not MAP.same_segment(NodeInterface("host", "down"), inside)
    assert not MAP.same_segment(NodeInterface("pc", "eth0"), outside)


def of(length: str, found: list[Frame]) -> list[Frame]:
    """The same, of so many bytes that may not be cut."""
    for frame in found:
        frame.fields.update({"ip.length": length, "ip.df": "1"})
    return found


OF_1400_BYTES, OF_49_BYTES = (
    of(length, frames("vm1.eth0> sw.p1< sw.p2> nat.eth0<")) for length in ("1400", "49")
)
RULE, POLICY = RuleDrop("a rule"), RuleDrop("policy", policy=True)
ADMISSION, LOSS = RuleDrop("a rule", Cause.MAC_NOT_ALLOWED), RuleDrop("a rule", Cause.LOST)
COPY = RuleDrop("a rule", Cause.LOST, copy=True)
AT_SW, AT_NAT = ("sw", Part.REQUEST), ("nat", Part.REQUEST)
NOT_HEARD = Silence("sw", Cause.LOST, "a rule")
FLOODED = frames("vm1.eth0> sw.p1< sw.p2> nat.eth0x")
ENDED = frames("vm1.eth0> sw.p1< sw.p2> nat.eth0<")
ERROR = frames("nat.eth0> sw.p2< sw.p1> vm1.eth0<", Part.ERROR, 10)
GRE = frames("vm1.eth0> sw.p1< sw.p2> nat.eth0<")
for frame in GRE:
    frame.fields["ip.protocol"] = "47"
for frame in ENDED:
    frame.fields["ip.protocol"] = "58"
for frame in ERROR:
    frame.fields.update({"icmp.type": "11", "icmp.code": "0"})

THERE_AND_BACK = frames(THERE) + frames(BACK, Part.REPLY, 20)
REFUSAL = frames(BACK, Part.ERROR, 20)
for frame in REFUSAL:
    frame.fields.update({"icmp.type": "3", "icmp.code": "3", "ip.src": "10.0.0.2"})
UDP = frames(THERE)
for frame in UDP:
    frame.fields.update({"udp.src": "5000", "udp.dst": "81"})
RECEIVED = Flow(ip_address("10.0.0.1"), ip_address("10.0.0.2"), 5000, 81)
CLOSED = {"reporters": {"pc": Reporter(RECEIVED, "eth0")}}
TO_A_TWIN = frames("pc.eth0> host.lan< host.down> nat.up<", Part.REPLY, 20)
for frame in TO_A_TWIN:
    frame.fields.update({"ip.src": "10.0.0.2", "ip.dst": "10.0.0.1"})
HALF_BACK = frames("pc.eth0> host.lan<", Part.REPLY, 20)
INTO_THE_SWITCH = frames("vm1.eth0> sw.p1<")
TWIN_SENDERS = {"target": "vm2", "address": "10.0.0.2", "owners": {"10.0.0.2": {"pc", "vm2"}}}
TYPED = {**TWIN_SENDERS, "meant": {"pc"}}
AT_THE_BOX = {"target": "host", "address": "10.0.0.2", "parts": {"nat": {"nat", "host"}}}
TWIN_OF_SOURCE = {"owners": {"10.0.0.1": {"nat", "vm1"}}}
FORWARDED = {"target": "nat", "address": "10.0.0.2"}
TWIN_TARGETS = {"target": "vm2", "owners": {"10.0.0.2": {"pc", "vm2"}}}
TWIN_OF_MINE = {"address": "10.0.0.7", "owners": {"10.0.0.7": {"vm1", "vm2"}}}
MAC_TWINS = {("pc", "b"): {"vm2"}}
ON_ANOTHER = {"unanswered": {"vm1": "10.0.0.2"}, "elsewhere": {"10.0.0.2": "pc"}}
ASKED = {"kind": "dhcp", "switches": {"sw"}}
DHCP = {"kind": "dhcp", "listening": {"pc": {"udp/67"}}}
APART = {
    "isolated": {NodeInterface("sw", "p1"): {"vm1"}, NodeInterface("sw", "p3"): {"pc"}},
    "owners": {"b": {"pc"}},
    "switches": {"sw"},
}
NOT_APART = {**APART, "isolated": {NodeInterface("sw", "p1"): {"vm1"}}}


def to_port(port: int) -> list[Frame]:
    """A datagram."""
    packet = frames(THERE)
    for frame in packet:
        frame.fields.update({"udp.dst": str(port), "ip.protocol": "17"})
    return packet


FULL = {
    "kind": "udp",
    "listening": {"pc": {"udp/7"}},
    "unread": {"pc": {"udp/7"}},
    "owners": {"10.0.0.2": {"pc"}},
    "counts": {"pc": {"Udp.RcvbufErrors": 1}},
}
ANOTHERS = {**FULL, "unread": {}}
DNS = {
    "kind": "dns",
    "listening": {"pc": {"udp/53"}},
    "counts": {"pc": {"Udp.InDatagrams": 1}},
}
NOT_DELIVERED = {**DNS, "counts": {}}
SENT = {"Udp.InDatagrams": 1, "Udp.SndbufErrors": 1}
NOT_SILENT = {**DNS, "counts": {"pc": SENT}}
NO_DNS = {"kind": "dns", "listening": {"host": {"udp/53"}}}
ADDRESS_ERROR = {"counts": {"nat": {"Ip.InAddrErrors": 1}}, "ends_at": {("nat", "eth0", 4)}}
UNREACHABLE = {
    "closed_route": {"nat": RouteRow(IPv4Network("10.0.0.2/32"), (), "unreachable", metric=0)}
}
ON_ITS_OTHER_CARD = {**ADDRESS_ERROR, "ends_at": {("nat", "up", 4), ("nat", "eth0", 6)}}
FRAGMENTS = {"counts": {"nat": {"Ip.FragFails": 1}}, "smallest_mtu": {"nat": 1300}}
REVERSE = {"nat": {"TcpExt.IPReversePathFilter": 1}}
TWO = {"Ip.InAddrErrors": 1, "TcpExt.IPReversePathFilter": 1}
TWO_COUNTS = {**ADDRESS_ERROR, "counts": {"nat": TWO}, "misplaced": {"nat"}}
OWN = {"10.0.0.2": {"nat"}}
FORGED = {"drops": {("host", Part.REPLY): RULE}, "parts": {"nat": {"nat", "host"}}}
TO_A_GROUP = frames("vm1.eth0> sw.p1< sw.p2> nat.eth0<")
for frame in TO_A_GROUP:
    frame.fields["eth.dst"] = "01:00:5e:00:00:05"

CASES = [
    (evidence(THERE_AND_BACK, answered=True), "answered", "pc", None),
    (evidence(THERE_AND_BACK, answered=True, lost=1), "unknown", "vm1", Cause.UNKNOWN),
    (evidence(frames(THERE), answered=True), "unknown", "vm1", Cause.UNKNOWN),
    (evidence(THERE_AND_BACK, drops={("vm1", Part.REPLY): RULE}), "dropped", "vm1", Cause.NO_RETURN_PATH),
    (evidence(THERE_AND_BACK, answered=True, **TWIN_SENDERS), "dropped", "pc", Cause.DUPLICATE_IP),
    (evidence(THERE_AND_BACK, answered=True, **TYPED), "answered", "pc", None),
    (evidence(THERE_AND_BACK, answered=True, target="vm2"), "unknown", "pc", Cause.UNKNOWN),
    (evidence(THERE_AND_BACK, answered=True, **FORWARDED), "answered", "pc", None),
    (evidence(THERE_AND_BACK, answered=True, **AT_THE_BOX), "answered", "pc", None),
    (evidence(THERE_AND_BACK, answered=True, kind="dhcp", target="lan"), "answered", "pc", None),
    (evidence(UDP + REFUSAL, **CLOSED), "refused", "pc", Cause.PORT_CLOSED),
    (evidence(UDP + REFUSAL), "unknown", "pc", Cause.UNKNOWN),
    (evidence(frames(THERE) + REFUSAL, **TWIN_SENDERS), "dropped", "pc", Cause.DUPLICATE_IP),
    (evidence(UDP + REFUSAL, **CLOSED, **TYPED), "refused", "pc", Cause.PORT_CLOSED),
    (evidence(frames(THERE) + TO_A_TWIN, **TWIN_OF_SOURCE), "dropped", "nat", Cause.DUPLICATE_IP),
    (evidence(frames(THERE), **TWIN_TARGETS), "dropped", "pc", Cause.DUPLICATE_IP),
    (evidence(frames(THERE), target="vm2", twins=MAC_TWINS), "dropped", "pc", Cause.DUPLICATE_MAC),
    (evidence(frames(THERE), twins=MAC_TWINS), "unknown", "pc", Cause.UNKNOWN),
    (evidence(frames(THERE), target="vm2", owners={"b": {"pc", "vm2"}}), "unknown", "pc", Cause.UNKNOWN),
    (evidence([], **TWIN_OF_MINE, target="vm2"), "dropped", "vm1", Cause.DUPLICATE_IP),
    (evidence([], **TWIN_OF_MINE), "unknown", "vm1", Cause.UNKNOWN),
    (evidence([], **ON_ANOTHER), "dropped", "vm1", Cause.WRONG_SEGMENT),
    (evidence(INTO_THE_SWITCH, **APART), "dropped", "sw", Cause.ISOLATED_PORT),
    (evidence(INTO_THE_SWITCH, **NOT_APART), "unknown", "sw", Cause.UNKNOWN),
    (evidence(INTO_THE_SWITCH, drops={AT_SW: RULE}, switches={"sw"}), "dropped", "sw", Cause.FIREWALL),
    (evidence(INTO_THE_SWITCH, drops={AT_SW: ADMISSION}), "dropped", "sw", Cause.MAC_NOT_ALLOWED),
    (evidence(INTO_THE_SWITCH, drops={AT_SW: LOSS}), "dropped", "sw", Cause.LOST),
    (evidence(FLOODED, drops={AT_SW: RULE}), "dropped", "sw", Cause.MAC_UNKNOWN),
    (evidence(FLOODED, drops={AT_SW: COPY}), "dropped", "sw", Cause.LOST),
    (evidence(FLOODED, present={("sw", "b")}, owners={"b": {"vm2"}}), "unknown", "sw", Cause.UNKNOWN),
    (evidence(FLOODED, present={("sw", "c")}), "dropped", "sw", Cause.MAC_UNKNOWN),
    (evidence(INTO_THE_SWITCH, drops={AT_SW: RULE}, **ASKED), "dropped", "sw", Cause.FIREWALL),
    (evidence(FLOODED, drops={AT_SW: RULE}, **ASKED), "dropped", "sw", Cause.DHCP_NO_OFFER),
    (evidence(frames(THERE), drops={("pc", Part.REPLY): RULE}), "dropped", "pc", Cause.NO_RETURN_PATH),
    (evidence(frames(THERE), drops={("pc", Part.ERROR): RULE}), "dropped", "pc", Cause.NO_RETURN_PATH),
    (evidence(frames(THERE), drops={("pc", Part.REQUEST): RULE}), "dropped", "pc", Cause.FIREWALL),
    (evidence(ENDED, drops={("nat", Part.REPLY): RULE}), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, drops={AT_NAT: POLICY}, nat_devices={"nat"}), "dropped", "nat", Cause.FIREWALL),
    (evidence(GRE, drops={AT_NAT: RULE}, nat_devices={"nat"}), "dropped", "nat", Cause.FIREWALL),
    (evidence(GRE, drops={AT_NAT: POLICY}, nat_devices={"nat"}), "dropped", "nat",
     Cause.PROTOCOL_NOT_TRANSLATED),
    (evidence([], silenced={"vm1": NOT_HEARD}), "dropped", "sw", Cause.LOST),
    (evidence(ENDED, silenced={"nat": NOT_HEARD}), "dropped", "sw", Cause.LOST),
    (evidence(frames(THERE), silenced={"pc": NOT_HEARD}), "dropped", "pc", Cause.NO_RETURN_PATH),
    (evidence(ENDED + ERROR, silenced={"nat": NOT_HEARD}), "dropped", "sw", Cause.LOST),
    (evidence(to_port(53), **DNS), "dropped", "pc", Cause.DNS_SILENT),
    (evidence(to_port(53), **NOT_SILENT), "unknown", "pc", Cause.UNKNOWN),
    (evidence(to_port(7), **FULL), "dropped", "pc", Cause.QUEUE_FULL),
    (evidence(to_port(7), **FULL | {"counts": {}}), "dropped", "pc", Cause.PROGRAM_SILENT),
    (evidence(to_port(7), **ANOTHERS), "unknown", "pc", Cause.UNKNOWN),
    (evidence(to_port(8), **FULL), "unknown", "pc", Cause.UNKNOWN),
    (evidence(to_port(53), **NO_DNS), "unknown", "pc", Cause.UNKNOWN),
    (evidence(to_port(53), **NOT_DELIVERED), "unknown", "pc", Cause.UNKNOWN),
    (evidence(frames(THERE), **DHCP), "dropped", "pc", Cause.DHCP_NO_OFFER),
    (evidence(frames(THERE), **DHCP, no_address_left={"pc": "none"}), "dropped", "pc",
     Cause.DHCP_POOL_EXHAUSTED),
    (evidence(frames(THERE) + HALF_BACK, forgotten={"host"}), "dropped", "host", Cause.NAT_MAPPING_EXPIRED),
    (evidence(frames(THERE) + HALF_BACK, forgotten={"nat"}), "dropped", "host", Cause.NO_RETURN_PATH),
    (evidence(THERE_AND_BACK, answered=True, **FORGED), "unknown", "host", Cause.UNKNOWN),
    (evidence(THERE_AND_BACK, answered=True, **FORGED, kind="tcp"), "answered", "pc", None),
    (evidence(TO_A_GROUP), "dropped", "sw", Cause.MAC_UNKNOWN),
    (evidence(TO_A_GROUP, target="nat"), "unknown", "nat", Cause.UNKNOWN),
    (evidence([], carriers=frozenset()), "dropped", "vm1", Cause.NIC_DOWN),
    (evidence([], addressed=False), "dropped", "vm1", Cause.NO_ADDRESS),
    (evidence([], send_error=errno.ENETUNREACH), "dropped", "vm1", Cause.NO_ROUTE),
    (evidence([], send_error=errno.EPERM), "unknown", "vm1", Cause.UNKNOWN),
    (evidence([], unanswered={"vm1": "10.0.0.2"}), "dropped", "vm1", Cause.ARP_UNANSWERED),
    (evidence([]), "unknown", "vm1", Cause.UNKNOWN),
    (evidence(ENDED), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, drops={AT_NAT: RULE}), "dropped", "nat", Cause.FIREWALL),
    (evidence(ENDED, drops={("pc", Part.REQUEST): RULE}), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, unanswered={"nat": "10.0.9.9"}), "dropped", "nat", Cause.ARP_UNANSWERED),
    (evidence(ENDED, **ADDRESS_ERROR), "dropped", "nat", Cause.NOT_FORWARDING),
    (evidence(ENDED, **ON_ITS_OTHER_CARD), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, **UNREACHABLE), "dropped", "nat", Cause.NO_ROUTE),
    (evidence(ENDED, **UNREACHABLE, **ADDRESS_ERROR), "dropped", "nat", Cause.NOT_FORWARDING),
    (evidence(OF_1400_BYTES, **FRAGMENTS), "dropped", "nat", Cause.MTU_EXCEEDED),
    (evidence(OF_49_BYTES, **FRAGMENTS), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, counts=REVERSE, misplaced={"nat"}), "dropped", "nat", Cause.REVERSE_PATH),
    (evidence(ENDED, counts=REVERSE), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, counts={"nat": {"Ip.InReceives": 9}}), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, counts={"nat": {"Ip.InHdrErrors": 1}}), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, counts={"nat": {"Ip.FragFails": 1}}), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, **ADDRESS_ERROR, owners=OWN), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, **TWO_COUNTS), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED, counts={"pc": {"Ip.InAddrErrors": 1}}), "unknown", "nat", Cause.UNKNOWN),
    (evidence(ENDED + ERROR, reporters={"nat": Reporter()}), "dropped", "nat", Cause.TTL_EXCEEDED),
    (evidence(frames("vm1.eth0> sw.p1x sw.p2> nat.eth0x")), "dropped", "sw", Cause.MAC_UNKNOWN),
    (evidence(frames(THERE) + HALF_BACK), "dropped", "host", Cause.NO_RETURN_PATH),
]  # fmt: skip


@pytest.mark.parametrize(("given", "verdict", "at", "cause"), CASES)
def test_what_proves_what(given, verdict, at, cause):
    diagnosis = diagnose(given)
    assert (diagnosis.verdict, diagnosis.at, diagnosis.cause) == (verdict, at, cause)


def test_every_cause_has_a_sentence():
    assert set(phrases.SENTENCES) == set(Cause)


def pictured(given: ProbeEvidence, diagnosis: Diagnosis, language: str = "en") -> str:
    ends = Ends("lab.vm1", "lab.pc", "10.0.0.2", "eth0", "a", "10.0.0.1")
    trace = Trace(TraceRequest("vm1", "pc", ends), "00", 0, False, given.journey, diagnosis)
    return plain(journey(trace, False, language))


def test_what_died_where_it_never_was_was_last_somewhere_else():
    """A rule of pc's ended the question for its MAC address: the packet waited elsewhere."""
    diagnosis = Diagnosis(Verdict.DROPPED, "pc", Cause.FIREWALL, "a rule")
    assert "it never left vm1" in pictured(evidence([]), diagnosis)
    assert "step 3: it came in at eth0" in pictured(evidence(ENDED), diagnosis)


def test_chinese_evidence_is_chinese():
    diagnosis = diagnose(evidence(frames(THERE), **TWIN_TARGETS))
    assert "pc 和 vm2 都有地址 10.0.0.2" in pictured(evidence(frames(THERE)), diagnosis, "zh")


def test_what_is_looked_at_is_what_there_is_to_see():
    assert look_at(Cause.NO_RETURN_PATH, 4, on_a_switch=True) == "bridge fdb"
    assert look_at(Cause.NO_RETURN_PATH, 6, on_a_switch=False) == "ip -6 route"
    assert look_at(Cause.MAC_UNKNOWN, 4, on_a_switch=True) == "bridge fdb"
    assert look_at(Cause.MAC_UNKNOWN, 4, on_a_switch=False) == "ip neighbour"


@pytest.mark.parametrize("language", languages())
def test_the_picture_of_a_death(language, golden):
    given = evidence(ENDED, drops={AT_NAT: RuleDrop("t c: icmp type echo-request drop")})
    diagnosis = diagnose(given)
    golden(f"pictures/trace-{language}.txt", f"{pictured(given, diagnosis, language)}\n")
    assert diagnosis.verdict is Verdict.DROPPED
