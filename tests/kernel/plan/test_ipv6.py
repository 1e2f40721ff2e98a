"""IPv6 on real namespaces: addresses of a router's making, at once; rules; drift; live changes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.namespaces import netns
from netlab.plan.resources import Address, Advertised, Route
from netlab.scenario.loader import load_text
from netlab.scenario.model import Family
from netlab.verify import rounds
from netlab.verify.batches import PairProbe
from tests.kernel.connection import unbroken_connection
from tests.kernel.faults import rules
from tests.machine import inside
from tests.pace import HANG_SECONDS

INTERNET = "2001:db8:203:113::50"
VM1, VM2, VM4 = (
    "2001:db8:1:0:20c:29ff:fe7b:11e3",
    "fd15:4ba5:5a2b:1008:20c:29ff:fe36:d01e",
    "fd00:1::20c:29ff:feae:bf31",
)
HOST = "2001:db8:1:0:a3:6cff:fee6:2701"


DEATHS = {
    ("internet", "vm1"): ("router", Cause.FIREWALL),
    ("vm2", "vm4"): ("host", Cause.NOT_FORWARDING),
    ("vm1", "vm4"): ("internet", Cause.NO_ROUTE),
    ("vm4", "internet"): ("vm4", Cause.NO_ROUTE),
}
"""Pairs, and where and why their probes end over IPv6."""


@pytest.fixture(scope="class")
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("ipv6"), "live")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("live")


@contextmanager
def assigned(target: str, **settings: str) -> Iterator[None]:
    """The lab with other settings, without drift, for the length of a block."""
    before = now().source
    lab.apply(now(), lab.set_value(now(), target, settings))
    try:
        assert not lab.status(now()).drift
        yield
    finally:
        lab.apply(now(), before)
    assert not lab.status(now()).drift


def pings(node: str, to: str, seconds: float = HANG_SECONDS) -> bool:
    words = ("ping", "-6", "-c1", f"-W{seconds}", to)
    return inside(f"live.{node}", *words).returncode == 0


def silent(node: str, to: str) -> bool:
    return not pings(node, to, 0.5)


def run(node: str, *command: str) -> str:
    done = inside(f"live.{node}", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.on_each_kernel
class TestAsPlanned:
    def test_addresses_are_those_of_the_plan_and_of_eui_64(self, running):
        planned = {
            resource.namespace: str(resource.address.ip)
            for resource in running.plan.resources
            if isinstance(resource, Advertised)
        }
        assert planned["live.vm1"] == VM1
        assert planned["live.vm2"] == VM2
        assert planned["live.host"] == HOST
        assert f"{VM2}/64" in run("vm2", "ip", "-6", "-o", "address", "show", "dev", "eth0")
        assert not lab.status(now()).drift

    def test_no_address_waits_for_duplicate_address_detection(self, running):
        """The kernel's own takes a second: with it on, an address added now is tentative."""
        for node in ("vm1", "host", "router", "vmnet8-nat"):
            with netns.inside(f"live.{node}"):
                rows = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
            flags = {int(row.split()[4], 16) for row in rows}
            assert flags
            assert not any(flag & 0x40 for flag in flags)
        run("vm1", "ip", "-6", "address", "add", "2001:db8:1::77/128", "dev", "eth0")
        started = time.monotonic()
        while "tentative" in run(
            "vm1", "ip", "-6", "-o", "address", "show", "to", "2001:db8:1::77"
        ):
            assert time.monotonic() < started + 0.5, "duplicate address detection is on"
        run("vm1", "ip", "-6", "address", "delete", "2001:db8:1::77/128", "dev", "eth0")

    def test_a_vm_behind_nat_is_seen_as_the_host_and_a_bridged_one_as_itself(self, running):
        assert "default via fe80::250:56ff:fec0:2222" in run("vm2", "ip", "-6", "route")
        page = ("curl", "-s", "-6", "http://www.example.com/")
        assert f"You come from [{HOST}]" in run("vm2", *page)
        assert f"You come from [{VM1}]" in run("vm1", *page)

    def test_a_vm_without_ipv6_has_none(self, running):
        assert run("vm3", "ip", "-6", "address") == ""
        with assigned("vm3", ipv6="on"):
            assert pings("vm3", INTERNET)
        assert run("vm3", "ip", "-6", "address") == ""

    def test_a_matrix_tells_where_and_why_packets_died(self, running):
        found = {
            (one.expectation.source.name, one.expectation.target.name): one.outcome
            for one in lab.verify(now())
            if one.expectation.over is Family.IPV6
        }
        assert {pair: (found[pair].at, found[pair].cause) for pair in DEATHS} == DEATHS
        assert found["vm2", "vm3"].why == "vm3 has no IPv6 address, by the scenario"
        assert found["vm4", "vm3"].verdict is Verdict.DROPPED

    @pytest.mark.parametrize(
        ("node", "hook", "rule", "family"),
        [
            ("vm2", "output", "icmpv6 type nd-neighbor-advert drop", "ip6"),
            ("vm2", "input", "icmpv6 type nd-neighbor-solicit drop", "ip6"),
            ("vmnet8", "prerouting", "icmpv6 type nd-neighbor-solicit drop", "bridge"),
            ("vmnet8", "forward", "icmpv6 type nd-neighbor-solicit drop", "bridge"),
            ("vmnet8", "forward", "icmpv6 type nd-neighbor-advert drop", "bridge"),
        ],
    )
    def test_a_rule_against_neighbour_discovery_is_the_same_to_all(
        self, running, node, hook, rule, family
    ):
        run("host", "ip", "-6", "neigh", "flush", "all")
        with rules(f"live.{node}", hook, rule, family):
            verified = [
                one.outcome
                for one in lab.verify(now(), expectations=lab.pairs(now(), ["host"], ["vm2"]))
                if one.expectation.over is Family.IPV6
            ]
            run("host", "ip", "-6", "neigh", "flush", "all")
            traced = lab.trace(now(), "host", VM2).diagnosis
            explained = lab.explain(now(), "host", VM2).diagnosis
        assert (traced.at, traced.cause) == (node, Cause.FIREWALL)
        assert [(one.at, one.cause) for one in verified] == [(node, Cause.FIREWALL)]
        if family == "ip6":
            assert (explained.at, explained.cause) == (node, Cause.FIREWALL)
        assert f"neighbour discovery: extra c: {rule}" == traced.evidence

    def test_icmpv6_is_translated(self, running):
        """The host adapter is no client of the NAT device: that is a rule, and no protocol."""
        back = f"ip -6 route {{}} {INTERNET} via fd15:4ba5:5a2b:1008::2 src fd15:4ba5:5a2b:1008::1"
        run("host", *back.format("add").split())
        found = lab.trace(now(), "host", INTERNET).diagnosis
        run("host", *back.format("del").split())
        assert (found.at, found.cause) == ("vmnet8-nat", Cause.FIREWALL)
        assert "the host adapter is no client of the NAT device" in found.evidence

    def test_neighbour_discovery_in_vain_is_what_arp_in_vain_is(self, running):
        probe = PairProbe("live.vm4", "live.vm5", "fd00:1::99", direct=True)
        (outcome,) = rounds.run([probe], netmap=lab.netmap(now()))
        assert (outcome.at, outcome.cause) == ("vm4", Cause.ARP_UNANSWERED)

    def test_what_somebody_adds_is_drift_and_what_a_router_advertises_is_none(self, running):
        run("vm4", "ip", "-6", "address", "add", "fd00:1::77/128", "dev", "eth0")
        run("vm4", "ip", "-6", "route", "add", "default", "via", "fd00:1::1")
        run("vm2", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        run("host", "sysctl", "-qw", "net.ipv6.conf.vmnet1.accept_ra=1")
        drift = lab.status(now()).drift
        assert [str(resource) for resource in drift.missing] == [
            "ipv6 live.host/vmnet1",
            "ipv6 live.vm2/eth0, takes fd15:4ba5:5a2b:1008::/64 of its router",
            f"advertised live.vm2/eth0 {VM2}/64 and a default route",
        ]
        unplanned = {(type(resource), str(resource)) for resource in drift.unplanned}
        assert unplanned == {
            (Address, "address live.vm4/eth0 fd00:1::77/128"),
            (Route, "route live.vm4 ::/0 via fd00:1::1"),
        }
        run("vm4", "ip", "-6", "route", "delete", "default", "via", "fd00:1::1")
        run("vm4", "ip", "-6", "address", "delete", "fd00:1::77/128", "dev", "eth0")
        run("host", "sysctl", "-qw", "net.ipv6.conf.vmnet1.accept_ra=0")
        run("vm2", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0")
        advertised = next(
            resource
            for resource in running.plan.resources
            if isinstance(resource, Advertised) and resource.namespace == "live.vm2"
        )
        deadline = time.monotonic() + 30
        while advertised in lab.status(now()).drift.missing and time.monotonic() < deadline:
            pass
        assert not lab.status(now()).drift

    def test_repair_puts_back_what_was_taken_and_takes_what_was_added(self, running):
        run("vm2", "ip", "-6", "address", "flush", "dev", "eth0", "scope", "global")
        run("vm4", "ip", "-6", "address", "add", "fd00:1::77/128", "dev", "eth0")
        run("vm1", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        run("vmnet8-nat", "ip", "-6", "route", "delete", "default")
        lab.repair(now())
        assert not lab.status(now()).drift
        assert pings("vm2", INTERNET)

    def test_a_firewall_keeps_out_what_it_does_in_ipv4_and_hears_its_neighbours(self, running):
        assert pings("host", VM2)
        with assigned("vm2", firewall="on"):
            run("vm2", "ip", "-6", "neighbour", "flush", "dev", "eth0")
            run("host", "ip", "-6", "neighbour", "flush", "dev", "vmnet8")
            assert silent("host", VM2)
            assert pings("vm2", INTERNET)
        with assigned("host", firewall="[icmp]"):
            assert silent("vm1", HOST)
            assert pings("vm2", HOST), "what the NAT device sends comes from the host itself"
            assert pings("host", VM1)
        assert pings("vm1", HOST)

    def test_the_host_is_a_router_only_if_it_shall_be(self, running):
        ways = (("vm1", "fd00:1::/64", HOST), ("vm4", "2001:db8:1::/64", "fd00:1::1"))
        for node, network, gateway in ways:
            run(node, "ip", "-6", "route", "add", network, "via", gateway, "metric", "100")
        assert silent("vm1", VM4)
        lab.apply(now(), lab.set_value(now(), "host", {"forwards": "[lan, vmnet1]"}))
        assert pings("vm1", VM4)
        lab.apply(now(), running.source)
        assert silent("vm1", VM4)
        for node, network, gateway in ways:
            run(node, "ip", "-6", "route", "delete", network, "via", gateway, "metric", "100")


def test_networks_and_vms_change_while_others_talk():
    running = lab.running(lab.prepare(lab.load("ipv6"), "live"))
    with running, unbroken_connection("live.vm4", "live.vm5", "172.16.78.129"):
        with assigned("vmnet8", ipv6="fd00:8::/64"):
            addresses = run("vm2", "ip", "-6", "-o", "address", "show", "dev", "eth0")
            assert "fd00:8::20c:29ff:fe36:d01e/64" in addresses
            assert "fd15:" not in addresses
            assert pings("vm2", INTERNET)
        with assigned("lan", ipv6="off"):
            assert run("vm1", "ip", "-6", "address") == ""
            assert run("internet", "ip", "-6", "address") == ""
            assert pings("vm2", "fd15:4ba5:5a2b:1008::1")
            assert silent("vm2", INTERNET)
        with assigned("vm2.eth0", network="vmnet1"):
            assert "fd00:1::20c:29ff:fe36:d01e/64" in run("vm2", "ip", "-6", "-o", "address")
            assert pings("vm2", VM4)
        with assigned("vm1", listens="[tcp:80, udp:5000]"):
            assert f"You come from [{HOST}]" in run("host", "curl", "-s", f"http://[{VM1}]/")
            with netns.inside("live.host"):
                client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            with client:
                client.settimeout(HANG_SECONDS)
                client.sendto(b"hello", (VM1, 5000))
                assert client.recv(64) == b"hello"
        with assigned("vmnet8", stopped="[nat]"):
            assert silent("vm2", INTERNET)
        with assigned("vmnet8", adapter="off"):
            assert silent("host", VM2)
        assert [result.failure for result in lab.verify(now()) if not result.passed] == []


def test_several_lans_lead_to_each_other_over_the_internet():
    text = """
        lan: {ipv6: "2001:db8:1::/64"}
        lans:
          office: {subnet: 192.168.7.0/24, ipv6: "2001:db8:7::/64", peers: {printer: 192.168.7.9}}
        vmnets:
          vmnet0: {mode: bridged}
          vmnet2: {mode: custom, subnet: 10.2.0.0/24, dhcp: true, ipv6: "fd00:2::/64"}
        vms: {vm1: {nics: [vmnet0]}, vm2: {nics: [vmnet2]}, vm3: {nics: [vmnet2, vmnet0]}}
        expect:
          default: blocked
          rules:
            - {over: ipv6, from: [vm1, vm3, host, printer], to: [office-router, internet]}
            - {over: ipv6, from: office-router, to: [router, internet]}
            - {over: ipv6, from: router, to: [vm1, vm3, host, office-router, internet]}
            - {over: ipv6, from: internet, to: [router, office-router]}
            - {over: ipv6, from: printer, to: router}
            - {over: ipv6, from: [vm1, vm3, host], to: [vm1, vm3, host, router]}
            - {over: ipv6, from: [vm2, vm3], to: [vm2, vm3]}
            - {over: ipv6, from: office-router, to: printer}
    """
    with lab.running(lab.prepare(load_text(text.encode(), "x.yaml"), "lans")) as running:
        results = [one for one in lab.verify(running) if one.expectation.over is Family.IPV6]
        assert [one.failure for one in results if not one.passed] == []
        assert not lab.status(running).drift
