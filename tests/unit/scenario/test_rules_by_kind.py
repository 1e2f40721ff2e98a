"""Rules by kinds of probes: values and keys that make no sense are told where the file is read."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.errors import ScenarioError
from netlab.scenario.expectation import matrix
from netlab.scenario.loader import load_text
from tests.unit.scaling import lines

HEAD = """
lan: {peers: {pc: {}}}
vmnets:
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
vms:
  vm1: {nics: [vmnet8]}
  vm2: {nics: [vmnet8]}
expect:
  default: reachable
  rules:
"""
RANGE = "is no range of ports; write the first and the last of 2 to 100 ports, up to 65535"
WRONG = {
    "to: vm2, by: [tcp: 80]": "expect.rules.0.by.0: this is not text; put it in quotes",
    "to: vm2, by: {tcp: 80}": "expect.rules.0.by: this is not text; put it in quotes",
    "to: vm2, by: [[tcp]]": "expect.rules.0.by.0: this is not text; put it in quotes",
    "to: vm2, by: TCP": "by: 'TCP' is no kind of probe; did you mean 'tcp'?",
    "to: vm2, by: route": "by: 'route' measures no pair; `trace --by route` shows it",
    "to: vm2, by: 'tcp:-5'": "by: '-5' is not a number from 1 to 65535; correct it",
    "to: vm2, by: 'tcp:65530-65540'": f"by: 'tcp:65530-65540' {RANGE}",
    "to: vm2, by: 'tcp:0-9'": f"by: 'tcp:0-9' {RANGE}",
    "to: vm2, by: 'tcp:1-200'": f"by: 'tcp:1-200' {RANGE}",
    f"to: vm2, by: 'tcp:{'9' * 5_000}'": "by: '9999",
    "to: vm2, is: blocked, because: fire": "because: 'fire' is no cause; did you mean 'firewall'?",
    "by: 'dns:a..b'": "by: 'a..b' is no DNS name; write, for example, dns:www.example.com",
    f"by: 'dns:{'a' * 64}.de'": "is no DNS name",
    f"by: 'dns:{'a.' * 130}de'": "is no DNS name",
    "by: 'dns:münchen.de'": "'münchen.de' is no DNS name",
    'by: "dns:a\\x1b[31mb"': "is no DNS name",
    "by: 'dns:.'": "'.' is no DNS name",
    "by: 'dns:a.de', dns: {server: vmnet9-nat}": "there is no machine 'vmnet9-nat'; did you mean",
    "by: dhcp, dhcp: {server: nobody}": "there is no machine 'nobody'",
    "by: dhcp, over: ipv6": "probes by dhcp are IPv4's; remove `over`",
    "to: vm2, by: [tcp, arp], over: ipv6": "probes by arp are IPv4's; remove `over`",
    "to: vm2, by: 'raw:47', over: ipv6": "probes by raw are IPv4's; remove `over`",
    "by: 'dns:a.de', over: ipv6": "without `to`, the first name server is asked; remove `over`",
    "to: vm2, is: blocked, at: ''": "there is no machine or switch ''",
    "to: vm2, answered_by: ''": "there is no machine or switch ''",
    "to: vm2, is: blocked, comment: ''": "an empty piece is in every comment",
    "to: vm2, through: [vmnet8], not_through: vmnet8": "'vmnet8' is in `through`, too",
    "to: vm2, heard_by: pc, not_heard_by: pc": "'pc' is in `heard_by`, too",
    "to: vm2, by: iperf3, loss: 2, heard_by: pc": "iperf3 measures `bandwidth` and `loss` only",
    "to: vm2, by: iperf3, loss: 2, answered_by: pc": "iperf3 measures `bandwidth` and `loss` only",
    "to: vm2, by: iperf3, loss: {least: 9, most: 2}": "`least` is more than `most`; swap them",
    "to: vm2, by: iperf3, bandwidth: {least: 9mbit, most: 2mbit}": "`least` is more than `most`",
    "to: vm2, by: iperf3, bandwidth: {}": "`bandwidth` has no bound; write `least`, `most` or both",
}


def loaded(rule: str) -> lab.Lab:
    return lab.prepare(load_text(f"{HEAD}    - {{from: vm1, {rule}}}\n".encode(), "r.yaml"), "r")


@pytest.mark.parametrize("rule", WRONG)
def test_a_rule_that_makes_no_sense_is_told_with_what_to_do(rule):
    with pytest.raises(ScenarioError) as raised:
        loaded(rule)
    assert WRONG[rule] in str(raised.value)
    assert "correct the value" not in str(raised.value)


def test_servers_of_replies_may_be_machines_or_addresses():
    for server in ("vmnet8-nat", "internet", "8.8.8.8"):
        assert loaded(f"by: 'dns:a.de', dns: {{server: {server}}}")


def test_a_port_stands_once_for_each_that_a_range_has():
    pairs = loaded("to: vm2, by: ['tcp:80-82', 'tcp:81', 'http:1-2']").expectations
    assert [pair.by for pair in pairs if pair.by != "icmp"] == [
        *("tcp:80", "tcp:81", "tcp:82", "http:1", "http:2")
    ]


def test_twice_as_many_kinds_in_twice_as_many_rules_are_twice_the_work():
    def work(rules: int) -> int:
        texts = (
            f"    - {{from: vm1, to: vm2, by: 'tcp:{first * 9 + 1}-{first * 9 + 9}'}}\n"
            for first in range(rules)
        )
        topology = lab.prepare(load_text(f"{HEAD}{''.join(texts)}".encode(), "r.yaml")).topology
        return lines(lambda: matrix(topology))

    work(1)
    assert work(100) < 2.2 * work(50)
