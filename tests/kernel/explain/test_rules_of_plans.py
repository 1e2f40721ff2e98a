"""`explain` knows what every rule does that a plan of a shipped scenario has."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from netlab import lab
from netlab.explain.gates import BROADCAST, PredictedFrame
from netlab.explain.model import PredictedPacket, PredictedProbe
from netlab.explain.nft_fields import (
    arp_facts,
    connection_facts,
    neighbour_facts,
    packet_facts,
    packet_in_frame,
)
from netlab.explain.nft_rules import HookVerdict, ParsedRuleset
from netlab.explain.nft_values import Facts
from netlab.kernel.nftables import nft
from netlab.packets.packet import Part
from netlab.plan.plan import Plan
from netlab.plan.resources import Ruleset
from netlab.scenario.loader import load_text
from netlab.scenario.model import RuleSet

SCENARIOS = sorted(path.stem for path in Path("scenarios").glob("*.yaml"))
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
ENDS = {4: ("10.0.0.128", "192.168.1.100"), 6: ("fd00::1", "fd00::2")}
BY_CHANCE = "numgen random"
PROGRAMS = """
host: {{nics: {{eth0: 192.168.1.100}}, rules: [{program}], forward_policy: drop, forward_allows: [lan]}}
vmnets:
  virbr0: {{mode: libvirt-nat}}
  virbr1: {{mode: libvirt-route, subnet: 10.9.0.0/24}}
  vmnet8: {{mode: nat, subnet: 10.0.0.0/24}}
vms: {{vm1: {{nics: [virbr0]}}}}
expect: {{default: blocked}}
"""


def packets() -> Iterator[PredictedPacket]:
    """Requests, replies and errors of each probe, on a machine where they have come in."""
    for version, part, protocol in product(ENDS, Part, ("icmp", "tcp", "udp")):
        if part is Part.ARP or (part, protocol) == (Part.ERROR, "icmp"):
            continue
        source, target = map(ip_address, ENDS[version])
        probe = PredictedProbe(protocol, None if protocol == "icmp" else 80)
        ports = (None, None) if protocol == "icmp" else (range(32768, 61000), 80)
        yield PredictedPacket(source, target, probe, part, 64, *ports, macs=MACS)


def at_machines(interfaces: tuple[str, ...]) -> Iterator[Facts]:
    for packet, came_in, out in product(packets(), interfaces, interfaces):
        for state in ("new", "established"):
            yield {
                **packet_facts(packet, came_in, out, state),
                **connection_facts(packet),
                "fib daddr type": "local",
                "fib saddr type": "unicast",
                "fib saddr oif type": "local",
                "ct mark": 0,
            }


def at_switches(interfaces: tuple[str, ...]) -> Iterator[Facts]:
    questions = [
        facts
        for build, version in ((arp_facts, 4), (neighbour_facts, 6))
        for facts in build(*map(ip_address, reversed(ENDS[version])))
    ]
    for content in [*map(packet_in_frame, packets()), *questions]:
        for target, came_in, out in product((MACS[1], BROADCAST), interfaces, interfaces):
            yield PredictedFrame(MACS[0], target, content).facts(came_in, out)


def _comes_to(facts: Facts, chain: Mapping[str, Any]) -> bool:
    """Whether a packet is of the family of a chain; NAT's are for new connections."""
    version = {"ip": "ipv4", "ip6": "ipv6"}.get(chain["family"])
    is_new = chain["type"] != "nat" or facts["ct state"] == frozenset({"new"})
    return is_new and version in (None, facts.get("meta nfproto"))


def interfaces_in(text: str) -> tuple[str, ...]:
    """The interfaces that rules name, and another one."""
    named = {
        word for line in text.splitlines() if "ifname" in line for word in line.split('"')[1::2]
    }
    return (*sorted(name for name in named if " " not in name), "other0")


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace without a lab."""
    name = "plans.rules"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_rule_of_a_plan_leaves_a_doubt(namespace, name):
    no_doubt(namespace, lab.prepare(lab.load(name)).plan)


@pytest.mark.on_each_kernel
@pytest.mark.parametrize("program", RuleSet)
def test_no_rule_of_a_program_of_the_host_leaves_a_doubt(namespace, program):
    source = load_text(PROGRAMS.format(program=program).encode(), "programs.yaml")
    no_doubt(namespace, lab.prepare(source).plan)


def no_doubt(namespace: str, plan: Plan) -> None:
    """Ask of every packet at every chain of a plan."""
    for text in {entry.text for entry in plan.resources if isinstance(entry, Ruleset)}:
        nft.create(namespace, text)
        texts = nft.rules(nft.read_with_handles(namespace))
        rules = ParsedRuleset(nft.document(namespace), texts)
        nft.delete(namespace, text)
        for chain in rules.kinds("chain"):
            at = at_switches if chain["family"] == "bridge" else at_machines
            for facts in at(interfaces_in(text)) if "hook" in chain else ():
                if not _comes_to(facts, chain):
                    continue
                outcome = rules.met(chain, facts)
                assert outcome.end is not HookVerdict.UNKNOWN or BY_CHANCE in outcome.by
