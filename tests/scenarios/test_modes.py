"""What must be true of each mode beside the matrix: leases, names, frames, and who is seen."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from netlab import lab
from tests.machine import inside
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel


@pytest.fixture(scope="module", autouse=True)
def running():
    with lab.running(lab.prepare(lab.load("three-modes"), "modes")) as up:
        yield up


BRIDGED, NAT, OTHER_NAT, HOST_ONLY = "vm1", "vm2", "vm3", "vm4"


def on(node: str, *command: str) -> subprocess.CompletedProcess[str]:
    return inside(f"modes.{node}", *command)


def default_routes(node: str) -> list[str]:
    return [row for row in on(node, "ip", "route").stdout.splitlines() if row.startswith("default")]


@pytest.mark.parametrize(
    ("vm", "server", "gateway", "dns"),
    [
        (BRIDGED, "192.168.1.1", "192.168.1.1", "192.168.1.1"),
        (NAT, "10.0.0.254", "10.0.0.2", "10.0.0.2"),
        (HOST_ONLY, "172.16.78.254", None, "172.16.78.1"),
    ],
)
def test_lease_gateway_and_dns_come_from_whom_vmware_lets_them_come(
    running, vm, server, gateway, dns
):
    (interface,) = next(m.interfaces for m in lab.status(running).machines if m.name == vm)
    assert interface.lease["server"] == server
    assert interface.lease["dns"] == dns
    assert interface.lease["router"] == (gateway or "")
    wanted = [f"default via {gateway} dev eth0 "] if gateway else []
    assert default_routes(vm) == wanted
    assert f"nameserver {dns}\n" in on(vm, "cat", "/etc/resolv.conf").stdout


def test_a_nat_lease_has_vmware_s_time_domain_and_wins(running):
    (interface,) = next(m.interfaces for m in lab.status(running).machines if m.name == NAT)
    assert (interface.lease["seconds"], interface.lease["domain"]) == ("1800", "localdomain")


@pytest.mark.parametrize("vm", [BRIDGED, NAT])
def test_names_of_the_internet_resolve(vm):
    assert "203.0.113.80" in on(vm, "getent", "ahostsv4", "www.example.com").stdout


def test_no_name_resolves_on_host_only():
    assert on(HOST_ONLY, "timeout", "1", "getent", "hosts", "www.example.com").returncode != 0


@pytest.mark.parametrize(("vm", "seen"), [(BRIDGED, "203.0.113.1"), (NAT, "203.0.113.1")])
def test_the_internet_sees_the_home_routers_public_address(vm, seen):
    page = on(vm, "curl", "-sS", "-m", "5", "http://www.example.com/").stdout
    assert f"You come from {seen}," in page


def link(node: str, interface: str) -> str:
    return on(node, "cat", f"/sys/class/net/{interface}/address").stdout.strip()


def frames(node: str, interface: str, sender: str, target: str) -> str:
    """What tcpdump sees of one ping."""
    sniffer = subprocess.Popen(
        ["ip", "netns", "exec", f"modes.{node}", "tcpdump", "-lenc1", "-i", interface,
         "icmp[icmptype] == icmp-echo"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for row in sniffer.stderr:
        if "listening on" in row:
            break
    assert on(sender, "ping", "-c1", "-W2", target).returncode == 0
    output, _ = sniffer.communicate(timeout=HANG_SECONDS)
    return output


def test_a_lan_peer_sees_the_hosts_address_and_mac_of_a_nat_vm():
    seen = frames("pc", "eth0", NAT, "192.168.1.50")
    assert f"{link('host', 'eth0')} > {link('pc', 'eth0')}" in seen
    assert "192.168.1.100 > 192.168.1.50" in seen


def test_a_lan_peer_sees_the_vms_own_address_and_mac_when_bridged():
    seen = frames("pc", "eth0", BRIDGED, "192.168.1.50")
    assert f"{link(BRIDGED, 'eth0')} > {link('pc', 'eth0')}" in seen
    address = on(BRIDGED, "hostname", "-I").stdout.split()[0]
    assert f"{address} > 192.168.1.50" in seen


def counter(node: str, interface: str) -> int:
    """Packets that the node received."""
    path = f"/sys/class/net/{interface}/statistics/rx_packets"
    return int(on(node, "cat", path).stdout)


@pytest.mark.parametrize(("sender", "target"), [(NAT, "10.0.0.129"), ("host", "10.0.0.128")])
def test_neighbours_on_vmnet8_meet_on_the_switch_and_not_at_the_nat_device(sender, target):
    assert on(sender, "ping", "-c1", "-W2", target).returncode == 0  # ARP is done.
    before = counter("vmnet8-nat", "eth0")
    assert on(sender, "ping", "-c20", "-i0.01", "-W2", target).returncode == 0
    assert counter("vmnet8-nat", "eth0") - before < 10


def test_frames_between_a_bridged_vm_and_its_host_never_reach_the_lan():
    assert on(BRIDGED, "ping", "-c1", "-W2", "192.168.1.100").returncode == 0
    before = counter("lan", "vmnet0")
    assert on(BRIDGED, "ping", "-c20", "-i0.01", "-W2", "192.168.1.100").returncode == 0
    assert counter("lan", "vmnet0") - before < 10


def test_without_the_host_adapter_vms_still_reach_the_internet():
    assert on("host", "ip", "link", "set", "vmnet8", "down").returncode == 0
    try:
        assert on(NAT, "ping", "-c1", "-W2", "www.example.com").returncode == 0
        assert on(NAT, "ping", "-c1", "-W1", "10.0.0.129").returncode == 0
        assert on(NAT, "ping", "-c1", "-W1", "10.0.0.1").returncode != 0
    finally:
        on("host", "ip", "link", "set", "vmnet8", "up")


def test_without_the_nat_device_neighbours_and_host_still_reach_each_other():
    assert on("vmnet8-nat", "ip", "link", "set", "eth0", "down").returncode == 0
    try:
        assert on(NAT, "ping", "-c1", "-W1", "10.0.0.129").returncode == 0
        assert on("host", "ping", "-c1", "-W1", "10.0.0.128").returncode == 0
        assert on(NAT, "ping", "-c1", "-W1", "192.168.1.50").returncode != 0
    finally:
        on("vmnet8-nat", "ip", "link", "set", "eth0", "up")
        on("vmnet8-nat", "ip", "route", "replace", "default", "via", "169.254.0.33")


def test_the_nat_device_forwards_nothing_for_the_host_adapter():
    on("host", "ip", "route", "add", "203.0.113.80/32", "via", "10.0.0.2", "dev", "vmnet8")
    try:
        assert on("host", "ping", "-c1", "-W1", "203.0.113.80").returncode != 0
    finally:
        on("host", "ip", "route", "del", "203.0.113.80/32")
    assert on("host", "ping", "-c1", "-W2", "203.0.113.80").returncode == 0


def test_other_protocols_do_not_pass_the_nat_device():
    send = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253);"  # RFC 3692
        "s.sendto(b'experiment', ('192.168.1.50', 0))"
    )

    def arrived_at_pc(sender: str) -> bool:
        before = _unknown_protocols(on("pc", "cat", "/proc/net/snmp").stdout)
        assert on(sender, "python3", "-c", send).returncode == 0
        assert on(sender, "ping", "-c1", "-W2", "192.168.1.50").returncode == 0  # Not sooner.
        return _unknown_protocols(on("pc", "cat", "/proc/net/snmp").stdout) != before

    assert arrived_at_pc("host"), "the counter counts"
    assert arrived_at_pc(BRIDGED)
    assert not arrived_at_pc(NAT)


def _unknown_protocols(snmp: str) -> str:
    names, values = [row.split() for row in snmp.splitlines() if row.startswith("Ip:")]
    return values[names.index("InUnknownProtos")]


def test_a_lease_is_renewed_without_losing_the_address(running):
    from netlab.kernel.rundir import RunDirectory
    from netlab.plan.resources import Lease

    run = RunDirectory("modes")
    fact = Lease(f"modes.{NAT}", "eth0")
    file = run.lease(fact.namespace, fact.interface)
    before = file.stat().st_ino
    pid = (run.service(fact.namespace, "dhcp-client-eth0") / "pid").read_text().split()[0]
    os.kill(int(pid), signal.SIGUSR1)
    for _ in range(200):
        if file.stat().st_ino != before:
            break
        on(NAT, "sleep", "0.02")
    assert file.stat().st_ino != before, "no renewal within 4 s"
    assert "10.0.0.128/24" in on(NAT, "ip", "-br", "address", "show", "eth0").stdout
