"""No mistake in a file hangs netlab, is a fault of it, or is told in Python's words; and none takes long."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from netlab import lab
from netlab.errors import ScenarioError
from netlab.plan.build import build
from netlab.scenario import expectation
from netlab.scenario.files import shipped
from netlab.scenario.loader import load_text
from tests.unit.scaling import counted, flat

FOREIGN = re.compile(
    r"input should|\bstring\b|\bboolean\b|\binteger\b|\btuple\b|literal\[|constrained|function-|\[key\]"
    r"|\b(Lan)?Dhcp\b|\bHostAdapter\b|\bstr\b|\bint\b|NoneType|Model"
)
"""Pydantic's words, and names of netlab's classes."""


def complaints(data: Any) -> str:
    """What is said about a file with these data; nothing if it is right."""
    try:
        load_text(json.dumps(data).encode(), "x.yaml")
    except ScenarioError as error:
        return str(error)
    return ""


def scenario(**parts: Any) -> dict[str, Any]:
    return flat(1) | parts


def vm(**parts: Any) -> dict[str, Any]:
    return scenario(vms={"vm0": {"nics": [parts]}})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            scenario(lan={"dhcp": {"range": ["192.168.1.100", 120]}}),
            "lan.dhcp.range.1: '120' must be text; correct the value",
        ),
        (
            scenario(lan={"dhcp": {"range": ["192.168.1.100", "127.0.0.1"]}}),
            "lan.dhcp.range.1: '127.0.0.1' must be an ordinary unicast address",
        ),
        (
            scenario(lan={"dhcp": {"range": ["192.168.1.100"]}}),
            "lan.dhcp.range: there is one entry too few",
        ),
        (
            scenario(lan={"dhcp": {"range": ["192.168.1.8", "192.168.1.9"], "rang": 1}}),
            "unknown key 'rang'; did you mean 'range'?",
        ),
        (
            scenario(lan={"dhcp": 5}),
            "lan.dhcp: '5' must be a mapping; write `key: value` lines below it",
        ),
        (
            scenario(vmnets=flat(1)["vmnets"] | {"vmnet0": {"mode": "bridged", "nic": "Ethernet"}}),
            "vmnets.vmnet0.nic: 'Ethernet' is not possible here; the host's cards are called eth0",
        ),
        (
            scenario(vmnets={"VMnet8": {"mode": "nat"}}, vms={}),
            "'VMnet8' is no valid name; did you mean 'vmnet8'?",
        ),
        (
            scenario(host={"nics": {"Ethernet": {}}}),
            "'Ethernet' is no valid name; the host's cards are called eth0, … eth9 or enp3s0, and wlan0",
        ),
        (
            scenario(host={"forwards": ["lan", "VMnet8"]}),
            "'VMnet8' is no valid name; did you mean 'vmnet8'? a network's name has 1 to 15 small letters",
        ),
        (
            scenario(host={"forwards": ["lan", "virbr0"]}),
            "the host has no adapter on 'virbr0'; use one of: lan, vmnet8",
        ),
        (scenario(title="x" * 101), "title: 101 letters are too many; use at most 100"),
        (vm(network="vmnet8", incoming={"loss": 101}), "'101' is too large; use at most 100"),
        (
            vm(network="vmnet8", incoming={"bandwidth": "9" * 320 + "kbit"}),
            "must be a bandwidth like",
        ),
        (scenario(lan={"admits": "five"}), "lan.admits: 'five' must be a whole number"),
        (
            scenario(lan={"routes": {"10.0.0.0/99": "192.168.1.2"}}),
            "lan.routes.10.0.0.0/99: '10.0.0.0/99' is no IPv4 subnet",
        ),
        (
            scenario(lans={f"lan{n}": {} for n in range(17)}),
            "lans: at most 16 entries are possible",
        ),
        (
            scenario(internet={"servers": {f"{'a' * 60}." * 5 + "com": "203.0.113.80"}}),
            "308 letters are too many; use at most 253",
        ),
        (
            scenario(
                expect={"default": "blocked", "rules": [{"from": "host", "to": "vm0", "as": "vm*"}]}
            ),
            "'vm*' may be several; name the one whose address is seen",
        ),
        (
            scenario(
                vmnets={
                    "vmnet8": {"mode": "nat", "subnet": "10.1.0.0/16"},
                    "net": {"mode": "vbox-natnetwork"},
                },
                vms={"net-nat": {"nics": ["vmnet8"]}},
            ),
            "'net-nat' is netlab's own name",
        ),
        (
            scenario(
                vmnets={"vn": {"mode": "vbox-nat"}, "vn-vm0": {"mode": "vbox-natnetwork"}},
                vms={"vm0": {"nics": ["vn", "vn-vm0"]}},
            ),
            "'vn-vm0' is netlab's own name",
        ),
        (
            scenario(host={"hotspot": {"phone": "192.168.137.9"}}, segments={"hotspot": {}}),
            "'hotspot' is netlab's own name",
        ),
    ],
)
def test_a_mistake_is_told_once_and_in_plain_words(data, says):
    message = complaints(data)
    assert says in message
    assert len(message.splitlines()) == 1, message
    assert not FOREIGN.search(message)


def test_what_a_wrong_value_hides_is_not_called_missing():
    message = complaints(vm(network="vmnet8", address="10.1.0.500", gateway="10.1.0.2"))
    assert "vms.vm0.nics.0.address: '10.1.0.500' is no IPv4 address" in message
    assert len(message.splitlines()) == 1, message


def nodes(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value."""
    yield path
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, dict | list):
            yield from nodes(value, (*path, key))
        else:
            yield (*path, key)


def mutated(data: dict[str, Any], replacements: list[Any], chance: random.Random) -> dict[str, Any]:
    """With one to three values replaced, moved, or called something else."""
    data = copy.deepcopy(data)
    for _ in range(chance.randint(1, 3)):
        paths = [path for path in nodes(data) if path]
        *way, last = chance.choice(paths)
        holder = data
        for step in way:
            holder = holder[step]
        junk = copy.deepcopy(chance.choice([*replacements, holder[last]]))
        if isinstance(holder, dict) and chance.random() < 0.3:
            holder[str(chance.choice(NAMES))] = holder.pop(last)
        elif chance.random() < 0.2:
            del holder[last]
        else:
            holder[last] = junk
    return data


JUNK = [None, True, False, 0, -1, 7, 10**18, "", "on", "x", "vm*", "10.0.0.7", "10.1.0.0/16", "::1"]
JUNK += ["9" * 400, "é\u202e\x1b[2J", [], {}, [[]], [None], {"x": {}}, {"": ""}, ["192.168.1.9", 5]]
NAMES = [
    "vm1",
    "VM1",
    "host",
    "lan",
    "hotspot",
    "router",
    "internet",
    "vmnet8",
    "vmnet8-nat",
    "vbox0-dhcp",
]
NAMES += [
    "all",
    "eth0",
    "wan",
    "office-wan",
    "br0",
    "x y",
    "9",
    "tcp",
    "range",
    "dhcp",
    "nic",
    "bool",
]


def fuzz(rounds: int, seed: int) -> None:
    """Scenarios with mistakes are refused in words, or they are right: then they can be planned."""
    chance = random.Random(seed)
    originals = [lab.load(name).data for name in shipped()]
    for _ in range(rounds):
        data = mutated(chance.choice(originals), JUNK, chance)
        text = json.dumps(data).encode()
        try:
            source = load_text(text, "x.yaml")
        except ScenarioError as error:
            assert error.problems
            assert not FOREIGN.search(str(error)), (str(error), text)
            assert str(error).replace("\n", "").isprintable()
        else:
            build("fuzz", source.topology)
            expectation.matrix(source.topology)


def test_no_mistake_is_a_fault_of_netlab():
    fuzz(1_000, seed=1)


def large(number: int) -> dict[str, dict[str, Any]]:
    """Files with as many mistakes, or as many of something, as a number says."""
    many, few = range(number), flat(1)
    vms = flat(number)["vms"]
    wrong = [f"x{n}" for n in many]
    return {
        "unknown keys": few | dict.fromkeys(wrong, 1),
        "typos": few
        | {"vms": {name: settings | {"firewal": "on"} for name, settings in vms.items()}},
        "no default": few | {"vms": vms, "expect": {}},
        "wrong endpoints": few
        | {"vms": vms, "expect": {"default": "blocked", "rules": [{"from": wrong, "to": "vm0"}]}},
        "exact rules": few
        | {
            "vms": vms,
            "expect": {
                "default": "blocked",
                "rules": [{"from": n, "to": "vm0"} for n in vms if n != "vm0"],
            },
        },
        "wrong networks": few | {"vms": {name: {"nics": [f"x{name}"]} for name in vms}},
        "listens": few
        | {"vms": {"vm0": {"nics": ["vmnet8"], "listens": [f"tcp:{n + 1}" for n in many]}}},
        "servers": few
        | {
            "internet": {
                "servers": {f"a{n}.com": f"203.0.{113 + n // 250}.{n % 250 + 2}" for n in many}
            }
        },
        "logins": few | {"lan": {"login": True, "logged_in": wrong}},
    }


@pytest.mark.parametrize("kind", large(1))
def test_twice_as_many_mistakes_are_twice_the_work_and_not_more_text_than_anybody_reads(kind):
    complaints(large(1)[kind])  # Some things are worked out once.
    few, many = (large(number)[kind] for number in (200, 400))
    assert counted(lambda: complaints(many)) < 3 * counted(lambda: complaints(few))
    assert len(complaints(many)) < 100_000


@pytest.mark.parametrize("letter", ["[", "*", "?"])
def test_a_pattern_of_any_length_takes_no_time(letter):
    def work(length: int) -> int:
        rules = [{"from": letter * length, "to": "vm0"}]
        return counted(lambda: complaints(scenario(expect={"default": "blocked", "rules": rules})))

    work(1)
    assert work(100_000) < 1.1 * work(1_000)


def test_as_many_patterns_as_a_file_can_hold_are_refused():
    rules = [{"from": [f"vm*{n}" for n in range(501)], "to": "vm0"}]
    message = complaints(scenario(expect={"default": "blocked", "rules": rules}))
    assert "has 501 patterns, and 500 are possible" in message


def test_as_many_machines_as_a_file_can_hold_are_refused():
    message = complaints(flat(5_000) | {"expect": {}})
    assert "5,000 machines; netlab has room for 4,096" in message


def test_of_thousands_of_problems_the_first_hundred_are_told():
    with pytest.raises(ScenarioError) as raised:
        load_text(json.dumps(flat(1) | {f"x{n}": 1 for n in range(500)}).encode(), "x.yaml")
    assert len(raised.value.problems) == 500
    assert str(raised.value).splitlines()[-1] == "500 problems in all; these are the first 100"
