"""Rules and ways worked out from tables alone: no kernel, no lab."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.explain.model import LabModel, PredictedProbe
from netlab.explain.nft_rules import HookVerdict, ParsedRuleset
from netlab.explain.nft_values import NOT_THERE
from netlab.kernel.netlink.objects.rules import KernelRule, RuleKey, Selector
from netlab.kernel.rows import FdbEntry, Neighbour, NextHop, RouteRow, Socket
from netlab.kernel.state.policy import Doubt, RouteLookup
from netlab.kernel.state.routing import UNCERTAIN, RouteResult
from netlab.packets.packet import Part
from tests.unit.explain.models import explained, lab_model, machine, nodes, route
from tests.unit.explain.rules import (
    ACCEPT,
    DROP,
    IP,
    at,
    base,
    chain,
    match,
    meta,
    payload,
    rule,
)

FACTS = {
    "meta iifname": "eth0",
    "meta oifname": "",
    "meta l4proto": 6,
    "ip saddr": IPv4Address("10.0.0.5"),
    "ip daddr": IPv4Address("10.0.0.6"),
    "ip ttl": 64,
    "tcp dport": 80,
    "udp": NOT_THERE,
    "ct state": frozenset({"new"}),
    "ct original ip daddr": IPv4Address("192.168.1.100"),
}


@pytest.mark.parametrize(
    ("condition", "end"),
    [
        (match(meta("iifname"), "eth0"), HookVerdict.DROP),
        (match(meta("iifname"), "eth*"), HookVerdict.DROP),
        (match(meta("iifname"), "eth1"), HookVerdict.ACCEPT),
        (match(meta("iifname"), "eth1", "!="), HookVerdict.DROP),
        # It has none, and that is no `eth1`.
        (match(meta("oifname"), "eth1", "!="), HookVerdict.DROP),
        (match(payload("ip", "saddr"), "10.0.0.5"), HookVerdict.DROP),
        (
            match(payload("ip", "saddr"), {"prefix": {"addr": "10.0.0.0", "len": 24}}),
            HookVerdict.DROP,
        ),
        (
            match(payload("ip", "saddr"), {"prefix": {"addr": "10.0.1.0", "len": 24}}),
            HookVerdict.ACCEPT,
        ),
        (match(payload("ip", "saddr"), {"range": ["10.0.0.1", "10.0.0.9"]}), HookVerdict.DROP),
        (match(payload("ip", "saddr"), {"set": ["10.0.0.1", "10.0.0.5"]}), HookVerdict.DROP),
        (match(payload("tcp", "dport"), {"set": [22, {"range": [79, 81]}]}), HookVerdict.DROP),
        (match(payload("tcp", "dport"), 1024, "<"), HookVerdict.DROP),
        (match(payload("udp", "dport"), 80), HookVerdict.ACCEPT),
        (match(payload("udp", "dport"), 80, "!="), HookVerdict.ACCEPT),
        (match(payload("tcp", "flags"), "syn"), HookVerdict.UNKNOWN),
        (match(meta("mark"), 1), HookVerdict.UNKNOWN),
        (match({"ct": {"key": "state"}}, ["established", "related"], "in"), HookVerdict.ACCEPT),
        (match({"ct": {"key": "state"}}, ["new", "related"], "in"), HookVerdict.DROP),
        (match({"ct": {"key": "ip daddr", "dir": "original"}}, "192.168.1.100"), HookVerdict.DROP),
        (match({"ct": {"key": "ip daddr", "dir": "reply"}}, "192.168.1.100"), HookVerdict.UNKNOWN),
        (match({"concat": [meta("iif"), meta("oif")]}, "x"), HookVerdict.UNKNOWN),
        (match(meta("l4proto"), {"set": [1, 6, 17]}), HookVerdict.DROP),
        (match(meta("l4proto"), {"set": [1, 17]}), HookVerdict.ACCEPT),
        # What is not of the fact's kind is not understood, and no verdict rests on it.
        (match(meta("l4proto"), "tcp"), HookVerdict.UNKNOWN),
        (match(meta("l4proto"), "tcp", "!="), HookVerdict.UNKNOWN),
        (match(meta("l4proto"), {"set": ["icmp", "udp"]}), HookVerdict.UNKNOWN),
        (match(meta("iifname"), 2), HookVerdict.UNKNOWN),
        (match(meta("iifname"), {"range": ["eth0", "eth9"]}), HookVerdict.UNKNOWN),
        (match(payload("ip", "saddr"), "::1"), HookVerdict.UNKNOWN),
        (match(payload("tcp", "dport"), "http"), HookVerdict.UNKNOWN),
        (match(payload("tcp", "dport"), True, "<"), HookVerdict.UNKNOWN),
        (match({"ct": {"key": "state"}}, 8), HookVerdict.UNKNOWN),
        (match({"ct": {"key": "state"}}, ["new", "related"]), HookVerdict.ACCEPT),
        (
            match(
                {"payload": {**payload("ip", "saddr")["payload"], "tunnel": "vxlan"}}, "10.0.0.5"
            ),
            HookVerdict.UNKNOWN,
        ),
        (match("meta iifname", "eth1"), HookVerdict.UNKNOWN),
        (
            match(payload("tcp", "dport"), {"set": [{"elem": {"val": 80, "timeout": 9}}]}),
            HookVerdict.DROP,
        ),
        (match(payload("tcp", "dport"), {"set": 80}), HookVerdict.DROP),
        ("update @seen { ip saddr : 1 }", HookVerdict.DROP),
        ("do something else", HookVerdict.UNKNOWN),
        (None, HookVerdict.UNKNOWN),
        ({"limit": {"rate": 1}}, HookVerdict.UNKNOWN),
        ({"counter": {"packets": 1}}, HookVerdict.DROP),
    ],
)
def test_conditions(condition, end):
    assert at(ParsedRuleset([base(), rule(condition, DROP)]), "input", FACTS).end is end


def test_what_is_not_known_does_not_matter_if_something_else_is_false():
    unknown, false = match(meta("mark"), 1), match(meta("iifname"), "eth1")
    for conditions in ((unknown, false), (false, unknown)):
        assert (
            at(ParsedRuleset([base(), rule(*conditions, DROP)]), "input", FACTS).end
            is HookVerdict.ACCEPT
        )


def test_the_first_rule_that_decides_does_and_then_the_policy():
    rules = ParsedRuleset([base(policy="drop"), rule(ACCEPT), rule(DROP)])
    assert at(rules, "input", FACTS).end is HookVerdict.ACCEPT
    outcome = at(ParsedRuleset([base(policy="drop")]), "input", FACTS)
    assert (outcome.end, outcome.by) == (HookVerdict.DROP, "t c: policy drop")
    assert at(ParsedRuleset([base(policy="drop")]), "output", FACTS).end is HookVerdict.ACCEPT


def test_accepting_ends_a_chain_and_not_the_next_one():
    late = base("late", prio=10, policy="drop")
    assert (
        at(ParsedRuleset([late, base("early"), rule(ACCEPT, of="early")]), "input", FACTS).end
        is HookVerdict.DROP
    )


def test_the_lower_priority_comes_first():
    chains = [base("late", prio=10), base("early", prio=-10)]
    rules = ParsedRuleset([*chains, rule({"reject": None}, of="late"), rule(DROP, of="early")])
    assert at(rules, "input", FACTS).end is HookVerdict.DROP


@pytest.mark.parametrize(
    ("word", "inner", "end"),
    [
        ("jump", DROP, HookVerdict.DROP),
        ("jump", {"return": None}, HookVerdict.ACCEPT),
        ("goto", {"return": None}, HookVerdict.DROP),
        ("goto", ACCEPT, HookVerdict.ACCEPT),
    ],
)
def test_jumps(word, inner, end):
    way = {word: {"target": "sub"}}
    rules = ParsedRuleset(
        [base(policy="drop"), chain("sub"), rule(way), rule(ACCEPT), rule(inner, of="sub")]
    )
    assert at(rules, "input", FACTS).end is end


def test_a_named_set_and_one_that_is_not_there():
    named = match(payload("tcp", "dport"), "@ports")
    elements = {"set": {**IP, "name": "ports", "elem": [22, 80]}}
    assert (
        at(ParsedRuleset([base(), elements, rule(named, DROP)]), "input", FACTS).end
        is HookVerdict.DROP
    )
    assert at(ParsedRuleset([base(), rule(named, DROP)]), "input", FACTS).end is HookVerdict.UNKNOWN


def test_a_verdict_map():
    pairs = [[22, DROP], [80, {"reject": None}]]
    vmap = {"vmap": {"key": payload("tcp", "dport"), "data": {"set": pairs}}}
    assert at(ParsedRuleset([base(), rule(vmap)]), "input", FACTS).end is HookVerdict.REJECT


@pytest.mark.parametrize(
    ("key", "pairs", "end"),
    [
        (payload("tcp", "dport"), [["http", ACCEPT]], HookVerdict.UNKNOWN),
        (meta("l4proto"), [["tcp", ACCEPT]], HookVerdict.UNKNOWN),
        (
            payload("tcp", "dport"),
            [["*", {"reject": None}], [80, ACCEPT]],
            HookVerdict.ACCEPT,
        ),
        (
            payload("tcp", "dport"),
            [["*", {"reject": None}], [81, ACCEPT]],
            HookVerdict.REJECT,
        ),
        (
            payload("udp", "dport"),
            [["*", {"reject": None}]],
            HookVerdict.DROP,
        ),  # It has no such field.
    ],
)
def test_a_verdict_map_of_what_is_not_understood_or_of_all(key, pairs, end):
    vmap = {"vmap": {"key": key, "data": {"set": pairs}}}
    assert at(ParsedRuleset([base(policy="drop"), rule(vmap)]), "input", FACTS).end is end


def test_a_table_that_is_switched_off():
    off = ParsedRuleset([base(policy="drop")], dormant=frozenset({("ip", "t")}))
    assert at(off, "input", FACTS).end is HookVerdict.ACCEPT


def test_translations_are_for_new_connections():
    nat = [base(kind="nat", hook="prerouting"), rule({"dnat": {"addr": "10.0.0.9", "port": 81}})]
    translation = at(ParsedRuleset(nat), "prerouting", FACTS).translation
    assert (translation.kind, str(translation.address), translation.port) == (
        "dnat",
        "10.0.0.9",
        81,
    )
    established = {**FACTS, "ct state": frozenset({"established"})}
    assert at(ParsedRuleset(nat), "prerouting", established).translation is None
    to_field = [base(kind="nat"), rule({"snat": {"addr": payload("ip", "daddr")}})]
    assert str(at(ParsedRuleset(to_field), "input", FACTS).translation.address) == "10.0.0.6"
    ports = {"key": payload("tcp", "dport"), "data": {"set": [[79, 8079], [80, 8080]]}}
    to_port = [base(kind="nat"), rule({"dnat": {"addr": "10.0.0.9", "port": {"map": ports}}})]
    assert at(ParsedRuleset(to_port), "input", FACTS).translation.port == 8080
    other = {**ports, "data": {"set": [[79, 8079]]}}
    to_none = [base(kind="nat"), rule({"dnat": {"addr": "10.0.0.9", "port": {"map": other}}})]
    assert at(ParsedRuleset(to_none), "input", FACTS).end is HookVerdict.UNKNOWN
    for flags in ("fully-random", ["random", "persistent"]):
        random = [base(kind="nat"), rule({"masquerade": {"flags": flags}})]
        assert at(ParsedRuleset(random), "input", FACTS).translation.is_random
    to_map = [base(kind="nat"), rule({"dnat": {"addr": {"map": {}}}})]
    assert at(ParsedRuleset(to_map), "input", FACTS).end is HookVerdict.UNKNOWN


def test_through_a_translator_and_back():
    explanation = explained(lab_model(), "192.0.2.80")
    assert explanation.diagnosis.verdict is Verdict.ANSWERED
    assert nodes(explanation, Part.REQUEST) == ["vm", "sw", "router", "server"]
    assert nodes(explanation, Part.REPLY) == ["server", "router", "sw", "vm"]
    translated, restored = explanation.of(Part.REQUEST)[2], explanation.of(Part.REPLY)[1]
    assert (translated.before[0], translated.after[0]) == ("10.0.0.10", "192.0.2.1")
    assert (restored.before[1], restored.after[1]) == ("192.0.2.1", "10.0.0.10")
    assert explanation.of(Part.REQUEST)[-1].ttl == 63


def test_without_translation_there_is_no_way_back():
    model = lab_model()
    plain = replace(model.nodes["router"], rules=ParsedRuleset())
    diagnosis = explained(lab_model(router=plain), "192.0.2.80").diagnosis
    assert (diagnosis.at, diagnosis.cause) == ("server", Cause.NO_RETURN_PATH)


def test_rules_after_translation_see_what_was_made_of_the_packet():
    """As the chain by which nothing leaves a NAT untranslated."""
    router = lab_model().nodes["router"]
    source_type = {"fib": {"flags": ["saddr", "oif"], "result": "type"}}
    last = base("last", "postrouting", prio=101)
    outward, foreign = match(meta("oifname"), "eth1"), match(source_type, "local", "!=")
    strict = [*router.rules.document, last, rule(outward, foreign, DROP, of="last")]
    translates = replace(router, rules=ParsedRuleset(strict))
    assert (
        explained(lab_model(router=translates), "192.0.2.80").diagnosis.verdict is Verdict.ANSWERED
    )
    without_nat = [item for item in strict if "masquerade" not in str(item)]
    forgets = replace(router, rules=ParsedRuleset(without_nat))
    diagnosis = explained(lab_model(router=forgets), "192.0.2.80").diagnosis
    assert (diagnosis.at, diagnosis.cause) == ("router", Cause.FIREWALL)


def test_a_stale_mac_leads_astray():
    """vm remembers the MAC of somebody else for its gateway, and that machine is no router."""
    vm = machine(10, "10.0.0.10/24", gateway="10.0.0.1")
    wrong = Neighbour("eth0", IPv4Address("10.0.0.1"), "02:00:00:00:00:14", "stale")
    vm = replace(vm, space=replace(vm.space, neighbours=(wrong,)))
    learnt = FdbEntry("sw", "02:00:00:00:00:14", "p1", learnt=True)
    switch = lab_model().nodes["sw"]
    switch = replace(switch, space=replace(switch.space, fdb=(learnt,)))
    explanation = explained(lab_model(vm=vm, sw=switch), "192.0.2.80")
    assert nodes(explanation, Part.REQUEST) == ["vm", "sw", "other"]
    assert (explanation.diagnosis.at, explanation.diagnosis.cause) == (
        "other",
        Cause.NOT_FORWARDING,
    )


def test_a_mac_that_nobody_has_is_flooded():
    vm = machine(10, "10.0.0.10/24")
    stale = Neighbour("eth0", IPv4Address("10.0.0.20"), "02:00:00:00:00:ee", "reachable")
    vm = replace(vm, space=replace(vm.space, neighbours=(stale,)))
    explanation = explained(lab_model(vm=vm), "10.0.0.20")
    assert (explanation.diagnosis.at, explanation.diagnosis.cause) == ("sw", Cause.MAC_UNKNOWN)
    assert [out.peer for out in explanation.of(Part.REQUEST)[1].went_out] == ["other", "router"]


def test_a_failed_question_is_asked_again():
    vm = machine(10, "10.0.0.10/24")
    failed = Neighbour("eth0", IPv4Address("10.0.0.20"), "02:00:00:00:00:ee", "failed")
    vm = replace(vm, space=replace(vm.space, neighbours=(failed,)))
    assert explained(lab_model(vm=vm), "10.0.0.20").diagnosis.verdict is Verdict.ANSWERED


def test_the_address_is_on_another_network():
    moved = machine(20, "192.0.2.80/24")
    vm = machine(10, "10.0.0.10/24", "172.16.0.1/24")
    server = machine(40, "10.0.0.99/24")
    diagnosis = explained(lab_model(other=moved, vm=vm, server=server), "10.0.0.99").diagnosis
    assert (diagnosis.at, diagnosis.cause) == ("vm", Cause.WRONG_SEGMENT)


@pytest.mark.parametrize(
    ("address", "probe", "verdict"),
    [
        ("0.0.0.0", PredictedProbe("tcp", 80), Verdict.ANSWERED),
        ("10.0.0.20", PredictedProbe("tcp", 80), Verdict.ANSWERED),
        ("127.0.0.1", PredictedProbe("tcp", 80), Verdict.REFUSED),
        ("0.0.0.0", PredictedProbe("udp", 80), Verdict.REFUSED),
        ("0.0.0.0", PredictedProbe("tcp", 81), Verdict.REFUSED),
    ],
)
def test_a_port_needs_a_program(address, probe, verdict):
    waiting = (Socket("tcp", IPv4Address(address), 80, 1, "httpd"),)
    machine_model = replace(machine(20, "10.0.0.20/24"), listening=waiting)
    diagnosis = explained(lab_model(other=machine_model), "10.0.0.20", probe).diagnosis
    assert diagnosis.verdict is verdict
    assert diagnosis.cause in (None, Cause.PORT_CLOSED)


def test_a_rule_about_the_source_port_is_not_certain():
    picky = ParsedRuleset([base(), rule(match(payload("tcp", "sport"), 1000), DROP)])
    picky_machine = replace(machine(20, "10.0.0.20/24"), rules=picky)
    diagnosis = explained(
        lab_model(other=picky_machine), "10.0.0.20", PredictedProbe("tcp", 80)
    ).diagnosis
    assert (diagnosis.verdict, diagnosis.at) == (Verdict.UNKNOWN, "other")
    assert diagnosis.evidence == "not certain, because rule t c: a rule may end it"


def set_mark(value, key: str = "meta") -> dict:
    return {"mangle": {"key": {key: {"key": "mark"}}, "value": value}}


MARK, CONNECTION_MARK = meta("mark"), {"ct": {"key": "mark"}}
MAY_BE = match(payload("tcp", "flags"), "syn")


@pytest.mark.parametrize(
    ("expressions", "marks"),
    [
        ([set_mark(7)], (7, 0)),
        ([set_mark({"|": [MARK, 8]})], (11, 0)),
        ([set_mark({"^": [{"&": [MARK, 2]}, 1]})], (3, 0)),
        ([set_mark(5, "ct"), set_mark(CONNECTION_MARK)], (5, 5)),
        ([set_mark(MARK, "ct")], (3, 3)),
        ([set_mark({"map": {"key": meta("iifname"), "data": "@m"}})], (None, 0)),
        ([match(payload("udp", "dport"), 80), set_mark(7)], (3, 0)),
        ([MAY_BE, set_mark(7)], (None, 0)),
    ],
)
def test_rules_that_set_marks(expressions, marks):
    facts = {**FACTS, "meta mark": 3, "ct mark": 0}
    ruleset = ParsedRuleset([base(), rule(*expressions)])
    outcome = at(ruleset, "input", facts)
    after = {**facts, **outcome.changes}
    assert outcome.end is HookVerdict.ACCEPT
    assert (after["meta mark"], after["ct mark"]) == marks


@pytest.mark.parametrize(
    ("mark", "end"), [(7, HookVerdict.DROP), (6, HookVerdict.ACCEPT), (None, HookVerdict.UNKNOWN)]
)
def test_rules_that_look_at_marks(mark, end):
    facts = {**FACTS, "meta mark": mark}
    for condition in (match(MARK, 7), match({"&": [MARK, 15]}, 7)):
        assert at(ParsedRuleset([base(), rule(condition, DROP)]), "input", facts).end is end


def marking(hook: str, kind: str = "filter") -> ParsedRuleset:
    return ParsedRuleset([base(hook=hook, kind=kind, prio=-150), rule(set_mark(7))])


def asked_of(model: LabModel, node: str) -> list[RouteLookup]:
    """The lookups of a node while a packet is led through."""
    lookups = []

    def ask(where: str, lookup: RouteLookup) -> RouteResult:
        if where == node:
            lookups.append(lookup)
        return route(model.nodes[where], lookup)

    explained(replace(model, ask=ask), "192.0.2.80", PredictedProbe("tcp", 80))
    return lookups


def test_a_mark_is_known_where_the_route_is_looked_up_and_does_not_leave_the_machine():
    router = machine(30, "10.0.0.1/24", "192.0.2.1/24")
    router.settings["net.ipv4.conf.eth1.forwarding"] = "1"
    model = lab_model(router=replace(router, rules=marking("prerouting")))
    towards = [one for one in asked_of(model, "router") if str(one.target) == "192.0.2.80"]
    assert [(one.mark, one.tos, one.protocol, one.target_port) for one in towards] == [
        (7, 0, 6, 80)
    ]
    (arrived,) = [one for one in asked_of(model, "server") if one.protocol == 6 and one.came_in]
    assert arrived.mark == 0
    behind = lab_model(router=replace(router, rules=marking("forward")))
    assert {one.mark for one in asked_of(behind, "router")} == {0}


def test_only_a_chain_of_routes_has_a_machine_decide_anew():
    def marks(kind: str) -> list[int | None]:
        vm = replace(lab_model().nodes["vm"], rules=marking("output", kind))
        lookups = asked_of(lab_model(vm=vm), "vm")
        return [one.mark for one in lookups if str(one.target) == "192.0.2.80"]

    assert marks("filter") == [0, 0]  # For its source, and for its way.
    assert marks("route") == [0, 0, 7]


def test_a_question_by_arp_is_looked_up_as_what_it_is():
    lookups = asked_of(lab_model(), "router")
    assert lookups[0] == RouteLookup(
        IPv4Address("10.0.0.1"), IPv4Address("10.0.0.10"), "eth0", mark=0, tos=0, protocol=0
    )


def test_a_rule_of_routing_that_looks_at_what_is_not_known_is_named():
    wanted = KernelRule(
        RuleKey(2, 100, 100), False, Selector(), "lookup", 0, None, False, "from all sport 5", b""
    )
    unsure = RouteResult(error=UNCERTAIN, why=Doubt(wanted, "sport"))
    model = lab_model()
    model = replace(
        model,
        ask=lambda node, lookup: unsure if node == "router" else route(model.nodes[node], lookup),
    )
    found = explained(model, "192.0.2.80").diagnosis
    assert (found.verdict, found.at) == (Verdict.UNKNOWN, "router")
    assert found.evidence == (
        "not certain, because ip rule 100: from all sport 5 looks at sport, which is not known"
    )


def test_a_route_with_many_next_hops_is_not_followed():
    hops = tuple(NextHop(IPv4Address(f"10.0.0.{n}"), "eth0") for n in range(1, 6))
    many = RouteRow(IPv4Network("0.0.0.0/0"), hops)
    found = explained(replace(lab_model(), entry=lambda *_: many), "192.0.2.80").diagnosis
    assert (found.verdict, found.at) == (Verdict.UNKNOWN, "vm")
    assert found.evidence == f"not certain, because {many} has more than 4 next hops"
