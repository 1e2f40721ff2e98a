"""VMware's defaults, and the matrix that rules become."""

from __future__ import annotations

import json

import jsonschema
import pytest
from ruamel.yaml import YAML

from netlab import cli, lab
from netlab.errors import ScenarioError, UsageError
from netlab.scenario import mac
from netlab.scenario.expectation import matrix
from netlab.scenario.load import lab_name, loads, shipped
from netlab.scenario.model import json_schema
from netlab.scenario.topology import natural, resolve


def topology_of(text: str):
    return resolve(loads(text.encode(), "x.yaml").scenario)


def test_vmware_s_defaults():
    nodes = resolve(lab.load("three-modes").scenario).nodes
    addresses = {leg.name: str(leg.address) for node in nodes.values() for leg in node.legs}
    assert addresses["host@vmnet8"] == "10.0.0.1/24"
    assert addresses["vmnet8-nat@vmnet8"] == "10.0.0.2/24"
    assert addresses["vmnet8-dhcp@vmnet8"] == "10.0.0.254/24"
    assert addresses["host@vmnet1"] == "172.16.78.1/24"
    assert addresses["vmnet1-dhcp@vmnet1"] == "172.16.78.254/24"
    assert addresses["vm2@vmnet8"] == "None", "configured by DHCP"
    hardware = {leg.name: leg.mac for node in nodes.values() for leg in node.legs}
    assert hardware["host@vmnet8"] == "00:50:56:c0:00:08"
    assert hardware["host@vmnet1"] == "00:50:56:c0:00:01"
    assert hardware["vm2@vmnet8"].startswith("00:0c:29:")
    assert "vmnet0-dhcp" not in nodes, "a bridged network has no DHCP server of VMware's"


def test_macs_follow_vmware_s_rules():
    first, second = mac.vm_adapter("vm1", 0), mac.vm_adapter("vm1", 1)
    assert int(second.replace(":", ""), 16) - int(first.replace(":", ""), 16) == 10
    assert mac.vm_adapter("vm1", 0, {first}) not in (first, second)
    assert mac.host_adapter(255) == "00:50:56:c0:00:ff"
    for name in ("vmnet8-nat", "vmnet8-dhcp", "vmnet9-nat"):
        assert "00:50:56:e0:00:00" <= mac.service(name) <= "00:50:56:ff:ff:ff"
    for name in ("pc eth0", "router lan0"):
        assert int(mac.physical(name)[:2], 16) & 3 == 2, "locally administered, unicast"


def test_the_first_rule_that_names_a_pair_decides_it():
    topology = topology_of(
        """
        vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
        vms: {vm1: {nics: [vmnet8]}, vm2: {nics: [vmnet8]}}
        expect:
          default: blocked
          rules:
            - {from: vm1, to: vm2, is: blocked}
            - {from: vm*, to: vm*}
            - {from: vm*, to: host@lan, as: host@lan}
        """
    )
    cells = {(e.source.name, e.target.name): e for e in matrix(topology)}
    assert not cells["vm1", "vm2"].reachable
    assert cells["vm2", "vm1"].reachable
    assert cells["vm2", "host@lan"].seen_as.name == "host@lan"
    assert not cells["vm2", "host"].reachable


def test_the_matrix_covers_every_ordered_pair_of_endpoints_once():
    for name in shipped():
        topology = resolve(lab.load(name).scenario)
        pairs = [(e.source.name, e.target.name) for e in matrix(topology)]
        assert len(pairs) == len(set(pairs))
        nodes = [node.name for node in topology.endpoints]
        assert {(a, b) for a in nodes for b in nodes if a != b} <= set(pairs)


def test_a_source_may_be_a_leg():
    topology = topology_of(
        """
        vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
        vms: {vm1: {nics: [vmnet8]}}
        expect: {default: blocked, rules: [{from: host@vmnet8, to: vm1}]}
        """
    )
    rows = {e.source.name for e in matrix(topology)}
    assert rows == {"vm1", "host", "host@vmnet8", "router", "internet"}


def test_an_uncovered_pair_is_an_error():
    text = (
        b"vmnets: {vmnet0: {mode: bridged}}\n"
        b"vms: {vm1: {nics: [vmnet0]}}\n"
        b"expect: {rules: [{from: '*', to: vm1}]}\n"
    )
    with pytest.raises(ScenarioError, match="9 pairs have no expectation"):
        loads(text, "x.yaml")


def test_names_sort_as_people_count():
    assert sorted(["vm10", "vm2", "a", "vm1"], key=natural) == ["a", "vm1", "vm2", "vm10"]


@pytest.mark.parametrize("name", ["Nat", "a.b", "", "x" * 33, "-a", "a/b", "..", "a b"])
def test_a_lab_has_a_name_that_the_kernel_can_carry(name):
    with pytest.raises(UsageError):
        lab_name(name)


def test_an_unknown_scenario_is_answered_with_a_suggestion():
    with pytest.raises(UsageError, match="did you mean 'bridged'"):
        lab.load("brigded")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_schema_accepts_every_shipped_scenario_as_an_editor_reads_it(name):
    data = YAML(typ="safe", pure=True).load(shipped()[name])
    jsonschema.validate(data, json_schema(), jsonschema.Draft202012Validator)
    first = shipped()[name].read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


def test_the_schema_beside_the_shipped_scenarios_is_up_to_date(capsys):
    assert cli.run(["schema"]) == 0
    assert (shipped()["nat"].parent / "schema.json").read_text() == capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        {"vmnets": {"vmnet8": {"mode": "nat", "gatway": "x"}}},
        {"vmnets": {"VMnet0": {"mode": "bridged"}}},
        {"vms": {"my vm": {"nics": ["vmnet8"]}}},
        {"lan": {"peers": {"pc": 7}}},
        {"expect": {"rules": [{"from": "vm1"}]}},
    ],
)
def test_the_schema_refuses_what_netlab_refuses(wrong):
    right = {"vmnets": {}, "vms": {}, "expect": {}}
    checker = jsonschema.Draft202012Validator(json_schema())
    assert checker.is_valid(right)
    assert not checker.is_valid({**right, **wrong})


def test_the_schema_is_json():
    assert json.loads(json.dumps(json_schema()))["$schema"].startswith("https://json-schema.org/")


def test_the_nat_lab_fits_in_about_twenty_lines():
    assert len(shipped()["nat"].read_text().splitlines()) <= 22
