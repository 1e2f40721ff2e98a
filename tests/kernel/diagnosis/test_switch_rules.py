"""Rules and ports of switches: what `trace`, `verify` and `explain` say where a frame ends there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.scenario.loader import load_text
from tests.kernel.faults import changed, proof, rules, run

SCENARIO = """
lan: {subnet: 192.168.1.0/24}
host: {nics: {eth0: 192.168.1.100}}
vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
vms:
  vm1: {nics: [{network: vmnet8, address: 10.0.0.11}]}
  vm2: {nics: [{network: vmnet8, address: 10.0.0.12}]}
  modest: {nics: [{network: vmnet8, address: 10.0.0.13, promiscuous: false}]}
  mute: {nics: [{network: vmnet8, address: 10.0.0.50, outgoing: {loss: 100}}]}
  deaf: {nics: [{network: vmnet8, address: 10.0.0.51, incoming: {loss: 100}}]}
expect: {default: blocked}
"""
DEAD = Verdict.DROPPED
LOST = (DEAD, "vmnet8", Cause.LOST)
FIREWALL = (DEAD, "vmnet8", Cause.FIREWALL)
NO_TAKER = (DEAD, "vmnet8", Cause.MAC_UNKNOWN)
STRANGER = "02:00:00:00:00:77"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(SCENARIO.encode(), "s.yaml"), "switches")) as up:
        yield up


def mac(node: str) -> str:
    return run(f"switches.{node}", "cat /sys/class/net/eth0/address").strip()


def knows(node: str, address: str, its: str):
    """The node sends to that MAC address, without asking."""
    entry = f"ip neigh {{}} {address} lladdr {its} dev eth0 nud permanent"
    return changed(f"switches.{node}", entry.format("replace"), entry.format("del"))


def verified(running: lab.Lab, source: str, target: str) -> tuple:
    """What `verify` says of a pair."""
    (result,) = lab.verify(running, expectations=lab.pairs(running, [source], [target]))
    return result.outcome.verdict, result.outcome.at, result.outcome.cause


def test_loss_is_no_refusal(running):
    """What a lossy adapter sends: the question for a MAC address, a packet, a DHCP question."""
    cold = proof(running, "mute", "vm1")
    assert cold.end == LOST
    assert "ARP: loss-mute-eth0 prerouting: " in cold.diagnosis.evidence
    assert 'drop comment "loss of 100 %"' in cold.diagnosis.evidence
    assert verified(running, "mute", "vm1") == LOST
    with knows("mute", "10.0.0.11", mac("vm1")):
        warm = proof(running, "mute", "vm1")
        assert verified(running, "mute", "vm1") == LOST
    assert warm.end == LOST
    assert warm.without(drops={}) is Cause.UNKNOWN
    assert proof(running, "mute", by="dhcp").end == LOST
    assert proof(running, "mute", "vm1", by="arp").end == LOST


def test_loss_of_what_comes_in(running):
    """The reply to a question for a MAC address; the copy of a flooded frame; a frame for one port."""
    assert proof(running, "deaf", "vm1").end == LOST
    assert verified(running, "deaf", "vm1") == LOST
    with knows("vm1", "10.0.0.51", mac("deaf")):
        run("switches.vmnet8", f"bridge fdb del {mac('deaf')} dev deaf-eth0 master")
        flooded = proof(running, "vm1", "deaf")
        run("switches.deaf", "ping -qc1 -W0.1 10.0.0.11 || true")
        for_one = proof(running, "vm1", "deaf")
        assert verified(running, "vm1", "deaf") == LOST
    assert (flooded.end, for_one.end) == (LOST, LOST)
    assert len(flooded.evidence.journey.overheard) > 1
    assert for_one.evidence.journey.overheard == ()


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("kind", ["echo", "ARP", "DHCP"])
def test_a_rule_of_a_switch_is_a_firewall(running, kind):
    match = {
        "echo": "icmp type echo-request",
        "ARP": "arp operation request",
        "DHCP": "udp dport 67",
    }
    run("switches.vm1", "ip neigh flush all")
    with rules("switches.vmnet8", "prerouting", f"{match[kind]} drop", "bridge"):
        question = ("vm1",) if kind == "DHCP" else ("vm1", "vm2")
        one = proof(running, *question, by="dhcp" if kind == "DHCP" else "icmp")
        if kind != "DHCP":
            assert verified(running, "vm1", "vm2") == FIREWALL
    assert one.end == FIREWALL, one.diagnosis
    assert f"extra c: {match[kind]} drop" in one.diagnosis.evidence


@pytest.mark.on_each_kernel
def test_a_rule_that_drops_a_copy_for_somebody_else_is_no_cause(running):
    """modest's port gives it nothing that is for others, and another rule spares the NAT device."""
    unplugged = "ip link set vm2-eth0 "
    spared = 'oifname "vmnet8-nat-eth0" drop'
    with (
        knows("vm1", "10.0.0.12", mac("vm2")),
        changed("switches.vmnet8", unplugged + "down", unplugged + "up"),
    ):
        one = proof(running, "vm1", "10.0.0.12")
        assert verified(running, "vm1", "vm2") == NO_TAKER
        with rules("switches.vmnet8", "forward", spared, "bridge"):
            two = proof(running, "vm1", "10.0.0.12")
    assert (one.end, two.end) == (NO_TAKER, NO_TAKER), (one.diagnosis, two.diagnosis)


@pytest.mark.on_each_kernel
def test_the_same_rule_is_the_cause_for_who_changed_its_address(running):
    """A guest with a MAC address of its own making gets nothing, as VMware has it."""
    own = mac("modest")
    with (
        changed(
            "switches.modest",
            f"ip link set eth0 address {STRANGER}",
            f"ip link set eth0 address {own}",
        ),
        knows("vm1", "10.0.0.13", STRANGER),
    ):
        one = proof(running, "vm1", "10.0.0.13")
    assert one.end == FIREWALL
    assert "not permitted to enter promiscuous mode" in one.diagnosis.evidence


@pytest.mark.on_each_kernel
def test_a_flooded_arp_request_is_not_traced_through_the_rules_of_every_port(running):
    """n ports with rules of their own would make n² messages of a question."""
    run("switches.vm1", "ip neigh flush all")
    one = proof(running, "vm1", "10.0.0.99")
    assert one.end == (DEAD, "vm1", Cause.ARP_UNANSWERED)
