"""Which way out by a scenario: metrics, full tunnels, and networks that the host forwards between."""

from __future__ import annotations

from textwrap import dedent

import pytest

from netlab.errors import ScenarioError
from netlab.plan.build import build
from netlab.plan.resources import Route
from netlab.scenario.loader import load_text
from netlab.scenario.topology import HOST, Topology


def topology(text: str) -> Topology:
    return load_text(f"{dedent(text)}\nexpect: {{default: blocked}}\n".encode(), "x.yaml").topology


def metrics(node: str, text: str) -> dict[str, int | None]:
    return {adapter.interface: adapter.metric for adapter in topology(text).nodes[node].adapters}


VM = """
vmnets: {{vmnet0: {{mode: bridged}}, vmnet8: {{mode: nat, subnet: 10.0.0.0/24}}}}
vms: {{vm: {{nics: [{first}, {second}]}}}}
"""
CARDS = """
lans: {{cafe: {{subnet: 10.5.0.0/24}}, office: {{subnet: 10.6.0.0/24}}}}
host: {{nics: {{eth0: {eth0}, wlan0: {wlan0}, vpn0: {vpn0}}}}}
vmnets: {{vmnet0: {{mode: bridged, nic: automatic}}}}
vms: {{vm: {{nics: [vmnet0]}}}}
"""
SPLIT = "{lan: office, address: 10.6.0.9}"
FULL = "{lan: office, address: 10.6.0.9, default: true}"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("vmnet8", "vmnet0", (0, 1)),
        ("{network: vmnet8, metric: 300}", "vmnet0", (300, 101)),
        ("vmnet8", "{network: vmnet0, metric: 5}", (100, 5)),
        ("{network: vmnet8, default: false}", "vmnet0", (None, 1)),
    ],
)
def test_a_written_metric_makes_room_for_itself(first, second, expected):
    assert tuple(metrics("vm", VM.format(first=first, second=second)).values()) == expected


@pytest.mark.parametrize(
    ("cards", "expected", "uplink"),
    [
        (("{}", "{lan: cafe}", SPLIT), {"eth0": 0, "wlan0": 10, "vpn0": None}, "eth0"),
        (("{}", "{lan: cafe, metric: 9}", SPLIT), {"eth0": 100, "wlan0": 9, "vpn0": None}, "wlan0"),
        (("{}", "{lan: cafe}", FULL), {"eth0": 100, "wlan0": 600, "vpn0": 50}, "vpn0"),
        (
            ("{default: false}", "{lan: cafe}", SPLIT),
            {"eth0": None, "wlan0": 10, "vpn0": None},
            "wlan0",
        ),
        (
            ("{connected: false}", "{lan: cafe}", SPLIT),
            {"eth0": 0, "wlan0": 10, "vpn0": None},
            "wlan0",
        ),
        (
            ("{connected: false}", "{lan: cafe, connected: false}", FULL),
            {"eth0": 100, "wlan0": 600, "vpn0": 50},
            "eth0",
        ),
    ],
)
def test_the_host_leaves_by_the_lowest_metric_of_what_is_connected(cards, expected, uplink):
    text = CARDS.format(**dict(zip(("eth0", "wlan0", "vpn0"), cards, strict=True)))
    assert {name: metrics(HOST, text)[name] for name in expected} == expected
    assert topology(text).uplink.interface == uplink
    bridged = topology(text).networks["vmnet0"]
    assert not bridged.linked or bridged.nic != "vpn0"


def test_a_lan_has_the_default_route_of_its_best_card_only():
    text = """
        host: {nics: {eth0: 192.168.1.5, wlan0: {address: 192.168.1.6, metric: 10}}}
        vmnets: {vmnet0: {mode: bridged}}
        vms: {vm: {nics: [vmnet0]}}"""
    plan = build("x", topology(text))
    routes = [
        entry
        for entry in plan.resources
        if isinstance(entry, Route) and entry.namespace == "x.host"
    ]
    assert [str(route) for route in routes] == ["route x.host 0.0.0.0/0 via 192.168.1.1 metric 10"]


@pytest.mark.parametrize("mtu", ["", ", mtu: 1300", ", mtu: 1300, icmp_errors: false"])
def test_who_sends_into_a_narrow_tunnel_knows_its_size_unless_errors_are_filtered(mtu):
    text = f"""
        lans: {{company: {{subnet: 10.1.0.0/24, peers: {{server: 10.1.0.9, pc: {{}}}}}}}}
        host: {{nics: {{eth0: {{}}, vpn0: {{lan: company, address: 10.1.0.5{mtu}}}}}}}
        vmnets: {{vmnet0: {{mode: bridged}}}}
        vms: {{vm: {{nics: [vmnet0]}}}}"""
    plan = build("x", topology(text))
    narrow = [entry.namespace for entry in plan.resources if isinstance(entry, Route) and entry.mtu]
    assert narrow == (["x.company-router", "x.server"] if mtu == ", mtu: 1300" else [])


def mistakes(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as raised:
        topology(text)
    return [line.strip().partition(": ")[2] for line in str(raised.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            VM.format(first="{network: vmnet8, metric: 7}", second="{network: vmnet0, metric: 7}"),
            "vm's default routes by eth0 and eth1 have both the metric 7; give one of them another"
            " `metric`, or `default: false`",
        ),
        (
            VM.format(first="{network: vmnet8, metric: 7, default: false}", second="vmnet0"),
            "vm takes no default route by eth0 (`default: false`); remove `metric`, or `default: false`",
        ),
        (
            CARDS.format(eth0="{routes: [10.9.0.0/24]}", wlan0="{lan: cafe}", vpn0=SPLIT),
            "eth0 is a card, and only a VPN has `routes`; write it of a VPN: vpn0",
        ),
        (
            CARDS.format(eth0="{icmp_errors: false}", wlan0="{lan: cafe}", vpn0=SPLIT),
            "eth0 is a card, and only a VPN has `icmp_errors`; write it of the LAN, or of a VPN",
        ),
        (
            CARDS.format(eth0="{}", wlan0="{lan: cafe}", vpn0=SPLIT.replace("}", ", metric: 5}")),
            "the host has no default route by vpn0 that could have a metric; add `default: true`",
        ),
    ],
)
def test_a_mistake_says_what_to_do(text, mistake):
    assert mistakes(text) == [mistake]


FORWARDS = """
lans: {{cafe: {{subnet: 10.5.0.0/24}}}}
host: {{nics: {{eth0: {{}}, eth1: {{lan: cafe}}}}, forwards: [{first}, {second}]}}
vmnets:
  vmnet0: {{mode: bridged, nic: eth1}}
  vmnet1: {{mode: hostonly, subnet: 10.8.0.0/24}}
  vmnet8: {{mode: nat, subnet: 10.0.0.0/24}}
  virbr0: {{mode: libvirt-nat}}
  virbr1: {{mode: libvirt-isolated, subnet: 10.9.0.0/24}}
  vboxnet0: {{mode: vbox-hostonly}}
  default-switch: {{mode: hyperv-default}}
  natnetwork: {{mode: vbox-natnetwork, subnet: 10.7.0.0/24}}
segments: {{lan1: {{}}}}
vms: {{vm: {{nics: [vmnet8]}}}}
"""


@pytest.mark.parametrize(
    ("name", "interface"),
    [
        *((name, name) for name in ("vmnet1", "vmnet8", "virbr1", "vboxnet0", "default-switch")),
        *(("lan", "eth0"), ("cafe", "eth1"), ("vmnet0", "eth1")),
    ],
)
def test_the_host_forwards_between_networks_of_every_kind(name, interface):
    found = topology(FORWARDS.format(first="virbr0", second=name))
    assert set(found.host_interfaces(found.scenario.host.forwards)) == {"virbr0", interface}


@pytest.mark.parametrize("name", ["natnetwork", "lan1"])
def test_where_the_host_has_no_adapter_it_cannot_forward(name):
    assert mistakes(FORWARDS.format(first="virbr0", second=name))[0].startswith(
        f"the host has no adapter on '{name}'"
    )


def test_a_network_alone_is_not_enough_by_another_name_either():
    text = FORWARDS.format(first="cafe", second="vmnet0")
    assert mistakes(text) == ["one network is not enough to forward; name two or more"]
