"""Linux' own ways to a card: a bridge inside of the host, macvtap; and switches that mind who sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import Missing
from netlab.kernel.netlink.pool import NamespacePool
from netlab.packets.packet import Part
from netlab.plan.resources import Sysctl
from netlab.scenario.loader import load_text
from tests.kernel.faults import changed, proof, run

BRIDGED = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: {}}}
vmnets:
  vmbr0: {mode: host-bridge, br_netfilter: true}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
vms:
  vm1: {nics: [vmbr0]}
  vm2: {nics: [{network: vmbr0, mac_spoofing: false, promiscuous: false}]}
  vm3: {nics: [vmnet8]}
expect: {default: reachable}
"""
POLICY = "type filter hook forward priority 0; policy drop;"
DOCKER = f"nft add table ip filter; nft 'add chain ip filter FORWARD {{ {POLICY} }}'"
CALLS = "net.bridge.bridge-nf-call-iptables"


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(BRIDGED.encode(), "vmbr.yaml"), "vmbr")) as up:
        assert not lab.status(up).drift
        yield up


def way(up: lab.Lab, source: str, target: str) -> list[str]:
    traced = lab.trace(up, source, target)
    assert traced.diagnosis.verdict is Verdict.ANSWERED, traced.diagnosis
    return [step.node for step in traced.journey.of(Part.REQUEST)]


def assign(name: str, target: str, **settings: str) -> lab.Lab:
    up = lab.attach(name)
    lab.apply(up, lab.set_value(up, target, settings))
    assert not lab.status(lab.attach(name)).drift
    return lab.attach(name)


def test_the_bridge_has_the_address_of_the_host_and_its_card_has_none(running):
    assert "inet 192.168.1." in run("vmbr.host", "ip -4 address show vmbr0")
    assert not run("vmbr.host", "ip -4 address show eth0")
    macs = {
        run("vmbr.host", f"cat /sys/class/net/{interface}/address")
        for interface in ("vmbr0", "eth0")
    }
    assert len(macs) == 1


def test_who_passes_the_host_and_who_is_answered_by_it(running):
    assert way(running, "vm1", "vm2") == ["vm1", "host", "vm2"]
    assert way(running, "pc", "vm1") == ["pc", "lan", "host", "vm1"]
    assert way(running, "vm1", "host") == ["vm1", "host"]
    assert way(running, "host", "pc") == ["host", "lan", "pc"]
    assert way(running, "vm3", "vm1") == ["vm3", "vmnet8", "vmnet8-nat", "vm1"]
    assert lab.trace(running, "vm1", "10.0.0.128").diagnosis.verdict is Verdict.DROPPED
    foretold = lab.explain(running, "vm1", "vm2").diagnosis
    assert (foretold.verdict, "bridges" in foretold.evidence) == (Verdict.UNKNOWN, True)


def test_frames_between_ports_meet_the_host_s_rules_for_forwarding(running):
    with changed("vmbr.host", DOCKER, "nft delete table ip filter"):
        for source, target in (("vm1", "vm2"), ("vm1", "pc"), ("pc", "vm1")):
            one = proof(running, source, target)
            assert one.end == (Verdict.DROPPED, "host", Cause.FIREWALL), one.diagnosis
            assert "filter FORWARD: policy drop" in one.diagnosis.evidence
            assert one.without(drops={}) is not Cause.FIREWALL
        assert way(running, "vm1", "host") == ["vm1", "host"], "what is for the host is INPUT's"
        asked = proof(running, "vm1", "vmbr0", by="dhcp")
        assert asked.end == (Verdict.DROPPED, "host", Cause.FIREWALL), asked.diagnosis
        assert asked.without(drops={}) is Cause.DHCP_NO_OFFER
        to_all = lab.trace(running, "vm1", "255.255.255.255", "udp:9").diagnosis
        assert (
            "it came to host; host keeps it from others: filter FORWARD: policy drop"
            in to_all.evidence
        )
        with changed("vmbr.host", f"sysctl -w {CALLS}=0", f"sysctl -w {CALLS}=1"):
            assert way(running, "vm1", "vm2") == ["vm1", "host", "vm2"]
        up = assign_quietly("vmbr0", br_netfilter="false")
        assert way(up, "vm1", "vm2") == ["vm1", "host", "vm2"]
        assign_quietly("vmbr0", br_netfilter="true")
    assert not lab.status(lab.attach("vmbr")).drift


def assign_quietly(target: str, **settings: str) -> lab.Lab:
    """Set a value in a lab that has drifted."""
    up = lab.attach("vmbr")
    lab.apply(up, lab.set_value(up, target, settings))
    return lab.attach("vmbr")


def test_a_kernel_without_br_netfilter_is_named(running):
    """A setting that no kernel has stands for one that this kernel has."""
    with NamespacePool(1) as pool, pytest.raises(Missing, match="no br_netfilter"):
        pool.set(Sysctl("vmbr.host", "net.bridge.bridge-nf-call-nothing", "1"))


def test_the_host_s_own_chain_lets_frames_between_ports_through(running):
    """vmnet8 has made the host a router, and its chain drops what no network of it is for."""
    rules = run("vmbr.host", "nft list chain ip host forward")
    assert "policy drop" in rules
    assert 'iifname "vmbr0" oifname "vmbr0" accept' in rules


def test_a_port_of_the_host_s_bridge_has_the_rules_of_other_ports(running):
    mac = run("vmbr.vm2", "cat /sys/class/net/eth0/address").strip()
    with changed(
        "vmbr.vm2",
        "ip link set eth0 address 52:54:00:00:00:77",
        f"ip link set eth0 address {mac}; ip neigh flush all",
    ):
        to_all = lab.trace(running, "vm2", "224.0.0.251", "udp:5353").diagnosis
        asked = proof(running, "vm2", "vm1")
    for found in (to_all, asked.diagnosis):
        assert (found.at, found.cause) == ("host", Cause.MAC_NOT_ALLOWED), found
    assert asked.without(silenced={}) is Cause.ARP_UNANSWERED


def test_an_interface_that_has_left_the_bridge_is_put_back():
    source = load_text(BRIDGED.encode(), "left.yaml")
    with lab.running(lab.prepare(source, "left")) as up:
        run("left.host", "ip link set vm1-eth0 nomaster")
        assert lab.status(up).drift
        lab.repair(up)
        assert not lab.status(up).drift
        assert way(up, "vm1", "pc") == ["vm1", "host", "lan", "pc"]


MACVTAP = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets: {macvtap0: {mode: macvtap}, virbr1: {mode: libvirt-isolated, subnet: 192.168.123.0/24}}
vms:
  vm1: {nics: [macvtap0]}
  vm2: {nics: [macvtap0, virbr1]}
expect: {default: reachable}
"""


@pytest.fixture(scope="module")
def macvtap() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(MACVTAP.encode(), "tap.yaml"), "tap")) as up:
        assert not lab.status(up).drift
        yield up


@pytest.mark.parametrize(("source", "target"), [("vm1", "host"), ("host", "vm1")])
def test_over_macvtap_a_vm_and_its_host_do_not_hear_each_other(macvtap, source, target):
    asked = proof(macvtap, source, target)
    assert asked.end == (Verdict.DROPPED, "macvtap0", Cause.MACVTAP), asked.diagnosis
    assert asked.without(silenced={}) is Cause.ARP_UNANSWERED
    mac = run(f"tap.{target}", "cat /sys/class/net/eth0/address").strip()
    entry = f"{asked.trace.request.ends.to} lladdr {mac} dev eth0"
    with changed(f"tap.{source}", f"ip neigh replace {entry}", f"ip neigh del {entry}"):
        sent = proof(macvtap, source, target)
        foretold = lab.explain(macvtap, source, target).diagnosis
    for found in (sent.diagnosis, foretold):
        assert (found.at, found.cause) == ("macvtap0", Cause.MACVTAP), found
    assert sent.without(drops={}) is Cause.UNKNOWN


def test_over_macvtap_vms_hear_each_other_and_the_lan(macvtap):
    assert way(macvtap, "vm1", "vm2@macvtap0") == ["vm1", "macvtap0", "vm2"]
    assert way(macvtap, "pc", "vm1") == ["pc", "lan", "macvtap0", "vm1"]
    assert way(macvtap, "host", "pc") == ["host", "macvtap0", "lan", "pc"]
    assert way(macvtap, "host", "vm2@virbr1") == ["host", "virbr1", "vm2"], "the second adapter"


def test_who_may_not_send_with_other_mac_addresses():
    with lab.running(lab.prepare(lab.load("mac-spoofing"), "senders")) as up:
        one = proof(up, "nested1", "host")
        assert one.end == (Verdict.DROPPED, "vmnet0", Cause.MAC_NOT_ALLOWED), one.diagnosis
        assert way(up, "nested2", "host") == ["nested2", "inside2", "open", "vmnet0", "host"]
        up = assign("senders", "strict.eth0", mac_spoofing="true")
        assert way(up, "nested1", "host") == ["nested1", "inside1", "strict", "vmnet0", "host"]
        up = assign("senders", "strict.eth0", mac_spoofing="false")
        found = lab.trace(up, "nested1", "host").diagnosis
        assert found.cause is Cause.MAC_NOT_ALLOWED, "and not only the question for the MAC address"
