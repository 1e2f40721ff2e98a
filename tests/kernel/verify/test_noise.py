"""What others do in a lab at the same time: it changes no verdict, and keeps no measurement from ending."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import Interrupted
from netlab.kernel.namespaces import netns
from netlab.kernel.signals import deferred_signals
from tests.kernel.faults import await_count, changed, program, rules
from tests.pace import SLOWNESS

ARP = """
import socket, struct
s = socket.socket(17, 3); s.bind(("eth0", 0x806))
mac = bytes.fromhex(open("/sys/class/net/eth0/address").read().strip().replace(":", ""))
head = b"\\xff" * 6 + mac + b"\\x08\\x06\\x00\\x01\\x08\\x00\\x06\\x04\\x00\\x01" + mac
n = 0
while True:
    n += 1
    asked = struct.pack("!I", 0x0A000000 + n % (1 << 24))
    try: s.send(head + socket.inet_aton("10.0.0.129") + bytes(6) + asked)
    except OSError: pass
"""
NOISES = {
    "questions for one address after the other": ("python3", "-c", ARP),
    "a question again and again": ("arping", "-q", "-i", "eth0", "-W", "0.01", "10.0.0.78"),
    "a failing ping again and again": (
        *("sh", "-c"),
        "while :; do ip neigh flush dev eth0; ping -c1 -W0.2 10.0.0.77; done",
    ),
    "a flood of pings": ("ping", "-f", "-q", "203.0.113.80"),
}


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "noise")) as up:
        yield up


@pytest.fixture(params=NOISES)
def noise(request) -> Iterator[str]:
    """vm2 is busy."""
    counted = "Icmp.InMsgs" if "flood" in request.param else ""
    with program("noise.vm2", *NOISES[request.param]):
        if counted:
            await_count("noise.vm2", counted)
        yield request.param


def test_no_verdict_changes(running, noise):
    assert [result for result in lab.verify(running) if not result.passed] == []
    assert lab.trace(running, "vm1", "internet").diagnosis.verdict is Verdict.ANSWERED


def test_who_is_asked_for_in_vain_is_told_as_before(running, noise):
    """Where questions are too many to be heard, the tables of neighbours tell."""
    one = lab.trace(running, "vm1", "10.0.0.99").diagnosis
    assert (one.at, one.cause) == ("vm1", Cause.ARP_UNANSWERED), one


def test_what_is_dropped_without_a_word_is_not_waited_for_without_end(running, noise):
    """What would drop it there counts nothing, as far as the first look goes."""
    silent = "tc qdisc add dev wan0 root pfifo limit 0", "tc qdisc del dev wan0 root"
    with changed("noise.router", *silent):
        (result,) = lab.verify(running, expectations=lab.pairs(running, ["vm1"], ["internet"]))
    assert (result.outcome.verdict, result.outcome.at) == (Verdict.DROPPED, "router")


@contextmanager
def signalled(after: float) -> Iterator[Callable[[], float]]:
    """SIGTERM comes in the block after so many seconds; gives a function: how long ago that is."""
    sent = []

    def send() -> None:
        sent.append(time.monotonic())
        signal.raise_signal(signal.SIGTERM)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        yield lambda: time.monotonic() - sent[0]
    finally:
        timer.cancel()
        timer.join()


@pytest.mark.parametrize("after", [0.1, 0.5])
@pytest.mark.parametrize("command", ["verify", "trace"])
def test_a_signal_ends_it_within_a_second(running, noise, command, after):
    drop = rules("noise.vm1", "input", "icmp type echo-request drop", kind="filter -500")
    with drop, deferred_signals(), signalled(after) as ago, pytest.raises(Interrupted):
        while True:  # Until the signal comes.
            if command == "verify":
                lab.verify(running)
            else:
                lab.trace(running, "vm2", "vm1")
    assert ago() < SLOWNESS
    assert netns.inode("noise.vm1")
