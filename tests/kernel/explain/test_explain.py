"""`explain` against `trace`: what is worked out from tables is what real packets do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import permutations
from multiprocessing import get_context

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError
from netlab.kernel.nftables import nft
from tests.kernel import faults
from tests.kernel.prediction import compared, measured, predicted
from tests.machine import inside, netlab

NODES = ("vm1", "vm2", "vm3", "vm4", "vm5", "host", "pc", "router", "internet")


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), "explain")) as up:
        yield up


@contextmanager
def changed(node: str, do: str, undo: str) -> Iterator[None]:
    with faults.changed(f"explain.{node}", do, undo):
        yield


@contextmanager
def rules(
    node: str, hook: str, rule: str, kind: str = "filter", priority: int = 0
) -> Iterator[str]:
    with faults.rules(f"explain.{node}", hook, rule, kind=f"{kind} {priority}") as shown:
        yield shown


def followed(source: str, target: str) -> tuple:
    return measured(lab.trace(lab.attach("explain"), source, target))


@pytest.mark.on_each_kernel
def test_every_pair_goes_where_it_was_said_to(running):
    pairs = list(permutations(NODES, 2))
    with lab.explainer(running) as answer:
        foretold = [predicted(answer(source, target, "icmp")) for source, target in pairs]
    with ProcessPoolExecutor(3, get_context("fork")) as workers:
        really = workers.map(followed, *zip(*pairs, strict=True))
        rows = zip(pairs, foretold, really, strict=True)
        assert [row for row in rows if row[1] != row[2]] == []


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("source", "target", "by", "cause"),
    [
        ("vm2", "internet", "tcp:80", None),
        ("vm2", "internet", "tcp:81", Cause.PORT_CLOSED),
        ("pc", "host@lan", "tcp:81", Cause.NO_FORWARD),
        ("vm2", "host", "tcp:81", Cause.PORT_CLOSED),
        ("internet", "host@lan", "tcp:80", Cause.FIREWALL),
    ],
)
def test_ports(running, source, target, by, cause):
    assert compared(running, source, target, by)[1] is cause


@pytest.mark.on_each_kernel
def test_no_default_route(running):
    with changed("vm2", "ip route del default", "ip route add default via 10.0.0.2"):
        assert compared(running, "vm2", "internet") == ("vm2", Cause.NO_ROUTE)
        assert compared(running, "vm2", "vm3") == ("vm3", None)


GATEWAY_1 = "ip route replace default via 10.0.0.1"
GATEWAY_2 = "ip route replace default via 10.0.0.2"
FORWARDING = "sysctl -qw net.ipv4.conf.vmnet8.forwarding="


@pytest.mark.on_each_kernel
def test_wrong_gateway(running):
    with changed("vm2", GATEWAY_1, GATEWAY_2):
        assert compared(running, "vm2", "internet") == ("host", Cause.NOT_FORWARDING)
        with changed("host", FORWARDING + "1", FORWARDING + "0"):
            assert compared(running, "vm2", "internet") == ("host", Cause.NOT_FORWARDING)


STRANGER = "02:00:00:00:00:77"


def sent_to(source: str, address: str, mac: str):
    """The source believes that an address is at that MAC."""
    entry = f"ip neigh {{}} {address} lladdr {mac} dev eth0 nud permanent"
    return changed(source, entry.format("replace"), entry.format("del"))


def test_a_mac_address_that_nobody_has(running):
    with sent_to("vm1", "192.168.1.50", STRANGER):
        assert compared(running, "vm1", "pc") == ("lan", Cause.MAC_UNKNOWN)
    with sent_to("vm2", "10.0.0.129", STRANGER):
        assert compared(running, "vm2", "10.0.0.129") == ("vmnet8", Cause.MAC_UNKNOWN)
        entry = f"bridge fdb {{}} {STRANGER} dev vmnet8-nat-eth0 master"
        with changed("vmnet8", entry.format("replace") + " static", entry.format("del")):
            assert compared(running, "vm2", "10.0.0.129") == ("vmnet8", Cause.MAC_UNKNOWN)
            texts = [
                found(running, "vm2", "10.0.0.129").diagnosis.evidence
                for found in (lab.explain, lab.trace)
            ]
            assert texts[0] == texts[1]


def test_a_wrong_entry_of_a_switch_says_nothing_of_who_is_there(running):
    mac = inside("explain.vm3", "cat", "/sys/class/net/eth0/address").stdout.strip()
    entry = f"bridge fdb {{}} {mac} dev vmnet8-nat-eth0 master"
    with (
        sent_to("vm2", "10.0.0.129", mac),
        changed("vmnet8", entry.format("replace") + " static", entry.format("del")),
    ):
        assert compared(running, "vm2", "10.0.0.129") == ("vmnet8", Cause.MAC_UNKNOWN)
        evidence = lab.explain(running, "vm2", "10.0.0.129").diagnosis.evidence
        assert evidence.endswith(f"; vm3 has {mac}, on the same network")


def test_no_router_takes_what_is_sent_to_a_group(running):
    with sent_to("vm2", "10.0.0.2", "01:00:5e:00:00:77"):
        foretold = lab.explain(running, "vm2", "internet").diagnosis
        really = lab.trace(running, "vm2", "internet").diagnosis
    assert (foretold.at, foretold.cause) == ("vmnet8", Cause.MAC_UNKNOWN)
    assert (foretold.at, foretold.cause) == (really.at, really.cause)
    assert foretold.evidence == really.evidence


def test_an_adapter_of_another_name_is_there_all_the_same(running):
    mac = inside("explain.vm3", "cat", "/sys/class/net/eth0/address").stdout.strip()
    rename = "ip link set {0} down && ip link set {0} name {1} && ip link set {1} up"
    heal = f"{rename.format('away', 'eth0')} && {GATEWAY_2}"
    learn = "bridge link set dev vm3-eth0 learning "
    quiet = "sysctl -qw net.ipv4.icmp_echo_ignore_all="
    with (
        sent_to("vm2", "10.0.0.129", mac),
        changed("vm3", f"{quiet}1", f"{quiet}0"),
        changed("vmnet8", f"{learn}off", f"{learn}on"),
        changed("vm3", rename.format("eth0", "away"), heal),
    ):
        assert compared(running, "vm2", "10.0.0.129") == ("vmnet8", Cause.UNKNOWN)


def test_an_answer_that_finds_no_mac_never_leaves(running):
    route = "ip route {} 10.0.0.128/32 via 10.0.0.99"
    with changed("vm3", route.format("add"), route.format("del")):
        assert compared(running, "vm2", "vm3") == ("vm3", Cause.NO_RETURN_PATH)


def test_an_adapter_that_is_down(running):
    compared(running, "vm3", "vm2")  # Its MAC is known then.
    heal = "ip link set eth0 up; ip route replace default via 10.0.0.2"
    with changed("vm2", "ip link set eth0 down", heal):
        assert compared(running, "vm2", "vm3") == ("vm2", Cause.NIC_DOWN)
        assert compared(running, "vm3", "vm2") == ("vmnet8", Cause.MAC_UNKNOWN)


def test_no_address(running):
    heal = f"ip address add 10.0.0.128/24 dev eth0; {GATEWAY_2}"
    with changed("vm2", "ip address flush dev eth0", heal):
        assert compared(running, "vm2", "10.0.0.129") == ("vm2", Cause.NO_ADDRESS)


def test_an_address_that_nobody_has(running):
    assert compared(running, "vm2", "10.0.0.99") == ("vm2", Cause.ARP_UNANSWERED)
    assert compared(running, "pc", "10.0.0.99") == ("internet", Cause.NOT_FORWARDING)


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("node", "hook", "rule", "verdict"),
    [
        ("vm3", "input", "icmp type echo-request drop", Verdict.DROPPED),
        ("vm2", "output", "ip daddr 10.0.0.0/24 drop", Verdict.DROPPED),
        ("vm3", "output", "icmp type { echo-reply } drop", Verdict.DROPPED),
        ("vm3", "input", "ip saddr != 10.0.0.7-10.0.0.9 reject", Verdict.REFUSED),
        ("vm3", "input", 'iifname "eth1" drop', Verdict.ANSWERED),
        ("vm3", "input", "tcp dport 1-65535 drop", Verdict.ANSWERED),
        ("vm3", "input", "ct state vmap { new : drop, established : accept }", Verdict.DROPPED),
        ("vm3", "input", "counter log ip saddr 10.0.0.128 ip ttl < 65 drop", Verdict.DROPPED),
    ],
)
def test_rules_of_a_guest(running, node, hook, rule, verdict):
    with rules(node, hook, rule):
        at, _ = compared(running, "vm2", "vm3")
        assert at == (node if verdict is not Verdict.ANSWERED else "vm3")
        assert lab.explain(running, "vm2", "vm3").diagnosis.verdict is verdict


@pytest.mark.on_each_kernel
def test_a_translation_by_hand(running):
    """The router passes on what comes from outside, and its own firewall has the last word."""
    to_pc = "icmp type echo-request ip daddr 203.0.113.1 dnat to 192.168.1.50"
    with rules("router", "prerouting", to_pc, "nat", -100):
        assert compared(running, "internet", "router@wan") == ("router", Cause.FIREWALL)
    to_vm = "icmp type echo-request dnat to 10.0.0.129"
    with rules("vm2", "output", to_vm, "nat", -100):
        assert compared(running, "vm2", "10.0.0.77") == ("vm3", Cause.UNKNOWN)


@pytest.mark.on_each_kernel
def test_time_to_live(running):
    ttl = "sysctl -qw net.ipv4.ip_default_ttl="
    with changed("vm2", f"{ttl}2", f"{ttl}64"):
        assert compared(running, "vm2", "internet") == ("host", Cause.TTL_EXCEEDED)


@pytest.mark.on_each_kernel
def test_reverse_path(running):
    strict = "sysctl -qw net.ipv4.conf.lan0.rp_filter="
    compared(running, "pc", "internet")
    with (
        changed("router", f"{strict}1", f"{strict}0"),
        changed("pc", "ip address add 172.31.0.9/32 dev lo && "
                "ip route replace 203.0.113.80 via 192.168.1.1 src 172.31.0.9",
                "ip route del 203.0.113.80; ip address del 172.31.0.9/32 dev lo"),
    ):  # fmt: skip
        assert compared(running, "pc", "internet") == ("router", Cause.REVERSE_PATH)


@pytest.mark.on_each_kernel
def test_no_way_back(running):
    before = nft.read("explain.host")
    nft.delete_table("explain.host", "ip", "host")
    try:
        assert compared(running, "vm2", "pc") == ("router", Cause.NO_RETURN_PATH)
    finally:
        nft.create("explain.host", before)


@pytest.mark.on_each_kernel
def test_isolated_ports(running):
    compared(running, "vm2", "vm3")
    isolated = (
        "bridge link set dev vm2-eth0 isolated {0} && bridge link set dev vm3-eth0 isolated {0}"
    )
    with changed("vmnet8", isolated.format("on"), isolated.format("off")):
        assert compared(running, "vm2", "vm3") == ("vmnet8", Cause.ISOLATED_PORT)
        mac = inside("explain.vm3", "cat", "/sys/class/net/eth0/address").stdout.strip()
        forget = f"bridge fdb del {mac} dev vm3-eth0 master"
        with sent_to("vm2", "10.0.0.129", mac), changed("vmnet8", forget, "true"):
            assert compared(running, "vm2", "vm3") == ("vmnet8", Cause.ISOLATED_PORT)


def test_two_machines_with_one_address(running):
    inside("explain.vm2", "ip", "neigh", "flush", "all")
    twin = "ip address {} 10.0.0.2/32 dev lo"
    with changed("vm3", twin.format("add"), twin.format("del")):
        found = lab.explain(running, "vm2", "internet").diagnosis
    assert (found.verdict, found.at) == (Verdict.UNKNOWN, "vm2")
    assert found.evidence == "not certain, because vmnet8-nat, vm3 would all answer for 10.0.0.2"


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    "rule", ["icmp type echo-request limit rate 1/second drop", "meta length 1-9 drop"]
)
def test_a_rule_that_cannot_be_worked_out_makes_it_uncertain(running, rule):
    with rules("vm3", "input", rule) as shown:
        found = lab.explain(running, "vm2", "vm3").diagnosis
    assert (found.verdict, found.at, found.cause) == (Verdict.UNKNOWN, "vm3", Cause.UNKNOWN)
    assert found.evidence == f"not certain, because rule extra c: {shown} may end it"


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        ("icmp type echo-request limit rate 1/second accept", None),
        ("icmp type 0-8 drop", Cause.FIREWALL),
        ("icmp type vmap { 0-8 : drop }", Cause.FIREWALL),
        ("meta priority set 1", None),
        ("ip daddr . ip saddr { 10.0.0.1 . 10.0.0.2 } drop", None),
    ],
)
def test_rules_that_can_end_a_packet_in_one_way_only(running, rule, cause):
    with rules("vm3", "input", rule):
        assert compared(running, "vm2", "vm3") == ("vm3", cause)


@pytest.mark.on_each_kernel
@pytest.mark.parametrize(
    ("rule", "end"),
    [
        ("", ("vm3", None)),
        ("ip protocol icmp drop", ("vmnet8", Cause.FIREWALL)),
        ("ether type arp drop", ("vm3", None)),
    ],
)
def test_rules_of_a_switch(running, rule, end):
    compared(running, "vm2", "vm3")  # Both have asked.
    table = f"table bridge b {{ chain c {{ type filter hook forward priority 0;\n {rule}\n }}\n }}"
    nft.create("explain.vmnet8", table)
    try:
        assert compared(running, "vm2", "vm3") == end
    finally:
        nft.delete_table("explain.vmnet8", "bridge", "b")


def test_nothing_is_sent(running):
    inside("explain.vm2", "ip", "neigh", "flush", "all")
    lab.explain(running, "vm2", "10.0.0.98")
    lab.explain(running, "vm2", "internet")
    assert inside("explain.vm2", "ip", "neigh").stdout == ""


@pytest.mark.parametrize(("target", "by"), [("vm9", "icmp"), ("vm3", "dhcp"), ("vm3", "tcp")])
def test_what_cannot_be_meant_is_said(running, target, by):
    with pytest.raises(UsageError):
        lab.explain(running, "vm2", target, by)


def test_the_command(running):
    done = netlab("explain", "vm2", "internet", "--reply")
    assert done.returncode == 0
    assert "     * source 10.0.0.128 → 192.168.1.100\n" in done.stdout
    assert done.stdout.endswith("✔ would be answered · 2 translations\n")
    done = netlab("explain", "vm4", "internet", "--lang", "zh")
    assert (done.returncode, "将在 vm4 被丢弃" in done.stdout) == (1, True)
    document = json.loads(netlab("explain", "internet", "vm3", "--json").stdout)
    assert document["verdict"] == {
        "verdict": "dropped",
        "at": "router",
        "cause": "firewall",
        "evidence": "home_router forward: policy drop",
    }
    assert [step["node"] for step in document["steps"]] == ["internet", "router"]
