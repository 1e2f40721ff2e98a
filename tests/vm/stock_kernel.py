"""What a stock kernel has and the kernels of containers and sandboxes often lack. Run in the VM."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nftables
import pytest

from netlab import lab
from netlab.kernel.host.doctor import Health, examine
from netlab.kernel.host.neighbours import STOCK_ROOM
from netlab.kernel.nftables import nft
from tests.leaks import no_leaks, unchanged_machine
from tests.machine import inside

__all__ = ["no_leaks", "unchanged_machine"]


RULES = "table ip docker { chain f { type filter hook forward priority 0; policy drop;\n }\n }"


def all_as_expected(running: lab.Lab) -> bool:
    return all(result.passed for result in lab.verify(running))


def test_doctor_finds_nothing_missing():
    assert [check.name for check in examine() if check.health is not Health.FINE] == []


def test_the_machine_has_no_file_of_protocols():
    """So that `explain` has shown in this machine that it needs none: netbase is in no minimal Debian."""
    assert not Path("/etc/protocols").exists()


def test_a_delayed_cable_delays_and_changes_no_verdict():
    delay = ["tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "100ms"]
    with lab.running(lab.prepare(lab.load("nat"))) as nat:
        assert inside("nat.vm1", *delay).returncode == 0
        ping = inside("nat.vm1", "ping", "-c3", "-i0.2", "203.0.113.80").stdout
        assert float(re.search(r"= ([\d.]+)/", ping).group(1)) >= 100
        assert all_as_expected(nat)


def test_the_neighbour_table_has_its_stock_size():
    """So that the matrix of 50 VMs among the scenario tests has shown what it claims."""
    limit = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3").read_text()
    assert int(limit) == STOCK_ROOM


@pytest.fixture
def a_host_that_drops_what_bridges_carry() -> Iterator[None]:
    """As Docker leaves a machine: br_netfilter loaded, and a forward chain that drops."""
    subprocess.run(["modprobe", "br_netfilter"], check=True)
    assert nftables.Nftables().cmd(RULES)[0] == 0
    yield
    nftables.Nftables().cmd("delete table ip docker")
    subprocess.run(["modprobe", "-r", "br_netfilter"], check=True)


@pytest.mark.usefixtures("a_host_that_drops_what_bridges_carry")
def test_br_netfilter_and_the_hosts_firewall_do_not_reach_into_a_lab():
    with lab.running(lab.prepare(lab.load("three-modes"))) as modes:
        for switch in (
            "lan",
            "vmnet0",
            "vmnet1",
            "vmnet8",
        ):  # Rules that IP packets on a switch must not meet.
            nft.create(f"three-modes.{switch}", RULES)
        assert all_as_expected(modes)
