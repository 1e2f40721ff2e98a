"""The physical side: several LANs, cards that are unplugged or moved, and bridges that follow them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import Lease
from netlab.scenario.loader import load_text
from tests.machine import inside

NAME = "physical"
CARDS = """
lans: {cafe: {subnet: 10.5.0.0/24}}
host: {nics: {eth0: {}, wlan0: {lan: cafe}}}
vmnets: {vmnet0: {mode: bridged}}
vms: {vm1: {nics: [{network: vmnet0, replicate: true}]}}
expect: {default: blocked}
"""


@pytest.fixture
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("two-uplinks"), NAME)) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach(NAME)


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.set_value(now(), target, settings))
    assert not lab.status(now()).drift


def reaches(source: str, target: str) -> bool:
    return lab.trace(now(), source, target).diagnosis.verdict is Verdict.ANSWERED


def answers(source: str, target: str) -> bool:
    """As `reaches`, without a trace's patience."""
    ping = ("busybox", "ping", "-c", "1", "-W", "1", target)
    return inside(f"{NAME}.{source}", *ping).returncode == 0


def seen_by_the_internet(source: str) -> str:
    return inside(f"{NAME}.{source}", "busybox", "wget", "-qO-", "http://www.example.com").stdout


def address(node: str, interface: str = "eth0") -> str:
    fact = Lease(f"{NAME}.{node}", interface)
    return services.lease(RunDirectory(NAME), fact).get("address", "")


def test_an_automatic_bridge_moves_with_the_default_route(running):
    assert address("vm1") == "192.168.1.128/24"
    assign("host.eth0", connected="false")
    assert address("vm1").startswith("10.20.0.")
    assert reaches("vm1", "printer")
    assert not answers("vm1", "192.168.1.50")
    # The host and its NAT VMs leave by the card that is left.
    assert "198.51.100.2" in seen_by_the_internet("host")
    assert "198.51.100.2" in seen_by_the_internet("vm2")
    assign("host.eth0", connected="true")
    assert address("vm1") == "192.168.1.128/24"
    assert "203.0.113.1" in seen_by_the_internet("vm2")


def test_a_card_moved_to_another_lan():
    with lab.running(lab.prepare(load_text(CARDS.encode(), "x.yaml"), NAME)):
        assert address("vm1") == "192.168.1.129/24"
        assign("host.eth0", lan="cafe")
        assert address("vm1") == "10.5.0.130/24"
        assert address("host").startswith("10.5.0.")
        assert "198.51.100.2" in seen_by_the_internet("vm1")
        assert "198.51.100.2" in seen_by_the_internet("host")


def test_without_replicate_a_vm_does_not_notice(running):
    assign("vm1.eth0", replicate="false")
    old = address("vm1")
    assign("host.eth0", connected="false")
    assert address("vm1") == old
    assert not answers("vm1", "10.20.0.9")


def test_an_excluded_card_is_not_taken(running):
    assign("vmnet0", excluded="[eth1]")
    assign("host.eth0", connected="false")
    assert not lab.attach(NAME).topology.nodes["vm1"].primary.connected
    assert not answers("vm1", "192.168.1.50")
    assert reaches("vm2", "printer")


def test_without_any_card_vms_on_one_host_still_meet(running):
    assign("host.eth1", connected="false")
    assign("host.eth0", connected="false")
    assert not answers("vm2", "203.0.113.80")
    assert answers("vm2", "10.0.0.1")
    assign("host.eth0", connected="true")
    assert reaches("vm1", "internet")


def test_a_wired_card_comes_before_wifi():
    with lab.running(lab.prepare(load_text(CARDS.encode(), "x.yaml"), NAME)) as up:
        assert not lab.status(up).drift
        routes = inside(f"{NAME}.host", "ip", "route").stdout
    assert "default via 192.168.1.1 dev eth0" in routes
    assert "default via 10.5.0.1 dev wlan0 metric 10" in routes


def test_a_lan_without_dhcp_gives_no_address():
    text = (
        "lans: {lab: {subnet: 10.5.0.0/24, dhcp: false}}\n"
        "host: {nics: {eth0: {lan: lab}}}\n"
        "vmnets: {vmnet0: {mode: bridged}}\nvms: {vm1: {nics: [vmnet0]}}\nexpect: {default: blocked}\n"
    )
    with lab.running(lab.prepare(load_text(text.encode(), "x.yaml"), NAME)) as up:
        assert not lab.status(up).drift
        assert not address("vm1")
        assert not address("host")


def test_a_vm_in_the_vpn_s_part_of_the_vmnet_gets_no_answer_from_its_host():
    with lab.running(lab.prepare(lab.load("vpn-overlap"), NAME)):
        assert answers("vm1", "10.0.0.1")
        assert answers("host", "10.0.0.200")
        assert not answers("vm1", "10.0.0.200")
        assign("vm1.eth0", address="10.0.0.150")
        assert not answers("vm1", "10.0.0.1")
        assert not answers("host", "10.0.0.150")
        assert answers("vm1", "203.0.113.80")


def test_a_vmnet_of_the_lan_s_subnet_comes_and_goes_live():
    other = lab.load("same-subnet").text.replace(b"192.168.1.0/24}", b"10.0.0.0/24}")
    other = other.replace(b", firewall: [icmp]", b"")
    other = other[: other.index(b"expect:")] + b"expect: {default: blocked}\n"
    with lab.running(lab.prepare(load_text(other, "x.yaml"), NAME)):
        assert answers("vm1", "192.168.1.50")
        assert answers("vm1", "10.0.0.1")
        assign("vmnet8", subnet="192.168.1.0/24")
        assert "neighbours" in now().source.warnings[0].what
        assert answers("vm1", "203.0.113.80")
        assert answers("host", "192.168.1.50")
        assert not answers("vm1", "192.168.1.50")
        found = lab.trace(now(), "vm1", "host").diagnosis
        assert (found.at, found.cause) == ("host", Cause.NO_RETURN_PATH), found
        assign("vmnet8", subnet="10.0.0.0/24")
        assert answers("vm1", "192.168.1.50")
        assert answers("vm1", "10.0.0.1")


def test_nat_reaches_what_the_host_reaches_by_vpn():
    text = lab.load("vpn-overlap").text.replace(b"10.0.0.0/24", b"10.9.0.0/24")
    text = text.replace(b"10.0.0.20,", b"10.9.0.20,").replace(b"10.0.0.2}", b"10.9.0.2}")
    text = text[: text.index(b"expect:")] + b"expect: {default: blocked}\n"
    with lab.running(lab.prepare(load_text(text, "x.yaml"), NAME)):
        assert answers("vm1", "10.0.0.200")


def test_a_bridged_vm_logs_in_itself():
    with lab.running(lab.prepare(lab.load("campus"), NAME)):
        assert not answers("vm1", "203.0.113.80")
        assert not answers("pc", "203.0.113.80")
        found = lab.trace(now(), "vm1", "internet").diagnosis
        assert (found.at, found.cause) == ("router", Cause.FIREWALL)
        assert "nobody has logged in" in found.evidence
        assign("lan", logged_in="[host, vm1]")
        assert answers("vm1", "203.0.113.80")
        assert not answers("pc", "203.0.113.80")
        assign("lan", logged_in="[]")
        assert not answers("vm2", "203.0.113.80")


def test_over_wifi_the_host_s_login_is_the_vm_s_too():
    text = lab.load("campus").text.replace(b"eth0: 10.30", b"wlan0: 10.30")
    with lab.running(lab.prepare(load_text(text, "x.yaml"), NAME)):
        assert answers("vm1", "203.0.113.80")
        assert not answers("pc", "203.0.113.80")


def test_who_is_not_admitted_gets_no_lease_and_the_trace_says_why():
    with lab.running(lab.prepare(lab.load("tethering"), NAME)) as up:
        found = lab.trace(up, "vm2", "internet").diagnosis
        assert (found.at, found.cause) == ("lan", Cause.MAC_NOT_ALLOWED)
        text = up.source.text.replace(b"address: 192.168.43.50, gateway: 192.168.43.1", b"")
        lab.apply(now(), load_text(text.replace(b"vmnet0, }", b"vmnet0}"), "x.yaml"))
        assert not lab.status(now()).drift
        assert not address("vm2")
        assign("lan", admits="2")
        assert address("vm2") == "192.168.43.129/24"
        assert answers("vm2", "203.0.113.80")


def test_an_exhausted_pool():
    with lab.running(lab.prepare(lab.load("pool-exhausted"), NAME)):
        assert not address("vm1")
        found = lab.trace(now(), "vm1", by="dhcp").diagnosis
        assert (found.at, found.cause) == ("router", Cause.DHCP_POOL_EXHAUSTED)
        assign("lan", dhcp="{range: [192.168.1.100, 192.168.1.102]}")
        assert address("vm1") == "192.168.1.102/24"


def test_sharing_ends_with_the_adapter_that_is_shared_with():
    with lab.running(lab.prepare(lab.load("connection-sharing"), NAME)) as up:
        lab.apply(now(), lab.set_value(now(), "vmnet1", {"adapter": "off"}))
        assert not lab.status(now()).drift
        lab.apply(now(), lab.set_value(now(), "vmnet1", {"adapter": "none"}))
        assert now().source.scenario.host.shares is None
        assert not lab.status(now()).drift
        lab.apply(now(), up.source)
        assert lab.trace(now(), "vm1", "internet").diagnosis.verdict is Verdict.ANSWERED
    with lab.running(lab.prepare(lab.load("host-routes"), NAME)):
        lab.apply(now(), lab.set_value(now(), "vmnet1", {"adapter": "none"}))
        assert not now().source.scenario.host.forwards
        assert not lab.status(now()).drift


def test_a_hot_spot_of_the_host_s_that_devices_join_and_leave():
    with lab.running(lab.prepare(lab.load("mobile-hotspot"), NAME)):
        assert address("phone", "wlan0") == "192.168.137.2/24"
        assert "203.0.113.1" in seen_by_the_internet("phone"), "a name, asked of the host"
        assign("host", hotspot="{phone: {}, tablet: 192.168.137.50}")
        assert address("phone", "wlan0") == "192.168.137.2/24"
        assert "203.0.113.1" in seen_by_the_internet("tablet")
        assert answers("phone", "192.168.137.50")
        # Off, and another network has Windows' sharing.
        text = now().source.text
        off = text[: text.index(b"expect:")] + b"expect: {default: blocked}\n"
        lab.apply(now(), load_text(off, "x.yaml"))
        assign("host", hotspot="")
        assert "phone" not in lab.node_names(NAME)
        assert answers("vm1", "203.0.113.80")


def test_sharing_that_is_switched_on_and_off():
    with lab.running(lab.prepare(lab.load("connection-sharing"), NAME)):
        looked_up = inside(f"{NAME}.vm1", "busybox", "nslookup", "www.example.com", "192.168.137.1")
        assert "203.0.113.80" in looked_up.stdout
        assert "203.0.113.1" in seen_by_the_internet("vm1")
        assign("host", shares="")
        assert not answers("vm1", "203.0.113.80")
        assert answers("vm1", "192.168.137.1")
        assign("host", shares="vmnet1")
        assert answers("vm1", "203.0.113.80")
