"""Firewalls of machines that are no VMs, and programs that listen at one place only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.scenario.loader import load_text
from tests.machine import inside, netlab

TEXT = b"""
internet:
  servers:
    www.example.com: {address: 203.0.113.80, firewall: [icmp]}
    silent.example.com: {address: 203.0.113.81, firewall: on, allows: ["tcp:80"]}
    mail.example.com: {address: 203.0.113.25, listens: ["tcp:25", "tcp:587"]}
lan:
  firewall: on
  allows: ["tcp:443"]
  keeps_in: ["tcp:25"]
  peers:
    pc: {address: 192.168.1.50, firewall: on, allows: ["tcp:80"], listens: ["tcp:80", "tcp:445"]}
    tv: {}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet0: {mode: bridged}
  vmnet1: {mode: hostonly, subnet: 10.0.0.0/24}
vms:
  vm1:
    nics:
    - {network: vmnet0, address: 192.168.1.70, gateway: 192.168.1.1, dns: 192.168.1.1}
    - {network: vmnet1, address: 10.0.0.70}
    listens: ["tcp:loopback:3000", "udp:127.0.0.1:3000", "tcp:eth1:80", "udp:eth1:5000",
      "tcp:192.168.1.70:8080"]
  vm2: {nics: [vmnet1]}
  vm3: {nics: [vmnet1], listens: ["tcp:10.0.0.129:80"]}
expect: {default: blocked}
"""
VM1 = "192.168.1.70"


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(TEXT, "outside.yaml"), "outside")) as up:
        yield up


@pytest.mark.parametrize(
    ("source", "target", "by", "at"),
    [
        ("pc", "internet", "icmp", "internet"),
        ("tv", "silent.example.com", "icmp", "internet"),
        ("tv", "silent.example.com", "tcp:443", "internet"),
        ("tv", "mail.example.com", "tcp:25", "router"),
        ("tv", "router", "icmp", "router"),
        ("tv", "pc", "icmp", "pc"),
        ("tv", "pc", "tcp:445", "pc"),
    ],
)
def test_firewalls_keep_out_and_in(running, source, target, by, at):
    for way in (lab.trace, lab.explain):
        found = way(running, source, target, by).diagnosis
        assert (found.at, found.cause) == (at, Cause.FIREWALL), found


@pytest.mark.parametrize(
    ("source", "target", "by", "at"),
    [
        ("pc", "internet", "tcp:80", "internet"),
        ("tv", "silent.example.com", "tcp:80", "internet"),
        ("tv", "mail.example.com", "tcp:587", "internet"),
        ("tv", "mail.example.com", "icmp", "internet"),
        ("tv", "pc", "tcp:80", "pc"),
        ("pc", "tv", "icmp", "tv"),
        ("vm2", "10.0.0.70", "tcp:80", "vm1"),
        ("vm2", "10.0.0.70", "udp:5000", "vm1"),
        ("vm2", "10.0.0.129", "tcp:80", "vm3"),
        ("pc", VM1, "tcp:8080", "vm1"),
    ],
)
def test_what_is_not_kept_out_is_answered(running, source, target, by, at):
    for way in (lab.trace, lab.explain):
        found = way(running, source, target, by).diagnosis
        assert (found.verdict, found.at) == (Verdict.ANSWERED, at), found


def test_a_router_s_firewall_leaves_dhcp_and_dns_to_its_lan(running):
    assert inside("outside.tv", "hostname", "-I").stdout.split() == ["192.168.1.128"]
    page = inside("outside.tv", "curl", "-s", "http://www.example.com/").stdout
    assert page.startswith("This is www.example.com.")


@pytest.mark.parametrize(
    ("by", "place"), [("tcp:80", "eth1"), ("tcp:3000", "127.0.0.1"), ("udp:3000", "127.0.0.1")]
)
def test_a_program_that_listens_elsewhere_is_told_from_one_that_is_not_there(running, by, place):
    found = lab.trace(running, "pc", VM1, by).diagnosis
    assert (found.verdict, found.cause) == (Verdict.REFUSED, Cause.PORT_CLOSED)
    port = by.partition(":")[2]
    assert f"a program listens on port {port} of {place} only" in found.evidence
    assert lab.explain(running, "pc", VM1, by).diagnosis.verdict is Verdict.REFUSED


def test_a_server_on_an_adapter_serves_its_page_there(running):
    page = inside("outside.vm2", "curl", "-s", "http://10.0.0.70/").stdout
    assert page.splitlines()[0] == "This is 10.0.0.70."
    assert page.splitlines()[1].startswith("You come from 10.0.0.128, port ")


def test_a_machine_of_the_lan_is_changed_in_the_running_lab(running):
    assert netlab("set", "--lab", "outside", "pc", "firewall=off").returncode == 0
    assert lab.trace(lab.attach("outside"), "tv", "pc").diagnosis.verdict is Verdict.ANSWERED
    assert netlab("set", "--lab", "outside", "pc", "firewall=on").returncode == 0
