"""Other products' networks: who has which address, what VMs are given, and what is refused."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.errors import ScenarioError
from netlab.plan import build
from netlab.plan.resources import Cable, Ruleset
from netlab.plan.services import dhcp
from netlab.scenario.loader import load_text
from netlab.scenario.mode import VMWARE, Mode

ONE = """
vmnets: {{net0: {{mode: {mode}, {more}}}}}
vms: {{vm1: {{nics: [net0]}}}}
expect: {{default: blocked}}
"""

FACTS = [
    # mode, subnet, the host's, the device's, the DHCP server's, router, DNS, VM's first, MAC
    ("vbox-nat", "10.0.2.0/24", "", "2", "", "2", "3", "15", "08:00:27"),
    ("vbox-natnetwork", "10.0.2.0/24", "", "1", "3", "1", "1", "4", "08:00:27"),
    ("vbox-hostonly", "192.168.56.0/24", "1", "", "100", "", "", "101", "08:00:27"),
    ("libvirt-nat", "192.168.122.0/24", "1", "", "", "1", "1", "2", "52:54:00"),
    ("libvirt-route", "10.7.7.0/24", "1", "", "", "1", "1", "2", "52:54:00"),
    ("libvirt-open", "10.7.7.0/24", "1", "", "", "1", "1", "2", "52:54:00"),
    ("libvirt-isolated", "10.7.7.0/24", "1", "", "", "", "1", "2", "52:54:00"),
    ("hyperv-default", "172.20.16.0/20", "1", "", "", "1", "1", "2", "00:15:5d"),
]


def prepared(text: str) -> lab.Lab:
    return lab.prepare(load_text(text.encode(), "x.yaml"))


def of_mode(mode: str, more: str = "subnet: 10.7.7.0/24") -> lab.Lab:
    return prepared(ONE.format(mode=mode, more=more))


def last(address: object) -> str:
    return str(address).partition("/")[0].rpartition(".")[2] if address else ""


@pytest.mark.parametrize("facts", FACTS, ids=lambda facts: facts[0])
def test_who_has_which_address(facts):
    mode, subnet, *places, router, dns, first, mac = facts
    given = of_mode(mode, f"subnet: {subnet}" if subnet.startswith("10.7") else "")
    nodes = given.topology.nodes
    adapter = nodes["vm1"].primary
    assert str(adapter.network.subnet) == subnet
    on_it = {one.node: one for one in given.topology.adapters_on(adapter.network)}
    owners = ("host", f"{adapter.network.name}-nat", f"{adapter.network.name}-dhcp")
    assert [last(on_it[one].address) if one in on_it else "" for one in owners] == places
    options = dhcp.options(given.topology, adapter.network)
    assert (last(options["router"]), last(options.get("dns-server"))) == (router, dns)
    assert any(row.endswith(f".{first}") for row in dhcp.served(given.topology, adapter.network))
    assert adapter.mac.startswith(mac)


OWN = [
    # mode, leases (usual, at most), domain, MACs: the host's, the device's, the DHCP server's; idle UDP, TCP
    ("vbox-nat", (86400, 86400), None, "", "52:54:00:12:35:02", "", (240, 10)),
    ("vbox-natnetwork", (600, 43200), None, "", "52:54:00:12:35:00", "08:00:27", (240, 10)),
    ("vbox-hostonly", (600, 43200), None, "0a:00:27", "", "08:00:27", None),
    ("libvirt-nat", (3600, 3600), None, "52:54:00", "", "", None),
    ("libvirt-route", (3600, 3600), None, "52:54:00", "", "", None),
    ("libvirt-open", (3600, 3600), None, "52:54:00", "", "", None),
    ("libvirt-isolated", (3600, 3600), None, "52:54:00", "", "", None),
    ("hyperv-default", (86400, 86400), "mshome.net", "00:15:5d", "", "", None),
    ("nat", (1800, 7200), "localdomain", "00:50:56:c0", "00:50:56", "00:50:56", (30, 30)),
    ("hostonly", (1800, 7200), "localdomain", "00:50:56:c0", "", "00:50:56", None),
]


@pytest.mark.parametrize("facts", OWN, ids=lambda facts: facts[0])
def test_what_is_a_product_s_own_and_no_other_s(facts):
    mode, leases, domain, *macs, forgets = facts
    name = "net0" if "-" in mode else "vmnet5"
    given = prepared(ONE.format(mode=mode, more="subnet: 10.7.7.0/24").replace("net0", name))
    network = given.topology.nodes["vm1"].primary.network
    served = list(dhcp.served(given.topology, network))
    ranges = [row for row in served if row.startswith("dhcp-range=")]
    assert sorted(row.rpartition(",")[2] for row in ranges) == sorted(
        f"{seconds}s" for seconds in dict.fromkeys(leases)
    )
    assert dhcp.options(given.topology, network).get("domain-name") == domain
    on_it = {adapter.node: adapter.mac for adapter in given.topology.adapters_on(network)}
    for owner, begins in zip(
        ("host", f"{network.name}-nat", f"{network.name}-dhcp"), macs, strict=True
    ):
        assert (owner in on_it) is bool(begins)
        assert on_it.get(owner, "").startswith(begins)
    settings = network.nat and (network.nat.udp_timeout, network.nat.time_wait_timeout)
    assert settings == forgets


def test_every_mode_that_leases_says_for_how_long():
    for mode in (*build.MODES, Mode.HOTSPOT):
        if mode.product is not VMWARE and mode.leases and not mode.on_lan:
            assert all(mode.lease_seconds), mode.value
        if mode.product is not VMWARE and mode.dhcp_server:
            assert mode.product.service_macs, mode.value


def test_each_adapter_behind_virtualbox_nat_is_alone():
    text = """
vmnets: {nat: {mode: vbox-nat}}
vms: {vm1: {nics: [nat, nat]}, vm2: {nics: [nat]}}
expect: {default: blocked}
"""
    given = prepared(text)
    adapters = [
        adapter for name in ("vm1", "vm2") for adapter in given.topology.nodes[name].adapters
    ]
    assert [str(adapter.network.subnet) for adapter in adapters] == [
        "10.0.2.0/24",
        "10.0.3.0/24",
        "10.0.2.0/24",
    ]
    assert len({adapter.network.name for adapter in adapters}) == 3
    one, other = given.topology.nodes["vm1"], given.topology.nodes["vm2"]
    assert one.segments.isdisjoint(other.segments), "an equal subnet is not the same one"
    uplinks = [
        resource for resource in given.plan.resources
        if isinstance(resource, Cable) and "uplink" in (resource.a.interface, resource.b.interface)
    ]  # fmt: skip
    assert len({cable.b.interface for cable in uplinks}) == 3


def test_a_second_adapter_behind_virtualbox_nat_is_beside_a_larger_subnet():
    text = """
vmnets: {nat: {mode: vbox-nat, subnet: 10.4.0.0/16}}
vms: {vm1: {nics: [nat, nat]}}
expect: {default: blocked}
"""
    adapters = prepared(text).topology.nodes["vm1"].adapters
    assert [str(adapter.network.subnet) for adapter in adapters] == ["10.4.0.0/16", "10.5.0.0/16"]


@pytest.mark.parametrize(
    ("mode", "inward", "translated"),
    [
        ("libvirt-nat", False, True),
        ("libvirt-route", True, False),
        ("libvirt-open", True, False),
        ("hyperv-default", False, True),
    ],
)
def test_what_the_host_forwards_and_translates(mode, inward, translated):
    rules = next(
        resource.text for resource in of_mode(mode).plan.resources
        if isinstance(resource, Ruleset) and resource.namespace == "x.host"
    )  # fmt: skip
    assert 'iifname "net0" oifname { "eth0" } accept' in rules
    assert ('oifname "net0" accept' in rules) is inward
    assert ("ip saddr 10.7.7.0/24 oifname" in rules) is translated


def test_an_isolated_network_makes_the_host_no_router():
    resources = of_mode("libvirt-isolated").plan.resources
    assert not [
        resource
        for resource in resources
        if isinstance(resource, Ruleset) and ".host" in resource.namespace
    ]
    assert not [
        resource
        for resource in resources
        if getattr(resource, "key", "").endswith("net0.forwarding")
    ]


def refused(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        prepared(text)
    return str(caught.value)


def test_what_is_refused():
    text = """
lan: {routes: {10.9.0.0/16: 10.1.1.1}, peers: {box: 192.168.1.50}}
vmnets:
  vmnet3: {mode: vbox-hostonly}
  virbr0: {mode: nat, subnet: 10.1.0.0/24}
  box: {mode: vbox-internal, subnet: 10.2.0.0/24}
  eth5: {mode: vbox-internal, subnet: 10.3.0.0/24}
  tiny: {mode: vbox-hostonly, subnet: 10.4.0.0/28}
  off: {mode: libvirt-nat, adapter: off}
  none: {mode: vbox-internal}
  nat: {mode: vbox-nat}
vms:
  vm1: {nics: [box]}
  with-a-long-name: {nics: [nat]}
expect: {default: blocked}
"""
    said = refused(text)
    for words in (
        "10.1.1.1 is no neighbour of the router",
        "'vmnet3' is a name of VMware's, and vbox-hostonly is VirtualBox's",
        "'virbr0' is no valid name; VMware's networks are called vmnet0",
        "'box' is used twice",
        "'eth5' is netlab's own name",
        "vbox-hostonly has addresses that need 24 bits, and 10.4.0.0/28 is smaller",
        "the host's adapter is off's gateway and DHCP server",
        "none is vbox-internal and has no subnet",
        "with-a-long-name has a network of its own, 'nat-with-a-long-name'",
    ):
        assert words in said, said


def test_what_a_product_takes_is_not_free():
    for mode, address in (("vbox-natnetwork", "10.7.7.2"), ("vbox-nat", "10.7.7.3")):
        more = ONE.format(mode=mode, more="subnet: 10.7.7.0/24")
        text = more.replace("[net0]", f"[{{network: net0, address: {address}}}]")
        assert any("taken twice" in warning.what for warning in prepared(text).source.warnings)
