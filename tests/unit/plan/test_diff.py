"""From one plan to another: what has to go and come, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from netlab import lab
from netlab.plan.diff import Diff, diff, joined, reconcile
from netlab.plan.plan import Plan
from netlab.plan.resources import (
    DEFAULT_ROUTE,
    Address,
    Bridge,
    Cable,
    CableEnd,
    DhcpClient,
    EtcFile,
    Lease,
    Listening,
    Namespace,
    Queue,
    Resource,
    Route,
    Ruleset,
    Service,
    Sysctl,
)
from netlab.scenario.files import shipped
from netlab.scenario.loader import edited
from netlab.scenario.text import edit

SUBNET = IPv4Network("10.0.0.0/24")
SWITCH = [Namespace("x.sw"), Bridge("x.sw", "sw", "02:00:00:00:00:01")]
CABLE = Cable(CableEnd("x.sw", "p1", bridge="sw"), CableEnd("x.vm", "eth0", "02:00:00:00:00:02"))
ADDRESS = Address("x.vm", "eth0", IPv4Interface("10.0.0.5/24"))
ROUTE = Route("x.vm", DEFAULT_ROUTE, IPv4Address("10.0.0.1"))
SERVICE = Service("x.vm", "web", ("httpd",))
LISTENING = Listening("x.vm", "web", "tcp", 80)
RULES = Ruleset("x.vm", "table ip a {}")
ETC = EtcFile("x.vm", "hostname", "vm")
SETTING = Sysctl("x.vm", "net.ipv4.ip_forward", "0")
FORWARDING = Sysctl("x.vm", "net.ipv4.conf.eth0.forwarding", "1")
MACHINE = [Namespace("x.vm"), ADDRESS, ROUTE, SERVICE, LISTENING, RULES, ETC, SETTING, FORWARDING]
OTHER = [Namespace("x.other"), Address("x.other", "eth0", IPv4Interface("10.0.0.6/24"))]
ALL: list[Resource] = [*SWITCH, *MACHINE, *OTHER, CABLE]


def plan(*resources: Resource) -> Plan:
    return Plan.of("x", resources)


def without(*gone: Resource) -> list[Resource]:
    return [resource for resource in ALL if resource not in gone]


def between(new: list[Resource]) -> Diff:
    return diff(plan(*ALL), plan(*new))


def test_nothing_differs():
    assert not between(ALL)


def test_a_machine_that_goes_takes_everything_that_is_on_it():
    found = between(without(*MACHINE, CABLE))
    assert set(found.removed) == {*MACHINE, CABLE}
    assert found.removed[-1] == Namespace("x.vm")
    assert not found.created


def test_what_stands_on_another_cable_is_made_anew():
    longer = replace(CABLE, mtu=9000)
    found = between([*without(CABLE), longer])
    shaken = {ADDRESS, ROUTE, SERVICE, LISTENING, FORWARDING}
    assert set(found.removed) == {CABLE, *shaken}
    assert set(found.created) == {longer, *shaken}
    assert found.created.index(longer) < found.created.index(ADDRESS) < found.created.index(ROUTE)


def test_a_pulled_cable_leaves_address_and_routes():
    pulled = replace(CABLE, a=replace(CABLE.a, up=False))
    found = between([*without(CABLE), pulled])
    assert (found.removed, found.altered, found.created) == ((), ((CABLE, pulled),), ())


def test_an_adapter_that_is_switched_off_loses_its_routes():
    off = replace(CABLE, b=replace(CABLE.b, up=False))
    found = between([*without(CABLE), off])
    assert found.altered == ((CABLE, off),)
    assert ROUTE in found.removed
    assert ROUTE in found.created


def test_another_address_takes_the_routes_with_it_that_lead_over_it():
    moved = replace(ADDRESS, address=IPv4Interface("10.0.0.7/24"))
    found = between([*without(ADDRESS), moved])
    assert set(found.removed) == {ADDRESS, ROUTE}
    assert set(found.created) == {moved, ROUTE}


def test_a_service_with_another_configuration_is_awaited_again():
    other = replace(SERVICE, config="port=81")
    found = between([*without(SERVICE), other])
    assert set(found.removed) == {SERVICE, LISTENING}
    assert set(found.created) == {other, LISTENING}


def test_a_client_in_another_network_needs_another_lease():
    client, lease = DhcpClient("x.vm", "eth0", "vm", SUBNET), Lease("x.vm", "eth0")
    elsewhere = replace(client, network=IPv4Network("10.9.0.0/24"))
    found = diff(plan(*ALL, client, lease), plan(*ALL, elsewhere, lease))
    assert set(found.removed) == {client, lease}
    assert set(found.created) == {elsewhere, lease}


def test_a_client_asks_again_only_if_its_lease_is_to_change():
    client = DhcpClient("x.vm", "eth0", "vm", SUBNET, terms=("address 10.0.0.5",))
    lease = Lease("x.vm", "eth0")
    other, without_any = replace(client, terms=("address 10.0.0.6",)), replace(client, terms=())
    found = diff(plan(*ALL, client, lease), plan(*ALL, other, lease))
    assert set(found.removed) == {client, lease}
    assert set(found.created) == {other, lease}
    assert found.gives_back(client)
    kept = diff(plan(*ALL, client, lease), plan(*ALL, without_any))
    assert (kept.removed, kept.altered) == ((lease,), ((client, without_any),))
    torn = diff(plan(*ALL, client, lease), plan(*without(CABLE)))
    assert not torn.gives_back(client)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (RULES, replace(RULES, text="table ip b {}")),
        (ETC, replace(ETC, text="vm2")),
        (SETTING, replace(SETTING, value="1")),
    ],
)
def test_content_is_altered_in_place(old, new):
    found = between([*without(old), new])
    assert (found.removed, found.altered, found.created) == ((), ((old, new),), ())


def test_mending_takes_back_what_was_done_by_hand():
    added = replace(ADDRESS, address=IPv4Interface("10.0.0.77/24"))
    foreign = CableEnd("x.vm", "br9", "02:00:00:00:00:09")
    found = reconcile(plan(*ALL), [*without(ADDRESS, ROUTE), added, foreign])
    assert found.removed == (foreign, added)
    assert found.created == (ADDRESS, ROUTE)


def test_a_cable_that_is_not_as_planned_is_replaced_with_what_stands_on_it():
    found = reconcile(plan(*ALL), without(CABLE))
    assert {CABLE, ADDRESS, ROUTE, SERVICE, LISTENING} <= set(found.removed)
    assert {CABLE, ADDRESS, ROUTE, SERVICE, LISTENING} <= set(found.created)


def test_repair_starts_a_client_again_whose_lease_or_process_is_gone():
    client, lease = DhcpClient("x.vm", "eth0", "vm", SUBNET), Lease("x.vm", "eth0")
    found = reconcile(plan(*ALL, client, lease), [*ALL, client])
    assert (found.removed, found.created) == ((client,), (client, lease))
    found = reconcile(plan(*ALL, client, lease), [*ALL, lease])
    assert (found.removed, found.created) == ((lease, client), (client, lease))


def test_what_is_on_an_interface_made_by_hand_goes_with_it():
    foreign = CableEnd("x.vm", "br0", "02:00:00:00:00:09")
    address = Address("x.vm", "br0", IPv4Interface("172.17.0.1/16"))
    queue = Queue("x.vm", "br0")
    found = reconcile(plan(*ALL), [*ALL, foreign, address, queue])
    assert found == Diff((foreign,), (), ())


def test_what_may_be_in_the_way_of_what_is_missing_goes_first():
    """A name without a namespace, an end in another switch, a folder for a file, a stray process."""
    for resource in (*SWITCH, CABLE, ETC, SERVICE, Namespace("x.vm")):
        found = reconcile(plan(*ALL), without(resource))
        assert resource in found.removed, resource
        assert resource in found.created, resource
    for resource in (ADDRESS, ROUTE, RULES, SETTING, LISTENING):
        found = reconcile(plan(*ALL), without(resource))
        assert resource not in found.removed, resource
        assert resource in found.created, resource


def test_a_cable_is_in_the_way_though_the_namespace_of_one_end_is_gone():
    found = reconcile(plan(*ALL), without(*SWITCH, CABLE))
    assert CABLE in found.removed
    assert ADDRESS in found.removed, "it goes with its interface"
    assert {CABLE, ADDRESS, ROUTE} <= set(found.created)


@pytest.mark.parametrize("resource", SWITCH)
def test_what_is_odd_is_altered_in_place(resource):
    odd = replace(resource, oddities=("off",))
    assert reconcile(plan(*ALL), [*without(resource), odd]) == Diff((), ((odd, resource),), ())


def test_a_resource_is_replaced_when_one_that_it_depends_on_is():
    other = replace(FORWARDING, value="0")
    found = reconcile(plan(*ALL), [*without(CABLE, FORWARDING), other])
    assert not found.altered
    assert other in found.removed
    assert FORWARDING in found.created
    queue = Queue("x.vm", "eth0", 1_000_000)
    longer, faster = replace(CABLE, mtu=9000), replace(queue, rate=2_000_000)
    found = diff(plan(*ALL, queue), plan(*without(CABLE), longer, faster))
    assert not found.altered
    assert (queue in found.removed, faster in found.created) == (True, True)


def test_several_changes_are_told_as_one():
    one, other = Diff((CABLE,), (), (CABLE, ROUTE)), Diff((), ((ETC, ETC),), (ADDRESS,))
    assert joined([one, other]) == Diff((CABLE,), ((ETC, ETC),), (CABLE, ROUTE, ADDRESS))
    assert not joined([])


def test_nothing_to_mend():
    assert not reconcile(plan(*ALL), ALL)


@pytest.mark.parametrize("name", ["nat", "three-modes", "bridged", "hostonly"])
def test_another_machine_leaves_the_machines_alone_that_are_there(name):
    source = lab.load(name)
    before = lab.prepare(source)
    network = next(iter(source.scenario.vmnets))
    data = edit.add_vm(source.data, "vm9", [network])
    after = lab.prepare(edited(source, data))
    found = diff(before.plan, after.plan)
    vms = {node.name for node in before.topology.endpoints}
    touched = {getattr(resource, "namespace", "").partition(".")[2] for resource in found.removed}
    assert not touched & {vm for vm in vms if vm.startswith("vm")}
    assert name in shipped()
