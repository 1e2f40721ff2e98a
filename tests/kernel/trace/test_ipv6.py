"""IPv6 as `trace`, `explain` and `watch` see it: vm1 behind a host that translates, and a PC on its LAN."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError
from netlab.kernel.nftables import nft
from netlab.packets import stream
from netlab.packets.packet import Part
from netlab.report.trace.steps import journey
from netlab.report.traffic import conversation_lines
from netlab.traffic import conversations
from tests.kernel.faults import changed, proof, rules, run
from tests.kernel.prediction import compared
from tests.machine import netlab

pytestmark = [pytest.mark.on_each_kernel, pytest.mark.leaves_drift]

VM1, VM2, HOST, NAT, PC = "fd00:8::1", "fd00:8::2", "fd00:8::9", "fd00:1::100", "fd00:1::50"
ADDRESSES = {
    "vm1": {"eth0": VM1},
    "vm2": {"eth0": VM2},
    "host": {"vmnet8": HOST, "eth0": NAT},
    "pc": {"eth0": PC},
}


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "seen")) as up:
        for node, cards in ADDRESSES.items():
            for card, address in cards.items():
                run(
                    f"seen.{node}",
                    f"sysctl -qw net.ipv6.conf.{card}.disable_ipv6=0 net.ipv6.conf.{card}.accept_dad=0;"
                    f"ip address add {address}/64 dev {card} nodad",
                )
        run("seen.host", "sysctl -qw net.ipv6.conf.all.forwarding=1")
        for node in ("vm1", "vm2"):
            run(f"seen.{node}", f"ip -6 route add default via {HOST}")
        with rules("seen.host", "postrouting", 'oifname "eth0" masquerade', "ip6", "nat 100"):
            yield up


def decided(one, node: str, by: By) -> list[str]:
    pairs = zip(one.trace.journey.steps, one.trace.decisions, strict=True)
    return [
        decision.text
        for step, found in pairs
        for decision in found
        if step.node == node and step.part is Part.REQUEST and decision.by is by
    ]


def printed(text) -> str:
    console = Console(width=200, record=True, file=StringIO())
    console.print(text)
    return console.export_text()


@pytest.mark.parametrize("by", ["icmp", "tcp", "udp"])
def test_nat66_is_seen_and_who_decided_it(running, by):
    for node in ADDRESSES:
        run(f"seen.{node}", "ip -6 neigh flush all")
    one = proof(running, "vm1", PC, by=by)
    assert one.diagnosis.verdict is Verdict.ANSWERED
    (step,) = (s for s in one.trace.journey.first(Part.REQUEST) if s.node == "host")
    assert step.rewrites["ip.src"] == (VM1, NAT)
    assert decided(one, "vm1", By.ROUTE)[0] == f"default via {HOST} dev eth0 metric 1024"
    assert decided(one, "vm1", By.NDP)[0].startswith(f"{HOST} is at 00:50:56:c0:00:08 (host)")
    assert decided(one, "host", By.ROUTE)[0] == "fd00:1::/64 dev eth0 proto kernel metric 256"
    assert any(NAT in text and VM1 in text for text in decided(one, "host", By.NAT))
    assert any("masquerade" in text for text in decided(one, "host", By.RULE))
    assert not decided(one, "vm1", By.ARP)
    asked = {packet.name for packet in one.trace.journey.packets if packet.part is Part.ARP}
    assert asked == {"ICMPv6 neighbour solicitation", "ICMPv6 neighbour advertisement"}
    text = netlab("trace", "vm1", PC).stdout
    assert "· neighbour caches " in text
    assert "      ndp     " in text
    assert "ARP" not in text


def test_neighbour_discovery_has_a_place_of_its_own():
    traced = lab.trace(lab.attach("seen"), "vm1", "fd00:8::77")
    text, chinese = (printed(journey(traced, False, language)) for language in ("en", "zh"))
    assert "\nNEIGHBOUR DISCOVERY\n    vm1 asks who has fd00:8::77   nobody answers\n" in text
    assert "nothing was sent but the neighbour solicitation" in text
    assert "it asked who has fd00:8::77, and nobody answered" in text
    assert "邻居发现" in chinese
    assert "它询问谁拥有 fd00:8::77，无人应答" in chinese
    assert "nobody" not in chinese


PAIRS = [("vm1", VM2), ("vm1", HOST), ("vm1", PC), ("vm2", PC), ("pc", NAT), ("host", VM1)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_explain_says_what_trace_sees(running, source, target):
    assert compared(running, source, target)[1] is None


@pytest.mark.parametrize(
    ("target", "by", "cause"),
    [
        ("fd00:1::77", "icmp", Cause.ARP_UNANSWERED),  # Nobody has it, behind the router.
        ("2001:db8::1", "icmp", Cause.NO_ROUTE),
        (VM2, "tcp:81", Cause.PORT_CLOSED),
        (VM2, "udp:81", Cause.PORT_CLOSED),
    ],
)
def test_causes(running, target, by, cause):
    assert compared(running, "vm1", target, by)[1] is cause


def test_a_source_without_an_address_of_that_version(running):
    assert compared(running, "router", PC) == ("router", Cause.NO_ADDRESS)


def test_a_machine_that_is_no_router(running):
    here = "sysctl -qw net.ipv6.conf.all.forwarding="
    with changed(
        "seen.vm1", f"ip -6 route add fd00:7::/64 via {VM2}", "ip -6 route del fd00:7::/64"
    ):
        found = compared(running, "vm1", "fd00:7::1")
        assert found == ("vm2", Cause.NOT_FORWARDING)
        one = proof(running, "vm1", "fd00:7::1")
        assert "vm2 does not forward (vms.vm2.forwards); Ip6.InAddrErrors of vm2 grew by" in (
            one.diagnosis.evidence
        )
        assert one.diagnosis.look_at == "sysctl net.ipv6.conf.all.forwarding"
        assert one.without(counts={}) is Cause.UNKNOWN
        with changed("seen.host", f"{here}0", f"{here}1"):
            assert compared(running, "vm1", PC) == ("host", Cause.NOT_FORWARDING)


def test_time_to_live(running):
    limit = "sysctl -qw net.ipv6.conf.eth0.hop_limit="
    with changed("seen.vm1", f"{limit}1", f"{limit}64"):
        assert compared(running, "vm1", PC) == ("host", Cause.TTL_EXCEEDED)


def test_no_way_back_without_a_route(running):
    compared(running, "vm1", VM2)
    nowhere = f"ip -6 route {{}} unreachable {VM1}"
    with changed("seen.vm2", nowhere.format("add"), nowhere.format("del")):
        assert compared(running, "vm1", VM2) == ("vm2", Cause.NO_RETURN_PATH)


def test_wrong_segment(running):
    with changed("seen.vm1", "ip -6 route add fd00:1::/64 dev eth0", "ip -6 route del fd00:1::/64"):
        assert compared(running, "vm1", PC) == ("vm1", Cause.WRONG_SEGMENT)


@pytest.mark.parametrize(
    ("node", "family", "hook", "rule", "cause"),
    [
        ("vm2", "ip6", "input", "icmpv6 type echo-request drop", Cause.FIREWALL),
        ("vm2", "inet", "input", f"ip6 saddr {VM1} drop", Cause.FIREWALL),
        ("vm2", "inet", "input", "meta l4proto icmpv6 icmpv6 type echo-request reject", Cause.FIREWALL),
        ("vm2", "ip6", "output", "icmpv6 type { echo-reply } drop", Cause.NO_RETURN_PATH),
        ("vm1", "ip6", "output", "ip6 daddr fd00:8::/64 icmpv6 type echo-request drop", Cause.FIREWALL),
        ("vm2", "inet", "input", "meta nfproto ipv4 drop", None),
        ("vm2", "inet", "input", "ip saddr 10.0.0.0/8 drop", None),
        ("vm2", "ip", "input", "drop", None),
        ("vm2", "ip6", "input", f"ip6 daddr != {{ {VM2}, ff02::/16 }} ip6 hoplimit 64 drop", None),
        ("vm2", "ip6", "input", "icmpv6 type nd-neighbor-solicit drop", Cause.FIREWALL),
        ("vm1", "inet", "input", "icmpv6 type nd-neighbor-advert drop", Cause.FIREWALL),
        ("vm1", "ip6", "output", "icmpv6 type nd-neighbor-solicit drop", Cause.FIREWALL),
        ("host", "inet", "input", "icmpv6 type nd-neighbor-solicit drop", None),
    ],
)  # fmt: skip
def test_rules_of_both_families(running, node, family, hook, rule, cause):
    for flushed in ("vm1", "vm2"):
        run(f"seen.{flushed}", "ip -6 neigh flush all")
    with rules(f"seen.{node}", hook, rule, family):
        assert compared(running, "vm1", VM2)[1] is cause


TWINS = """
table ip6 extra {
 set s { type ipv6_addr; elements = { fd00:8::77 }; }
 chain c { type filter hook input priority 0; ip6 saddr @s accept; }
}
table ip extra {
 set s { type ipv4_addr; elements = { 10.0.0.128 }; }
 chain c { type filter hook input priority 0; ip saddr @s drop; }
}
"""


def test_tables_of_one_name_in_two_families(running):
    """The handles of their rules are the same too."""
    text = nft.create("seen.vm2", TWINS)
    try:
        listing = run("seen.vm2", "nft -a list ruleset")
        assert len(set(re.findall(r"@s .* (# handle \d+)", listing))) == 1, listing
        assert compared(running, "vm1", "vm2") == ("vm2", Cause.FIREWALL)
        drop = "extra c: ip saddr @s drop"
        assert proof(running, "vm1", "vm2").diagnosis.evidence == drop
        assert drop in lab.explain(running, "vm1", "vm2").diagnosis.evidence
        shown = json.loads(netlab("show", "firewall", "vm2", "--lab", "seen", "--json").stdout)
        told = {(row["chain"], row["rule"]) for row in shown["rows"]}
        assert ("ip extra c", "ip saddr @s drop") in told
        assert ("ip6 extra c", "ip6 saddr @s accept") in told
    finally:
        nft.delete("seen.vm2", text)


PC_BY_IPV4 = "192.168.1.50"


@pytest.mark.parametrize(
    ("kind", "node", "target"),
    [
        ("prohibit", "vm1", PC),
        ("blackhole", "vm1", PC_BY_IPV4),
        ("prohibit", "host", PC),
        ("unreachable", "host", PC),
        ("blackhole", "host", PC),
        ("blackhole", "router", PC_BY_IPV4),
        ("prohibit", "router", PC_BY_IPV4),
    ],
)
def test_routes_that_lead_nowhere(running, kind, node, target):
    route = f"ip -{6 if ':' in target else 4} route {{}} {kind} {target}"
    source = "internet" if node == "router" else "vm1"
    with changed(f"seen.{node}", route.format("add"), route.format("del")):
        foretold = lab.explain(running, source, target).diagnosis
        one = proof(running, source, target)
    refused, dead = (Verdict.REFUSED, node, Cause.REFUSED), (Verdict.DROPPED, node, Cause.NO_ROUTE)
    assert one.end == (refused if kind == "prohibit" else dead)
    assert (foretold.verdict, foretold.at, foretold.cause) == one.end
    assert one.diagnosis.evidence.startswith(f"the route says {kind}: {kind} {target}")
    assert foretold.evidence == one.diagnosis.evidence
    known_otherwise = kind == "unreachable" or (kind == "prohibit" and node != "vm1")
    assert known_otherwise or one.without(closed_route={}) is Cause.UNKNOWN  # ICMP tells of it.


@pytest.mark.parametrize(
    "target", ["10.0.0.255", "192.168.1.255", "255.255.255.255", "224.0.0.1", "ff02::1"]
)
def test_what_is_everybodys_is_no_target_of_a_connection(running, target):
    with pytest.raises(
        UsageError, match="is everybody's address, and --by tcp:80 asks one machine"
    ):
        lab.trace(running, "vm1", target, by="tcp:80")


def test_watch_calls_neighbour_discovery_by_its_name_and_knows_new_addresses(running):
    run("seen.vm1", "ip -6 neigh flush all")
    owners = lab.LabWatcher(running).owners
    tracker = conversations.ConversationTracker(
        lab.LabWatcher(running).netmap, conversations.BACKGROUND
    )
    late = "fd00:8::abc"
    with (
        changed(
            "seen.vm2", f"ip address add {late}/128 dev eth0", f"ip address del {late}/128 dev eth0"
        ),
        lab.watching(running) as seen,
    ):
        run("seen.vm1", f"ping -c1 {VM2}")
        told = [
            one
            for found in conversations.live(seen.portions(1.2), tracker, stream.WINDOW_NS)
            for one in found
        ]
        assert owners().name(late) == "vm2"  # It has come since.
    (asked,) = (one for one in told if one.kind == "ndp" and one.fields["arp.target"] == VM2)
    line = conversation_lines.line(asked, owners().names)
    assert f"vm1 → vm2  ndp {VM2}  " in line
    assert "is at 00:0c:29:" in line
    assert {one.kind for one in told} >= {"icmp", "ndp"}
    assert "error" not in {one.kind for one in told}


def test_explain_of_ipv6_in_words(running):
    run("seen.vm1", "ip -6 neigh flush all")
    text = netlab("explain", "vm1", PC, "--lab", "seen").stdout
    assert f"       ndp    asks who has {HOST}: 00:50:56:c0:00:08 (host)\n" in text
    assert f"     * source {VM1} → {NAT}\n" in text
    assert text.endswith("✔ would be answered · 1 translation\n")
    assert json.loads(netlab("explain", "vm1", PC, "--json").stdout)["probe"]["address"] == PC


def test_explain_agrees_with_trace_in_a_lab_with_planned_ipv6(running):
    """Advertised addresses, link-local gateways, two translations, and VMs that cannot come out."""
    with lab.running(lab.prepare(lab.load("ipv6"), "seen6")) as planned:
        own = {
            plug: str(one.ip)
            for plug, addresses in lab.owners(planned).addresses.items()
            for one in addresses
            if one.version == 6 and not one.is_link_local
        }
        internet, vm1, vm2 = (own[node, "eth0"] for node in ("internet", "vm1", "vm2"))
        for source, target, cause in (
            ("vm2", internet, None),
            ("vm1", internet, None),
            ("vm2", vm1, None),
            ("host", vm2, None),
            ("vm4", own["vm5", "eth0"], None),
            ("vm4", internet, Cause.NO_ROUTE),
            ("vm3", internet, Cause.NO_ADDRESS),
            ("internet", vm1, Cause.FIREWALL),
            ("pc", vm2, Cause.NO_ROUTE),
        ):
            assert compared(planned, source, target)[1] is cause, (source, target)
