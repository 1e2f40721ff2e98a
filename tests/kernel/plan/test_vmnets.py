"""vmnets and LAN segments on a running lab: each setting as packets meet it, changed live."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import ScenarioError
from netlab.scenario.loader import load_text
from tests.machine import inside
from tests.pace import HANG_SECONDS

SCENARIO = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet2: {mode: custom, subnet: 10.0.2.0/24}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
segments: {seg1: {subnet: 10.0.1.0/24}, seg2: {}}
vms:
  vm1: {nics: [vmnet8]}
  vm2: {nics: [vmnet8]}
  vm3: {nics: [vmnet8]}
expect: {default: blocked}
"""


@pytest.fixture(autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(SCENARIO.encode(), "v.yaml"), "vm")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("vm")


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.set_value(now(), target, settings))
    assert not lab.status(now()).drift


def on(node: str, *command: str) -> str:
    return inside(f"vm.{node}", *command).stdout


def end(source: str, target: str | None = None, by: str = "icmp") -> tuple[str, Cause | None]:
    found = lab.trace(now(), source, target, by).diagnosis
    return found.at, found.cause


def reaches(source: str, target: str, by: str = "icmp") -> bool:
    return lab.trace(now(), source, target, by).diagnosis.verdict is Verdict.ANSWERED


def test_onto_a_segment_and_back():
    assign("vm1.eth0", network="seg1", address="10.0.1.1")
    assign("vm2.eth0", network="seg1", address="10.0.1.2")
    assert reaches("vm1", "vm2")
    assert end("vm1", "host") == ("vm1", Cause.NO_ROUTE)


def test_a_segment_without_a_subnet_leaves_a_vm_without_address():
    assign("vm1.eth0", network="seg2")
    assert end("vm1", "10.0.0.2") == ("vm1", Cause.NO_ADDRESS)
    assert not on("vm1", "ip", "-4", "-br", "address", "show", "eth0").split()[2:]


def test_a_custom_network_gets_dhcp_and_a_host_adapter_when_it_is_told_to():
    assign("vmnet2", dhcp="true")
    assign("vm1.eth0", network="vmnet2")
    assert "10.0.2.128/24" in on("vm1", "ip", "-4", "address")
    assert not on("vm1", "ip", "route", "show", "default")
    assert end("vm1", "10.0.2.1") == ("vm1", Cause.ARP_UNANSWERED)
    assign("vmnet2", adapter="on")
    assert reaches("vm1", "10.0.2.1")


def test_dhcp_switched_off_and_on_again():
    assign("vmnet8", dhcp="false")
    assert end("vm1", by="dhcp")[1] is Cause.DHCP_NO_OFFER
    assert "10.0.0.128" in on("vm1", "ip", "-4", "address"), "a lease lives on until it ends"
    assign("vmnet8", dhcp="true")
    assert reaches("vm1", "internet")


def test_a_host_adapter_s_address_and_gateway():
    assign("vmnet8", adapter="{address: 10.0.0.9, gateway: 10.0.0.2, dns: 10.0.0.2}")
    assert reaches("vm1", "10.0.0.9")
    assert end("vm1", "10.0.0.1") == ("vm1", Cause.ARP_UNANSWERED)
    routes = on("host", "ip", "route", "show", "default").splitlines()
    assert [row.split()[2] for row in routes] == ["192.168.1.1", "10.0.0.2"], "the card's wins"
    assert "nameserver 10.0.0.2\n" in on("host", "cat", "/etc/resolv.conf")


def lease(vm: str) -> dict[str, str]:
    (interface,) = next(m.interfaces for m in lab.status(now()).machines if m.name == vm)
    return interface.lease


def test_what_dhcp_hands_out_is_what_is_set(running):
    lab.down(running.name)
    settings = (
        "range: [10.0.0.20, 10.0.0.30], lease: 600, domain: lab.example, dns: [8.8.8.8, 1.1.1.1]"
    )
    dhcp = f"dhcp: {{{settings}, reservations: {{vm3: 10.0.0.77}}}}"
    text = SCENARIO.replace("subnet: 10.0.0.0/24", f"subnet: 10.0.0.0/24, {dhcp}")
    lab.up(lab.prepare(load_text(text.encode(), "v.yaml"), "vm"))
    found = lease("vm1")
    assert (found["address"], found["seconds"]) == ("10.0.0.20/24", "600")
    assert (found["domain"], found["dns"]) == ("lab.example", "8.8.8.8 1.1.1.1")
    assert [lease(vm)["address"] for vm in ("vm2", "vm3")] == ["10.0.0.21/24", "10.0.0.77/24"]


def test_who_asks_for_a_long_lease_gets_the_longest():
    def told(*asked: str) -> str:
        client = ("busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", "/bin/true")
        return inside("vm.vm1", *client, *asked).stderr

    assert "lease time 1800" in told()
    assert "lease time 3600" in told("-x", "lease:3600")
    assert "lease time 7200" in told("-x", "lease:99999")


def test_a_pool_that_is_too_small_leaves_the_last_without_an_address():
    assign("vmnet8", dhcp="{range: [10.0.0.20, 10.0.0.21]}", subnet="10.0.0.0/24")
    assert any("leases 2 addresses" in warning.what for warning in now().source.warnings)
    assign("vm3.eth0", network="vmnet2")
    assign("vm3.eth0", network="vmnet8")
    assert end("vm3", by="dhcp") == ("vmnet8-dhcp", Cause.DHCP_POOL_EXHAUSTED)
    assign("vmnet8", dhcp="{range: [10.0.0.20, 10.0.0.22]}")
    assert reaches("vm3", "internet")


def test_a_subnet_s_change_keeps_what_still_fits_and_says_what_does_not():
    assign("vmnet8", dhcp="{range: [10.0.0.20, 10.0.0.30]}", nat="{gateway: 10.0.0.10}")
    assign("vmnet8", subnet="10.0.0.0/25")
    assert "10.0.0.10" in on("vmnet8-nat", "ip", "-4", "-br", "address", "show", "eth0")
    with pytest.raises(ScenarioError) as raised:
        lab.set_value(now(), "vmnet8", {"subnet": "10.7.0.0/24"})
    assert "the NAT device of vmnet8's address 10.0.0.10 is outside" in str(raised.value)
    assert "the DHCP range's 10.0.0.20 is outside" in str(raised.value)
    assign("vmnet8", subnet="10.7.0.0/24", dhcp="", nat="")
    assert reaches("vm1", "internet")


def foreign_frames(at: str, source: str, target: str) -> int:
    """How many of a conversation's frames a third machine's adapter gets."""
    assert reaches(source, target)  # Who is where is known, if anybody learns it.
    path = "/sys/class/net/eth0/statistics/rx_packets"
    before = int(on(at, "cat", path))
    address = on(target, "hostname", "-I").split()[0]
    assert " 0% packet loss" in on(source, "ping", "-c20", "-i0.01", "-W2", address)
    return int(on(at, "cat", path)) - before


def test_a_hub_gives_every_frame_to_everybody_and_a_switch_does_not():
    assert foreign_frames("vm3", "vm1", "vm2") < 10
    assign("vmnet8", switching="hub")
    assert foreign_frames("vm3", "vm1", "vm2") >= 40
    assert reaches("vm1", "internet")
    assign("vmnet8", switching="switch")
    assert foreign_frames("vm3", "vm1", "vm2") < 10


def overheard(at: str, source: str, target: str) -> int:
    """How many packets of others' pings tcpdump shows on a machine, in promiscuous mode."""
    listener = ["ip", "netns", "exec", f"vm.{at}", "tcpdump", "-lni", "eth0", "icmp"]
    address = on(target, "hostname", "-I").split()[0]
    with subprocess.Popen(
        listener, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tcpdump:
        assert tcpdump.stderr and any("listening on" in line for line in tcpdump.stderr)
        assert " 0% packet loss" in on(source, "ping", "-c10", "-i0.01", "-W2", address)
        # The last word, which it hears itself: what came before is printed by then.
        on(at, "ping", "-c1", "-W2", "-s100", "10.0.0.1")
        heard = []
        for line in tcpdump.stdout or ():
            if "length 108" in line and "reply" in line:
                break
            heard.append(line)
        tcpdump.terminate()
        tcpdump.communicate(timeout=HANG_SECONDS)
    return sum("length 64" in line for line in heard)


def test_who_may_not_enter_promiscuous_mode_hears_nothing_on_a_hub_either():
    assert reaches("vm1", "vm2")
    assign("vmnet8", switching="hub", promiscuous="false")
    assert overheard("vm3", "vm1", "vm2") == 0
    assert reaches("vm3", "internet")
    assign("vm3.eth0", promiscuous="true")
    assert overheard("vm3", "vm1", "vm2") == 20
    assert foreign_frames("vm2", "vm1", "vm3") < 10
    assign("vmnet8", switching="switch")
    assert reaches("vm1", "vm2")  # The switch learns who is where.
    assert overheard("vm3", "vm1", "vm2") == 0
