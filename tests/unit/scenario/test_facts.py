"""Facts of state in a scenario: what they say, of which machines, and what becomes of them in an edit."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

import pytest

from netlab import lab  # noqa: F401  (all modes are known then)
from netlab.scenario.addresses.span import span
from netlab.scenario.cache import recall, remember
from netlab.scenario.facts import machine_facts
from netlab.scenario.loaded import LoadedScenario
from netlab.scenario.loader import load_text
from netlab.scenario.model import Fact, LeaseFact, RouteFact
from netlab.scenario.text import edit

BASE = """
vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}, vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}}
vms: {vm1: {nics: [vmnet8, vmnet1]}, vm2: {nics: [vmnet8]}}
expect:
  default: reachable
  facts:
"""


def loaded(*facts: str) -> LoadedScenario:
    return load_text((BASE + "".join(f"  - {{{fact}}}\n" for fact in facts)).encode(), "f.yaml")


def test_a_fact_has_a_kind_and_is_told_in_the_words_of_the_file():
    texts = [
        "lease: {address: 10.0.0.128, seconds: 1800}",
        "lease: {}",
        "lease: none",
        "route: {to: default, via: none}",
        "unique: [mac, machine-id]",
        "listens: tcp:80",
        "resolves: {intranet: vm2}",
    ]
    facts = loaded(*(f"on: vm1, {text}" for text in texts)).scenario.expect.facts
    assert [fact.text for fact in facts] == texts
    assert [fact.kind for fact in facts] == [text.partition(":")[0] for text in texts]


@pytest.mark.parametrize(
    "on, names",
    [
        ("vm*", ["vm1", "vm2"]),
        ("vm*@vmnet8", ["vm1@vmnet8", "vm2@vmnet8"]),
        ("[vm2, host@lan]", ["host@lan", "vm2"]),
        ("'*'", ["internet", "router", "host", "vm1", "vm2"]),
        ("vmnet8-nat", ["vmnet8-nat"]),
    ],
)
def test_patterns_name_machines_or_adapters_and_services_are_named_in_full(on, names):
    facts = machine_facts(loaded(f"on: {on}, lease: none").topology)
    assert [fact.endpoint.name for fact in facts] == names


@pytest.mark.parametrize(
    "word, inside, outside",
    [
        ("10.0.0.5", "10.0.0.5/24", "10.0.0.6/24"),
        ("10.0.0.5/24", "10.0.0.5/24", "10.0.0.5/25"),
        ("10.0.0.5/32", "10.0.0.5/32", "10.0.0.5/24"),
        ("10.0.0.128-10.0.0.253", "10.0.0.253/24", "10.0.0.254/24"),
        ("10.0.0.0/24", "10.0.0.255/8", "10.0.1.0/24"),
        ("fd00:1::/64", "fd00:1::5/64", "fd00:2::5/64"),
        ("0.0.0.0/1", "10.0.0.5/24", "::5/64"),
    ],
)
def test_one_word_for_an_address_a_range_or_a_subnet(word, inside, outside):
    assert ip_interface(inside) in span(word)
    assert ip_interface(outside) not in span(word)


@pytest.mark.parametrize("word", ["", "10.0.0", "10.0.0.9-10.0.0.3", "10.0.0.1-fd00::1", "a/24"])
def test_what_is_no_address_is_refused(word):
    with pytest.raises(ValueError):
        span(word)


def test_a_record_of_a_lab_keeps_its_facts():
    source = loaded("on: vm*, lease: {seconds: 1800}", "on: vm1, route: {via: 10.0.0.2}")
    again = recall(source.text, source.file, remember(source))
    assert again.scenario.expect.facts == [
        Fact(on=["vm*"], lease=LeaseFact(seconds=1800)),
        Fact(on=["vm1"], route=RouteFact(via="10.0.0.2")),
    ]


def facts_without(removed: str, *facts: Any) -> list[Any]:
    data = {"vms": {"vm1": {"nics": ["vmnet8"]}, "vm2": {"nics": ["vmnet8"]}}}
    return edit.remove_vm({**data, "expect": {"facts": list(facts)}}, removed)["expect"]["facts"]


def test_a_vm_that_is_removed_is_taken_out_of_the_facts():
    kept = {"on": "vm1", "lease": "none"}
    both = {"on": ["vm1", "vm2@vmnet8"], "unique": "mac"}
    about = {"on": "vm2", "listens": "tcp:80"}
    compared = {"on": "vm1", "neighbour": {"address": "vm2"}}
    assert facts_without("vm2", kept, both, about, compared) == [kept, {**both, "on": ["vm1"]}]
    assert facts_without("vm1", about) == [about]
