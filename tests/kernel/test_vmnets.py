"""vmnets and LAN segments on a running lab: each setting as packets meet it, changed live."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.probe.cause import Cause
from netlab.probe.verdict import Verdict
from netlab.scenario.load import loads
from tests.machine import inside

SCENARIO = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet2: {mode: custom, subnet: 10.0.2.0/24}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
segments: {seg1: {subnet: 10.0.1.0/24}, seg2: {}}
vms:
  vm1: {nics: [vmnet8]}
  vm2: {nics: [vmnet8]}
  vm3: {nics: [vmnet8]}
expect: {default: blocked}
"""


@pytest.fixture(autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(loads(SCENARIO.encode(), "v.yaml"), "vm")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("vm")


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.assigned(now(), target, settings))
    assert not lab.status(now()).drift


def on(node: str, *command: str) -> str:
    return inside(f"vm.{node}", *command).stdout


def end(source: str, target: str | None = None, by: str = "icmp") -> tuple[str, Cause | None]:
    found = lab.trace(now(), source, target, by).finding
    return found.at, found.cause


def reaches(source: str, target: str, by: str = "icmp") -> bool:
    return lab.trace(now(), source, target, by).finding.verdict is Verdict.ANSWERED


def test_onto_a_segment_and_back():
    assign("vm1.eth0", network="seg1", address="10.0.1.1")
    assign("vm2.eth0", network="seg1", address="10.0.1.2")
    assert reaches("vm1", "vm2")
    assert end("vm1", "host") == ("vm1", Cause.NO_ROUTE)


def test_a_segment_without_a_subnet_leaves_a_vm_without_address():
    assign("vm1.eth0", network="seg2")
    assert end("vm1", "10.0.0.2") == ("vm1", Cause.NO_ADDRESS)
    assert not on("vm1", "ip", "-4", "-br", "address", "show", "eth0").split()[2:]


def test_a_custom_network_gets_dhcp_and_a_host_adapter_when_it_is_told_to():
    assign("vmnet2", dhcp="true")
    assign("vm1.eth0", network="vmnet2")
    assert "10.0.2.128/24" in on("vm1", "ip", "-4", "address")
    assert not on("vm1", "ip", "route", "show", "default")
    assert end("vm1", "10.0.2.1") == ("vm1", Cause.ARP_UNANSWERED)
    assign("vmnet2", adapter="on")
    assert reaches("vm1", "10.0.2.1")


def test_dhcp_switched_off_and_on_again():
    assign("vmnet8", dhcp="false")
    assert end("vm1", by="dhcp")[1] is Cause.NO_OFFER
    assert "10.0.0.128" in on("vm1", "ip", "-4", "address"), "a lease lives on until it ends"
    assign("vmnet8", dhcp="true")
    assert reaches("vm1", "internet")


def test_a_host_adapter_s_address_and_gateway():
    assign("vmnet8", adapter="{address: 10.0.0.9, gateway: 10.0.0.2, dns: 10.0.0.2}")
    assert reaches("vm1", "10.0.0.9")
    assert end("vm1", "10.0.0.1") == ("vm1", Cause.ARP_UNANSWERED)
    routes = on("host", "ip", "route", "show", "default").splitlines()
    assert [row.split()[2] for row in routes] == ["192.168.1.1", "10.0.0.2"], "the card's wins"
    assert "nameserver 10.0.0.2\n" in on("host", "cat", "/etc/resolv.conf")
