"""Bridging to Wi-Fi: what is on the air, and what the VMs notice of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.namespaces import netns
from tests.machine import inside

pytestmark = pytest.mark.on_each_kernel

NAME = "air"
ALL = socket.htons(3)


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("wifi"), NAME)) as up:
        yield up


def mac(running: lab.Lab, node: str) -> bytes:
    return bytes.fromhex(running.topology.nodes[node].primary.mac.replace(":", ""))


def lease(running: lab.Lab, node: str) -> str:
    """Ask DHCP anew, beside the client that runs and by its name; the address that was offered."""
    name = running.topology.nodes[node].primary.client_id.replace(":", "")
    once = ("busybox", "udhcpc", "-i", "eth0", "-q", "-n", "-t", "2", "-T", "1", "-s", "/bin/true",
            "-x", f"0x3d:{name}")  # fmt: skip
    return inside(f"{NAME}.{node}", *once).stderr


def ping(source: str, address: str) -> bool:
    command = ("busybox", "ping", "-c", "1", "-W", "2", address)
    return inside(f"{NAME}.{source}", *command).returncode == 0


@pytest.fixture
def air() -> Iterator[socket.socket]:
    """Every frame between the host's card and the LAN."""
    with netns.inside(f"{NAME}.lan"):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ALL)
        tap.bind(("vmnet0", 0))
    tap.setblocking(False)
    yield tap
    tap.close()


def frames(tap: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield tap.recv(4096)
        except BlockingIOError:
            return


def test_no_frame_on_the_air_has_a_vm_s_mac(running, air):
    for vm, address in (("vm1", "192.168.1.129"), ("vm2", "192.168.1.130")):
        inside(f"{NAME}.{vm}", "ip", "neigh", "flush", "all")
        assert ping(vm, "192.168.1.60")
        assert f"lease of {address} obtained" in lease(running, vm)
        inside(f"{NAME}.phone", "ip", "neigh", "flush", "all")
        assert ping("phone", address)
    hidden = [mac(running, vm) for vm in ("vm1", "vm2")]
    dhcp, seen = 0, 0
    for frame in frames(air):
        seen += 1
        if frame[23:24] == b"\x11" and frame[34:38] in (b"\0\x44\0\x43", b"\0\x43\0\x44"):
            dhcp += 1
            # The client's name in DHCP stays; the flag asks the server to answer everybody.
            assert frame[:12].find(hidden[0]) < 0 and frame[:12].find(hidden[1]) < 0
            assert frame[52] & 0x80
        else:
            assert not any(one in frame for one in hidden)
    assert dhcp >= 8
    assert seen > 20


def test_arp_for_a_vm_is_answered_with_the_host_s_mac(running):
    inside(f"{NAME}.phone", "ip", "neigh", "flush", "all")
    assert ping("phone", "192.168.1.129")
    known = inside(f"{NAME}.phone", "ip", "neigh", "show", "192.168.1.129").stdout
    assert running.topology.nodes["host"].primary.mac in known


def test_vms_on_one_host_see_each_other_s_own_mac(running):
    assert ping("vm1", "192.168.1.130")
    known = inside(f"{NAME}.vm1", "ip", "neigh", "show", "192.168.1.130").stdout
    assert running.topology.nodes["vm2"].primary.mac in known


def test_an_address_given_by_hand_is_learnt(running):
    inside(f"{NAME}.vm1", "ip", "addr", "add", "192.168.1.77/32", "dev", "eth0")
    try:
        command = ("ping", "-c1", "-W2", "-I", "192.168.1.77", "192.168.1.60")
        assert inside(f"{NAME}.vm1", "busybox", *command).returncode == 0
    finally:
        inside(f"{NAME}.vm1", "ip", "addr", "del", "192.168.1.77/32", "dev", "eth0")


def test_what_is_no_ip_does_not_leave(running, air):
    list(frames(air))
    with netns.inside(f"{NAME}.vm1"):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sender.bind(("eth0", 0))
    target = mac(running, "phone")
    sender.send(target + mac(running, "vm1") + b"\x81\x37" + b"IPX".ljust(60))
    assert ping("vm1", "192.168.1.60")
    sender.close()
    assert not any(frame[12:14] == b"\x81\x37" for frame in frames(air))


def test_learning_is_no_drift(running):
    assert ping("vm1", "192.168.1.60")
    assert not lab.status(running).drift


def test_a_trace_over_wifi_is_answered(running, capfd):
    traced = lab.trace(running, "phone", "vm1")
    assert traced.diagnosis.verdict is Verdict.ANSWERED
    assert capfd.readouterr().err == ""


def test_an_answer_to_a_vm_s_arp_names_the_vm(running):
    """Also as its target, of which Linux takes no notice."""
    with netns.inside(f"{NAME}.vm1"):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ALL)
        tap.bind(("eth0", 0))
    tap.setblocking(False)
    inside(f"{NAME}.vm1", "ip", "neigh", "flush", "all")
    assert ping("vm1", "192.168.1.60")
    answers = [one for one in frames(tap) if one[12:14] == b"\x08\x06" and one[21] == 2]
    tap.close()
    to_vm = [one for one in answers if one[28:32] == socket.inet_aton("192.168.1.60")]
    assert to_vm
    assert all(one[32:38] == one[:6] == mac(running, "vm1") for one in to_vm)
