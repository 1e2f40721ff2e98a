"""What lies on a packet's way: ports and tables of switches, questions for MAC addresses, obstacles."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.explain.model import NodeModel
from netlab.explain.nft_rules import ParsedRuleset
from netlab.kernel.netlink.objects.link_details import LinkDetails
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.kernel.rows import FdbEntry, Neighbour
from tests.unit.explain.models import explained, lab_model, machine
from tests.unit.explain.rules import DROP, match, payload

VM, OTHER = "02:00:00:00:00:0a", "02:00:00:00:00:14"
TARGET = "10.0.0.20"
WARM = Neighbour("eth0", IPv4Address(TARGET), OTHER, "reachable")
BACK = Neighbour("eth0", IPv4Address("10.0.0.10"), VM, "reachable")


def switch(**fields: Any) -> NodeModel:
    return replace(lab_model().nodes["sw"], **fields)


def with_interface(name: str, **fields: Any) -> NodeModel:
    model = switch()
    changed = tuple(
        replace(entry, **fields) if entry.name == name else entry
        for entry in model.space.interfaces
    )
    return replace(model, space=replace(model.space, interfaces=changed))


def details(name: str, **fields: Any) -> dict[str, LinkDetails]:
    return {name: replace(LinkDetails(name, 1, "veth", 0, up=True, arp_off=False), **fields)}


def with_flag(port: str, **flags: bool) -> NodeModel:
    return switch(links=details(port, flags=flags))


def with_entry(mac: str, port: str, **fields: Any) -> NodeModel:
    entry = FdbEntry("sw", mac, port, **{"learnt": True, **fields})
    model = switch()
    return replace(model, space=replace(model.space, fdb=(entry,)))


def knowing(node: NodeModel, entry: Neighbour) -> NodeModel:
    return replace(node, space=replace(node.space, neighbours=(entry,)))


def met(warm: bool = False, **changed: NodeModel) -> Diagnosis:
    """Of a ping from vm to other; `warm`: each has the other's MAC address already."""
    if warm:
        vm = changed.get("vm", machine(10, "10.0.0.10/24", gateway="10.0.0.1"))
        other = changed.get("other", machine(20, "10.0.0.20/24"))
        changed |= {"vm": knowing(vm, WARM), "other": knowing(other, BACK)}
    return explained(lab_model(**changed), TARGET).diagnosis


BLOCKED = ("sw", Cause.PORT_BLOCKED)


@pytest.mark.parametrize(
    ("model", "warm", "end"),
    [
        (with_interface("p1", master=0), False, BLOCKED),
        (with_interface("p0", master=0), True, BLOCKED),
        (with_interface("p1", blocked=True), True, BLOCKED),
        (with_interface("p1", isolated=True), False, None),
        (with_interface("sw", up=False), True, BLOCKED),
        (with_interface("sw", oddities=("with VLANs",)), True, ("sw", Cause.UNKNOWN)),
        (with_interface("p1", running=False), False, ("vm", Cause.ARP_UNANSWERED)),
        (with_interface("p1", running=False), True, ("sw", Cause.MAC_UNKNOWN)),
        (with_flag("p1", bcast_flood=False), False, BLOCKED),
        (with_flag("p1", bcast_flood=False), True, None),
        (with_flag("p1", flood=False), False, None),
        (with_flag("p1", flood=False), True, BLOCKED),
        (with_flag("p1", mcast_flood=False), False, None),
        (with_flag("p1", flood=False, learning=False), False, BLOCKED),
        (with_flag("p0", learning=False), False, None),
        (with_flag("p0", locked=True), True, BLOCKED),
        (with_flag("p1", neigh_suppress=True), False, ("sw", Cause.UNKNOWN)),
        (with_entry(OTHER, "p1"), True, None),
        (with_entry(OTHER, "p1", learnt=False), True, BLOCKED),
        (with_entry(OTHER, "p2", sticky=True), False, ("sw", Cause.MAC_UNKNOWN)),
        (with_entry(OTHER, "p2"), False, None),  # The answer shows where it is.
    ],
)
def test_states_and_tables_of_a_switch(model, warm, end):
    diagnosis = met(warm, sw=model)
    if end is None:
        assert diagnosis.verdict is Verdict.ANSWERED
    else:
        assert (diagnosis.at, diagnosis.cause) == end


def test_a_locked_port_takes_who_is_known_there():
    entry = FdbEntry("sw", VM, "p0", learnt=True)
    locked = with_flag("p0", locked=True)
    model = replace(locked, space=replace(locked.space, fdb=(entry,)))
    assert met(warm=True, sw=model).verdict is Verdict.ANSWERED


def asked(**fields: Any) -> NodeModel:
    return replace(machine(20, "10.0.0.20/24"), **fields)


@pytest.mark.parametrize(
    ("model", "end"),
    [
        (asked(settings={"net.ipv4.conf.eth0.arp_ignore": "1"}), None),
        (asked(settings={"net.ipv4.conf.all.arp_ignore": "8"}), ("vm", Cause.ARP_UNANSWERED)),
        (asked(settings={"net.ipv4.conf.all.arp_ignore": "3"}), ("other", Cause.UNKNOWN)),
        (asked(links=details("eth0", arp_off=True)), ("vm", Cause.ARP_UNANSWERED)),
    ],
)
def test_a_machine_that_keeps_silent(model, end):
    diagnosis = met(other=model)
    assert (diagnosis.at, diagnosis.cause) == (end or ("other", None))


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"links": details("eth0", arp_off=True)}, Cause.ARP_OFF),
        ({"settings": {"net.ipv4.neigh.eth0.mcast_solicit": "0"}}, Cause.ARP_OFF),
    ],
)
def test_a_machine_that_asks_nobody(changed, cause):
    vm = replace(machine(10, "10.0.0.10/24"), **changed)
    diagnosis = met(vm=vm)
    assert (diagnosis.at, diagnosis.cause) == ("vm", cause)


def arp_rules(hook: str, operation: str) -> ParsedRuleset:
    family = {"family": "arp", "table": "t"}
    where = {"name": "c", "type": "filter", "hook": hook, "prio": 0, "policy": "accept"}
    condition = match(payload("arp", "operation"), operation)
    drops = {"chain": "c", "handle": 1, "expr": [condition, DROP]}
    return ParsedRuleset([{"chain": {**family, **where}}, {"rule": {**family, **drops}}])


@pytest.mark.parametrize(
    ("hook", "operation", "cause"),
    [
        ("input", "request", Cause.FIREWALL),
        ("output", "reply", Cause.FIREWALL),
        ("input", "reply", None),
        ("output", "request", None),  # By the question, it knows the asker's MAC address.
    ],
)
def test_rules_of_arp(hook, operation, cause):
    diagnosis = met(other=asked(rules=arp_rules(hook, operation)))
    assert (diagnosis.at, diagnosis.cause) == ("other", cause)


@pytest.mark.parametrize(
    ("node", "obstacle", "is_met"),
    [
        ("other", Obstacle(ObstacleKind.TC, "tc eth0 ingress: …", "eth0", "ingress"), True),
        ("other", Obstacle(ObstacleKind.TC, "tc eth1 ingress: …", "eth1", "ingress"), False),
        ("other", Obstacle(ObstacleKind.TC, "tc ipv6", "eth0", "ingress", 6), False),
        ("sw", Obstacle(ObstacleKind.XDP, "p0: prog/xdp", "p0", "ingress"), True),
        ("sw", Obstacle(ObstacleKind.XDP, "p2: prog/xdp", "p2", "ingress"), False),
        ("other", Obstacle(ObstacleKind.XFRM, "policy", "", "input", 4), True),
        ("other", Obstacle(ObstacleKind.XFRM, "policy", "", "forward", 4), False),
        ("other", Obstacle(ObstacleKind.CONNTRACK_FULL, "full"), True),
        ("other", Obstacle(ObstacleKind.IPTABLES, "iptables-legacy", "", "", 4), True),
        ("other", Obstacle(ObstacleKind.IPTABLES, "ip6tables-legacy", "", "", 6), False),
        ("sw", Obstacle(ObstacleKind.IPTABLES, "ebtables-legacy", "", "forward"), True),
        ("other", Obstacle(ObstacleKind.NETDEV_RULES, "netdev t gone", "eth0", "ingress"), True),
    ],
)
def test_an_obstacle_on_the_way_leaves_a_doubt(node, obstacle, is_met):
    model = replace(lab_model().nodes[node], obstacles=(obstacle,))
    diagnosis = met(warm=True, **{node: model})
    if is_met:
        assert (diagnosis.verdict, diagnosis.at) == (Verdict.UNKNOWN, node)
        assert diagnosis.evidence.startswith("not certain, because ")
        assert obstacle.text in diagnosis.evidence
    else:
        assert diagnosis.verdict is Verdict.ANSWERED


def test_chains_at_an_interface_are_worked_out():
    where = {"family": "netdev", "table": "t", "name": "c", "type": "filter", "hook": "ingress"}
    obstacle = Obstacle(ObstacleKind.NETDEV_RULES, "netdev t c", "eth0", "ingress")
    document = [{"chain": {**where, "prio": 0, "policy": "drop"}}]
    model = asked(rules=ParsedRuleset(document), obstacles=(obstacle,))
    diagnosis = met(warm=True, other=model)
    assert (diagnosis.at, diagnosis.cause) == ("other", Cause.FIREWALL)
