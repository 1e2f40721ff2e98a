"""Shipped scenarios whose titles the smallest edit makes false: these facts notice it, and no others."""

from __future__ import annotations

import pytest

from netlab import lab
from tests.scenarios.falsified import falsified

MUTANTS = [
    ("clones", "clone: {copy_of: web, ", "clone: {",
     {"web unique", "clone unique"}),
    ("clones", "answer: moved, ", "", {"host neighbour"}),
    ("company-nat", "public: 114.114.114.114", "public: 114.114.114.115", {"router@wan address"}),
    ("company-nat", "pc: 192.168.111.111", "pc: 192.168.111.112", {"pc address"}),
    ("connection-sharing", "vm2: {nics: [vmnet1]}",
     "vm2: {nics: [{network: vmnet1, address: 192.168.137.11, gateway: 192.168.137.1}]}",
     {"vm2 lease", "vm2 route"}),
    ("custom", "dhcp: true", "dhcp: false", {"vm1 lease", "vm2 lease"}),
    ("dhcp-off", "address: 10.0.0.4, gateway: 10.0.0.2, dns: 10.0.0.2",
     "address: 10.0.0.4, gateway: 10.0.0.2", {"vm2 resolves"}),
    ("dhcp-off", "address: 10.0.0.4, gateway: 10.0.0.2,", "address: 10.0.0.4,", {"vm2 route"}),
    ("experiment-bridged", "wlan0: 192.168.1.100", "eth0: 192.168.1.100", {"router neighbour"}),
    ("experiment-bridged", "3b:4c:6d, address: 192.168.1.106", "3b:4c:6d, address: 192.168.1.107",
     {"leaf address"}),
    ("experiment-nat", "{win7: 10.0.0.132}", "{}", {"win7 lease"}),
    ("guest-bridge", "bridges: true", "bridges: false", {"vm2 lease"}),
    ("guest-dhcp", ", dhcp_server: true", "", {"vm1 lease", "vm2 lease"}),
    ("host-routes", "address: 172.16.79.10, gateway: 172.16.79.1", "address: 172.16.79.10",
     {"vm2 route"}),
    ("hotspot", "wlan0: {}", "eth0: {}", {"router neighbour", "vm2 lease"}),
    ("ipv6", "ipv6: off} # disabled", "ipv6: on} # enabled", {"vm3 address"}),
    ("pool-exhausted", "192.168.1.101]", "192.168.1.102]", {"vm1 lease"}),
    ("port-forward", "{vm1: 10.0.0.50}", "{}", {"vm1 lease"}),
    ("port-forward", ", listens: [\"tcp:80\"]", "", {"vm1 listens"}),
    ("proxy", "proxy: 7890", "proxy: {port: 7890, listen: loopback}", {"host@vmnet1 listens"}),
    ("proxy", "  proxy: 7890", "  #", {"host@vmnet1 listens"}),
    ("reservations", "web: 10.0.0.50, ", "", {"web lease"}),
    ("reservations", ", 00:0c:29:12:34:56: 10.0.0.51", "", {"db lease"}),
    ("reservations", "lease: 600", "lease: 900", {"web lease", "db lease", "other lease"}),
    ("reservations", "range: [10.0.0.100, 10.0.0.110]", "range: [10.0.0.200, 10.0.0.210]",
     {"other lease"}),
    ("static-nat", "gateway: 192.168.99.10}", "gateway: 192.168.99.11}",
     {"vmnet8-nat address", "vm1 resolves"}),
    ("two-uplinks", "nic: automatic", "nic: eth1", {"vm1 lease"}),
    ("vmnet8-disabled", "adapter: off", "adapter: off, dhcp: false", {"vm1 lease", "vm2 lease"}),
    ("wifi", "wlan0: {}", "eth0: {}", {"router neighbour", "phone neighbour"}),
]  # fmt: skip
"""Scenario, what is replaced by what, and the facts that then are not as expected."""


@pytest.mark.parametrize("name, old, new, failing", MUTANTS, ids=lambda part: str(part)[:40])
def test_a_title_that_is_made_false_is_noticed(name, old, new, failing):
    with falsified(name, old, new) as running:
        failed = {
            f"{result.expectation.endpoint.name} {result.expectation.fact.kind}"
            for result in lab.facts(running)
            if not result.passed
        }
    assert failed == failing
