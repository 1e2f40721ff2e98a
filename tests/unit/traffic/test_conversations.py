"""Which packet a frame is, and which exchange it belongs to; without a kernel. Frames are scapy's."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from netlab.packets.tap import Sighting
from netlab.report.traffic.conversation_lines import counts_line, line
from netlab.traffic import conversations
from netlab.traffic.conversations import (
    ORPHAN,
    UNREPORTED,
    Conversation,
    ConversationState,
    ConversationTracker,
)
from netlab.traffic.packet_key import identify
from tests.unit.world import CABLES, NAT_CABLE, network, sighting

MAP = network(*CABLES, "vm2.eth0 sw.p3", nat_cables=[NAT_CABLE], macs={"sw": "00:50:56:00:00:07"})
INSIDE = {"src": "10.0.0.128", "dst": "203.0.113.80"}
OUTSIDE = {"src": "192.168.1.100", "dst": "203.0.113.80", "ttl": 62}
MS = 1_000_000


def key(*layers: Packet) -> tuple[object, ...]:
    frame = Ether(src="00:0c:29:00:00:01", dst="00:50:56:00:00:02")
    for layer in layers:
        frame = frame / layer
    return identify(bytes(frame)).key


ECHO = ICMP(id=1, seq=5) / b"payload"
SEGMENT = {"dport": 80, "seq": 7, "ack": 9, "flags": "A"}
QUERY = DNS(id=7, qd=DNSQR(qname="www.example.com"))


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (ECHO, ICMP(id=0xA5EF, seq=5) / b"payload"),
        (TCP(sport=4000, **SEGMENT) / b"x", TCP(sport=1024, **SEGMENT) / b"x"),
        (UDP(sport=4000, dport=9) / b"x", UDP(sport=1024, dport=9) / b"x"),
        (UDP(sport=4000) / QUERY, UDP(sport=1024) / QUERY),
        (ICMP(type=11) / IP(id=3, **INSIDE) / ECHO, ICMP(type=11) / IP(id=3, **OUTSIDE) / ECHO),
    ],
    ids=["echo", "tcp", "udp", "dns", "error"],
)
def test_nat_leaves_a_packets_key_alone(inside, outside):
    assert key(IP(id=77, **INSIDE), inside) == key(IP(id=77, **OUTSIDE), outside)
    assert key(IP(id=78, **INSIDE), inside) != key(IP(id=77, **OUTSIDE), outside)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ECHO, ICMP(id=1, seq=6) / b"payload"),
        (ECHO, ICMP(id=1, seq=5) / b"another"),
        (ECHO, ICMP(type=0, id=1, seq=5) / b"payload"),
        (TCP(sport=4000, **SEGMENT), TCP(sport=4000, **{**SEGMENT, "flags": "FA"})),
        (TCP(sport=4000, **SEGMENT), TCP(sport=4000, **SEGMENT) / b"x"),
        (UDP(sport=4000, dport=9) / b"x", UDP(sport=4000, dport=9) / b"y"),
    ],
)
def test_other_packets_have_other_keys(first, second):
    assert key(IP(id=77, **INSIDE), first) != key(IP(id=77, **INSIDE), second)


def test_frames_without_ip_have_keys_and_ends():
    messages = ARP(psrc="10.0.0.1", pdst="10.0.0.2"), ARP(op=2, psrc="10.0.0.2", pdst="10.0.0.1")
    asked, answered = (identify(bytes(Ether() / arp)) for arp in messages)
    assert asked.ends == answered.ends
    assert asked.key != answered.key
    assert identify(bytes(Ether() / Dot1Q(vlan=7) / IP(**INSIDE))).kind == "other"
    assert identify(b"").kind == "other"
    offer = BOOTP(op=2, xid=9, chaddr=b"\x00\x0c\x29\x00\x00\x01") / DHCP(
        options=[("message-type", "offer"), "end"]
    )
    discover = BOOTP(xid=9, chaddr=b"\x00\x0c\x29\x00\x00\x01") / DHCP(
        options=[("message-type", "discover"), "end"]
    )
    ends = [
        identify(bytes(Ether() / IP() / UDP(sport=a, dport=b) / message))
        for a, b, message in ((68, 67, discover), (67, 68, offer))
    ]
    assert ends[0].ends == ends[1].ends
    assert ends[0].source == ends[1].target


def test_a_frame_that_has_been_cut_off_is_as_long_as_it_was():
    whole = bytes(Ether() / IP(id=77, **INSIDE) / TCP(**SEGMENT) / bytes(5000))
    assert identify(whole).octets == identify(whole[:160], len(whole)).octets == 5000
    assert identify(whole).key == identify(whole[:160], len(whole)).key


class Lab:
    """Frames at points of the lab, and what is told of them."""

    def __init__(self, *shown: str) -> None:
        self.now = self.since = 0
        self.tracker = ConversationTracker(lambda: MAP, shown, lambda namespace: self.since)

    def see(self, points: str, *layers: Packet, mac: str = "00:0c:29:00:00:01") -> None:
        """`vm1.eth0> sw.p1<`: a packet, in this order, 1 ms apart."""
        frame: Packet = Ether(src=mac, dst="00:50:56:00:00:02")
        for layer in layers:
            frame = frame / layer
        for word in points.split():
            self.now += MS
            self.tracker.take([sighting(word, self.now, bytes(frame))])

    def ended(self, now: int | None = None) -> list[Conversation]:
        return list(self.tracker.ended(now))


TO_PC = {"src": "10.0.0.1", "dst": "10.0.0.9"}


def test_equal_packets_of_two_senders_are_told_apart_by_their_way():
    """One IP id, one content; they meet on the NAT device."""
    lab = Lab()
    first, second = ({"src": f"10.0.0.{n}", "dst": "10.0.0.9"} for n in (1, 2))
    lab.see("vm1.eth0> sw.p1<", IP(id=0, **first), ECHO)
    lab.see("vm2.eth0> sw.p3< sw.p2> nat.eth0<", IP(id=0, **second), ECHO)
    lab.see("sw.p2> nat.eth0<", IP(id=0, **first), ECHO)
    lab.see("nat.up> host.down< host.lan>", IP(id=0, **first), ECHO)
    lab.see("nat.up> host.down< host.lan> pc.eth0<", IP(id=0, **second), ECHO)
    ways = {
        conversation.origin: [step.node for step in conversation.there]
        for conversation in lab.ended()
    }
    assert ways == {"vm1": ["vm1", "sw", "nat"], "vm2": ["vm2", "sw", "nat", "pc"]}


def test_a_packet_that_is_sent_again_is_another_one():
    lab = Lab()
    for _ in range(2):
        lab.see(
            "vm1.eth0> sw.p1< sw.p2> nat.eth0<", IP(id=1, **TO_PC), UDP(sport=5, dport=9) / b"x"
        )
    (conversation,) = lab.ended()
    assert conversation.packets == (2, 0)
    assert [step.node for step in conversation.there] == ["vm1", "sw", "nat"]


def test_what_a_switch_floods_is_one_packet_and_machines_drop_what_is_not_for_them():
    lab = Lab()
    lab.see("vm1.eth0> sw.p1< sw.p2> sw.p3> nat.eth0<", IP(id=1, **TO_PC), ECHO)
    lab.see("vm2.eth0x", IP(id=1, **TO_PC), ECHO)
    (conversation,) = lab.ended()
    assert [step.node for step in conversation.there] == ["vm1", "sw", "nat"]


def test_an_answer_is_told_when_it_is_home_and_silence_after_a_second():
    lab = Lab()
    back = {"src": TO_PC["dst"], "dst": TO_PC["src"]}
    lab.see("vm1.eth0> sw.p1< sw.p3> vm2.eth0<", IP(id=1, **TO_PC), ECHO)
    lab.see("vm2.eth0> sw.p3< sw.p1>", IP(id=2, **back), ICMP(type=0, id=1, seq=5) / b"payload")
    assert not lab.ended(lab.now)
    lab.see("vm1.eth0<", IP(id=2, **back), ICMP(type=0, id=1, seq=5) / b"payload")
    (conversation,) = lab.ended(lab.now)
    assert (conversation.result, conversation.took) == (ConversationState.ANSWERED, 7 * MS)
    assert line(conversation, {}).endswith("✔ vm1 → vm2  icmp  vm1·sw·vm2  and back 7.00 ms")
    lab.see("vm1.eth0> sw.p1<", IP(id=3, **TO_PC), ICMP(id=1, seq=6))
    assert not lab.ended(lab.now + 999 * MS)
    (conversation,) = lab.ended(lab.now + 1001 * MS)
    assert conversation.result is ConversationState.SILENT
    assert line(conversation, {}).endswith("✘ vm1 → 10.0.0.9  icmp  vm1·sw  no reply")


def test_late_copies_are_not_told_again():
    lab = Lab()
    back = {"src": TO_PC["dst"], "dst": TO_PC["src"]}
    answer = ICMP(type=0, id=1, seq=5) / b"payload"
    lab.see("vm1.eth0> sw.p1< sw.p3> vm2.eth0<", IP(id=1, **TO_PC), ECHO)
    lab.see("vm2.eth0> sw.p3< sw.p1> vm1.eth0< sw.p2> nat.eth0<", IP(id=2, **back), answer)
    assert len(lab.ended()) == 1


def test_a_question_is_relayed_only_by_the_one_who_was_asked():
    lab = Lab()
    server = {"src": "10.0.0.1", "dst": "10.0.0.2"}
    lab.see("vm1.eth0> sw.p1< sw.p2> nat.eth0<", IP(id=1, **server), UDP(sport=5) / QUERY)
    lab.see("vm2.eth0> sw.p3< sw.p2> nat.eth0<", IP(id=2, **TO_PC), UDP(sport=6) / QUERY)
    lab.see("nat.up> host.down<", IP(id=3, src="1.1.1.1", dst="8.8.8.8"), UDP(sport=7) / QUERY)
    unanswered, relayed = lab.ended()
    assert (unanswered.origin, unanswered.relayed, relayed.origin) == ("vm1", (), "vm2")
    assert [step.node for step in relayed.relayed[0].there] == ["nat", "host"]
    assert line(unanswered, {}).endswith(
        "✘ vm1 → 10.0.0.2  dns www.example.com  vm1·sw·nat  no reply"
    )
    assert line(relayed, {}).endswith("vm2·sw·nat  relayed by nat·host, no reply")


def test_nothing_is_remembered_for_ever():
    lab = Lab()
    lab.see("vm1.eth0> sw.p1<", IP(id=1, **TO_PC), ECHO)
    lab.see("vm1.eth0> sw.p1<", IP(id=2, **TO_PC), TCP(sport=4000, **SEGMENT))
    lab.see("sw.p1<", IP(id=3, **TO_PC), UDP(sport=5) / QUERY)
    lab.see("vm1.eth0> sw.p1<", ARP(psrc="10.0.0.1", pdst="10.0.0.9"))
    assert len(lab.ended()) == 2
    remembered = {
        name: value
        for name, value in vars(lab.tracker).items()
        if name.startswith("_") and hasattr(value, "__len__") and name != "_background"
    }
    # A silent connection may go on.
    assert {name: len(value) for name, value in remembered.items() if value} == {}


def test_what_keeps_the_network_going_is_counted():
    lab = Lab()
    lab.see("vm1.eth0> sw.p1< sw.p2> nat.eth0<", ARP(psrc="10.0.0.1", pdst="10.0.0.2"))
    lab.see("vm1.eth0> sw.p1<", IP(src="10.0.0.1", dst="224.0.0.22", proto=2))
    assert not lab.ended()
    assert lab.tracker.counted == {"arp": 1, "other": 1}
    assert counts_line(lab.tracker.counted, 0).endswith(
        "… 1 ARP, 1 other (--arp tells ARP, --all tells all)"
    )


def test_a_question_to_everybody_is_shown_as_a_branch():
    lab = Lab("arp")
    lab.see(
        "vm1.eth0> sw.p1< sw.p2> sw.p3> nat.eth0< vm2.eth0<", ARP(psrc="10.0.0.1", pdst="10.0.0.9")
    )
    (conversation,) = lab.ended()
    assert line(conversation, {}).endswith(
        "✘ vm1 → 10.0.0.9  arp 10.0.0.9  vm1·sw·nat, vm2  no reply"
    )


BACK = {"src": TO_PC["dst"], "dst": TO_PC["src"]}
REPLY = ICMP(type=0, id=1, seq=5) / b"payload"
THROUGH = "sw.p1< sw.p2> nat.eth0< nat.up> host.down< host.lan> pc.eth0<"
HOME = "pc.eth0> host.lan< host.down> nat.up< nat.eth0> sw.p2< sw.p1> vm1.eth0<"


@pytest.mark.parametrize("first", range(7))
def test_a_packet_under_way_when_the_taps_open_has_no_sender(first):
    """Wherever it was then: on a cable, in a switch, or in a machine that forwards it."""
    lab = Lab()
    after = " ".join(THROUGH.split()[first:])
    for asked, answer in (
        (ECHO, REPLY),
        (UDP(sport=5, dport=7001) / b"x", UDP(sport=7001, dport=5) / b"y"),
    ):
        lab.since = lab.now + MS + 1  # The first sighting is a moment before.
        lab.see(after, IP(id=lab.now // MS, **TO_PC), asked)
        lab.see(HOME, IP(id=lab.now // MS, **BACK), answer)
    assert lab.ended() == []
    assert lab.tracker.counted == {ORPHAN: 4}


@pytest.mark.parametrize(
    "answer", [REPLY, UDP(sport=53, dport=5) / DNS(id=7, qr=1, qd=DNSQR(qname="www.example.com"))]
)
def test_an_answer_to_a_question_that_nobody_saw_begins_nothing(answer):
    lab = Lab()
    lab.see(HOME, IP(id=2, **BACK), answer)
    assert lab.ended() == []
    assert lab.tracker.counted == {ORPHAN: 1}
    assert counts_line(lab.tracker.counted, 0).endswith("  … 1 of what had begun unseen")


def test_an_announcement_by_arp_is_no_answer_but_for_the_first_second():
    answer = ARP(op=2, psrc="10.0.0.1", pdst="10.0.0.9")
    lab = Lab("arp")
    lab.see("vm1.eth0> sw.p1<", answer)
    assert lab.ended() == []
    lab.now += 1000 * MS
    lab.see("vm1.eth0> sw.p1<", answer)
    (conversation,) = lab.ended()
    assert conversation.origin == "vm1"


def test_a_switch_may_begin_too():
    lab = Lab("other")
    lab.see("sw.p1> vm1.eth0<", IP(**TO_PC, proto=2), mac=MAP.macs["sw"])
    lab.see("sw.p2> nat.eth0<", IP(src="10.0.0.3", dst="10.0.0.9", proto=2) / b"x")
    (conversation,) = lab.ended()
    assert (conversation.origin, conversation.fields["ip.protocol"]) == ("sw", "2")
    assert lab.tracker.counted == {ORPHAN: 1}


def test_a_connection_that_was_open_before_is_told_as_such():
    lab = Lab()
    segments = {"sport": 4000, "dport": 80}
    lab.see("sw.p1< sw.p2>", IP(id=1, **TO_PC), TCP(**segments, flags="A", seq=1))
    lab.see(f"vm1.eth0> {THROUGH}", IP(id=2, **TO_PC), TCP(**segments, flags="A", seq=2))
    (conversation,) = lab.ended(lab.now + 2000 * MS)
    assert (conversation.origin, conversation.midway, conversation.goes_on) == ("vm1", True, True)
    assert line(conversation, {}).endswith("no reply, begun before, open")
    lab.see(f"vm1.eth0> {THROUGH}", IP(id=3, **TO_PC), TCP(**segments, flags="S", seq=3))
    (conversation,) = lab.ended(lab.now + 2000 * MS)
    assert (conversation.midway, conversation.packets) == (False, (1, 0))
    assert lab.tracker.counted == {ORPHAN: 1}
    # The second one's end, and then the end of watching, which is that of the first.
    lab.see(f"vm1.eth0> {THROUGH}", IP(id=4, **TO_PC), TCP(**segments, flags="FR", seq=4))
    lab.ended(lab.now + 10_000 * MS)
    assert all(not conversation.midway for conversation in lab.ended())


def test_who_answers_where_nobody_looks_is_named_by_its_address():
    """A machine that has just been added: its switch is not the one that answered."""
    lab = Lab()
    lab.see("vm1.eth0> sw.p1< sw.p3>", IP(id=1, **TO_PC), ECHO)
    lab.see("sw.p3< sw.p1> vm1.eth0<", IP(id=2, **BACK), REPLY)
    (conversation,) = lab.ended()
    assert "✔ vm1 → vm9  icmp  vm1·sw  and back" in line(conversation, {"10.0.0.9": "vm9"})


def test_what_has_gone_from_a_lab_can_still_be_told():
    now = replace(
        MAP,
        nodes={
            namespace: node for namespace, node in MAP.nodes.items() if node not in ("vm2", "sw")
        },
        switches=frozenset(),
        macs={},
        peers={
            end: peer
            for end, peer in MAP.peers.items()
            if {"vm2", "sw"}.isdisjoint({end.node, peer})
        },
    )
    assert now.after(MAP) == replace(MAP, peers=now.after(MAP).peers)
    assert now.after(MAP).peers == MAP.peers
    turned = replace(MAP, switches=frozenset(), macs={})
    assert turned.after(MAP).switches == frozenset()


def wire(*layers: Packet) -> bytes:
    """A frame between the two MAC addresses that all frames here have."""
    frame: Packet = Ether(src="00:0c:29:00:00:01", dst="00:50:56:00:00:02")
    for layer in layers:
        frame = frame / layer
    return bytes(frame)


class Flood(Lab):
    """Frames that are built once, and differ in some numbers: scapy takes a millisecond for each."""

    def pass_by(self, points: str, frame: bytes, number: int, *offsets: int) -> None:
        """Along these points, 10 µs apart, with the number in two bytes at each of the places."""
        data = bytearray(frame)
        for offset in offsets:
            data[offset : offset + 2] = (number & 0xFFFF).to_bytes(2)
        for word in points.split():
            self.now += MS // 100
            node, _, point = word.partition(".")
            way = point[:-1], point[-1] == ">", False
            self.tracker.take([Sighting(self.now, f"lab.{node}", *way, bytes(data))])


IP_ID, SENDER, PORT, SEQUENCE, DNS_ID = 18, 28, 34, 40, 42
"""Where two bytes of them stand in a frame of IPv4."""


def test_what_has_been_told_takes_up_no_memory():
    """20,000 exchanges, with the collector of cycles switched off: nothing is left for it."""
    lab, sizes = Flood(), []
    question, answer = wire(IP(**TO_PC), ECHO), wire(IP(**BACK), REPLY)
    gc.collect()
    gc.disable()
    try:
        for number in range(20_000):
            lab.pass_by("vm1.eth0> sw.p1<", question, number, IP_ID, SEQUENCE)
            lab.pass_by("sw.p1> vm1.eth0<", answer, number, IP_ID, SEQUENCE)
            lab.now += 10 * MS
            assert len(lab.ended(lab.now)) == 1
            if number % 5000 == 4999:
                sizes.append(len(gc.get_objects()))
        assert gc.collect() < 100
    finally:
        gc.enable()
    assert max(sizes) - min(sizes) < 1000


FLOODS = {
    "echo": (wire(IP(**TO_PC), ECHO), IP_ID, SENDER, SEQUENCE),
    "scan": (wire(IP(**TO_PC), TCP(dport=80, flags="S")), IP_ID, SENDER, PORT),
    "dns": (wire(IP(**TO_PC), UDP() / QUERY), IP_ID, SENDER, PORT, DNS_ID),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_more_exchanges_than_are_remembered_are_counted(flood, monkeypatch):
    """Nobody answers, and a connection might go on for minutes."""
    monkeypatch.setattr(conversations, "_MOST_FLOWS", 200)
    monkeypatch.setattr(conversations, "_MOST_PACKETS", 100)
    lab, reported = Flood(), 0
    frame, *offsets = FLOODS[flood]
    for number in range(1500):
        lab.pass_by("vm1.eth0> sw.p1<", frame, number, *offsets)
        if number == 700:
            lab.now += 2000 * MS
            reported += len(lab.ended(lab.now))
            assert reported == 200
    assert len(lab.tracker._open) + len(lab.tracker._idle) == 200
    reported += len(lab.ended())
    assert lab.tracker.counted[UNREPORTED] + reported == 1500
    assert "exchanges not told, which were too many at once" in counts_line(lab.tracker.counted, 0)


def test_what_there_is_no_time_for_is_counted():
    lab = Flood()
    frame, *offsets = FLOODS["echo"]
    for number in range(30):
        lab.pass_by("vm1.eth0> sw.p1<", frame, number, *offsets)
    assert len(list(islice(lab.tracker.ended(), 10))) == 10
    lab.tracker.abandon()
    assert lab.tracker.counted[UNREPORTED] == 20
    assert len(lab.ended()) == 20, "who takes only some of it gets the rest the next time"


def test_equal_packets_are_compared_with_few_others(monkeypatch):
    """Or 1,000 of them would be compared 500,000 times."""
    looks: Counter[str] = Counter()
    fits = conversations._PacketPath.fits

    def counted(*arguments: object) -> bool:
        looks["fits"] += 1
        return fits(*arguments)

    monkeypatch.setattr(conversations._PacketPath, "fits", counted)
    lab, frame = Flood(), wire(IP(id=0, **TO_PC), ECHO)
    for _ in range(1000):
        lab.pass_by("vm1.eth0>", frame, 0)
    assert looks["fits"] <= 1000 * conversations._MOST_EQUAL
    assert lab.ended()


def test_questions_that_two_machines_throw_at_each_other_are_no_endless_line():
    """Each seems to be asked because of the one before."""
    lab = Flood()
    first, second = {"src": "10.0.0.1", "dst": "10.0.0.2"}, {"src": "10.0.0.2", "dst": "10.0.0.1"}
    forward, reverse = (wire(IP(**ends), UDP() / QUERY) for ends in (first, second))
    for number in range(3000):
        if number % 2:
            lab.pass_by("vm2.eth0> sw.p3< sw.p1> vm1.eth0<", reverse, number, PORT, DNS_ID)
        else:
            lab.pass_by("vm1.eth0> sw.p1< sw.p3> vm2.eth0<", forward, number, PORT, DNS_ID)
    ended = lab.ended()
    assert len(ended) > 300
    assert max(len(line(conversation, {})) for conversation in ended) < 400
