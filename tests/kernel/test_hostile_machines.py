"""What a machine of the lab sends breaks nobody who looks: not by its form, and not by how much it is."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.namespaces import netns
from netlab.kernel.nftables import nft
from netlab.trace import pursuit
from netlab.verify import rounds
from netlab.visible import is_visible
from tests.machine import NETLAB, inside, netlab, viewing
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
    # What waited at the end, or, where a fast machine has told all that, what had found no room.
    assert re.search("[0-9]+ (frames were not told|packets were lost)", complaint), complaint


def size(file: Path) -> int:
    """Bytes; none of a file that is not there. It may come and go: whether it can be made is tried first."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("number", BOTH, ids=lambda number: number.name)
def test_a_file_gets_what_there_is_time_for(number, tmp_path):
    file = tmp_path / "flood.pcapng"
    with flooding():
        command = Stopped("capture", "--all", "-w", str(file), "--lab", "hostile")
        while size(file) < 1_000_000:
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
            time.sleep(1.5)  # For as much to wait as it keeps.
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
    assert traced.diagnosis.verdict in (Verdict.ANSWERED, Verdict.UNKNOWN)
    assert silent.diagnosis.verdict is Verdict.UNKNOWN or silent.diagnosis.cause is Cause.FIREWALL


def test_who_sends_netlabs_own_packets_again_for_ever_is_not_waited_for(running, monkeypatch):
    monkeypatch.setattr(rounds, "_LONGEST_SECONDS", 2)
    monkeypatch.setattr(pursuit, "_LONGEST_SECONDS", 2)
    with flooding(sys.executable, "-c", STORM, "again", "eth0", node="vm2"):
        for _ in range(10):  # Who sends them again may be kept from it: the machine is busy.
            begun = time.monotonic()
            results = lab.verify(running)
            lab.trace(running, "vm1", "vm2")
            assert time.monotonic() - begun < 30 * SLOWNESS
            assert {one.outcome.verdict for one in results if not one.passed} <= {Verdict.UNKNOWN}
            if any("somebody sends them again" in one.outcome.why for one in results):
                return
    raise AssertionError("nobody was told that somebody sends them again")


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


OPEN_TAPS = """
import socket
from netlab.packets.filters import PacketPattern, probe_filter
from netlab.packets.tap import Tap
for _ in range(100):
    Tap("hostile.vmnet8", program=probe_filter(PacketPattern(socket.IPPROTO_ICMP))).close()
"""


def test_a_tap_is_open_soon_in_a_storm_of_what_it_is_to_see():
    with flooding(*STORMS["scan"], node="vm2"), flooding(*STORMS["ping -f"], node="vm1"):
        subprocess.run([sys.executable, "-c", OPEN_TAPS], timeout=HANG_SECONDS, check=True)


ESCAPE = "\x1b[2J\x9b\u202e"
WEB = """
import socket
server = socket.create_server(("", 8000))
while True:
    one = server.accept()[0]
    one.recv(1000)
    line = b"\\x1b[2J\\xc2\\x9b" + b"x" * 200_000
    one.sendall(b"HTTP/1.0 200 \\x1b[2J\\r\\n\\r\\n" + line + b"\\n" + line)
    one.close()
"""
NAMED = """
import ctypes, socket, time
ctypes.CDLL(None).prctl(15, b"\\x1b[2J\\xff\\n")
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", 7777))
time.sleep(1000)
"""
ROGUE = """
import socket, sys
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
one.bind(("eth0", 3))
offer = bytes.fromhex(sys.argv[1])
while True:
    seen = one.recv(2000)
    if seen[23:24] == b"\\x11" and seen[36:38] == b"\\0\\x43":
        one.send(offer[:46] + seen[46:50] + offer[50:70] + seen[70:86] + offer[86:])
"""
OFFER = (
    Ether(src="02:00:00:00:00:99", dst="ff:ff:ff:ff:ff:ff")
    / IP(src="10.0.0.99", dst="255.255.255.255")
    / UDP(sport=67, dport=68)
    / BOOTP(op=2, yiaddr="10.0.0.77")
    / DHCP(options=[("message-type", "offer"), ("domain", ESCAPE.encode()), "end"])
)
QUESTION = (
    Ether(src="02:00:00:00:00:99", dst="ff:ff:ff:ff:ff:ff")
    / IP(src="10.0.0.129", dst="10.0.0.2")
    / UDP(sport=4000, dport=53)
    / Raw(bytes.fromhex("000701000001000000000000") + b"\x0a\x1b[2J\xc2\x9b.\n\xff\0\0\0\1\0\1")
)


@pytest.fixture(scope="module")
def defaced(running) -> Iterator[None]:
    """A VM whose names, comments, programs and replies would all be obeyed by a terminal."""
    comment = f'comment "{ESCAPE}\udcff"'
    chain = f"chain c {{\ntype filter hook input priority 0;\nudp dport 9 drop {comment};\n}}"
    nft.create("hostile.vm2", f"table ip defaced {{\n{chain}\n}}")
    for name in (ESCAPE.encode()[:14], b"\xff\xfe"):
        added = subprocess.run(
            [b"ip", b"-n", b"hostile.vm2", b"link", b"add", name, b"type", b"bridge"], check=False
        )
        assert added.returncode == 0
        subprocess.run([b"ip", b"-n", b"hostile.vm2", b"link", b"set", name, b"up"], check=True)
    with ExitStack() as stack:
        for program in (("-c", WEB), ("-c", NAMED), ("-c", ROGUE, bytes(OFFER).hex())):
            stack.enter_context(flooding(sys.executable, *program, node="vm2"))
        while "7777" not in inside("hostile.vm2", "ss", "-lun").stdout:
            pass
        while "8000" not in inside("hostile.vm2", "ss", "-ltn").stdout:
            pass
        yield
    for name in (ESCAPE.encode()[:14], b"\xff\xfe"):
        subprocess.run([b"ip", b"-n", b"hostile.vm2", b"link", b"del", name], check=True)
    nft.delete_table("hostile.vm2", "ip", "defaced")


EVERY_VERB = (
    ("status", "hostile"),
    *(("show", table) for table in ("addresses", "routes", "arp", "fdb", "leases", "nat")),
    *(("show", table) for table in ("dns", "forwards", "firewall", "services")),
    ("verify",),
    ("trace", "vm1", "vm2"),
    ("trace", "vm1", "vm2", "--by", "udp:9"),
    ("trace", "vm1", "vm2", "--by", "udp:9", "--fields"),
    ("trace", "vm1", "vm2", "--by", "udp:9", "--mermaid"),
    ("trace", "vm1", "--by", "dhcp"),
    ("trace", "vm1", "vm2", "--by", "http:8000"),
    ("explain", "vm1", "vm2", "--by", "udp:9"),
    ("graph", "hostile"),
    *(("graph", "hostile", "--format", form) for form in ("svg", "dot", "mermaid", "html")),
    ("repair", "hostile", "--dry-run"),
)


def seen_as_it_is(text: str) -> bool:
    return all(char == "\n" or is_visible(char) for char in text)


@pytest.mark.leaves_drift
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("words", EVERY_VERB, ids=" ".join)
def test_nothing_that_a_vm_says_is_obeyed_by_a_terminal(words, form, defaced):
    if (form and words[-1] in ("--fields", "--mermaid")) or ("--format" in words and form):
        return  # They exclude each other.
    named = () if "hostile" in words else ("--lab", "hostile")
    done = netlab(*words, *form, *named)
    assert "fault" not in done.stderr, done.stderr
    assert done.returncode in (0, 1), done.stderr
    assert seen_as_it_is(done.stdout)
    assert seen_as_it_is(done.stderr)
    assert "x" * 1000 not in done.stdout
    if form:
        json.loads(done.stdout)


@pytest.mark.leaves_drift
@pytest.mark.parametrize(
    "words", [("capture", "vm2"), ("capture", "vm2", "--json"), ("watch", "--all"), ("watch", "--json")]
)  # fmt: skip
def test_nothing_that_a_vm_sends_is_obeyed_by_a_terminal(words, defaced):
    with closing(raw_socket("vm2")) as one, looking(*words) as process:
        one.sendto(bytes(QUESTION), ("eth0", 0))
        one.sendto(bytes(QUESTION), (ESCAPE.encode()[:14].decode(errors="surrogateescape"), 0))
        inside("hostile.vm2", "ping", "-c1", INTERNET)
        said = ""
        while "echo" not in said and "icmp" not in said:
            said += process.stdout.readline()
    said += process.output
    assert seen_as_it_is(said)
    assert r"\027[2J" in said.replace("\\\\", "\\")
