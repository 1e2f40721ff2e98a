"""vmnets and LAN segments: what a scenario can say of them, and what becomes of it."""

from __future__ import annotations

import json

import pytest

from netlab import lab
from netlab.plan.resources import DhcpClient, Lease, Listening, Namespace, Ruleset
from netlab.scenario.loader import load_text
from netlab.scenario.topology import resolve
from tests.machine import netlab


def source(vmnets: str, vms: str = "vm1: {nics: [vmnet8]}", sections: str = ""):
    text = f"vmnets: {{{vmnets}}}\nvms: {{{vms}}}\n{sections}\nexpect: {{default: blocked}}\n"
    return load_text(text.encode(), "x.yaml")


def plan_of(*arguments: str):
    return lab.prepare(source(*arguments)).plan


NAT = "vmnet8: {mode: nat, subnet: 10.0.0.0/24}"
TWO_NAT = f"{NAT}, vmnet20: {{mode: nat, subnet: 10.0.9.0/24}}"


def test_what_windows_does_not_have_is_a_warning_and_no_error():
    assert source(NAT).warnings == ()
    warnings = [warning.what for warning in source(TWO_NAT).warnings]
    assert len(warnings) == 2
    assert any("vmnet19; vmnet20 is Linux only" in warning for warning in warnings)
    assert any("vmnet20 is a NAT network beside vmnet8" in warning for warning in warnings)
    assert all(warning.fix for warning in source(TWO_NAT).warnings)


def test_validate_and_up_tell_warnings(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_bytes(source(TWO_NAT).text)
    done = netlab("validate", str(file))
    assert (done.returncode, done.stdout) == (0, f"{file}: fine\n")
    assert done.stderr.startswith(f"warning: {file}:1:")
    document = json.loads(netlab("validate", str(file), "--json").stdout)
    assert (document["problems"], len(document["warnings"])) == ([], 2)
    assert netlab("up", str(file), "--dry-run").stderr.count("warning: ") == 2


def test_a_custom_network_has_what_is_asked_for_and_nothing_else():
    def machines(settings: str) -> set[str]:
        resources = plan_of(f"vmnet8: {{mode: custom, subnet: 10.0.0.0/24{settings}}}").resources
        return {resource.namespace for resource in resources if isinstance(resource, Namespace)}

    bare = machines("")
    assert "x.vmnet8-dhcp" not in bare
    assert machines(", dhcp: true") - bare == {"x.vmnet8-dhcp"}
    topology = resolve(source("vmnet8: {mode: custom, subnet: 10.0.0.0/24}").scenario)
    assert "host@vmnet8" not in topology.nodes["host"].named_adapters
    asked = resolve(source("vmnet8: {mode: custom, subnet: 10.0.0.0/24, adapter: on}").scenario)
    assert str(asked.nodes["host"].named_adapters["host@vmnet8"].address) == "10.0.0.1/24"


def test_nobody_waits_for_a_lease_where_nobody_gives_one():
    segment = plan_of("", "vm1: {nics: [seg1]}", "segments: {seg1: {}}").resources
    without = plan_of("vmnet8: {mode: nat, subnet: 10.0.0.0/24, dhcp: false}").resources
    for resources in (segment, without):
        assert any(
            isinstance(resource, DhcpClient) and resource.namespace == "x.vm1"
            for resource in resources
        )
        assert not any(
            isinstance(resource, Lease) and resource.namespace == "x.vm1" for resource in resources
        )
        assert not any(
            isinstance(n, Listening) and n.namespace == "x.vmnet8-dhcp" for n in resources
        )


def test_segments_never_share_a_subnet_even_if_they_have_none():
    topology = resolve(
        source(
            "", "a: {nics: [seg1]}, b: {nics: [seg2]}", "segments: {seg1: {}, seg2: {}}"
        ).scenario
    )
    assert topology.nodes["a"].segments.isdisjoint(topology.nodes["b"].segments)
    assert not topology.networks["seg1"].numbered


def test_the_host_adapter_is_as_the_host_has_set_it():
    setting = "adapter: {address: 10.0.0.9, gateway: 10.0.0.2, dns: 10.0.0.2}"
    loaded = source(f"vmnet8: {{mode: hostonly, subnet: 10.0.0.0/24, {setting}}}")
    adapter = resolve(loaded.scenario).nodes["host"].named_adapters["host@vmnet8"]
    assert (str(adapter.address), str(adapter.gateway)) == ("10.0.0.9/24", "10.0.0.2")
    assert (str(adapter.dns), adapter.enabled) == ("10.0.0.2", True)


@pytest.mark.parametrize("written", ["00:0c:29:01:02:03", "00-0C-29-01-02-03", "00:0C:29:01:02:03"])
def test_a_mac_may_be_written_as_windows_does(written):
    reserved = f"dhcp: {{reservations: {{{written}: 10.0.0.77}}}}"
    vms = f"vm1: {{nics: [vmnet8]}}, vm2: {{nics: [{{network: vmnet8, mac: {written}}}]}}"
    loaded = source(f"vmnet8: {{mode: nat, subnet: 10.0.0.0/24, {reserved}}}", vms)
    assert loaded.topology.nodes["vm2"].primary.mac == "00:0c:29:01:02:03"
    assert loaded.warnings == ()
    clients = [one for one in lab.prepare(loaded).plan.resources if isinstance(one, DhcpClient)]
    terms = {client.namespace: client.terms[:2] for client in clients}
    assert terms["x.vm1"] == ("10.0.0.128", "10.0.0.253")
    assert terms["x.vm2"][0] == "10.0.0.77"


def test_the_host_forwards_between_whatever_networks_it_is_on():
    """virbr0's VMs are translated towards cards but those to which the host is a plain router."""
    networks = "virbr0: {mode: libvirt-nat}, wsl: {mode: hyperv-default, subnet: 172.20.0.0/20}"
    office = "lans: {office: {subnet: 10.20.0.0/24}}\n"
    cards = "{eth0: 192.168.1.100, eth1: {lan: office, address: 10.20.0.9}}"

    def rules(forwards: str) -> list[str]:
        host = f"{office}host: {{nics: {cards}, forwards: {forwards}}}"
        plan = plan_of(networks, "vm1: {nics: [virbr0]}, vm2: {nics: [wsl]}", host)
        rulesets = [one for one in plan.resources if isinstance(one, Ruleset)]
        text = next(one.text for one in rulesets if one.namespace == "x.host")
        return [line.strip() for line in text.splitlines()]

    untranslated = 'fib saddr type != local drop comment "this NAT does not translate its source"'
    translated = 'iifname { "virbr0", "wsl" } oifname { "eth0", "eth1" }'
    assert f"{translated} {untranslated}" in rules("[]")
    routed = rules("[virbr0, lan]")
    assert 'iifname { "eth0", "virbr0" } oifname { "eth0", "virbr0" } accept' in routed
    assert f'iifname {{ "virbr0" }} oifname {{ "eth1" }} {untranslated}' in routed
    assert f'iifname {{ "wsl" }} oifname {{ "eth0", "eth1" }} {untranslated}' in routed
    assert f"{translated} {untranslated}" not in routed
    assert 'iifname { "virbr0", "wsl" } oifname { "virbr0", "wsl" } accept' in rules(
        "[wsl, virbr0]"
    )
    assert 'iifname { "eth0", "eth1" } oifname { "eth0", "eth1" } accept' in rules("[office, lan]")
