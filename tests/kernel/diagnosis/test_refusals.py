"""Who refuses, and why: what a refusal proves on real packets, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from tests.kernel.faults import await_port, changed, program, proof, rules, run, setting

NAME = "refusals"
INTERNET, VM3 = "203.0.113.80", "10.0.0.129"
REFUSED = Verdict.REFUSED


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), NAME)) as up:
        yield up


LISTEN = """
import socket, sys, time
family, kind, address, interface, only = sys.argv[1:]
one = socket.socket(getattr(socket, family), getattr(socket, kind))
if interface:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
if only:
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
one.bind((address, 3000))
if kind == "SOCK_STREAM":
    one.listen()
time.sleep(600)
"""


@contextmanager
def listening(
    kind: str, address: str, interface: str = "", *, only_ipv6: bool = False
) -> Iterator[None]:
    """A program of vm3 that waits on port 3000."""
    family = "AF_INET6" if ":" in address else "AF_INET"
    words = [family, f"SOCK_{kind}", address, interface, "only" if only_ipv6 else ""]
    with program(f"{NAME}.vm3", sys.executable, "-c", LISTEN, *words):
        await_port(f"{NAME}.vm3", {"STREAM": "tcp", "DGRAM": "udp"}[kind], 3000)
        yield


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(("kind", "by"), [("STREAM", "tcp:3000"), ("DGRAM", "udp:3000")])
@pytest.mark.parametrize(
    ("address", "more", "where"),
    [
        ("127.0.0.1", {}, "127.0.0.1"),
        ("0.0.0.0", {"interface": "lo"}, "lo"),
        ("::", {"only_ipv6": True}, "IPv6"),
    ],
)
def test_a_program_that_listens_elsewhere_is_named(running, kind, by, address, more, where):
    with listening(kind, address, **more):
        one = proof(running, "vm2", "vm3", by=by)
    assert one.end == (REFUSED, "vm3", Cause.PORT_CLOSED), one.diagnosis
    assert f"a program listens on port 3000 of {where} only" in one.diagnosis.evidence
    assert one.without(reporters={}) is Cause.UNKNOWN


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("by", ["tcp:80", "udp:53"])
def test_a_packet_that_is_led_to_a_closed_port(running, by):
    protocol, port = by.split(":")
    turned = f"ip daddr {INTERNET} {protocol} dport {port} redirect to :9"
    with rules(f"{NAME}.router", "prerouting", turned, kind="nat -100"):
        one = proof(running, "pc", "internet", by=by)
    assert one.end == (REFUSED, "router", Cause.PORT_CLOSED), one.diagnosis
    assert f"router (as {INTERNET}) re" in one.diagnosis.evidence


def test_an_error_bears_the_address_that_nat_wrote_on_it(running):
    stale = f"ip daddr {INTERNET} dnat to 203.0.113.77"
    with rules(f"{NAME}.router", "prerouting", stale, kind="nat -100"):
        one = proof(running, "pc", "internet")
    assert one.end == (Verdict.DROPPED, "router", Cause.ARP_UNANSWERED), one.diagnosis
    unproved = one.without(unanswered={})
    assert unproved is Cause.REFUSED


@pytest.mark.on_each_kernel
def test_a_loop_ends_at_a_machine(running):
    quiet = [f"net.ipv4.conf.{name}.send_redirects" for name in ("all", "eth0")]
    with (
        setting(f"{NAME}.pc", "net.ipv4.ip_forward", 1),
        setting(f"{NAME}.pc", quiet[0], 0),
        setting(f"{NAME}.pc", quiet[1], 0),
        changed(f"{NAME}.router", f"ip route add {INTERNET} via 192.168.1.50",
                f"ip route del {INTERNET}"),
        inserted("router", "ip home_router forward", "iifname lan0 oifname lan0 accept"),
    ):  # fmt: skip
        one = proof(running, "vm2", "internet")
        (result,) = lab.verify(running, expectations=lab.pairs(running, ["vm2"], ["internet"]))
    assert one.end[2] is Cause.TTL_EXCEEDED, one.diagnosis
    assert one.diagnosis.at in ("pc", "router")
    assert one.diagnosis.evidence.startswith(f"router sends {INTERNET} by lan0, since its route")
    assert one.diagnosis.evidence.endswith(f"{one.diagnosis.at} reports ICMP type 11, code 0")
    assert (result.outcome.at, result.outcome.cause) == (one.diagnosis.at, "ttl-exceeded")


@contextmanager
def inserted(node: str, chain: str, rule: str) -> Iterator[None]:
    """A rule before all others of a chain."""
    output = run(f"{NAME}.{node}", f"nft -e -a insert rule {chain} '{rule}'")
    handle = output.partition("# handle ")[2].split()[0]
    try:
        yield
    finally:
        run(f"{NAME}.{node}", f"nft delete rule {chain} handle {handle}")


CLOSE = """
import socket
one = socket.socket()
one.bind(("", 3000))
one.listen()
while True:
    one.accept()[0].close()
"""


def test_a_connection_that_a_program_closes_at_once_was_no_closed_port(running):
    with program(f"{NAME}.vm3", sys.executable, "-c", CLOSE):
        await_port(f"{NAME}.vm3", "tcp", 3000)
        for _ in range(5):
            one = proof(running, "vm2", "vm3", by="http:3000")
            assert one.diagnosis.cause is not Cause.PORT_CLOSED, one.diagnosis


ARP_RULES = [
    ("vm3", "input", "arp operation request"),
    ("vm3", "output", "arp operation reply"),
    ("vm2", "output", "arp operation request"),
    ("vm2", "input", "arp operation reply"),
]


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(("node", "hook", "what"), ARP_RULES)
def test_a_rule_about_arp_is_named(running, node, hook, what):
    for machine in ("vm2", "vm3"):
        run(f"{NAME}.{machine}", "ip neighbour flush all")
    with rules(f"{NAME}.{node}", hook, f"{what} drop", "arp"):
        one = proof(running, "vm2", "vm3")
        (result,) = lab.verify(running, expectations=lab.pairs(running, ["vm2"], ["vm3"]))
        probed = proof(running, "vm2", "vm3", by="arp") if node == "vm3" else None
    assert one.end == (Verdict.DROPPED, node, Cause.FIREWALL), one.diagnosis
    assert "drop" in one.diagnosis.evidence
    assert one.without(silenced={}) in (Cause.ARP_UNANSWERED, Cause.UNKNOWN)
    assert (result.outcome.at, result.outcome.cause) == (node, "firewall"), result.outcome
    assert probed is None or probed.end == one.end


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("mac", ["01:00:5e:00:00:05", "ff:ff:ff:ff:ff:ff"])
def test_a_gateway_with_a_groups_mac_address(running, mac):
    """Everybody gets the frame, and those who count it as somebody else's say nothing about the way."""
    told = f"ip neighbour replace 10.0.0.2 lladdr {mac} dev eth0 nud permanent"
    with changed(f"{NAME}.vm2", told, "ip neighbour del 10.0.0.2 dev eth0"):
        one = proof(running, "vm2", "internet")
        (result,) = lab.verify(running, expectations=lab.pairs(running, ["vm2"], ["internet"]))
    assert one.end == (Verdict.DROPPED, "vmnet8", Cause.MAC_UNKNOWN), one.diagnosis
    assert "is a group's MAC address" in one.diagnosis.evidence
    assert (result.outcome.at, result.outcome.cause) == ("vmnet8", "mac-unknown")


FORGE = r"""
import socket, struct
def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
link.bind(("lan0", 0x0800))
print("ready", flush=True)
while True:
    frame, (_, _, kind, *_) = link.recvfrom(2000)
    if kind != socket.PACKET_HOST or frame[23] != 1 or frame[34] != 8:
        continue
    length = struct.unpack("!H", frame[16:18])[0]
    message = bytes(4) + frame[38 : 14 + length]
    message = message[:2] + checksum(message) + message[4:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 1, 0, 63, 1, 0) + frame[30:34] + frame[26:30]
    header = header[:10] + checksum(header) + header[12:]
    link.send(frame[6:12] + frame[:6] + b"\x08\0" + header + message)
"""


def test_a_reply_that_a_router_drops_and_forges_is_no_answer(running):
    with (
        rules(f"{NAME}.router", "forward", "icmp type echo-reply drop", kind="filter -1"),
        program(f"{NAME}.router", sys.executable, "-c", FORGE, output=subprocess.PIPE) as forger,
    ):
        assert forger.stdout and forger.stdout.readline()
        one = proof(running, "pc", "internet")
        (result,) = lab.verify(running, expectations=lab.pairs(running, ["pc"], ["internet"]))
    assert one.end == (Verdict.UNKNOWN, "router", Cause.UNKNOWN), one.diagnosis
    assert one.without(drops={}) is None
    assert result.outcome.verdict is Verdict.UNKNOWN, result.outcome
