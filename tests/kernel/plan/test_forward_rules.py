"""What programs of a Linux host have the kernel forward: Docker's, ufw's and firewalld's rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.scenario.loader import load_text
from tests.machine import inside

NAME = "forward"
INTERNET = "203.0.113.80"
PC = "192.168.1.50"
TEXT = """
lan: {peers: {pc: 192.168.1.50}, routes: {10.9.0.0/24: 192.168.1.100, 10.8.0.0/24: 192.168.1.100}}
host: {nics: {eth0: 192.168.1.100}, forwards: [lan, vmnet1]}
vmnets:
  virbr0: {mode: libvirt-nat}
  virbr1: {mode: libvirt-route, subnet: 10.9.0.0/24}
  vmnet1: {mode: hostonly, subnet: 10.8.0.0/24}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
vms:
  nat: {nics: [virbr0]}
  routed: {nics: [virbr1]}
  only: {nics: [{network: vmnet1, address: 10.8.0.9, gateway: 10.8.0.1}]}
  vmware: {nics: [vmnet8]}
expect: {default: reachable}
"""


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(TEXT.encode(), "forward.yaml"), NAME)) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach(NAME)


@contextmanager
def assigned(**settings: str) -> Iterator[None]:
    """The host with other settings, without drift, for the length of a block."""
    before = now().source
    lab.apply(now(), lab.set_value(now(), "host", settings))
    try:
        assert not lab.status(now()).drift
        yield
    finally:
        lab.apply(now(), before)


def opens(source: str, target: str) -> str:
    """The node at which a TCP call ends, as trace sees it and explain foretells it."""
    ends = set()
    for way in (lab.trace, lab.explain):
        found = way(now(), source, target, "tcp:80").diagnosis
        if found.at == "host":
            assert found.cause is Cause.FIREWALL, found
            ends.add(f"host: {str(found.evidence).rpartition('; ')[2]}")
        else:
            assert found.verdict in (Verdict.ANSWERED, Verdict.REFUSED), found
            ends.add("through")
    assert len(ends) == 1, ends
    return ends.pop()


def pings(source: str, target: str) -> bool:
    ping = ("busybox", "ping", "-c", "1", "-W", "1", target)
    return inside(f"{NAME}.{source}", *ping).returncode == 0


CALLS = (
    ("nat", INTERNET),
    ("routed", INTERNET),
    ("pc", "10.9.0.2"),
    ("only", PC),
    ("pc", "10.8.0.9"),
)


def test_without_rules_all_of_them_get_through(running):
    assert [opens(*call) for call in CALLS] == ["through"] * len(CALLS)


@pytest.mark.parametrize("settings", [{"rules": "[docker]"}, {"forward_policy": "drop"}])
def test_the_policy_drop_ends_all_that_the_host_forwards(running, settings):
    with assigned(**settings):
        assert {opens(*call) for call in CALLS} == {"host: filter FORWARD: policy drop"}
        assert not any(pings(*call) for call in CALLS)
        assert opens("vmware", INTERNET) == "through"  # A program's sockets are not forwarded.
        assert pings("vmware", PC)
        assert pings("nat", "192.168.122.1")


def test_docker_with_an_accepting_policy_drops_nothing(running):
    with assigned(rules="[docker]", forward_policy="accept"):
        assert {opens(*call) for call in CALLS} == {"through"}


@pytest.mark.parametrize("rules", ["[docker]", "[ufw]", "[docker, ufw]", "[firewalld]", "[]"])
def test_what_is_allowed_passes_in_both_directions(running, rules):
    with assigned(rules=rules, forward_policy="drop", forward_allows="[virbr0, virbr1, vmnet1]"):
        assert {opens(*call) for call in CALLS} == {"through"}


def test_accept_in_docker_user_by_hand_mends_it(running):
    with assigned(rules="[docker]"):
        for way in ("iifname", "oifname"):
            words = ("add", "rule", "ip", "filter", "DOCKER-USER", way, "virbr0", "accept")
            assert inside(f"{NAME}.host", "nft", *words).returncode == 0
        assert opens("nat", INTERNET) == "through"
        assert opens("routed", INTERNET) == "host: filter FORWARD: policy drop"


def test_ufw_lets_pings_pass_and_nothing_else(running):
    with assigned(rules="[ufw]"):
        assert {opens(*call) for call in CALLS} == {"host: filter FORWARD: policy drop"}
        assert all(pings(*call) for call in CALLS)


def test_firewalld_lets_libvirt_s_zones_out_and_rejects_what_comes_in(running):
    with assigned(rules="[firewalld]"):
        ends = {call: opens(*call) for call in CALLS}
        assert [ends[call] for call in CALLS[:4]] == ["through"] * 4
        assert "reject with icmpx admin-prohibited" in ends["pc", "10.8.0.9"]
        assert opens("vmware", INTERNET) == "through"


def test_the_rules_are_shown_as_the_programs_write_them(running):
    with assigned(rules="[docker, ufw, firewalld]"):
        shown = inside(f"{NAME}.host", "nft", "list", "ruleset").stdout
        for chain in (
            "DOCKER-USER",
            "DOCKER-FORWARD",
            "ufw-before-forward",
            "filter_FORWARD_ZONES",
        ):
            assert f"chain {chain} {{" in shown
