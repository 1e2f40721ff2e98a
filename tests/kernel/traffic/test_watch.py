"""Foreign traffic on real packets: each packet is known again behind every NAT, and no two are mixed up."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from netlab import lab
from netlab.kernel.namespaces import netns
from netlab.kernel.nftables import nft
from netlab.packets.stream import WINDOW_NS
from netlab.report.traffic import conversation_lines as report
from netlab.traffic.conversations import (
    ORPHAN,
    Conversation,
    ConversationState,
    ConversationTracker,
    live,
)
from tests.machine import NETLAB, inside, netlab
from tests.pace import HANG_SECONDS

INTERNET = "203.0.113.80"
NAME = "www.example.com"
WAY = ("vm1", "vmnet8", "vmnet8-nat*", "lan", "router*", "internet")


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "watch")) as up:
        yield up


@pytest.fixture
def told(running) -> Callable[..., list[Conversation]]:
    """What is told of what happens while something is done."""

    def find(do: Callable[[], object], *unfolded: str) -> list[Conversation]:
        with lab.watching(running) as stream:
            tracker = ConversationTracker(lab.LabWatcher(running).netmap, unfolded, stream.since)
            do()
            found = [one for part in live(stream.portions(0.1), tracker, WINDOW_NS) for one in part]
            assert not any(stream.lost().values())
        find.folded = tracker.counted
        return found

    return find


def on(vm: str, *words: str) -> Callable[[], object]:
    return lambda: inside(f"watch.{vm}", *words)


@contextmanager
def beside(vm: str, *words: str, of: str = "watch") -> Iterator[None]:
    """A program that goes on during a block."""
    command = ["ip", "netns", "exec", f"{of}.{vm}", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=HANG_SECONDS)


def way(steps) -> tuple[str, ...]:
    return tuple(step.node + ("*" if step.rewrites else "") for step in steps)


def test_an_echo_and_its_answer_through_two_nats(told):
    (one,) = told(on("vm1", "ping", "-c1", INTERNET))
    assert (one.kind, one.origin, one.result) == ("icmp", "vm1", ConversationState.ANSWERED)
    assert way(one.there) == WAY
    assert way(one.back) == WAY[::-1]
    assert one.there[2].rewrites == {"ip.src": ("10.0.0.128", "192.168.1.100")}
    assert 0 < one.took < 1e9
    assert one.packets == (1, 1)


def echo(number: int, vm: str) -> None:
    """The same bytes from every VM: id, seq, content, and no IP id."""
    with netns.inside(f"watch.{vm}"):
        one = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    total = 0x0800 + 0x1111 + number
    checksum = ~(total + (total >> 16)) & 0xFFFF
    with closing(one):
        one.sendto(
            bytes([8, 0, *checksum.to_bytes(2), 0x11, 0x11, *number.to_bytes(2)]), (INTERNET, 0)
        )


def test_two_vms_with_the_same_icmp_id_and_seq_at_once_stay_apart(told):
    def both() -> None:
        for number in range(1, 51):
            echo(number, "vm1")
            echo(number, "vm2")

    found = told(both)
    assert Counter((one.origin, one.result, way(one.there)) for one in found) == {
        (vm, ConversationState.ANSWERED, (vm, *WAY[1:])): 50 for vm in ("vm1", "vm2")
    }
    for one in found:
        assert {step.node for step in one.back} & {"vm1", "vm2"} == {one.origin}


def test_a_tcp_connection_is_one_line(told):
    (one,) = told(on("vm1", "curl", "-s", f"http://{INTERNET}/"))
    assert (one.kind, one.result, one.goes_on) == ("tcp", ConversationState.ANSWERED, False)
    assert (way(one.there), way(one.back)) == (WAY, WAY[::-1])
    assert min(one.packets) >= 4
    assert one.octets[0] > 50
    assert one.octets[1] > 100


def test_a_connections_content_is_counted_once(told):
    """In frames of any length, of which only the headers are looked at."""
    size = 300_000
    script = f"head -c {size} /dev/zero >/dev/tcp/{INTERNET}/5000"
    with beside("internet", "busybox", "nc", "-l", "-p", "5000"):
        while "5000" not in inside("watch.internet", "ss", "-ltn").stdout:
            pass
        (one,) = told(on("vm1", "bash", "-c", script))
    assert (one.octets, one.goes_on) == ((size, 0), False)


def test_an_open_connection_is_told_when_it_is_silent_and_again_at_its_end(running):
    tracker = ConversationTracker(lab.LabWatcher(running).netmap)
    script = f"exec 3<>/dev/tcp/{INTERNET}/80; sleep 1.5; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    found: list[Conversation] = []
    with lab.watching(running) as stream, beside("vm1", "bash", "-c", script):
        for part in live(stream.portions(HANG_SECONDS), tracker, WINDOW_NS):
            found += part
            if found and not found[-1].goes_on:
                break
    assert [(one.kind, one.goes_on) for one in found] == [("tcp", True), ("tcp", False)]
    assert found[0].at == found[1].at
    assert found[0].packets < found[1].packets


def test_a_closed_port_refuses(told):
    (tcp,) = told(on("vm1", "curl", "-s", f"http://{INTERNET}:81/"))
    assert (tcp.result, way(tcp.there)[-1]) == (ConversationState.REFUSED, "internet")
    (udp,) = told(on("vm1", "bash", "-c", f"echo > /dev/udp/{INTERNET}/999"))
    assert (udp.kind, udp.result) == ("udp", ConversationState.REFUSED)
    assert way(udp.back)[-1] == "vm1"
    assert report.line(udp, {}).endswith("ICMP port unreachable by internet")


def test_an_error_on_the_way_belongs_to_the_packet_that_it_quotes(told):
    """Quoted behind two NATs."""
    (one,) = told(on("vm1", "ping", "-c1", "-W1", "-t3", INTERNET))
    assert (one.kind, one.result) == ("icmp", ConversationState.REFUSED)
    assert one.back[0].node == one.there[-1].node == "router"
    assert one.back[-1].node == "vm1"


def test_what_is_not_answered_is_told_with_the_place_where_it_ended(told):
    (one,) = told(on("internet", "ping", "-c1", "-W0.1", "10.0.0.128"))
    assert (one.result, way(one.there), one.back) == (
        ConversationState.SILENT,
        ("internet", "router"),
        (),
    )
    assert report.line(one, {"10.0.0.128": "vm1"}).endswith(
        "✘ internet → vm1  icmp  internet·router  no reply"
    )


def test_an_answer_that_is_lost_is_told(told):
    chain = "chain c {\n type filter hook forward priority 0;\n ct direction reply drop\n }"
    nft.create("watch.router", f"table ip extra {{\n {chain}\n }}")
    try:
        (one,) = told(on("vm1", "ping", "-c1", "-W0.1", INTERNET))
    finally:
        nft.delete_table("watch.router", "ip", "extra")
    assert (one.result, way(one.there), one.back[-1].node) == (
        ConversationState.SILENT,
        WAY,
        "router",
    )
    assert report.line(one, {}).endswith("the reply was lost at router")


def test_dns_through_the_relay_is_one_line(told):
    """Fresh names are not in its cache."""
    found = told(on("vm1", "dig", "+tries=1", "@10.0.0.2", NAME))
    (one,) = found
    assert (one.kind, one.result, way(one.there)) == (
        "dns",
        ConversationState.ANSWERED,
        (*WAY[:2], "vmnet8-nat"),
    )
    (relayed,) = one.relayed
    assert (relayed.origin, relayed.there[-1].node) == ("vmnet8-nat", "router")
    assert relayed.fields["dns.id"] != one.fields["dns.id"]
    assert f"dns {NAME}  vm1·vmnet8·vmnet8-nat  {INTERNET}, relayed by vmnet8-nat·" in (
        report.line(one, {})
    )


def test_dns_of_two_vms_is_not_joined_with_the_others_question(told):
    def both() -> None:
        inside("watch.vm1", "dig", "+tries=1", f"@{INTERNET}", NAME)
        inside("watch.vm2", "dig", "+tries=1", f"@{INTERNET}", NAME)

    found = told(both)
    assert [(one.origin, one.relayed) for one in found] == [("vm1", ()), ("vm2", ())]


def test_arp_is_counted_and_told_on_demand(told):
    def cold() -> None:
        inside("watch.vm1", "ip", "neigh", "flush", "all")
        inside("watch.vm1", "ping", "-c1", "10.0.0.2")

    assert [one.kind for one in told(cold)] == ["icmp"]
    assert told.folded["arp"] >= 2
    found = [one for one in told(cold, "arp") if one.kind == "arp" and one.origin == "vm1"]
    assert found[0].result is ConversationState.ANSWERED
    assert [step.node for step in found[0].back] == ["vmnet8-nat", "vmnet8", "vm1"]
    assert not told.folded["arp"]


def test_equal_datagrams_are_told_apart(told):
    """No IP id, one content: from two VMs, to two ports."""

    def send() -> None:
        for vm, port in (("vm1", 7001), ("vm2", 7001), ("vm1", 7002)):
            with netns.inside(f"watch.{vm}"):
                one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with closing(one):
                for _ in range(3):
                    one.sendto(b"equal", ("192.168.1.50", port))

    counts: Counter[tuple[str, str]] = Counter()
    for one in told(send):
        counts[one.origin, one.fields["udp.dst"]] += one.packets[0]
        assert way(one.there)[:2] == (one.origin, "vmnet8")
        assert one.there[-1].node == "pc"
    assert counts == {("vm1", "7001"): 3, ("vm2", "7001"): 3, ("vm1", "7002"): 3}


def test_a_flood_of_5000_with_other_traffic_is_told_packet_by_packet(running):
    """Among it another flood, and connections."""
    tracker = ConversationTracker(lab.LabWatcher(running).netmap)
    found: list[Conversation] = []
    web = f"for i in 1 2 3 4 5 6 7 8; do curl -s http://{INTERNET}/ >/dev/null; done"
    with (
        lab.watching(running) as stream,
        beside("vm2", "ping", "-q", "-i", "0.002", INTERNET),
        beside("vm2", "bash", "-c", web),
    ):
        command = ["ip", "netns", "exec", "watch.vm1", "ping", "-q", "-f", "-c", "5000", INTERNET]
        flood = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for part in live(stream.portions(HANG_SECONDS), tracker, WINDOW_NS):
            found += part
            if sum(one.origin == "vm1" for one in found) >= 5000:
                break
        assert "5000 received" in flood.communicate()[0]
        assert not any(stream.lost().values())
    mine = [one for one in found if one.origin == "vm1"]
    sequence = sorted(int(one.fields["icmp.seq"]) for one in mine)
    assert sequence == list(range(1, 5001))
    assert {(one.result, way(one.there), way(one.back)) for one in mine} == {
        (ConversationState.ANSWERED, WAY, WAY[::-1])
    }
    others = {(one.kind, one.result, one.there[-1].node) for one in found if one.origin != "vm1"}
    assert others <= {
        ("icmp", ConversationState.ANSWERED, "internet"),
        ("tcp", ConversationState.ANSWERED, "internet"),
    }


def test_packets_under_way_at_the_start_are_counted_and_have_no_sender(running):
    found: list[Conversation] = []
    unseen = 0
    often = "-q", "-i", "0.001"
    with beside("vm1", "ping", *often, INTERNET), beside("vm2", "ping", *often, "10.0.0.2"):
        for _ in range(15):
            with lab.watching(running) as stream:
                tracker = ConversationTracker(lab.LabWatcher(running).netmap, (), stream.since)
                for part in live(stream.portions(0.02), tracker, WINDOW_NS):
                    found += [one for one in part if one.result is ConversationState.ANSWERED]
                unseen += tracker.counted[ORPHAN]
    assert unseen
    assert {(one.origin, way(one.there)) for one in found} == {
        ("vm1", WAY),
        ("vm2", ("vm2", "vmnet8", "vmnet8-nat")),
    }


def test_a_machine_that_comes_and_goes_while_it_goes_on():
    """And what is named by it, not by the switch before it."""
    growing = lab.prepare(lab.load("nat"), "growing")
    limit = ("--seconds", str(HANG_SECONDS))
    with lab.running(growing), watching("--json", *limit, of="growing") as process:
        more = lab.apply(growing, lab.add_vm(growing, "vm9", ["vmnet8"]))
        address = inside("growing.vm9", "hostname", "-I").stdout.strip()
        with beside("vm9", "ping", "-q", "-i", "0.1", INTERNET, of="growing"):
            first = json.loads(process.stdout.readline())
            while "vm9" not in (first.get("from"), first.get("to")):  # Or only counted.
                first = json.loads(process.stdout.readline())
        assert inside("growing.vm1", "ping", "-c1", address).returncode == 0
        lab.apply(more, lab.remove_vm(more, "vm9"))
        assert inside("growing.vm1", "ping", "-c1", "10.0.0.2").returncode == 0
    told = [found for line in process.output.splitlines() if "kind" in (found := json.loads(line))]
    ways = {(one["from"], one["to"], *(step["node"] for step in one["there"])) for one in told}
    steps = (name.removesuffix("*") for name in WAY[1:])
    assert (first["from"], first["to"]) == ("vm9", "internet")
    assert tuple(step["node"] for step in first["there"]) == ("vm9", *steps)
    assert ("vm1", "vm9", "vm1", "vmnet8", "vm9") in ways
    assert ("vm1", "vmnet8-nat", "vm1", "vmnet8", "vmnet8-nat") in ways
    assert {one["from"] for one in told} <= {"vm1", "vm9", "vmnet8-dhcp"}


@contextmanager
def watching(*words: str, of: str = "watch") -> Iterator[subprocess.Popen]:
    """The command, from the moment when it listens; it is ended with Ctrl-C."""
    command = [*NETLAB, "watch", "--lab", of, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = process.stderr.readline()
    assert said.startswith("watching"), said + process.stderr.read()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.output, process.complaint = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, process.complaint) == (0, "")


def test_the_command_prints_a_line_as_soon_as_the_answer_is_there():
    with watching() as process:
        inside("watch.vm1", "ping", "-c1", INTERNET)
        line = process.stdout.readline()
        inside("watch.vm1", "ip", "neigh", "flush", "all")
        inside("watch.vm1", "ping", "-c1", "10.0.0.2")
    path = "vm1·vmnet8·vmnet8-nat*·lan·router*·internet"
    assert f"✔ vm1 → internet  icmp  {path}  and back 0." in line
    assert "ARP (--arp tells ARP, --all tells all)" in process.output.splitlines()[-1]


def test_only_what_passes_a_node():
    with watching("router", "--json") as process:
        inside("watch.vm1", "ping", "-c1", "10.0.0.129")
        inside("watch.vm1", "ping", "-c1", INTERNET)
    (one,) = [
        found for line in process.output.splitlines() if "kind" in (found := json.loads(line))
    ]
    assert (one["from"], one["to"], one["result"]) == ("vm1", "internet", "answered")
    assert one["back"][0]["node"] == "internet"


def test_only_what_passes_a_network_that_is_a_cable_without_a_switch():
    with watching("wan", "--json") as process:
        inside("watch.vm1", "ping", "-c1", "10.0.0.129")
        inside("watch.vm1", "ping", "-c1", "192.168.1.1")
        inside("watch.vm1", "ping", "-c1", INTERNET)
        inside("watch.router", "ping", "-c1", INTERNET)
    told = [found for line in process.output.splitlines() if "kind" in (found := json.loads(line))]
    assert [(one["from"], one["to"]) for one in told] == [
        ("vm1", "internet"),
        ("router", "internet"),
    ]


def test_it_ends_by_count_or_time_and_refuses_what_is_no_node():
    with watching("-c", "3") as process:
        inside("watch.vm1", "ping", "-c4", "-i", "0.01", INTERNET)
        process.wait(timeout=HANG_SECONDS)
    assert process.output.count("icmp") == 3
    assert netlab("watch", "--lab", "watch", "--seconds", "0.1").returncode == 0
    for word in ("vm9", "vm1:eth0", "wan:eth0"):
        assert netlab("watch", "--lab", "watch", word).returncode == 2
