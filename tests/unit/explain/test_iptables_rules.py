"""Rules of Docker, ufw and firewalld, evaluated in the words of nftables."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from netlab.explain.nft_rules import HookOutcome, ParsedRuleset
from netlab.explain.nft_values import NOT_THERE
from netlab.kernel.nftables import xt
from netlab.kernel.nftables.iptables_save import parse
from netlab.kernel.nftables.nft import PROTOCOLS
from tests.unit.explain.rules import at
from tests.unit.kernel.iptables import DOCKER, FIREWALLD, UFW

_NUMBERS = {word: number for number, word in PROTOCOLS.items()}


def packet(protocol: str, target: str, state: str = "new", **more: Any) -> dict[str, Any]:
    """Facts as `explain` has them; underscores are spaces."""
    address = ip_address(target)
    header = "ip" if address.version == 4 else "ip6"
    headers = {"ip", "ip6", "icmp", "icmpv6", "tcp", "udp"} - {header, protocol}
    return {
        **dict.fromkeys(headers, NOT_THERE),
        "meta nfproto": "ipv4" if address.version == 4 else "ipv6",
        "meta l4proto": _NUMBERS[protocol],
        "meta iifname": "",
        "meta oifname": "",
        f"{header} daddr": address,
        "ct state": frozenset({state}),
        "fib daddr type": "local",
        **{key.replace("_", " "): value for key, value in more.items()},
    }


def met(text: str, hook: str, facts: dict[str, Any], tool: str = "iptables-legacy") -> HookOutcome:
    rulesets = [parse(text, tool)]
    return at(ParsedRuleset(xt.as_nftables(rulesets), xt.texts(rulesets)), hook, facts)


def tcp(target: str, port: int, **more: Any) -> dict[str, Any]:
    return packet("tcp", target, **{"tcp_dport": port, "tcp_sport": 40000, **more})


@pytest.mark.parametrize(
    ("facts", "end", "by"),
    [
        (
            tcp("192.0.2.9", 80, meta_iifname="eth0", meta_oifname="eth1"),
            "drop",
            "iptables-legacy filter FORWARD: policy drop",
        ),
        (
            tcp("172.17.0.2", 80, meta_iifname="eth0", meta_oifname="docker0"),
            "accept",
            "-d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
        ),
        (
            tcp("172.17.0.2", 81, meta_iifname="eth0", meta_oifname="docker0"),
            "drop",
            "iptables-legacy filter FORWARD: policy drop",
        ),
        (
            tcp("172.17.0.2", 81, state="established", meta_iifname="eth0", meta_oifname="docker0"),
            "accept",
            "-o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ),
        (
            tcp("192.0.2.9", 80, meta_iifname="docker0", meta_oifname="br-3f1a2b4c5d6e"),
            "drop",
            "-o br-3f1a2b4c5d6e -j DROP",
        ),
    ],
)
def test_docker_forwards(facts, end, by):
    outcome = met(DOCKER, "forward", facts)
    assert outcome.end == end
    assert outcome.by.endswith(by)


@pytest.mark.parametrize("hook", ["prerouting", "output"])
def test_docker_leads_a_port_into_a_container(hook):
    """From another machine, and from the host itself: there, no interface is docker0."""
    came_in = {"meta_iifname": "eth0"} if hook == "prerouting" else {"meta_oifname": "lo"}
    outcome = met(DOCKER, hook, tcp("192.0.2.1", 8080, **came_in))
    assert outcome.translation
    assert (str(outcome.translation.address), outcome.translation.port) == ("172.17.0.2", 80)
    elsewhere = tcp("192.0.2.9", 8080, fib_daddr_type="unicast", **came_in)
    assert met(DOCKER, hook, elsewhere).translation is None


def test_docker_masquerades_what_leaves_its_bridge():
    source = {"ip_saddr": ip_address("172.17.0.2")}
    leaving = tcp("192.0.2.9", 80, meta_oifname="eth0", **source)
    translation = met(DOCKER, "postrouting", leaving).translation
    assert translation
    assert translation.kind == "masquerade"
    staying = tcp("172.17.0.3", 80, meta_oifname="docker0", **source)
    assert met(DOCKER, "postrouting", staying).translation is None


ETHERNET = {"meta_iifname": "eth0"}


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        (tcp("10.0.0.9", 22, **ETHERNET), "accept"),
        (tcp("10.0.0.9", 8042, **ETHERNET), "accept"),
        (tcp("10.0.0.9", 23, **ETHERNET), "drop"),
        (tcp("10.0.0.9", 23, meta_iifname="lo"), "accept"),
        (tcp("10.0.0.9", 23, state="established", **ETHERNET), "accept"),
        (tcp("10.0.0.9", 23, state="invalid", **ETHERNET), "drop"),
        (packet("icmp", "10.0.0.9", icmp_type="echo-request", **ETHERNET), "accept"),
        (packet("icmp", "10.0.0.9", icmp_type="echo-reply", **ETHERNET), "drop"),
        (tcp("10.0.0.9", 2222, **ETHERNET), "unknown"),
    ],
)
def test_ufw_admits(facts, end):
    """A limit of its log decides nothing where only a log follows; one of a port does."""
    assert met(UFW, "input", facts).end == end


@pytest.mark.parametrize(
    ("facts", "status", "end"),
    [
        (packet("icmpv6", "fd00::9", meta_iifname="lo"), set(), "accept"),
        (packet("icmpv6", "fd00::9", state="established", **ETHERNET), None, "accept"),
        (packet("icmpv6", "fd00::9", **ETHERNET), {"dnat"}, "accept"),
        (packet("icmpv6", "fd00::9", **ETHERNET), None, "unknown"),
        (packet("icmpv6", "fd00::9", **ETHERNET), set(), "unknown"),
    ],
)
def test_firewalld_admits(facts, status, end):
    """An ipset is not known; RELATED, ESTABLISHED or DNAT are two rules of nftables."""
    told = facts if status is None else facts | {"ct status": frozenset(status)}
    assert met(FIREWALLD, "input", told, "ip6tables-legacy").end == end


@pytest.mark.parametrize(
    ("is_right", "end"), [(True, "accept"), (False, "drop"), (None, "unknown")]
)
def test_firewalld_s_reverse_path_is_a_fact(is_right, end):
    facts = tcp("fd00::9", 22, **ETHERNET) | {"fib saddr mark iif oif": is_right}
    assert met(FIREWALLD, "prerouting", facts, "ip6tables-legacy").end == end
