"""Facts of state: each kind on a running lab where it is true, where it is not, and where it is not known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from netlab import lab
from netlab.kernel.namespaces import netns
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.scenario.loader import load_text
from netlab.verify.facts import KINDS, resolves
from netlab.verify.facts.checked import FactResult
from tests.kernel import faults
from tests.machine import inside, netlab

SCENARIO = """
lan: {peers: {pc: {}}}
vmnets:
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
  vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}
vms:
  vm1: {nics: [vmnet8], listens: [tcp:80], hosts: {intranet: 10.0.0.9}}
  vm2: {copy_of: vm1, client_id: mac, nics: [vmnet8], proxy: {port: 3128, listen: loopback}}
  vm3: {nics: [{network: vmnet1, address: 172.16.78.9}]}
expect:
  default: reachable
"""


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(SCENARIO.encode(), "f.yaml"), "facts")) as up:
        yield up


def measured(running: lab.Lab, *facts: str) -> list[FactResult]:
    text = SCENARIO + "  facts:\n" + "".join(f"  - {{{fact}}}\n" for fact in facts)
    return lab.facts(replace(running, source=load_text(text.encode(), "f.yaml")))


def holds(running: lab.Lab, fact: str) -> bool | None:
    (result,) = measured(running, fact)
    return result.finding.holds


def actual(running: lab.Lab, fact: str) -> str:
    (result,) = measured(running, fact)
    return result.finding.actual


@contextmanager
def done(node: str, command: str, undo: str) -> Iterator[None]:
    """Let a command have been run on a node for the length of a block."""
    assert inside(f"facts.{node}", "sh", "-c", command).returncode == 0
    try:
        yield
    finally:
        assert inside(f"facts.{node}", "sh", "-c", undo).returncode == 0


TRUE = [
    "on: vm1, lease: {address: 10.0.0.128-10.0.0.253, server: vmnet8-dhcp, router: 10.0.0.2,"
    " dns: vmnet8-nat, domain: localdomain, seconds: 1800}",
    "on: vm1@vmnet8, lease: {}",
    "on: vm3, lease: none",
    "on: vm1, route: {to: default, via: vmnet8-nat, interface: eth0}",
    "on: vm1, route: {to: 10.0.0.0/24, via: none}",
    "on: vm1, route: {to: 203.0.113.80, via: 10.0.0.2}",
    "on: vm1, route: {to: 10.0.0.99, via: none, interface: eth0}",
    "on: vm3@vmnet1, address: 172.16.78.9/24",
    "on: vm3, address: 172.16.78.9",
    "on: vm1, address: 10.0.0.0/24",
    "on: vm1, address: 10.0.0.128-10.0.0.253",
    "on: host, neighbour: {address: vm1}",
    "on: host, neighbour: {address: vm3, mac: vm3}",
    "on: vm1, neighbour: {address: 10.0.0.2, mac: vmnet8-nat}",
    "on: vm1, neighbour: {address: 10.0.0.77, mac: none}",
    "on: vm1, unique: [mac, address, hostname]",
    "on: vm3, unique: machine-id",
    "on: vm1, resolves: {www.example.com: 203.0.113.80, intranet: 10.0.0.9, vm1: 127.0.1.1}",
    "on: vm1, resolves: {www.example.com: internet, nobody.example.com: none}",
    "on: vm3, resolves: {www.example.com: none}",
    "on: vm1, listens: tcp:80",
    "on: vmnet8-nat, listens: [udp:53, tcp:53]",
]
FALSE = {
    "on: vm1, lease: none": "vm1@vmnet8 has a lease of 10.0.0.1",
    "on: vm1, lease: {seconds: 600}": "the lease of vm1@vmnet8 has seconds: 1800",
    "on: vm1, lease: {address: 10.0.0.5}": "the lease of vm1@vmnet8 has address: 10.0.0.1",
    "on: vm1, lease: {router: none}": "has router: 10.0.0.2 (vmnet8-nat)",
    "on: vm1, lease: {domain: none}": "has domain: localdomain",
    "on: vm3, lease: {}": "vm3 asks no DHCP server: its addresses are static",
    "on: vm1, route: {to: default, via: host}": "vm1 has the route: default via 10.0.0.2 dev eth0",
    "on: vm3, route: {to: default}": "vm3 has no route to default",
    "on: vm3, route: {to: 8.8.8.8}": "vm3 has no route to 8.8.8.8",
    "on: vm1, route: {to: 203.0.113.80, via: none}": "by 10.0.0.2 (vmnet8-nat) on eth0",
    "on: vm3, route: {to: 172.16.78.9}": "172.16.78.9 is vm3's own address",
    "on: vm3, address: 172.16.78.9/25": "vm3 has 172.16.78.9/24",
    "on: vm3, address: none": "vm3 has 172.16.78.9/24",
    "on: host, neighbour: {address: vm1, mac: vm2}": "(vm1)",
    "on: host, neighbour: {address: 10.0.0.77}": "nobody has answered host for 10.0.0.77",
    "on: vm1, neighbour: {address: 8.8.8.8}": "8.8.8.8 is on no network of vm1",
    "on: vm1, unique: machine-id": "is that of vm2, too",
    "on: vm1, resolves: {www.example.com: 203.0.113.81}": "gets 203.0.113.80 (internet) for",
    "on: vm1, resolves: {nobody.example.com: 203.0.113.80}": "(vmnet8-nat) answers: no such name",
    "on: vm2, listens: tcp:80": "nobody waits at tcp:80 there",
    "on: vm2, listens: tcp:3128": "a program waits at 127.0.0.1:3128 only: others do not reach it there",
}


def test_a_fact_that_is_true_holds(running):
    results = measured(running, *TRUE)
    assert [result.failure for result in results if not result.passed] == []
    assert {result.expectation.fact.kind for result in results} == set(KINDS)


def test_a_fact_that_is_not_true_fails_and_says_what_is(running):
    results = measured(running, *FALSE)
    assert {result.expectation.fact.kind for result in results} == set(KINDS)
    for result, words in zip(results, FALSE.values(), strict=True):
        assert result.finding.holds is False, result
        assert words in result.finding.actual
        assert "is expected, but" in result.failure
        assert f"`sudo netlab show {KINDS[result.expectation.fact.kind].table} " in result.failure


def test_a_fact_that_must_not_hold_is_the_opposite(running):
    turned = measured(running, *(f"{fact}, holds: false" for fact in (*TRUE, *FALSE)))
    assert [result.passed for result in turned] == [False] * len(TRUE) + [True] * len(FALSE)
    assert "must not hold, but" in turned[0].failure


def test_nothing_is_known_of_a_machine_that_is_gone_and_meets_nothing(running):
    kinds = (*FALSE, *(f"{fact}, holds: false" for fact in FALSE))
    about_vm1 = [fact for fact in kinds if fact.startswith("on: vm1")]
    file = netns.NAMES / "facts.vm1"
    hidden = netns.NAMES / "facts-elsewhere"
    inside("facts.vm1", "true")
    hidden.touch()
    from netlab.kernel import syscalls

    syscalls.mount(str(file), str(hidden), flags=syscalls.MS_BIND)
    try:
        netns.delete("facts.vm1")
        results = measured(running, *about_vm1, "on: vm2, unique: [mac]")
    finally:
        file.touch()
        syscalls.mount(str(hidden), str(file), flags=syscalls.MS_BIND)
        netns.delete("facts-elsewhere")
    assert {result.finding.holds for result in results} == {None}
    assert not any(result.passed for result in results)
    assert "vm1 is gone: nobody can look at it" in results[0].failure


def test_a_lease_is_unknown_while_the_client_asks_or_what_it_wrote_is_damaged(running, monkeypatch):
    run = RunDirectory("facts")
    file = run.lease("facts.vm1", "eth0")
    text = file.read_text()
    try:
        file.write_text("damaged")
        assert holds(running, "on: vm1, lease: none") is None
        monkeypatch.setattr("netlab.verify.facts.lease._PATIENCE_SECONDS", 0.0)
        file.unlink()
        assert actual(running, "on: vm1, lease: {}").endswith("is still asking")
        file.write_text(text.replace("seconds=1800", "seconds=-1"))
        assert holds(running, "on: vm1, lease: {}") is True, "its client will ask for more"
        monkeypatch.setattr(services, "lives", lambda *_: False)
        assert "has run out" in actual(running, "on: vm1, lease: {}")
    finally:
        file.write_text(text)


def test_a_route_is_unknown_where_a_mark_decides(running):
    drop = "ip rule del fwmark 7 table 77 && ip route flush table 77"
    with done(
        "vm1", "ip rule add fwmark 7 table 77 && ip route add 8.8.8.8 dev eth0 table 77", drop
    ):
        assert holds(running, "on: vm1, route: {to: 8.8.8.8, via: 10.0.0.2}") is True
        with faults.rules("facts.vm1", "output", "udp dport 9999 meta mark set 7"):
            assert holds(running, "on: vm1, route: {to: 8.8.8.8, via: 10.0.0.2}") is None


def test_of_two_default_routes_the_one_that_packets_take_counts(running):
    second = "ip route add default via 10.0.0.1 dev eth0 metric 5"
    with done("vm1", second, "ip route del default via 10.0.0.1 dev eth0 metric 5"):
        assert holds(running, "on: vm1, route: {to: default, via: host}") is False
        assert holds(running, "on: vm1, route: {to: default, via: host, metric: 5}") is True


def test_a_wrong_entry_of_arp_is_seen(running):
    entry = "10.0.0.1 dev eth0"
    with done("vm1", f"ip neigh replace {entry} lladdr 02:00:00:00:00:01", f"ip neigh del {entry}"):
        assert holds(running, "on: vm1, neighbour: {address: host}") is False
        assert holds(running, "on: vm1, neighbour: {address: 10.0.0.1, mac: 02-00-00-00-00-01}")


def test_a_neighbour_that_has_no_address_there_is_unknown(running):
    assert holds(running, "on: vm1, neighbour: {address: vm3}") is None


def test_who_could_not_ask_for_a_neighbour_says_nothing_about_it(running, monkeypatch):
    """The kernel asks for nobody while its table of neighbours is full."""
    monkeypatch.setattr("netlab.verify.facts.neighbour._PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("netlab.verify.facts.neighbour._Asking._ask", lambda *_: None)
    text = "on: vm1, neighbour: {address: 10.0.0.78, mac: none}"
    assert holds(running, text) is None
    assert actual(running, text) == "vm1 was not seen asking for 10.0.0.78"


def test_a_duplicate_address_and_mac_are_seen(running):
    address = inside("facts.vm1", "sh", "-c", "ip -4 -o address show eth0").stdout.split()[3]
    with done("vm2", f"ip address add {address} dev eth0", f"ip address del {address} dev eth0"):
        assert "is that of vm2, too" in actual(running, "on: vm1, unique: [mac, address]")
    mac = inside("facts.vm1", "cat", "/sys/class/net/eth0/address").stdout.strip()
    own = inside("facts.vm2", "cat", "/sys/class/net/eth0/address").stdout.strip()
    change = "ip link set eth0 address"
    with done("vm2", f"{change} {mac}", f"{change} {own}"):
        assert f"the mac {mac} is that of vm2, too" in actual(running, "on: vm1, unique: mac")


def test_what_a_machine_does_not_have_cannot_be_unique(running):
    assert holds(running, "on: host, unique: machine-id") is None


def test_a_name_server_that_does_not_answer_gives_no_address(running, monkeypatch):
    monkeypatch.setattr(resolves, "_PATIENCE_SECONDS", 0.5)
    with faults.rules("facts.vmnet8-nat", "input", "udp dport 53 drop"):
        text = actual(running, "on: vm1, resolves: {www.example.com: internet}")
    assert "10.0.0.2 (vmnet8-nat) has not answered" in text


def test_a_domain_of_search_is_added(running):
    etc = netns.ETC / "facts.vm1" / "resolv.conf"
    text = etc.read_text()
    etc.write_text(text.replace("search localdomain", "search example.com"))
    try:
        assert holds(running, "on: vm1, resolves: {www: 203.0.113.80}") is True
    finally:
        etc.write_text(text)


def test_where_a_program_waits_is_unknown_of_a_machine_without_address(running):
    address = "172.16.78.9/24 dev eth0"
    server = "busybox httpd -p 8099 -h /"
    with done(
        "vm3",
        f"{server} && ip address del {address}",
        f"ip address add {address}; fuser -k 8099/tcp >/dev/null 2>&1",
    ):
        assert holds(running, "on: vm3, listens: tcp:8099") is None


def test_verify_prints_facts_and_its_documents_have_them(running, tmp_path):
    file, junit = tmp_path / "f.yaml", tmp_path / "out.xml"
    facts = ["{on: vm1, lease: {seconds: 600}}", "{on: vm1, lease: {seconds: 1800}}"]
    file.write_text(SCENARIO.replace("reachable", "blocked") + f"  facts: [{', '.join(facts)}]\n")
    assert netlab("apply", str(file), "facts").returncode == 0
    ended = netlab("verify", "facts", "--junit", str(junit))
    assert ended.returncode == 1
    assert (
        "! vm1: lease: {seconds: 600} is expected, but the lease of vm1@vmnet8 has" in ended.stdout
    )
    assert ended.stdout.endswith("1 of 2 facts are as expected\n")
    assert (
        '<testcase classname="netlab.facts" name="vm1: lease: {seconds: 600}">' in junit.read_text()
    )
    document = json.loads(netlab("verify", "facts", "--json").stdout)
    assert [(fact["rule"], fact["on"], fact["passed"]) for fact in document["facts"]] == [
        (0, "vm1", False),
        (1, "vm1", True),
    ]
    some = netlab("verify", "facts", "--from", "vm1", "--json")
    assert json.loads(some.stdout)["facts"] == []
