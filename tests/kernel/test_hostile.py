"""What a machine of the lab sends breaks nobody who looks: not by its form, and not by how much it is."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from netlab import lab
from netlab.kernel import netns, nft
from netlab.probe import engine, pursuit
from netlab.probe.cause import Cause
from netlab.probe.verdict import Verdict
from tests.machine import NETLAB, inside, viewing
from tests.pace import HANG_SECONDS, SLOWNESS

INTERNET = "203.0.113.80"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "hostile")) as up:
        yield up


@contextmanager
def looking(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on, from the moment when it listens; it is ended with Ctrl-C."""
    command = [*NETLAB, *words, "--lab", "hostile"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = process.stderr.readline()
    assert said.endswith("Ctrl-C ends it\n"), said + process.stderr.read()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.output, process.complaint = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, "fault" in process.complaint) == (0, False), process.complaint


def raw_socket(node: str, protocol: int = 0) -> socket.socket:
    with netns.inside(f"hostile.{node}"):
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, protocol)


TO_ALL = "ffffffffffff 020000000001"
FRAMES = {
    "bare": f"{TO_ALL} 0800",
    "tcp": f"{TO_ALL} 0800 4500001c00010000 40060000 0a000080 cb007150 0401005000000001",
    "error": f"{TO_ALL} 0800 4500002000010000 40010000 0a000080 cb007150 0b00000000000000 4fffffff",
    "arp": f"{TO_ALL} 0806 0001080006040001",
    "dns": f"{TO_ALL} 0800 4500002a00010000 40110000 0a000080 cb007150 1000003500160000"
    "000701000001000000000000 3f61",
    "extensions": f"{TO_ALL} 86dd 6000000000080040 {'fd' * 32} 3cff000000000000",
    "length": f"{TO_ALL} 0800 4500ffff00010000 40110000 0a000080 cb007150 1000100000ff0000",
}


def test_no_packet_of_a_vm_ends_anybody_who_looks():
    """Each is told, as far as it is there, and so is what comes after all of them."""
    with (
        closing(raw_socket("vm1")) as one,
        looking("watch", "--all") as text,
        looking("watch", "--all", "--json") as documents,
        looking("capture", "vm1") as capture,
        viewing("hostile") as (page, _),
    ):
        for frame in FRAMES.values():
            one.sendto(bytes.fromhex(frame), ("eth0", 0))
        inside("hostile.vm1", "ping", "-c1", INTERNET)
        told, captured = "", ""
        while "internet  icmp  vm1" not in told:
            told += text.stdout.readline()
        while json.loads(documents.stdout.readline()).get("kind") != "icmp":
            pass
        while "echo reply" not in captured:
            captured += capture.stdout.readline()
        assert page.poll() is None
    for said in (
        "IPv4 header cut after 0 of 20 bytes",
        "TCP header cut after 8 of 20 bytes",
        "ARP message cut after 8 of 28 bytes",
        "DNS question cut off",
        "IPv6 extension header cut after 8 of 2048 bytes",
        "UDP datagram cut after 8 of 255 bytes",
    ):
        assert said in captured
    assert "TCP header cut after 8 of 20 bytes" in told + text.output


@contextmanager
def flooding(*words: str, node: str = "vm1") -> Iterator[None]:
    """A program that goes on in a VM for the length of a block; without words, a ping as fast as it can."""
    words = words or ("ping", "-q", "-f", INTERNET)
    command = ["ip", "netns", "exec", f"hostile.{node}", *words]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    flood = subprocess.Popen(command, stdout=pipe if STORM in words else nowhere, stderr=nowhere)
    try:
        if STORM in words:
            flood.stdout.readline()
        yield
    finally:
        flood.kill()
        flood.communicate()


class Stopped:
    """A command whose reader has stopped reading."""

    def __init__(self, *words: str) -> None:
        self._pipe = _, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        self.process = subprocess.Popen(
            [*NETLAB, *words], stdout=writing, stderr=subprocess.PIPE, text=True
        )

    def wait_until_it_waits(self) -> None:
        """Its pipe is full."""
        until = time.monotonic() + HANG_SECONDS
        while select.select([], [self._pipe[1]], [], 0)[1]:
            assert time.monotonic() < until
            assert self.process.poll() is None
            time.sleep(0.01)

    def peak(self) -> int:
        """Megabytes of memory, at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def ends_by(self, number: signal.Signals) -> tuple[int, str]:
        """Exit code and complaint; it takes no second."""
        begun = time.monotonic()
        self.process.send_signal(number)
        try:
            _, complaint = self.process.communicate(timeout=HANG_SECONDS)
        finally:
            self.process.kill()
            for end in self._pipe:
                os.close(end)
        assert time.monotonic() - begun < 1.5 * SLOWNESS
        assert "Traceback" not in complaint
        return self.process.returncode, complaint


ENDLESS = (
    ("watch", "--all"),
    ("watch", "--json"),
    ("capture", "--all"),
    ("capture", "--all", "--json"),
    ("capture", "--all", "-w", "-"),
)
BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number", BOTH, ids=lambda number: number.name)
@pytest.mark.parametrize("words", ENDLESS, ids=" ".join)
def test_a_signal_ends_it_in_a_flood_and_while_its_reader_has_stopped(words, number):
    """In a second, in little memory, and what was not told is counted."""
    with flooding():
        command = Stopped(*words, "--lab", "hostile")
        command.wait_until_it_waits()
        time.sleep(1.5)  # For as much to come as it takes in.
        assert command.peak() < 250
        code, complaint = command.ends_by(number)
    assert code == 0
    assert "frames were not told: they still waited at the end" in complaint


@pytest.mark.parametrize("number", BOTH, ids=lambda number: number.name)
def test_a_file_gets_what_there_is_time_for(number, tmp_path):
    file = tmp_path / "flood.pcapng"
    with flooding():
        command = Stopped("capture", "--all", "-w", str(file), "--lab", "hostile")
        while not file.exists() or file.stat().st_size < 1_000_000:
            assert command.process.poll() is None
        code, complaint = command.ends_by(number)
    assert code == 0
    said = int(complaint.split(" packets captured")[0].split()[-1])
    read = subprocess.run(["capinfos", "-Mc", str(file)], capture_output=True, text=True)
    assert int(read.stdout.split()[-1]) == said


@pytest.mark.parametrize("number", BOTH, ids=lambda number: number.name)
def test_a_page_in_a_flood_ends_by_a_signal(number):
    with flooding(), viewing("hostile") as (page, url):
        host, _, path = url.removeprefix("http://").partition("/")
        with socket.create_connection(host.split(":")) as browser:  # Which reads nothing.
            browser.sendall(f"GET /{path}events HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            time.sleep(1.5)
            begun = time.monotonic()
            page.send_signal(number)
            _, complaint = page.communicate(timeout=HANG_SECONDS)
            assert time.monotonic() - begun < 1.5 * SLOWNESS
    assert page.returncode == 0, complaint


LONG = (
    ("schema",),
    ("plan", "three-modes"),
    ("graph", "three-modes", "--format", "svg"),
    ("show", "firewall", "--watch", "--lab", "hostile"),
    ("trace", "vm1", "internet", "--json", "--lab", "hostile"),
    ("verify", "--json", "--lab", "hostile"),
)


@pytest.mark.parametrize("number", BOTH, ids=lambda number: number.name)
@pytest.mark.parametrize("words", LONG, ids=lambda words: " ".join(words[:2]))
def test_a_signal_ends_every_command_whose_reader_has_stopped(words, number):
    command = Stopped(*words)
    command.wait_until_it_waits()
    code, complaint = command.ends_by(number)
    watches = "--watch" in words
    assert code in ((0, 130) if watches else (-signal.SIGTERM, 130)), complaint


STORM = """
import random, socket, sys
kind, interface = sys.argv[1:]
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
one.bind((interface, 3))
mac = bytes.fromhex("020000000099")
everybody = b"\\xff" * 6 + mac
arp = bytes.fromhex("0806000108000604 0001") + mac + bytes([10, 0, 0, 99]) + bytes(6) + b"\\x0a\\x00"
syn = bytes.fromhex("0800450000280001000040060000")
known = []
print("ready", flush=True)
while True:
    two = random.randrange(1 << 16).to_bytes(2)
    if kind == "scan":
        frame = everybody + arp + two
    elif kind == "broadcasts":
        frame = everybody + b"\\x08\\x00" + bytes(100)
    elif kind == "syns":
        ends = b"\\x0a\\x00" + two + bytes.fromhex("cb007150") + two
        frame = everybody + syn + ends + bytes.fromhex("00500000000100000000500220000000 0000")
    else:
        try:
            seen = one.recv(2000, socket.MSG_DONTWAIT)
            if b" netlab probe" in seen:
                known.append(seen[6:12] + seen[:6] + seen[12:])
        except OSError:
            pass
        frame = random.choice(known[-9:]) if known else b""
    try:
        one.send(frame)
    except OSError:
        pass
"""
ASKS_FOR_EVER = "while :; do ip neigh flush dev eth0; ping -c1 -W0.2 10.0.0.77; done"
STORMS = {
    "ping -f": ("ping", "-q", "-f", INTERNET),
    "one address": ("bash", "-c", ASKS_FOR_EVER),
    **{
        kind: (sys.executable, "-c", STORM, kind, "eth0") for kind in ("scan", "broadcasts", "syns")
    },
}


@contextmanager
def dropping(match: str) -> Iterator[None]:
    """Echo requests to vm1, silently."""
    rule = f"type filter hook input priority 0; icmp type echo-request {match} drop;"
    nft.create("hostile.vm1", f"table ip extra {{\nchain c {{\n{rule}\n}}\n}}")
    try:
        yield
    finally:
        nft.delete_table("hostile.vm1", "ip", "extra")


@pytest.mark.parametrize("storm", STORMS)
def test_verify_and_trace_end_whatever_goes_on_and_say_what_is_true(storm, running):
    """One pair is dropped silently, so that it has to be waited for."""
    with dropping("ip saddr 10.0.0.129"), flooding(*STORMS[storm], node="vm2"):
        begun = time.monotonic()
        results = lab.verify(running)
        assert time.monotonic() - begun < 15 * SLOWNESS
        traced = lab.trace(running, "vm1", "internet")
        begun = time.monotonic()
        silent = lab.trace(running, "vm2", "vm1")
        assert time.monotonic() - begun < 15 * SLOWNESS
    failed = {
        (one.expectation.source.name, one.expectation.target.name): one
        for one in results
        if not one.passed
    }
    assert failed.keys() == {("vm2", "vm1")} or all(
        one.outcome.verdict is Verdict.UNKNOWN for one in failed.values()
    )
    assert traced.finding.verdict in (Verdict.ANSWERED, Verdict.UNKNOWN)
    assert silent.finding.verdict is Verdict.UNKNOWN or silent.finding.cause is Cause.FIREWALL


def test_who_sends_netlabs_own_packets_again_for_ever_is_not_waited_for(running, monkeypatch):
    monkeypatch.setattr(engine, "_LONGEST_SECONDS", 2)
    monkeypatch.setattr(pursuit, "_LONGEST_SECONDS", 2)
    with flooding(sys.executable, "-c", STORM, "again", "eth0", node="vm2"):
        begun = time.monotonic()
        results = lab.verify(running)
        lab.trace(running, "vm1", "vm2")
        assert time.monotonic() - begun < 30 * SLOWNESS
    assert {one.outcome.verdict for one in results if not one.passed} <= {Verdict.UNKNOWN}
    assert any("somebody sends them again" in one.outcome.why for one in results)


@pytest.mark.parametrize("words", [("verify",), ("trace", "vm1", "10.0.0.99")], ids=" ".join)
@pytest.mark.parametrize("storm", ["ping -f", "scan"])
def test_a_signal_ends_verify_and_trace_in_a_storm(storm, words):
    with dropping(""), flooding(*STORMS[storm], node="vm2"):
        process = subprocess.Popen(
            [*NETLAB, *words, "--lab", "hostile"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while not any(
            "netlab_trace_" in nft.read(f"hostile.{node}") for node in ("host", "router")
        ):
            assert process.poll() is None
        begun = time.monotonic()
        process.terminate()
        process.communicate(timeout=HANG_SECONDS)
        assert time.monotonic() - begun < 1.5 * SLOWNESS
    assert process.returncode in (0, 1, 130)
