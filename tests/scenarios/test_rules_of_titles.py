"""Shipped scenarios whose titles the smallest edit makes false: these rules notice it."""

from __future__ import annotations

import pytest

from netlab import lab
from tests.scenarios.falsified import falsified

MUTANTS = [
    ("dhcp-off", "dhcp: false}", "dhcp: true}", {"vm1 dhcp", "vm2 dhcp"}),
    ("guest-dhcp", ", stopped: [dhcp]", "", {"vm1 dhcp", "vm2 dhcp"}),
    ("guest-dhcp", ", dhcp_server: true", "", {"vm1 dhcp", "vm2 dhcp"}),
    ("hub", ", switching: hub", "", {"vm1 tcp"}),
    ("sniffer", ", promiscuous: true", "", {"vm1 tcp"}),
    ("sniffer", ", promiscuous: false", "", {"vm1 tcp"}),
    ("one-way-ping", "listens: [tcp:80, tcp:22]", "listens: [tcp:22]", {"host http"}),
    ("one-way-ping", "[icmp, tcp:22]", "[icmp]", {"host tcp:22"}),
    ("slow-link", "incoming: {bandwidth: 8mbit}, ", "", {"vm2 iperf3"}),
    ("slow-link", ", outgoing: {bandwidth: 1mbit}", "", {"vm1 iperf3"}),
    ("static-nat", "gateway: 192.168.99.10, dns: 192.168.99.10", "gateway: 192.168.99.10",
     {"vm1 dns:www.example.com"}),
    ("port-forward", "8080: vm1:80", "8080: vm2:80", {"pc tcp:8080", "pc http:8080"}),
    ("port-forward", "tcp: {8080: vm1:80}, ", "", {"pc tcp:8080", "pc http:8080"}),
    ("vagrant-forward", "8081: box:80", "8082: box:80", {"pc tcp:8081"}),
    ("vagrant-forward", '"127.0.0.1:8080": "box:80"', '"8080": "box:80"', {"pc tcp:8080"}),
    ("double-nat", "tcp: {8080: host:8080}, ", "", {"internet tcp:8080"}),
    ("double-nat", "nat: {forwards: {tcp: {8080: vm1:80}}}", "nat: {}", {"internet tcp:8080"}),
    ("symmetric-nat", "hairpin: off", "hairpin: on", {"player1 udp:5000"}),
    ("symmetric-nat", "  forwards: {udp: {5000: player4:5000}}", "  #",
     {"player3 udp:5000"}),
]  # fmt: skip
"""Scenario, what is replaced by what, and source and kind of the pairs that then are not as expected."""


@pytest.mark.parametrize("name, old, new, failing", MUTANTS, ids=lambda part: str(part)[:40])
def test_a_title_that_is_made_false_is_noticed(name, old, new, failing):
    with falsified(name, old, new) as running:
        pairs = [pair for pair in running.expectations if pair.by != "icmp"]
        results = lab.verify(running, expectations=pairs)
    failed = {
        f"{result.expectation.source.name} {result.expectation.by}"
        for result in results
        if not result.passed
    }
    assert failed == failing, [result.failure for result in results]
