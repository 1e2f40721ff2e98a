"""What was changed in a running lab by hand, brought back by `netlab repair`."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.errors import KernelError
from netlab.kernel import links
from tests.kernel.test_drift import CHANGES
from tests.machine import inside, netlab


@pytest.fixture
def running():
    with lab.running(lab.prepare(lab.load("nat"), "drift")) as up:
        yield up


BY_HAND = {
    **{f"{node}: {command}": (node, command) for node, command, _, _ in CHANGES},
    "a static address": (
        "pc",
        "ip address flush dev eth0; ip address add 192.168.1.77/24 dev eth0",
    ),
    "a leased address": ("vm1", "ip address flush dev eth0; ip address add 10.0.0.77/24 dev eth0"),
    "an adapter": ("vm1", "ip link set eth0 down"),
    "a MAC": ("vm2", "ip link set eth0 address 00:0c:29:00:00:99"),
    "a deleted cable": ("vm2", "ip link del eth0"),
    "rules": ("host", "nft flush ruleset; nft add table ip mine"),
    "rules where there were none": ("vm1", "nft add table ip mine"),
    "a setting": ("vm1", "sysctl -q net.ipv4.ip_forward=1"),
    "a service": ("vmnet8-nat", "kill $(ip netns pids drift.vmnet8-nat | grep -vw $$) || true"),
    "a DHCP client": ("vm1", "kill $(ip netns pids drift.vm1 | grep -vw $$) || true"),
    "a file": ("vm1", "echo 10.9.9.9 other >>/etc/hosts"),
}


def test_repair_brings_back_what_was_changed_by_hand(running):
    """All in one lab, one after the other: each finds what the last one was repaired to."""
    for name, (node, command) in BY_HAND.items():
        assert inside(f"drift.{node}", "sh", "-c", command).returncode == 0, name
        assert lab.repair(running), name
        assert not lab.status(running).drift, name
    inside("drift.vm1", "ip", "address", "add", "10.0.0.77/24", "dev", "eth0")
    dry = netlab("repair", "--dry-run")
    assert (dry.returncode, dry.stdout.splitlines()[-1]) == (
        0,
        "1 to remove, 0 to alter, 0 to make",
    )
    assert netlab("repair").stdout.splitlines()[-1] == "1 removed, 0 altered, 0 made"
    assert netlab("repair").stdout.strip() == "nothing differs: the lab is as wanted"
    assert all(result.passed for result in lab.verify(running))


def test_a_repair_that_fails_is_taken_back(running, monkeypatch):
    inside("drift.vm1", "ip", "address", "add", "10.0.0.77/24", "dev", "eth0")
    inside("drift.pc", "ip", "route", "del", "default")
    before = lab.status(running).drift

    def faulty(*arguments):
        raise KernelError("a fault")

    with monkeypatch.context() as patched, pytest.raises(KernelError):
        patched.setattr(links, "create_route", faulty)
        lab.repair(running)
    assert lab.status(running).drift == before
    lab.repair(running)
    assert not lab.status(running).drift
