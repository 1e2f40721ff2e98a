"""Plans as text, one golden file a shipped scenario; and the decisions that matter most, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from netlab import lab
from netlab.errors import UsageError
from netlab.plan import names
from netlab.plan.build import build
from netlab.plan.plan import Plan, drift_between
from netlab.plan.resources import Address, Cable, Namespace, Ruleset, Service, Sysctl
from netlab.plan.services import dhcp
from netlab.scenario.files import shipped
from netlab.scenario.loader import load_text
from netlab.scenario.topology import resolve
from tests import plans


def plan_of(text: str, name: str = "x") -> Plan:
    return lab.prepare(load_text(text.encode(), "x.yaml"), name).plan


@cache
def plans_of_shipped() -> dict[str, str]:
    planned = {name: lab.prepare(lab.load(name)).plan for name in shipped()}
    return {
        name: "".join(f"{resource}\n" for resource in plan.resources)
        for name, plan in planned.items()
    }


@cache
def common_to_shipped() -> Mapping[tuple[str, tuple[str, ...]], str]:
    return plans.common(plans_of_shipped().values())


@pytest.mark.parametrize("scenario", sorted(shipped()))
def test_the_plan_of_a_shipped_scenario(scenario, golden):
    golden(f"plans/{scenario}.txt", plans.folded(plans_of_shipped()[scenario], common_to_shipped()))


def test_what_the_plans_of_shipped_scenarios_have_in_common(golden):
    golden("plans-common.txt", plans.listed(common_to_shipped()))


@pytest.mark.parametrize("scenario", ["nat", "three-modes", "ipv6"])
def test_a_folded_plan_leaves_nothing_out(scenario):
    """A line that is missing in a plan is missed, whichever it is."""
    plan, names = plans_of_shipped()[scenario], common_to_shipped()
    whole, lines = plans.folded(plan, names), plan.splitlines(keepends=True)
    for at, missing in enumerate(lines):
        without = "".join([*lines[:at], *lines[at + 1 :]])
        assert missing.startswith("namespace") or plans.folded(without, names) != whole, missing


def test_the_same_scenario_gives_the_same_plan():
    first, second = (lab.prepare(lab.load("three-modes")).plan for _ in range(2))
    assert first == second


def test_two_labs_of_one_scenario_share_no_name():
    one = lab.prepare(lab.load("nat"), "one").plan
    two = lab.prepare(lab.load("nat"), "two").plan
    assert not set(one.namespaces) & set(two.namespaces)


def test_each_thing_is_created_after_what_it_stands_on():
    seen, places = set(), set()
    for resource in lab.prepare(lab.load("three-modes")).plan.resources:
        match resource:
            case Namespace(namespace):
                places.add(namespace)
            case Cable(one, other):
                for end in (one, other):
                    assert end.namespace in places
                    assert end.bridge is None or (end.namespace, end.bridge) in seen
                    seen.add((end.namespace, end.interface))
            case _:
                assert resource.namespace in places
                if isinstance(resource, Address):
                    assert (resource.namespace, resource.interface) in seen
                seen.add((resource.namespace, getattr(resource, "name", None)))


def test_dhcp_options_by_mode():
    topology = resolve(lab.load("three-modes").scenario)
    nat, host_only = (
        dhcp.options(topology, topology.networks[name]) for name in ("vmnet8", "vmnet1")
    )
    assert {name: str(value) for name, value in nat.items()} == {
        "router": "10.0.0.2",
        "dns-server": "10.0.0.2",
        "domain-name": "localdomain",
        "netbios-ns": "10.0.0.2",
    }
    assert host_only["router"] is None, "a host-only VM gets no default gateway"
    assert str(host_only["dns-server"]) == "172.16.78.1"
    assert "netbios-ns" not in host_only


def test_an_empty_option_keeps_dnsmasq_from_offering_its_own_address():
    topology = resolve(lab.load("three-modes").scenario)
    pool = list(dhcp.served(topology, topology.networks["vmnet1"]))
    assert "dhcp-option=option:router" in pool
    assert "dhcp-range=tag:!asks-time,172.16.78.128,172.16.78.253,255.255.255.0,1800s" in pool


def test_leases_go_upward_in_the_order_of_names_and_skip_static_addresses():
    planned = plan_of(
        """
        vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
        vms:
          vm10: {nics: [vmnet8]}
          vm2: {nics: [vmnet8]}
          vm1: {nics: [{network: vmnet8, address: 10.0.0.128}]}
        expect: {default: blocked}
        """
    )
    (config,) = [n.config for n in planned.resources if isinstance(n, Service) and n.name == "dhcp"]
    reserved = [row.rpartition(",")[2] for row in config.splitlines() if "dhcp-host" in row]
    assert reserved == ["10.0.0.129", "10.0.0.130"]


def test_only_the_routers_forward():
    planned = lab.prepare(lab.load("three-modes")).plan
    forwarding = {
        names.node(resource.namespace): resource.value
        for resource in planned.resources
        if isinstance(resource, Sysctl) and resource.key == "net.ipv4.ip_forward"
    }
    assert {node for node, value in forwarding.items() if value == "1"} == {"router", "vmnet8-nat"}
    assert len(forwarding) == len(resolve(lab.load("three-modes").scenario).nodes)


def test_without_nat_the_host_forwards_nothing_at_all():
    planned = lab.prepare(lab.load("hostonly")).plan
    assert not [
        n for n in planned.resources if isinstance(n, Sysctl) and n.key.endswith("forwarding")
    ]
    assert "hostonly.host" not in [n.namespace for n in planned.resources if isinstance(n, Ruleset)]


def test_a_difference_is_what_went_and_what_came():
    planned = lab.prepare(lab.load("nat")).plan
    changed = replace(
        planned,
        resources=(*planned.resources[:-1], replace(planned.resources[-1], interface="eth9")),
    )
    found = drift_between(planned.resources, changed.resources)
    assert (found.missing, found.unplanned) == ((planned.resources[-1],), (changed.resources[-1],))
    assert not drift_between(planned.resources, planned.resources)


@pytest.mark.parametrize("wanted", ["vm1-eth0", "a" * 63 + "-eth0", "vmnet255-dhcp-eth0"])
def test_interface_names_fit_the_kernel(wanted):
    name = names.interface_name(wanted)
    assert len(name) <= 15
    assert name == names.interface_name(wanted)
    assert name != names.interface_name(wanted + "x")


def test_long_vm_names_get_distinct_ports():
    long = ["v" * 62 + end for end in "abcdefgh"]
    assert len({names.port(name, "eth0") for name in long}) == len(long)


def test_a_flat_network_of_300_vms_has_no_clash_of_names_or_macs():
    vms = "\n".join(f"  vm{n}: {{nics: [vmnet{1 + n % 2}]}}" for n in range(300))
    text = f"""
vmnets:
  vmnet1: {{mode: hostonly, subnet: 10.1.0.0/20}}
  vmnet2: {{mode: hostonly, subnet: 10.2.0.0/20}}
vms:
{vms}
expect: {{default: blocked}}
"""
    planned = build("x", resolve(load_text(text.encode(), "x.yaml").scenario))
    macs = [resource.b.mac for resource in planned.resources if isinstance(resource, Cable)]
    assert len(planned.namespaces) > 300
    assert len(set(macs)) == len(macs)


@pytest.mark.parametrize(
    ("host", "vmnet", "service"),
    [
        ("shares: vmnet1", "vmnet1: {mode: hostonly, subnet: 192.168.137.0/24}", "sharing"),
        ("hotspot: {phone: {}}", "vmnet1: {mode: hostonly, subnet: 10.0.0.0/24}", "hotspot"),
        ("forwards: []", "virbr0: {mode: libvirt-nat}", "virbr0"),
        ("forwards: []", "vmnet8: {mode: nat, subnet: 10.0.0.0/24}", None),
    ],
)
def test_a_proxy_does_not_get_the_port_of_the_host_s_name_server(host, vmnet, service):
    def prepare(port: int) -> lab.Lab:
        name = vmnet.partition(":")[0]
        text = f"""
host: {{proxy: {port}, {host}}}
vmnets: {{{vmnet}}}
vms: {{vm1: {{nics: [{name}]}}}}
expect: {{default: blocked}}
"""
        return lab.prepare(load_text(text.encode(), "x.yaml"), "x")

    prepare(54)
    if service is None:
        prepare(53)
    else:
        with pytest.raises(UsageError, match=f"port 53 is the host's DNS .{service}."):
            prepare(53)
