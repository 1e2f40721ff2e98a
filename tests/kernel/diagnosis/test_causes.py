"""Each cause of death, provoked on real packets; and that it is not found without its evidence.

Those of `nat` that need nothing else are in `trace/test_trace`.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import product
from time import monotonic
from unittest import mock

import pytest

from netlab import lab, probes
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.drops import RuleDrop
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.packets.packet import Part
from netlab.plan.nodes.outside import ADMISSION
from netlab.plan.resources import Service
from netlab.plan.services import dnsmasq
from netlab.probes.base import Ends
from tests.kernel.faults import (
    Proof,
    await_count,
    await_port,
    changed,
    program,
    proof,
    rules,
    run,
    service,
    setting,
)
from tests.machine import NETLAB
from tests.pace import HANG_SECONDS, SLOWNESS

ANSWERED, DEAD, REFUSED = Verdict.ANSWERED, Verdict.DROPPED, Verdict.REFUSED
VM2, VM3, VM4 = "10.0.0.128", "10.0.0.129", "172.16.78.128"
HOST, INTERNET = "192.168.1.100", "203.0.113.80"
SILENT_WAN = ("tc qdisc add dev wan0 root pfifo limit 0", "tc qdisc del dev wan0 root")


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), "causes")) as up:
        yield up


def no_errors(one: Proof):
    """The journey, had nobody said what was wrong."""
    return one.evidence.journey.only(lambda packet: packet.part is not Part.ERROR)


def mac(node: str) -> str:
    return run(f"causes.{node}", "cat /sys/class/net/eth0/address").strip()


@contextmanager
def small_cable() -> Iterator[None]:
    mtu = "ip link set wan0 mtu "
    with changed("causes.router", mtu + "1300", mtu + "1500"):
        yield


@pytest.mark.on_each_kernel
def test_too_big(running):
    """The error is said, and does not reach the source: a black hole for big packets."""
    swallow = "icmp type destination-unreachable drop"
    with small_cable(), rules("causes.host", "prerouting", swallow):
        one = proof(running, "vm2", "internet", by="mtu")
    assert one.end == (DEAD, "router", Cause.MTU_EXCEEDED)
    assert one.trace.found == ()
    assert one.without(journey=no_errors(one)) is Cause.MTU_EXCEEDED  # By the router's count.
    assert one.without(journey=no_errors(one), counts={}) is Cause.UNKNOWN


@pytest.mark.on_each_kernel
def test_too_big_without_a_word(running):
    swallow = "icmp type destination-unreachable drop"
    with small_cable(), rules("causes.router", "output", swallow):
        one = proof(running, "vm2", "internet", by="mtu")
    assert one.end == (DEAD, "router", Cause.MTU_EXCEEDED)
    assert "FragFails" in one.diagnosis.evidence
    assert one.without(counts={}) is Cause.UNKNOWN


def test_wrong_segment(running):
    """vm4 believes that the NAT network is its own."""
    with changed("causes.vm4", "ip route add 10.0.0.0/24 dev eth0", "ip route del 10.0.0.0/24"):
        one = proof(running, "vm4", VM2)
    assert one.end == (DEAD, "vm4", Cause.WRONG_SEGMENT)
    assert "vm2 has that address, on vmnet8, behind host 172.16.78.1" in one.diagnosis.evidence
    assert one.without(elsewhere={}) is Cause.ARP_UNANSWERED


def test_wrong_segment_where_the_other_card_would_be_right(running):
    """The host is on both networks, and asks on the LAN who has vm2's address."""
    add = f"ip route add {VM2} dev eth0"
    with changed("causes.host", add, add.replace("add", "del")):
        one = proof(running, "host", "vm2")
        foretold = lab.explain(running, "host", "vm2").diagnosis
    assert one.end == (DEAD, "host", Cause.WRONG_SEGMENT), one.diagnosis
    assert (foretold.at, foretold.cause) == ("host", Cause.WRONG_SEGMENT)


def test_nobody_answers_on_a_cable_without_a_switch(running):
    """The Internet is right there, at the other end, and says nothing."""
    quiet = "ip link set eth0 arp "
    for node in ("router", "internet"):
        run(f"causes.{node}", "ip neigh flush all")
    with changed("causes.internet", quiet + "off", quiet + "on"):
        one = proof(running, "router", "internet")
    assert one.end == (DEAD, "router", Cause.ARP_UNANSWERED), one.diagnosis


@pytest.mark.on_each_kernel
def test_isolated_port(running):
    lab.trace(running, "vm2", "vm3")
    one_of = "bridge link set dev {} isolated {}"
    ports = ("vm2-eth0", "vm3-eth0")
    do, undo = ("; ".join(one_of.format(port, to) for port in ports) for to in ("on", "off"))
    with changed("causes.vmnet8", do, undo):
        one = proof(running, "vm2", "vm3")
        assert one.end == (DEAD, "vmnet8", Cause.ISOLATED_PORT)
        run("causes.vm2", "ip neigh flush all")
        cold = proof(running, "vm2", "vm3")
        assert cold.end == (DEAD, "vmnet8", Cause.ISOLATED_PORT)
        assert lab.trace(running, "vm2", "internet").diagnosis.verdict is ANSWERED
    assert one.without(isolated={}) is Cause.UNKNOWN


def test_one_isolated_port_explains_nothing(running):
    """The frame was to go to a port that is not isolated, and dies there of something else."""
    lab.trace(running, "vm2", "vm3")
    alone = "bridge link set dev vm2-eth0 isolated "
    with (
        changed("causes.vmnet8", alone + "on", alone + "off"),
        changed("causes.vmnet8", "tc qdisc add dev vm3-eth0 root pfifo limit 0",
                "tc qdisc del dev vm3-eth0 root"),
    ):  # fmt: skip
        one = proof(running, "vm2", "vm3")
    assert one.end_at_first == (Verdict.UNKNOWN, "vmnet8", Cause.UNKNOWN), one.diagnosis


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(("by", "report"), [("tcp:81", "resets"), ("udp:81", "type 3, code 3")])
@pytest.mark.parametrize(
    ("source", "target", "at"), [("vm2", "vm3", "vm3"), ("vm2", "internet", "internet")]
)
def test_port_closed(running, by, report, source, target, at):
    one = proof(running, source, target, by=by)
    assert one.end == (REFUSED, at, Cause.PORT_CLOSED)
    assert report in one.diagnosis.evidence
    assert one.without(journey=no_errors(one)) is Cause.UNKNOWN


def test_no_forward(running):
    one = proof(running, "pc", "host@lan", by="tcp:8080")
    assert one.end == (REFUSED, "host", Cause.NO_FORWARD)
    assert one.without(forwarded_ports=frozenset()) is Cause.PORT_CLOSED


def test_a_forward_at_another_address(running):
    lab.apply(running, lab.add_forward(running, "tcp", "127.0.0.1:8090", "vm2:80"))
    one = proof(lab.attach("causes"), "pc", "host@lan", by="tcp:8090")
    lab.apply(lab.attach("causes"), running.source)
    assert one.end == (REFUSED, "host", Cause.FORWARD_ELSEWHERE)
    assert "the port leads on at 127.0.0.1 only" in one.diagnosis.evidence
    assert one.without(bound_forwards=()) is Cause.NO_FORWARD
    assert one.without(forwarded_ports=frozenset()) is Cause.PORT_CLOSED


def test_a_forwarded_port_is_answered(running):
    """The same question, with the two rules by which VMware's NAT forwards a port."""
    to_device = f"ip daddr {HOST} tcp dport 8080 dnat to 169.254.0.34"
    to_vm = f"tcp dport 8080 dnat to {VM2}:80"
    accept = 'iifname "eth0" oifname "vmnet8-nat" ct status dnat accept'
    accept_device = 'iifname "uplink" ct status dnat accept'
    with (
        inserted("causes.host", "ip host forward", accept),
        inserted("causes.vmnet8-nat", "ip nat_device forward", accept_device),
        program("causes.vm2", "busybox", "httpd", "-f", "-p", "0.0.0.0:80"),
        rules("causes.host", "prerouting", to_device, kind="nat -100"),
        rules("causes.vmnet8-nat", "prerouting", to_vm, kind="nat -100"),
    ):
        await_port("causes.vm2", "tcp", 80)
        one = proof(running, "pc", "host@lan", by="tcp:8080")
    assert one.end == (ANSWERED, "vm2", None), one.diagnosis


@contextmanager
def inserted(place: str, chain: str, rule: str) -> Iterator[None]:
    """A rule before all others of a chain."""
    output = run(place, f"nft -e -a insert rule {chain} '{rule}'")
    handle = output.partition("# handle ")[2].split()[0]
    try:
        yield
    finally:
        run(place, f"nft delete rule {chain} handle {handle}")


@pytest.mark.on_each_kernel
def test_protocol_not_translated(running):
    one = proof(running, "vm2", "internet", by="raw:47")
    assert one.end == (DEAD, "vmnet8-nat", Cause.PROTOCOL_NOT_TRANSLATED)
    assert one.without(nat_devices=frozenset()) is Cause.FIREWALL
    assert one.without(drops={}) is Cause.UNKNOWN
    assert proof(running, "vm2", "vm3", by="raw:47").diagnosis.verdict is ANSWERED


@pytest.mark.on_each_kernel
def test_not_translated(running):
    chain, rule = "ip home_router postrouting", 'oifname "wan0" masquerade'
    with changed("causes.router", f"nft flush chain {chain}", f"nft 'add rule {chain} {rule}'"):
        one = proof(running, "pc", "internet")
    assert one.end == (DEAD, "router", Cause.NOT_TRANSLATED)
    assert one.without(drops={}) is Cause.UNKNOWN


def test_what_a_person_lets_drop_where_a_nat_does_is_a_firewall(running):
    with inserted("causes.router", "ip home_router leaving", f"ip daddr {INTERNET} drop"):
        one = proof(running, "pc", "internet")
    assert one.end == (DEAD, "router", Cause.FIREWALL)


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("nodes", "at"),
    [
        (["router"], "router"),
        (["vmnet8-nat"], "vmnet8-nat"),
        (["host"], "host"),
        (["vmnet8-nat", "host", "router"], "router"),
    ],
)
def test_mapping_expired(running, nodes, at):
    timeout = "net.netfilter.nf_conntrack_udp_timeout"
    with ExitStack() as stack:
        for node, key in product(nodes, (timeout, f"{timeout}_stream")):
            stack.enter_context(setting(f"causes.{node}", key, 1))
        one = proof(running, "vm2", "internet", by="udp", wait=2)
    assert one.end == (DEAD, at, Cause.NAT_MAPPING_EXPIRED), one.diagnosis
    assert one.without(forgotten=frozenset()) is Cause.NO_RETURN_PATH


@pytest.mark.on_each_kernel
def test_an_answer_in_time_finds_the_mapping(running):
    one = proof(running, "vm2", "internet", by="udp", wait=0.2)
    assert one.diagnosis.verdict is ANSWERED


@contextmanager
def asleep(running, node, name):
    pid, _ = service(running, node, name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_no_offer(running):
    with asleep(running, "vmnet8-dhcp", "dhcp"):
        one = proof(running, "vm2", by="dhcp")
    assert one.end == (DEAD, "vmnet8-dhcp", Cause.DHCP_NO_OFFER)
    assert one.without(lost=1) is Cause.UNKNOWN
    assert one.without(drops={("vmnet8-dhcp", Part.REQUEST): RuleDrop("a rule")}) is Cause.FIREWALL


@contextmanager
def second_server(running, node, *lines):
    place, directory = RunDirectory(running.name), f"{running.name}.{node}"
    config = dnsmasq.configuration("eth0", ["port=0", "dhcp-authoritative", "no-ping", *lines])
    services.start(place, Service(directory, "second", dnsmasq.PROGRAM, config))
    pid, folder = service(running, node, "second")
    try:
        await_port(f"causes.{node}", "udp", 67)
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def test_pool_empty(running):
    lines = [
        "dhcp-range=172.16.78.200,172.16.78.200,255.255.255.0,60s",
        "dhcp-host=00:0c:29:00:00:99,172.16.78.200",
    ]
    with asleep(running, "vmnet1-dhcp", "dhcp"), second_server(running, "vm5", *lines):
        one = proof(running, "vm4", by="dhcp")
    assert one.end == (DEAD, "vm5", Cause.DHCP_POOL_EXHAUSTED), one
    assert one.without(no_address_left={}) is Cause.DHCP_NO_OFFER


def test_dns_silent(running):
    with asleep(running, "vmnet8-nat", "dns"):
        one = proof(running, "vm2", by="dns:www.example.com")
    assert one.end == (DEAD, "vmnet8-nat", Cause.DNS_SILENT)
    assert one.without(listening={}) is Cause.UNKNOWN


def test_dns_silent_behind_two_relays(running):
    """A name of its own: a relay does not pass on what it has asked for already, for another test."""
    with asleep(running, "internet", "dns"):
        one = proof(running, "vm2", by="dns:silent.example.com")
    assert one.end == (DEAD, "internet", Cause.DNS_SILENT)


def test_a_server_whose_answer_is_lost_at_once_was_not_silent(running):
    by = "dns:www.example.com"
    lab.trace(running, "vm2", "internet", by=by)
    nothing_out = "tc qdisc {} dev eth0 root"
    do, undo = nothing_out.format("add") + " pfifo limit 0", nothing_out.format("del")
    with changed("causes.internet", do, undo):
        one = proof(running, "vm2", "internet", by=by)
    assert one.end_at_first == (Verdict.UNKNOWN, "internet", Cause.UNKNOWN), one.diagnosis
    assert "has sent datagrams" in one.first_look.evidence
    assert (
        one.without(counts={"internet": {"Udp.InDatagrams": 1}}, second_look=None)
        is Cause.DNS_SILENT
    )


def test_dns_no_name(running):
    one = proof(running, "vm2", by="dns:nobody.example.com")
    assert one.end == (REFUSED, "internet", Cause.NXDOMAIN)


def test_a_server_that_cannot_answer_says_nothing_about_the_name(running):
    """The router's own server refuses: it has nobody to ask."""
    with second_dns(running, "vm3"):
        one = proof(running, "vm2", VM3, by="dns:www.example.com")
    assert one.end == (REFUSED, "vm3", Cause.REFUSED)


@contextmanager
def second_dns(running, node):
    words = [
        "dnsmasq",
        "--no-daemon",
        "--user=root",
        "--no-resolv",
        "--no-hosts",
        "--conf-file=/dev/null",
        "--pid-file=",
    ]
    with program(f"causes.{node}", *words):
        await_port(f"causes.{node}", "udp", 53)
        yield


@pytest.mark.on_each_kernel
def test_duplicate_mac(running):
    lab.trace(running, "host", VM2)
    with changed(
        "causes.vm3",
        f"ip link set eth0 address {mac('vm2')} && ping -qc1 10.0.0.2",
        f"ip link set eth0 address {mac('vm3')} && ping -qc1 10.0.0.2",
    ):
        one = proof(running, "host", VM2)
    assert one.end == (DEAD, "vm3", Cause.DUPLICATE_MAC), one.diagnosis
    assert one.without(twins={}) is Cause.NOT_FORWARDING
    # The switch learns anew where vm2 is, and vm2 that its neighbour's MAC is not its own.
    run("causes.vm2", "ip neigh flush all; ping -qc1 10.0.0.2")


@pytest.mark.on_each_kernel
def test_duplicate_ip(running):
    address = f"ip address {{}} {VM2}/24 dev eth0"
    point = f"ip neigh replace {VM2} lladdr {mac('vm3')} dev vmnet8 nud reachable"
    with changed("causes.vm3", address.format("add"), address.format("del")):
        run("causes.host", point)
        one = proof(running, "host", "vm2")
        both = proof(running, "host", "vm2", by="arp")
    for node in ("host", "vmnet8-nat"):  # Either twin may have answered them meanwhile.
        run(f"causes.{node}", "ip neigh flush all")
    assert one.end == (DEAD, "vm3", Cause.DUPLICATE_IP), one.diagnosis
    assert both.found(mac("vm2")) and both.found(mac("vm3"))
    assert one.without(owners={}) is not Cause.DUPLICATE_IP


@contextmanager
def told(node: str, address: str, owner: str) -> Iterator[None]:
    """A machine is told that an address is at another's MAC."""
    known = f"ip neigh replace {address} lladdr {mac(owner)} dev eth0 nud permanent"
    with changed(f"causes.{node}", known, f"ip neigh del {address} dev eth0"):
        yield


@pytest.mark.parametrize("by", ["icmp", "udp:81", "tcp:81", "dns:www.example.com"])
def test_a_twin_that_answers_or_refuses_in_its_place(running, by):
    twin = "ip address {} 10.0.0.2/32 dev lo"
    with (
        changed("causes.vm3", twin.format("add"), twin.format("del")),
        told("vm2", "10.0.0.2", "vm3"),
    ):
        one = proof(running, "vm2", "vmnet8-nat", by=by)
        typed = proof(running, "vm2", "10.0.0.2", by=by)
        foretold = None if ":www" in by else lab.explain(running, "vm2", "vmnet8-nat", by).diagnosis
    assert one.end == typed.end == (DEAD, "vm3", Cause.DUPLICATE_IP), one.diagnosis
    assert foretold is None or (foretold.at, foretold.cause) == ("vm3", Cause.DUPLICATE_IP)


def test_a_twin_of_the_source_that_gets_the_answers(running):
    twin = f"ip address {{}} {VM2}/32 dev lo"
    with (
        changed("causes.vm3", twin.format("add"), twin.format("del")),
        told("vmnet8-nat", VM2, "vm3"),
    ):
        one = proof(running, "vm2", "internet")
        foretold = lab.explain(running, "vm2", "internet").diagnosis
    assert one.end == (DEAD, "vm3", Cause.DUPLICATE_IP), one.diagnosis
    assert (foretold.at, foretold.cause) == ("vm3", Cause.DUPLICATE_IP)
    assert one.without(owners={}) is Cause.NO_RETURN_PATH


def test_an_address_that_another_network_has_too(running):
    """The one that was asked is the one that is meant: a second owner elsewhere is none of its business."""
    twin = f"ip address {{}} {VM2}/32 dev lo"
    with changed("causes.vm1", twin.format("add"), twin.format("del")):
        for source in ("vm3", "host"):
            one = proof(running, source, VM2)
            assert one.end == (ANSWERED, "vm2", None), one.diagnosis
            assert lab.explain(running, source, VM2).diagnosis.at == "vm2"
        assert proof(running, "pc", VM2).diagnosis.cause is not Cause.DUPLICATE_IP
        assert proof(running, "vm1", VM2).end == (ANSWERED, "vm1", None)  # It asks itself.


@pytest.mark.parametrize(
    ("node", "hook", "to", "who"),
    [("host", "prerouting", "192.168.1.50", "pc"), ("vm2", "output", VM3, "vm3")],
)
def test_what_another_machine_has_answered(running, node, hook, to, who):
    """Somebody turns the way round: a reply comes, and not from whom it was asked of."""
    turn = f"ip daddr {INTERNET} icmp type echo-request dnat to {to}"
    with rules(f"causes.{node}", hook, turn, kind="nat -150"):
        one = proof(running, "vm2", "internet")
        foretold = lab.explain(running, "vm2", "internet").diagnosis
        asked = lab.pairs(running, ["vm2"], ["internet"])
        (measured,) = lab.verify(running, expectations=asked)
    assert one.end == (Verdict.UNKNOWN, who, Cause.UNKNOWN), one.diagnosis
    assert one.diagnosis.evidence == f"it was answered, but by {who}"
    assert (foretold.verdict, foretold.at) == (Verdict.UNKNOWN, who)
    assert measured.outcome.verdict is Verdict.UNKNOWN
    assert f"it was answered, but by {who}" in measured.outcome.why


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("cold", [False, True])
def test_not_admitted(running, cold):
    lab.trace(running, "vm1", "pc")
    rule = f"ether saddr {mac('vm1')} drop"
    with rules("causes.lan", "prerouting", rule, "bridge", table=ADMISSION):
        if cold:
            for node in ("vm1", "pc"):
                run(f"causes.{node}", "ip neigh flush all")
        one = proof(running, "vm1", "pc")
    assert one.end == (DEAD, "lan", Cause.MAC_NOT_ALLOWED), one.diagnosis
    assert mac("vm1") in one.diagnosis.evidence
    without = one.without(drops={}, silenced={})
    assert without is (Cause.ARP_UNANSWERED if cold else Cause.UNKNOWN)


@pytest.mark.parametrize("by", ["icmp", "udp", "tcp", "raw:47", "dns:www.example.com"])
def test_a_firewall_on_the_source_that_drops_the_answer(running, by):
    """The reply comes home, and the program does not get it."""
    with rules("causes.vm2", "input", "ip saddr 10.0.0.0/24 drop"):
        one = proof(running, "vm2", "10.0.0.2" if by.startswith("dns") else "vm3", by=by)
    assert one.end == (DEAD, "vm2", Cause.NO_RETURN_PATH), one.diagnosis
    assert "extra c: ip saddr 10.0.0.0/24 drop" in one.diagnosis.evidence
    unseen = diagnose(replace(one.evidence, drops={}))
    assert "firewall" not in unseen.evidence


def test_an_error_about_the_answer_is_none_about_the_request(running):
    """The router refuses to bring the reply home, and tells the target so."""
    add = f"ip route add prohibit {HOST}/32"
    with changed("causes.router", add, add.replace("add", "del")):
        one = proof(running, "vm2", "internet")
    assert one.end == (DEAD, "router", Cause.NO_RETURN_PATH)
    assert one.evidence.journey.of(Part.ERROR)


def test_no_way_back_where_the_answer_meets_a_rule(running):
    with rules("causes.router", "forward", "icmp type echo-reply drop"):
        one = proof(running, "vm2", "internet")
    assert one.end == (DEAD, "router", Cause.NO_RETURN_PATH)
    assert "firewall" in one.diagnosis.evidence


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("by", ["icmp", "tcp", "udp"])
def test_no_way_back_without_a_route(running, by):
    """The target gets the request, and cannot answer."""
    unreachable = f"ip route {{}} unreachable {HOST}"
    with changed("causes.pc", unreachable.format("add"), unreachable.format("del")):
        one = proof(running, "vm2", "pc", by=by)
    assert one.end == (DEAD, "pc", Cause.NO_RETURN_PATH)
    assert f"no route to {HOST}" in one.diagnosis.evidence
    assert one.without(no_route_back="", counts={}) is Cause.UNKNOWN


@pytest.mark.on_each_kernel
def test_no_way_back_where_the_answer_finds_no_mac(running):
    """The target believes that the source's address is on its own cable."""
    address, route = "10.0.9.9/32 dev lo", f"{VM3} dev eth0 src 10.0.9.9"
    known = f"ip neigh replace {VM3} lladdr {mac('vm3')} dev eth0 nud permanent"
    with (
        changed("causes.vm2", known, "ip neigh flush all nud permanent"),
        changed("causes.vm2", f"ip address add {address}", f"ip address del {address}"),
        changed("causes.vm2", f"ip route add {route}", f"ip route del {route}"),
        setting("causes.vm2", "net.ipv4.conf.eth0.arp_ignore", 1),
        changed("causes.vm3", "ip route add 10.0.9.9 dev eth0", "ip route del 10.0.9.9"),
    ):
        one = proof(running, "vm2", VM3)
    assert one.end == (DEAD, "vm3", Cause.NO_RETURN_PATH)
    assert "10.0.9.9, and nobody answered" in one.diagnosis.evidence


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("by", "with_"),
    [
        ("icmp", "icmp type echo-request reject"),
        ("icmp", "icmp type echo-request reject with icmp type host-unreachable"),
        ("tcp:80", "tcp dport 80 reject with tcp reset"),
        ("tcp:80", "tcp dport 80 reject"),
        ("udp:53", "udp dport 53 reject"),
    ],
)
@pytest.mark.parametrize(("node", "hook"), [("internet", "input"), ("router", "forward")])
def test_a_firewall_that_says_so(running, by, with_, node, hook):
    with rules(f"causes.{node}", hook, with_):
        one = proof(running, "vm2", "internet", by=by)
    assert one.end == (REFUSED, node, Cause.FIREWALL)
    assert with_.split(" reject")[0] in one.diagnosis.evidence
    assert one.without(drops={}) is not Cause.FIREWALL


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("by", "rule"),
    [
        ("tcp:80", "tcp dport 80 drop"),
        ("udp", "udp dport > 1024 drop"),
        ("icmp", "icmp type echo-request reject"),
    ],
)
def test_a_firewall_on_the_source_lets_nothing_out(running, by, rule):
    with rules("causes.vm2", "output", rule):
        one = proof(running, "vm2", "vm3", by=by)
    assert one.end == (DEAD, "vm2", Cause.FIREWALL)
    assert one.without(drops={}) is Cause.UNKNOWN


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("by", "rule"),
    [
        ("icmp", "icmp type echo-reply drop"),
        ("tcp:99", "tcp flags rst drop"),
        ("tcp", "tcp flags syn / fin,syn,rst drop"),
        ("raw:47", "ip protocol 47 drop"),
    ],
)
def test_a_target_that_drops_its_own_answer_has_got_the_request(running, by, rule):
    with rules("causes.vm3", "output", rule) as shown:
        one = proof(running, "vm2", "vm3", by=by)
    assert one.end == (DEAD, "vm3", Cause.NO_RETURN_PATH), one.diagnosis
    assert f"could not leave vm3: firewall, extra c: {shown}" in one.diagnosis.evidence
    assert one.without(drops={}) is Cause.UNKNOWN


def test_a_dhcp_or_dns_server_that_drops_its_own_answer(running):
    with rules("causes.vmnet8-dhcp", "output", "udp sport 67 drop"):
        offer = proof(running, "vm2", by="dhcp")
    with rules("causes.vmnet8-nat", "output", "udp sport 53 drop"):
        told = proof(running, "vm2", by="dns:firewalled.example.com")
    assert offer.end == (DEAD, "vmnet8-dhcp", Cause.NO_RETURN_PATH), offer.diagnosis
    assert told.end == (DEAD, "vmnet8-nat", Cause.NO_RETURN_PATH), told.diagnosis


def test_a_rule_of_the_nat_device_is_none_about_protocols(running):
    with inserted("causes.vmnet8-nat", "ip nat_device forward", "ip protocol 47 drop"):
        one = proof(running, "vm2", "internet", by="raw:47")
    assert one.end == (DEAD, "vmnet8-nat", Cause.FIREWALL)


@pytest.mark.on_each_kernel
def test_without_connection_tracking_nothing_has_expired(running):
    """The router rewrites addresses, and has no table by which it could rewrite them back."""
    with (
        changed("causes.router", "nft list ruleset > /tmp/router.nft; nft flush ruleset",
                "nft flush ruleset; nft -f /tmp/router.nft; rm /tmp/router.nft"),
        rules("causes.router", "postrouting", 'oifname "wan0" ip saddr set 203.0.113.1'),
    ):  # fmt: skip
        one = proof(running, "vm2", "internet")
    assert one.end == (DEAD, "router", Cause.NO_RETURN_PATH), one.diagnosis
    assert one.evidence.forgotten == frozenset()


@contextmanager
def sent_to(node: str, address: str, its: str) -> Iterator[None]:
    """The node believes that an address is at that MAC."""
    entry = f"ip neigh {{}} {address} lladdr {its} dev eth0 nud permanent"
    with changed(f"causes.{node}", entry.format("replace"), entry.format("del")):
        yield


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("fault", ["table", "flood", "queue", "renamed"])
def test_mac_unknown_is_not_claimed_of_a_mac_that_is_on_the_switch(running, fault):
    """The frame for vm3 goes to others, and vm3 is on that switch with that MAC address."""
    its, port = mac("vm3"), "vm3-eth0"
    forget = (
        f"bridge link set dev {port} learning off; bridge fdb del {its} dev {port} master || true"
    )
    learn = f"bridge link set dev {port} learning on"
    do, undo = {
        "table": (
            f"bridge fdb replace {its} dev vmnet8-nat-eth0 master static sticky",
            f"bridge fdb del {its} dev vmnet8-nat-eth0 master",
        ),
        "flood": (
            f"bridge link set dev {port} flood off; {forget}",
            f"bridge link set dev {port} flood on; {learn}",
        ),
        "queue": (
            f"tc qdisc add dev {port} root pfifo limit 0; {forget}",
            f"tc qdisc del dev {port} root; {learn}",
        ),
        "renamed": (forget, learn),
    }[fault]
    rename = "ip link set {0} down; ip link set {0} name {1}; ip link set {1} up"
    heal = f"{rename.format('away', 'eth0')}; ip route replace default via 10.0.0.2"
    with ExitStack() as stack:
        lab.trace(running, "vm3", "vm2")  # The switch knows where it is.
        stack.enter_context(sent_to("vm2", VM3, its))
        if fault == "renamed":
            quiet = "sysctl -qw net.ipv4.icmp_echo_ignore_all="
            stack.enter_context(changed("causes.vm3", f"{quiet}1", f"{quiet}0"))
            stack.enter_context(changed("causes.vm3", rename.format("eth0", "away"), heal))
        stack.enter_context(changed("causes.vmnet8", do, undo))
        one = proof(running, "vm2", VM3)
    assert one.end_at_first == (Verdict.UNKNOWN, "vmnet8", Cause.UNKNOWN), one.diagnosis
    assert one.first_look.evidence == f"vm3 has {its}, on the same network"
    assert one.without(present=frozenset(), second_look=None) is Cause.MAC_UNKNOWN


def test_a_frame_for_nobody_that_goes_to_one_port(running):
    nobody = "02:00:00:00:00:77"
    entry = f"bridge fdb {{}} {nobody} dev vmnet8-nat-eth0 master"
    with (
        sent_to("vm2", VM3, nobody),
        changed("causes.vmnet8", entry.format("replace") + " static", entry.format("del")),
    ):
        one = proof(running, "vm2", VM3)
    assert one.end == (DEAD, "vmnet8", Cause.MAC_UNKNOWN)
    assert one.diagnosis.evidence == (
        f"vmnet8 gave it to vmnet8-nat alone, and nobody there has {nobody}; nobody has {nobody}, "
        f"and vm3 has {VM3}: vm2's ARP entry, made by hand, is wrong"
    )


def test_a_silent_machine_on_a_cable_without_a_switch_is_on_this_network(running):
    quiet = "ip link set eth0 arp "
    run("causes.router", "ip neigh flush all")
    with changed("causes.internet", f"{quiet}off", f"{quiet}on"):
        one = proof(running, "router", "internet")
    assert one.end == (DEAD, "router", Cause.ARP_UNANSWERED)


def test_another_machines_traffic_explains_nothing(running):
    """vm2's packet is dropped at the host without a word; others make it count errors and ask by ARP."""
    lab.trace(running, "vm2", "host")
    blackhole = "ip route {} blackhole 172.31.0.1"
    with (
        changed("causes.vm2", "ip route add 172.31.0.1 via 10.0.0.1", "ip route del 172.31.0.1"),
        changed("causes.vm3", "ip route add 172.31.0.2 via 10.0.0.1", "ip route del 172.31.0.2"),
        changed(
            "causes.host",
            "sysctl -qw net.ipv4.conf.vmnet8.forwarding=1; " + blackhole.format("add"),
            "sysctl -qw net.ipv4.conf.vmnet8.forwarding=0; " + blackhole.format("del"),
        ),
        program("causes.host", "ping", "-i", "0.2", "10.0.0.77"),
        program("causes.vm3", "ping", "-i", "0.05", "-t", "1", "172.31.0.2"),
    ):
        one = proof(running, "vm2", "172.31.0.1")
    assert one.end == (DEAD, "host", Cause.NO_ROUTE), one.diagnosis
    assert one.without(closed_route={}) is Cause.UNKNOWN  # Not by what others have made it count.
    assert not one.trace.cold


SWALLOW = "icmp type destination-unreachable drop"


@pytest.mark.on_each_kernel
def test_a_count_of_packets_that_came_in_elsewhere_explains_nothing(running):
    """The host passes on what vm2 sends, and nothing that vm4 sends: that is what it counts."""
    lab.trace(running, "vm2", "host")
    lab.trace(running, "host", "pc")
    there, back = "ip route add 172.31.0.1 via ", "ip route del 172.31.0.1"
    forwarding = "sysctl -qw net.ipv4.conf.vmnet8.forwarding="
    with (
        changed("causes.vm2", f"{there}10.0.0.1", back),
        changed("causes.vm4", f"{there}172.16.78.1", back),
        changed("causes.host", f"{forwarding}1; {there}192.168.1.50", f"{forwarding}0; {back}"),
        inserted("causes.host", "ip host forward", "accept"),
        changed("causes.host", "tc qdisc add dev eth0 root pfifo limit 0",
                "tc qdisc del dev eth0 root"),
        program("causes.vm4", "ping", "-q", "-i", "0.02", "172.31.0.1"),
    ):  # fmt: skip
        await_count("causes.host", "Ip.InAddrErrors")
        one = proof(running, "vm2", "172.31.0.1")
    assert "Ip.InAddrErrors" in one.evidence.lab.counts["host"]
    assert one.end_at_first == (Verdict.UNKNOWN, "host", Cause.UNKNOWN), one.diagnosis


@pytest.mark.on_each_kernel
def test_a_count_of_bigger_packets_explains_nothing(running):
    big = ["ping", "-q", "-M", "do", "-s", "1372", "-i", "0.02", INTERNET]
    lab.trace(running, "vm2", "internet")
    with (
        small_cable(),
        rules("causes.router", "output", SWALLOW),
        changed("causes.router", *SILENT_WAN),
        program("causes.vm3", *big),
    ):
        await_count("causes.router", "Ip.FragFails")
        one = proof(running, "vm2", "internet")
    assert "Ip.FragFails" in one.evidence.lab.counts["router"]
    assert one.end_at_first == (Verdict.UNKNOWN, "router", Cause.UNKNOWN), one.diagnosis


@pytest.mark.on_each_kernel
def test_a_count_of_misplaced_packets_explains_nothing(running):
    lab.trace(running, "pc", "internet")
    lab.trace(running, "vm1", "internet")
    strict = "sysctl -qw net.ipv4.conf.lan0.rp_filter="
    address = "ip address {} 172.31.0.9/32 dev lo"
    with (
        changed("causes.router", f"{strict}1", f"{strict}0"),
        changed("causes.router", *SILENT_WAN),
        changed("causes.vm1", address.format("add"), address.format("del")),
        program("causes.vm1", "ping", "-q", "-I", "172.31.0.9", "-i", "0.02", INTERNET),
    ):
        await_count("causes.router", "TcpExt.IPReversePathFilter")
        one = proof(running, "pc", "internet")
    assert "TcpExt.IPReversePathFilter" in one.evidence.lab.counts["router"]
    assert one.end_at_first == (Verdict.UNKNOWN, "router", Cause.UNKNOWN), one.diagnosis


PATIENCE = 5
"""Seconds for which dig waits, and a second look after it."""


def test_somebody_who_asks_for_ever_keeps_nobody_waiting(running):
    with (
        program("causes.vm3", "ping", "-i", "0.2", "10.0.0.78"),
        asleep(running, "vmnet8-nat", "dns"),
    ):
        begun = monotonic()
        one = proof(running, "vm2", by="dns:www.example.com")
    assert one.diagnosis.cause is Cause.DNS_SILENT
    assert monotonic() - begun < (4 + PATIENCE) * SLOWNESS


@pytest.mark.parametrize("source", ["pc", "vm2"])
def test_the_questions_for_who_is_not_there_come_soon_after_each_other(running, source):
    """Left to itself, the kernel takes 2 s for three. vm2's NAT has the host ask."""
    one = proof(running, source, "192.168.1.222")
    assert one.end[2] is Cause.ARP_UNANSWERED, one.diagnosis
    asked = [
        frame.sighting.at
        for frame in one.trace.frames
        if frame.fields.get("arp.target") == "192.168.1.222" and frame.sighting.outgoing
    ]
    assert len(asked) >= 3
    assert max(asked) - min(asked) < 1.5 * 10**9


def test_nobody_who_serves_dhcp_is_told_as_before(running):
    off, on = (f"ip link set eth0 {state}" for state in ("down", "up"))
    with changed("causes.vmnet1-dhcp", off, on):
        one = proof(running, "vm4", "vmnet1", by="dhcp")
    assert one.end[:1] + one.end[2:] == (DEAD, Cause.DHCP_NO_OFFER), one.diagnosis


def pace(node: str) -> str:
    return run(f"causes.{node}", "cat /proc/sys/net/ipv4/neigh/*/retrans_time_ms")


def test_who_keeps_frames_waiting_has_its_time(running):
    slow = "tc qdisc add dev eth0 root tbf rate 1mbit burst 10k latency 100ms"
    usual = pace("pc")
    paces = []

    def answered(*_: object) -> set[str]:
        paces.append(pace("pc"))
        return set()

    with mock.patch("netlab.trace.trace.drops.silenced", side_effect=answered):
        proof(running, "pc", "host")
        with changed("causes.vm3", slow, "tc qdisc del dev eth0 root"):
            proof(running, "pc", "host")
    assert paces[0] != usual
    assert paces[1] == usual == pace("pc")


def test_without_a_slow_cable_only_a_server_of_dhcp_is_waited_for(running):
    ends = Ends("causes.vm4", None, "", "eth0", "00:0c:29:00:00:01", "")
    with closing(probes.probe("dhcp", ends)) as probe:
        probe.note_reached("causes.vm5")
        patience = probe.patience
        probe.note_reached("causes.vmnet1-dhcp")
        assert patience < 1 < 3 < probe.patience


def test_a_signal_gives_back_the_pace_of_questions(running):
    usual = pace("pc")
    process = subprocess.Popen(
        [*NETLAB, "trace", "--lab", "causes", "pc", "192.168.1.222"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while pace("pc") == usual:
        assert process.poll() is None, "it was over before the signal came"
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, pace("pc")) == (130, usual), complaint


PAST_MAIN = {
    "a rule": (
        f"ip route add blackhole {INTERNET}; ip rule add pref 100 lookup 100;"
        "ip route add 203.0.113.0/24 dev wan0 table 100",
        f"ip route del blackhole {INTERNET}; ip rule del pref 100; ip route flush table 100",
    ),
    "a rule about marks": (
        f"ip route add blackhole {INTERNET}; ip rule add pref 100 fwmark 0/0x1 lookup 100;"
        "ip route add 203.0.113.0/24 dev wan0 table 100",
        f"ip route del blackhole {INTERNET}; ip rule del pref 100; ip route flush table 100",
    ),
    "another tos": (
        f"ip route add blackhole {INTERNET} tos 0x10",
        f"ip route del blackhole {INTERNET} tos 0x10",
    ),
    "throw": (
        f"ip route add throw {INTERNET}; ip route add {INTERNET} dev wan0 table default",
        f"ip route del throw {INTERNET}; ip route del {INTERNET} dev wan0 table default",
    ),
}


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("past", PAST_MAIN)
def test_a_route_of_the_main_table_that_was_not_taken_explains_nothing(running, past):
    """The router drops the packet without a word, after a decision that the main table did not make."""
    with changed("causes.router", *PAST_MAIN[past]):
        assert proof(running, "vm2", "internet").diagnosis.verdict is ANSWERED
        foretold = lab.explain(running, "vm2", "internet").diagnosis
        with changed("causes.router", *SILENT_WAN):
            one = proof(running, "vm2", "internet")
    assert one.end_at_first == (Verdict.UNKNOWN, "router", Cause.UNKNOWN), one.diagnosis
    assert foretold.verdict is ANSWERED


@pytest.mark.on_each_kernel
def test_a_way_back_by_another_table(running):
    """vm3 could answer by its table 100, and does not want to."""
    away = "ip rule add pref 100 lookup 100; ip route add 10.0.0.0/24 dev eth0 table 100; "
    back = "ip rule del pref 100; ip route flush table 100; "
    main = f"ip route add 10.0.0.0/24 dev eth0 proto kernel src {VM3}; ip route replace default via 10.0.0.2"
    quiet = "sysctl -qw net.ipv4.icmp_echo_ignore_all="
    with changed(
        "causes.vm3", f"{away}ip route del 10.0.0.0/24; ip route del default", back + main
    ):
        assert proof(running, "vm2", "vm3").diagnosis.verdict is ANSWERED
        with changed("causes.vm3", f"{quiet}1", f"{quiet}0"):
            one = proof(running, "vm2", "vm3")
    assert one.end_at_first == (Verdict.UNKNOWN, "vm3", Cause.UNKNOWN), one.diagnosis


@pytest.mark.on_each_kernel
def test_a_next_hop_of_another_table_that_does_not_answer(running):
    """The router's table 100 says whom it asks in vain; the main table would have had the way."""
    there = f"ip rule add pref 100 to {INTERNET} lookup 100;"
    there += f"ip route add {INTERNET} via 203.0.113.99 dev wan0 table 100"
    back = "ip rule del pref 100; ip route flush table 100"
    with changed("causes.router", there, back):
        one = proof(running, "vm2", "internet")
    assert one.end == (DEAD, "router", Cause.ARP_UNANSWERED), one.diagnosis
    assert one.without(unanswered={}) is Cause.REFUSED  # By the router's word alone.
