"""Ports that lead elsewhere: how they are written, and what a file is warned of."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netlab import lab
from netlab.errors import ScenarioError, UsageError
from netlab.scenario.loader import load_text
from netlab.scenario.ports import ForwardedPorts, forwarded_ports
from netlab.scenario.text import edit

LOOPBACK = IPv4Address("127.0.0.1")


@pytest.mark.parametrize(
    ("text", "ports", "plain"),
    [
        ("8080", ForwardedPorts(8080, 8080), "8080"),
        ("0080", ForwardedPorts(80, 80), "80"),
        ("8000-8010", ForwardedPorts(8000, 8010), "8000-8010"),
        ("127.0.0.1:2222", ForwardedPorts(2222, 2222, LOOPBACK), "127.0.0.1:2222"),
        ("127.0.0.1:1-3", ForwardedPorts(1, 3, LOOPBACK), "127.0.0.1:1-3"),
        ("0.0.0.0:80", ForwardedPorts(80, 80), "80"),
    ],
)
def test_ports_are_read_as_they_are_written(text, ports, plain):
    assert forwarded_ports(text) == ports
    assert str(ports) == plain


@pytest.mark.parametrize(
    "text",
    ["", "http", "0", "65536", "9-8", "-80", "80-", "127.0.0.1", "1.2.3:80", "::1:80", "80/udp"],
)
def test_what_is_no_port_is_refused(text):
    with pytest.raises(ValueError, match="must be "):
        forwarded_ports(text)


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ("80", "80", True),
        ("80", "81", False),
        ("80-90", "85", True),
        ("80-90", "91-95", False),
        ("80", "127.0.0.1:80", True),
        ("192.168.1.5:80", "127.0.0.1:80", False),
    ],
)
def test_ports_overlap_at_one_address(first, second, overlap):
    assert forwarded_ports(first).overlaps(forwarded_ports(second)) is overlap
    assert forwarded_ports(second).overlaps(forwarded_ports(first)) is overlap


SCENARIO = """
lan: {{peers: {{pc: 192.168.1.50}}, forwards: {{tcp: {{{router}}}}}}}
host: {{nics: {{eth0: 192.168.1.100, eth1: {{}}}}, firewall: {firewall}}}
vmnets:
  vmnet8: {{mode: nat, subnet: 10.0.0.0/24, nat: {{forwards: {{tcp: {{{vmware}}}}}}}}}
  vbox: {{mode: vbox-natnetwork, subnet: 10.0.9.0/24, nat: {{forwards: {{tcp: {{{vbox}}}}}}}}}
vms: {{vm1: {{nics: [vmnet8]}}, box: {{nics: [vbox]}}}}
expect: {{default: blocked}}
"""


def loaded(router="", vmware="", vbox="", firewall="off"):
    text = SCENARIO.format(router=router, vmware=vmware, vbox=vbox, firewall=firewall)
    return load_text(text.encode(), "x.yaml")


@pytest.mark.parametrize(
    ("forwards", "warning"),
    [
        ({"vbox": '"127.0.0.1:80": "box:80"'}, None),
        ({"vbox": '"192.168.1.100:80": "box:80"'}, None),
        ({"vbox": '"10.0.0.1:80": "box:80"'}, None),
        ({"vbox": '"192.168.1.177:80": "box:80"'}, None),  # eth1 asks DHCP there.
        (
            {"vbox": '"172.16.0.1:80": "box:80"'},
            "the host has no address 172.16.0.1: nobody reaches",
        ),
        (
            {"router": '"192.168.1.1:80": "pc:80"'},
            "router has no address 192.168.1.1: nobody reaches",
        ),
        ({"router": '"203.0.113.1:80": "host:80"'}, None),
        ({"vmware": '"127.0.0.1:80": "vm1:80"'}, "has no place for 127.0.0.1"),
        ({"vbox": '80-82: "box:80"', "firewall": "[tcp:81]"}, "does not let tcp 80-82 in"),
        ({"vbox": '"127.0.0.1:80": "box:80"', "firewall": "on"}, None),
    ],
)
def test_a_forward_that_nobody_may_reach_is_warned_of(forwards, warning):
    warned = [entry.what for entry in loaded(**forwards).warnings]
    assert [warning in text for text in warned] == ([True] if warning else [])


def test_a_port_at_two_addresses_may_lead_to_one_place():
    source = loaded(vbox='"127.0.0.1:80": "box:80", "192.168.1.100:80": "box:80"')
    rules = [
        str(entry) for entry in lab.prepare(source).plan.resources if "x.vbox-nat" in str(entry)
    ]
    assert "".join(rules).count("tcp dport 80 dnat to 10.0.9.4:80") == 1
    with pytest.raises(ScenarioError, match="lead to different places on vbox"):
        loaded(vbox='"127.0.0.1:80": "box:80", "192.168.1.100:80": "box:81"')


def test_the_firewall_shuts_the_ports_of_a_range_that_it_names():
    source = loaded(vbox='80-90: "box:80"', firewall="[tcp:82, tcp:83]")
    rules = next(
        entry.text for entry in lab.prepare(source).plan.resources if "firewall" in str(entry)
    )
    assert "tcp dport 82-83 drop" in rules
    assert rules.count("does not let") == 1


DATA = {
    "vmnets": {
        "vmnet8": {
            "mode": "nat",
            "nat": {"forwards": {"tcp": {"0080": "vm1:80", "127.0.0.1:22": "vm1:22"}}},
        }
    },
    "lans": {"office": {"forwards": {"udp": {"500-510": "pc:500"}}}},
}


def test_forwards_are_added_to_their_network():
    for network in ("vmnet8", "office", "lan"):
        added = edit.add_forward(DATA, network, "tcp", forwarded_ports("90-95"), "a:90")
        assert added != DATA
        assert edit.remove_forward(added, "tcp", forwarded_ports("90-95"), network) != added
    for taken in ("80", "79-81", "127.0.0.1:80"):
        with pytest.raises(UsageError, match="port 80 leads to vm1:80 already"):
            edit.add_forward(DATA, "vmnet8", "tcp", forwarded_ports(taken), "a:90")
    with pytest.raises(UsageError, match="the router's udp port 500-510 leads"):
        edit.add_forward(DATA, "office", "udp", forwarded_ports("505"), "a:90")
    with pytest.raises(UsageError, match="there is no vmnet 'vmnet9'"):
        edit.add_forward(DATA, "vmnet9", "tcp", forwarded_ports("90"), "a:90")


def test_forwards_are_removed_by_their_ports():
    for ports in ("80", "22", "127.0.0.1:22"):
        assert edit.remove_forward(DATA, "tcp", forwarded_ports(ports)) != DATA
    assert edit.remove_forward(DATA, "udp", forwarded_ports("500-510")) != DATA
    for protocol, ports, network in (
        ("tcp", "192.168.1.1:22", None),
        ("tcp", "81", None),
        ("tcp", "80", "office"),
        ("udp", "505", None),
    ):
        with pytest.raises(UsageError, match="no forward has the "):
            edit.remove_forward(DATA, protocol, forwarded_ports(ports), network)
