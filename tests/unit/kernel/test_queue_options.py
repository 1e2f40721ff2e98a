"""Options of queues, as the kernel takes them: held against the bytes that `tc` of iproute2 sends."""

from __future__ import annotations

import struct

import pytest

from netlab.kernel.netlink.codec import Reader, encode
from netlab.kernel.netlink.missing_queues import netem_options, queue_msg
from netlab.kernel.netlink.objects import queues
from netlab.plan.resources import Queue

SLOW = Queue("lab.vm1", "eth0", 10_000_000)
LATE = Queue("lab.vm1", "eth0", None, 50_000, 1_000)
BOTH = Queue("lab.vm1", "eth0", 10_000_000, 50_000, 1_000)
HEADER = bytes(16)


def options(kind: str, body) -> bytes:
    """As they stand in a message."""
    message = encode(queue_msg, {"attrs": [("TCA_KIND", kind), ("TCA_OPTIONS", body)]})
    return Reader(queue_msg, attributes=("TCA_OPTIONS",)).attributes(HEADER + message)[
        "TCA_OPTIONS"
    ]


@pytest.mark.parametrize("queue", [LATE, BOTH])
def test_netem_comes_back_as_it_was(queue):
    sent = options("netem", queues._netem(queue))
    assert queues._decoded(Queue("lab.vm1", "eth0"), "netem", sent) == queue


def test_tbf_comes_back_as_it_was():
    sent = options("tbf", queues._tbf(SLOW))
    assert queues._decoded(Queue("lab.vm1", "eth0"), "tbf", sent) == SLOW


@pytest.mark.parametrize("queue", [SLOW, LATE, BOTH])
def test_a_queue_of_a_plan_is_known_as_one(queue):
    kind = "netem" if queue.latency else "tbf"
    body = queues._netem(queue) if queue.latency else queues._tbf(queue)
    if kind == "tbf":  # The kernel tells the burst in ticks of 64 ns.
        body["attrs"][0][1]["buffer"] = int(5000 / 1_250_000 / 64e-9)
    assert queues.is_planned(kind, options(kind, body))


@pytest.mark.parametrize(
    "changed",
    [
        {"loss": 1},
        {"limit": 2},
        {"attrs": [("TCA_NETEM_CORRUPT", {"prob_corrupt": 1})]},
        {"attrs": [("TCA_NETEM_REORDER", {"prob_reorder": 1})]},
    ],
)
def test_a_netem_by_hand_is_not_a_plan_s(changed):
    assert not queues.is_planned("netem", options("netem", {**queues._netem(LATE), **changed}))


def test_netem_with_nothing_but_zeros_is_a_plan_s():
    """So the kernel shows it."""
    body = queues._netem(LATE)
    zeros = [("TCA_NETEM_CORR", {}), ("TCA_NETEM_REORDER", {}), ("TCA_NETEM_CORRUPT", {})]
    assert queues.is_planned("netem", options("netem", {**body, "attrs": [*body["attrs"], *zeros]}))


@pytest.mark.parametrize(
    "changed", [{"limit": 40}, {"buffer": 1}, {"peak": 1}, {"rate": 1}, {"rate": 0}]
)
def test_a_tbf_by_hand_is_not_a_plan_s(changed):
    body = queues._tbf(SLOW)
    body["attrs"][0][1].update({"buffer": int(5000 / 1_250_000 / 64e-9), **changed})
    assert not queues.is_planned("tbf", options("tbf", body))


def test_netem_s_options_are_laid_out_as_tc_s():
    """`tc qdisc replace … netem delay 50ms 1ms rate 10mbit limit 1000`, but for the ticks."""
    tc = bytes.fromhex(
        "c2eb0b00 e8030000 00000000 00000000 00000000 093d0000"
        "14000600 d0121300 00000000 00000000 00000000"
    )
    ours = options("netem", queues._netem(BOTH))
    assert ours[4:20] == tc[4:20]
    reader = Reader(
        netem_options,
        attributes=("TCA_NETEM_RATE", "TCA_NETEM_LATENCY64", "TCA_NETEM_JITTER64"),
    )
    found = reader.attributes(ours)
    assert found["TCA_NETEM_RATE"] == reader.attributes(tc)["TCA_NETEM_RATE"]
    nanoseconds_of_a_tick = 64
    ticks = struct.unpack_from("I", tc)[0], struct.unpack_from("I", tc, 20)[0]
    wanted = [count * nanoseconds_of_a_tick for count in ticks]
    assert [found["TCA_NETEM_LATENCY64"], found["TCA_NETEM_JITTER64"]] == wanted


def test_tbf_s_options_are_laid_out_as_tc_s():
    """`tc qdisc add … tbf rate 10mbit burst 5000b latency …`: a rate, its link layer, a limit, a burst."""
    sent = options("tbf", queues._tbf(SLOW))
    assert sent[:4] == struct.pack("HH", 40, 1)
    assert struct.unpack_from("BBHhHI", sent, 4) == (0, 1, 0, 0, 0, 1_250_000)
    assert struct.unpack_from("III", sent, 28) == (125_000, 0, 0)
    assert struct.unpack_from("HHI", sent, 40) == (8, 6, 5000)
