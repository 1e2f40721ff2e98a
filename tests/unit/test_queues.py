"""Options of queues, as the kernel takes them: held against the bytes that `tc` of iproute2 sends."""

from __future__ import annotations

import struct

import pytest

from netlab.kernel import queues
from netlab.kernel.netlink import attributes
from netlab.plan.nouns import Queue

SLOW = Queue("lab.vm1", "eth0", 10_000_000)
LATE = Queue("lab.vm1", "eth0", None, 50_000, 1_000)
BOTH = Queue("lab.vm1", "eth0", 10_000_000, 50_000, 1_000)


@pytest.mark.parametrize("queue", [LATE, BOTH])
def test_netem_comes_back_as_it_was(queue):
    assert queues._decoded(Queue("lab.vm1", "eth0"), "netem", queues._netem(queue)) == queue


def test_tbf_comes_back_as_it_was():
    assert queues._decoded(Queue("lab.vm1", "eth0"), "tbf", queues._tbf(SLOW)) == SLOW


def test_netem_s_options_are_laid_out_as_tc_s():
    """`tc qdisc replace … netem delay 50ms 1ms rate 10mbit limit 1000`, but for the ticks."""
    tc = bytes.fromhex(
        "c2eb0b00 e8030000 00000000 00000000 00000000 093d0000"
        "14000600 d0121300 00000000 00000000 00000000"
    )
    ours = queues._netem(BOTH)
    assert ours[4:20] == tc[4:20]
    theirs, found = dict(attributes(tc[24:])), dict(attributes(ours[24:]))
    assert found[6] == theirs[6]
    nanoseconds_of_a_tick = 64
    ticks = struct.unpack_from("I", tc)[0], struct.unpack_from("I", tc, 20)[0]
    wanted = [count * nanoseconds_of_a_tick for count in ticks]
    assert [struct.unpack("q", found[kind])[0] for kind in (10, 11)] == wanted
