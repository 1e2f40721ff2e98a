"""Further addresses of a VM's adapter, and masks that are not the network's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.verdict import Verdict
from netlab.packets.packet import Part
from netlab.scenario.loader import load_text
from tests.machine import inside, netlab

VIRTUAL = "192.168.1.240"
TEXT = b"""
lan: {peers: {pc: 192.168.1.50}, routes: {192.168.56.0/24: 192.168.1.100}}
host: {nics: {eth0: 192.168.1.100}, forwards: [lan, vmnet1]}
vmnets:
  vmnet0: {mode: bridged}
  vmnet1: {mode: hostonly, subnet: 192.168.56.0/24}
vms:
  a:
    nics:
    - {network: vmnet0, address: 192.168.1.70, addresses: [192.168.1.240, 10.1.0.5/24, 192.168.1.241/32],
       gateway: 192.168.1.1}
  b: {nics: [{network: vmnet0, address: 192.168.1.71, gateway: 192.168.1.1}]}
  wide: {nics: [{network: vmnet0, address: 192.168.1.72/16, gateway: 192.168.1.1}]}
  narrow: {nics: [{network: vmnet0, address: 192.168.1.200, mask: 25}]}
  only1: {nics: [{network: vmnet1, address: 192.168.56.10, gateway: 192.168.56.1}]}
expect: {default: blocked}
"""


@pytest.fixture
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(TEXT, "further.yaml"), "further")) as up:
        yield up


def set_keys(target: str, *settings: str) -> lab.Lab:
    assert netlab("set", "--lab", "further", target, *settings).returncode == 0
    return lab.attach("further")


def addresses(machine: str) -> list[str]:
    return inside(f"further.{machine}", "hostname", "-I").stdout.split()


def test_a_machine_answers_at_each_of_its_addresses_and_sends_from_the_first(running):
    for target in (VIRTUAL, "192.168.1.241"):
        for way in (lab.trace, lab.explain):
            found = way(running, "pc", target).diagnosis
            assert (found.verdict, found.at) == (Verdict.ANSWERED, "a"), found
    asked = lab.trace(running, "a", "pc").journey.of(Part.REQUEST)
    assert asked[-1].before["ip.src"] == "192.168.1.70"
    assert "10.1.0.5" in addresses("a")


def test_further_addresses_outlive_another_first_one_and_are_mended(running):
    set_keys("a.eth0", "address=192.168.1.77")
    expected = ["192.168.1.77", VIRTUAL, "10.1.0.5", "192.168.1.241"]
    assert sorted(addresses("a")) == sorted(expected)
    assert addresses("a")[0] == "192.168.1.77"
    inside("further.a", "ip", "address", "del", f"{VIRTUAL}/24", "dev", "eth0")
    assert VIRTUAL in netlab("status", "further").stdout
    assert netlab("repair", "further").returncode == 0
    assert sorted(addresses("a")) == sorted(expected)
    assert "no drift" in netlab("status", "further").stdout


def test_an_address_that_moved_is_sought_at_its_old_owner(running):
    assert lab.trace(running, "pc", VIRTUAL).diagnosis.at == "a"
    set_keys("a.eth0", "addresses=")
    changed = set_keys("b.eth0", f"addresses=[{VIRTUAL}]")
    found = lab.trace(changed, "pc", VIRTUAL).diagnosis
    assert (found.verdict, found.at) == (Verdict.DROPPED, "a")
    assert VIRTUAL in found.evidence
    assert "b has" in found.evidence
    inside("further.pc", "ip", "neigh", "flush", "all")
    assert lab.trace(changed, "pc", VIRTUAL).diagnosis.at == "b"


def test_a_mask_says_who_is_a_neighbour(running):
    assert "192.168.0.0/16 dev eth0" in inside("further.wide", "ip", "route").stdout
    for source, target in (("wide", "only1"), ("narrow", "pc")):
        for way in (lab.trace, lab.explain):
            found = way(running, source, target).diagnosis
            assert (found.verdict, found.at) == (Verdict.DROPPED, source), found
    assert lab.trace(running, "wide", "pc").diagnosis.verdict is Verdict.ANSWERED
    assert lab.trace(running, "b", "only1").diagnosis.verdict is Verdict.ANSWERED


def test_wrong_masks_and_addresses_are_warnings():
    text = TEXT.replace(b"addresses: [192.168.1.240,", b"addresses: [192.168.1.50, 192.168.2.9,")
    warnings = [problem.what for problem in load_text(text, "further.yaml").warnings]
    for words in (
        "wide takes all of 192.168.0.0/16 for neighbours",
        "narrow takes 192.168.1.128/25 only for neighbours",
        "192.168.1.50 is taken twice: by pc and by a",
        "192.168.2.9 is outside vmnet0's 192.168.1.0/24",
    ):
        assert any(words in warning for warning in warnings), words
