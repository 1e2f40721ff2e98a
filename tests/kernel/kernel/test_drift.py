"""Status sees what somebody changed by hand, and says it in the plan's words."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from netlab import lab
from netlab.kernel import syscalls
from netlab.kernel.namespaces import netns, sysctl
from netlab.kernel.netlink import namespaces
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import Sysctl
from tests.kernel.changes_by_hand import CHANGES
from tests.machine import inside


@pytest.fixture(scope="module")
def running():
    with lab.running(lab.prepare(lab.load("nat"), "drift")) as up:
        yield up


@pytest.mark.parametrize(("node", "change", "seen", "mend"), CHANGES, ids=lambda x: str(x)[:40])
def test_a_change_by_hand_is_drift_until_it_is_mended(running, node, change, seen, mend):
    done = inside(f"drift.{node}", *change.split())
    assert done.returncode == 0, done.stderr
    drift = lab.status(running).drift
    lines = [f"-{resource}" for resource in drift.missing]
    lines += [f"+{resource}" for resource in drift.unplanned]
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
    assert [str(resource) for resource in drift.missing] == [
        "sysctl drift.host net.ipv4.conf.eth0.forwarding=1"
    ]
    with netns.inside("drift.host"):
        Path("/proc/sys/net/ipv4/conf/eth0/forwarding").write_text("1")
    assert not lab.status(running).drift


SETTINGS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "2",
    "net.ipv4.conf.default.rp_filter": "1",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
}


@pytest.mark.parametrize("key", SETTINGS)
def test_each_setting_of_a_machine_that_was_changed_is_drift(running, key):
    planned = (one for one in running.plan.resources if isinstance(one, Sysctl))
    own = {one.key: one for one in planned if one.namespace == "drift.vm1"}
    assert set(own) == set(SETTINGS)
    with netns.inside("drift.vm1"):
        file = Path("/proc/sys", key.replace(".", "/"))
        file.write_text(SETTINGS[key])
    drift = lab.status(running).drift
    assert own[key] in drift.missing
    assert replace(own[key], value=SETTINGS[key]) in drift.unplanned
    with netns.inside("drift.vm1"):
        for one in own.values():
            Path("/proc/sys", one.key.replace(".", "/")).write_text(one.value)
    assert not lab.status(running).drift


def test_what_a_namespace_inherits_from_the_machine_is_put_right(monkeypatch):
    create = namespaces.create

    def inheriting(name: str) -> None:
        """As on a machine with Docker and systemd, whose settings a new namespace has."""
        create(name)
        for key, value in SETTINGS.items():
            Path("/proc/sys", key.replace(".", "/")).write_text(value)

    monkeypatch.setattr(namespaces, "create", inheriting)
    with lab.running(lab.prepare(lab.load("hostonly"))) as up:
        assert not lab.status(up).drift
        with netns.inside("hostonly.vm1"):
            found = {
                key: Path("/proc/sys", key.replace(".", "/")).read_text().strip()
                for key in SETTINGS
            }
    off = {"net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"}
    assert found == {key: "1" if key in off else "0" for key in SETTINGS}


@pytest.mark.parametrize("namespaces", [1, 2, 1000])
@pytest.mark.parametrize("own_proc", [True, False])
def test_settings_are_those_of_their_namespace_whatever_shows_them(
    running, monkeypatch, namespaces, own_proc
):
    monkeypatch.setattr(sysctl, "_NAMESPACES", namespaces)
    if not own_proc:
        monkeypatch.setattr(syscalls, "detached_mount", mock.Mock(side_effect=PermissionError))
    key, there = "net.ipv4.ip_default_ttl", running.plan.namespaces
    before = len(os.listdir("/proc/self/fd"))
    with NamespacePool(len(there)) as pool:
        for number, name in enumerate(there):
            pool.set(Sysctl(name, key, str(30 + number)))
        found = []
        for name in there:
            with pool.inside(name):
                found.append(pool.settings.values(name, [key, "net.no.such"]))
        assert found == [{key: str(30 + number)} for number in range(len(there))]
        for name in there:
            pool.set(Sysctl(name, key, "64"), Sysctl(name, "net.no.such", "1", optional=True))
        with pytest.raises(FileNotFoundError):
            pool.set(Sysctl(there[0], "net.no.such", "1"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_cable_has_one_queue_at_each_end_however_many_processors_there_are(running):
    for node, interface in (("vm1", "eth0"), ("vmnet8", "vm1-eth0")):
        shown = inside(f"drift.{node}", "ip", "-d", "link", "show", "dev", interface).stdout
        assert "numtxqueues 1 numrxqueues 1 " in shown


def test_changed_rules_are_drift():
    planned = lab.prepare(lab.load("nat"))
    with lab.running(planned):
        import nftables

        for namespace in ("nat.vmnet8-nat", "nat.vm1"):
            with netns.inside(namespace):
                nftables.Nftables().cmd("add table ip extra")
        drift = lab.status(planned).drift
        assert [type(resource).__name__ for resource in drift.missing] == ["Ruleset"]
        assert {resource.namespace for resource in drift.unplanned} == {"nat.vmnet8-nat", "nat.vm1"}


def test_an_edited_file_a_dead_service_and_a_lost_lease_are_drift():
    planned = lab.prepare(lab.load("nat"))
    with lab.running(planned):
        run = RunDirectory("nat")
        etc = netns.ETC / "nat.vm1"
        (etc / "hosts").write_text("127.0.0.1 nonsense\n")
        (etc / "nsswitch.conf").write_bytes(b"no text: \xff")
        (etc / "hostname").unlink()
        (etc / "hostname").mkdir()
        pid = (run.service("nat.vmnet8-dhcp", "dhcp") / "pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)
        inside("nat.vm2", "ip", "address", "flush", "dev", "eth0")
        missing = {
            str(resource).split(":")[0].splitlines()[0]
            for resource in lab.status(planned).drift.missing
        }
        assert missing == {
            "etc nat.vm1 hosts",
            "etc nat.vm1 nsswitch.conf",
            "etc nat.vm1 hostname",
            "service nat.vmnet8-dhcp dhcp",
            "listening nat.vmnet8-dhcp dhcp udp/67",
            "lease nat.vm2/eth0",
        }


def test_a_vanished_namespace_is_drift_and_no_crash():
    planned = lab.prepare(lab.load("hostonly"))
    with lab.running(planned):
        netns.delete("hostonly.vm1")
        missing = [str(resource) for resource in lab.status(planned).drift.missing]
        assert "namespace hostonly.vm1" in missing
