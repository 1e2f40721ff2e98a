"""Ports that lead to machines behind NAT: at one address, in ranges, by the host and by home routers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError
from netlab.kernel.namespaces import netns
from netlab.scenario.loader import load_text
from tests.machine import netlab
from tests.pace import HANG_SECONDS

SCENARIO = """
lan:
  peers: {pc: 192.168.1.50}
  forwards: {tcp: {8080: "host:8080", 7000-7002: "pc:9000"}, udp: {5000-5002: "pc:5000"}}
lans: {office: {subnet: 10.20.0.0/24, peers: {colleague: 10.20.0.5}, forwards: {tcp: {81: "colleague:80"}}}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet8:
    mode: nat
    subnet: 10.0.0.0/24
    nat:
      forwards:
        tcp: {8080: "vm1:80", 8000-8010: "vm1:9000", "192.168.1.100:90": "vm1:80"}
        udp: {6000-6005: "vm1:6000"}
  vboxnat: {mode: vbox-nat, nat: {forwards: {tcp: {"127.0.0.1:2222": "box:22"}}}}
vms:
  vm1: {nics: [vmnet8], listens: ["tcp:80", "tcp:9003", "udp:6002"]}
  box: {nics: [vboxnat], listens: ["tcp:22"]}
expect: {default: blocked}
"""
HOST, PUBLIC = "192.168.1.100", "203.0.113.1"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(SCENARIO.encode(), "f.yaml"), "fwd")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("fwd")


def ends(source: str, target: str, by: str) -> tuple[str, Cause | None]:
    """Where and why a probe ends; `explain` says the same."""
    traced = lab.trace(now(), source, target, by).diagnosis
    predicted = lab.explain(now(), source, target, by).diagnosis
    assert (traced.verdict, traced.at, traced.cause) == (
        predicted.verdict,
        predicted.at,
        predicted.cause,
    )
    return traced.at, traced.cause


@contextmanager
def waiting(node: str, port: int) -> Iterator[socket.socket]:
    with netns.inside(f"fwd.{node}"):
        waits = socket.create_server(("0.0.0.0", port))
    with closing(waits):
        waits.settimeout(HANG_SECONDS)
        yield waits


def seen_as(source: str, at: str, port: int, server: str, to_port: int) -> str:
    """Whose address a server sees when a machine calls a port."""
    with waiting(server, to_port) as waits:
        with netns.inside(f"fwd.{source}"):
            near = socket.create_connection((at, port), timeout=HANG_SECONDS)
        far, (address, _) = waits.accept()
        with near, far:
            far.sendall(b"hello")
            assert near.recv(5) == b"hello"
        return str(address)


def answered(source: str, target: str, by: str) -> bool:
    _, cause = ends(source, target, by)
    return cause is None


def test_what_is_forwarded_at_the_loopback_is_the_host_s_alone():
    assert answered("host", "127.0.0.1", "tcp:2222")
    assert ends("pc", HOST, "tcp:2222") == ("host", Cause.FORWARD_ELSEWHERE)
    traced = lab.trace(now(), "pc", HOST, "tcp:2222").diagnosis
    assert "the port leads on at 127.0.0.1 only" in traced.evidence


def test_what_is_forwarded_at_the_lan_address_is_not_at_the_loopback():
    assert answered("pc", HOST, "tcp:90")
    assert answered("host", HOST, "tcp:90")
    assert lab.trace(now(), "host", "127.0.0.1", "tcp:90").diagnosis.verdict is Verdict.REFUSED


def test_a_forward_without_an_address_is_at_each():
    for source, target in (("pc", HOST), ("host", HOST), ("host", "127.0.0.1")):
        assert answered(source, target, "tcp:8080")


@pytest.mark.on_each_kernel
def test_a_range_leads_to_as_many_ports_in_their_order():
    assert answered("pc", HOST, "tcp:8003")
    assert answered("pc", HOST, "udp:6002")
    assert ends("pc", HOST, "tcp:8004") == ("vm1", Cause.PORT_CLOSED)
    assert ends("pc", HOST, "tcp:8011") == ("host", Cause.NO_FORWARD)


@pytest.mark.on_each_kernel
def test_a_home_router_leads_the_internet_to_machines_of_its_lan():
    assert seen_as("internet", PUBLIC, 7002, "pc", 9002) == "203.0.113.80"
    assert seen_as("colleague", PUBLIC, 7002, "pc", 9002) == "198.51.100.2"
    assert ends("internet", PUBLIC, "udp:5001") == ("pc", Cause.PORT_CLOSED)
    assert ends("internet", PUBLIC, "tcp:7003") == ("router", Cause.FIREWALL)
    assert seen_as("pc", "198.51.100.2", 81, "colleague", 80) == PUBLIC


def test_a_vm_behind_two_nats_is_reached_if_both_forward():
    assert answered("internet", PUBLIC, "tcp:8080")


def test_who_calls_the_public_address_from_inside_is_seen_as_the_router():
    assert seen_as("pc", PUBLIC, 7000, "pc", 9000) == "192.168.1.1"
    assert answered("vm1", PUBLIC, "tcp:8080")


def test_the_command_adds_and_removes_them_all(running):
    for words in (
        ("add", "127.0.0.1:2300", "vm1:80"),
        ("add", "3000-3002/udp", "vm1:4000"),
        ("add", "9090", "host:8080"),
        ("add", "9091", "colleague:80", "--network", "office"),
    ):
        done = netlab("forward", *words)
        assert done.returncode == 0, done.stderr
    assert not lab.status(now()).drift
    assert answered("host", "127.0.0.1", "tcp:2300")
    assert answered("internet", PUBLIC, "tcp:9090")
    assert ends("pc", HOST, "udp:3001") == ("vm1", Cause.PORT_CLOSED)
    rows = json.loads(netlab("forward", "list", "--json").stdout)["rows"]
    assert ["3000-3002", "4000-4002"] in [[row["port"], row["to_port"]] for row in rows]
    with pytest.raises(UsageError, match="the host's tcp port 8000-8010 leads to vm1:9000 already"):
        lab.add_forward(now(), "tcp", "127.0.0.1:8003", "vm1:80")
    for words in (("2300",), ("3000-3002/udp",), ("9090",), ("9091", "--network", "office")):
        assert netlab("forward", "remove", *words).returncode == 0
    assert now().plan == running.plan


def test_a_stale_forward_of_a_router_is_told(running):
    lab.apply(now(), lab.add_forward(now(), "tcp", 22, "192.168.1.77:22", "lan"))
    traced = lab.trace(now(), "internet", PUBLIC, "tcp:22").diagnosis
    assert (traced.at, traced.cause) == ("router", Cause.ARP_UNANSWERED)
    assert "the forward leads to 192.168.1.77, which nobody has" in traced.evidence
    lab.apply(now(), lab.remove_forward(now(), "tcp", 22))
    assert now().plan == running.plan
