"""What is sent to a group, or to all of a subnet: who hears it, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError
from netlab.packets.packet import Part
from netlab.scenario.loader import load_text
from tests.kernel.faults import changed, proof, rules
from tests.machine import netlab

TEXT = """
lan: {peers: {tv: 192.168.1.50}, ipv6: 2001:db8:1::/64}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet0: {mode: bridged}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
vms:
  ha: {nics: [vmnet8]}
  neighbour: {nics: [vmnet8], listens: [udp:5353]}
  bridged: {nics: [vmnet0], listens: [udp:1900]}
expect: {default: reachable}
"""
MDNS, SSDP = ("224.0.0.251", "udp:5353"), ("239.255.255.250", "udp:1900")
BEHIND_NAT = {"neighbour", "vmnet8-nat", "vmnet8-dhcp", "host"}
HOME = {"tv", "router", "bridged", "host"}


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(TEXT.encode(), "groups.yaml"), "groups")) as up:
        yield up


def hearers(traced: lab.Trace, source: str) -> set[str]:
    switches = {"lan", "vmnet0", "vmnet8"}
    return {step.node for step in traced.journey.of(Part.REQUEST)} - switches - {source}


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("source", "group", "by", "there"),
    [
        ("ha", *MDNS, BEHIND_NAT),
        ("ha", *SSDP, BEHIND_NAT),
        ("ha", "255.255.255.255", "udp:9", BEHIND_NAT),
        ("ha", "10.0.0.255", "udp:9", BEHIND_NAT),
        ("ha", "10.0.0.255", "icmp", BEHIND_NAT),
        ("tv", *MDNS, HOME - {"tv"}),
        ("bridged", *SSDP, HOME - {"bridged"}),
        ("host", "192.168.1.255", "udp:9", HOME - {"host"}),
        ("tv", "ff02::fb", "udp:5353", HOME - {"tv"}),
    ],
)
def test_who_hears_it(running, source, group, by, there):
    traced = lab.trace(running, source, group, by)
    found = traced.diagnosis
    assert found.verdict is Verdict.HEARD, found
    assert hearers(traced, source) == there
    assert all(node in found.evidence for node in there), found
    assert "nobody passed it on to another network" in found.evidence


def test_where_a_program_waits_for_it(running):
    waiting = lab.trace(running, "ha", *MDNS).diagnosis.evidence
    assert waiting.endswith("a program waits on udp/5353 on neighbour")
    assert (
        "no program waits on udp/1900 there" in lab.trace(running, "ha", *SSDP).diagnosis.evidence
    )


def test_who_answers_has_heard_it(running):
    """Every machine answers an echo request to all nodes (RFC 4291, 2.7.1)."""
    found = lab.trace(running, "tv", "ff02::1").diagnosis
    assert found.verdict is Verdict.ANSWERED
    found = lab.trace(running, "ha", "255.255.255.255", "udp:5353").diagnosis
    assert (found.verdict, found.at) == (Verdict.ANSWERED, "neighbour")


def test_a_rule_of_one_who_hears_it_is_told_and_of_all_is_the_end(running):
    with rules("groups.host", "input", "udp dport 9 drop"):
        found = lab.trace(running, "ha", "255.255.255.255", "udp:9").diagnosis
        assert found.verdict is Verdict.HEARD
        assert "host drops it: " in found.evidence
    with changed(
        "groups.vmnet8",
        "nft add table bridge t; nft 'add chain bridge t c"
        " { type filter hook prerouting priority 0; policy drop; }'",
        "nft delete table bridge t",
    ):
        one = proof(running, "ha", MDNS[0], by=MDNS[1])
    assert one.end == (Verdict.DROPPED, "vmnet8", Cause.FIREWALL), one.diagnosis
    assert one.without(drops={}) is Cause.UNKNOWN


def test_a_source_without_a_cable(running):
    down = "ip link set eth0 "
    with changed(
        "groups.tv", down + "down", down + "up; ip route add default via 192.168.1.1 proto static"
    ):
        found = lab.trace(running, "tv", *MDNS).diagnosis
    assert (found.verdict, found.cause) == (Verdict.DROPPED, Cause.NIC_DOWN), found


@pytest.mark.parametrize("by", ["tcp:80", "udp", "arp", "mtu", "raw:47", "http"])
def test_a_probe_that_asks_one_machine_goes_to_no_group(running, by):
    with pytest.raises(UsageError, match="everybody's address"):
        lab.trace(running, "ha", "224.0.0.251", by)


def test_explain_says_that_it_is_not_certain(running):
    found = lab.explain(running, "ha", *MDNS).diagnosis
    assert found.verdict is Verdict.UNKNOWN
    assert "not certain" in found.evidence


def test_the_command_ends_with_0_where_somebody_hears_it(running):
    done = netlab("trace", "--lab", "groups", "ha", MDNS[0], "--by", MDNS[1])
    assert done.returncode == 0, done.stderr
    assert "✔ heard, and not answered" in done.stdout
