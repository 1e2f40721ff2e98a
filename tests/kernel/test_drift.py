"""Status sees what somebody changed by hand, and says it in the plan's words."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from netlab import lab
from netlab.kernel import netns
from netlab.kernel.rundir import RunDirectory
from netlab.plan.plan import line
from tests.machine import inside


@pytest.fixture(scope="module")
def running():
    with lab.running(lab.prepare(lab.load("nat"), "drift")) as up:
        yield up


CHANGES = [
    ("vm1", "ip address add 10.0.0.77/24 dev eth0", "+address drift.vm1/eth0 10.0.0.77/24",
     "ip address del 10.0.0.77/24 dev eth0"),
    ("pc", "ip route replace default via 192.168.1.100", "-route drift.pc 0.0.0.0/0 via 192.168.1.1",
     "ip route replace default via 192.168.1.1"),
    ("pc", "ip route add 10.0.0.0/24 via 192.168.1.100",
     "+route drift.pc 10.0.0.0/24 via 192.168.1.100", "ip route del 10.0.0.0/24"),
    ("host", "ip link set vmnet8 down", "-cable drift.vmnet8/host-vmnet8", "ip link set vmnet8 up"),
    ("vm2", "ip link set eth0 mtu 1400", "-cable drift.vmnet8/vm2-eth0", "ip link set eth0 mtu 1500"),
    ("vmnet8", "ip link set vm2-eth0 nomaster", "-cable drift.vmnet8/vm2-eth0",
     "ip link set vm2-eth0 master vmnet8"),
    ("vm1", "ip link add br9 type bridge", "+interface drift.vm1/br9", "ip link del br9"),
]  # fmt: skip


@pytest.mark.parametrize(("node", "change", "seen", "mend"), CHANGES, ids=lambda x: str(x)[:40])
def test_a_change_by_hand_is_drift_until_it_is_mended(running, node, change, seen, mend):
    done = inside(f"drift.{node}", *change.split())
    assert done.returncode == 0, done.stderr
    drift = lab.status(running).drift
    lines = [f"-{line(noun)}" for noun in drift.missing]
    lines += [f"+{line(noun)}" for noun in drift.unplanned]
    assert any(one.startswith(seen) for one in lines), lines
    assert inside(f"drift.{node}", *mend.split()).returncode == 0
    assert not lab.status(running).drift


def test_an_adapter_that_is_down_is_shown_as_down(running):
    def state() -> str:
        machine = next(m for m in lab.status(running).machines if m.name == "host")
        return next(i.state for i in machine.interfaces if i.name == "vmnet8")

    assert state() == "up"
    inside("drift.host", "ip", "link", "set", "vmnet8", "down")
    assert state() == "down"
    inside("drift.host", "ip", "link", "set", "vmnet8", "up")
    assert state() == "up"


def test_a_changed_kernel_setting_is_drift(running):
    setting = Path("/proc/sys/net/ipv4/conf/vmnet8/forwarding")
    with netns.inside("drift.host"):
        setting.write_text("1")
    assert not lab.status(running).drift, "a setting that the plan does not name"
    with netns.inside("drift.host"):
        setting.write_text("0")
        Path("/proc/sys/net/ipv4/conf/eth0/forwarding").write_text("0")
    drift = lab.status(running).drift
    assert [line(noun) for noun in drift.missing] == [
        "sysctl drift.host net.ipv4.conf.eth0.forwarding=1"
    ]
    with netns.inside("drift.host"):
        Path("/proc/sys/net/ipv4/conf/eth0/forwarding").write_text("1")
    assert not lab.status(running).drift


def test_changed_rules_are_drift():
    planned = lab.prepare(lab.load("nat"))
    with lab.running(planned):
        import nftables

        for namespace in ("nat.vmnet8-nat", "nat.vm1"):
            with netns.inside(namespace):
                nftables.Nftables().cmd("add table ip extra")
        drift = lab.status(planned).drift
        assert [type(noun).__name__ for noun in drift.missing] == ["Ruleset"]
        assert {noun.namespace for noun in drift.unplanned} == {"nat.vmnet8-nat", "nat.vm1"}


def test_an_edited_file_a_dead_service_and_a_lost_lease_are_drift():
    planned = lab.prepare(lab.load("nat"))
    with lab.running(planned):
        run = RunDirectory("nat")
        (netns.ETC / "nat.vm1" / "hosts").write_text("127.0.0.1 nonsense\n")
        pid = (run.service("nat.vmnet8-dhcp", "dhcp") / "pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)
        inside("nat.vm2", "ip", "address", "flush", "dev", "eth0")
        missing = {
            line(noun).split(":")[0].splitlines()[0] for noun in lab.status(planned).drift.missing
        }
        assert missing == {
            "etc nat.vm1 hosts",
            "service nat.vmnet8-dhcp dhcp",
            "listening nat.vmnet8-dhcp dhcp udp/67",
            "lease nat.vm2/eth0",
        }


def test_a_vanished_namespace_is_drift_and_no_crash():
    planned = lab.prepare(lab.load("hostonly"))
    with lab.running(planned):
        netns.delete("hostonly.vm1")
        missing = [line(noun) for noun in lab.status(planned).drift.missing]
        assert "namespace hostonly.vm1" in missing
