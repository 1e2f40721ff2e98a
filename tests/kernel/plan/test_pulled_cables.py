"""Adapters whose cable is pulled: their addresses and routes go, the next one takes over, all comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import Service
from netlab.scenario.loader import load_text
from tests.kernel.faults import changed, proof, run
from tests.machine import inside

pytestmark = pytest.mark.on_each_kernel

NAME = "unplugged"
SCENARIO = """
lan: {ipv6: "2001:db8:1::/64", peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets: {vmnet0: {mode: bridged}, vmnet8: {mode: nat, subnet: 10.0.0.0/24, ipv6: on}}
segments: {seg2: {}, seg: {subnet: 10.5.0.0/24}}
vms:
  box: {nics: [vmnet8, vmnet0]}
  static:
    nics:
      - {network: vmnet8, address: 10.0.0.7, gateway: 10.0.0.2, dns: 10.0.0.2}
      - {network: vmnet0, address: 192.168.1.77, gateway: 192.168.1.1, dns: 192.168.1.1}
  single: {nics: [{network: vmnet8, address: 10.0.0.9, gateway: 10.0.0.2}]}
  gate: {forwards: true, nics: [vmnet0, {network: seg, address: 10.5.0.1}]}
  far: {nics: [{network: seg, address: 10.5.0.2, gateway: 10.5.0.1}]}
  bridge: {bridges: true, nics: [{network: vmnet8, address: 10.0.0.11}, seg2]}
expect: {default: reachable}
"""


@pytest.fixture(autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(SCENARIO.encode(), "x.yaml"), NAME)) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach(NAME)


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.set_value(now(), target, settings))
    assert not lab.status(now()).drift


def addresses(node: str, interface: str) -> list[str]:
    """As iproute2 tells them, without link-local ones."""
    shown = inside(f"{NAME}.{node}", "ip", "-br", "addr", "show", "dev", interface).stdout.split()
    return [one for one in shown[2:] if "/" in one and not one.startswith("fe80")]


def gateways(node: str, version: int = 4) -> list[str]:
    told = inside(f"{NAME}.{node}", "ip", f"-{version}", "route", "show", "default").stdout
    return [line.split("dev ")[1].split()[0] for line in told.splitlines()]


def name_servers(node: str) -> list[str]:
    told = inside(f"{NAME}.{node}", "cat", "/etc/resolv.conf").stdout
    return [line.split()[1] for line in told.splitlines() if line.startswith("nameserver")]


def way(node: str, target: str = "internet") -> list[str]:
    found = lab.trace(now(), node, target)
    assert found.diagnosis.verdict is Verdict.ANSWERED, found.diagnosis
    return [step.node for step in found.journey.steps]


@pytest.mark.parametrize("node", ["box", "static"])
def test_the_next_adapter_takes_over_and_all_comes_back(node):
    before = {name: addresses(node, name) for name in ("eth0", "eth1")}
    servers = name_servers(node)
    assert servers == ["10.0.0.2", "192.168.1.1"]
    assert "vmnet8-nat" in way(node)
    assign(f"{node}.eth0", connected="false")
    assert addresses(node, "eth0") == []
    assert addresses(node, "eth1") == before["eth1"]
    assert (gateways(node), gateways(node, 6)) == (["eth1"], ["eth1"])
    assert name_servers(node) == ["192.168.1.1"]
    assert "vmnet8-nat" not in way(node)
    assert "vmnet8-nat" in way("single", node), "its other address is meant now"
    assign(f"{node}.eth0", connected="")
    assert {name: addresses(node, name) for name in ("eth0", "eth1")} == before
    assert gateways(node) == ["eth0", "eth1"]
    assert name_servers(node) == servers
    assert "vmnet8-nat" in way(node)


def test_a_server_is_not_told_of_a_pulled_cable():
    resources = [resource for resource in now().plan.resources if isinstance(resource, Service)]
    server = next(resource for resource in resources if resource.namespace == f"{NAME}.vmnet8-dhcp")
    run_directory = RunDirectory(NAME)
    before = services.granted(run_directory, server)
    assert before
    assign("box.eth0", connected="false")
    assert services.granted(run_directory, server) == before
    assign("box.eth0", connected="")


def test_the_last_adapter_takes_the_name_servers_with_it():
    assign("box.eth0", connected="false")
    assign("box.eth1", connected="false")
    assert (gateways("box"), name_servers("box")) == ([], [])
    found = lab.trace(now(), "box", "internet").diagnosis
    assert (found.at, found.cause) == ("box", Cause.NIC_DOWN)
    assign("box.eth1", connected="")
    assign("box.eth0", connected="")


def test_a_bridge_has_its_address_while_a_port_has_a_cable():
    assign("bridge.eth0", connected="false")
    assert addresses("bridge", "br0")[0] == "10.0.0.11/24"
    assign("bridge.eth1", connected="false")
    assert addresses("bridge", "br0") == []
    assign("bridge.eth1", connected="")
    assign("bridge.eth0", connected="")
    assert addresses("bridge", "br0")[0] == "10.0.0.11/24"


def test_verify_knows_that_who_has_no_cable_has_no_address():
    assign("single.eth0", connected="false")
    results = lab.verify(now(), expectations=lab.pairs(now(), ["pc", "single"], ["single", "pc"]))
    ends = {one.expectation.source.name: (one.outcome.verdict, one.outcome.why) for one in results}
    assert ends["pc"][0] is ends["single"][0] is Verdict.DROPPED
    assert ends["pc"][1].endswith("has no address, by the scenario: it has no cable")
    assign("single.eth0", connected="")


class TestByHand:
    """The other end of a cable is switched off, and nobody tells the machine: its routes stay."""

    def pulled(self, port: str, switch: str = "vmnet8"):
        place = f"{NAME}.{switch}"
        return changed(place, f"ip link set {port} down", f"ip link set {port} up")

    def led_by_eth0(self) -> None:
        """Of two default routes, the kernel takes that whose gateway is alive, as far as it knows."""
        run(f"{NAME}.static", "ip route add 203.0.113.80/32 via 10.0.0.2")

    def test_of_the_source(self, running):
        self.led_by_eth0()
        with self.pulled("static-eth0"):
            one = proof(running, "static", "internet")
            assert one.end == (Verdict.DROPPED, "static", Cause.NIC_DOWN)
            assert one.diagnosis.evidence == "eth0 is down or has no carrier"
            assert one.without(dark={}) is Cause.UNKNOWN
            told = lab.explain(running, "static", "internet").diagnosis
            assert (told.cause, told.evidence) == (Cause.NIC_DOWN, one.diagnosis.evidence)

    def test_of_a_question_to_everybody(self, running):
        with self.pulled("box-eth0"):
            one = proof(running, "box", by="dhcp")
        assert one.end == (Verdict.DROPPED, "box", Cause.NIC_DOWN)
        assert one.diagnosis.evidence == "eth0 is down or has no carrier"

    def test_of_a_router_and_of_who_answers(self, running):
        gate = addresses("gate", "eth0")[0].partition("/")[0]
        run(f"{NAME}.pc", f"ip route add 10.5.0.0/24 via {gate}")
        try:
            with self.pulled("gate-eth1", "seg"):
                one = proof(running, "pc", "far")
                assert one.end == (Verdict.DROPPED, "gate", Cause.NIC_DOWN)
                assert one.diagnosis.evidence == "eth1 is down or has no carrier"
        finally:
            run(f"{NAME}.pc", "ip route del 10.5.0.0/24")
        # What comes to the second adapter is answered by the first one's route.
        run(f"{NAME}.static", "ip route add 192.168.1.50/32 via 10.0.0.2")
        try:
            with self.pulled("static-eth0"):
                one = proof(running, "pc", "192.168.1.77")
        finally:
            run(f"{NAME}.static", "ip route del 192.168.1.50/32")
        assert one.end == (Verdict.DROPPED, "static", Cause.NO_RETURN_PATH)
        assert "nic-down, eth0 is down or has no carrier" in one.diagnosis.evidence

    def test_of_ipv6(self, running):
        target = addresses("pc", "eth0")[1].split("/")[0]
        run(f"{NAME}.box", f"ip -6 route add {target} dev eth0")
        try:
            with self.pulled("box-eth0"):
                one = proof(running, "box", target)
        finally:
            run(f"{NAME}.box", f"ip -6 route del {target} dev eth0")
        assert one.end == (Verdict.DROPPED, "box", Cause.NIC_DOWN)
        assert "eth0" in one.diagnosis.evidence

    def test_verify_says_it_at_the_first_try(self, running):
        self.led_by_eth0()
        with self.pulled("static-eth0"):
            began = time.monotonic()
            pairs = lab.pairs(running, ["static"], ["internet", "pc"])
            results = {
                one.expectation.target.name: one for one in lab.verify(running, expectations=pairs)
            }
            took = time.monotonic() - began
        lost = results["internet"].outcome
        assert (lost.verdict, lost.cause) == (Verdict.DROPPED, Cause.NIC_DOWN)
        assert "eth0 is down" in lost.why
        assert results["pc"].outcome.verdict is Verdict.ANSWERED
        assert took < 3, "a second try takes longer"
