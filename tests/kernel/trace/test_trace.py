"""Journeys on real packets: what passed where, who rewrote what; for each cause, what provokes it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netlab import lab
from netlab.diagnosis import phrases
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError
from netlab.kernel.netlink.objects import connections
from netlab.kernel.nftables import nft, nftrace
from netlab.packets import icmp_socket
from netlab.packets.packet import Part
from tests.kernel import faults
from tests.machine import NETLAB, inside, netlab
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "trace")) as up:
        yield up


@contextmanager
def changed(node: str, do: str, undo: str) -> Iterator[None]:
    with faults.changed(f"trace.{node}", do, undo):
        yield


@contextmanager
def rules(node: str, hook: str, rule: str) -> Iterator[str]:
    with faults.rules(f"trace.{node}", hook, rule) as written:
        yield written


def finding(running: lab.Lab, source: str, target: str) -> Diagnosis:
    return lab.trace(running, source, target).diagnosis


def end(running: lab.Lab, source: str, target: str) -> tuple[str, Cause | None]:
    found = finding(running, source, target)
    return found.at, found.cause


def test_a_journey_through_two_nats_names_each_rewrite(running):
    traced = lab.trace(running, "vm1", "internet")
    request = traced.journey.of(Part.REQUEST)
    answer = traced.journey.of(Part.REPLY)
    way = ["vm1", "vmnet8", "vmnet8-nat", "lan", "router", "internet"]
    assert [step.node for step in request] == way
    assert [step.node for step in answer] == way[::-1]
    assert [step.rewrites for step in request if step.rewrites] == [
        {"ip.src": ("10.0.0.128", "192.168.1.100")},
        {"ip.src": ("192.168.1.100", "203.0.113.1")},
    ]
    assert [step.rewrites["ip.dst"][1] for step in answer if step.rewrites] == [
        "192.168.1.100",
        "10.0.0.128",
    ]
    assert traced.diagnosis == Diagnosis(Verdict.ANSWERED, "internet")


def test_the_first_trace_is_cold_and_the_next_one_warm(running):
    inside("trace.vm1", "ip", "neigh", "flush", "all")
    assert lab.trace(running, "vm1", "vm2").cold
    assert not lab.trace(running, "vm1", "vm2").cold


def test_two_vms_may_use_one_icmp_id(running, monkeypatch):
    """While NAT remembers vm1's ping, vm2's with the same number gets another one on its way."""
    number = 0x1111
    monkeypatch.setattr("netlab.probes.icmp.secrets.randbelow", lambda _: number)
    first, second = (lab.trace(running, vm, "internet") for vm in ("vm1", "vm2"))
    for traced, address in ((first, "10.0.0.128"), (second, "10.0.0.129")):
        request, answer = (traced.journey.of(part) for part in (Part.REQUEST, Part.REPLY))
        assert traced.diagnosis.verdict is Verdict.ANSWERED
        assert answer[-1].after["ip.dst"] == address
        assert {request[0].before["icmp.id"], answer[-1].after["icmp.id"]} == {"0x1111"}
    arrived = [one.journey.of(Part.REQUEST)[-1].before["icmp.id"] for one in (first, second)]
    assert arrived[0] == "0x1111" != arrived[1]
    (device,) = [step for step in second.journey.of(Part.REQUEST) if step.node == "vmnet8-nat"]
    assert "icmp.id" in device.rewrites
    remembered = [
        one
        for one in connections.read("trace.vmnet8-nat")
        if one.original.identifier == number and str(one.original.target) == "203.0.113.80"
    ]
    assert {str(one.original.source) for one in remembered} == {"10.0.0.128", "10.0.0.129"}


def test_what_nat_remembers_of_a_probe_carries_no_other_one(running):
    """The router lets through what it knows, and nothing new: each probe is new to it."""
    assert finding(running, "vm1", "internet").verdict is Verdict.ANSWERED
    with rules("router", "forward", "ct state new drop"):
        assert end(running, "vm1", "internet") == ("router", Cause.FIREWALL)


def test_other_traffic_is_no_part_of_a_journey(running):
    """Another VM pings the same target; of ARP, only what vm1 asks belongs to vm1's journey."""
    lab.trace(running, "vm2", "internet")
    with faults.program("trace.vm2", "ping", "-q", "-i", "0.002", "203.0.113.80"):
        inside("trace.vm1", "ip", "neigh", "flush", "all")
        journey = lab.trace(running, "vm1", "internet").journey
    request, answer = journey.of(Part.REQUEST), journey.of(Part.REPLY)
    assert (len(request), len(answer)) == (6, 6)
    assert len({step.before["icmp.id"] for step in request + answer}) == 1
    arp = [packet.key for packet in journey.packets if packet.part is Part.ARP]
    assert arp == [("10.0.0.128", "10.0.0.2"), ("10.0.0.2", "10.0.0.128")]


def test_nic_down(running):
    with changed("vm2", "ip link set eth0 down", "ip link set eth0 up"):
        assert end(running, "vm2", "10.0.0.128") == ("vm2", Cause.NIC_DOWN)
    inside("trace.vm2", "ip", "route", "replace", "default", "via", "10.0.0.2")


def test_no_address(running):
    lose = "ip address del 10.0.0.129/24 dev eth0"
    regain = "ip address add 10.0.0.129/24 dev eth0; ip route replace default via 10.0.0.2"
    with changed("vm2", lose, regain):
        assert end(running, "vm2", "10.0.0.128") == ("vm2", Cause.NO_ADDRESS)


def test_no_route(running):
    with changed("vm1", "ip route del default", "ip route add default via 10.0.0.2"):
        assert end(running, "vm1", "internet") == ("vm1", Cause.NO_ROUTE)


def test_arp_unanswered_at_the_source(running):
    assert end(running, "vm1", "10.0.0.99") == ("vm1", Cause.ARP_UNANSWERED)


def test_arp_unanswered_on_the_way(running):
    assert end(running, "vm1", "192.168.1.77") == ("host", Cause.ARP_UNANSWERED)


def test_no_taker(running):
    """The NAT device is gone, and vm1 still has its MAC in the cache."""
    lab.trace(running, "vm1", "internet")
    port = "ip link set vmnet8-nat-eth0"
    with changed("vmnet8", f"{port} down", f"{port} up"):
        assert end(running, "vm1", "internet") == ("vmnet8", Cause.MAC_UNKNOWN)
        assert finding(running, "vm1", "internet").look_at == "bridge fdb"


def test_no_taker_on_a_cable_without_a_switch(running):
    """The router has no ports to be looked at."""
    point = "ip neigh replace 203.0.113.80 lladdr 02:00:00:00:00:99 dev wan0 nud permanent"
    with changed("router", point, "ip neigh del 203.0.113.80 dev wan0"):
        found = finding(running, "vm1", "internet")
    assert (found.at, found.cause) == ("router", Cause.MAC_UNKNOWN)
    assert found.look_at == "ip neighbour"


def test_an_answer_that_ends_at_a_switch(running):
    """It has no routes to be looked at."""
    lab.trace(running, "vm1", "vm2")
    silent = ("tc qdisc add dev vm1-eth0 root pfifo limit 0", "tc qdisc del dev vm1-eth0 root")
    with changed("vmnet8", *silent):
        found = finding(running, "vm1", "vm2")
    assert (found.at, found.cause) == ("vmnet8", Cause.NO_RETURN_PATH)
    assert found.look_at == "bridge fdb"


GATEWAY_1 = "ip route replace default via 10.0.0.1"
GATEWAY_2 = "ip route replace default via 10.0.0.2"


def test_not_forwarding(running):
    """The gateway is .1, the host adapter: the classic."""
    off = "sysctl -qw net.ipv4.conf.vmnet8.forwarding=0"
    with changed("vm1", GATEWAY_1, GATEWAY_2), changed("host", off, off):
        found = finding(running, "vm1", "internet")
    assert (found.at, found.cause) == ("host", Cause.NOT_FORWARDING)
    assert "InAddrErrors" in found.evidence


@pytest.mark.parametrize("node", ["vm2", "vm1"])
def test_firewall_names_the_rule(running, node):
    hook = "input" if node == "vm2" else "output"
    with rules(node, hook, 'icmp type echo-request drop comment "guest firewall"') as written:
        found = finding(running, "vm1", "vm2")
    assert (found.at, found.cause) == (node, Cause.FIREWALL)
    assert (found.evidence, '"guest firewall"' in written) == (f"extra c: {written}", True)


def test_firewall_names_the_policy(running):
    found = finding(running, "internet", "10.0.0.128")
    assert (found.at, found.cause) == ("router", Cause.FIREWALL)
    assert found.evidence == "home_router forward: policy drop"


def test_not_forwarding_at_the_nat_device(running):
    forwarding = "sysctl -qw net.ipv4.conf.eth0.forwarding="
    with changed("vmnet8-nat", forwarding + "0", forwarding + "1"):
        found = finding(running, "vm1", "internet")
    assert (found.at, found.cause) == ("vmnet8-nat", Cause.NOT_FORWARDING)
    assert found.evidence == "Ip.InAddrErrors of vmnet8-nat grew by 1"


def test_firewall_on_the_host(running):
    forwarding = "sysctl -qw net.ipv4.conf.vmnet8.forwarding="
    with changed("vm1", GATEWAY_1, GATEWAY_2), changed("host", forwarding + "1", forwarding + "0"):
        assert end(running, "vm1", "internet") == ("host", Cause.FIREWALL)


def test_reverse_path(running):
    strict = "sysctl -qw net.ipv4.conf.lan0.rp_filter=1"
    lab.trace(running, "pc", "internet")  # Cold, the router would not even answer the ARP question.
    with (
        changed("router", strict, "sysctl -qw net.ipv4.conf.lan0.rp_filter=0"),
        changed("pc", "ip address add 172.31.0.9/32 dev lo && "
                "ip route replace 203.0.113.80 via 192.168.1.1 src 172.31.0.9",
                "ip route del 203.0.113.80; ip address del 172.31.0.9/32 dev lo"),
    ):  # fmt: skip
        assert end(running, "pc", "internet") == ("router", Cause.REVERSE_PATH)


def test_no_way_back(running):
    """The host translates no more: the reply goes to an address that is nowhere, by way of the LAN's router,
    which knows of no question."""
    before = nft.read("trace.host")
    nft.delete_table("trace.host", "ip", "host")
    try:
        found = finding(running, "vm1", "pc")
    finally:
        nft.create("trace.host", before)
    assert (found.verdict, found.at, found.cause) == (
        Verdict.DROPPED,
        "router",
        Cause.NO_RETURN_PATH,
    )
    assert "the reply was last seen on router: firewall, home_router leaving" in found.evidence


def test_ttl(running):
    with changed(
        "vm1", "sysctl -qw net.ipv4.ip_default_ttl=2", "sysctl -qw net.ipv4.ip_default_ttl=64"
    ):
        assert end(running, "vm1", "internet") == ("host", Cause.TTL_EXCEEDED)


def test_refused(running):
    add, undo = "ip route add prohibit 203.0.113.80", "ip route del prohibit 203.0.113.80"
    with changed("router", add, undo):
        found = finding(running, "vm1", "internet")
    assert (found.verdict, found.at, found.cause) == (Verdict.REFUSED, "router", Cause.REFUSED)


def test_refused_by_a_firewall_that_says_so(running):
    reject = "icmp type echo-request reject with icmp type admin-prohibited"
    with rules("router", "forward", reject):
        found = finding(running, "vm1", "internet")
    assert (found.verdict, found.at, found.cause) == (Verdict.REFUSED, "router", Cause.FIREWALL)
    assert phrases.sentence(found) == "a firewall rule rejected it"


def test_frames_that_no_tap_had_room_for_make_it_unknown(running, monkeypatch):
    monkeypatch.setattr(icmp_socket, "_BUFFER_BYTES", 1)
    found = finding(running, "vm1", "internet")
    assert (found.verdict, found.cause) == (Verdict.UNKNOWN, Cause.UNKNOWN)


def test_without_the_rules_own_trace_a_silent_drop_is_unknown(running, monkeypatch):
    monkeypatch.setattr(nftrace.RuleTrace, "hits", lambda self: iter(()))
    assert finding(running, "internet", "10.0.0.128").verdict is Verdict.UNKNOWN


def test_traces_may_run_side_by_side(running):
    ends = []
    commands = [
        subprocess.Popen(
            [*NETLAB, "trace", "internet", "10.0.0.128"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for one in commands:
        output, _ = one.communicate(timeout=HANG_SECONDS)
        ends.append("home_router forward: policy drop" in output)
    assert ends == [True] * 3
    assert not lab.status(running).drift


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_rules_behind(running, number):
    """While it waits for a reply to ARP that never comes."""
    process = subprocess.Popen(
        [*NETLAB, "trace", "vm1", "10.0.0.99"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "netlab_trace" not in nft.read("trace.host"):
        assert process.poll() is None, "it was over before the signal came"
    process.send_signal(number)
    _, complaint = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, "Traceback" in complaint) == (130, False), complaint
    assert not lab.status(running).drift


def test_nothing_of_a_trace_stays_behind(running):
    lab.trace(running, "vm1", "internet")
    assert not lab.status(running).drift


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *(("vm9", "vm1"), ("vm1", "vm9"), ("vm1", "vm1@lan")),
        *(("vm1", "fe80::1"), ("vm1", "fe80::1%eth0")),
    ],
)
def test_who_cannot_be_meant_is_said(running, source, target):
    for way in (lab.trace, lab.explain):
        with pytest.raises(UsageError):
            way(running, source, target)


def test_the_command_ends_with_1_if_no_answer_came(running):
    done = netlab("trace", "vm1", "10.0.0.98")
    assert done.returncode == 1
    assert "✘ dropped at vm1" in done.stdout
    assert "netlab exec vm1 -- ip neighbour" in done.stdout
    assert "在 vm1 被丢弃" in netlab("trace", "vm1", "10.0.0.97", "--lang", "zh").stdout
    answered = netlab("trace", "vm1", "vm2", "--json")
    assert answered.returncode == 0
    assert json.loads(answered.stdout)["verdict"]["verdict"] == "answered"
