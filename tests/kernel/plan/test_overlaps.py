"""Networks that overlap: the lab runs, and what `validate` has warned of comes true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.scenario.loader import load_text
from tests.machine import inside

NAME = "overlaps"
TWICE = """
lans: {office: {subnet: 192.168.1.0/24, peers: {desk: 192.168.1.60}}}
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100, eth1: {lan: office, address: 192.168.1.101}}}
vmnets:
  vmnet1: {mode: hostonly, subnet: 10.1.0.0/24, ipv6: "fd00:3::/64"}
  vmnet8: {mode: nat, subnet: 10.1.0.0/24, ipv6: "fd00:3::/64"}
  vmnet9: {mode: nat, subnet: 10.1.0.0/16}
vms:
  vm1: {nics: [{network: vmnet1, address: 10.1.0.11}]}
  vm8: {nics: [{network: vmnet8, address: 10.1.0.18, gateway: 10.1.0.2}]}
  inside: {nics: [{network: vmnet9, address: 10.1.0.19, gateway: 10.1.0.2}]}
  beside: {nics: [{network: vmnet9, address: 10.1.7.19, gateway: 10.1.0.2}]}
expect: {default: blocked}
"""
LATE = """
lan: {router: 192.168.1.10, peers: {pc: 192.168.1.50}}
vmnets: {vmnet1: {mode: hostonly, subnet: 192.168.1.0/24}}
vms: {vm1: {nics: [{network: vmnet1, address: 192.168.1.77}]}}
expect: {default: blocked}
"""
FORWARDING = """
lan: {peers: {pc: 192.168.1.50}, routes: {192.168.122.0/24: 192.168.1.100}}
host: {nics: {eth0: 192.168.1.100}, forwards: [virbr0, wsl, switch, lan]}
vmnets:
  virbr0: {mode: libvirt-nat}
  wsl: {mode: hyperv-default, subnet: 172.20.0.0/20}
  switch: {mode: hyperv-default, subnet: 172.21.0.0/20}
vms: {vm1: {nics: [virbr0]}, ubuntu: {nics: [wsl]}, win: {nics: [switch]}}
expect: {default: blocked}
"""


@pytest.fixture(scope="module")
def twice() -> Iterator[lab.Lab]:
    with lab.running(prepared(TWICE, NAME)) as up:
        yield up


def prepared(text: str, name: str) -> lab.Lab:
    return lab.prepare(load_text(text.encode(), "x.yaml"), name)


def warned(planned: lab.Lab, sentence: str) -> bool:
    return any(sentence in warning.what for warning in planned.source.warnings)


@pytest.mark.parametrize(
    ("sentence", "reached", "missed"),
    [
        ("after `up` that by eth0: machines on the LAN office are not reached", "pc", "desk"),
        ("after `up` that by vmnet1: VMs on vmnet8 are not reached from host", "vm1", "vm8"),
        ("VMs on vmnet9 with such addresses are not reached from host", "beside", "inside"),
    ],
)
def test_of_two_networks_the_host_reaches_the_one_that_it_was_warned_about(
    twice, sentence, reached, missed
):
    assert warned(twice, sentence)
    assert not lab.status(twice).drift
    assert lab.trace(twice, "host", reached).diagnosis.verdict is Verdict.ANSWERED
    diagnosis = lab.trace(twice, "host", missed).diagnosis
    assert (diagnosis.verdict, diagnosis.cause) == (Verdict.DROPPED, Cause.WRONG_SEGMENT)


def test_of_two_prefixes_too(twice):
    assert warned(twice, "routes to fd00:3::/64 by vmnet1 and by vmnet8, and takes the older one")
    addresses = {name: twice.topology.nodes[name].primary.ipv6 for name in ("vm1", "vm8")}
    pings = {
        name: inside(f"{NAME}.host", "ping", "-6", "-c1", "-W1", str(address.ip)).returncode == 0
        for name, address in addresses.items()
        if address
    }
    assert pings == {"vm1": True, "vm8": False}


def test_a_route_that_comes_with_a_lease_is_the_younger_one():
    planned = prepared(LATE, "late")
    assert warned(planned, "after `up` that by vmnet1: machines on the LAN are not reached")
    with lab.running(planned) as running:
        assert not lab.status(running).drift
        assert "dev vmnet1" in inside("late.host", "ip", "route", "get", "192.168.1.50").stdout
        assert lab.trace(running, "host", "vm1").diagnosis.verdict is Verdict.ANSWERED
        assert lab.trace(running, "host", "pc").diagnosis.cause is Cause.WRONG_SEGMENT


def test_the_host_forwards_between_networks_of_any_product_and_a_lan():
    with lab.running(prepared(FORWARDING, "forwarding")) as running:
        for source, target in (("pc", "vm1"), ("vm1", "pc"), ("ubuntu", "win"), ("win", "vm1")):
            diagnosis = lab.trace(running, source, target).diagnosis
            assert diagnosis.verdict is Verdict.ANSWERED, (source, target, diagnosis)
        assert lab.explain(running, "pc", "vm1").diagnosis.verdict is Verdict.ANSWERED
