"""VMware's NAT device: ports that lead to VMs, what it forgets and when, what it answers itself."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import ScenarioError, UsageError
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import connections
from netlab.kernel.signals import Interruption
from netlab.kernel.wait import wait_until
from netlab.scenario.loader import load_text
from tests.machine import inside, netlab
from tests.pace import HANG_SECONDS

SCENARIO = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet8:
    mode: nat
    subnet: 10.0.0.0/24
    nat: {gateway: 10.0.0.10, dns: [203.0.113.80], udp_timeout: 1, time_wait_timeout: 1,
          forwards: {tcp: {8080: vm1:80}}}
  vmnet9: {mode: nat, subnet: 10.0.9.0/24}
vms:
  vm1: {nics: [vmnet8]}
  vm2: {nics: [vmnet8]}
  vm3: {nics: [vmnet9]}
expect: {default: blocked}
"""
HOST, PORT = "192.168.1.100", 8080


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(SCENARIO.encode(), "n.yaml"), "natd")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("natd")


def end(source: str, target: str, by: str) -> tuple[str, Cause | None]:
    found = lab.trace(now(), source, target, by).diagnosis
    return found.at, found.cause


@contextmanager
def waiting(node: str, port: int, kind: int = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    """A program on a machine that waits on a port."""
    with netns.inside(f"natd.{node}"):
        waits = socket.socket(socket.AF_INET, kind)
    with closing(waits):
        waits.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        waits.settimeout(HANG_SECONDS)
        waits.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            waits.listen()
        yield waits


@contextmanager
def server_of_a_user(port: int) -> Iterator[None]:
    """A program that lives on the host, started by a person."""
    with waiting("host", port) as server, netns.inside("natd.host"):
        descriptors = [server.fileno()]
        program = subprocess.Popen(["sleep", "60"], pass_fds=descriptors)
    try:
        yield
    finally:
        program.kill()
        program.wait()


def seen_as(source: str, at: str = HOST) -> str:
    """Whose address vm1's server sees when a machine calls the host's port."""
    with waiting("vm1", 80) as server:
        with netns.inside(f"natd.{source}"):
            near = socket.create_connection((at, PORT), timeout=HANG_SECONDS)
        far, (address, _) = server.accept()
        with near, far:
            far.sendall(b"hello")
            assert near.recv(5) == b"hello"
        return address


def test_a_lan_peer_reaches_a_vm_by_the_host_s_port_and_is_seen_as_itself():
    assert seen_as("pc") == "192.168.1.50"


@pytest.mark.parametrize("source", ["host", "vm1", "vm2", "vm3"])
def test_the_host_and_its_nat_vms_reach_it_as_the_host(source):
    """Hairpin: VMware's NAT device has a socket of the host's, and calls itself."""
    assert seen_as(source) == HOST


@pytest.mark.parametrize("at", ["127.0.0.1", "10.0.0.1", "10.0.9.1"])
def test_the_host_reaches_it_at_its_loopback_and_adapters_and_is_seen_as_the_device(at):
    """VMware's device listens there too. No VM could answer to these addresses of the caller."""
    assert seen_as("host", at) == "10.0.0.10"


def test_a_port_that_leads_nowhere_is_no_forward():
    assert end("pc", HOST, "tcp:8081") == ("host", Cause.NO_FORWARD)
    assert end("pc", HOST, "udp:8080") == ("host", Cause.NO_FORWARD)


def test_where_nobody_listens_the_vm_says_no():
    assert end("pc", HOST, "tcp:8080") == ("vm1", Cause.PORT_CLOSED)


def test_explain_knows_forwards():
    with waiting("vm1", 80):
        told = lab.explain(now(), "pc", HOST, "tcp:8080").diagnosis
    assert told.verdict is Verdict.ANSWERED


def test_a_port_of_the_internet_s_is_not_the_host_s():
    with waiting("internet", PORT):
        assert lab.trace(now(), "vm2", "internet", "tcp:8080").diagnosis.at == "internet"
        assert lab.trace(now(), "host", "internet", "tcp:8080").diagnosis.at == "internet"


def test_the_device_answers_ping_and_resets_tcp():
    assert lab.trace(now(), "vm1", "10.0.0.10").diagnosis.verdict is Verdict.ANSWERED
    found = lab.trace(now(), "vm1", "10.0.0.10", "tcp:80").diagnosis
    assert (found.verdict, found.cause) == (Verdict.REFUSED, Cause.PORT_CLOSED)
    assert "resets the connection" in found.evidence


def test_dhcp_and_dns_follow_the_device_s_address():
    assert "default via 10.0.0.10 " in inside("natd.vm1", "ip", "route").stdout
    assert "nameserver 10.0.0.10\n" in inside("natd.vm1", "cat", "/etc/resolv.conf").stdout


def test_the_dns_proxy_asks_its_own_servers():
    asked = lab.trace(now(), "vm1", by="dns:www.example.com")
    assert asked.diagnosis.verdict is Verdict.ANSWERED
    passed = {step.after["ip.dst"] for step in asked.journey.steps if "ip.dst" in step.after}
    assert "203.0.113.80" in passed
    assert "192.168.1.1" not in passed, "the home router is not asked"


@pytest.mark.on_each_kernel
def test_an_idle_udp_conversation_is_forgotten():
    """One second here, 30 on Windows: a reply that comes later is for nobody."""
    with (
        waiting("pc", 9999, socket.SOCK_DGRAM) as far,
        waiting("vm1", 9998, socket.SOCK_DGRAM) as near,
    ):
        near.sendto(b"question", ("192.168.1.50", 9999))
        _, seen = far.recvfrom(64)
        far.sendto(b"in time", seen)
        assert near.recv(64) == b"in time"
        inside("natd.vm1", "sleep", "2.2")  # VMware says: up to twice the time-out.
        far.sendto(b"too late", seen)
        near.settimeout(0.3)
        with pytest.raises(TimeoutError):
            near.recv(64)


@pytest.mark.on_each_kernel
def test_a_finished_tcp_connection_is_forgotten(running):
    """One second here, 30 in VMware's files, 120 in the kernel's own settings."""
    with waiting("pc", 9997) as server:
        with netns.inside("natd.vm1"):
            near = socket.create_connection(("192.168.1.50", 9997), timeout=HANG_SECONDS)
        far, _ = server.accept()
        near.close()
        assert far.recv(1) == b""
        far.close()

    def remembered(node: str) -> list[str | None]:
        return [
            one.state
            for one in connections.read(f"natd.{node}")
            if one.original.target_port == 9997
        ]

    for fact in (lambda: remembered("host") == ["TIME_WAIT"], lambda: not remembered("vmnet8-nat")):
        wait_until(fact, 30, lambda: "never", Interruption())
    assert remembered("host") == ["TIME_WAIT"], "the host remembers for longer than its NAT device"


def test_forwards_come_and_go(running):
    lab.apply(now(), lab.add_forward(now(), "udp", 5353, "vm3:53"))
    assert not lab.status(now()).drift
    assert end("pc", HOST, "udp:5353") == ("vm3", Cause.PORT_CLOSED)
    lab.apply(now(), lab.add_forward(now(), "tcp", 8022, "10.0.0.77:22"))
    assert end("pc", HOST, "tcp:8022") == ("vmnet8-nat", Cause.ARP_UNANSWERED), "a stale one"
    done = netlab("forward", "remove", "5353/udp")
    assert done.returncode == 0, done.stderr
    assert netlab("forward", "remove", "8022").returncode == 0
    assert end("pc", HOST, "udp:5353") == ("host", Cause.NO_FORWARD)
    assert now().plan == running.plan


def test_a_port_of_a_service_of_the_host_s_is_refused_before_anything_is_made():
    text = SCENARIO.replace("vmnet9:", "virbr0: {mode: libvirt-nat}\n  vmnet9:")
    for ports in ("udp: {53: vm1:53}", "tcp: {53: vm1:53}", "udp: {67: vm1:67}"):
        source = load_text(text.replace("tcp: {8080: vm1:80}", ports).encode(), "n.yaml")
        with pytest.raises(UsageError, match="is busy: virbr0 waits on it"):
            lab.up(lab.prepare(source, "taken"))
        with pytest.raises(UsageError, match="is busy: virbr0 waits on it"):
            lab.apply(now(), source)
    assert not lab.status(now()).drift


def test_a_busy_port_is_refused():
    with waiting("host", 8099):
        done = netlab("forward", "add", "8099", "vm1:80")
        assert done.returncode == 2
        assert "the host's tcp port 8099 is busy: another program waits on it" in done.stderr
        assert netlab("forward", "add", "8099", "vm1:80", "--dry-run").returncode == 2
        forwards = "forwards: {tcp: {8080: vm1:80, 8099: vm1:80}}"
        done = netlab("set", "vmnet8", f"nat={{gateway: 10.0.0.10, {forwards}}}")
        assert (done.returncode, "tcp port 8099 is busy" in done.stderr) == (2, True)
        busy = load_text(SCENARIO.replace("{8080", "{8099: vm2:80, 8080").encode(), "n.yaml")
        with pytest.raises(UsageError, match="tcp port 8099 is busy"):
            lab.apply(now(), busy)
        assert not lab.status(now()).drift
    assert netlab("forward", "add", "8099", "vm1:80", "--dry-run").returncode == 0
    with server_of_a_user(8099), pytest.raises(UsageError, match="8099 is busy: sleep waits on it"):
        lab.apply(now(), lab.add_forward(now(), "tcp", 8099, "vm1:80"))
    assert netlab("forward", "add", "8080", "vm2:80").returncode == 2
    with pytest.raises(ScenarioError, match="taken twice: by vmnet8 and vmnet9"):
        lab.add_forward(now(), "tcp", 8080, "vm3:80")
    with pytest.raises(UsageError, match="several NAT networks"):
        lab.add_forward(now(), "tcp", 8099, "vm77:80")
    for wrong in (("add", "http", "vm1:80"), ("add", "80", "vm1"), ("remove", "81"),
                  ("add", "80", "vm1:80", "--network", "vmnet7")):  # fmt: skip
        assert netlab("forward", *wrong).returncode == 2
    listed = json.loads(netlab("forward", "list", "--json").stdout)
    assert "10.0.0.128 (vm1)" in str(listed)
