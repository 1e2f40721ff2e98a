"""A page's view of traffic: a few packets as such, the others as numbers on the wires."""

from __future__ import annotations

import pytest

from netlab.report.traffic.page import DOTS_A_SECOND, KEPT, Traffic

WAY = ("vm1", "vmnet8", "vm2")


def journey(*nodes: str) -> dict:
    fields = {"eth.src": "a", "eth.dst": "b", "ip.src": "10.0.0.128", "ip.dst": "10.0.0.129"}
    fields |= {"ip.protocol": "1", "icmp.type": "8", "icmp.code": "0"}
    step = {"part": "request", "packet": "ICMP echo request", "before": fields}
    return {"steps": [{**step, "node": node} for node in nodes]}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> list[tuple[str, object]]:
    return []


@pytest.fixture
def traffic(clock, events) -> Traffic:
    return Traffic(lambda event, data: events.append((event, data)), clock)


def test_a_packet_is_told_with_its_way(traffic, events):
    traffic.add(journey(*WAY), 1)
    texts = {
        "en": "10.0.0.128 > 10.0.0.129  ICMP echo request",
        "zh": "10.0.0.128 > 10.0.0.129  ICMP 回显请求",
    }
    assert events == [("packet", {"id": 1, "texts": texts, "part": "request", "way": list(WAY)})]


def test_no_more_dots_than_eyes_can_follow_and_the_rest_counted_on_the_wires(
    traffic, events, clock
):
    for _ in range(DOTS_A_SECOND + 70):
        traffic.add(journey(*WAY), 1)
    assert [event for event, _ in events] == ["packet"] * DOTS_A_SECOND
    traffic.count()
    assert len(events) == DOTS_A_SECOND  # Not yet: the counts may not become a flood either.
    clock.now += 0.3
    traffic.count()
    traffic.count()
    assert events[DOTS_A_SECOND:] == [("more", [["vm1", "vmnet8", 70], ["vm2", "vmnet8", 70]])]
    clock.now += 0.7
    traffic.add(journey(*WAY), 1)
    assert events[-1][0] == "packet"


def test_a_connection_is_one_dot_and_its_other_packets_are_counted(traffic, events, clock):
    traffic.add(journey("vm1", "vmnet8", "vm2", "vmnet8", "vm1"), 50)
    clock.now += 0.3
    traffic.count()
    assert [event for event, _ in events] == ["packet", "more"]
    assert events[1][1] == [["vm1", "vmnet8", 48], ["vm2", "vmnet8", 48]]


def test_what_was_not_seen_is_said_once(traffic, events):
    for frames in (0, 0, 7, 7):
        traffic.lose(frames)
    assert events == [("lost", 7)]


def test_the_latest_journeys_can_be_had_by_number(traffic):
    for number in range(KEPT + 1):
        traffic.add(journey(f"vm{number}", "vmnet8"), 1)
    assert traffic.journey(1) is None
    assert traffic.journey(2)["steps"][0]["node"] == "vm1"
    assert traffic.journey(KEPT + 1)["steps"][0]["node"] == f"vm{KEPT}"
    assert traffic.journey(KEPT + 2) is None
