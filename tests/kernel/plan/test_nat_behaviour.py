"""What a NAT does with ports, with callers from inside, and when it forgets; and where its gateway is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import connections
from netlab.kernel.signals import Interruption
from netlab.kernel.wait import wait_until
from netlab.scenario.loader import load_text
from tests.kernel.faults import proof
from tests.machine import inside
from tests.pace import HANG_SECONDS

SCENARIO = """
internet: {servers: {one.example.com: 203.0.113.80, two.example.com: 203.0.113.81,
                     three.example.com: 203.0.113.82}}
lan:
  peers: {pc: 192.168.1.50, nas: 192.168.1.51}
  forwards: {tcp: {8080: "nas:80", 8081: "host:8080"}, udp: {8080: "nas:80"}}
  nat: {ports: random, hairpin: off, udp_timeout: 1}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet8:
    mode: nat
    subnet: 10.0.0.0/24
    nat: {gateway: 10.0.0.1, ports: random, hairpin: off, tcp_timeout: 1, forwards: {tcp: {8080: "vm1:80"}}}
  vmnet9: {mode: nat, subnet: 10.0.9.0/24, nat: {gateway: 10.0.9.77}}
vms:
  vm1: {nics: [vmnet8], listens: ["tcp:80"]}
  vm2: {nics: [vmnet8]}
  vm9: {nics: [vmnet9]}
expect: {default: blocked}
"""
HOST, PUBLIC = "192.168.1.100", "203.0.113.1"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(SCENARIO.encode(), "b.yaml"), "natb")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("natb")


@contextmanager
def datagrams(node: str, address: str, port: int) -> Iterator[socket.socket]:
    with netns.inside(f"natb.{node}"):
        waits = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(waits):
        waits.settimeout(HANG_SECONDS)
        waits.bind((address, port))
        yield waits


def ports_seen(source: str, port: int, server: str, addresses: list[str]) -> list[int]:
    """The ports from which datagrams come to several addresses that one socket sends, from its `port`."""
    with ExitStack() as stack:
        near = stack.enter_context(datagrams(source, "0.0.0.0", port))
        ports = []
        for address in addresses:
            far = stack.enter_context(datagrams(server, address, 5000))
            near.sendto(b"who am I?", (address, 5000))
            ports.append(far.recvfrom(64)[1][1])
            far.sendto(b"", (PUBLIC if server == "internet" else HOST, ports[-1]))
            assert near.recv(64) == b"", "the answer comes back"
    return ports


SERVERS = ["203.0.113.80", "203.0.113.81", "203.0.113.82"]


@pytest.mark.on_each_kernel
def test_a_symmetric_nat_has_another_port_for_each_destination():
    ports = ports_seen("pc", 4321, "internet", SERVERS)
    assert len(set(ports)) > 1, "the home router's"
    inside("natb.pc", "ip", "address", "add", "192.168.1.60/24", "dev", "eth0")
    ports = ports_seen("vm1", 4321, "pc", ["192.168.1.50", "192.168.1.60"])
    inside("natb.pc", "ip", "address", "del", "192.168.1.60/24", "dev", "eth0")
    assert len({4321, *ports}) > 2, "the NAT device's"


def test_other_nats_keep_ports(running):
    text = SCENARIO.replace("ports: random, ", "")
    lab.apply(now(), load_text(text.encode(), "b.yaml"))
    assert ports_seen("pc", 4323, "internet", SERVERS) == [4323] * 3
    assert ports_seen("vm1", 4323, "pc", ["192.168.1.50"]) == [4323]
    lab.apply(now(), running.source)
    assert not lab.status(now()).drift


@pytest.mark.parametrize(
    ("source", "address", "by", "at"),
    [
        ("pc", PUBLIC, "tcp:8080", "router"),
        ("pc", PUBLIC, "udp:8080", "router"),
        ("vm2", PUBLIC, "tcp:8080", "router"),
        ("vm2", HOST, "tcp:8080", "host"),
    ],
)
def test_without_hairpin_nobody_inside_reaches_a_forwarded_port(source, address, by, at):
    for diagnosis in (
        lab.trace(now(), source, address, by).diagnosis,
        lab.explain(now(), source, address, by).diagnosis,
    ):
        end = (diagnosis.verdict, diagnosis.at, diagnosis.cause)
        assert end == (Verdict.REFUSED, at, Cause.FORWARD_ELSEWHERE)
        assert "for callers from outside only" in diagnosis.evidence


def test_from_outside_it_is_reached_all_the_same():
    for source, address, by in (
        ("internet", PUBLIC, "tcp:8081"),
        ("pc", HOST, "tcp:8080"),
        ("vm9", HOST, "tcp:8080"),
        ("host", "127.0.0.1", "tcp:8080"),
    ):
        assert lab.trace(now(), source, address, by).diagnosis.verdict is Verdict.ANSWERED


@pytest.mark.on_each_kernel
def test_an_idle_tcp_connection_is_forgotten():
    with netns.inside("natb.pc"):
        server = socket.create_server(("0.0.0.0", 9997))
    with closing(server):
        server.settimeout(HANG_SECONDS)
        with netns.inside("natb.vm1"):
            near = socket.create_connection(("192.168.1.50", 9997), timeout=HANG_SECONDS)
        far, _ = server.accept()

        def is_forgotten() -> bool:
            known = connections.read("natb.vmnet8-nat")
            return all(one.original.target_port != 9997 for one in known)

        with near, far:
            wait_until(is_forgotten, 30, lambda: "never", Interruption())
            near.sendall(b"too late")
            far.settimeout(0.3)
            with pytest.raises(TimeoutError):
                far.recv(8)


def test_a_home_router_forgets_udp():
    with datagrams("pc", "0.0.0.0", 4322) as near, datagrams("internet", SERVERS[0], 5000) as far:
        near.sendto(b"question", (SERVERS[0], 5000))
        _, seen = far.recvfrom(64)
        far.sendto(b"in time", seen)
        assert near.recv(64) == b"in time"

        def is_forgotten() -> bool:
            known = connections.read("natb.router")
            return all(one.original.source_port != 4322 for one in known)

        wait_until(is_forgotten, 30, lambda: "never", Interruption())
        far.sendto(b"too late", seen)
        near.settimeout(0.3)
        with pytest.raises(TimeoutError):
            near.recv(64)


def test_the_host_s_adapter_makes_room_for_a_gateway_at_its_address():
    assert "default via 10.0.0.1 " in inside("natb.vm1", "ip", "route").stdout
    assert "nameserver 10.0.0.1\n" in inside("natb.vm1", "cat", "/etc/resolv.conf").stdout
    assert "10.0.0.2/24" in inside("natb.host", "ip", "address", "show", "vmnet8").stdout
    for source, target, by in (
        ("vm1", "10.0.0.1", "icmp"),
        ("vm1", "10.0.0.2", "icmp"),
        ("host", "vm1", "icmp"),
        ("vm1", "internet", "icmp"),
        ("vm1", None, "dns:one.example.com"),
    ):
        assert lab.trace(now(), source, target, by).diagnosis.verdict is Verdict.ANSWERED
    assert lab.trace(now(), "vm1", "10.0.0.1", "tcp:80").diagnosis.cause is Cause.PORT_CLOSED


def test_a_gateway_is_anywhere_in_the_subnet():
    assert "default via 10.0.9.77 " in inside("natb.vm9", "ip", "route").stdout
    assert "10.0.9.1/24" in inside("natb.host", "ip", "address", "show", "vmnet9").stdout
    assert lab.trace(now(), "vm9", "internet").diagnosis.verdict is Verdict.ANSWERED


def test_that_there_is_no_hairpin_is_told_by_its_rule_alone():
    found = proof(now(), "pc", PUBLIC, by="tcp:8080")
    assert found.diagnosis.cause is Cause.FORWARD_ELSEWHERE
    assert found.without(drops={}) is Cause.PORT_CLOSED
