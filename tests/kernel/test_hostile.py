"""What a machine of the lab sends breaks nobody who looks: not by its form, and not by how much it is."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from netlab import lab
from netlab.kernel import netns
from tests.machine import NETLAB, inside, viewing
from tests.pace import HANG_SECONDS

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
