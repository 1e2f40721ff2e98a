"""Every kind of probe: what it brings home, told apart from whatever else is on the wire."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import pytest

from netlab import lab, probes
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By
from netlab.diagnosis.verdict import Verdict
from netlab.errors import KernelError, UsageError
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.channel import Overflow
from netlab.kernel.nftables import nftrace
from netlab.kernel.rows import Connection
from netlab.kernel.state.monitor import Lost, TableMonitor
from netlab.packets.packet import Part
from netlab.probes.icmp import EchoProbe
from tests.kernel.faults import await_port, changed, program, proof, rules, run
from tests.machine import NETLAB
from tests.pace import HANG_SECONDS

ANSWERED, DEAD, UNKNOWN = Verdict.ANSWERED, Verdict.DROPPED, Verdict.UNKNOWN
VM1, VM2, HOST = "10.0.0.128", "10.0.0.129", "192.168.1.100"
UDP_ECHO = """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", 7777))
while True:
    one.sendto(*one.recvfrom(9999))
"""
WAY = ["vm1", "vmnet8", "vmnet8-nat", "lan", "router", "internet"]


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "kinds")) as up:
        yield up


@pytest.fixture
def is_ipv6(running) -> Iterator[None]:
    """IPv6 between vm1 and vm2; vm2 has a second cable's worth of addresses for what nobody has."""
    for number, node in enumerate(("vm1", "vm2"), 1):
        run(
            f"kinds.{node}",
            "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.accept_dad=0;"
            f"ip address add fd00::{number}/64 dev eth0 nodad",
        )
    yield
    for node in ("vm1", "vm2"):
        run(f"kinds.{node}", "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1")


@contextmanager
def three_nats() -> Iterator[None]:
    """vm2 becomes a router with NAT for vm1's traffic to the Internet."""
    with ExitStack() as stack:
        ip = "net.ipv4.conf"
        do, undo = (
            f"sysctl -qw net.ipv4.ip_forward={on} {ip}.all.send_redirects={1 - on} "
            f"{ip}.eth0.send_redirects={1 - on}"
            for on in (1, 0)
        )
        stack.enter_context(changed("kinds.vm2", do, undo))
        masquerade = f"ip saddr {VM1} masquerade"
        stack.enter_context(rules("kinds.vm2", "postrouting", masquerade, kind="nat 100"))
        there, back = (f"ip route replace default via {via}" for via in (VM2, "10.0.0.2"))
        stack.enter_context(changed("kinds.vm1", there, back))
        yield


def nodes(one, part=Part.REQUEST):
    return [step.node for step in one.trace.journey.first(part)]


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("by", ["icmp", "tcp", "tcp:80", "udp", "dns:www.example.com", "http"])
def test_every_kind_is_one_packet_through_two_nats(running, by):
    one = proof(running, "vm1", "internet", by=by)
    assert one.diagnosis.verdict is ANSWERED
    assert nodes(one) == WAY
    assert nodes(one, Part.REPLY) == WAY[::-1]
    assert [
        s.rewrites["ip.src"][1] for s in one.trace.journey.first(Part.REQUEST) if s.rewrites
    ] == [HOST, "203.0.113.1"]


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("by", ["icmp", "tcp", "udp", "dns:www.example.com"])
def test_three_nats(running, by):
    with three_nats():
        one = proof(running, "vm1", "internet", by=by)
    assert one.diagnosis.verdict is ANSWERED
    way = ["vm1", "vmnet8", "vm2", "vmnet8", "vmnet8-nat", "lan", "router", "internet"]
    assert (nodes(one), nodes(one, Part.REPLY)) == (way, way[::-1])
    rewrites = [s.rewrites["ip.src"] for s in one.trace.journey.first(Part.REQUEST) if s.rewrites]
    assert rewrites == [(VM1, VM2), (VM2, HOST), (HOST, "203.0.113.1")]


def test_tcp_brings_back_the_same_bytes(running):
    one = proof(running, "vm1", "internet", by="tcp")
    assert one.found("bytes came back as they were sent")


def test_tcp_waits_for_its_receiver(running):
    one = proof(running, "vm1", "vm2", by="tcp", wait=0.4)
    times = [step.at for step in one.trace.journey.steps if step.packet.name.startswith("TCP data")]
    assert one.diagnosis.verdict is ANSWERED
    assert max(times) - min(times) >= 400_000_000


def test_udp_to_a_real_service(running):
    """The DNS server gets what is no DNS message, and does not answer."""
    one = proof(running, "vm1", "internet", by="udp:53")
    assert one.end == (DEAD, "internet", Cause.PROGRAM_SILENT)
    with program("kinds.vm2", sys.executable, "-c", UDP_ECHO):
        await_port("kinds.vm2", "udp", 7777)
        assert proof(running, "vm1", "vm2", by="udp:7777").diagnosis.verdict is ANSWERED


@pytest.mark.on_each_kernel
def test_icmp_of_ipv6(running, is_ipv6):
    one = proof(running, "vm1", "fd00::2")
    assert one.diagnosis.verdict is ANSWERED
    assert nodes(one) == ["vm1", "vmnet8", "vm2"]
    assert one.trace.cold
    with rules("kinds.vm2", "input", "icmpv6 type echo-request drop", "ip6"):
        assert proof(running, "vm1", "fd00::2").end == (DEAD, "vm2", Cause.FIREWALL)


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("by", ["mtu", "route"])
def test_other_kinds_of_ipv6(running, is_ipv6, by):
    assert proof(running, "vm1", "fd00::2", by=by).diagnosis.verdict is ANSWERED


@pytest.mark.on_each_kernel
def test_a_closed_port_of_ipv6(running, is_ipv6):
    assert proof(running, "vm1", "fd00::2", by="udp:9").end == (
        Verdict.REFUSED,
        "vm2",
        Cause.PORT_CLOSED,
    )


@pytest.mark.on_each_kernel
def test_unanswered_neighbour_discovery(running, is_ipv6):
    one = proof(running, "vm1", "fd00::99")
    assert one.end == (DEAD, "vm1", Cause.ARP_UNANSWERED)
    assert "fd00::99" in one.diagnosis.evidence


def test_arp_names_the_owner(running):
    one = proof(running, "vm1", "vm2", by="arp")
    assert one.diagnosis.verdict is ANSWERED
    assert len(one.trace.found) == 1
    assert re.fullmatch(rf"{VM2} is at [0-9a-f:]{{17}} vm2", one.trace.found[0])


@pytest.mark.parametrize(
    ("target", "cause"),
    [("internet", Cause.WRONG_SEGMENT), ("10.0.0.99", Cause.ARP_UNANSWERED)],
)
def test_arp_that_nobody_answers(running, target, cause):
    """As with a ping that asks the same: the machine that has the address does not hear the question."""
    assert proof(running, "vm1", target, by="arp").end == (DEAD, "vm1", cause)


@pytest.mark.on_each_kernel
def test_arp_names_both_owners(running):
    with changed(
        "kinds.host", f"ip address add {VM2}/24 dev vmnet8", f"ip address del {VM2}/24 dev vmnet8"
    ):
        one = proof(running, "vm1", VM2, by="arp")
    assert {line.rpartition(" ")[2] for line in one.trace.found} == {"vm2", "host"}


def test_an_arp_answer_that_does_not_arrive_is_none(running):
    mac = run("kinds.vm2", "cat /sys/class/net/eth0/address").strip()
    with rules("kinds.vmnet8", "forward", f"ether saddr {mac} arp operation reply drop", "bridge"):
        one = proof(running, "vm1", "vm2", by="arp")
    assert one.diagnosis.verdict is not ANSWERED
    assert one.end == (DEAD, "vmnet8", Cause.NO_RETURN_PATH), one.diagnosis


def test_dhcp_shows_the_offer_with_its_options(running):
    one = proof(running, "vm1", by="dhcp")
    assert one.end == (ANSWERED, "vmnet8-dhcp", None)
    (offer, total) = one.trace.found
    assert offer.startswith("vmnet8-dhcp offers 10.0.0.128 · ")
    for option in (
        "mask 255.255.255.0",
        "router 10.0.0.2",
        "DNS 10.0.0.2",
        "server 10.0.0.254",
        "lease 1800 s",
        "domain localdomain",
    ):
        assert option in offer
    assert total == "1 server answered"


def test_two_dhcp_servers_on_one_network(running):
    words = [
        "dnsmasq",
        "--no-daemon",
        "--user=root",
        "--conf-file=/dev/null",
        "--port=0",
        "--no-ping",
        "--dhcp-authoritative",
        "--dhcp-leasefile=/dev/null",
        "--pid-file=",
        "--interface=eth0",
        "--dhcp-range=10.0.0.50,10.0.0.60,60s",
    ]
    with program("kinds.vm2", *words):
        await_port("kinds.vm2", "udp", 67)
        one = proof(running, "vm1", by="dhcp")
    assert one.trace.found[-1] == "2 servers answered"
    assert {line.split()[0] for line in one.trace.found[:-1]} == {"vm2", "vmnet8-dhcp"}


def test_dns_through_two_relays_names_every_server(running):
    one = proof(running, "vm1", by="dns:www.example.com")
    assert one.diagnosis.verdict is ANSWERED
    assert one.trace.found == tuple(
        f"{server} answers: 203.0.113.80" for server in ("vmnet8-nat", "router", "internet")
    )


def test_http_says_who_one_is(running):
    one = proof(running, "vm1", "internet", by="http")
    assert one.trace.found[0] == "HTTP/1.1 200 OK"
    assert any("203.0.113.1" in line for line in one.trace.found)


def test_route_names_every_hop(running):
    lab.trace(running, "vm1", "internet")
    one = proof(running, "vm1", "internet", by="route")
    hops = [line.split()[2] for line in one.trace.found]
    assert hops == ["vmnet8-nat", "vmnet8-nat", "router", "internet"], "its host is a hop too"


def test_a_hop_that_says_nothing(running):
    with rules("kinds.router", "output", "icmp type time-exceeded drop"):
        one = proof(running, "vm1", "internet", by="route")
    assert one.diagnosis.verdict is ANSWERED
    assert any(line.endswith("no reply") for line in one.trace.found)


@pytest.mark.on_each_kernel
def test_path_mtu(running):
    with changed("kinds.router", "ip link set wan0 mtu 1300", "ip link set wan0 mtu 1500"):
        one = proof(running, "vm1", "internet", by="mtu")
    assert one.diagnosis.verdict is ANSWERED
    assert one.trace.found == ("router says: at most 1300 bytes", "path MTU: 1300 bytes")
    assert proof(running, "vm1", "internet", by="mtu").trace.found == ("path MTU: 1500 bytes",)


@pytest.mark.on_each_kernel
def test_two_smaller_cables_on_the_way(running):
    with (
        changed("kinds.router", "ip link set wan0 mtu 1300", "ip link set wan0 mtu 1500"),
        changed("kinds.host", "ip link set eth0 mtu 1400", "ip link set eth0 mtu 1500"),
    ):
        one = proof(running, "vm1", "internet", by="mtu")
    assert one.trace.found == (
        "vmnet8-nat says: at most 1400 bytes",
        "router says: at most 1300 bytes",
        "path MTU: 1300 bytes",
    )


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(("by", "ends"), [("tcp:81", True), ("tcp:80", False)])
def test_nat_entries_are_named_and_live_as_long_as_they_do(running, by, ends):
    """A reset ends an entry before the tables are read; it has decided all the same, and until then."""
    trace = lab.trace(running, "vm1", "internet", by=by)
    pairs = zip(trace.journey.steps, trace.decisions, strict=True)
    named = {step.node for step, found in pairs if any(one.by is By.NAT for one in found)}
    assert named == {"vmnet8-nat", "router"}
    for node in ("vmnet8-nat", "host", "router"):
        changes = [
            one
            for one in trace.history.changes
            if one.entry.node == node and isinstance(one.entry.row, Connection)
        ]
        # Entries of tests before this one may end now.
        own = next(one.entry.row.id for one in changes if one.what == "added")
        told = [
            (one.at, one.what, one.entry.row.state) for one in changes if one.entry.row.id == own
        ]
        first, second, *_ = (at for at, *_ in told)
        assert first < second <= max(frame.sighting.at for frame in trace.frames)
        after = ["removed"] if ends else ["changed", "changed"]
        assert [what for _, what, _ in told][:3] == ["added", *after]
        if not ends:
            established = next(at for at, _, state in told if state == "ESTABLISHED")
            assert established > second


WRONG = ["", "ping", "icmp:8", "tcp:", "tcp:0", "tcp:65536", "tcp:-1", "tcp:http", "udp:0x35", "udp: 53",
         "http:", "http:x", "dns", "dns:", "dns:a..b", "dns:" + "a" * 64, "dns:münchen.de", "raw", "raw:",
         "raw:0", "raw:256", "raw:1", "raw:6", "raw:17", "raw:gre", "arp:1", "dhcp:1", "route:3", "mtu:15000",
         "TCP:80", "tcp:80:81", "tcp:²"]  # fmt: skip


@pytest.mark.parametrize("by", WRONG)
def test_wrong_words(running, by):
    with pytest.raises(UsageError) as said:
        lab.trace(running, "vm1", "vm2", by=by)
    assert said.value.fix
    advised = re.search("write '([a-z]+)'", said.value.fix)
    assert not advised or probes.check(advised[1]), "the advice is wrong too"


@pytest.mark.parametrize(
    ("source", "target", "by"),
    [("vm1", None, "icmp"), ("vm1", None, "tcp:80"), ("vm1", "8.8.8.8", "tcp"), ("vm1", "8.8.8.8", "udp"),
     ("vm1", "8.8.8.8", "raw:47"), ("vm1", "fd00::9", "arp"), ("vm1", "fd00::9", "raw:47"),
     ("vm1", "lan", "dhcp"), ("vm1", "nowhere", "dhcp")],
)  # fmt: skip
def test_what_makes_no_sense(running, source, target, by):
    with pytest.raises(UsageError):
        lab.trace(running, source, target, by=by)


BUSY = {
    "icmp": ["ping", "-q", "-f", "203.0.113.80"],
    "dns:www.example.com": [
        "sh",
        "-c",
        "while :; do busybox nslookup www.example.com 10.0.0.2; sleep 0.02; done",
    ],
    "tcp:80": ["sh", "-c", "while :; do busybox wget -qO- http://203.0.113.80/; sleep 0.02; done"],
    "http": ["sh", "-c", "while :; do busybox wget -qO- http://203.0.113.80/; sleep 0.02; done"],
    "udp": ["sh", "-c", "while :; do busybox nslookup a.example.com 10.0.0.2; sleep 0.02; done"],
    "dhcp": [
        "sh",
        "-c",
        "while :; do busybox udhcpc -i eth0 -n -q -s /bin/true -t 1 -T 1; sleep 0.02; done",
    ],
}


@pytest.mark.parametrize("cold", [True, False], ids=["cold", "warm"])
@pytest.mark.parametrize("by", BUSY)
def test_under_traffic_of_the_same_kind(running, by, cold):
    if cold:
        for node in ("vm1", "host", "router", "vmnet8-nat", "internet"):
            run(f"kinds.{node}", "ip neigh flush all")
    target = [] if by.startswith(("dns", "dhcp")) else ["internet"]
    with program("kinds.vm2", *BUSY[by]):
        one = proof(running, "vm1", *target, by=by)
    assert one.diagnosis.verdict is ANSWERED, one.diagnosis
    packets = [p for p in one.trace.journey.packets if p.part is Part.REQUEST]
    senders = {one.trace.journey.packets[p][0].node for p in packets}
    assert senders <= {"vm1", "vmnet8-nat", "router"}
    assert by == "dhcp" or set(nodes(one)) <= set(WAY)  # DHCP asks everybody.


def test_under_a_throughput_test(running):
    with program("kinds.vm2", "iperf3", "-s"):
        await_port("kinds.vm2", "tcp", 5201)
        with program("kinds.host", "iperf3", "-c", VM2, "-t", "60"):
            found = {
                proof(running, "vm1", "internet", by=by).diagnosis.verdict
                for by in ("icmp", "tcp", "udp")
            }
    assert found <= {ANSWERED, UNKNOWN}


def test_two_probes_with_one_token(running, monkeypatch):
    """Another netlab's probe with the same token is under way: its frames must not make a reply."""
    token = bytes(range(8))
    monkeypatch.setattr("netlab.probes.base.secrets.token_bytes", lambda _: token)
    with rules("kinds.vm1", "input", "icmp type echo-reply drop"):
        one = proof(running, "vm1", "internet")
    assert one.diagnosis.verdict is not ANSWERED


class TestBrokenProber:
    """What cannot be measured is unknown or an error that says so; never a wrong verdict."""

    def test_without_permission(self, running):
        """Root, but without CAP_NET_RAW: as in some containers."""
        drop = "--bounding-set=-net_raw", "--inh-caps=-net_raw"
        command = ["setpriv", *drop, *NETLAB, "trace", "vm1", "internet"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS)
        assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
        assert done.stderr

    def test_a_namespace_that_is_gone(self, running):
        """Between the lab's attachment and the trace."""
        real = netns.inside

        def without_pc(name: str):
            if name == "kinds.pc":
                raise KernelError("there is no namespace kinds.pc")
            return real(name)

        with (
            mock.patch("netlab.kernel.namespaces.netns.inside", without_pc),
            pytest.raises(KernelError),
        ):
            lab.trace(running, "vm1", "internet")

    def test_rules_that_were_not_heard_in_full(self, running):
        with mock.patch.object(nftrace.RuleTrace, "hits", side_effect=Overflow):
            assert proof(running, "internet", VM1).diagnosis.verdict is UNKNOWN
            assert proof(running, "vm1", "internet").diagnosis.verdict is UNKNOWN

    def test_changes_of_tables_that_were_lost_are_no_matter(self, running):
        """The tables are read as they are when the probe is over."""
        with mock.patch.object(TableMonitor, "changes", return_value=[Lost(0, "kinds.router")]):
            assert proof(running, "vm1", "internet").diagnosis.verdict is ANSWERED

    def test_an_interface_that_is_renamed_while_a_probe_is_under_way(self, running):
        """The map of the lab is no longer true: what comes over that interface has no place in it."""
        real = EchoProbe.send

        def after_renaming(probe: EchoProbe) -> None:
            run("kinds.router", rename("wan0", "wan9"))
            real(probe)

        try:
            with mock.patch.object(EchoProbe, "send", after_renaming):
                one = proof(running, "vm1", "internet")
        finally:
            run(
                "kinds.router",
                rename("wan9", "wan0") + "; ip route replace default via 203.0.113.80",
            )
        assert one.diagnosis.verdict is not ANSWERED


def rename(old: str, new: str) -> str:
    down, up = f"ip link set {old} down", f"ip link set {new} up"
    return f"{down}; ip link set {old} name {new}; {up}"
