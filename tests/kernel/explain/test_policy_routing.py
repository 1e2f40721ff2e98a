"""Rules of routing (`ip rule`) and several next hops, as `trace` and `explain` tell of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By
from netlab.diagnosis.verdict import Verdict
from tests.kernel import faults
from tests.kernel.prediction import compared
from tests.machine import ip

pytestmark = pytest.mark.on_each_kernel

INTERNET = {4: "203.0.113.80", 6: "2001:db8:203:113::50"}
PC = {4: "192.168.1.50", 6: "2001:db8:1::/64"}
ICMP = {4: "icmp", 6: "ipv6-icmp"}
both = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("ipv6"), "ruled")) as up:
        yield up


@contextmanager
def ruled(node: str, version: int, rule: str, *routes: str) -> Iterator[str]:
    """A rule of routing, with routes of table 100. Gives it as it is told."""
    do = [f"ip -{version} route add {route} table 100" for route in routes]
    undo = [f"ip -{version} route flush table 100"] if routes else []
    add = [f"ip -{version} rule add pref 100 {rule}"]
    delete = [f"ip -{version} rule del pref 100"]
    with faults.changed(f"ruled.{node}", ";".join([*do, *add]), ";".join([*delete, *undo])):
        lines = ip("-n", f"ruled.{node}", f"-{version}", "rule").splitlines()
        yield next(f"ip rule {line}" for line in lines if line.startswith("100:")).replace(
            ":\t", ": "
        )


@contextmanager
def marked(node: str, hook: str, match: str, kind: str = "filter") -> Iterator[None]:
    with faults.rules(f"ruled.{node}", hook, f"{match} meta mark set 7", "inet", f"{kind} -150"):
        yield


def alike(running: lab.Lab, version: int, by: str = "icmp") -> tuple:
    return compared(running, "pc", INTERNET[version], by)


def told(running: lab.Lab, version: int, by: str = "icmp") -> list[str]:
    """The evidence of `trace` and `explain`."""
    target = INTERNET[version]
    return [
        one.diagnosis.evidence
        for one in (lab.trace(running, "pc", target, by), lab.explain(running, "pc", target, by))
    ]


def routes(running: lab.Lab, node: str, version: int) -> list[str]:
    """The routes by which a node has sent the request on, and by which it would."""
    traced = lab.trace(running, "pc", INTERNET[version])
    stays = lab.explain(running, "pc", INTERNET[version]).stays
    found = [
        next(one for one in decisions if one.by is By.ROUTE)
        for step, decisions in (
            *zip(traced.journey.steps, traced.decisions, strict=True),
            *((stay, stay.decisions) for stay in stays),
        )
        if step.node == node and step.part == "request"
    ]
    return [one.text for one in found]


ANSWERED = ("internet", None)


@both
@pytest.mark.parametrize(
    ("action", "cause"),
    [
        ("blackhole", Cause.NO_ROUTE),
        ("unreachable", Cause.NO_ROUTE),
        ("prohibit", Cause.REFUSED),
    ],
)
def test_a_rule_that_stops_packets(running, version, action, cause):
    with ruled("router", version, f"from {PC[version]} iif lan0 {action}") as rule:
        assert alike(running, version) == ("router", cause)
        assert told(running, version) == [f"the rule says {action}: {rule}"] * 2
        one = faults.proof(running, "pc", INTERNET[version])
        assert one.without(closed_route={}) is not one.diagnosis.cause or action != "blackhole"
    with ruled("pc", version, f"to {INTERNET[version]} {action}") as rule:
        assert alike(running, version) == ("pc", cause)
        assert told(running, version) == [f"the rule says {action}: {rule}"] * 2


@both
@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_a_route_of_another_table_that_stops_packets(running, version, kind):
    cause = Cause.REFUSED if kind == "prohibit" else Cause.NO_ROUTE
    with ruled("router", version, "iif lan0 lookup 100", f"{kind} default"):
        assert alike(running, version) == ("router", cause)
        for evidence in told(running, version):
            assert evidence.startswith(f"the route says {kind}: {kind} default")
            assert " table 100" in evidence


@both
def test_who_decided_is_a_route_of_another_table(running, version):
    with ruled("router", version, "iif lan0 lookup 100", f"{INTERNET[version]} dev wan0"):
        for text in routes(running, "router", version):
            assert re.match(rf"{INTERNET[version]} dev wan0 table 100\b", text)
        assert alike(running, version) == ANSWERED


@both
def test_a_mark_that_a_rule_sets(running, version):
    with ruled("router", version, "fwmark 7 lookup 100", "blackhole default"):
        assert alike(running, version) == ANSWERED
        assert "table" not in routes(running, "router", version)[0]
        with marked("router", "prerouting", f"meta l4proto {ICMP[version]}"):
            assert alike(running, version) == ("router", Cause.NO_ROUTE)
            one = faults.proof(running, "pc", INTERNET[version])
            assert one.without(closed_route={}) is Cause.UNKNOWN
        with marked("router", "prerouting", "meta l4proto tcp"):
            assert alike(running, version) == ANSWERED
        # Behind the decision, and a lookup that nobody makes anew.
        with marked("router", "forward", f"meta l4proto {ICMP[version]}"):
            assert alike(running, version) == ANSWERED


@both
def test_a_mark_on_a_machines_own_packets(running, version):
    with ruled("pc", version, "fwmark 7 lookup 100", "prohibit default"):
        with marked("pc", "output", f"meta l4proto {ICMP[version]}", "route"):
            found = lab.explain(running, "pc", INTERNET[version]).diagnosis
            assert (found.at, found.cause) == ("pc", Cause.REFUSED)
            traced = lab.trace(running, "pc", INTERNET[version]).diagnosis
            assert (traced.verdict, traced.at) != (Verdict.ANSWERED, "internet")
            assert traced.at == "pc"
        # A chain of the type filter decides nothing about routes.
        with marked("pc", "output", f"meta l4proto {ICMP[version]}"):
            assert alike(running, version) == ANSWERED


@both
def test_the_mark_of_a_connection(running, version):
    """Saved with the request, and given back to the reply: which alone is led by it."""
    rules = ['iifname "lan0" ct mark set 7', 'iifname "wan0" meta mark set ct mark']
    with ExitStack() as stack:
        stack.enter_context(
            ruled("router", version, "fwmark 7 iif wan0 lookup 100", "blackhole default")
        )
        for number, rule in enumerate(rules):
            stack.enter_context(
                faults.rules(
                    "ruled.router", "prerouting", rule, "inet", "filter -150", f"t{number}"
                )
            )
        assert alike(running, version) == ("router", Cause.NO_RETURN_PATH)
        assert lab.explain(running, "pc", INTERNET[version]).diagnosis.evidence.startswith(
            "the reply would end on router: no-route, the route says blackhole"
        )


@both
def test_a_mark_that_is_not_known(running, version):
    with ExitStack() as stack:
        rule = stack.enter_context(
            ruled("router", version, "fwmark 7 lookup 100", "blackhole default")
        )
        stack.enter_context(faults.setting("ruled.router", "net.ipv4.fwmark_reflect", 1))
        found = lab.explain(running, "pc", INTERNET[version]).diagnosis
    assert (found.verdict, found.at) == (Verdict.UNKNOWN, "router")
    assert found.evidence == f"not certain, because {rule} looks at fwmark, which is not known"


@both
def test_type_of_service(running, version):
    with ruled("router", version, "tos 0x10 lookup 100", "blackhole default"):
        assert alike(running, version) == ANSWERED
    header = "ip" if version == 4 else "ip6"
    with (
        ruled("router", version, "tos 0x10 lookup 100", "blackhole default"),
        faults.rules("ruled.pc", "output", f"{header} dscp set 4", header, "filter 0"),
    ):
        one = faults.proof(running, "pc", INTERNET[version])
        assert one.end == (Verdict.DROPPED, "router", Cause.NO_ROUTE)
        assert one.without(closed_route={}) is Cause.UNKNOWN


@both
def test_protocol_and_ports(running, version):
    with ruled("router", version, "ipproto tcp dport 80 prohibit") as rule:
        assert alike(running, version) == ANSWERED
        assert alike(running, version, "tcp:80") == ("router", Cause.REFUSED)
        assert told(running, version, "tcp:80") == [f"the rule says prohibit: {rule}"] * 2
        assert compared(running, "pc", INTERNET[version], "tcp:81")[1] is Cause.PORT_CLOSED
    with ruled("router", version, f"ipproto {ICMP[version]} prohibit"):
        assert alike(running, version) == ("router", Cause.REFUSED)
        assert alike(running, version, "tcp:80") == ANSWERED


@both
def test_a_port_that_is_chosen_at_random_is_not_known(running, version):
    with ruled("pc", version, "ipproto tcp sport 5-9 prohibit"):
        assert alike(running, version, "tcp:80") == ANSWERED  # It is none of these.
    with ruled("pc", version, "ipproto tcp sport 60000-60998 prohibit") as rule:
        assert alike(running, version) == ANSWERED
        traced = lab.trace(running, "pc", INTERNET[version], "tcp:80").diagnosis
        found = lab.explain(running, "pc", INTERNET[version], "tcp:80").diagnosis
    assert traced.verdict in (Verdict.ANSWERED, Verdict.REFUSED)
    assert (found.verdict, found.at) == (Verdict.UNKNOWN, "pc")
    assert found.evidence == f"not certain, because {rule} looks at sport, which is not known"


@both
def test_the_user(running, version):
    with ruled("pc", version, "uidrange 5-9 prohibit"):
        assert alike(running, version) == ANSWERED
    with ruled("pc", version, "uidrange 0-0 lookup 100", "unreachable default"):
        assert alike(running, version) == ("pc", Cause.NO_ROUTE)
        one = faults.proof(running, "pc", INTERNET[version])
        assert "unreachable default" in one.diagnosis.evidence


def test_a_neighbours_rules_do_not_keep_it_from_answering_arp(running):
    with ExitStack() as stack:
        for rule in ("fwmark 7", "tos 0x10", "ipproto udp", "sport 5-9", "uidrange 5-9"):
            stack.enter_context(ruled("router", 4, f"{rule} lookup 100", "blackhole default"))
            faults.run("ruled.pc", "ip neigh flush all")
            assert alike(running, 4) == ANSWERED
            stack.close()


FIRST = {4: "192.168.1.1", 6: "2001:db8:1::1"}


@contextmanager
def second_hop(version: int, gateway: str) -> Iterator[None]:
    """pc has two next hops to the Internet: the router, which it prefers, and a gateway."""
    to, hop = INTERNET[version], "nexthop via {} dev eth0 weight {}"
    hops = hop.format(FIRST[version], 200), hop.format(gateway, 1)
    with faults.changed(
        "ruled.pc",
        f"ip -{version} route add {to} {' '.join(hops)}",
        f"ip -{version} route del {to}",
    ):
        yield


@both
def test_next_hops_that_lead_to_the_same_end(running, version):
    gateway = {4: "192.168.1.3", 6: "2001:db8:1::3"}[version]
    prefix, nodad = {4: ("/24", ""), 6: ("/64", "nodad")}[version]
    add, delete = (f"ip address {word} {gateway}{prefix} dev lan0" for word in ("add", "del"))
    with faults.changed("ruled.router", f"{add} {nodad}", delete), second_hop(version, gateway):
        assert alike(running, version) == ANSWERED
        traced, foretold = routes(running, "pc", version)
        found = lab.explain(running, "pc", INTERNET[version]).diagnosis
    assert found.evidence == f"the same by each next hop of {traced.split(', this time')[0]}"
    assert foretold.endswith(f", if it takes via {FIRST[version]} dev eth0")


@both
def test_next_hops_that_lead_to_different_ends(running, version):
    gateway = {4: "192.168.1.77", 6: "2001:db8:1::77"}[version]
    with second_hop(version, gateway):
        explained = lab.explain(running, "pc", INTERNET[version])
        one = faults.proof(running, "pc", INTERNET[version])
    found = explained.diagnosis
    assert (found.verdict, found.at, found.cause) == (Verdict.UNKNOWN, "pc", Cause.UNKNOWN)
    assert [stay.node for stay in explained.stays] == ["pc"]
    assert found.evidence.startswith(f"not certain, because {INTERNET[version]} ")
    assert found.evidence.endswith(
        f" may choose via {FIRST[version]} dev eth0 (✔ would be answered) or "
        f"via {gateway} dev eth0 (✘ would be dropped at pc, arp-unanswered)"
    )
    assert one.end[1:] in [ANSWERED, ("pc", Cause.ARP_UNANSWERED)]
    if one.diagnosis.verdict is Verdict.ANSWERED:
        (route,) = [decision.text for decision in one.trace.decisions[0] if decision.by is By.ROUTE]
        assert route.endswith(f", this time via {FIRST[version]} dev eth0")
