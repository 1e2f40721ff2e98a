"""VirtualBox's, libvirt's and Hyper-V's networks: what is theirs and not VMware's, on real packets."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.errors import KernelError
from netlab.kernel.namespaces import netns
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.plan.modes import nat
from netlab.plan.plan import Plan
from netlab.plan.resources import Listening, Service
from netlab.scenario.loader import load_text
from tests.machine import inside, netlab
from tests.pace import HANG_SECONDS

TEXT = """
lan: {subnet: 192.168.1.0/24, peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vboxnat: {mode: vbox-nat}
  natnetwork: {mode: vbox-natnetwork, subnet: 10.0.9.0/24}
  open: {mode: vbox-nat, subnet: 10.0.5.0/24, nat: {localhost_reachable: on}}
  virbr0: {mode: libvirt-nat}
  virbr1: {mode: libvirt-isolated, subnet: 192.168.123.0/24}
vms:
  box1: {nics: [vboxnat]}
  box2: {nics: [vboxnat]}
  net1: {nics: [natnetwork]}
  open1: {nics: [open]}
  vir1: {nics: [virbr0]}
  iso1: {nics: [virbr1]}
expect: {default: blocked}
"""


def source(text: str = TEXT):
    return load_text(text.encode(), "products.yaml")


@pytest.fixture(scope="module")
def running():
    with lab.running(lab.prepare(source())) as running:
        yield running


LOOPBACKS = {"box1": ("10.0.2.2", False), "open1": ("10.0.5.2", True), "net1": ("10.0.9.2", True)}
"""VM to its engine's address for the host's loopback, and whether that leads there."""


WAITING = {8001: "127.0.0.1", 8002: "0.0.0.0", 8003: "192.168.1.100", 8004: "127.0.0.1"}


@pytest.fixture(scope="module")
def programs(running):
    """Programs of the host's, by where they wait."""
    waiting = {}
    with netns.inside(f"{running.name}.host"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            for port, at in WAITING.items():
                one = socket.socket(socket.AF_INET, kind)
                one.settimeout(HANG_SECONDS)
                one.bind((at, port))
                if kind == socket.SOCK_STREAM:
                    one.listen()
                waiting[kind, port] = one
    yield waiting
    for one in waiting.values():
        one.close()


@pytest.mark.parametrize("vm", LOOPBACKS)
def test_virtualbox_s_engine_answers_ping_at_the_host_s_address_itself(running, vm):
    address, _ = LOOPBACKS[vm]
    for way in (lab.trace, lab.explain):
        found = way(running, vm, address).diagnosis
        assert found.verdict is Verdict.ANSWERED
        assert found.at.endswith("-nat")


@pytest.mark.parametrize("by", ["tcp", "udp"])
@pytest.mark.parametrize("vm", LOOPBACKS)
def test_it_leads_to_the_host_s_loopback_or_nowhere(running, programs, vm, by):
    """Off by default since VirtualBox 7, where nothing comes back; on for NAT networks."""
    address, reachable = LOOPBACKS[vm]
    there = {8001: Verdict.ANSWERED, 8002: Verdict.ANSWERED, 8003: Verdict.REFUSED}
    if by == "udp":
        there = {8003: Verdict.REFUSED}  # Those that wait elsewhere answer when they are told to.
    for port, verdict in there.items():
        for way in (lab.trace, lab.explain):
            found = way(running, vm, address, f"{by}:{port}").diagnosis
            assert "169.254." not in found.evidence, (
                "how the engine calls the host is its own affair"
            )
            if reachable:
                assert (found.verdict, found.at) == (verdict, "host"), (way, port, found)
            else:
                assert found.verdict is Verdict.DROPPED
                assert found.cause is Cause.FIREWALL
                assert "localhost_reachable is off" in found.evidence


@pytest.mark.parametrize("vm", ["open1", "net1"])
def test_the_program_there_sees_the_loopback(running, programs, vm):
    """The engine is a program of the host's, and calls 127.0.0.1 as any other."""
    with netns.inside(f"{running.name}.{vm}"):
        near = socket.create_connection((LOOPBACKS[vm][0], 8004), timeout=HANG_SECONDS)
    far, (address, _) = programs[socket.SOCK_STREAM, 8004].accept()
    with near, far:
        far.sendall(b"hello")
        assert (near.recv(5), address) == (b"hello", "127.0.0.1")
    with netns.inside(f"{running.name}.{vm}"):
        near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with near:
        near.settimeout(HANG_SECONDS)
        near.sendto(b"question", (LOOPBACKS[vm][0], 8004))
        question, seen = programs[socket.SOCK_DGRAM, 8004].recvfrom(64)
        programs[socket.SOCK_DGRAM, 8004].sendto(b"answer", seen)
        assert (question, seen[0]) == (b"question", "127.0.0.1")
        assert near.recvfrom(64) == (b"answer", (LOOPBACKS[vm][0], 8004))


def test_it_is_switched_live(running):
    done = netlab("set", "vboxnat", "nat={localhost_reachable: on}", "--lab", running.name)
    assert done.returncode == 0, done.stderr
    now = lab.attach(running.name)
    assert not lab.status(now).drift
    with netns.inside(f"{running.name}.host"):
        waits = socket.create_server(("127.0.0.1", 8006))
    with waits:
        assert lab.trace(now, "box1", "10.0.2.2", "tcp:8006").diagnosis.verdict is Verdict.ANSWERED
        lab.apply(now, running.source)
        now = lab.attach(running.name)
        assert not lab.status(now).drift
        assert lab.trace(now, "box1", "10.0.2.2", "tcp:8006").diagnosis.verdict is Verdict.DROPPED


def test_only_nat_engines_may_send_to_the_host_s_loopback(running):
    """From any other cable, a packet for 127.0.0.1 is no packet. (The host calls its forwards by theirs.)"""
    here = f"{running.name}.host"
    shown = inside(here, "sh", "-c", "grep -l 1 /proc/sys/net/ipv4/conf/*/route_localnet")
    engines = [vmnet for vmnet in running.topology.vmnets if vmnet.mode and vmnet.mode.nat_device]
    assert {path.split("/")[-2] for path in shown.stdout.split()} == set(map(nat.host_end, engines))


@pytest.mark.parametrize("server", ["box1", "net1", "vir1"])
def test_names_are_resolved_by_who_dhcp_says(running, server):
    traced = lab.trace(running, server, None, by="dns:www.example.com")
    assert traced.diagnosis.verdict is Verdict.ANSWERED, traced.diagnosis


def test_two_vms_of_virtualbox_have_one_address_and_reach_themselves(running):
    for way in (lab.trace, lab.explain):
        finding = way(running, "box1", "box2").diagnosis
        assert (finding.verdict, finding.at) == (Verdict.DROPPED, "box1")
        assert finding.cause is Cause.DUPLICATE_IP


ENGINE = "52:54:00:12:35:02"


def test_tables_name_the_engine_that_is_on_the_cable(running):
    for box in ("box1", "box2"):
        inside(f"{running.name}.{box}", "ping", "-c", "1", "10.0.2.2")
    own = set()
    for table, column in (("arp", "node"), ("fdb", "switch")):
        done = netlab("show", table, "--lab", running.name, "--json")
        rows = json.loads(done.stdout)["rows"]
        own |= {(row[column], row["mac_of"]) for row in rows if row["mac"] == ENGINE}
    assert {("box1", "vboxnat-box1-nat"), ("vboxnat-box2", "vboxnat-box2-nat")} <= own


@pytest.mark.parametrize("box", ["box1", "box2"])
def test_each_vm_of_virtualbox_is_answered_by_its_own_nat(running, box):
    """All these NATs have the same addresses, each on a cable of its own: nobody is in the way."""
    own = f"vboxnat-{box}-nat"
    for target, by, at in (
        ("10.0.2.2", "icmp", own),
        ("10.0.2.3", "icmp", own),
        (None, "dns:www.example.com", own),
    ):
        one = lab.trace(running, box, target, by)
        assert (one.diagnosis.verdict, one.diagnosis.at) == (Verdict.ANSWERED, at), one.diagnosis
        assert one.request.target == own
        assert one.names[ENGINE] == own, (
            "the others have that MAC address too, and are not heard here"
        )
        decided = [decision.text for step in one.decisions for decision in step]
        decided += [
            d.text for stay in lab.explain(running, box, "10.0.2.2").stays for d in stay.decisions
        ]
        assert not [text for text in decided if " and " in text]


def test_a_port_of_the_host_leads_to_a_vm_behind_virtualbox_s_nat(running):
    """`VBoxManage modifyvm box2 --natpf1 ssh,tcp,,2222,,22`; slirp tells the guest who really calls."""
    for port, vm in ((2201, "box1"), (2202, "box2"), (2203, "net1")):
        now = lab.attach(running.name)
        lab.apply(now, lab.add_forward(now, "tcp", port, f"{vm}:22"))
    now = lab.attach(running.name)
    assert not lab.status(now).drift
    for port, vm in ((2201, "box1"), (2202, "box2"), (2203, "net1")):
        traced = lab.trace(now, "pc", "192.168.1.100", f"tcp:{port}")
        assert (traced.diagnosis.verdict, traced.diagnosis.at) == (Verdict.REFUSED, vm)
        with netns.inside(f"{now.name}.{vm}"):
            server = socket.create_server(("0.0.0.0", 22))
        for caller, seen in (("pc", "192.168.1.50"), ("host", "192.168.1.100")):
            with netns.inside(f"{now.name}.{caller}"):
                near = socket.create_connection(("192.168.1.100", port), timeout=HANG_SECONDS)
            far, (address, _) = server.accept()
            near.close()
            far.close()
            assert address == seen
        server.close()
    lab.apply(now, running.source)


def test_every_server_is_its_own(running):
    """Two dnsmasq on the host, each with the VMs of its network."""
    assert not lab.status(running).drift
    given = {
        interface.addresses
        for machine in lab.status(running).machines
        for interface in machine.interfaces
        if machine.name in ("vir1", "iso1")
    }
    assert given == {("192.168.122.2/24",), ("192.168.123.2/24",)}


def test_what_another_service_of_the_machine_listens_on_does_not_count(running):
    run = RunDirectory(running.name)
    assert services.listens(run, Listening("products.internet", "dns", "udp", 53))
    assert not services.listens(run, Listening("products.internet", "http", "udp", 53))


def test_a_running_lab_gets_more_of_them():
    small = TEXT[: TEXT.index("  natnetwork")] + TEXT[TEXT.index("vms:") : TEXT.index("  box2")]
    small += "expect: {default: blocked}\n"
    bigger = (
        small.replace("vms:", "  virbr2: {mode: libvirt-route, subnet: 10.7.0.0/24}\nvms:")
        .replace("vms:", "vms:\n  box2: {nics: [vboxnat]}\n  routed: {nics: [virbr2]}")
        .replace("peers:", "routes: {10.7.0.0/24: 192.168.1.100}, peers:")
    )
    with lab.running(lab.prepare(source(small), "grows")) as running:
        changed = lab.apply(running, source(bigger))
        assert lab.trace(changed, "box2", "internet").diagnosis.verdict is Verdict.ANSWERED
        # The router sends a redirect with the second packet.
        assert inside("grows.pc", "ping", "-c", "3", "-i", "0.2", "10.7.0.2").returncode == 0
        told = inside("grows.pc", "ip", "route", "show", "cache")
        assert "10.7.0.2 via 192.168.1.100" in told.stdout, "a redirect has taught nothing"
        assert not lab.status(changed).drift
        assert not lab.status(lab.apply(changed, source(small))).drift


def test_a_server_that_ends_at_once_is_told_with_its_last_words():
    """Each dnsmasq on the host would take the loopback, if it were not told to leave it."""
    planned = lab.prepare(source(), "clash")
    resources = [
        replace(resource, config=resource.config.replace("except-interface=lo\n", ""))
        if isinstance(resource, Service)
        else resource
        for resource in planned.plan.resources
    ]
    with pytest.raises(KernelError, match=r"(?s)has ended:.*Address already in use"):
        lab.up(replace(planned, plan=Plan.of("clash", resources)))


def test_a_process_that_ended_before_it_was_looked_at_does_not_live(tmp_path):
    (tmp_path / "pid").write_text("999999 ")
    assert not services._alive(tmp_path)
