"""VMware's defaults, and the matrix that rules become."""

from __future__ import annotations

import json
from textwrap import dedent
from uuid import UUID

import jsonschema
import pytest

from netlab import cli, lab
from netlab.errors import ScenarioError, UsageError
from netlab.scenario.addresses import mac
from netlab.scenario.expectation import matrix
from netlab.scenario.files import shipped
from netlab.scenario.loader import edited, load_text
from netlab.scenario.mode import VMWARE
from netlab.scenario.model import json_schema
from netlab.scenario.names import lab_name
from netlab.scenario.text import edit
from netlab.scenario.topology import natural, resolve
from tests.editor_yaml import as_editors_read


def topology_of(text: str):
    return resolve(load_text(text.encode(), "x.yaml").scenario)


def test_vmware_s_defaults():
    nodes = resolve(lab.load("three-modes").scenario).nodes
    addresses = {
        adapter.name: str(adapter.address) for node in nodes.values() for adapter in node.adapters
    }
    assert addresses["host@vmnet8"] == "10.0.0.1/24"
    assert addresses["vmnet8-nat@vmnet8"] == "10.0.0.2/24"
    assert addresses["vmnet8-dhcp@vmnet8"] == "10.0.0.254/24"
    assert addresses["host@vmnet1"] == "172.16.78.1/24"
    assert addresses["vmnet1-dhcp@vmnet1"] == "172.16.78.254/24"
    assert addresses["vm2@vmnet8"] == "None", "configured by DHCP"
    hardware = {adapter.name: adapter.mac for node in nodes.values() for adapter in node.adapters}
    assert hardware["host@vmnet8"] == "00:50:56:c0:00:08"
    assert hardware["host@vmnet1"] == "00:50:56:c0:00:01"
    assert hardware["vm2@vmnet8"].startswith("00:0c:29:")
    assert "vmnet0-dhcp" not in nodes, "a bridged network has no DHCP server of VMware's"


@pytest.mark.parametrize(
    ("outer", "inner", "leased"),
    [
        ("", "", True),
        ("connected: false", "", False),
        ("", "connected: false", False),
        ("promiscuous: false", "", False),
        ("", "promiscuous: false", True),  # Its questions are for everybody.
        ("mac_spoofing: false", "", False),
        ("", "mac_spoofing: false", False),  # Replies have the server's MAC address.
    ],
)
@pytest.mark.parametrize("on", ["vmnet0", "vmnet8"])
def test_a_vm_behind_a_bridging_vm_gets_a_lease_if_replies_pass(on, outer, inner, leased):
    nodes = topology_of(f"""
vmnets: {{vmnet0: {{mode: bridged}}, vmnet8: {{mode: nat, subnet: 10.0.0.0/24}}}}
segments: {{seg1: {{}}, seg2: {{}}}}
vms:
  br: {{bridges: true, nics: [{{network: {on}, {outer}}}, {{network: seg1, {inner}}}]}}
  br2: {{bridges: true, nics: [seg2, seg1]}}
  near: {{nics: [{on}]}}
  far: {{nics: [seg1]}}
  farther: {{nics: [seg2]}}
expect: {{default: blocked}}
""").nodes
    gets = {name: nodes[name].primary.gets_lease for name in ("near", "far", "farther", "br2")}
    assert gets == {"near": True, "far": leased, "farther": leased, "br2": leased}
    assert nodes["br"].primary.gets_lease is ("connected" not in outer), "its own MAC's frames pass"
    if "mac_spoofing" in outer + inner:
        in_vain = nodes["far"].primary.in_vain
        assert in_vain and in_vain.cause == "mac-not-allowed"
        assert "not permitted to send with other MAC addresses" in in_vain.why


def test_macs_follow_vmware_s_rules():
    uuid = UUID("564d6f5c-0b2d-8b4b-de5d-0a1b2c6dfa2a")
    macs = [mac.vm_adapter(uuid, index) for index in range(2)]
    assert macs == ["00:0c:29:6d:fa:2a", "00:0c:29:6d:fa:34"]
    named = mac.vm_uuid("vm1", 2)
    assert named == mac.vm_uuid("vm1", 2), "the same every time"
    taken = {mac.vm_adapter(named, 1)}
    renewed = mac.vm_uuid("vm1", 2, taken)
    assert taken.isdisjoint(mac.vm_adapter(renewed, index) for index in range(2))
    assert mac.host_adapter(VMWARE.host_mac, 255) == "00:50:56:c0:00:ff"
    for name in ("vmnet8-nat", "vmnet8-dhcp", "vmnet9-nat"):
        assert "00:50:56:e0:00:00" <= mac.service(name, VMWARE.service_macs) <= "00:50:56:ff:ff:ff"
    for name in ("pc eth0", "router lan0"):
        assert int(mac.physical(name)[:2], 16) & 3 == 2, "locally administered, unicast"


COPIES = """
    vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
    vms:
      web:
        uuid: 56 4d 6f 5c 0b 2d 8b 4b-de 5d 0a 1b 2c 6d fa dd  # as in a .vmx file
        nics: [{network: vmnet8, address: 10.0.0.10}, vmnet8]
      clone: {copy_of: web, nics: [{network: vmnet8, address: 10.0.0.10}, vmnet8]}
      moved: {copy_of: web, answer: moved, nics: [{network: vmnet8, address: 10.0.0.10}, vmnet8]}
      again: {copy_of: clone, answer: moved, nics: [vmnet8]}
    expect: {default: blocked}
"""


def test_who_shares_what_of_a_copy():
    nodes = topology_of(COPIES).nodes
    web, clone, moved, again = (nodes[name] for name in ("web", "clone", "moved", "again"))
    assert [adapter.mac for adapter in web.adapters] == ["00:0c:29:6d:fa:dd", "00:0c:29:6d:fa:e7"]
    assert web.uuid == moved.uuid != clone.uuid == again.uuid
    assert [adapter.mac for adapter in web.adapters] == [adapter.mac for adapter in moved.adapters]
    assert {adapter.mac for adapter in web.adapters}.isdisjoint(
        adapter.mac for adapter in clone.adapters
    )
    assert clone.primary.mac == again.primary.mac
    assert {node.guest for node in (web, clone, moved, again)} == {web.uuid}


def test_a_clone_is_written_down_as_a_copy():
    text = "# mine\n" + dedent(COPIES)
    for kept, uuid_of in ((False, "new"), (True, "clone")):
        source = load_text(text.encode(), "x.yaml")
        copied = edited(source, edit.clone_vm(source.data, "clone", "new", kept))
        nodes = resolve(copied.scenario).nodes
        assert copied.text.startswith(b"# mine\n")
        assert nodes["new"].uuid == nodes[uuid_of].uuid
        assert (nodes["new"].uuid == nodes["clone"].uuid) is kept
        assert nodes["new"].guest == nodes["web"].uuid
        assert nodes["new"].primary.address == nodes["clone"].primary.address
    with pytest.raises(UsageError, match="no VM 'x'"):
        edit.clone_vm(source.data, "x", "new", False)
    with pytest.raises(UsageError, match="already"):
        edit.clone_vm(source.data, "web", "clone", False)


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
        pings = [pair for pair in matrix(topology) if pair.by == "icmp"]
        pairs = [(e.over, e.source.name, e.target.name) for e in pings]
        assert len(pairs) == len(set(pairs))
        nodes = [node.name for node in topology.endpoints]
        for over in {over for over, _, _ in pairs}:
            assert {(over, a, b) for a in nodes for b in nodes if a != b} <= set(pairs)


def test_a_source_may_be_an_adapter():
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
        load_text(text, "x.yaml")


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
    data = as_editors_read(shipped()[name])
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
        {"expect": {"rules": [{"to": "vm1"}]}},
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


RULES = """
vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
vms: {vm1: {nics: [vmnet8]}, vm2: {nics: [vmnet8]}}
expect:
  default: reachable
  rules:
    - RULE
"""


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{from: vm1, to: vm2, by: tcpp}", "'tcpp' is no kind of probe; did you mean 'tcp'?"),
        ("{from: vm1, to: vm2, by: 'tcp:0'}", "'0' is not a number from 1 to 65535"),
        ("{from: vm1, to: vm2, by: 'tcp:90-80'}", "write the first and the last of 2 to 100 ports"),
        (
            "{from: vm1, to: vm2, by: 'tcp:1-5000'}",
            "write the first and the last of 2 to 100 ports",
        ),
        ("{from: vm1, to: vm2, by: dns}", "'dns' lacks what is asked for"),
        ("{from: vm1, to: vm2, by: route}", "'route' measures no pair"),
        ("{from: vm1, to: vm2, is: blocked, because: firewal}", "did you mean 'firewall'?"),
        ("{from: vm1, to: vm2, because: firewall}", "`because` says why a pair is blocked"),
        ("{from: vm1, to: vm2, at: host}", "`at` says why a pair is blocked"),
        ("{from: vm1, to: vm2, is: blocked, at: hots}", "there is no machine or switch 'hots'"),
        ("{from: vm1, to: vm2, is: blocked, answered_by: vm2}", "nobody answers a blocked pair"),
        ("{from: vm1, to: vm2, is: dropped, as: vm1}", "a blocked pair has no source address"),
        ("{from: vm1, to: vm2, through: vmnet9}", "there is no machine or switch 'vmnet9'"),
        ("{from: vm1, to: vm2, by: tcp, http: {status: 200}}", "`http` speaks of a reply by http"),
        ("{from: vm1, to: vm2, by: dhcp}", "dhcp asks everybody on the source's network"),
        ("{from: vm1, by: tcp}", "a rule needs `to`"),
        ("{from: vm1, to: vm2, by: iperf3}", "iperf3 measures `bandwidth` or `loss`"),
        ("{from: vm1, to: vm2, loss: 2}", "iperf3 measures `bandwidth` or `loss`"),
        ("{from: vm1, to: vm2, by: iperf3, loss: 2, is: blocked}", "`bandwidth` and `loss` only"),
        ("{from: vm1, to: vm2, by: mtu, mtu: 20}", "'20' is too small; use at least 68"),
        ("{from: vm1, to: vm2, by: iperf3, loss: 200}", "'200' is too large; use at most 100"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_at_its_place(rule, message):
    with pytest.raises(ScenarioError) as raised:
        load_text(RULES.replace("RULE", rule).encode(), "r.yaml")
    (problem,) = raised.value.problems
    assert problem.line == 7
    assert message in str(problem), problem


def test_rules_by_several_kinds_are_pairs_of_each():
    rule = "{from: vm*, to: vm2, by: [icmp, 'tcp:80-82', http]}"
    pairs = matrix(
        lab.prepare(load_text(RULES.replace("RULE", rule).encode(), "r.yaml"), "r").topology
    )
    of_rule = {(pair.source.name, pair.by) for pair in pairs if pair.number == 0}
    kinds = ("icmp", "tcp:80", "tcp:81", "tcp:82", "http")
    assert of_rule == {("vm1", kind) for kind in kinds}


def test_nothing_is_expected_without_rules():
    head = RULES.partition("expect:")[0]
    pairs = matrix(lab.prepare(load_text(head.encode(), "r.yaml"), "r").topology)
    assert {pair.verdict for pair in pairs} == {"whatever"}


def test_pings_are_left_open_where_all_rules_are_by_other_probes():
    text = f"{RULES.partition('expect:')[0]}expect: {{rules: [{{from: vm1, to: vm2, by: tcp}}]}}\n"
    pairs = matrix(lab.prepare(load_text(text.encode(), "r.yaml"), "r").topology)
    assert {pair.verdict for pair in pairs if pair.by == "icmp"} == {"whatever"}
    assert [pair.verdict for pair in pairs if pair.by == "tcp"] == ["reachable"]
