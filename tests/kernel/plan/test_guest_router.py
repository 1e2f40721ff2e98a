"""VMs that are firewalls with NAT: what they translate, let in and out, lease and look up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.packets.packet import Part
from netlab.scenario.loader import load_text
from tests.machine import inside, netlab

SIDES = (
    "{eth1: {range: [172.16.78.50, 172.16.78.60], domain: home.arpa, reservations:"
    " {web: 172.16.78.77}}, eth2: true}"
)
TEXT = """
lan: {peers: {pc: 192.168.1.50}, routes: {172.16.78.0/24: 192.168.1.2}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet0: {mode: bridged}
  vmnet1: {mode: hostonly, subnet: 172.16.78.0/24, adapter: none, dhcp: false}
  vmnet2: {mode: custom, subnet: 172.16.79.0/24}
vms:
  fw:
    nics:
    - {network: vmnet0, address: 192.168.1.2, gateway: 192.168.1.1, dns: 192.168.1.1}
    - {network: vmnet1, address: 172.16.78.1}
    - {network: vmnet2, address: 172.16.79.1}
    nat:
      adapter: eth0
      forwards:
        tcp: {8080: "web:80", 8000-8001: "web:9000", "192.168.1.2:8443": "web:80"}
        udp: {5000: "web:5001"}
    dhcp_server: SIDES
    firewall: on
    keeps_in: [tcp:25, udp]
    lets_out: [udp:53]
    hosts: {nas.home.arpa: 172.16.78.7}
  web: {nics: [vmnet1], listens: [tcp:80, tcp:8081, tcp:9001, udp:5001]}
  desk: {nics: [vmnet1]}
  guest: {nics: [vmnet2]}
expect: {default: blocked}
"""
OUTER = "192.168.1.2"


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    source = load_text(TEXT.replace("SIDES", SIDES).encode(), "firewall.yaml")
    with lab.running(lab.prepare(source, "guestfw")) as up:
        yield up


def said(machine: str, command: str) -> str:
    return inside(f"guestfw.{machine}", *command.split()).stdout


def both(running: lab.Lab, source: str, target: str, by: str = "icmp") -> list[Diagnosis]:
    """What `trace` sees, and what `explain` expects."""
    return [way(running, source, target, by).diagnosis for way in (lab.trace, lab.explain)]


@pytest.mark.parametrize(
    ("machine", "address", "router", "domain"),
    [
        ("web", "172.16.78.77", "172.16.78.1", "home.arpa"),
        ("desk", "172.16.78.50", "172.16.78.1", "home.arpa"),
        ("guest", "172.16.79.64", "172.16.79.1", "localdomain"),
    ],
)
def test_each_side_has_leases_of_its_own(running, machine, address, router, domain):
    assert said(machine, "hostname -I").split() == [address]
    assert f"default via {router} " in said(machine, "ip route")
    resolv = said(machine, "cat /etc/resolv.conf").splitlines()
    assert resolv == [f"search {domain}", f"nameserver {router}"]


def test_who_is_behind_it_goes_out_as_its_outer_address(running):
    for found in both(running, "desk", "pc"):
        assert found.verdict is Verdict.ANSWERED
    asked = lab.trace(running, "desk", "pc").journey.of(Part.REQUEST)
    assert asked[-1].before["ip.src"] == OUTER
    assert "You come from 203.0.113.1, " in said("desk", "curl -s http://www.example.com/")


@pytest.mark.parametrize("by", ["tcp:8080", "tcp:8001", "tcp:8443", "udp:5000"])
def test_its_ports_lead_to_machines_behind_it(running, by):
    for found in both(running, "pc", OUTER, by):
        assert (found.verdict, found.at) == (Verdict.ANSWERED, "web"), found


@pytest.mark.parametrize("by", ["icmp", "tcp:8081"])
@pytest.mark.parametrize("target", [OUTER, "172.16.78.77"])
def test_what_nobody_asked_for_does_not_come_in(running, target, by):
    for found in both(running, "pc", target, by):
        assert (found.at, found.cause) == ("fw", Cause.FIREWALL), found


@pytest.mark.parametrize("by", ["tcp:25", "udp:123"])
def test_what_it_keeps_in_does_not_go_out(running, by):
    for found in both(running, "desk", "internet", by):
        assert (found.at, found.cause) == ("fw", Cause.FIREWALL), found


@pytest.mark.parametrize(
    ("source", "target", "by"),
    [
        ("desk", "internet", "tcp:80"),
        ("guest", "web", "tcp:80"),
        ("guest", "fw", "icmp"),
    ],
)
def test_all_else_goes_out_and_sides_reach_each_other(running, source, target, by):
    for found in both(running, source, target, by):
        assert found.verdict is Verdict.ANSWERED, found
    by = "dns:www.example.com"
    assert lab.trace(running, "desk", "internet", by).diagnosis.verdict is Verdict.ANSWERED


@pytest.mark.parametrize(
    ("name", "address"),
    [("www.example.com", "203.0.113.80"), ("nas.home.arpa", "172.16.78.7"), ("fw", "172.16.78.1")],
)
def test_it_looks_names_up(running, name, address):
    assert said("desk", f"getent hosts {name}").startswith(f"{address} ")


def test_without_a_firewall_it_lets_in_who_knows_the_way(running):
    assert netlab("set", "--lab", "guestfw", "fw", "firewall=off").returncode == 0
    try:
        changed = lab.attach("guestfw")
        for found in both(changed, "pc", "172.16.78.77", "tcp:8081"):
            assert (found.verdict, found.at) == (Verdict.ANSWERED, "web"), found
        for found in both(changed, "pc", OUTER):
            assert (found.verdict, found.at) == (Verdict.ANSWERED, "fw"), found
    finally:
        assert netlab("set", "--lab", "guestfw", "fw", "firewall=on").returncode == 0


def test_a_side_can_be_served_and_not_served_in_a_running_lab():
    with lab.running(lab.prepare(lab.load("guest-firewall"), "guestside")):
        done = netlab("set", "--lab", "guestside", "fw", "dhcp_server=false")
        assert done.returncode == 0
        assert "no DHCP server answers on vmnet1" in done.stdout + done.stderr
        assert netlab("set", "--lab", "guestside", "fw", "dhcp_server=[eth1]").returncode == 0
        leased = inside("guestside.desk", "hostname", "-I").stdout
        assert leased.split() == ["172.16.78.64"]
