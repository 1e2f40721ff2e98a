"""IPv6 in plans: whose address is which, what stands on what, what is left alone."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, IPv6Interface, IPv6Network

import pytest

from netlab import lab
from netlab.errors import Missing
from netlab.kernel import ipv6 as kernel_ipv6
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.resources import drivers
from netlab.kernel.resources.base import Context
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import Interruption
from netlab.packets import icmp
from netlab.packets.packet import Part
from netlab.plan.diff import diff, reconcile
from netlab.plan.resources import Address, Advertised, DhcpClient, Ipv6, Listening, Ruleset, Service
from netlab.scenario.addresses import ipv6
from netlab.scenario.files import shipped
from netlab.scenario.loader import load_text
from netlab.scenario.topology import resolve


def edited(old: str, new: str) -> lab.Lab:
    text = lab.load("ipv6").text.decode()
    assert old in text
    return lab.prepare(load_text(text.replace(old, new).encode(), "x.yaml"), "ipv6")


def test_an_address_is_made_of_prefix_and_mac_as_rfc_4291_says():
    made = ipv6.slaac_address(IPv6Network("2001:db8:1::/64"), "00:0c:29:7b:11:e3")
    assert made == IPv6Interface("2001:db8:1:0:20c:29ff:fe7b:11e3/64")


def test_vmware_has_a_prefix_for_each_nat_network_with_its_number_in_hex():
    assert str(ipv6.nat(8)) == "fd15:4ba5:5a2b:1008::/64"
    assert str(ipv6.nat(19)) == "fd15:4ba5:5a2b:1013::/64"


@pytest.mark.parametrize("scenario", sorted(set(shipped()) - {"ipv6"}))
def test_a_lab_without_ipv6_has_nothing_of_it(scenario):
    kinds = Ipv6 | Advertised
    planned = lab.prepare(lab.load(scenario)).plan.resources
    assert not [resource for resource in planned if isinstance(resource, kinds)]
    assert not [
        resource
        for resource in planned
        if isinstance(resource, Ruleset) and "table ip6" in resource.text
    ]


def test_a_router_is_asked_when_it_listens_and_a_server_starts_when_it_has_its_address():
    resources = lab.prepare(lab.load("ipv6")).plan.resources
    own = max(
        n
        for n, resource in enumerate(resources)
        if isinstance(resource, Address) and resource.address.version == 6
    )
    servers = [n for n, resource in enumerate(resources) if isinstance(resource, Service)]
    listening = [n for n, resource in enumerate(resources) if isinstance(resource, Listening)]
    asking = [
        n
        for n, resource in enumerate(resources)
        if isinstance(resource, Ipv6) and resource.advertised
    ]
    assert own < min(servers)
    assert max(listening) < min(asking)


def test_a_vm_with_ipv6_disabled_differs_in_nothing_else():
    with_it, without = edited(", ipv6: off}", "}"), lab.prepare(lab.load("ipv6"))
    found = diff(with_it.plan, without.plan)
    assert {type(resource) for resource in found.removed} == {Ipv6, Advertised}
    assert {resource.namespace for resource in found.removed} == {"ipv6.vm3"}
    assert not found.altered
    assert not found.created


def test_another_prefix_makes_addresses_anew_and_leaves_leases_alone():
    found = diff(lab.prepare(lab.load("ipv6")).plan, edited("ipv6: on", 'ipv6: "fd00:8::/64"').plan)
    again = [resource for resource in found.created if isinstance(resource, Advertised)]
    assert [str(resource.address.ip) for resource in again] == ["fd00:8::20c:29ff:fe36:d01e"]
    assert not [resource for resource in found.removed if isinstance(resource, DhcpClient)]


def test_who_hears_no_advertisement_has_no_address():
    stopped = edited("ipv6: on}", "ipv6: on, stopped: [nat]}")
    adapter = stopped.topology.nodes["vm2"].primary
    assert adapter.listens_to_router
    assert adapter.ipv6 is None
    pulled = edited("vm2: {nics: [vmnet8]}", "vm2: {nics: [{network: vmnet8, connected: false}]}")
    assert pulled.topology.nodes["vm2"].primary.ipv6 is None


def test_a_device_that_may_not_join_hears_no_advertisement():
    text = lab.load("tethering").text.decode().replace("lan: {", 'lan: {ipv6: "2001:db8:1::/64", ')
    nodes = resolve(load_text(text.encode(), "x.yaml").scenario).nodes
    assert nodes["host"].primary.ipv6 is not None
    assert nodes["vm2"].primary.ipv6 is None


def test_a_kernel_without_ipv6_is_told_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_ipv6, "_CONF", tmp_path / "no-ipv6")
    with pytest.raises(Missing, match="the kernel has no IPv6") as raised:
        drivers.create(
            Ipv6("x.vm1", "eth0"), Context(RunDirectory("x"), NamespacePool(1), Interruption())
        )
    assert "ipv6.disable=1" in raised.value.fix


def test_a_message_of_icmpv6_is_read_without_ip_header():
    token, source = b"12345678", "2001:db8::2"
    request = icmp.EchoRequest(is_ipv6=True).build(token, 7)
    read = icmp.read_ipv6_message(request, source)
    assert (read.kind, read.token, read.source) == (Part.REQUEST, token, source)
    header = struct.pack("!IHBB", 6 << 28, len(request), 58, 64)
    quoted = header + IPv6Address(source).packed + IPv6Address("2001:db8::3").packed + request
    error = struct.pack("!BBHI", 1, 3, 0, 0) + quoted
    assert icmp.read_ipv6_message(error, source).local, "the machine's own kernel has given up"
    assert not icmp.read_ipv6_message(error, "2001:db8::1").local
    advertisement = struct.pack("!BBH", 134, 0, 0) + request[4:]
    assert icmp.read_ipv6_message(advertisement, source) is None


def test_who_has_lost_what_a_router_told_asks_again_when_it_is_repaired():
    planned = lab.prepare(lab.load("ipv6")).plan
    lost = next(resource for resource in planned.resources if isinstance(resource, Advertised))
    asks = next(
        resource
        for resource in planned.resources
        if isinstance(resource, Ipv6)
        and resource.advertised
        and resource.namespace == lost.namespace
    )
    found = reconcile(planned, [resource for resource in planned.resources if resource != lost])
    assert found.removed == (asks,)
    assert found.created == (asks, lost)
    assert not found.altered
